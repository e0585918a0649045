"""The lake's tables in a Spark session: a temporary view per table, of Parquet files that the Delta log names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from op25b import schema
from op25b.engine import duckdb
from op25b.engine.pipelines import PARAMETERS, direct_inputs, ingredients, pipelines
from op25b.engine.spark.dialect import to_spark
from op25b.engine.spark.session import staging
from op25b.engine.storing import plain
from op25b.lake import Lake
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyspark.sql import SparkSession

_TYPES = {pa.string(): "STRING", pa.large_string(): "STRING", pa.bool_(): "BOOLEAN", pa.int8(): "TINYINT",
          pa.int16(): "SMALLINT", pa.int32(): "INT", pa.int64(): "BIGINT", pa.float64(): "DOUBLE",
          pa.date32(): "DATE", pa.timestamp("us"): "TIMESTAMP_NTZ"}
# Characters with a meaning in a path that Spark is to read.
_GLOB = re.compile(r"([\\{}\[\]*?,])")


def typed(columns: pa.Schema) -> list[tuple[str, str]]:
    """Each column's name, quoted, and its type in Spark."""
    return [("`" + field.name + "`", _TYPES[field.type]) for field in columns]


def ddl(columns: pa.Schema) -> str:
    """The columns as Spark declares them."""
    return ", ".join(f"{name} {kind}" for name, kind in typed(columns))


class Tables:
    """What one pipeline reads, as views of a session. DuckDB says what the columns are, and reads no row for that."""

    def __init__(self, session: SparkSession, workspace: Workspace, lake: Lake, name: str) -> None:
        self._session, self._lake, self._name = session, lake, name
        self._scratch = staging(lake.root)
        connection = duckdb.connect(workspace)
        try:
            duckdb.parameters(connection, workspace)
            for table in PARAMETERS:
                session.createDataFrame(_table(connection, table)).createOrReplaceTempView(table)
            stored = direct_inputs(name) - set(PARAMETERS)
            for table in stored:
                duckdb.view(connection, lake, table, [])
            self._columns = {table: _table(connection, f"{table} LIMIT 0").schema for table in stored}
            for read in ingredients(name):
                if not read.stored:
                    connection.execute(f'CREATE OR REPLACE VIEW "{read.name}" AS {read.sql}')
            self.made = plain(connection, pipelines()[name].sql)[1]
        finally:
            connection.close()

    def prepare(self, day: date | None, between: tuple[datetime, datetime] | None, kept: duckdb.Kept) -> None:
        """Make the views for one day, or for a table made as a whole; as `op25b.engine.duckdb.prepare` does."""
        for raw in sorted(set(self._columns) & set(schema.RAW)):
            days = None
            if between is not None and schema.RAW[raw].partitioned:  # a local day is within a day of its UTC instants
                first, last = (instant.date() for instant in between)
                slack = timedelta(days=1)
                days = [near for near in self._lake.days(raw) if first - slack <= near <= last + slack]
            self._view(raw, days, between)
        for read in ingredients(self._name):
            if read.stored:
                self._view(read.name, [day] if day is not None and read.build == "day" else None, None)
                continue
            step, made_of = read.build == "step" and day is not None, duckdb.made_of(read, between)
            if step and kept.get(read.name, ()) == made_of:
                continue
            made = self._session.sql(to_spark(read.sql))
            if step:  # computed once; files outlive a worker, and keep plans small
                path = str(self._scratch / f"{read.name}-{day}")
                made.write.mode("overwrite").parquet(path)
                made = self._session.read.schema(made.schema).parquet(_shown(path))
                kept[read.name] = made_of
            made.createOrReplaceTempView(read.name)

    def set_window(self, day: date, since: datetime, until: datetime) -> None:
        """Tell the pipelines which day is being made."""
        columns: list[tuple[str, pa.DataType]] = [
            ("day", pa.date32()), ("since", pa.timestamp("us")), ("until", pa.timestamp("us"))]
        row = pa.Table.from_pylist([{"day": day, "since": since, "until": until}], pa.schema(columns))
        self._session.createDataFrame(row).createOrReplaceTempView("build_window")

    def _view(self, table: str, days: Sequence[date] | None, between: tuple[datetime, datetime] | None) -> None:
        columns = self._columns[table]
        files = self._lake.files(table, days)
        if files:
            reading = self._session.read.schema(ddl(columns))
            if self._lake.partitioned(table):
                reading = reading.option("basePath", _shown(str(self._lake.root / table)))
            rows = reading.parquet(*map(_shown, files))
        else:
            rows = self._session.createDataFrame(columns.empty_table())
        if between is not None and table in duckdb.TIME:
            first, last = duckdb.TIME[table]
            rows = rows.where(f"`{last}` >= TIMESTAMP_NTZ '{between[0]}' AND `{first}` < TIMESTAMP_NTZ '{between[1]}'")
        rows.createOrReplaceTempView(table)


def _table(connection: DuckDBPyConnection, table: str) -> pa.Table:
    rows: pa.Table = connection.sql(f"FROM {table}").to_arrow_table()
    return rows


def _shown(path: str) -> str:
    return _GLOB.sub(r"\\\1", path)
