"""What a report says of its data: the observed period, how it was seen, and connections in bins of local time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from op25b.engine import duckdb as engine
from op25b.policy import policy, resolve
from op25b.policy.traffic import decide_traffic
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

    They are counted as the simulation counts them: ports 25, 465 and 587, attributed lines.
    """
    seconds = seen.bin_seconds
    connection = engine.session(workspace)
    chosen = {"before": resolve(policy(workspace, before), workspace),
              "after": resolve(policy(workspace, after), workspace)}
    made = decide_traffic(connection, chosen, per_day=seconds >= DAY, per_connection=seconds < DAY)
    # Time zones differ from UTC by whole quarters of an hour, so bins up to that width are the same in both.
    start_sql = "day" if seconds >= DAY else f"time_bucket(INTERVAL {min(seconds, 900)} SECOND, first_seen)"
    query = f"""
        SELECT {start_sql} AS start, destination_group, impact, sum(sessions)::BIGINT AS sessions
        FROM ({made.sql}) AS decided GROUP BY ALL
    """  # noqa: S608  # the query holds placeholders only; the seconds are ours
    frame: pl.DataFrame = connection.sql(query, params=made.values).pl()
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
