"""How much mail moves to the own relay, and to its port 587, by the hour."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import polars as pl

from op25b.impact import lines as each_line
from op25b.impact.lines import lines
from op25b.impact.simulation import looked_up
from op25b.impact.totals import Statement, messages_per_connection, statements
from op25b.impact.window import decide, find_window, opened, register
from op25b.policy.traffic import decide_traffic
from op25b.sampling import Estimate
from op25b.senders import require
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What of the newly blocked connections comes to the relay: who is told to use it; with those who may choose it over
# their provider's port 587, and all whose outcome or class is not known; and bots, should they find it.
_MOVED = """
    CREATE TEMP TABLE moved AS
    SELECT time_bucket(INTERVAL 15 MINUTE, d.first_seen) AS slot,
        sum(d.established) FILTER (l.remedy IN ('own-relay', 'relay-or-fixed-ip')) AS moved,
        sum(d.established) FILTER (l.remedy = 'own-relay') AS submitted,
        sum(d.established + d.unknown) FILTER (l.remedy <> 'disinfect') AS at_most,
        sum(d.established + d.unknown) FILTER (l.remedy IN ('own-relay', 'relay-or-fixed-ip')) AS submitted_at_most,
        sum(d.sessions) FILTER (l.remedy = 'disinfect') AS bots
    FROM ({sql}) AS d JOIN losing AS l ON l.subscriber = d.subscriber
    WHERE d.impact = 'newly_blocked' GROUP BY slot
"""
# As in relay_day: what was refused when its text had come is no message.
_ACCEPTED = """
    SELECT time_bucket(INTERVAL 15 MINUTE, accepted_at) AS slot, count(*) AS accepted,
        count(*) FILTER (listener_port = 587) AS accepted_587
    FROM message
    WHERE accepted_at IS NOT NULL AND (
        sent + deferred + bounced + expired > 0 OR (size_bytes IS NOT NULL AND rejected = 0))
    GROUP BY slot
"""


def hours(workspace: Workspace, before: str = "current", after: str = "proposed", moment: datetime | None = None, *,
          since: date | None = None, until: date | None = None) -> tuple[pl.DataFrame, Estimate]:
    """One row per local hour with any mail, and how many messages an established connection carries.

    Columns: hour (local, naive), accepted and accepted_587 (messages in the relay's log; NULL without one), and newly
    blocked connections: moved (established, of lines whose remedy is the relay), submitted (those of mail programs),
    at_most and submitted_at_most (with connections of unknown outcome, unclear lines, and all who have a choice), bots
    (all of lines to be disinfected).
    """
    old, new = looked_up(workspace, before), looked_up(workspace, after)
    require(workspace)
    window = find_window(workspace, since, until)
    with opened(workspace, window) as connection:
        each_line.prepare(workspace, connection)
        chosen = {"before": old, "after": new}
        decide(connection, chosen, window, moment)
        losing = lines(connection, window, only_touched=True).filter("newly_blocked").select("subscriber", "remedy")
        register(connection, "losing", losing)
        connection.execute('CREATE TEMP TABLE held AS SELECT * FROM session '
                           'WHERE subscriber IN (SELECT subscriber FROM losing)')
        connection.execute('CREATE OR REPLACE VIEW "session" AS SELECT * FROM held')
        made = decide_traffic(connection, chosen, moment=moment, per_connection=True)
        connection.execute(_MOVED.format(sql=made.sql), made.values)
        frame = _slots(connection)
        per_connection = messages_per_connection(connection)
    zone = workspace.config.site.timezone
    local = pl.col("slot").dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    counts = [name for name in frame.columns if name != "slot"]
    hourly = frame.with_columns(local.dt.truncate("1h").alias("hour")).group_by("hour").agg(pl.col(counts).sum())
    if not frame["accepted"].count():  # no log: not known, rather than none
        hourly = hourly.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in ("accepted", "accepted_587"))
    return hourly.sort("hour"), per_connection


def _slots(connection: DuckDBPyConnection) -> pl.DataFrame:
    """One row per quarter of an hour: the counts of `hours`."""
    names = ("moved", "submitted", "at_most", "submitted_at_most", "bots")
    sums = ", ".join(f"coalesce(m.{name}, 0)::BIGINT AS {name}" for name in names)
    found: pl.DataFrame = connection.sql(f"""
        SELECT coalesce(m.slot, a.slot) AS slot, a.accepted, a.accepted_587, {sums}
        FROM moved AS m FULL JOIN ({_ACCEPTED}) AS a ON a.slot = m.slot
    """).pl()  # noqa: S608  # our own names
    return found


def load(workspace: Workspace, before: str = "current", after: str = "proposed", moment: datetime | None = None, *,
         since: date | None = None, until: date | None = None) -> pl.DataFrame:
    """One row per statement on the own relay's busiest hour, now and after the change; see `totals.statements`.

    Newly blocked connections become messages by the number an established connection carries at the own relay today
    (one, where there is no log to measure it; that is said). The hour is the busiest of the window for each statement.
    """
    hourly, per_connection = hours(workspace, before, after, moment, since=since, until=until)
    factor = per_connection.value if per_connection.value is not None else 1.0
    low = per_connection.low if per_connection.low is not None else factor
    high = per_connection.high if per_connection.high is not None else factor
    interval = "load" if per_connection.value is not None else "load-assumed"

    def peak(column: str, by: float = 1.0, beside: str | None = None) -> float | None:
        if hourly.is_empty() or not hourly[column].count() or (beside and not hourly[beside].count()):
            return 0.0 if hourly.height and not beside and column not in {"accepted", "accepted_587"} else None
        values = pl.col(column) * by + (pl.col(beside) if beside else 0)
        return float(hourly.select(values.max()).item())

    now, now_587 = peak("accepted"), peak("accepted_587")
    no_log = None if now is not None else "no-log"
    rows = [
        Statement("messages accepted by the own relay in its busiest hour now", now, interval=no_log),
        Statement("messages accepted on its port 587 in their busiest hour now", now_587, interval=no_log),
        Statement("messages that move to the own relay in their busiest hour", peak("moved", factor), None, None,
                  peak("moved", low), peak("at_most", high), interval),
        Statement("of these to its port 587 (mail programs; at most all who are told to use it)",
                  peak("submitted", factor), _rounded(peak("moved", factor)),
                  "messages that move in their busiest hour", peak("submitted", low),
                  peak("submitted_at_most", high), interval),
        Statement("messages of the own relay in its busiest hour afterwards", peak("moved", factor, "accepted"), None,
                  None, peak("moved", low, "accepted"), peak("at_most", high, "accepted"), no_log or interval),
        Statement("messages of its port 587 in their busiest hour afterwards",
                  peak("submitted", factor, "accepted_587"), None, None, peak("submitted", low, "accepted_587"),
                  peak("submitted_at_most", high, "accepted_587"), no_log or interval),
        Statement("connections of bots in their busiest hour, should they find the relay", peak("bots")),
    ]
    return statements(rows)


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
