"""What a report says of its data: the observed period, how it was seen, and connections in bins of local time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from op25b.engine import duckdb as engine
from op25b.impact import SENDING_PORTS
from op25b.policy import action_sql, policy
from op25b.workspace import Workspace

DAY, WEEK = 86_400, 604_800
# Bin widths in seconds, and the longest period each is used for: about sixty bars at most.
_BINS = ((1, 20), (10, 600), (60, 3600), (300, 5 * 3600), (900, 15 * 3600), (3600, 3 * DAY), (DAY, 70 * DAY))


@dataclass(frozen=True)
class Observed:
    """The period of the flow records (local, naive times), their number, and their sampling."""

    first: datetime | None
    last: datetime | None
    flows: int
    sampling_interval: int | None
    sampling_unknown: int

    @property
    def length(self) -> timedelta:
        """From the first packet to the last."""
        return self.last - self.first if self.first and self.last else timedelta()

    @property
    def bin_seconds(self) -> int:
        """The width of a bar over time that suits the period."""
        seconds = self.length.total_seconds()
        return next((width for width, longest in _BINS if seconds <= longest), WEEK)


def local(workspace: Workspace, column: str) -> pl.Expr:
    """A naive UTC time as naive local time of the site."""
    zone = workspace.config.site.timezone
    return pl.col(column).dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)


def observed(workspace: Workspace) -> Observed:
    """Read the period and the sampling from the flow records."""
    connection = engine.session(workspace)
    frame = connection.sql("""
        SELECT min(first_seen) AS first, max(last_seen) AS last, count(*) AS flows,
            max(sampling_interval) AS sampling_interval, count(*) - count(sampling_interval) AS sampling_unknown
        FROM flow
    """).pl()
    connection.close()
    row = frame.with_columns(local(workspace, "first"), local(workspace, "last")).row(0, named=True)
    return Observed(**row)


def connections(workspace: Workspace, seen: Observed, before: str, after: str) -> pl.DataFrame:
    """One row per bin of local time × destination group × impact of the change: sessions.

    They are counted as the simulation counts them: ports 25, 465 and 587, attributed lines. Bins of a day and longer
    come from `sender_day`, shorter ones from `session`.
    """
    seconds = seen.bin_seconds
    now, now_values = action_sql(policy(workspace, before))
    then, then_values = action_sql(policy(workspace, after))
    ports = ", ".join(map(str, SENDING_PORTS))
    # Time zones differ from UTC by whole quarters of an hour, so bins up to that width are the same in both.
    fine = f"""
        SELECT time_bucket(INTERVAL {min(seconds, 900)} SECOND, s.first_seen) AS start, s.subscriber,
            d.destination_group, s.server_port AS port, count(*) AS sessions
        FROM session AS s JOIN destination AS d ON d.day = s.day AND d.dst_key = s.server_key
        WHERE s.direction = 'out' AND s.subscriber IS NOT NULL AND s.server_port IN ({ports})
        GROUP BY ALL
    """  # noqa: S608
    coarse = f"""
        SELECT day AS start, subscriber, destination_group, port, sum(sessions)::BIGINT AS sessions
        FROM sender_day WHERE subscriber IS NOT NULL AND port IN ({ports}) GROUP BY ALL
    """  # noqa: S608
    query = f"""
        WITH traffic AS (
            SELECT t.*, 6 AS protocol, c.plan, c.access_node
            FROM ({coarse if seconds >= DAY else fine}) AS t LEFT JOIN subscriber AS c ON c.subscriber = t.subscriber
        ),
        decided AS (SELECT *, {now} AS before, {then} AS after FROM traffic)
        SELECT start, destination_group, CASE
            WHEN before = 'block' AND after = 'block' THEN 'already_blocked'
            WHEN after = 'block' THEN 'newly_blocked'
            WHEN before = 'block' THEN 'released'
            ELSE 'untouched' END AS impact, sum(sessions)::BIGINT AS sessions
        FROM decided GROUP BY ALL
    """  # noqa: S608  # the expressions hold placeholders only; ports and seconds are ours
    connection = engine.session(workspace)
    frame: pl.DataFrame = connection.sql(query, params=[*now_values, *then_values]).pl()
    connection.close()
    start = pl.col("start").cast(pl.Datetime("us")) if seconds >= DAY else local(workspace, "start")
    width = {DAY: "1d", WEEK: "1w"}.get(seconds, f"{seconds}s")
    return (
        frame.with_columns(start.dt.truncate(width))
        .group_by("start", "destination_group", "impact").agg(pl.col("sessions").sum())
        .with_columns(pl.col("start").dt.offset_by(width).alias("end"))
        .select("start", "end", "destination_group", "impact", "sessions")
        .sort("start", "impact", "destination_group")
    )
