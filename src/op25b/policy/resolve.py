"""A policy with everything its rules name looked up: address ranges, members of waves, instants in UTC."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

from op25b.policy.waves import read_wave
from op25b.readers.base import ip_key
from op25b.settings import DESTINATIONS, Policy, Rule
from op25b.workspace import Workspace

PROTOCOLS = {"tcp": 6, "udp": 17}
FOREVER = (datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001  # the lake's times are naive UTC
Range = tuple[str, str]


@dataclass(frozen=True)
class Term:
    """One rule, looked up. None stands for a condition that is not made; ranges are first and last ip_key.

    `groups` and `peers` are the two kinds of destination: a packet's other end must be in one of either. `members` are
    pseudonyms. `since` and `until` are naive UTC, the latter excluded.
    """

    name: str
    action: Literal["allow", "block"]
    direction: Literal["out", "in"]
    protocol: int
    ports: frozenset[int] | None
    source_ports: frozenset[int] | None
    groups: frozenset[str] | None
    peers: tuple[Range, ...]
    lines: tuple[Range, ...] | None
    plans: frozenset[str] | None
    access_nodes: frozenset[str] | None
    members: frozenset[str] | None
    since: datetime
    until: datetime

    @property
    def everywhere(self) -> bool:
        """Whether the other end does not matter."""
        return self.groups is None


@dataclass(frozen=True)
class Resolved:
    """A policy whose rules are looked up; `version` changes with anything that can change a decision."""

    terms: tuple[Term, ...]
    since: datetime
    until: datetime
    version: str

    @property
    def settled(self) -> datetime:
        """The moment from which on the policy is in force with its latest rule: what is meant where no moment is said.

        Where no rule has a time this is any moment.
        """
        beginnings = [self.since, *(max(term.since, self.since) for term in self.terms)]
        return max(beginnings)

    def at(self, moment: datetime | None = None) -> tuple[Term, ...]:
        """The rules in force at a moment (naive UTC, or with a zone), in order; at the settled one by default."""
        then = self.settled if moment is None else utc(moment)
        if not self.since <= then < self.until:
            return ()
        return tuple(term for term in self.terms if term.since <= then < term.until)


def utc(moment: datetime) -> datetime:
    """A moment as naive UTC; one without a zone is that already."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def resolve(policy: Policy, workspace: Workspace | None = None) -> Resolved:
    """Look up what the rules of a policy name.

    Without a workspace there are no sets and no files, and local times are those of UTC.
    """
    zone: tzinfo = workspace.timezone if workspace is not None else UTC
    sets = workspace.config.sets if workspace is not None else {}
    waves: dict[str, frozenset[str]] = {}
    for path in dict.fromkeys(path for rule in policy.rules for path in rule.subscribers):
        waves[path] = read_wave(workspace, path)
    terms = tuple(_term(rule, sets, waves, zone) for rule in policy.rules)
    since, until = instant(policy.effective_from, zone), instant(policy.effective_until, zone, end=True)
    return Resolved(terms, since, until, _version(terms, since, until))


def instant(local: date | None, zone: tzinfo, *, end: bool = False) -> datetime:
    """A local date or moment of the settings as naive UTC: the beginning of a day, or with `end` that of the next."""
    if local is None:
        return FOREVER[1] if end else FOREVER[0]
    if not isinstance(local, datetime):
        local = datetime.combine(local + timedelta(days=1) if end else local, time())
    return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC).replace(tzinfo=None)


def ranges(ends: tuple[str, ...], sets: Mapping[str, tuple[str, ...]]) -> tuple[Range, ...]:
    """The key ranges of networks and of the named sets among `ends`, sorted; groups of mail servers are left out."""
    networks = [network for end in ends if end not in DESTINATIONS
                for network in sets.get(end, (end,))]
    return tuple(sorted({key_range(network) for network in networks}))


def key_range(network: str) -> Range:
    """First and last ip_key of a network."""
    parsed = ipaddress.ip_network(network)
    return str(ip_key(str(parsed[0]))), str(ip_key(str(parsed[-1])))


def _term(rule: Rule, sets: Mapping[str, tuple[str, ...]], waves: Mapping[str, frozenset[str]],
          zone: tzinfo) -> Term:
    everywhere = "all" in rule.destination
    return Term(
        rule.name, rule.action, rule.direction, PROTOCOLS[rule.protocol],
        frozenset(rule.port) or None, frozenset(rule.source_port) or None,
        None if everywhere else frozenset(rule.destination) & frozenset(DESTINATIONS),
        () if everywhere else ranges(rule.destination, sets),
        ranges(rule.source, sets) if rule.source else None,
        frozenset(rule.plans) or None, frozenset(rule.access_nodes) or None,
        frozenset[str]().union(*(waves[path] for path in rule.subscribers)) if rule.subscribers else None,
        instant(rule.effective_from, zone), instant(rule.effective_until, zone, end=True),
    )


def _version(terms: tuple[Term, ...], since: datetime, until: datetime) -> str:
    """Twelve hex digits that follow from what the rules say, names included, and from nothing else."""
    def plain(value: object) -> object:
        return sorted(value) if isinstance(value, frozenset) else str(value)

    said = json.dumps([str(since), str(until), *(vars(term) for term in terms)], default=plain, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]
