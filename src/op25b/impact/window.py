"""The traffic of a window of days, in one DuckDB session: the lake's tables cut to the window, and sums over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from op25b.engine import duckdb as engine
from op25b.errors import LakeError, SettingsError
from op25b.lake import Lake, snapshot
from op25b.policy.resolve import Resolved
from op25b.policy.sql import needs
from op25b.policy.traffic import SENDING_PORTS, decide_traffic
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection

PORTS = ", ".join(map(str, SENDING_PORTS))
_TABLES = ("flow", "session", "destination", "peer_day", "sender_day", "sampled_day", "message", "relay_day",
           "subscriber", "sender", "sender_destination", "lease")


@dataclass(frozen=True)
class Window:
    """Local days `since` to `until`, both included; `days`: those of them that have flow records in the lake."""

    since: date | None
    until: date | None
    days: tuple[date, ...]

    @property
    def length(self) -> int:
        """How many days were observed."""
        return len(self.days)

    @property
    def months(self) -> list[int]:
        """The months it touches, counted as the table `sender_month` does."""
        return sorted({day.year * 12 + day.month - 1 for day in self.days}) or [0]

    @property
    def words(self) -> list[str]:
        """The columns that say on which days: bit n of `days_k` stands for day n + 1 of the k-th month."""
        return [f"days_{number}" for number in range(len(self.months))]


def find_window(workspace: Workspace, since: date | None = None, until: date | None = None) -> Window:
    """The window between two days where they are given, or a `LakeError` where the lake has nothing of it."""
    if since and until and since > until:
        msg = f"--since {since} is after --until {until}\n  swap them"
        raise SettingsError(msg)
    stored = snapshot(workspace).days("sender_day")
    days = tuple(day for day in stored if (since or day) <= day <= (until or day))
    if stored and not days:
        msg = f"no traffic was seen on these days\n  the lake has days from {stored[0]} to {stored[-1]}"
        raise LakeError(msg)
    return Window(since, until, days)


@contextmanager
def opened(workspace: Workspace, window: Window, *, summed: bool = True) -> Iterator[DuckDBPyConnection]:
    """A session whose tables of days hold the window's days only.

    `sender_day` is summed over the window: one row per subscriber × destination group × port, with the days on which it
    was seen as bits (`Window.words`); so a policy is applied to few rows. With `summed` false it has its days.
    """
    days = window.days if window.since or window.until else None
    connection = engine.tables(workspace, _TABLES, days)
    try:
        if summed:
            _sum(connection, snapshot(workspace), window, whole=days is None)
        yield connection
    finally:
        connection.close()


def _sum(connection: DuckDBPyConnection, lake: Lake, window: Window, *, whole: bool) -> None:
    """Make the table `sent`, from `sender_month` where the window is the whole lake, and `sender_day` a view of it."""
    table, days = "sender_day", _days(window, "s.day")
    if whole and lake.version("sender_month") is not None:
        table, days = "sender_month", _months(window)
        engine.view(connection, lake, table)
    connection.execute(f"""
        CREATE TEMP TABLE sent AS
        SELECT s.subscriber, s.destination_group, s.port, sum(s.sessions)::BIGINT AS sessions,
            sum(s.flows)::BIGINT AS flows, sum(s.established)::BIGINT AS established,
            sum(s.unknown)::BIGINT AS unknown, min(s.first_seen) AS first_seen, max(s.last_seen) AS last_seen, {days}
        FROM {table} AS s
        WHERE s.subscriber IS NOT NULL AND s.port IN ({PORTS})
        GROUP BY s.subscriber, s.destination_group, s.port
    """)  # noqa: S608  # our own names and numbers
    connection.execute('CREATE OR REPLACE VIEW "sender_day" AS SELECT * FROM sent')


def _months(window: Window) -> str:
    """Aggregates that bring the days of `sender_month` into one column per month."""
    return ", ".join(f"bit_or(CASE WHEN s.month = {month} THEN s.days ELSE 0 END)::BIGINT AS {word}"
                     for month, word in zip(window.months, window.words, strict=True))


def _days(window: Window, day: str) -> str:
    """Aggregates that note the days of a group's rows, one column per month."""
    bit = f"(1::BIGINT << (day({day}) - 1))"
    if len(window.months) == 1:
        return f"bit_or({bit}) AS days_0"
    return ", ".join(
        f"bit_or(CASE WHEN year({day}) * 12 + month({day}) - 1 = {month} THEN {bit} ELSE 0 END) AS {word}"
        for month, word in zip(window.months, window.words, strict=True))


def counted(window: Window, condition: str = "") -> str:
    """An aggregate over rows with words of days: on how many days any of them was seen."""
    return " + ".join(f"bit_count(coalesce(bit_or({word}){condition}, 0))" for word in window.words)


def decide(connection: DuckDBPyConnection, policies: Mapping[str, Resolved], window: Window,
           moment: datetime | None = None) -> None:
    """Make the table `decided`: one row per subscriber × destination group × port × impact of the change.

    Columns: counts of sessions, flows, established and unknown sessions, first_seen, last_seen, and words of days.
    """
    asked = frozenset[str]().union(*(needs(policy, moment) for policy in policies.values()))
    made = decide_traffic(connection, policies, moment=moment)
    words = ", ".join(window.words)
    if asked - {"subscriber"}:  # single connections
        query = f"""
            SELECT d.subscriber, d.destination_group, d.port, d.impact, sum(d.sessions)::BIGINT AS sessions,
                sum(d.flows)::BIGINT AS flows, sum(d.established)::BIGINT AS established,
                sum(d.unknown)::BIGINT AS unknown, min(d.first_seen) AS first_seen, max(d.last_seen) AS last_seen,
                {_days(window, "d.day")}
            FROM ({made.sql}) AS d
            GROUP BY d.subscriber, d.destination_group, d.port, d.impact
        """  # noqa: S608  # placeholders only
    else:
        query = f"""
            SELECT d.subscriber, d.destination_group, d.port, d.impact, s.sessions, s.flows, s.established, s.unknown,
                s.first_seen, s.last_seen, {words}
            FROM ({made.sql}) AS d
            JOIN sent AS s ON s.subscriber = d.subscriber AND s.destination_group = d.destination_group
                AND s.port = d.port
        """  # noqa: S608  # placeholders only
    connection.execute(f"CREATE OR REPLACE TEMP TABLE decided AS {query}", made.values)


def register(connection: DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Make a temporary table of a frame; the name is one of our own."""
    connection.register("frame", frame.to_arrow())
    connection.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS SELECT * FROM frame')  # noqa: S608  # our own names
    connection.unregister("frame")
