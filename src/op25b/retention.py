"""Retention: rows whose days are over are removed, for good, and an accounting of them stays.

`[retention]` says how many days a table keeps its rows. `expire`

1. brings the derived tables up to date, so that what goes has been summed up before;
2. notes per table and input file how many rows go (table `expired`), then removes them: from a table partitioned by day
   its days, from others the rows that `Doomed` selects, by writing the files that have such rows anew without them;
3. makes anew the tables made as a whole of what is left (`build`); days that were made from expired rows stay as they
   are (`engine.fingerprints`);
4. removes earlier versions of the tables that went over row by row, and of those that copy their rows.

Each step does nothing where it was done, so that a run that is killed is finished by the next one. `ingest` knows
expired files by their accounting, and leaves rows of expired days out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from arro3.core import Table

from op25b import lake_zone, leftovers, schema
from op25b.engine import duckdb as engine
from op25b.engine.build import build, is_built
from op25b.engine.pipelines import direct_inputs, pipelines
from op25b.engine.storing import write
from op25b.errors import SettingsError
from op25b.ingest.journal import Journal
from op25b.lake import Lake
from op25b.upkeep import drop_days, forget_versions, swap
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCHEMA = {"table": pl.String, "days_kept": pl.Int64, "until": pl.Date, "rows": pl.Int64, "state": pl.String}


@dataclass(frozen=True)
class Doomed:
    """Which rows `r` of a raw table without days go: those for which `condition` is true; `time` is when a row is of.

    They may read `horizon` (one row: `at`, the first instant kept, UTC), `stated_lease` and what `prepare` makes.
    """

    prepare: str
    condition: str
    time: str


# A lease goes as a whole, with every record that tells of it, once it ended before the horizon and no record of it is
# later: a start record without its stop would be an open lease. What ended it (the next holder, a restart of its access
# server, a release) was before its end's horizon as well, so that no lease that stays loses its end.
_LEASE_KEY = "coalesce({0}.session, {0}.ip_first || ' ' || CAST({0}.port_first AS VARCHAR))"
DOOMED = {
    "lease_record": Doomed(
        f"""
        CREATE TEMP TABLE kept_lease AS
        SELECT s.kind, s.access_server, s.name, {_LEASE_KEY.format("s")} AS lease
        FROM stated_lease AS s CROSS JOIN horizon AS h WHERE s."end" IS NULL OR s."end" >= h."at"
        UNION
        SELECT l.kind, l.access_server, l.subscriber, {_LEASE_KEY.format("l")}
        FROM lease_record AS l CROSS JOIN horizon AS h WHERE coalesce(l."at", l.start) >= h."at"
        """,  # noqa: S608  # our own text
        f"""coalesce(r."at", r.start) < (SELECT "at" FROM horizon) AND NOT EXISTS (
            SELECT 1 FROM kept_lease AS k
            WHERE k.kind = r.kind AND k.access_server IS NOT DISTINCT FROM r.access_server
                AND k.name IS NOT DISTINCT FROM r.subscriber AND k.lease IS NOT DISTINCT FROM {_LEASE_KEY.format("r")}
        )""",  # noqa: S608  # our own text
        'coalesce(r."at", r.start)'),
    # The latest list that names a line is what is known of it, however old.
    "subscriber_record": Doomed(
        """
        CREATE TEMP TABLE replaced AS
        WITH read_at AS (
            SELECT sha256 AS source, max("at") AS "at" FROM source_file WHERE kind = 'subscribers' GROUP BY sha256
        )
        SELECT DISTINCT o.subscriber, o.source
        FROM subscriber_record AS o
        JOIN read_at AS f ON f.source = o.source
        JOIN subscriber_record AS n ON n.subscriber = o.subscriber
        JOIN read_at AS g ON g.source = n.source
        CROSS JOIN horizon AS h
        WHERE g."at" > f."at" AND g."at" < h."at"
        """,
        "EXISTS (SELECT 1 FROM replaced AS p WHERE p.subscriber = r.subscriber AND p.source = r.source)",
        "CAST(NULL AS TIMESTAMP)"),
    "rejected": Doomed(
        """
        CREATE TEMP TABLE old AS
        SELECT f.sha256 AS source FROM source_file AS f CROSS JOIN horizon AS h
        GROUP BY f.sha256 HAVING max(f."at") < min(h."at")
        """,
        "r.source IN (SELECT source FROM old)",
        "CAST(NULL AS TIMESTAMP)"),
}


def known() -> list[str]:
    """The tables that can have days of retention; what is made of them as a whole goes with them.

    `op25b.settings.Retention` lists the same names.
    """
    days = [name for name, pipeline in pipelines().items() if pipeline.build == "day"]
    return [*(name for name, table in schema.RAW.items() if table.partitioned), *DOOMED, *days]


def expire(workspace: Workspace, today: date | None = None, *, dry_run: bool = False,
           progress: Callable[[str], None] = lambda _: None) -> pl.DataFrame:
    """Remove the rows whose days of retention are over; one row per table with a limit.

    Columns: table, days_kept, until (last local day that goes), rows (how many went, or would), state (`removed`,
    `would go`, `nothing` to remove). `today` is the local day from which days are counted back, at most the real one.
    """
    now = datetime.now(workspace.timezone).date()
    if today is not None and today > now:
        msg = f"{today} is after today, {now}\n  rows are kept for their days at least"
        raise SettingsError(msg)
    lake_zone.refuse_others(workspace)  # by days of another zone rows would go too early, or seem to
    limits = workspace.config.retention.days
    goes = {table: ((today or now) - timedelta(days=days + 1), days) for table, days in limits.items()}
    workspace = workspace.at(None)
    lake = Lake(workspace.lake_path)
    goes = {table: limit for table, limit in goes.items() if lake.version(table) is not None}
    if dry_run:
        counted = {table: sum(rows for *_, rows in _leaving(workspace, lake, table, until)) for table, (until, _)
                   in goes.items()}
    elif goes:
        counted = _expire(workspace, lake, goes, progress)
    else:
        counted = {}
    word = "would go" if dry_run else "removed"
    return pl.DataFrame([(table, days, until, counted[table], word if counted[table] else "nothing")
                         for table, (until, days) in goes.items()], schema=_SCHEMA, orient="row")


def _expire(workspace: Workspace, lake: Lake, goes: dict[str, tuple[date, int]],
            progress: Callable[[str], None]) -> dict[str, int]:
    """Steps 1 to 4; the rows that went, by table."""
    built = is_built(workspace)
    if built:
        progress("build")
        build(workspace)
    counted = {}
    with lake.writing("expire"):
        Journal(lake).finish()
        for table, (until, days) in goes.items():
            progress(table)
            counted[table] = _account(workspace, lake, table, until, days)
            if lake.partitioned(table):
                drop_days(lake, table, until)
            else:
                _drop_rows(workspace, lake, table, until)
    if built:
        progress("build")
        build(workspace)
    with lake.writing("expire"):
        rows = {table for table in goes if not lake.partitioned(table)}
        for table in sorted(rows.union(*map(copies, rows))):
            progress(table)
            forget_versions(lake, table)
        leftovers.remove(workspace)
    return counted


def copies(raw: str) -> set[str]:
    """Derived tables made as a whole that copy rows of a raw table, also by way of each other."""
    found = {raw}
    for pipeline in pipelines().values():
        if pipeline.build == "whole" and direct_inputs(pipeline.name) & found:
            found.add(pipeline.name)
    return found - {raw}


def _account(workspace: Workspace, lake: Lake, table: str, until: date, days: int) -> int:
    """Note what is about to go, once."""
    transaction = f"expire/{table}/{until}"
    found = list(_leaving(workspace, lake, table, until))
    if found and not lake.holds("expired", [transaction]):
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = [(now, table, source, first, last, count, until, days) for source, first, last, count in found]
        frame = pl.DataFrame(rows, schema=schema.EXPIRED.schema, orient="row")
        lake.append("expired", Table(frame), [transaction])
    return sum(count for *_, count in found)


def _leaving(workspace: Workspace, lake: Lake, table: str,
             until: date) -> Iterator[tuple[str | None, date | None, date | None, int]]:
    """What is to go: input file (None of a derived table), first and last local day, rows."""
    if lake.partitioned(table):
        days = [day for day in lake.days(table) if day <= until]
        if not days:
            return
        source = "source" if table in schema.RAW else "CAST(NULL AS VARCHAR)"
        connection = engine.connect(workspace)
        engine.view(connection, lake, table, days)
        yield from connection.execute(
            f'SELECT {source} AS s, min(day), max(day), count(*) FROM "{table}" GROUP BY s ORDER BY s').fetchall()  # noqa: S608
        connection.close()
        return
    connection = _judging(workspace, lake, table, until)
    doomed = DOOMED[table]
    rows = connection.execute(
        f'SELECT source, min({doomed.time}), max({doomed.time}), count(*) FROM "{table}" AS r '  # noqa: S608  # our own text
        f"WHERE {doomed.condition} GROUP BY source ORDER BY source").fetchall()
    connection.close()
    for source, first, last, count in rows:
        yield source, _local(workspace, first), _local(workspace, last), count


def _local(workspace: Workspace, moment: datetime | None) -> date | None:
    return None if moment is None else moment.replace(tzinfo=UTC).astimezone(workspace.timezone).date()


def _judging(workspace: Workspace, lake: Lake, table: str, until: date) -> DuckDBPyConnection:
    """A connection on which `DOOMED` of a table can be judged."""
    connection = engine.connect(workspace)
    for raw in schema.RAW:
        engine.view(connection, lake, raw)
    _, end = engine.window(workspace, until)
    connection.execute(f"CREATE TEMP TABLE horizon AS SELECT TIMESTAMP '{end}' AS \"at\"")
    connection.execute(f"CREATE VIEW stated_lease AS {pipelines()['stated_lease'].sql}")
    connection.execute(DOOMED[table].prepare)
    return connection


def _drop_rows(workspace: Workspace, lake: Lake, table: str, until: date) -> None:
    """Write the files of a table that have rows to go anew, without them."""
    connection = _judging(workspace, lake, table, until)
    condition = DOOMED[table].condition
    gone, parts = [], []
    for file in lake.files(table):
        source = f"read_parquet({engine.quoted(file)}, hive_partitioning = false) AS r"
        if not connection.execute(f"SELECT count(*) FROM {source} WHERE {condition}").fetchall()[0][0]:  # noqa: S608
            continue
        gone.append(Path(file))
        part = write(connection, lake, table, f"SELECT * FROM {source} WHERE ({condition}) IS NOT TRUE", None)  # noqa: S608
        parts += [part] if part else []
    connection.close()
    swap(lake, table, gone, parts)
