"""Brings the derived tables up to date: only the days whose inputs changed, in the order of what reads what.

For each table and day a fingerprint of everything the rows are made from (the SQL, the settings, the input files
that touch the day) is kept in the lake; a day is made anew when its fingerprint differs. The fingerprints are written
last: after a crash the same days are simply made again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import pyarrow as pa

from op25b import schema
from op25b.engine import duckdb as engine
from op25b.engine.pipelines import Pipeline, closure, pipelines, raw_inputs
from op25b.engine.reference import destination_networks
from op25b.lake import Lake
from op25b.workspace import Workspace

STATE = "built"
CHUNK_DAYS = 7
_STATE_SCHEMA = {"table": pl.String, "part": pl.String, "fingerprint": pl.String}
_KIND_OF = {"flow": "flows", "mail_event": "mail", "lease_record": "leases", "subscriber_record": "subscribers"}
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Built:
    """One derived table after a build: which days were made anew (None: the whole table) and how many rows they have."""

    table: str
    days: list[date] | None
    rows: int


def build(workspace: Workspace, since: date | None = None, until: date | None = None,
          progress: Progress = lambda _table, _done, _all: None) -> list[Built]:
    """Make every derived table that is out of date, for days from `since` to `until` (both included) where given."""
    lake = Lake(workspace.lake_path)
    with lake.writing("build"):
        plan = _Plan(workspace, lake)
        stored = [p for p in pipelines().values() if p.build != "view"]
        done: list[Built] = []
        for number, pipeline in enumerate(stored):
            progress(pipeline.name, number, len(stored))
            made = _days(workspace, lake, plan, pipeline, since, until) if pipeline.build == "day" else \
                _whole(workspace, lake, plan, pipeline, done)
            if made is not None:
                done.append(made)
        progress("", len(stored), len(stored))
        if done:
            plan.save()
    return done


class _Plan:
    """Fingerprints: what they were at the last build, and what they are now."""

    def __init__(self, workspace: Workspace, lake: Lake) -> None:
        self._lake = lake
        self._zone = workspace.config.site.timezone
        state, files = lake.files(STATE), lake.files("source_file")
        rows = pl.read_parquet(state).iter_rows() if state else ()
        self.before: dict[tuple[str, str], str] = {(table, part): fingerprint for table, part, fingerprint in rows}
        self.now = dict(self.before)
        self._files = pl.read_parquet(files) if files else schema.SOURCE_FILE.empty()
        config = workspace.config
        networks = destination_networks(workspace).write_json()
        self._settings = json.dumps([config.site.timezone, config.networks.model_dump(mode="json"), networks,
                                     config.engine.session_gap_seconds])
        local = pl.col("first", "last").dt.replace_time_zone("UTC").dt.convert_time_zone(self._zone).dt.date()
        self._touching = {
            raw: self._files.filter((pl.col("kind") == kind) & (pl.col("rows_kept") > 0)).select("sha256", local)
            for raw, kind in _KIND_OF.items()
        }

    def days(self) -> list[date]:
        """All local days that raw tables have rows for."""
        return sorted({*self._lake.days("flow"), *self._lake.days("mail_event")})

    def fingerprint(self, pipeline: Pipeline, day: date | None) -> str:
        """Of everything a table's rows of one day, or a whole table, are made from."""
        parts = [self._settings, *(p.sql for p in closure(pipeline.name))]
        reach = max(p.margin for p in closure(pipeline.name))
        margin = timedelta(days=math.ceil(reach / timedelta(days=1)))
        for raw in sorted(raw_inputs(pipeline.name) & set(_KIND_OF)):
            files = self._touching[raw]
            if day is not None and raw in {"flow", "mail_event"}:
                files = files.filter((pl.col("first") <= day + margin) & (pl.col("last") >= day - margin))
            parts.append(raw + " " + " ".join(sorted(files["sha256"])))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def save(self) -> None:
        """Write the fingerprints of this build."""
        rows = [(table, part, fingerprint) for (table, part), fingerprint in sorted(self.now.items())]
        self._lake.replace(STATE, pl.DataFrame(rows, schema=_STATE_SCHEMA, orient="row").to_arrow())


def _days(workspace: Workspace, lake: Lake, plan: _Plan, pipeline: Pipeline, since: date | None,
          until: date | None) -> Built | None:
    stale = []
    for day in plan.days():
        if (since is None or day >= since) and (until is None or day <= until):
            fingerprint = plan.fingerprint(pipeline, day)
            if plan.before.get((pipeline.name, day.isoformat())) != fingerprint:
                stale.append(day)
                plan.now[pipeline.name, day.isoformat()] = fingerprint
    rows = 0
    for chunk in _chunks(stale):
        rows += _make(workspace, lake, pipeline, chunk)
    return Built(pipeline.name, stale, rows) if stale else None


def _whole(workspace: Workspace, lake: Lake, plan: _Plan, pipeline: Pipeline, done: list[Built]) -> Built | None:
    fingerprint = plan.fingerprint(pipeline, None)
    changed = any(built.table in pipeline.reads for built in done)
    if plan.before.get((pipeline.name, "")) == fingerprint and not changed:
        return None
    plan.now[pipeline.name, ""] = fingerprint
    return Built(pipeline.name, None, _make(workspace, lake, pipeline, None))


def _chunks(days: Sequence[date]) -> Iterator[list[date]]:
    """Runs of consecutive days, a week at most, so that margins are read once a run and memory stays bounded."""
    chunk: list[date] = []
    for day in days:
        if chunk and (day != chunk[-1] + timedelta(days=1) or len(chunk) == CHUNK_DAYS):
            yield chunk
            chunk = []
        chunk.append(day)
    if chunk:
        yield chunk


def _make(workspace: Workspace, lake: Lake, pipeline: Pipeline, days: list[date] | None) -> int:
    """Run one pipeline and store its rows; returns how many."""
    connection = engine.connect(workspace)
    engine.parameters(connection, workspace, days or [])
    between = None
    if days is not None:
        first, last = engine.window(workspace, days)
        between = (first - pipeline.margin, last + pipeline.margin)
    for raw in schema.RAW:
        near = None
        if between is not None and schema.RAW[raw].partitioned:
            slack = timedelta(days=math.ceil(pipeline.margin / timedelta(days=1)))
            near = [day for day in lake.days(raw) if min(days or ()) - slack <= day <= max(days or ()) + slack]
        engine.view(connection, lake, raw, near, between)
    for read in closure(pipeline.name):
        if read.name == pipeline.name:
            continue
        if read.build == "view":
            connection.execute(f'CREATE OR REPLACE VIEW "{read.name}" AS {read.sql}')
        else:
            engine.view(connection, lake, read.name, days if read.build == "day" else None)
    query = pipeline.sql
    if days is not None:
        kept = ", ".join(f"DATE '{day.isoformat()}'" for day in days)
        query = f"SELECT * FROM ({pipeline.sql}) AS made WHERE day IN ({kept})"
    rows = _Counted(connection.sql(query).to_arrow_reader())
    lake.replace(pipeline.name, rows.reader, days)
    connection.close()
    return rows.count


class _Counted:
    """A stream of record batches that counts its rows and has plain 64-bit integers.

    DuckDB sums integers as 128-bit ones, which Arrow has only as decimals.
    """

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        fields = [pa.field(f.name, pa.int64()) if pa.types.is_decimal(f.type) and f.type.scale == 0 else f
                  for f in reader.schema]
        self.count = 0
        schema = pa.schema(fields)

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in reader:
                self.count += batch.num_rows
                yield batch.cast(schema)

        self.reader = pa.RecordBatchReader.from_batches(schema, batches())
