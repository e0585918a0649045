"""Which subscribers a build changed rows of, so that tables made as a whole are made anew for them alone.

A late file says something new of few lines, so most of a table of all days stays as it was. That holds for the tables
that are made `by: subscriber` and were up to date before the build changed the first day; where much has changed, as
by a new day, the table is sooner made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from op25b.engine import duckdb as engine
from op25b.engine.pipelines import Pipeline, direct_inputs, stages
from op25b.lake import Lake

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHANGED = "changed"
_FEW = 4  # a quarter of the days, and of the rows, at most


class Changes:
    """What a build has changed of the lake `before` it: `days` of each table, while `fresh` tables were up to date."""

    def __init__(self, before: Lake, days: Mapping[str, Sequence[date]], fresh: frozenset[str]) -> None:
        self._before, self._days, self._fresh = before, days, fresh
        self._found: int | None = None

    def are_few(self, connection: DuckDBPyConnection, lake: Lake, pipeline: Pipeline) -> bool:
        """Whether a table can keep most of its rows; those of the subscribers in the table `changed` are to be made."""
        of_all_days = {each.name for each in stages()[2]}
        if not pipeline.by_subscriber or not {pipeline.name, *(pipeline.reads & of_all_days)} <= self._fresh:
            return False
        tables = [name for name in sorted(read_by_subscriber()) if self._days.get(name)]
        if any(_FEW * len(self._days[name]) > len(lake.days(name)) for name in tables):
            return False
        if any(self._before.arrow_schema(name) != lake.arrow_schema(name) for name in tables):
            return False
        if self._found is None:
            self._found = self._find(connection, lake, tables)
        return _FEW * self._found <= lake.rows(pipeline.name)

    def _find(self, connection: DuckDBPyConnection, lake: Lake, tables: Sequence[str]) -> int:
        """Make the table `changed`, of the subscribers of whom a row is not as it was; how many they are."""
        connection.execute(f"CREATE TEMP TABLE {CHANGED} (subscriber VARCHAR)")
        for table in tables:
            for name, version in (("earlier", self._before), ("later", lake)):
                engine.view(connection, version, table, self._days[table])
                # A number of the day hangs on who else was there, and is nothing of the subscriber's own.
                connection.execute(f"""
                    CREATE TEMP TABLE {name} AS
                    SELECT subscriber, sum(hash(*COLUMNS(lambda name: name <> 'holder'))) AS digest
                    FROM "{table}"
                    GROUP BY subscriber
                """)  # noqa: S608  # our own names
            connection.execute(f"""
                INSERT INTO {CHANGED}
                SELECT subscriber FROM (FROM earlier EXCEPT FROM later)
                UNION
                SELECT subscriber FROM (FROM later EXCEPT FROM earlier)
            """)  # noqa: S608  # our own name
            connection.execute("DROP TABLE earlier; DROP TABLE later")
        found = connection.execute(f"SELECT count(DISTINCT subscriber) FROM {CHANGED}").fetchall()  # noqa: S608  # our own
        return int(found[0][0])


def with_the_others(query: str, table: str) -> str:
    """The query of a table, of the subscribers in `changed` alone, and the rows that the table has of all others."""
    return f'{query} UNION ALL FROM "{table}" ANTI JOIN {CHANGED} USING (subscriber)'


def read_by_subscriber() -> set[str]:
    """The tables of days that those made by subscriber are made from."""
    parted = [each for each in stages()[2] if each.by_subscriber]
    of_days = {each.name for each in stages()[1]}
    return set().union(*(direct_inputs(each.name) for each in parted)) & of_days
