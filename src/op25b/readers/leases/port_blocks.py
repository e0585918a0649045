"""Port blocks of a carrier-grade NAT: an event about a block → a row for the lake, whatever log it came from.

The subscriber is what the log names the line by: a subscriber name where it has one, else the private address; then
`inner_key` tells that it is one, and `lease.sql` looks up who held it. A name that only some messages of a block carry
counts for all of them.
Most logs do not say at a block's release when it was allocated, so what was allocated in the same file is remembered;
a release whose allocation is in another file (or lost) has neither `start` nor `session`: `lease.sql` finds its start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from op25b.readers.leases.common import Row, ip_range, stamp

Event = Literal["start", "interim", "stop"]
MAX_REMEMBERED = 1_000_000


@dataclass(frozen=True)
class BlockEvent:
    """One event; addresses in canonical text, `name` and `began` (the allocation) where the log has them."""

    event: Event
    at: datetime
    private: str
    name: str | None
    public: str
    port_first: int
    port_last: int
    server: str | None = None
    began: datetime | None = None


class PortBlocks:
    """Remembers who holds which block since when."""

    def __init__(self) -> None:
        self._held: dict[tuple[str | None, str, int, int], BlockEvent] = {}

    def rows(self, said: BlockEvent) -> list[Row]:
        """The rows of one event: its own, and before it the end of the holder that it shows to be gone."""
        key = said.server, said.public, said.port_first, said.port_last
        held = self._held.get(key)
        same = held is not None and held.private == said.private
        began, name = said.began or (said.at if said.event == "start" else None), said.name
        if same and held is not None and held.at <= said.at:
            began, name = began or held.began, name or held.name
        said = replace(said, began=began, name=name)
        rows = [_row(said)]
        if said.event == "stop":
            if same:
                del self._held[key]
            return rows
        if held is not None and began is not None and held.began is not None and held.began < began:
            # The message of its release was lost: the block could not be given out again otherwise.
            rows.insert(0, _row(replace(held, event="stop", at=began)))
        if began is not None and (held is None or held.began is None or held.began <= began):
            self._held[key] = said
            if len(self._held) > MAX_REMEMBERED:
                del self._held[next(iter(self._held))]
        return rows


def _row(said: BlockEvent) -> Row:
    first, last = ip_range(said.public, "public address")
    inner, _ = ip_range(said.private, "private address")
    ports = f"{said.port_first}-{said.port_last}"
    return {
        "at": said.at, "event": said.event, "start": said.began, "end": said.at if said.event == "stop" else None,
        "kind": "cgnat", "subscriber": said.name or said.private, "inner_key": None if said.name else inner,
        "access_server": said.server,
        "ip_first": first, "ip_last": last, "port_first": said.port_first, "port_last": said.port_last,
        "session": None if said.began is None else f"{first}:{ports}@{stamp(said.began)}",
    }
