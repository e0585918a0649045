"""The engine: runs `pipelines/*.sql` over the lake, on DuckDB or on Spark."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from op25b.errors import UnknownNameError

if TYPE_CHECKING:
    from op25b.engine.build import Engine
    from op25b.ingest import Writing
    from op25b.workspace import Workspace

ENGINES = ("duckdb", "spark")


def reading_on(engine: str) -> type[Writing] | None:
    """What reads input files on an engine, for `op25b.ingest`; None stands for this process."""
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    if engine == "duckdb":
        return None
    from op25b.engine.spark.reading import SparkWriting
    from op25b.engine.spark.session import require

    require()
    return SparkWriting


def running_on(engine: str, workspace: Workspace) -> AbstractContextManager[Engine | None]:
    """What runs pipelines on an engine, for `op25b.engine.build`, in a `with` block; None stands for this process."""
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    if engine == "duckdb":
        return nullcontext()
    from op25b.engine.spark.pipelines import OnSpark

    return OnSpark(workspace)
