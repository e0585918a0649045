"""NAT events of IPFIX (RFC 8158) as CSV with the names of IANA's registry: allocation and release of port blocks.

`natEvent` in the registry: 16 allocation, 17 de-allocation of a port block (14 and 15 are address bindings, which bind
no ports). Exporters built after draft-ietf-behave-ipfix-nat-logging-02, among them Junos, use 14 and 15 for port
blocks; which is meant shows in `portRangeStart`: bindings have none. Session events (one port each) are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.leases import table
from op25b.readers.leases.common import BadRow, Row, batches, canonical, from_epoch, number, port_range, utc
from op25b.readers.leases.identity import line_name
from op25b.readers.leases.port_blocks import BlockEvent, Event, PortBlocks

# Unit of the value, as a part of a second.
_TIMES = {"observationtimemilliseconds": 1e3, "observationtimeseconds": 1.0, "observationtimemicroseconds": 1e6,
          "observationtimenanoseconds": 1e9}
# With DS-Lite every home may have the same private IPv4 addresses; the IPv6 address of its end of the tunnel is unique.
_PRIVATE = ("sourceipv6address", "sourceipv4address")
_PUBLIC = ("postnatsourceipv4address", "postnatsourceipv6address")
_SERVER = ("exporteripv4address", "exporteripv6address", "natinstanceid", "observationdomainid")
_REQUIRED = (tuple(_TIMES), ("natevent",), _PRIVATE, _PUBLIC, ("portrangestart",))
_EVENTS: dict[str, Event] = {
    "16": "start", "17": "stop", "14": "start", "15": "stop",
    "port block allocation": "start", "port block de-allocation": "stop", "port block deallocation": "stop",
}
_OTHER_EVENTS = 18


def recognise(head: Head) -> str | None:
    """A header line with `natEvent` and a source address by their registered names."""
    names = table.header(head)
    return "CSV of IPFIX NAT events" if "natevent" in names and names & {*_PRIVATE, *_PUBLIC} else None


def read(source: Source) -> Iterator[Batch]:
    """Yield a row per allocation or release of a port block."""
    blocks = PortBlocks()

    def rows(record: table.Record) -> list[Row]:
        return [row for event in _events(record, source.timezone) for row in blocks.rows(event)]

    return batches(table.outcomes(source, _REQUIRED, rows))


def _events(record: table.Record, timezone: str) -> list[BlockEvent]:
    code = record.get("natevent", "").lower()
    event = _EVENTS.get(code)
    if event is None:
        if code.isdigit():
            number(code, "natEvent", 1, _OTHER_EVENTS)
        elif not code:
            msg = "no natEvent"
            raise BadRow(msg)
        return []
    if code in {"14", "15"} and record.get("portrangestart", "0") == "0":
        return []  # an address binding
    private, public = _first(record, _PRIVATE), _first(record, _PUBLIC)
    if private is None or public is None:
        msg = f"no {'source' if private is None else 'postNATSource'} address"
        raise BadRow(msg)
    inside, outside = canonical(private), canonical(public)
    if inside is None or outside is None:
        msg = f"the {'source' if inside is None else 'postNATSource'} address is none"
        raise BadRow(msg)
    at, server = _time(record, timezone), _first(record, _SERVER)
    name = line_name(record["username"]) if "username" in record else None
    return [BlockEvent(event, at, inside, name, outside, low, high, server) for low, high in _ports(record)]


def _first(record: table.Record, names: tuple[str, ...]) -> str | None:
    return next((record[name] for name in names if record.get(name, "0.0.0.0") not in {"0.0.0.0", "::"}),  # noqa: S104
                None)


def _time(record: table.Record, timezone: str) -> datetime:
    for name, unit in _TIMES.items():
        text = record.get(name)
        if text is None:
            continue
        return from_epoch(int(text[:20]) / unit) if text.isascii() and text.isdigit() else utc(text, timezone)
    msg = "no observation time"
    raise BadRow(msg)


def _ports(record: table.Record) -> list[tuple[int, int]]:
    """The ranges of a block: one, unless its ports are `portRangeStepSize` apart."""
    first = record.get("portrangestart", "")
    step = number(record.get("portrangestepsize", "1"), "portRangeStepSize", 0, 65535) or 1
    last = record.get("portrangeend")
    if last in {None, "0"} and "portrangenumports" in record:
        count = number(record["portrangenumports"], "portRangeNumPorts", 1, 65536)
        last = str(number(first, "first port", 0, 65535) + step * (count - 1))
    low, high = port_range(first, last or "")
    return [(low, high)] if step == 1 else [(port, port) for port in range(low, high + 1, step)]


FORMAT = Format("nat-events-csv", "leases", recognise, read)
