"""What a change does in total and by group: counts with what they are a part of, and with intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import polars as pl

from op25b.engine import duckdb as engine
from op25b.errors import UnknownNameError
from op25b.impact.estimate import Pairs, chao2, ratio, unseen_refused, wilson
from op25b.impact.lines import IMPACTS
from op25b.impact.sampled import Hidden
from op25b.sampling import Estimate
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Of these rows low and high are counts of connections or messages, which sampling makes too small.
_COUNTS_OF_TRAFFIC = {"class", "messages", "messages-assumed"}
By = Literal["class", "plan", "area", "dwelling", "access_node"]
BY: tuple[By, ...] = ("class", "plan", "area", "dwelling", "access_node")
_SCHEMA = {"measure": pl.String, "value": pl.Int64, "denominator": pl.Int64, "of": pl.String, "low": pl.Int64,
           "high": pl.Int64, "interval": pl.String}


@dataclass(frozen=True)
class Statement:
    """One number: what it counts, what it is a part of, and between what it lies.

    `interval` says what the limits are: see `op25b.impact.words.INTERVALS`. A value that cannot be told is None.
    """

    measure: str
    value: float | None
    denominator: int | None = None
    of: str | None = None
    low: float | None = None
    high: float | None = None
    interval: str | None = None


def statements(rows: list[Statement]) -> pl.DataFrame:
    """One row per statement: measure, value, denominator, share, of, low, high, interval."""
    def whole(value: float | None) -> int | None:
        return None if value is None else round(value)

    data = [(s.measure, whole(s.value), s.denominator, s.of, whole(s.low), whole(s.high), s.interval) for s in rows]
    frame = pl.DataFrame(data, orient="row", schema=_SCHEMA)
    return frame.with_columns((pl.col("value") / pl.when(pl.col("denominator") > 0).then(pl.col("denominator")))
                              .alias("share")).select("measure", "value", "denominator", "share", "of", "low", "high",
                                                      "interval")


def coverage(workspace: Workspace) -> pl.DataFrame:
    """One row per statement on what the traffic tables could not see or tell: measure, value, denominator, of."""
    connection = engine.session(workspace)
    found = covered(connection)
    connection.close()
    return found.select("measure", "value", "denominator", "share", "of")


def covered(connection: DuckDBPyConnection) -> pl.DataFrame:
    """`coverage` of the days that a session has."""
    row = connection.sql("""
        SELECT
            (SELECT count(*) FROM flow) AS flows,
            coalesce(sum(flows), 0)::BIGINT AS line_flows,
            coalesce(sum(flows) FILTER (attribution = 'attributed'), 0)::BIGINT AS attributed,
            coalesce(sum(flows) FILTER (attribution = 'unattributed'), 0)::BIGINT AS unattributed,
            coalesce(sum(flows) FILTER (attribution = 'ambiguous'), 0)::BIGINT AS ambiguous,
            coalesce(sum(flows) FILTER (attribution = 'address'), 0)::BIGINT AS address,
            (SELECT count(*) FROM subscriber) AS subscribers
        FROM peer_day
    """).pl().row(0, named=True)
    lines = "flow records of the subscribers' networks on mail ports"
    rows = [
        Statement("subscribers in the subscriber list", row["subscribers"]),
        Statement("flow records on mail ports", row["flows"]),
        Statement(lines, row["line_flows"]),
        Statement("attributed to a subscriber", row["attributed"], row["line_flows"], lines),
        Statement("unattributed (no lease)", row["unattributed"], row["line_flows"], lines),
        Statement("ambiguous (overlapping leases)", row["ambiguous"], row["line_flows"], lines),
    ]
    if row["address"]:
        rows.append(Statement("by address, as there are no leases", row["address"], row["line_flows"], lines))
    return statements(rows)


def messages_per_connection(connection: DuckDBPyConnection, level: float = 0.95) -> Estimate:
    """How many messages an established connection carries, measured at the own relay; None without its log.

    Over the lines that the relay's log knows and whose connections to the relay were seen: messages accepted from the
    line, per established connection; an interval over lines (`op25b.impact.estimate.ratio`).
    """
    row = connection.sql("""
        SELECT count(*), coalesce(sum(m), 0)::DOUBLE, coalesce(sum(c), 0)::DOUBLE, coalesce(sum(m * m), 0)::DOUBLE,
            coalesce(sum(c * c), 0)::DOUBLE, coalesce(sum(m * c), 0)::DOUBLE
        FROM (
            SELECT r.messages::DOUBLE AS m, s.established::DOUBLE AS c
            FROM relayed AS r
            JOIN (
                SELECT subscriber, sum(established) AS established FROM sent
                WHERE destination_group = 'own-relay' GROUP BY subscriber
            ) AS s ON s.subscriber = r.subscriber
            WHERE s.established > 0 AND r.messages > 0
        ) AS known
    """).fetchall()[0]
    return ratio(Pairs(*row), level)


@dataclass(frozen=True)
class Seen:
    """What was seen whatever a change does: lines (see `op25b.impact.lines.seen`), days, messages per connection."""

    lines: pl.DataFrame
    days: int
    per_connection: Estimate


def totals(lines: pl.DataFrame, sums: dict[str, int], all_seen: Seen, *, plan_rules: bool, addresses: bool,
           hidden: Hidden | None = None) -> pl.DataFrame:
    """One row per statement on the lines of which anything is blocked; see `statements`.

    `sums`: connections of all lines by impact.
    `plan_rules`: whether a policy asks for plans or nodes, so that a line whose plan is unknown may be exempt.
    `addresses`: whether addresses stand for lines.
    `hidden`: where packets were sampled, what is behind the lines seen. Then values are still of what was seen, the
    upper ends take in what was not (none where it cannot be told), and rows on all lines, seen or not, come after.
    """
    of_seen, of_sessions = "subscribers seen sending mail", "connections to ports 25, 465 and 587"
    seen, days = int(all_seen.lines["seen"].sum()), all_seen.days
    unlisted = int(all_seen.lines.filter(~pl.col("listed"))["seen"].sum())
    sessions = sum(sums.values())
    sure = pl.col("plan").is_not_null() if plan_rules else pl.lit(value=True)
    proven = pl.col("newly_blocked_established") > 0
    infected = pl.col("class").is_in(["bot", "scanner"]).fill_null(value=False)
    counts = lines.select(
        *(pl.col(name).sum().alias(name) for name in ("already_blocked", "newly_blocked", "loses_working_mail",
                                                      "needs_notice")),
        (pl.col("newly_blocked") & sure).sum().alias("newly_sure"),
        (pl.col("loses_working_mail") & proven & sure).sum().alias("loses_sure"),
        (pl.col("needs_notice") & (proven | infected) & sure).sum().alias("notice_sure"),
    ).row(0, named=True)
    certain = "plan" if plan_rules else None
    rows = [
        Statement(of_seen, seen), Statement(of_sessions, sessions),
        Statement("subscribers already blocked", counts["already_blocked"], seen, of_seen),
        Statement("subscribers newly blocked", counts["newly_blocked"], seen, of_seen, counts["newly_sure"],
                  counts["newly_blocked"], certain),
        Statement("subscribers who lose mail that works today", counts["loses_working_mail"], seen, of_seen,
                  counts["loses_sure"], counts["loses_working_mail"], "outcome"),
        Statement("subscribers who need a notice", counts["needs_notice"], seen, of_seen, counts["notice_sure"],
                  counts["needs_notice"], "outcome"),
        Statement("subscribers not in the subscriber list (no rule for a plan or node fits them)",
                  unlisted, seen, of_seen),
        *(Statement(f"connections {impact.replace('_', ' ')}", sums.get(impact, 0), sessions, of_sessions)
          for impact in IMPACTS),
        *_traffic(lines, sums.get("newly_blocked", 0), days, all_seen.per_connection),
        *_unseen(lines, days, addresses=addresses),
    ]
    return statements(rows if hidden is None else _with_hidden(rows, hidden))


def _with_hidden(rows: list[Statement], hidden: Hidden) -> list[Statement]:
    """The statements of sampled traffic: no upper end that leaves out what sampling missed."""
    figures = {"subscribers newly blocked": hidden.newly,
               "subscribers who lose mail that works today": hidden.loses,
               "subscribers who need a notice": hidden.notice}
    found = []
    for row in rows:
        figure = figures.get(row.measure)
        if figure is not None:
            low = row.low if row.low is not None else row.value
            told = figure.method == "pilot" and figure.estimate.high is not None
            high = max(figure.estimate.high or 0, row.value or 0) if told else None
            found.append(replace(row, low=low, high=high, interval="sampled" if told else "sampled-open"))
        elif row.interval in _COUNTS_OF_TRAFFIC:
            found.append(replace(row, high=None, interval="sampled-traffic"))
        else:
            found.append(row)
    basis = {"pilot": "sampled-pilot", "chao1": "sampled-bound", "raw": "sampled-exact"}
    for measure, figure in figures.items():
        interval = f"refused-{figure.refused}" if figure.refused else basis[figure.method]
        found.append(Statement(f"{measure}, seen or not (sampling)", figure.estimate.value, low=figure.estimate.low,
                               high=figure.estimate.high, interval=interval))
    return found


def _traffic(lines: pl.DataFrame, newly: int, days: int, per_connection: Estimate) -> list[Statement]:
    """Spam-like traffic that goes, and legitimate mail that breaks."""
    bot = (pl.col("class") == "bot").fill_null(value=False)
    alone = bot & (pl.col("classes").list.len() == 1)
    scanner = (pl.col("class") == "scanner").fill_null(value=False)  # neither spam nor mail
    unclear = (pl.col("class") == "unclear").fill_null(value=True)
    firm = pl.col("confidence").is_in(["medium", "high"]).fill_null(value=False)
    sessions, works = pl.col("newly_blocked_sessions"), pl.col("newly_blocked_established")
    maybe = works + pl.col("newly_blocked_unknown")
    row = lines.filter("newly_blocked").select(
        sessions.filter(bot).sum().alias("spam"), sessions.filter(alone).sum().alias("spam_low"),
        sessions.filter(bot | unclear).sum().alias("spam_high"),
        works.filter(~bot & ~scanner & ~unclear).sum().alias("mail"),
        works.filter(~bot & ~scanner & ~unclear & firm).sum().alias("mail_low"),
        maybe.filter(~alone & ~scanner).sum().alias("mail_high"),
    ).row(0, named=True)
    of = "connections newly blocked"
    found = [
        Statement("spam-like connections removed (all newly blocked ones of lines classed as bots)", row["spam"], newly,
                  of, row["spam_low"], row["spam_high"], "class"),
        Statement("legitimate connections broken (established ones of lines of other classes)", row["mail"], newly, of,
                  row["mail_low"], row["mail_high"], "class"),
    ]
    per_day = max(days, 1)
    known = per_connection.value is not None
    factor = per_connection.value if per_connection.value is not None else 1.0
    low = per_connection.low if per_connection.low is not None else factor
    high = per_connection.high if per_connection.high is not None else factor
    found.append(Statement(
        "legitimate messages broken per day", row["mail"] * factor / per_day, None, None,
        row["mail_low"] * low / per_day, row["mail_high"] * high / per_day,
        "messages" if known else "messages-assumed"))
    return found


def frequencies(lines: pl.DataFrame) -> dict[int, int]:
    """On how many days lines that lose working mail were newly blocked: days → lines."""
    losing = lines.filter(pl.col("loses_working_mail") & (pl.col("newly_blocked_days") > 0))
    return dict(losing.group_by("newly_blocked_days").len().sort("newly_blocked_days").iter_rows())


def _unseen(lines: pl.DataFrame, days: int, *, addresses: bool) -> list[Statement]:
    """Lines that lose mail and sent nothing in the window; not estimated where that would mislead."""
    found = frequencies(lines)
    refused = unseen_refused(found, days, addresses=addresses)
    name = "subscribers who lose mail and sent none of it in the window (at least)"
    of = "subscribers who lose mail, seen or not (at least)"
    if refused:
        return [Statement(each, None, interval=f"refused-{refused}") for each in (of, name)]
    seen, most = sum(found.values()), chao2(found, days)
    value, low, high = most.value or seen, most.low or seen, most.high
    return [Statement(of, value, low=low, high=high, interval="unseen"),
            Statement(name, value - seen, round(value), of, low - seen, None if high is None else high - seen,
                      "unseen")]


def by_group(lines: pl.DataFrame, seen: pl.DataFrame, listed: pl.DataFrame, by: str) -> pl.DataFrame:
    """One row per value of `by` (see `BY`), those with most newly blocked lines first.

    A null value stands for lines of which it is not known; of classes also for those that never send to external port
    25. `seen` has how many lines were seen, `listed` the list's lines per value. Columns: the value, listed, seen,
    counts of lines already_blocked, newly_blocked, loses_working_mail (at least `loses_low`: proven), needs_notice;
    share (newly blocked of seen) with share_low and share_high (Wilson, the lines seen taken as a sample of such
    lines); newly blocked sessions and established.
    """
    if by not in BY:
        raise UnknownNameError("group", by, BY)
    counted = lines.group_by(by).agg(
        *(pl.col(name).sum().cast(pl.Int64) for name in ("already_blocked", "newly_blocked", "loses_working_mail")),
        (pl.col("loses_working_mail") & ~pl.col("works_unknown")).sum().cast(pl.Int64).alias("loses_low"),
        pl.col("needs_notice").sum().cast(pl.Int64), pl.col("newly_blocked_sessions").sum(),
        pl.col("newly_blocked_established").sum(),
    )
    found = seen.group_by(by).agg(pl.col("seen").sum()).join(counted, on=by, how="left", nulls_equal=True)
    found = found.with_columns(pl.all().exclude(by).fill_null(0))
    if by == "class":
        found = found.with_columns(pl.lit(None, dtype=pl.Int64).alias("listed"))
    else:
        found = found.join(listed, on=by, how="full", nulls_equal=True, coalesce=True)
        counts = [name for name in found.columns if name != by]
        found = found.with_columns(pl.col(counts).fill_null(0))
    shares = [wilson(*row) or (None, None) for row in found.select("newly_blocked", "seen").iter_rows()]
    found = found.with_columns(
        (pl.col("newly_blocked") / pl.when(pl.col("seen") > 0).then(pl.col("seen"))).alias("share"),
        pl.Series("share_low", [low for low, _ in shares], dtype=pl.Float64),
        pl.Series("share_high", [high for _, high in shares], dtype=pl.Float64))
    return found.select(by, "listed", "seen", "already_blocked", "newly_blocked", "share", "share_low", "share_high",
                        "loses_working_mail", "loses_low", "needs_notice", "newly_blocked_sessions",
                        "newly_blocked_established").sort(
        ["newly_blocked", "seen", by], descending=[True, True, False], nulls_last=True)
