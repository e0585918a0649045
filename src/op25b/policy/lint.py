"""Lint: what a policy says that nobody can have meant.

Errors: never-matches (an exemption or a block that rules before it undo), blocks-own-relay, blocks-submission,
exempt-blocked, forgets-ipv6. Warnings: never-matches (without effect), matches-nobody, expired, overlapping-sets,
overlapping-waves, overlapping-groups, dynamic-in-exempt-pool, no-ipv6-networks, no-ipv6-lines, too-many-cases.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import polars as pl

from op25b.engine import duckdb as engine
from op25b.policy.addresses import fixed_addresses
from op25b.policy.cells import Hit, survey
from op25b.policy.decide import Connection, matches
from op25b.policy.destinations import Destinations, destinations
from op25b.policy.ranges import Spans, common, merge, networks, spans, without
from op25b.policy.resolve import Resolved, key_range, resolve, utc
from op25b.policy.waves import read_wave
from op25b.settings import Policy
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TCP = 6
SCHEMA = {"severity": pl.String, "policy": pl.String, "rule": pl.String, "finding": pl.String, "detail": pl.String}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be, with a rule (None: with the whole policy)."""

    severity: Literal["error", "warning"]
    policy: str
    rule: str | None
    finding: str
    detail: str


def lint(workspace: Workspace, names: Iterable[str], moment: datetime | None = None) -> list[Finding]:
    """Check policies of the settings against themselves, the networks, and the lines in the lake; errors first."""
    then = utc(moment) if moment is not None else datetime.now(UTC).replace(tzinfo=None)
    day = then.replace(tzinfo=UTC).astimezone(workspace.timezone).date()
    own = workspace.config.networks
    lines = without(spans(map(key_range, own.subscribers)), spans(map(key_range, own.relays)))
    ends = destinations(workspace, day)
    found: list[Finding] = []
    connection = engine.tables(workspace, ("subscriber", "lease"))
    try:
        for name in names:
            policy = workspace.config.policy[name]
            looked_up = resolve(policy, workspace)
            rows = [*_decisions(name, looked_up, lines, ends), *_times(name, looked_up, then),
                    *_sets(workspace, name, policy), *_groups(name, looked_up, ends),
                    *_nobody(connection, name, looked_up), *_exempt_blocked(connection, name, looked_up, then),
                    *_dynamic(connection, name, looked_up)]
            found += sorted(dict.fromkeys(rows), key=lambda row: row.severity)
    finally:
        connection.close()
    return found


def frame(found: Iterable[Finding]) -> pl.DataFrame:
    """One row per finding: severity, policy, rule, finding (a stable code), detail."""
    return pl.DataFrame([vars(row) for row in found], schema=SCHEMA)


def _decisions(name: str, policy: Resolved, lines: Spans, ends: Destinations) -> Iterator[Finding]:
    """What follows from the rules alone."""
    made = survey(policy, lines, ends)
    if made is None:
        yield Finding("warning", name, None, "too-many-cases", "its rules tell too many cases apart to check them all")
        return
    found = made.hits
    seen = {hit.place for hit in found}
    for place in range(len(policy.terms)):
        if place not in seen:
            yield _never(name, policy, place, made.outcomes.get(place, frozenset()))
    blocks = [hit for hit in found if policy.terms[hit.place].action == "block"]
    for place in sorted({hit.place for hit in blocks}):
        mine, rule = [hit for hit in blocks if hit.place == place], policy.terms[place].name
        if policy.terms[place].protocol != TCP:
            continue
        if ports := _ports(hit for hit in mine if hit.group == "own-relay" and hit.server_port in {25, 465, 587}):
            yield Finding("error", name, rule, "blocks-own-relay", f"blocks the own sending servers, port {ports}")
        if ports := _ports(hit for hit in mine if hit.server_port in {465, 587}):
            yield Finding("error", name, rule, "blocks-submission",
                          f"blocks port {ports}, by which blocked customers are to send")
    for group in sorted({hit.group for hit in blocks}):
        over = {hit.family for hit in blocks if hit.group == group and hit.server_port == 25}
        if len(over) == 1 and networks(lines, 4) and networks(lines, 6):
            done, other = (4, 6) if 4 in over else (6, 4)
            yield Finding("error", name, None, f"forgets-ipv{other}",
                          f"blocks port 25 to {group} over IPv{done}, not over IPv{other}")
    if lines and not networks(lines, 6) and blocks:
        yield Finding("warning", name, None, "no-ipv6-lines",
                      "[networks] subscribers has no IPv6 network: no configuration is written for IPv6")


def _ports(some: Iterable[Hit]) -> str:
    return ", ".join(map(str, sorted({hit.server_port for hit in some})))


def _never(name: str, policy: Resolved, place: int, outcomes: frozenset[str]) -> Finding:
    """A rule that is never the first to match: without effect, or an exemption or a block that others undo."""
    term = policy.terms[place]
    if not outcomes:
        return Finding("warning", name, term.name, "never-matches", "can never match: no packet fits its conditions")
    before = ", ".join(repr(other.name) for other in policy.terms[:place] if other.direction == term.direction)
    if term.action == "allow" and "block" in outcomes:
        return Finding("error", name, term.name, "never-matches", f"exempts nothing: {before} decide before it")
    if term.action == "block" and outcomes == {"allow"}:
        return Finding("error", name, term.name, "never-matches", f"blocks nothing: {before} allow it all before")
    return Finding("warning", name, term.name, "never-matches", f"has no effect: {before} do the same before it")


