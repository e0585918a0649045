"""Random sessions and port blocks against plain Python: what the lease pipelines say they were, whatever was lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from op25b.readers.base import ip_key
from tests.pipelines.directly import derive
from tests.pipelines.rows import Row

MIDNIGHT = datetime(2007, 6, 2)
MINUTES = 60
INSIDE = ["100.64.0.1", "100.64.0.2"]
PORTS = [(1024, 1151), (1152, 1279)]


def clock(minute: float) -> datetime:
    return MIDNIGHT + timedelta(minutes=minute)


@dataclass(frozen=True)
class Session:
    """A session as it was, and which of its records arrived: the Start, Interims at these minutes, the Stop."""

    subscriber: str
    address: str
    nas: str
    number: int
    start: int
    end: int
    start_arrived: bool
    interims: tuple[int, ...]
    stop_arrived: bool


@st.composite
def sessions(draw: st.DrawFn) -> list[Session]:
    """Of each access server, in any order; it uses an identifier again when the session before is over."""
    made = []
    for nas, number in draw(st.sets(st.tuples(st.sampled_from(["n1", "n2"]), st.integers(1, 2)), min_size=1)):
        at = draw(st.integers(0, 20))
        for _ in range(draw(st.integers(1, 3))):
            length = draw(st.integers(1, 12))
            made.append(Session(
                draw(st.sampled_from("abc")), draw(st.sampled_from(["198.18.0.1", "198.18.0.2"])), nas, number, at,
                at + length, draw(st.booleans()), tuple(draw(st.sets(st.integers(at + 1, at + length), max_size=3))),
                draw(st.booleans())))
            at += length + draw(st.integers(6, 15))
    return made


def records(session: Session, random: Random) -> list[Row]:
    """What arrived; an Interim or Stop tells the beginning to a second or two, as its counter began later."""
    common = {"ip_first": ip_key(session.address), "ip_last": ip_key(session.address), "port_first": 0,
              "port_last": 65535, "subscriber": session.subscriber, "kind": "radius", "access_server": session.nas,
              "session": str(session.number), "source": "x"}
    began = clock(session.start)
    rows = [{"event": "start", "at": began, "start": began}] if session.start_arrived else []
    told = {"start": began + timedelta(seconds=random.randint(0, 2))}
    rows += [told | {"event": "interim", "at": clock(minute)} for minute in session.interims]
    if session.stop_arrived:
        rows.append(told | {"event": "stop", "at": clock(session.end), "end": clock(session.end)})
    return [common | row for row in rows for _ in range(random.randint(1, 2))]


def last_told(session: Session) -> int:
    return max([session.start, *session.interims])


def interval(session: Session, everything: list[Session], resets: set[tuple[str, int]]) -> tuple[object, ...]:
    """The lease that the records of one session amount to; its beginning is that of its Start, else to two seconds."""
    last = last_told(session)
    ends = [at for nas, at in resets if nas == session.nas and at > session.start and at >= last]
    ends += [other.start for other in everything
             if (other.nas, other.number) == (session.nas, session.number) and other.start > session.start]
    ends += [other.end for other in everything if other.stop_arrived and other.start > last
             and (other.nas, other.address) == (session.nas, session.address)]
    end = session.end if session.stop_arrived else min(ends, default=None)
    return (session.subscriber, ip_key(session.address), clock(session.start), None if end is None else clock(end))


def whole_minutes(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(value.replace(second=0) if isinstance(value, datetime) else value for value in row)


@settings(max_examples=60, deadline=None)
@given(sessions(), st.sets(st.tuples(st.sampled_from(["n1", "n2"]), st.integers(0, MINUTES)), max_size=12),
       st.randoms(use_true_random=False))
def test_sessions_are_found_again_whatever_was_lost_doubled_or_late(
        made: list[Session], resets: set[tuple[str, int]], random: Random) -> None:
    rows = [row for session in made for row in records(session, random)]
    rows += [{"event": "reset", "at": clock(at), "kind": "radius", "access_server": nas, "port_first": 0,
              "port_last": 65535, "source": "x"} for nas, at in resets]
    random.shuffle(rows)
    told = [session for session in made if session.start_arrived or session.interims or session.stop_arrived]
    # Beginnings are told to two seconds, so which of two comes first is not known where both are of one minute.
    assume(all(one is other or one.address != other.address or last_told(one) != other.start
               for one in told for other in told))
    found = derive(rows, [], 'SELECT subscriber, ip_first, start, "end" FROM lease')
    expected = sorted((interval(session, told, resets) for session in told), key=repr)
    assert sorted(map(whole_minutes, found), key=repr) == expected


minutes = st.integers(0, MINUTES)
Lease = tuple[str, str, int, int | None]  # inside address, subscriber, from, until
Block = tuple[str, tuple[int, int], int, int | None]  # inside address, ports, from, until


def spans(draw: st.DrawFn) -> tuple[int, int | None]:
    start = draw(minutes)
    return start, draw(st.one_of(st.none(), st.integers(start + 1, MINUTES + 1)))


@st.composite
def leases_of_inside_addresses(draw: st.DrawFn) -> list[Lease]:
    return [(draw(st.sampled_from(INSIDE)), draw(st.sampled_from("abc")), *spans(draw))
            for _ in range(draw(st.integers(0, 6)))]


@st.composite
def port_blocks(draw: st.DrawFn) -> list[Block]:
    return [(draw(st.sampled_from(INSIDE)), draw(st.sampled_from(PORTS)), *spans(draw))
            for _ in range(draw(st.integers(1, 6)))]


def active(start: int, end: int | None, minute: int) -> bool:
    return start <= minute and (end is None or minute < end)


def free_again(leases: list[Lease], inside: str, start: int) -> int | None:
    """When the first of the sessions ends that have an address after one of which no end is known."""
    return min((until for held, _, since, until in leases if held == inside and since > start and until), default=None)


def behind(ports: tuple[int, int], minute: int, leases: list[Lease], blocks: list[Block]) -> set[str]:
    """By brute force: everybody who may be behind these ports of the public address at that minute."""
    known = {inside for inside, *_ in leases} & {inside for inside, *_ in blocks}
    found = set()
    for inside, of, start, stop in blocks:
        later = [other for _, other_ports, other, _ in blocks if other_ports == of and other > start]
        if of == ports and active(start, min(later, default=None) if stop is None else stop, minute):
            found |= {who for held, who, since, until in leases
                      if held == inside and active(since, until or free_again(leases, held, since), minute)}
            found |= set() if known else {inside}
    return found


@settings(max_examples=60, deadline=None)
@given(leases_of_inside_addresses(), port_blocks())
def test_who_is_behind_a_port_block(leases: list[Lease], blocks: list[Block]) -> None:
    def row(kind: str, number: int, who: str, start: int, end: int | None, ports: tuple[int, int]) -> Row:
        return {"at": clock(start if end is None else end), "event": "start" if end is None else "stop",
                "start": clock(start), "end": None if end is None else clock(end), "subscriber": who, "kind": kind,
                "access_server": kind, "session": f"{number}", "port_first": ports[0], "port_last": ports[1],
                "source": "x"}

    rows = [row("radius", n, who, start, end, (0, 65535)) | dict.fromkeys(("ip_first", "ip_last"), ip_key(inside))
            for n, (inside, who, start, end) in enumerate(leases)]
    rows += [row("cgnat", n, inside, start, end, ports)
             | dict.fromkeys(("ip_first", "ip_last"), ip_key("198.18.0.1")) | {"inner_key": ip_key(inside)}
             for n, (inside, ports, start, end) in enumerate(blocks)]
    found = derive(rows, [], "SELECT port_first, subscriber, start, \"end\" FROM lease WHERE kind = 'cgnat'")
    for ports in PORTS:
        for minute in range(MINUTES + 2):
            now = clock(minute)
            held = {who for first, who, start, end in found
                    if first == ports[0] and start <= now and (end is None or now < end)}
            assert held == behind(ports, minute, leases, blocks), (ports, minute)
