"""Any number of changes simulated over the traffic of one window: lines, totals, destinations, traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from op25b.impact import lines as each_line
from op25b.impact.sampled import SampledTraffic, hidden, read
from op25b.impact.totals import BY, Seen, by_group, covered, messages_per_connection, totals
from op25b.impact.window import Window, decide, find_window, opened
from op25b.policy import Resolved, policy, resolve
from op25b.sampling.reading import is_sampled
from op25b.senders import require
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SORTED = ["newly_blocked_sessions", "already_blocked_sessions", "subscriber"]


@dataclass(frozen=True)
class Simulation:
    """What a change of policy does to the traffic of a window.

    `lines`: one row per line seen sending (ports 25, 465, 587), in no order: counts of sessions, flow records,
    established and unknown sessions under each impact (already_blocked, newly_blocked, released, untouched), and what
    follows from them; `listed` is false for a line that the subscriber list does not have, whose plan is therefore not
    known; messages per day are NULL where no log of the own relay tells how many a connection carries. `subscribers`:
    the same, most blocked first. `totals`: one row per statement: measure, value, denominator (what it is a part of),
    share, of, low, high, interval. `groups`: one row per destination group × port × impact. `traffic`: one row per
    subscriber × destination group × port × impact.
    """

    before: str
    after: str
    window: Window
    lines: pl.DataFrame
    totals: pl.DataFrame
    groups: pl.DataFrame
    seen: pl.DataFrame = field(repr=False)
    listed: dict[str, pl.DataFrame] = field(repr=False)
    addresses: bool
    traffic: pl.DataFrame | None = None

    @cached_property
    def subscribers(self) -> pl.DataFrame:
        """The lines, those with most newly blocked connections first."""
        return self.lines.sort(SORTED, descending=[True, True, False])

    @property
    def touched(self) -> pl.DataFrame:
        """The lines of which anything is blocked, before or after, in the order of `subscribers`."""
        found = self.lines.filter(pl.col("newly_blocked") | pl.col("already_blocked"))
        return found.sort(SORTED, descending=[True, True, False])

    @property
    def fixed_blocked(self) -> int:
        """How many lines with fixed addresses are newly blocked."""
        return int(self.lines.filter("newly_blocked")["fixed_ip"].sum())

    def by(self, group: str) -> pl.DataFrame:
        """Lines by class, plan, area, dwelling or access node; see `op25b.impact.totals.by_group`."""
        return by_group(self.lines, self.seen, self.listed.get(group, pl.DataFrame()), group)


def simulate(workspace: Workspace, before: str = "current", after: str = "proposed", moment: datetime | None = None, *,
             since: date | None = None, until: date | None = None, traffic: bool = False) -> Simulation:
    """Apply two policies to every observed connection of some days, as they are in force at a moment (UTC).

    Without a moment each policy counts with its latest rule in force, whenever the traffic was. Without days all of
    the lake's count.
    """
    return compare(workspace, before, [after], moment, since=since, until=until, traffic=traffic)[0]


def compare(workspace: Workspace, before: str, afters: Sequence[str], moment: datetime | None = None, *,
            since: date | None = None, until: date | None = None, traffic: bool = False,
            only_touched: bool = False) -> list[Simulation]:
    """Simulate the changes from one policy to each of several others, over the same traffic, in their order.

    With `only_touched` the lines are those of which anything is blocked, which is quicker where most lines are not;
    everything else is the same.
    """
    old, new = looked_up(workspace, before), [looked_up(workspace, name) for name in afters]
    require(workspace)
    window = find_window(workspace, since, until)
    with opened(workspace, window) as connection:
        each_line.prepare(workspace, connection)
        seen = Seen(each_line.seen(connection), window.length, messages_per_connection(connection))
        addresses = not connection.sql("SELECT 1 FROM lease LIMIT 1").fetchall()
        sampled = read(connection, window, workspace.config.sampling, addresses=addresses) if is_sampled(
            connection) else None
        shared = _Shared(covered(connection), seen, _listed(connection), sampled, addresses=addresses)
        made = []
        for name, chosen in zip(afters, new, strict=True):
            decide(connection, {"before": old, "after": chosen}, window, moment)
            made.append(_simulation(connection, shared, window, (before, name), (old, chosen), traffic=traffic,
                                    only_touched=only_touched))
    return made


def looked_up(workspace: Workspace, name: str) -> Resolved:
    """A policy of the settings with what its rules name."""
    return resolve(policy(workspace, name), workspace)


@dataclass(frozen=True)
class _Shared:
    """What is the same whatever the policies."""

    coverage: pl.DataFrame
    seen: Seen
    listed: dict[str, pl.DataFrame]
    sampled: SampledTraffic | None  # None where every packet was seen
    addresses: bool


def _listed(connection: DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    """The subscriber list's lines per value of each group."""
    return {by: connection.sql(f"SELECT {by}, count(*) AS listed FROM subscriber GROUP BY {by}").pl()  # noqa: S608
            for by in BY if by != "class"}


def _simulation(connection: DuckDBPyConnection, shared: _Shared, window: Window, names: tuple[str, str],
                policies: tuple[Resolved, Resolved], *, traffic: bool, only_touched: bool) -> Simulation:
    """The results of the change in the table `decided`."""
    found = each_line.lines(connection, window, only_touched=only_touched).with_columns(
        (pl.col("newly_blocked_established_per_day") * pl.lit(shared.seen.per_connection.value, dtype=pl.Float64))
        .alias("newly_blocked_messages_per_day"))
    sums = ", ".join(f"sum({count})::BIGINT AS {count}" for count in each_line.COUNTS)
    groups = connection.sql(f"""
        SELECT destination_group, port, impact, count(*) AS subscribers, {sums}
        FROM decided GROUP BY destination_group, port, impact ORDER BY destination_group, port, impact
    """).pl()  # noqa: S608  # our own names
    by_plan = any(term.plans is not None or term.access_nodes is not None for one in policies for term in one.terms)
    impacts = dict(groups.group_by("impact").agg(pl.col("sessions").sum()).iter_rows())
    behind = None if shared.sampled is None else hidden(connection, shared.sampled, found)
    counted = totals(found, impacts, shared.seen, plan_rules=by_plan, addresses=shared.addresses, hidden=behind)
    rows = connection.sql("""
        SELECT d.subscriber, k.class, d.destination_group, d.port, d.impact, d.sessions, d.flows, d.established,
            d.unknown, d.first_seen, d.last_seen
        FROM decided AS d LEFT JOIN sender_class AS k ON k.subscriber = d.subscriber
        ORDER BY d.subscriber, d.destination_group, d.port, d.impact
    """).pl() if traffic else None
    return Simulation(names[0], names[1], window, found, pl.concat([counted, shared.coverage]), groups,
                      shared.seen.lines, shared.listed, shared.addresses, rows)