def _times(name: str, policy: Resolved, then: datetime) -> Iterator[Finding]:
    if policy.until <= then:
        yield Finding("warning", name, None, "expired", f"ended at {policy.until} UTC")
    for term in policy.terms:
        if term.until <= then:
            yield Finding("warning", name, term.name, "expired", f"ended at {term.until} UTC")


def _sets(workspace: Workspace, name: str, policy: Policy) -> Iterator[Finding]:
    """Named sets, and waves, that have something in common."""
    sets = {end: spans(map(key_range, workspace.config.sets[end])) for rule in policy.rules
            for end in (*rule.source, *rule.destination) if end in workspace.config.sets}
    for (one, left), (other, right) in itertools.combinations(sets.items(), 2):
        if shared := common(left, right):
            some = [str(network) for family in (4, 6) for network in networks(shared, family)]
            yield Finding("warning", name, None, "overlapping-sets",
                          f"sets {one} and {other} share {_some(some)}: the first rule that names one decides")
    waves = {path: read_wave(workspace, path) for rule in policy.rules for path in rule.subscribers}
    for (one, first), (other, second) in itertools.combinations(waves.items(), 2):
        if both := first & second:
            yield Finding("warning", name, None, "overlapping-waves",
                          f"{one} and {other} share {len(both)} lines: {_some(sorted(both))}")


def _groups(name: str, policy: Resolved, ends: Destinations) -> Iterator[Finding]:
    """Groups of mail servers that a policy names: networks stated for two, and none over IPv6."""
    named = sorted({group for term in policy.terms for group in term.groups or ()})
    for one, other in itertools.combinations(sorted(ends.stated), 2):
        if {one, other} & set(named) and (shared := common(merge(ends.stated[one]), merge(ends.stated[other]))):
            some = [str(network) for family in (4, 6) for network in networks(shared, family)]
            yield Finding("warning", name, None, "overlapping-groups",
                          f"{_some(some)} stated for {one} and {other}: the most specific network decides, own-relay "
                          "before all")
    for group in named:
        known = ends.addresses.get(group, ())
        if known and not networks(known, 6):
            yield Finding("warning", name, None, "no-ipv6-networks",
                          f"no IPv6 network of {group} is known, so no mail over IPv6 counts as going there")


def _nobody(connection: DuckDBPyConnection, name: str, policy: Resolved) -> Iterator[Finding]:
    """Plans and access nodes that no line has."""
    rows = connection.sql("SELECT DISTINCT plan, access_node FROM subscriber").fetchall()
    if not rows:
        return
    known = {"plan": {plan for plan, _ in rows}, "access node": {node for _, node in rows}}
    for term in policy.terms:
        for kind, wanted in (("plan", term.plans), ("access node", term.access_nodes)):
            if missing := sorted((wanted or frozenset()) - known[kind]):
                yield Finding("warning", name, term.name, "matches-nobody",
                              f"no line in the subscriber list has the {kind} {_some(missing)}")
        if term.members is not None and not term.members:
            yield Finding("warning", name, term.name, "matches-nobody", "its wave has no lines")


def _exempt_blocked(connection: DuckDBPyConnection, name: str, policy: Resolved, then: datetime) -> Iterator[Finding]:
    """Lines of an exempt plan whose address a rule about networks blocks before the exemption is reached."""
    exempting = [term for term in policy.terms if term.action == "allow" and term.plans and term.direction == "out"]
    if not exempting or not any(term.lines for term in policy.terms if term.action == "block"):
        return
    fixed = fixed_addresses(connection, then)
    listed = connection.sql("SELECT subscriber, plan, access_node FROM subscriber").fetchall()
    for term in exempting:
        group = min(term.groups or {"other"})
        caught: dict[str, list[str]] = {}
        for subscriber, plan, node in listed:
            if plan not in (term.plans or ()):
                continue
            for first, _ in fixed.spans.get(subscriber, ()):
                family: Literal[4, 6] = 4 if networks(((first, first),), 4) else 6
                line = str(networks(((first, first),), family)[0].network_address)
                packet = Connection(group, min(term.ports or {25}), term.protocol, plan, node, subscriber=subscriber,
                                    line=line)
                rule = next((t for t in policy.at() if matches(t, packet)), None)
                if rule is not None and rule.action == "block" and rule.lines is not None:
                    caught.setdefault(rule.name, []).append(subscriber)
        for rule_name, subscribers in caught.items():
            yield Finding("error", name, rule_name, "exempt-blocked",
                          f"blocks {len(set(subscribers))} lines that {term.name!r} is to exempt: "
                          f"{_some(sorted(set(subscribers)))}")


def _dynamic(connection: DuckDBPyConnection, name: str, policy: Resolved) -> Iterator[Finding]:
    """Lines with changing addresses that held one of a pool which a rule exempts."""
    for term in policy.terms:
        if term.action != "allow" or not term.lines or term.plans or term.members or (
                term.groups is not None and term.groups <= {"own-relay"}):
            continue
        inside = " OR ".join("(l.ip_first <= ? AND l.ip_last >= ?)" for _ in term.lines)
        values = [key for first, last in term.lines for key in (last, first)]
        rows = connection.execute(f"""
            SELECT DISTINCT l.subscriber FROM lease AS l
            LEFT JOIN subscriber AS c ON c.subscriber = l.subscriber
            WHERE l.kind <> 'static' AND NOT coalesce(c.fixed_ip, false) AND ({inside})
            ORDER BY l.subscriber
        """, values).fetchall()  # noqa: S608  # placeholders only
        if rows:
            yield Finding("warning", name, term.name, "dynamic-in-exempt-pool",
                          f"{len(rows)} lines without fixed addresses held one in the exempt networks: "
                          f"{_some([subscriber for (subscriber,) in rows])}")


def _some(items: list[str]) -> str:
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")
