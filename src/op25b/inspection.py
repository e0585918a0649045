"""What one file is, before it is ingested: its format and why, time range, accounting, and first rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from op25b.errors import InputError, Op25bError
from op25b.ingest import source_of
from op25b.readers import Format, Kind, choose
from op25b.settings import FlowInput, Input, LeaseInput, MailInput, SubscriberInput
from op25b.workspace import Workspace

SHOWN_ROWS = 10
# Any text with commas could be a subscriber list, so that is asked last.
_DEFAULTS: dict[Kind, type[Input]] = {"flows": FlowInput, "mail": MailInput, "leases": LeaseInput,
                                      "subscribers": SubscriberInput}


@dataclass(frozen=True)
class Inspection:
    """`summary`: one row: path, kind, format, why, the accounting, first and last time (UTC).

    `rows`: the first rows as they would be stored, identifiers as they stand in the file (in the lake they are
    pseudonyms). `rejected`: the first rows that would be rejected: line or offset, reason, excerpt.
    """

    summary: pl.DataFrame
    rows: pl.DataFrame
    rejected: pl.DataFrame


def inspect(workspace: Workspace, path: Path, kind: Kind | None = None, name: str = "auto") -> Inspection:
    """Read a whole file as `ingest` would, and store nothing.

    The settings are those of the input in op25b.toml that names the file, else the defaults.
    """
    path = path.resolve()
    if not path.is_file():
        raise InputError(path, "no such file", "check the path")
    found, settings = _settings(workspace, path, kind)
    form, why = _choose(path, found or kind, settings.format if settings and name == "auto" else name)
    source = source_of(workspace, path, settings or _DEFAULTS[form.kind](path=workspace.shown(path)))
    read = kept = bad = 0
    shown: list[pl.DataFrame] = []
    rejected: list[pl.DataFrame] = []
    times: list[pl.DataFrame] = []
    time = next((name for name in ("first_seen", "at") if name in form.table.schema), None)
    for batch in form.read(source):
        read, kept, bad = read + batch.rows_read, kept + batch.rows_kept, bad + batch.rejected.height
        if sum(frame.height for frame in shown) < SHOWN_ROWS:
            shown.append(batch.rows.head(SHOWN_ROWS))
        if sum(frame.height for frame in rejected) < SHOWN_ROWS:
            rejected.append(batch.rejected.head(SHOWN_ROWS))
        if time and batch.rows.height:
            times.append(batch.rows.select(pl.col(time).min().alias("first"), pl.col(time).max().alias("last")))
    span = pl.concat(times).select(pl.col("first").min(), pl.col("last").max()).row(0) if times else (None, None)
    summary = pl.DataFrame([{
        "path": workspace.shown(path), "kind": form.kind, "format": form.name, "why": why,
        "bytes": path.stat().st_size, "rows_read": read, "rows_kept": kept, "rows_filtered": read - kept - bad,
        "rows_rejected": bad, "first": span[0], "last": span[1],
    }])
    return Inspection(summary, _head(shown), _head(rejected))


def _head(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal").head(SHOWN_ROWS) if frames else pl.DataFrame()


def _settings(workspace: Workspace, path: Path, kind: Kind | None) -> tuple[Kind | None, Input | None]:
    """The kind and settings of the input that names this file, if one does."""
    for name in _DEFAULTS:
        if kind in {None, name}:
            for settings in getattr(workspace.config.inputs, name):
                if any(found.resolve() == path for found in workspace.expand(settings.path)):
                    return name, settings
    return None, None


def _choose(path: Path, kind: Kind | None, name: str) -> tuple[Format, str]:
    problems = []
    for candidate in [kind] if kind else list(_DEFAULTS):
        try:
            return choose(path, candidate, name)
        except Op25bError as error:
            problems.append(error)
    raise problems[0] if kind else InputError(
        path, "no known format of flows, mail, leases or subscribers",
        "say what it is: --kind flows|mail|leases|subscribers, and --input-format NAME")
