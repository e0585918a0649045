"""What a policy decides for one flow or connection, at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from op25b.policy.resolve import FOREVER, PROTOCOLS, Range, Resolved, Term, resolve
from op25b.readers.base import ip_key
from op25b.settings import Policy

__all__ = ["PROTOCOLS", "Connection", "Decision", "blocked_since", "decide", "decide_session", "matches"]


@dataclass(frozen=True)
class Connection:
    """The packets of one connection in one direction: `out` from a line, or `in`, toward it.

    `port` and `source_port` are those of the packets. `line` is the address of the line, `peer` that of the other end,
    and `destination_group` what the other end is. What is None is not known, and no rule that asks for it matches.
    `own_line` is false for lines of other ISPs: a policy says nothing about them.
    """

    destination_group: str
    port: int | None
    protocol: int = 6
    plan: str | None = None
    access_node: str | None = None
    own_line: bool = True
    source_port: int | None = None
    direction: Literal["out", "in"] = "out"
    subscriber: str | None = None
    line: str | None = None
    peer: str | None = None

    def reply(self) -> Connection:
        """The packets that come back."""
        return replace(self, direction="in" if self.direction == "out" else "out", port=self.source_port,
                       source_port=self.port)


@dataclass(frozen=True)
class Decision:
    """`rule` is the name of the rule that matched first, or None: what no rule matches is allowed."""

    action: Literal["allow", "block"]
    rule: str | None


def decide(policy: Policy | Resolved, connection: Connection, moment: datetime | None = None) -> Decision:
    """Apply the rules in force at a moment to one flow, in order; without a moment, those of the settled policy."""
    resolved = resolve(policy) if isinstance(policy, Policy) else policy
    if connection.own_line:
        for term in resolved.at(moment):
            if matches(term, connection):
                return Decision(term.action, term.name)
    return Decision("allow", None)


def decide_session(policy: Policy | Resolved, connection: Connection, moment: datetime | None = None) -> Decision:
    """Decide a whole connection: it is blocked where either its packets are, or those that come back."""
    there = decide(policy, connection, moment)
    if there.action == "block":
        return there
    back = decide(policy, connection.reply(), moment)
    return back if back.action == "block" else there


def blocked_since(policy: Resolved, connection: Connection) -> datetime | None:
    """The moment (naive UTC) from which on a connection is blocked, up to the settled policy.

    None where it is not blocked then, or where nothing says since when.
    """
    turns = {policy.since, *(max(policy.since, moment) for term in policy.terms for moment in (term.since, term.until))}
    since = None
    for moment in sorted(turn for turn in turns if turn <= policy.settled):
        if decide_session(policy, connection, moment).action == "allow":
            since = None
        elif since is None:
            since = moment
    return None if since == FOREVER[0] else since


def matches(term: Term, connection: Connection) -> bool:
    """Whether a rule fits packets, at whatever moment."""
    return (
        term.direction == connection.direction
        and term.protocol == connection.protocol
        and (term.ports is None or connection.port in term.ports)
        and (term.source_ports is None or connection.source_port in term.source_ports)
        and (term.groups is None or connection.destination_group in term.groups
             or _within(connection.peer, term.peers))
        and (term.lines is None or _within(connection.line, term.lines))
        and (term.plans is None or connection.plan in term.plans)
        and (term.access_nodes is None or connection.access_node in term.access_nodes)
        and (term.members is None or connection.subscriber in term.members)
    )


def _within(address: str | None, networks: tuple[Range, ...]) -> bool:
    if not networks or address is None:
        return False
    key = ip_key(address)
    return key is not None and any(first <= key <= last for first, last in networks)
