"""DuckDB over the lake: a connection with a view per table, and the small tables that the settings become."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from op25b import keyfile, schema
from op25b.engine.pipelines import PARAMETERS, Pipeline, direct_inputs, ingredients, pipelines, stages
from op25b.engine.reference import destination_networks
from op25b.errors import LakeError, SettingsError
from op25b.lake import Lake, snapshot
from op25b.readers.base import ip_key
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DUCKDB_TYPES = {pl.String: "VARCHAR", pl.Int16: "SMALLINT", pl.Int32: "INTEGER", pl.Int64: "BIGINT",
                 pl.Boolean: "BOOLEAN", pl.Date: "DATE", pl.Datetime: "TIMESTAMP"}
# First and last instant of a row: a day table reads what overlaps its day and margin.
TIME = {"flow": ("first_seen", "last_seen"), "mail_event": ("at", "at")}
_BESIDE = 2**30 // 3
FILES_ARE_GONE = ("files that were being read were removed from the lake ('op25b expire' or 'op25b compact')\n"
                  "  run it again: it will read the newest lake version")
SEQUENTIAL = ("failed", "worked", "acquit", "accuse", "fewest")
# The steps that a connection has, and the time of the rows they were made of, where that matters.
Kept = dict[str, tuple[datetime, datetime] | None]
ALL_TIME = (datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001  # the lake's times are naive UTC


def files_are_gone(error: Exception) -> bool:
    """Whether DuckDB failed because files of the lake were removed after their names were looked up."""
    import duckdb

    return isinstance(error, duckdb.IOException) and any(
        words in str(error) for words in ("No such file", "No files found"))


def quoted(text: str) -> str:
    """A SQL string literal; for names of our own files, never for text from logs."""
    return "'" + text.replace("'", "''") + "'"


def connect(workspace: Workspace) -> DuckDBPyConnection:
    """A new in-memory connection with the workspace's limits; extensions are never fetched."""
    import duckdb

    keyfile.refuse_rotating(workspace.lake_path)
    settings = workspace.config.engine.duckdb
    if settings.temp_directory is not None:
        try:
            workspace.spill_path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{workspace.spill_path}: {error.strerror}\n  choose another temp_directory in [engine.duckdb]"
            raise SettingsError(msg) from None
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        "temp_directory": str(workspace.spill_path), "preserve_insertion_order": False,
    }
    if settings.memory_limit:
        config["memory_limit"] = f"{settings.memory_limit}B"
    if settings.threads:
        config["threads"] = settings.threads
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET enable_progress_bar = false")
    return connection


def leave_room(connection: DuckDBPyConnection, workspace: Workspace) -> None:
    """Keep the whole process within the memory limit: Python and its libraries take a third of a GiB beside DuckDB."""
    limit = workspace.config.engine.duckdb.memory_limit
    if limit:
        connection.execute(f"SET memory_limit = '{limit - min(_BESIDE, limit // 4)}B'")


def join_as_written(connection: DuckDBPyConnection) -> None:
    """Have tables joined in the order a query names them, with the last one hashed, as our own queries are written.

    DuckDB's estimates behind a UNION or for tables numbered by the day are far off: it would hash the many rows instead
    of the few, or join two tables of numbers by `day` alone, each row of one with each of the other.
    """
    connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")


def window(workspace: Workspace, day: date) -> tuple[datetime, datetime]:
    """The UTC instants at which a local day begins and ends, as naive times."""
    def start(of: date) -> datetime:
        return datetime.combine(of, time(), workspace.timezone).astimezone(UTC).replace(tzinfo=None)

    return start(day), start(day + timedelta(days=1))


def reach(workspace: Workspace, day: date, pipeline: Pipeline) -> tuple[datetime, datetime]:
    """The instants between which a day of a table needs rows of raw tables."""
    since, until = window(workspace, day)
    return since - pipeline.margin, until + pipeline.margin


def parameters(connection: DuckDBPyConnection, workspace: Workspace) -> None:
    """Make the small tables that the settings become: op25b.engine.pipelines.PARAMETERS; the window is all of time."""
    networks, findings = workspace.config.networks, workspace.config.findings
    of_role = {"subscriber": networks.subscribers, "relay": networks.relays}
    rows = [(role, *key_range(text)) for role, texts in of_role.items() for text in texts]
    frames = {
        "network": pl.DataFrame(rows, schema=dict.fromkeys(("role", "key_first", "key_last"), pl.String), orient="row"),
        "destination_network": destination_networks(workspace),
        "session_gap": pl.DataFrame({"seconds": [workspace.config.engine.session_gap_seconds]}),
        "mail_size": pl.DataFrame({"bytes": [findings.mail_min_bytes]}),
        "sequential_test": pl.DataFrame({name: [getattr(findings.sequential_test, name)] for name in SEQUENTIAL}),
        "build_window": pl.DataFrame({"day": [None], "since": [ALL_TIME[0]], "until": [ALL_TIME[1]]},
                                     schema={"day": pl.Date, "since": schema.TIME, "until": schema.TIME}),
    }
    for name, frame in frames.items():
        connection.register("frame", frame.to_arrow())
        connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM frame')  # noqa: S608  # our own names
        connection.unregister("frame")


