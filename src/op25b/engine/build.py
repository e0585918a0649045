"""Brings the derived tables up to date: only the parts whose inputs changed, in the order of what reads what.

Days are made one by one, so that memory stays bounded and a day's rows do not depend on which others are made with it;
all tables of a day are made together, so that what several of them need is made once. What was made is committed and
noted about once a minute: a build that is killed goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Protocol

from op25b import lake_zone
from op25b.engine import duckdb as engine
from op25b.engine.changed import CHANGED, Changes, read_by_subscriber, with_the_others
from op25b.engine.draft import Draft
from op25b.engine.fingerprints import Fingerprints
from op25b.engine.pipelines import Pipeline, pipelines, stages
from op25b.engine.storing import plain, write
from op25b.ingest.journal import Journal
from op25b.lake import Lake, Part, snapshot
from op25b.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

Progress = Callable[[str, int, int], None]

_SECONDS_BETWEEN_COMMITS = 60


@dataclass(frozen=True)
class Built:
    """One derived table after a build: the days that were made anew (None: the whole table), and their rows."""

    table: str
    days: list[date] | None
    rows: int


Made = tuple["pa.Schema", list[Part]]
"""A table's columns, and the new files that have its rows."""


class Engine(Protocol):
    """What runs the pipelines; the commits and the fingerprints of a build are the same on every engine."""

    def running(self, lake: Lake, day: date | None, changes: Changes | None = None
                ) -> AbstractContextManager[Callable[[Pipeline], Made]]:
        """Give what runs pipelines, one after the other, for one day, or for tables made as a whole.

        What one makes is put in `lake` before the next is run, which may read it. Where `changes` are known, rows of
        a table made as a whole that nothing has changed may be taken as they are.
        """
        ...


def build(workspace: Workspace, since: date | None = None, until: date | None = None,
          progress: Progress = lambda _table, _done, _all: None, runner: Engine | None = None) -> list[Built]:
    """Make every derived table that is out of date, for days from `since` to `until` (both included) where given.

    `runner` runs the pipelines, DuckDB by default.
    """
    lake = Draft(workspace.lake_path)
    with lake.writing("build"):
        lake_zone.refuse_others(workspace)
        Journal(lake).finish()  # what a killed ingestion began
        work = _Build(workspace, lake, runner or OnDuckDB(workspace))
        work.run(since, until, progress)
        if since is None and until is None:
            _mark(workspace, lake)
    return work.built()


class _Build:
    """One run of `build`."""

    def __init__(self, workspace: Workspace, lake: Draft, runner: Engine) -> None:
        self._workspace, self._lake, self._runner = workspace, lake, runner
        self._fingerprints = Fingerprints(workspace, lake)
        self._committed = time.monotonic()
        self._built: dict[str, Built] = {}

    def run(self, since: date | None, until: date | None, progress: Progress) -> None:
        """Make what is out of date."""
        before, of_days, after = stages()
        wanted = [day for day in self._fingerprints.days if (since or day) <= day <= (until or day)]
        steps = len(before) + len(wanted) * len(of_days) + len(after)
        as_noted = self._fingerprints.as_noted(read_by_subscriber())  # before anything is noted
        self._whole(before, None, partial(_from, progress, 0, steps))
        self._fingerprints.add_lease_days(partial(_with_table, self._workspace, self._lake, "lease"))
        as_it_was = self._lake.as_it_is()
        fresh = frozenset(each.name for each in after if as_noted and not self._fingerprints.stale(each, None))
        for number, day in enumerate(wanted):
            self._day(day, of_days, partial(_from, progress, len(before) + number * len(of_days), steps))
        self._commit()
        changes = Changes(as_it_was, {name: built.days or () for name, built in self._built.items()}, fresh)
        self._whole(after, changes, partial(_from, progress, steps - len(after), steps))
        progress("", steps, steps)

    def built(self) -> list[Built]:
        """What was made, in the order of what reads what."""
        return [self._built[name] for name in pipelines() if name in self._built]

    def _whole(self, tables: Sequence[Pipeline], changes: Changes | None, progress: Callable[[str, int], None]) -> None:
        """Make those that are out of date of tables made as a whole."""
        if not any(self._fingerprints.stale(pipeline, None) for pipeline in tables):
            return
        with self._runner.running(self._lake, None, changes) as make:
            for number, pipeline in enumerate(tables):
                progress(pipeline.name, number)
                if not self._fingerprints.stale(pipeline, None):
                    continue
                columns, files = make(pipeline)
                self._lake.put(pipeline.name, columns, files)
                self._fingerprints.note(pipeline, None)
                content = partial(_with_table, self._workspace, self._lake, pipeline.name)
                self._fingerprints.note_content(pipeline, content)
                self._fingerprints.save()
                self._built[pipeline.name] = Built(pipeline.name, None, sum(file.rows for file in files))

    def _day(self, day: date, tables: Sequence[Pipeline], progress: Callable[[str, int], None]) -> None:
        """Make one day of the tables of which it is out of date."""
        stale = [pipeline for pipeline in tables if self._fingerprints.renew(pipeline, day)]
        if not stale:
            return
        with self._runner.running(self._lake, day) as make:
            for pipeline in stale:
                progress(f"{pipeline.name} {day}", tables.index(pipeline))
                columns, files = make(pipeline)
                self._lake.stage(pipeline.name, columns, day, files)
                before = self._built.get(pipeline.name, Built(pipeline.name, [], 0))
                self._built[pipeline.name] = Built(
                    pipeline.name, [*(before.days or ()), day], before.rows + sum(file.rows for file in files))
        if time.monotonic() > self._committed + _SECONDS_BETWEEN_COMMITS:
            self._commit()

    def _commit(self) -> None:
        """Commit the days made since the last time, then note that they are."""
        if self._lake.commit():
            self._fingerprints.save()
        self._committed = time.monotonic()


def _from(progress: Progress, first: int, steps: int, table: str, done: int) -> None:
    """Tell of a step of a part of the whole."""
    progress(table, first + done, steps)


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


class OnDuckDB:
    """Runs pipelines in this process."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._plain: dict[str, tuple[str, pa.Schema]] = {}

    @contextmanager
    def running(self, lake: Lake, day: date | None, changes: Changes | None = None
                ) -> Iterator[Callable[[Pipeline], Made]]:
        """Give what runs a pipeline for one day, or as a whole; the rows become one file, or none."""
        kept: engine.Kept = {}
        connection = engine.connect(self._workspace)

        def make(pipeline: Pipeline) -> Made:
            between = None if day is None else engine.reach(self._workspace, day, pipeline)
            in_part = changes is not None and changes.are_few(connection, lake, pipeline)
            engine.prepare(connection, lake, pipeline.name, day, between=between, kept=kept,
                           only=CHANGED if in_part else None)
            if pipeline.name not in self._plain:  # those of each day are the same
                self._plain[pipeline.name] = plain(connection, pipeline.sql)
            query, columns = self._plain[pipeline.name]
            if in_part:
                engine.view(connection, lake, pipeline.name)
                query = with_the_others(query, pipeline.name)
            file = write(connection, lake, pipeline.name, query, day)
            engine.forget(connection, kept, pipeline)
            return columns, [] if file is None else [file]

        try:
            engine.parameters(connection, self._workspace)
            engine.leave_room(connection, self._workspace)
            engine.join_as_written(connection)
            if day is not None:
                engine.set_window(connection, day, *engine.window(self._workspace, day))
            yield make
        finally:
            connection.close()
