"""Brings the derived tables up to date: only the parts whose inputs changed, in the order of what reads what.

Days are made one by one, so that memory stays bounded and a day's rows do not depend on which others are made with it.
What was made is noted after each table: a build that is killed goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Protocol

from op25b.engine import duckdb as engine
from op25b.engine.fingerprints import Fingerprints
from op25b.engine.pipelines import Pipeline, pipelines
from op25b.engine.storing import plain, write
from op25b.ingest.journal import Journal
from op25b.lake import Lake, Part, snapshot
from op25b.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Built:
    """One derived table after a build: the days that were made anew (None: the whole table), and their rows."""

    table: str
    days: list[date] | None
    rows: int


class Engine(Protocol):
    """What runs the pipelines; the commits and the fingerprints of a build are the same on every engine."""

    def write(self, pipeline: Pipeline, days: Sequence[date | None]) -> tuple[pa.Schema, list[Part]]:
        """Run one pipeline for some days, or once (`[None]`): the table's columns and new files, for `Lake.put`."""
        ...


def build(workspace: Workspace, since: date | None = None, until: date | None = None,
          progress: Progress = lambda _table, _done, _all: None, runner: Engine | None = None) -> list[Built]:
    """Make every derived table that is out of date, for days from `since` to `until` (both included) where given.

    `runner` runs the pipelines, DuckDB by default.
    """
    lake = Lake(workspace.lake_path)
    runner = runner or OnDuckDB(workspace, lake)
    with lake.writing("build"):
        Journal(lake).finish()  # what a killed ingestion began
        fingerprints = Fingerprints(workspace, lake)
        wanted = [day for day in fingerprints.days if (since or day) <= day <= (until or day)]
        stored = [pipeline for pipeline in pipelines().values() if pipeline.stored]
        done: list[Built] = []
        for number, pipeline in enumerate(stored):
            progress(pipeline.name, number, len(stored))
            candidates: list[date | None] = [*wanted] if pipeline.build == "day" else [None]
            stale = [day for day in candidates if fingerprints.stale(pipeline, day)]
            if stale:
                done.append(_make(workspace, lake, fingerprints, pipeline, stale, runner=runner))
            if pipeline.name == "lease":
                fingerprints.add_lease_days(partial(_with_table, workspace, lake, "lease"))
        progress("", len(stored), len(stored))
        if since is None and until is None:
            _mark(workspace, lake)
    return done


def _mark(workspace: Workspace, lake: Lake) -> None:
    """Remember which input files the tables were made from."""
    temporary = workspace.lake_path / ".built.new"
    temporary.write_text(json.dumps({"source_file": lake.rows("source_file")}), encoding="utf-8")
    temporary.replace(workspace.lake_path / ".built.json")


def is_built(workspace: Workspace) -> bool:
    """Whether every derived table was made at least once, by this version."""
    lake = snapshot(workspace)
    return all(lake.version(table) is not None for table in ("sender", "sender_destination"))


def is_stale(workspace: Workspace) -> bool:
    """Whether files were ingested since the last build of all days; an earlier lake version is taken as it is."""
    if workspace.version is not None and workspace.version < Lake(workspace.lake_path).number():
        return False
    try:
        made = json.loads((workspace.lake_path / ".built.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return bool(made != {"source_file": snapshot(workspace).rows("source_file")})


@contextmanager
def _with_table(workspace: Workspace, lake: Lake, table: str) -> Iterator[DuckDBPyConnection]:
    """A connection with a view of a stored table."""
    connection = engine.connect(workspace)
    try:
        engine.view(connection, lake, table)
        yield connection
    finally:
        connection.close()


def _make(workspace: Workspace, lake: Lake, fingerprints: Fingerprints, pipeline: Pipeline,
          parts: list[date | None], *, runner: Engine) -> Built:
    """Run one pipeline, day by day or once, and store its rows in one commit."""
    columns, files = runner.write(pipeline, parts)
    days = None if pipeline.build == "whole" else [day for day in parts if day is not None]
    lake.put(pipeline.name, columns, files, days)
    fingerprints.remember(pipeline, parts, partial(_with_table, workspace, lake, pipeline.name))
    return Built(pipeline.name, days, sum(file.rows for file in files))


class OnDuckDB:
    """Runs pipelines in this process."""

    def __init__(self, workspace: Workspace, lake: Lake) -> None:
        self._workspace, self._lake = workspace, lake

    def write(self, pipeline: Pipeline, days: Sequence[date | None]) -> tuple[pa.Schema, list[Part]]:
        """Run one pipeline, day by day or once; its columns, and a file for each run that gave rows."""
        connection = engine.connect(self._workspace)
        try:
            engine.parameters(connection, self._workspace)
            engine.join_as_written(connection)
            self._prepare(connection, pipeline, days[0])
            query, columns = plain(connection, pipeline.sql)  # those of each day are the same
            written = [write(connection, self._lake, pipeline.name, query, days[0])]
            for day in days[1:]:
                self._prepare(connection, pipeline, day)
                written.append(write(connection, self._lake, pipeline.name, query, day))
        finally:
            connection.close()
        return columns, [file for file in written if file is not None]

    def _prepare(self, connection: DuckDBPyConnection, pipeline: Pipeline, day: date | None) -> None:
        between = None
        if day is not None:
            since, until = engine.window(self._workspace, day)
            engine.set_window(connection, day, since, until)
            between = (since - pipeline.margin, until + pipeline.margin)
        engine.prepare(connection, self._lake, pipeline.name, day, between)
