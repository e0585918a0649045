"""What a policy does to every kind of packet there can be: the finitely many cells its rules tell apart.

Two packets that no rule tells apart are of one cell, and one of each stands for all. What rules say of plans, nodes,
waves and addresses is taken as independent: any line may have any plan.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from op25b.policy.decide import Connection, matches
from op25b.policy.destinations import Destinations
from op25b.policy.ranges import EVERYTHING, Family, Spans, common, merge, networks
from op25b.policy.resolve import Resolved, Term
from op25b.settings import DESTINATIONS

MOST = 200_000
MAIL_PORTS = (25, 465, 587)
_UNNAMED_PORT = 40000
Value = TypeVar("Value", str, int)


@dataclass(frozen=True)
class Hit:
    """That a rule (its place) is the first to match some packet: to or from a server's port, of a group, by family."""

    place: int
    direction: Literal["out", "in"]
    server_port: int
    group: str
    family: Family


@dataclass(frozen=True)
class Survey:
    """`hits`: which rules are ever the first to match what; `outcomes`: what becomes of the packets a rule fits."""

    hits: frozenset[Hit]
    outcomes: dict[int, frozenset[str]]


def survey(policy: Resolved, lines: Spans, ends: Destinations) -> Survey | None:
    """Decide every cell; None where the policy tells more than `MOST` apart. `lines` are the ISP's lines' addresses."""
    terms = policy.terms
    servers = _values(t.ports if t.direction == "out" else t.source_ports for t in terms)
    near = _values(t.source_ports if t.direction == "out" else t.ports for t in terms)
    moments = [[(place, term) for place, term in enumerate(terms) if term in policy.at(moment)]
               for moment in _moments(policy)]
    choices: tuple[list[Any], ...] = (
        sorted({"out", *(term.direction for term in terms)}),
        sorted({term.protocol for term in terms}),
        sorted({*MAIL_PORTS, _UNNAMED_PORT, *servers}),
        sorted({_UNNAMED_PORT, *near}),
        [None, *sorted(_values(term.plans for term in terms))],
        [None, *sorted(_values(term.access_nodes for term in terms))],
        [None, *_typical_members(terms)],
        list(_ends(terms, lines, ends)),
        moments,
    )
    if math.prod(len(some) for some in choices) > MOST:
        return None
    found, outcomes = set(), dict[int, set[str]]()
    for direction, protocol, port, own_port, plan, node, member, (line, peer, group, family), in_force in (
            itertools.product(*choices)):
        out = Connection(group, port, protocol, plan, node, source_port=own_port, subscriber=member, line=line,
                         peer=peer)
        packet = out if direction == "out" else out.reply()
        places = [place for place, term in in_force if matches(term, packet)]
        if places:
            found.add(Hit(places[0], direction, port, group, family))
        for place in places:
            outcomes.setdefault(place, set()).add(terms[places[0]].action)
    return Survey(frozenset(found), {place: frozenset(actions) for place, actions in outcomes.items()})


def _values(conditions: Iterable[frozenset[Value] | None]) -> set[Value]:
    return {value for values in conditions if values is not None for value in values}


def _typical_members(terms: tuple[Term, ...]) -> list[str]:
    """One subscriber for every way of being, or not being, in the waves that the rules name."""
    waves = list({term.members for term in terms if term.members is not None})
    kinds: dict[tuple[bool, ...], str] = {}
    for member in sorted(frozenset[str]().union(*waves)):
        kinds.setdefault(tuple(member in wave for wave in waves), member)
    return list(kinds.values())


def _moments(policy: Resolved) -> list[datetime]:
    """The moments at which another set of rules comes into force, and a settled one."""
    turns = {moment for term in policy.terms for moment in (term.since, term.until)}
    turns |= {policy.since, policy.settled, policy.until}
    return sorted(moment for moment in turns if policy.since <= moment < policy.until)


def _ends(terms: tuple[Term, ...], lines: Spans,
          ends: Destinations) -> Iterator[tuple[str | None, str | None, str, Family]]:
    """Pairs of a line's address and a server's: one for every way the rules can tell them apart, by family."""
    line_spans = [term.lines for term in terms if term.lines is not None]
    peer_spans = [term.peers for term in terms if term.peers]
    for family in (4, 6):
        mine: list[str | None] = [*_points(line_spans, lines, family)] or [None]
        theirs: list[tuple[str | None, str]] = []
        for group in (name for name in DESTINATIONS if name != "all"):
            inside = ends.addresses.get(group, ())
            found = [(point, group) for point in _points(peer_spans, inside, family)]
            theirs += found or [(None, group)]
        if lines and mine == [None]:
            continue  # the ISP has no line of this family
        for line, (peer, group) in itertools.product(mine, theirs):
            yield line, peer, group, family


def _points(ranges: Iterable[tuple[tuple[str, str], ...]], inside: Spans, family: Family) -> Iterator[str]:
    """One address of `inside` for every way of lying, or not lying, in the ranges."""
    starts = {0}
    for first, last in (pair for some in ranges for pair in some):
        starts |= {int(first, 16), int(last, 16) + 1}
    cuts = sorted(starts)
    for begin, end in itertools.pairwise([*cuts, EVERYTHING[0][1] + 1]):
        part = common(merge(inside), ((begin, end - 1),)) if begin < end else ()
        if found := networks(part, family):
            yield str(found[0].network_address)
