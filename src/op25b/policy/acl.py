"""A policy in terms of addresses alone: what a router can be told, or why it cannot.

Plans and waves become the fixed addresses of their lines, groups of mail servers become their networks, an access node
is the router itself. A rule that would say more or less than the policy is an error, never an approximation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from op25b.engine import duckdb as engine
from op25b.errors import SettingsError, UnknownNameError
from op25b.policy.addresses import FixedAddresses, fixed_addresses
from op25b.policy.destinations import Destinations, destinations
from op25b.policy.ranges import Family, Network, Span, common, merge, networks, spans, without
from op25b.policy.resolve import Resolved, Term, utc
from op25b.policy.sql import PolicyError
from op25b.policy.waves import read_wave
from op25b.workspace import Workspace

Direction = Literal["out", "in"]


@dataclass(frozen=True)
class Entry:
    """One rule in one direction and address family; `peers` None is any address. Ports None are any."""

    number: int
    name: str
    action: Literal["allow", "block"]
    protocol: int
    ports: tuple[int, ...] | None
    source_ports: tuple[int, ...] | None
    lines: tuple[Network, ...]
    peers: tuple[Network, ...] | None

    @property
    def pairs(self) -> int:
        """How many pairs of networks and ports the entry stands for: lines of an access list without any groups."""
        return (len(self.lines) * (1 if self.peers is None else len(self.peers))
                * len(self.ports or (0,)) * len(self.source_ports or (0,)))


@dataclass(frozen=True)
class AccessList:
    """A policy for one router: entries in order by direction and family; what none matches is allowed.

    `pairs_before` and `pairs_after` count address pairs before and after neighbouring networks were merged. `notes` are
    sentences on what the list is made from.
    """

    entries: dict[tuple[Direction, Family], tuple[Entry, ...]]
    pairs_before: int
    pairs_after: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """What a list is for: the lines of one access node, of the files of a wave, or all."""

    access_node: str | None = None
    waves: tuple[str, ...] = ()


def access_list(workspace: Workspace, policy: Resolved, moment: datetime | None = None,
                scope: Scope | None = None) -> AccessList:
    """Express a policy, as it is in force at a moment (by default now), by addresses; `PolicyError` says why it cannot.

    With an access node the list is meant for that router alone, whose lines are the only ones it sees.
    """
    scope = scope or Scope()
    then = utc(moment) if moment is not None else datetime.now(UTC).replace(tzinfo=None)
    day = then.replace(tzinfo=UTC).astimezone(workspace.timezone).date()
    _in_force(workspace, policy, then)
    lines = _Lines(workspace, then, scope)
    ends = destinations(workspace, day)
    notes = [f"{len(policy.terms) - len(policy.at(then))} rules that are no longer in force are left out"
             ] if len(policy.at(then)) < len(policy.terms) else []
    entries: dict[tuple[Direction, Family], list[Entry]] = {}
    before = 0
    for number, term in enumerate(policy.terms, start=1):
        if term not in policy.at(then):
            continue
        if term.access_nodes is not None and scope.access_node is None:
            msg = (f"rule {term.name!r} is about access nodes, which a router cannot tell from addresses\n"
                   "  write the configuration of each node by itself: --access-node NODE")
            raise PolicyError(msg)
        if term.access_nodes is not None and scope.access_node not in term.access_nodes:
            continue
        stated = lines.of(term)
        peers = None if term.everywhere else _peers(term, ends)
        for family in (4, 6):
            made = _entry(number, term, networks(common(merge(stated), lines.base), family),
                          None if peers is None else networks(merge(peers), family))
            if made is not None:
                entries.setdefault((term.direction, family), []).append(made)
                before += _pairs_before(made, stated, peers, family)
    kept = {key: tuple(some) for key, some in sorted(entries.items())}
    after = sum(entry.pairs for some in kept.values() for entry in some)
    return AccessList(kept, before, after, (*notes, *lines.notes), lines.warnings)


def _in_force(workspace: Workspace, policy: Resolved, then: datetime) -> None:
    """Refuse a policy of which something begins later: a router has no calendar."""
    def local(moment: datetime) -> str:
        return f"{moment.replace(tzinfo=UTC).astimezone(workspace.timezone):%Y-%m-%d %H:%M}"

    later = [("the policy", policy.since)] if policy.since > then else []
    later += [(f"rule {term.name!r}", term.since) for term in policy.terms if term.since > then]
    if later:
        what, since = later[0]
        msg = (f"{what} takes effect at {local(since)} ({workspace.config.site.timezone}); a router has no calendar\n"
               f"  write the configuration of that time with --at '{local(since)}', and load it then")
        raise PolicyError(msg)
    if then >= policy.until:
        msg = (f"the policy ended at {local(policy.until)} ({workspace.config.site.timezone})\n"
               "  choose another policy, or a moment with --at")
        raise PolicyError(msg)


class _Lines:
    """The lines a list is about, and the addresses of those that rules name."""

    def __init__(self, workspace: Workspace, then: datetime, scope: Scope) -> None:
        own = workspace.config.networks
        if not own.subscribers:
            msg = ("[networks] subscribers is empty: without it a router cannot tell the lines from the rest\n"
                   "  set it in op25b.toml")
            raise SettingsError(msg)
        self.notes: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()
        self._own = tuple(map(_span, own.subscribers))
        self.base = without(merge(self._own), merge(map(_span, own.relays)))
        connection = engine.session(workspace)
        try:
            self._fixed: FixedAddresses = fixed_addresses(connection, then)
            self._plan_of: dict[str, str | None] = {}
            self._elsewhere: set[str] = set()
            nodes = set()
            for name, plan, node in connection.sql("SELECT subscriber, plan, access_node FROM subscriber").fetchall():
                nodes.add(node)
                self._plan_of[name] = plan
                if scope.access_node is not None and node not in {None, scope.access_node}:
                    self._elsewhere.add(name)
        finally:
            connection.close()
        if scope.access_node is not None and scope.access_node not in nodes:
            raise UnknownNameError("access node", scope.access_node, {node for node in nodes if node})
        self._members: frozenset[str] | None = None
        if scope.waves:
            self._members = frozenset[str]().union(*(read_wave(workspace, path) for path in scope.waves))
            held = self._addresses("the wave", self._members - self._elsewhere)
            self.base = common(self.base, merge(held))
            self._own = tuple(held)
            self.notes = (f"for {len(self._members)} lines of {', '.join(scope.waves)}",)

    def of(self, term: Term) -> list[Span]:
        """The addresses of the lines a rule is about, as they are stated somewhere."""
        found = list(self._own)
        if term.plans is not None and not self._plan_of:
            msg = (f"rule {term.name!r} is about plans, and no subscriber list says who has which\n"
                   "  name it under [[inputs.subscribers]], then run 'op25b ingest' and 'op25b build'")
            raise PolicyError(msg)
        if term.plans is not None or term.members is not None:
            wanted = set(self._plan_of if term.members is None else term.members)
            if term.plans is not None:
                wanted = {name for name in wanted if self._plan_of.get(name) in term.plans}
            if self._members is not None:
                wanted &= self._members
            found = self._addresses(f"rule {term.name!r}", wanted - self._elsewhere)
        if term.lines is not None:
            stated = [spans([network]) for network in term.lines]
            found = [part for span in found for network in stated for part in common((span,), network)]
        return found

    def _addresses(self, what: str, wanted: Iterable[str]) -> list[Span]:
        wanted = sorted(wanted)
        found, missing = self._fixed.of(wanted)
        if missing:
            msg = (f"{what}: {len(missing)} of {len(wanted)} lines have no fixed address, or others beside it "
                   f"(for example {', '.join(missing[:3])}); a router knows addresses only\n"
                   "  give their addresses as leases of kind static, or divide by access node or network instead")
            raise PolicyError(msg)
        by_session = self._fixed.from_session & set(wanted)
        if by_session:
            warning = (f"{what}: {len(by_session)} of {len(wanted)} lines are known by the address of their last "
                       "session, as the subscriber list says it is fixed and no static lease does")
            self.warnings = tuple(dict.fromkeys((*self.warnings, warning)))
        return found


def _span(network: str) -> Span:
    from op25b.policy.resolve import key_range

    first, last = key_range(network)
    return int(first, 16), int(last, 16)


def _peers(term: Term, ends: Destinations) -> list[Span]:
    return [*ends.of(term.groups or ()), *((int(first, 16), int(last, 16)) for first, last in term.peers)]


def _entry(number: int, term: Term, lines: list[Network], peers: list[Network] | None) -> Entry | None:
    if not lines or (peers is not None and not peers):
        return None
    return Entry(number, term.name, term.action, term.protocol,
                 None if term.ports is None else tuple(sorted(term.ports)),
                 None if term.source_ports is None else tuple(sorted(term.source_ports)),
                 tuple(lines), None if peers is None else tuple(peers))


def _pairs_before(entry: Entry, lines: list[Span], peers: list[Span] | None, family: Family) -> int:
    """What `Entry.pairs` would be if every address were written as it was stated."""
    def count(some: list[Span]) -> int:
        return sum(len(networks((span,), family)) for span in some)

    ports = len(entry.ports or (0,)) * len(entry.source_ports or (0,))
    return count(lines) * (1 if peers is None else count(peers)) * ports


def required(lists: Iterable[AccessList]) -> list[tuple[Direction, Family]]:
    """Directions and families that any of some lists has rules for."""
    return sorted({key for made in lists for key in made.entries})