def set_window(connection: DuckDBPyConnection, day: date, since: datetime, until: datetime) -> None:
    """Tell the pipelines which day is being made."""
    connection.execute("UPDATE build_window SET day = ?, since = ?, until = ?", [day, since, until])


def key_range(network: str) -> tuple[str, str]:
    """First and last ip_key of a network in CIDR form."""
    parsed = ipaddress.ip_network(network)
    return str(ip_key(str(parsed[0]))), str(ip_key(str(parsed[-1])))


def view(connection: DuckDBPyConnection, lake: Lake, table: str, days: Sequence[date] | None = None,
         between: tuple[datetime, datetime] | None = None, *, only: str | None = None) -> None:
    """Make a view of one stored table, of some days or between two instants only where asked for.

    `only`: a table on the connection with the only subscribers whose rows are wanted.
    """
    files = lake.files(table, days)
    if files:
        condition = "" if only is None else f' SEMI JOIN "{only}" USING (subscriber)'
        if between is not None and table in TIME:
            first, last = TIME[table]
            condition += f" WHERE \"{last}\" >= TIMESTAMP '{between[0]}' AND \"{first}\" < TIMESTAMP '{between[1]}'"
        names = ", ".join(map(quoted, files))
        hive = "hive_partitioning = false"
        if lake.partitioned(table):
            hive = "hive_partitioning = true, hive_types = {day: DATE}"
        source = f"read_parquet([{names}], {hive}, union_by_name = true)"
        # In the table's own order: a scan of partitions gives `day` last.
        stored = lake.arrow_schema(table)
        have = set(stored.names) if stored is not None else set()
        if table in schema.RAW:  # a lake of an older op25b may lack columns that came later
            _refuse_older(lake, table, have)
            columns = ", ".join(f'"{name}"' if name in have else _null(name, dtype)
                                for name, dtype in schema.RAW[table].schema.items())
        else:
            columns = ", ".join(f'"{name}"' for name in (stored.names if stored is not None else ()))
        query = f"SELECT {columns} FROM {source}{condition}"  # noqa: S608  # our own names, quoted
        connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS {query}')
    elif table in schema.RAW:
        columns = ", ".join(_null(name, dtype) for name, dtype in schema.RAW[table].schema.items())
        connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS SELECT {columns} WHERE false')
    else:
        _empty_view(connection, lake, table)


def _view_or_error(connection: DuckDBPyConnection, lake: Lake, table: str) -> None:
    """A view of a stored table; one that raises the error when it is read, where this lake version lacks the table."""
    try:
        view(connection, lake, table)
    except LakeError as error:
        view(connection, Lake(lake.root), table)
        rows = connection.table(table).limit(0).to_arrow_table()
        connection.register(f"no {table}", rows)
        connection.execute(f"""
            CREATE OR REPLACE VIEW "{table}" AS
            SELECT n.* FROM (SELECT error({quoted(str(error))}) AS raised) LEFT JOIN "no {table}" AS n ON true
            WHERE raised IS NULL
        """)  # noqa: S608  # our own names, quoted


def _refuse_older(lake: Lake, table: str, have: set[str]) -> None:
    """Raise where a table lacks a column that every row has: with NULL in it, traffic would vanish without a word."""
    missing = [column.name for column in schema.RAW[table].columns if not column.nullable and column.name not in have]
    if missing:
        msg = (f"{lake.root}: the table '{table}' was written by an earlier op25b and has no {', '.join(missing)}\n"
               "  make a new workspace with 'op25b init', copy the settings and the key there, and ingest again")
        raise LakeError(msg)


def _null(name: str, dtype: pl.DataType) -> str:
    return f'CAST(NULL AS {_DUCKDB_TYPES[dtype.base_type()]}) AS "{name}"'


def _empty_view(connection: DuckDBPyConnection, lake: Lake, table: str) -> None:
    """A view of a derived table that has no rows: stored without any, or never built."""
    stored = lake.arrow_schema(table)
    if stored is not None:
        import pyarrow

        # Schema.empty_table() makes arrays, for which pyarrow imports pandas: a quarter of a second.
        connection.register(f"no {table}", pyarrow.Table.from_batches([], schema=stored))
        connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS FROM "no {table}"')
        return
    prepare(connection, lake, table, None)
    # Its own query gives the columns; sums are kept as plain 64-bit integers.
    described = connection.execute(f"DESCRIBE {pipelines()[table].sql}").fetchall()
    columns = ", ".join(f'CAST(NULL AS {"BIGINT" if kind == "HUGEINT" else kind}) AS "{name}"'
                        for name, kind, *_ in described)
    connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS SELECT {columns} WHERE false')


