"""The Spark session of one command: its settings, and clear errors where Spark is missing or fails."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from op25b.errors import EngineError, MissingDependencyError
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.adaptive.enabled": "true",
    # The lake's log names the files: Spark need not start a job to look for them.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
}
# What the results depend on; op25b.toml cannot change it.
_FIXED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # the lake's times are naive UTC
    "spark.sql.ansi.enabled": "true",  # an overflow is an error, as in DuckDB
    "spark.sql.caseSensitive": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    # What a task has written shows only when the whole job is done, and of each task only one attempt.
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",
}
_REMEDY = "install both: pip install 'op25b[spark]', and Java 17 (Debian: apt-get install default-jre-headless)"
# Spark's own log would say what is in the data it stumbles over.
_LOGGING = "rootLogger.level = off\n"


def staging(lake: Path) -> Path:
    """Where, below a lake, files lie that no table has yet."""
    return lake / ".spark"


def require() -> None:
    """Refuse to go on without pyspark and Java."""
    home = os.environ.get("JAVA_HOME")
    if importlib.util.find_spec("pyspark") is None:
        msg = f"pyspark is not installed\n  {_REMEDY}"
        raise MissingDependencyError(msg)
    if shutil.which("java", path=str(Path(home) / "bin") if home else None) is None:
        msg = f"Spark needs Java, and there is no java in {f'JAVA_HOME={home}' if home else 'PATH'}\n  {_REMEDY}"
        raise MissingDependencyError(msg)


@contextmanager
def session(workspace: Workspace, purpose: str) -> Iterator[SparkSession]:
    """A session on the master of `[engine.spark]`, ended with the block.

    What Spark raises becomes an `EngineError`: what kind of failure it was, without a word of the data.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)  # it prints queries and values
    with tempfile.TemporaryDirectory(prefix="op25b-spark-") as scratch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)  # nothing uses it
        builder = SparkSession.builder.appName(f"op25b {purpose}").master(workspace.config.engine.spark.master)
        for name, value in _options(workspace, Path(scratch)).items():
            builder = builder.config(name, value)
        try:
            with _stderr_to(Path(scratch) / "jvm"):
                made = builder.getOrCreate()
        except (PySparkException, Py4JError, OSError) as error:
            raise _failed(workspace, error) from None
        try:
            yield made
        except (PySparkException, Py4JError) as error:
            raise _failed(workspace, error) from None
        finally:
            made.stop()


def _options(workspace: Workspace, scratch: Path) -> dict[str, str]:
    properties = workspace.config.engine.spark.properties
    chosen = {**_DEFAULTS, **{name: _text(value) for name, value in properties.items()}, **_FIXED}
    quiet = scratch / "log4j2.properties"
    quiet.write_text(_LOGGING, encoding="utf-8")
    java = "spark.driver.extraJavaOptions"
    chosen[java] = f"-Dlog4j2.configurationFile={quiet.as_uri()} {chosen.get(java, '')}".strip()
    # Python on the workers; pyspark looks for it here alone.
    os.environ["PYSPARK_PYTHON"] = chosen.get("spark.pyspark.python", os.environ.get("PYSPARK_PYTHON", sys.executable))
    return chosen


def _text(value: str | bool | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """What is started within writes its errors to a file, for as long as it runs."""
    before = os.dup(2)
    try:
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _failed(workspace: Workspace, error: Exception) -> EngineError:
    """What kind of failure it was: the class of Spark's error, or the exception's name; its message may hold data."""
    from pyspark.errors import PySparkException

    kind = error.getCondition() if isinstance(error, PySparkException) else None
    java = getattr(error, "java_exception", None)
    name = java.getClass().getSimpleName() if kind is None and java is not None else type(error).__name__
    return EngineError(
        f"Spark at {workspace.config.engine.spark.master} failed: {kind or name}\n"
        "  what was committed stays; check [engine.spark] in op25b.toml and the logs of the cluster, then run the same "
        "command again, there or without --engine spark"
    )
