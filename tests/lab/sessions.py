"""Lines that come and go: addresses move between computers, and the access node reports it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.lab import addresses
from tests.lab.daemons import RADIUS_SECRET
from tests.lab.net import Namespaces, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.people import Member, Session

INTERIM_SECONDS = 30.0
Kind = Literal["up", "down", "Start", "Interim-Update", "Stop"]


@dataclass(frozen=True, order=True)
class Event:
    """Something that happens to one session.

    Attributes:
        at: Seconds after the cast starts.
        kind: ``up`` and ``down`` move the address; the others are accounting records.
        delay: How long ago that was which the record reports.
    """

    at: float
    member: Member
    session: Session
    kind: Kind
    delay: int = 0


def timeline(members: Sequence[Member], seconds: float) -> list[Event]:
    """Every event of every session, by time."""
    events = [event for member in members for event in of_member(member, seconds)]
    return sorted(events, key=lambda event: event.at)


def of_member(member: Member, seconds: float) -> Iterator[Event]:
    """The events of one customer's sessions."""
    for session in member.sessions:
        if session.start is None:
            yield Event(-1.0, member, session, "up")
            # Where in its half minute this line's reports fall: the same in every capture.
            first = 2.0 + zlib.crc32(member.subscriber.encode()) % 26
        else:
            yield Event(session.start, member, session, "up")
            yield Event(session.start, member, session, "Start")
            first = session.start + INTERIM_SECONDS
        end = seconds if session.end is None else session.end
        at = first
        while at < end - 1:
            yield Event(at, member, session, "Interim-Update")
            at += INTERIM_SECONDS
        if session.end is not None:
            yield Event(end, member, session, "down")
            yield Event(end + session.late_stop, member, session, "Stop", session.late_stop)
            if session.stop_twice:
                delay = session.late_stop + 3
                yield Event(end + delay, member, session, "Stop", delay)


class AccessNode:
    """Gives addresses to computers and tells RADIUS about it."""

    def __init__(self, spaces: Namespaces) -> None:
        self.spaces = spaces

    def play(self, event: Event) -> None:
        """Makes one event happen."""
        if event.kind == "up":
            self.up(event.member, event.session)
        elif event.kind == "down":
            self.down(event.member, event.session)
        else:
            self.report(event)

    def up(self, member: Member, session: Session) -> None:
        """Gives the address, and the prefix, to the customer's computer."""
        gateway = gateway_of(session.address)
        commands = [
            f"address add {session.address}/32 dev eth0",
            f"route replace default via {gateway} dev eth0 onlink src {session.address}",
        ]
        if session.prefix6:
            commands += [
                f"address add {host_in(session.prefix6)}/64 dev eth0 nodad",
                f"route replace default via {addresses.GATEWAY6} dev eth0",
            ]
            route = f"route replace {session.prefix6} via {link_local(member)} dev subs0"
            self.spaces.ip([route], inside="router")
        self.spaces.ip(commands, inside=member.namespace)
        self.forget(session)

    def down(self, member: Member, session: Session) -> None:
        """Takes the address back."""
        self.spaces.ip([f"address del {session.address}/32 dev eth0"], inside=member.namespace)
        self.forget(session)

    def forget(self, session: Session) -> None:
        """Makes the router forget which computer had the address."""
        flush = f"neighbour flush to {session.address} dev subs0"
        self.spaces.ip([flush], inside="router")

    def report(self, event: Event) -> None:
        """Sends one accounting record."""
        member, session = event.member, event.session
        began = -float(session.online_before) if session.start is None else session.start
        online = round(event.at - event.delay - began)
        fixed = member.fixed_ip
        attributes = {
            "Acct-Session-Id": f"{zlib.crc32(f'{member.subscriber}{session.address}'.encode()):08X}",
            "Acct-Status-Type": event.kind,
            "Acct-Authentic": "RADIUS",
            "User-Name": f'"{member.radius_user}"',
            "NAS-IP-Address": addresses.NAS[member.node],
            "NAS-Identifier": f'"{member.node}"',
            "NAS-Port-Type": "Virtual",
            "NAS-Port-Id": f'"1/{member.number % 7}/{member.number % 100}"',
            "Service-Type": "Framed-User",
            "Framed-Protocol": "PPP",
            "Framed-IP-Address": session.address,
            "Framed-IP-Netmask": "255.255.255.255" if fixed else "",
            "Delegated-IPv6-Prefix": session.prefix6,
            "Acct-Session-Time": str(online) if event.kind != "Start" else "",
            "Acct-Input-Octets": str(online * 700) if event.kind != "Start" else "",
            "Acct-Output-Octets": str(online * 5200) if event.kind != "Start" else "",
            "Acct-Terminate-Cause": "User-Request" if event.kind == "Stop" else "",
            "Acct-Delay-Time": str(event.delay),
        }
        text = "\n".join(f"{name} = {value}" for name, value in attributes.items() if value) + "\n"
        argv = ["radclient", "-q", "-r", "3", "-t", "2", "127.0.0.1:1813", "acct", RADIUS_SECRET]
        what = f"radclient for {member.subscriber} ({event.kind})"
        run(self.spaces.command("infra", argv), what, stdin=text)


def gateway_of(address: str) -> str:
    """The access node's address in the pool of a subscriber's address."""
    return address.rsplit(".", 1)[0] + ".1"


def host_in(prefix6: str) -> str:
    """The computer's address in a delegated prefix."""
    return prefix6.split("/", maxsplit=1)[0] + "10"


def link_local(member: Member) -> str:
    """The link-local address of a customer's line."""
    return f"fe80::1:{member.number}"
