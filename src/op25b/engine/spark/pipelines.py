"""Runs the pipelines on Spark: each day, or each table made as a whole, is a job that writes Parquet below the lake.

A job writes into a directory of its own, in which Spark shows the files of finished tasks, each once, when all of them
are done. This process then moves them to the table and commits them: a task that fails, or runs twice, leaves nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from op25b.engine import duckdb
from op25b.engine.pipelines import Pipeline
from op25b.engine.spark.dialect import to_spark
from op25b.engine.spark.session import require, session, staging
from op25b.engine.spark.tables import Tables, typed
from op25b.lake import Lake, Part
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from op25b.engine.build import Made
    from op25b.engine.changed import Changes


class OnSpark:
    """An `op25b.engine.build.Engine`, for a `with` block; its session begins with the first pipeline that is run."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._root = workspace, workspace.lake_path
        self._open = ExitStack()
        self._tables: dict[str, Tables] = {}

    def __enter__(self) -> Self:
        require()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> bool | None:
        try:
            return self._open.__exit__(kind, error, trace)
        finally:
            if "_session" in self.__dict__:  # also what tasks of a lost worker left
                shutil.rmtree(staging(self._root), ignore_errors=True)

    @cached_property
    def _session(self) -> SparkSession:
        shutil.rmtree(staging(self._root), ignore_errors=True)  # what a killed run left
        return self._open.enter_context(session(self._workspace, "build"))

    @contextmanager
    def running(self, lake: Lake, day: date | None, changes: Changes | None = None
                ) -> Iterator[Callable[[Pipeline], Made]]:
        """Give what runs a pipeline for one day, or as a whole; the rows become files as Spark divides them.

        Tables made as a whole are always made anew: to look for what changed would be a job for each of them.
        """
        del changes
        kept: duckdb.Kept = {}

        def make(pipeline: Pipeline) -> Made:
            if pipeline.name not in self._tables:
                self._tables[pipeline.name] = Tables(self._session, self._workspace, lake, pipeline.name)
            tables = self._tables[pipeline.name]
            if day is None:
                tables.prepare(None, None, kept)
            else:
                tables.set_window(day, *duckdb.window(self._workspace, day))
                tables.prepare(day, duckdb.reach(self._workspace, day, pipeline), kept)
            return tables.made, self._write(tables.made, lake, pipeline, day)

        yield make

    def _write(self, made: pa.Schema, lake: Lake, pipeline: Pipeline, day: date | None) -> list[Part]:
        condition = "" if day is None else f" WHERE day = DATE '{day}'"
        target = staging(self._root) / str(uuid4())
        try:
            columns = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in typed(made)
                                if day is None or name != "`day`")  # the directory's name says it
            query = f"SELECT {columns} FROM ({to_spark(pipeline.sql)}) AS made{condition}"  # noqa: S608  # our own text
            self._session.sql(query).write.parquet(str(target))
            return [part for path in sorted(target.glob("part-*.parquet"))
                    if (part := _moved(path, lake, pipeline.name, day)) is not None]
        finally:
            shutil.rmtree(target, ignore_errors=True)


def _moved(path: Path, lake: Lake, table: str, day: date | None) -> Part | None:
    """A file that Spark wrote as one of a table, unless it has no rows."""
    from pyarrow import parquet

    rows = parquet.read_metadata(path).num_rows
    return Part(path.rename(lake.part_path(table, day)), rows, day) if rows else None
