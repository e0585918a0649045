"""What the lake holds: rows, days and versions, and how much of the traffic could be attributed."""

from __future__ import annotations

import polars as pl

from op25b import schema
from op25b.engine.pipelines import pipelines
from op25b.lake import Lake
from op25b.workspace import Workspace


def quality_state(workspace: Workspace) -> str:
    """What the last `op25b check` found, or that there was none."""
    import json

    path = workspace.lake_path / ".quality.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return (f"{state['passed']} of {state['rules']} rules held, {state['critical']} critical ones failed, "
                f"at {state['at']} UTC")
    except (OSError, ValueError, KeyError):
        return "never checked (run 'op25b check')"


def status(workspace: Workspace) -> pl.DataFrame:
    """One row per stored table: table, rows, first_day, last_day, days, version, row (what a row is)."""
    lake = Lake(workspace.lake_path)
    meanings = {name: table.row for name, table in schema.RAW.items()}
    meanings |= {name: p.row for name, p in pipelines().items() if p.stored}
    rows = []
    for name, meaning in meanings.items():
        days = lake.days(name) if lake.partitioned(name) else []
        rows.append((name, lake.rows(name), min(days, default=None), max(days, default=None),
                     len(days) or None, lake.version(name), meaning))
    return pl.DataFrame(rows, orient="row", schema={
        "table": pl.String, "rows": pl.Int64, "first_day": pl.Date, "last_day": pl.Date, "days": pl.Int64,
        "version": pl.Int64, "row": pl.String})
