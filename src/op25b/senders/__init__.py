"""Who sends to external port 25, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from op25b.engine import duckdb as engine
from op25b.engine.build import is_built
from op25b.engine.reference import destination_networks
from op25b.errors import LakeError
from op25b.lake import Lake
from op25b.senders.classify import classify, reasons
from op25b.workspace import SETTINGS_FILE, Language, Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["classify", "findings", "reasons", "require", "senders"]

_FIRST = ["subscriber", "class", "classes", "confidence", "plan", "fixed_ip", "access_node", "area", "dwelling"]


def require(workspace: Workspace, *, relays: bool = True) -> None:
    """Refuse to give numbers that would only look like results; with `relays` also where these are not set."""
    settings = workspace.root / SETTINGS_FILE
    problem = None
    if not Lake(workspace.lake_path).files("source_file"):
        problem = f"{workspace.lake_path}: the lake is empty\n  run 'op25b ingest' and 'op25b build' first"
    elif not workspace.config.networks.subscribers:
        problem = f"{settings}: the subscribers' networks are not set\n  set [networks] subscribers"
    elif relays and not (destination_networks(workspace)["destination_group"] == "own-relay").any():
        problem = (f"{settings}: the own sending servers are not set, so their users would seem to be blocked\n"
                   "  set [networks] relays")
    elif not is_built(workspace):
        problem = f"{workspace.lake_path}: the lake is not built\n  run 'op25b build' first"
    if problem:
        raise LakeError(problem)


def senders(workspace: Workspace, connection: DuckDBPyConnection) -> pl.DataFrame:
    """One row per subscriber that sends, or tries to, to external port 25: profile, measures and class."""
    return classify(connection.sql("SELECT * FROM sender").pl(), workspace.config.findings)


def findings(workspace: Workspace, language: Language = "en") -> pl.DataFrame:
    """One row per subscriber that sends, or tries to send, to external port 25, those that spread most first.

    Columns: who (subscriber, plan, ...), class, classes, confidence, reasons (list of sentences), then the `sender`
    profile (pipelines/sender.sql) and its measures. Without leases `subscriber` is the line's address.
    """
    require(workspace, relays=False)
    connection = engine.session(workspace)
    who = connection.sql("SELECT subscriber, plan, fixed_ip, access_node, area, dwelling FROM subscriber").pl()
    frame = senders(workspace, connection).join(who, on="subscriber", how="left")
    connection.close()
    words = [reasons(row, language) for row in frame.iter_rows(named=True)]
    frame = frame.with_columns(pl.Series("reasons", words, dtype=pl.List(pl.String)))
    rest = [name for name in frame.columns if name not in {*_FIRST, "reasons"}]
    return frame.select(*_FIRST, "reasons", *rest).sort(["destinations", "sessions", "subscriber"],
                                                       descending=[True, True, False])
