"""The numbers behind the three propositions by which Japanese law judges a block of port 25.

Blocking by source address and port touches the secrecy of communications; it is lawful as an act in the course of
business (正当業務行為) where necessity, purpose and means are appropriate. The ministry's reasoning (on IP25B, the
counterpart at the receiving side) rests on three facts: mass mail hardly comes from fixed addresses, it does come from
dynamic ones, and limiting everybody's rate is not enough. Whether they hold is a matter of numbers, and those are here;
a verdict in law is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

import polars as pl

from op25b.impact import lines as each_line
from op25b.impact.estimate import wilson
from op25b.impact.window import Window, find_window, opened
from op25b.senders import require
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CAPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
Verdict = Literal["holds", "fails", "open"]


@dataclass(frozen=True)
class Limits:
    """From where on a proposition is said to hold: choices of this project, to be argued with.

    `hardly`: the largest share of mass mail from fixed addresses that is hardly any. `left`: a limit of rate that
    leaves at most this share of the bots' connections would be enough, if it also hits at most `hit` of the days on
    which other lines send. `fewest`: with fewer days of bots, or of other lines, nothing is said of rates.
    """

    hardly: float = 0.05
    left: float = 0.1
    hit: float = 0.01
    fewest: int = 30


@dataclass(frozen=True)
class Evidence:
    """What was seen of port 25 past the own relay and the mobile carriers, which are blocked already.

    `addresses`: one row per kind of address (fixed, dynamic, unknown): lines that send, bots among them with the
    interval of their share (Wilson), unclear lines, connections, those of bots (at least: of lines that are nothing
    else; at most: with unclear lines). `caps`: one row per limit of connections per line and day: the bots'
    connections and what it leaves of them, days of bots, days of other lines and how many of those it hits, without
    and with unclear lines.
    """

    window: Window
    addresses: pl.DataFrame
    caps: pl.DataFrame

    def verdicts(self, limits: Limits | None = None) -> tuple[Verdict, Verdict, Verdict]:
        """Whether each proposition holds, fails, or is open, because too little was seen to tell."""
        limits = limits or Limits()
        return _fixed(self.addresses, limits), _dynamic(self.addresses), _rates(self.caps, limits)


def evidence(workspace: Workspace, *, since: date | None = None, until: date | None = None) -> Evidence:
    """Count what the three propositions speak of, over some local days (both included)."""
    require(workspace)
    window = find_window(workspace, since, until)
    with opened(workspace, window, summed=False) as connection:
        each_line.prepare(workspace, connection)
        connection.execute("""
            CREATE TEMP TABLE line_day AS
            SELECT t.*, k.class, len(k.classes) = 1 AS alone, c.fixed_ip
            FROM (
                SELECT subscriber, day, sum(sessions)::BIGINT AS sessions FROM sender_day
                WHERE subscriber IS NOT NULL AND port = 25 AND destination_group IN ('known-provider', 'other')
                GROUP BY subscriber, day
            ) AS t
            LEFT JOIN sender_class AS k ON k.subscriber = t.subscriber
            LEFT JOIN subscriber AS c ON c.subscriber = t.subscriber
        """)
        return Evidence(window, _addresses(connection), _caps(connection))


def _addresses(connection: DuckDBPyConnection) -> pl.DataFrame:
    found: pl.DataFrame = connection.sql("""
        SELECT k.addresses,
            count(DISTINCT d.subscriber) AS lines,
            count(DISTINCT d.subscriber) FILTER (d.class = 'bot') AS bots,
            count(DISTINCT d.subscriber) FILTER (d.class = 'unclear') AS unclear,
            coalesce(sum(d.sessions), 0)::BIGINT AS connections,
            coalesce(sum(d.sessions) FILTER (d.class = 'bot'), 0)::BIGINT AS bot_connections,
            coalesce(sum(d.sessions) FILTER (d.class = 'bot' AND d.alone), 0)::BIGINT AS bot_connections_low,
            coalesce(sum(d.sessions) FILTER (d.class IN ('bot', 'unclear')), 0)::BIGINT AS bot_connections_high
        FROM (VALUES ('fixed', true), ('dynamic', false), ('unknown', NULL)) AS k(addresses, fixed_ip)
        LEFT JOIN line_day AS d ON d.fixed_ip IS NOT DISTINCT FROM k.fixed_ip
        GROUP BY k.addresses ORDER BY k.addresses = 'unknown', k.addresses = 'dynamic'
    """).pl()
    shares = [wilson(*row) or (None, None) for row in found.select("bots", "lines").iter_rows()]
    return found.with_columns(
        (pl.col("bots") / pl.when(pl.col("lines") > 0).then(pl.col("lines"))).alias("bot_share"),
        pl.Series("bot_share_low", [low for low, _ in shares], dtype=pl.Float64),
        pl.Series("bot_share_high", [high for _, high in shares], dtype=pl.Float64))


def _caps(connection: DuckDBPyConnection) -> pl.DataFrame:
    caps = ", ".join(f"({cap})" for cap in CAPS)
    found: pl.DataFrame = connection.sql(f"""
        SELECT c.cap::BIGINT AS cap,
            coalesce(sum(d.sessions) FILTER (d.class = 'bot'), 0)::BIGINT AS bot_connections,
            coalesce(sum(least(d.sessions, c.cap)) FILTER (d.class = 'bot'), 0)::BIGINT AS bot_connections_left,
            count(*) FILTER (d.class = 'bot') AS bot_days,
            count(*) FILTER (d.class NOT IN ('bot', 'unclear')) AS line_days,
            count(*) FILTER (d.class NOT IN ('bot', 'unclear') AND d.sessions > c.cap) AS line_days_hit,
            count(*) FILTER (d.class <> 'bot') AS line_days_high,
            count(*) FILTER (d.class <> 'bot' AND d.sessions > c.cap) AS line_days_hit_high
        FROM (VALUES {caps}) AS c(cap) LEFT JOIN line_day AS d ON true
        GROUP BY c.cap ORDER BY c.cap
    """).pl()  # noqa: S608  # our own numbers
    return found.with_columns(
        (pl.col("bot_connections_left") / pl.when(pl.col("bot_connections") > 0).then(pl.col("bot_connections")))
        .alias("left"),
        (pl.col("line_days_hit") / pl.when(pl.col("line_days") > 0).then(pl.col("line_days"))).alias("hit"),
    )


def _fixed(addresses: pl.DataFrame, limits: Limits) -> Verdict:
    """Hardly any mass mail comes from fixed addresses: by lines, and by connections, unknown addresses against it."""
    rows = {row["addresses"]: row for row in addresses.iter_rows(named=True)}
    fixed, unknown = rows["fixed"], rows["unknown"]
    mass = sum(row["bot_connections"] for row in rows.values())
    if not fixed["lines"] or not mass:
        return "open"
    if fixed["bot_share_low"] > limits.hardly or fixed["bot_connections"] / mass > limits.hardly:
        return "fails"
    worst = (fixed["bot_connections"] + unknown["bot_connections"]) / mass
    return "holds" if fixed["bot_share_high"] <= limits.hardly and worst <= limits.hardly else "open"


def _dynamic(addresses: pl.DataFrame) -> Verdict:
    """Mass mail does come from dynamic addresses: lines there that are bots and nothing else."""
    row = addresses.filter(pl.col("addresses") == "dynamic").row(0, named=True)
    if not row["lines"]:
        return "open"
    return "holds" if row["bot_connections_low"] else "open" if row["bot_connections_high"] else "fails"


def _rates(caps: pl.DataFrame, limits: Limits) -> Verdict:
    """No limit of rate is enough: each leaves too much of the bots, or hits too many others."""
    if any(caps.filter(pl.col(name) < limits.fewest).height for name in ("bot_days", "line_days")):
        return "open"
    enough = caps.filter((pl.col("left") <= limits.left) & (pl.col("hit") <= limits.hit))
    return "fails" if enough.height else "holds"
