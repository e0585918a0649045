"""Two policies × the observed traffic: who loses what, who must be told, and what they can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from op25b.engine import duckdb as engine
from op25b.policy import policy, resolve
from op25b.policy.traffic import SENDING_PORTS, decide_traffic
from op25b.senders import findings
from op25b.workspace import Workspace

IMPACTS = ("already_blocked", "newly_blocked", "released", "untouched")
COUNTS = ("sessions", "flows", "established", "unknown")


@dataclass(frozen=True)
class Simulation:
    """What a change of policy does.

    `subscribers`: one row per line seen sending (ports 25, 465, 587): counts of sessions, flow records, established
    and unknown sessions under each impact (already_blocked, newly_blocked, released, untouched), and what follows
    from them; `listed` is false for a line that the subscriber list does not have, whose plan is therefore not known.
    `totals`: one row per statement: measure, value, denominator (what it is a part of), of. `groups`: one row per
    destination group × port × impact.
    """

    subscribers: pl.DataFrame
    totals: pl.DataFrame
    groups: pl.DataFrame


def simulate(workspace: Workspace, before: str = "current", after: str = "proposed",
             moment: datetime | None = None) -> Simulation:
    """Apply two policies to every observed connection, as they are in force at a moment (UTC).

    Without a moment each policy counts with its latest rule in force, whenever the traffic was.
    """
    frame = _decided(workspace, before, after, moment)
    known = findings(workspace)
    subscribers = _subscribers(workspace, frame, known)
    groups = (
        frame.group_by("destination_group", "port", "impact")
        .agg(pl.col("subscriber").n_unique().alias("subscribers"), *[pl.col(c).sum() for c in COUNTS])
        .sort("destination_group", "port", "impact")
    )
    return Simulation(subscribers, _totals(workspace, subscribers), groups)


def _decided(workspace: Workspace, before: str, after: str, moment: datetime | None) -> pl.DataFrame:
    """One row per subscriber × destination group × port × impact of the change: counts."""
    connection = engine.session(workspace)
    chosen = {"before": resolve(policy(workspace, before), workspace),
              "after": resolve(policy(workspace, after), workspace)}
    made = decide_traffic(connection, chosen, moment=moment)
    frame: pl.DataFrame = connection.sql(f"""
        SELECT subscriber, destination_group, port, impact, plan, access_node,
            sum(sessions)::BIGINT AS sessions, sum(flows)::BIGINT AS flows,
            sum(established)::BIGINT AS established, sum(unknown)::BIGINT AS unknown,
            min(first_seen) AS first_seen, max(last_seen) AS last_seen
        FROM ({made.sql}) AS decided
        GROUP BY subscriber, destination_group, port, impact, plan, access_node
    """, params=made.values).pl()  # noqa: S608  # the query holds placeholders only
    connection.close()
    return frame


def _subscribers(workspace: Workspace, frame: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    counts = [
        pl.col(count).filter(pl.col("impact") == impact).sum().alias(f"{impact}_{count}")
        for impact in IMPACTS for count in COUNTS
    ]
    lines = frame.group_by("subscriber").agg(
        *counts, pl.col("first_seen").min(), pl.col("last_seen").max(),
        pl.col("destination_group").filter(pl.col("impact") == "newly_blocked").unique().sort().alias("loses_groups"),
    )
    connection = engine.session(workspace)
    who = connection.sql("""
        SELECT subscriber, plan, fixed_ip, access_node, area, dwelling, notice_channel FROM subscriber
    """).pl()
    providers = connection.sql("""
        SELECT subscriber, CASE WHEN count(*) = count(submission) THEN max(submission) END AS submission
        FROM peer_day
        WHERE direction = 'out' AND port = 25 AND destination_group = 'known-provider' AND subscriber IS NOT NULL
        GROUP BY subscriber
    """).pl()
    ports = ", ".join(map(str, SENDING_PORTS))
    active = connection.sql(f"""
        SELECT subscriber, count(DISTINCT day) AS days_active FROM sender_day
        WHERE subscriber IS NOT NULL AND port IN ({ports}) GROUP BY subscriber
    """).pl()  # noqa: S608  # the ports are ours
    connection.close()
    lines = (
        lines.join(active, on="subscriber", how="left")
        .join(who.with_columns(listed=True), on="subscriber", how="left")
        .with_columns(pl.col("listed").fill_null(value=False))
        .join(known.select("subscriber", "class", "classes", "confidence"), on="subscriber", how="left")
        .join(providers, on="subscriber", how="left")
    )
    blocked = pl.col("newly_blocked_sessions") > 0
    loses = (pl.col("newly_blocked_established") + pl.col("newly_blocked_unknown")) > 0
    bot = pl.col("class").fill_null("") == "bot"
    remedy = (
        pl.when(~blocked).then(None)
        .when(bot).then(pl.lit("disinfect"))
        .when(pl.col("class") == "own-server").then(pl.lit("relay-or-fixed-ip"))
        .when(pl.col("class") == "unclear").then(pl.lit("investigate"))
        .when(pl.col("submission").is_not_null()).then(pl.lit("submission-587"))
        .otherwise(pl.lit("own-relay"))
    )
    lines = lines.with_columns(
        blocked.alias("newly_blocked"),
        (pl.col("already_blocked_sessions") > 0).alias("already_blocked"),
        loses.alias("loses_working_mail"),
        # Whether the mail works today is not known where no connection is proven and some might be.
        (loses & (pl.col("newly_blocked_established") == 0)).alias("works_unknown"),
        # A line whose attempts never got an answer loses nothing that worked; a bot's owner is told all the same.
        (blocked & (loses | bot)).alias("needs_notice"),
        remedy.alias("remedy"),
    )
    first = ["subscriber", "class", "confidence", "newly_blocked", "already_blocked", "loses_working_mail",
             "needs_notice", "remedy", "plan", "fixed_ip", "access_node", "area", "dwelling", "notice_channel",
             "loses_groups"]
    rest = [name for name in lines.columns if name not in {*first, "submission"}]
    return lines.select(*first, *rest).sort(["newly_blocked_sessions", "already_blocked_sessions", "subscriber"],
                                            descending=[True, True, False])


def coverage(workspace: Workspace) -> pl.DataFrame:
    """One row per statement on what the traffic tables could not see or tell: measure, value, denominator, of."""
    connection = engine.session(workspace)
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
    connection.close()
    lines = "flow records of the subscribers' networks on mail ports"
    rows = [
        ("subscribers in the subscriber list", row["subscribers"], None, None),
        ("flow records on mail ports", row["flows"], None, None),
        (lines, row["line_flows"], None, None),
        ("attributed to a subscriber", row["attributed"], row["line_flows"], lines),
        ("unattributed (no lease)", row["unattributed"], row["line_flows"], lines),
        ("ambiguous (overlapping leases)", row["ambiguous"], row["line_flows"], lines),
    ]
    if row["address"]:
        rows.append(("by address, as there are no leases", row["address"], row["line_flows"], lines))
    return _statements(rows)


def _totals(workspace: Workspace, lines: pl.DataFrame) -> pl.DataFrame:
    seen, sessions = lines.height, int(lines.select(pl.sum_horizontal(
        pl.col(f"{impact}_sessions") for impact in IMPACTS).sum()).item() or 0)
    of_seen, of_sessions = "subscribers seen sending mail", "connections to ports 25, 465 and 587"
    rows: list[tuple[str, int, int | None, str | None]] = [(of_seen, seen, None, None),
                                                           (of_sessions, sessions, None, None)]
    rows += [
        (name, int(lines[column].sum()), seen, of_seen)
        for name, column in (("subscribers already blocked", "already_blocked"),
                             ("subscribers newly blocked", "newly_blocked"),
                             ("subscribers who lose mail that works today", "loses_working_mail"),
                             ("subscribers who need a notice", "needs_notice"))
    ]
    unlisted = seen - int(lines["listed"].sum())
    rows.append(("subscribers not in the subscriber list (no rule for a plan or node fits them)", unlisted, seen,
                 of_seen))
    rows += [(f"connections {impact.replace('_', ' ')}", int(lines[f"{impact}_sessions"].sum()), sessions, of_sessions)
             for impact in IMPACTS]
    return pl.concat([_statements(rows), coverage(workspace)])


def _statements(rows: list[tuple[str, int, int | None, str | None]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, orient="row", schema={"measure": pl.String, "value": pl.Int64, "denominator": pl.Int64,
                                                     "of": pl.String})
    return frame.with_columns((pl.col("value") / pl.when(pl.col("denominator") > 0).then(pl.col("denominator")))
                              .alias("share")).select("measure", "value", "denominator", "share", "of")
