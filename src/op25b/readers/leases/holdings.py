"""DHCP leases → intervals: who held an address from when until when, from statements in the order of time.

A DHCP server states the same lease at every renewal, each time with a later end. Here renewals move the end of one
interval; a release or an expiry ends it; a statement about another client ends it and begins the next one.
The interval's session is its address and start, so that a later file which tells more of it is joined to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from op25b.readers.leases.common import ALL_PORTS, FILTERED, Outcome, Row, kept, stamp


@dataclass(frozen=True)
class Statement:
    """One statement of a lease log; `over` where it says that the lease has ended, at `end` or before.

    `subscriber` None: nobody holds the address any more. `end` None: for ever.
    """

    ip_first: str
    ip_last: str
    subscriber: str | None
    at: datetime
    start: datetime
    end: datetime | None
    over: bool = False


class Holdings:
    """The present holder of every address; each method gives the intervals that are complete now."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Statement] = {}
        self._ended: dict[tuple[str, str], Statement] = {}

    def outcome(self, said: Statement | None) -> Outcome:
        """Take in what an input row states, if anything.

        That nobody holds an address of which no holder is known says nothing of a lease: where anything is kept of a
        file, a row comes of it.
        """
        if said is None or (said.subscriber is None and (said.ip_first, said.ip_last) not in self._open):
            return FILTERED
        return kept(self._add(said))

    def _add(self, said: Statement) -> list[Row]:
        key = said.ip_first, said.ip_last
        before = self._open.pop(key, None)
        if before is None and said.over and _repeats(self._ended.get(key), said):
            return []
        done: list[Row] = []
        if before is not None and before.subscriber == said.subscriber and _reaches(before, said.start):
            said = replace(said, start=min(before.start, said.start))
        elif before is not None:
            cut = before.end is None or said.start < before.end
            end = max(said.start, before.start) if cut else before.end
            done.append(_row(replace(before, end=end), ended=True))
        if said.subscriber is None:
            return done
        if said.over:
            self._ended[key] = said
            return [*done, _row(said, ended=True)]
        self._open[key] = said
        return done

    def rest(self) -> Iterator[Row]:
        """The intervals that were still open when the file ended: their end is when they expire if not renewed."""
        for said in self._open.values():
            yield _row(said, ended=False)
        self._open = {}


def _repeats(ended: Statement | None, said: Statement) -> bool:
    """Whether an ended lease is only moved on: dhcpd states it as released or expired, then as free or backup."""
    return (ended is not None and ended.end is not None and said.end is not None and ended.subscriber == said.subscriber
            and ended.start <= said.start and said.end <= ended.end)


def _reaches(before: Statement, start: datetime) -> bool:
    return before.end is None or start <= before.end


def _row(said: Statement, ended: bool) -> Row:
    end = said.end if said.end is None else max(said.end, said.start)
    return {
        "at": end if ended and end is not None else said.at, "event": "stop" if ended else "interim", "kind": "dhcp",
        "ip_first": said.ip_first, "ip_last": said.ip_last, "port_first": ALL_PORTS[0], "port_last": ALL_PORTS[1],
        "subscriber": said.subscriber, "start": said.start, "end": end,
        "session": f"{said.ip_first}-{said.ip_last}@{stamp(said.start)}",
    }
