"""Who sends to external port 25, and why."""

from __future__ import annotations

import polars as pl

from op25b.engine import duckdb as engine
from op25b.errors import LakeError
from op25b.lake import Lake
from op25b.senders.classify import classify, reasons
from op25b.workspace import Language, Workspace

__all__ = ["classify", "findings", "reasons"]

_FIRST = ["subscriber", "class", "classes", "confidence", "plan", "fixed_ip", "access_node", "area", "dwelling"]


def findings(workspace: Workspace, language: Language = "en") -> pl.DataFrame:
    """One row per subscriber that sends, or tries to send, to external port 25, those that spread most first.

    Columns: who (subscriber, plan, ...), class, classes, confidence, reasons (list of sentences), then the `sender`
    profile (pipelines/sender.sql) and its measures. Without leases `subscriber` is the line's address.
    """
    if not Lake(workspace.lake_path).files("source_file"):
        msg = f"{workspace.lake_path}: the lake is empty\n  run 'op25b ingest' and 'op25b build' first"
        raise LakeError(msg)
    if not workspace.config.networks.subscribers:
        msg = f"{workspace.root}: findings need the subscribers' networks\n  set [networks] subscribers in op25b.toml"
        raise LakeError(msg)
    connection = engine.session(workspace)
    frame = connection.sql("""
        SELECT s.*, c.plan, c.fixed_ip, c.access_node, c.area, c.dwelling
        FROM sender AS s LEFT JOIN subscriber AS c ON c.subscriber = s.subscriber
    """).pl()
    connection.close()
    frame = classify(frame, workspace.config.findings)
    words = [reasons(row, language) for row in frame.iter_rows(named=True)]
    frame = frame.with_columns(pl.Series("reasons", words, dtype=pl.List(pl.String)))
    rest = [name for name in frame.columns if name not in {*_FIRST, "reasons"}]
    return frame.select(*_FIRST, "reasons", *rest).sort(["destinations", "sessions", "subscriber"],
                                                       descending=[True, True, False])
