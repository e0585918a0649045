"""DuckDB over the lake: a connection with a view per table, and the small tables that the settings become."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import polars as pl

from op25b import schema
from op25b.engine.pipelines import pipelines
from op25b.engine.reference import destination_networks
from op25b.lake import Lake
from op25b.readers.base import ip_key
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DUCKDB_TYPES = {pl.String: "VARCHAR", pl.Int16: "SMALLINT", pl.Int32: "INTEGER", pl.Int64: "BIGINT",
                 pl.Boolean: "BOOLEAN", pl.Date: "DATE", pl.Datetime: "TIMESTAMP"}
# A day table reads the raw tables this far beyond its days, by the time column.
_TIME = {"flow": "first_seen", "mail_event": "at"}


def quoted(text: str) -> str:
    """A SQL string literal; for names of our own files, never for text from logs."""
    return "'" + text.replace("'", "''") + "'"


def connect(workspace: Workspace) -> DuckDBPyConnection:
    """A new in-memory connection with the workspace's limits; extensions are never fetched."""
    import duckdb

    settings = workspace.config.engine.duckdb
    spill = workspace.lake_path / ".spill"
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        "temp_directory": str(spill), "preserve_insertion_order": False,
    }
    if settings.memory_limit:
        config["memory_limit"] = settings.memory_limit
    if settings.threads:
        config["threads"] = settings.threads
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET enable_progress_bar = false")
    return connection


def window(workspace: Workspace, days: Sequence[date]) -> tuple[datetime, datetime]:
    """The UTC instants at which the first of the days begins and the last one ends, as naive times."""
    from datetime import UTC

    def start(day: date) -> datetime:
        return datetime.combine(day, time(), workspace.timezone).astimezone(UTC).replace(tzinfo=None)

    return start(min(days)), start(max(days) + timedelta(days=1))


def parameters(connection: DuckDBPyConnection, workspace: Workspace, days: Sequence[date]) -> None:
    """Make the tables `network`, `destination_network`, `session_gap` and `build_window`."""
    networks = workspace.config.networks
    rows = [(role, *key_range(text)) for role, texts in (("subscriber", networks.subscribers), ("relay", networks.relays))
            for text in texts]
    own = pl.DataFrame(rows, schema={"role": pl.String, "key_first": pl.String, "key_last": pl.String}, orient="row")
    since, until = window(workspace, days) if days else (datetime.min, datetime.min)
    frames = {
        "network": own,
        "destination_network": destination_networks(workspace),
        "session_gap": pl.DataFrame({"seconds": [workspace.config.engine.session_gap_seconds]}),
        "build_window": pl.DataFrame({"since": [since], "until": [until]}, schema={"since": schema.TIME,
                                                                                  "until": schema.TIME}),
    }
    for name, frame in frames.items():
        connection.register("frame", frame.to_arrow())
        connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM frame')
        connection.unregister("frame")


def key_range(network: str) -> tuple[str, str]:
    """First and last ip_key of a network in CIDR form."""
    parsed = ipaddress.ip_network(network)
    return str(ip_key(str(parsed[0]))), str(ip_key(str(parsed[-1])))


def view(connection: DuckDBPyConnection, lake: Lake, table: str, days: Sequence[date] | None = None,
         between: tuple[datetime, datetime] | None = None) -> None:
    """Make a view of one stored table, of some days or between two instants only where asked for."""
    files = lake.files(table, days)
    if files:
        condition = ""
        if between is not None and table in _TIME:
            column = _TIME[table]
            condition = f" WHERE \"{column}\" >= TIMESTAMP '{between[0]}' AND \"{column}\" < TIMESTAMP '{between[1]}'"
        names = ", ".join(map(quoted, files))
        hive = "hive_partitioning = true, hive_types = {day: DATE}" if lake.partitioned(table) else "hive_partitioning = false"
        source = f"read_parquet([{names}], {hive}, union_by_name = true)"
        columns = "*"
        if table in schema.RAW:
            columns = ", ".join(f'"{name}"' for name in schema.RAW[table].schema)
        connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS SELECT {columns} FROM {source}{condition}')
    elif table in schema.RAW:
        columns = ", ".join(f'CAST(NULL AS {_DUCKDB_TYPES[dtype.base_type()]}) AS "{name}"'
                            for name, dtype in schema.RAW[table].schema.items())
        connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS SELECT {columns} WHERE false')
    else:  # never built: the view's own query gives an empty table with the right columns
        connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS SELECT * FROM ({pipelines()[table].sql}) AS t WHERE false')


def session(workspace: Workspace) -> DuckDBPyConnection:
    """A connection on which every table of the lake can be queried."""
    lake = Lake(workspace.lake_path)
    connection = connect(workspace)
    parameters(connection, workspace, [])
    connection.execute("UPDATE build_window SET since = TIMESTAMP '0001-01-01', until = TIMESTAMP '9999-12-31'")
    for table in schema.RAW:
        view(connection, lake, table)
    for name, pipeline in pipelines().items():
        if pipeline.build == "view":
            connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS {pipeline.sql}')
        else:
            view(connection, lake, name)
    return connection
