"""What the lake holds: rows, days and versions, and how much of the traffic could be attributed."""

from __future__ import annotations

import polars as pl

from op25b import schema, versions
from op25b.engine.pipelines import pipelines
from op25b.lake import snapshot
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


def lake_state(workspace: Workspace) -> list[str]:
    """The lake version, when and by what it was made, what is kept of earlier ones, and what has expired; as lines."""
    lake = snapshot(workspace)
    if lake.at is None:
        return ["lake version: none yet (run 'op25b ingest')"]
    oldest = versions.numbers(lake.root)[0]
    made = f"made at {lake.at.at:%Y-%m-%d %H:%M} UTC by 'op25b {lake.at.by}'"
    return [f"lake version: {lake.at.number}, {made}; the oldest that is kept is {oldest}",
            *(f"expired: {table} until {until}" for table, until in sorted(lake.horizons().items()))]


def status(workspace: Workspace) -> pl.DataFrame:
    """One row per stored table: table, rows, first_day, last_day, days, version, row (what a row is)."""
    lake = snapshot(workspace)
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