def prepare(connection: DuckDBPyConnection, lake: Lake, name: str, day: date | None,
            *, between: tuple[datetime, datetime] | None = None, kept: Kept | None = None, only: str | None = None
            ) -> None:
    """Make what a pipeline reads available: raw tables between two instants, stored ones of the day, and steps.

    Steps that were made of the same rows for another pipeline of the day, those in `kept`, are not made again. `only`
    is as in `view`.
    """
    kept = {} if kept is None else kept
    for raw in sorted(direct_inputs(name) & set(schema.RAW)):
        days = None
        if between is not None and schema.RAW[raw].partitioned:  # a local day is within a day of its UTC instants
            first, last = (instant.date() for instant in between)
            slack = timedelta(days=1)
            days = [near for near in lake.days(raw) if first - slack <= near <= last + slack]
        view(connection, lake, raw, days, between)
    for read in ingredients(name):
        if read.stored:
            view(connection, lake, read.name, [day] if day is not None and read.build == "day" else None, only=only)
        elif read.build == "step" and day is not None:
            if kept.get(read.name, ()) != made_of(read, between):
                connection.execute(f'CREATE OR REPLACE TEMP TABLE "{read.name}" AS {read.sql}')
                kept[read.name] = made_of(read, between)
        else:
            connection.execute(f'CREATE OR REPLACE VIEW "{read.name}" AS {read.sql}')


def made_of(step: Pipeline, between: tuple[datetime, datetime] | None) -> tuple[datetime, datetime] | None:
    """The time of the rows that a step is made of, for `Kept`."""
    return between if direct_inputs(step.name) & set(TIME) else None


def forget(connection: DuckDBPyConnection, kept: Kept, made: Pipeline) -> None:
    """Drop the steps that no table of days after the one just made reads."""
    of_days = [pipeline.name for pipeline in stages()[1]]
    coming = of_days[of_days.index(made.name) + 1:] if made.name in of_days else []
    needed = {read.name for name in coming for read in ingredients(name)}
    for name in kept.keys() - needed:
        connection.execute(f'DROP TABLE "{name}"')
        del kept[name]


def tables(workspace: Workspace, names: Sequence[str], days: Sequence[date] | None = None) -> DuckDBPyConnection:
    """A connection with some stored tables only, of some days where given; sooner there than `session`."""
    lake = snapshot(workspace)
    connection = connect(workspace)
    parameters(connection, workspace)
    for name in names:
        pipeline = pipelines().get(name)
        if pipeline is None or pipeline.stored:
            view(connection, lake, name, days)
            continue
        for raw in sorted(direct_inputs(name) & set(schema.RAW)):
            view(connection, lake, raw, days)
        for read in (*ingredients(name), pipeline):
            if read.stored:
                view(connection, lake, read.name, days)
            else:
                connection.execute(f'CREATE OR REPLACE VIEW "{read.name}" AS {read.sql}')
    return connection


def session(workspace: Workspace, query: str | None = None) -> DuckDBPyConnection:
    """A connection on which every table of the lake can be queried, or at least those that a query names."""
    lake = snapshot(workspace)
    connection = connect(workspace)
    views = {name for name, pipeline in pipelines().items() if pipeline.build == "view"}
    views |= {read.name for name in views for read in ingredients(name)}  # other steps mean something on one day only
    stored = {name for name, pipeline in pipelines().items() if pipeline.stored}
    every = {*schema.RAW, *stored, *views, *PARAMETERS}
    named = None if query is None else _named(connection, query, every)
    wanted = every if named is None else _behind(named)
    if any(name not in schema.RAW and (name not in stored or lake.version(name) is None) for name in wanted):
        parameters(connection, workspace)
    for table in schema.RAW:
        if table in wanted:
            _view_or_error(connection, lake, table)
    for name, pipeline in pipelines().items():
        if name in wanted and pipeline.stored:
            _view_or_error(connection, lake, name)
        elif name in wanted & views:
            connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS {pipeline.sql}')
    return connection


def _behind(names: Iterable[str]) -> set[str]:
    """These tables, and those that the ones not stored among them are made from."""
    found: set[str] = set()
    todo = [*names]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            pipeline = pipelines().get(name)
            todo += pipeline.reads if pipeline is not None and not pipeline.stored else ()
    return found


def _named(connection: DuckDBPyConnection, query: str, ours: set[str]) -> set[str] | None:
    """Those of our tables that a query names; None where its text alone does not tell what it reads.

    So it is where it names one that is not there: DuckDB's error then says which one was meant.
    """
    answer = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()[0][0]
    tables: set[str] = set()
    own: set[str] = set()
    todo: list[Any] = [json.loads(answer)]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            # No SELECT, or no SQL; a list of the tables; a function that gives rows, such as of a table it is told.
            if node.get("error") is True or node.get("type") in {"SHOW_REF", "TABLE_FUNCTION"}:
                return None
            if node.get("type") == "BASE_TABLE":
                tables.add(node["table_name"].lower())
            own |= {entry["key"].lower() for entry in node.get("cte_map", {}).get("map", ())}
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return tables & ours if tables <= ours | own else None
