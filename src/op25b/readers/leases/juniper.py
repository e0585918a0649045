"""Juniper's port-block messages in syslog: SRX and MX-SPC3 (`RT_SRC_NAT_PBA_…`), MX MS-MPC/MS-DPC (`NAT_PORT_BLOCK_…`).

    RT_NAT: RT_SRC_NAT_PBA_ALLOC: Subscriber A used/maximum [1/8] blocks, allocates port block [L-H] from P … epoch 0x…
    RT_NAT - RT_SRC_NAT_PBA_RELEASE [internal-ip="A" block-port-low="L" … reflexive-ip="P" epoch-time-64="…"]
    JSERVICES_NAT_PORT_BLOCK_ACTIVE: A -> P:L-H 0x…

The hexadecimal number is UTC whatever the header's zone: of the event in an allocation or an SRX release, of the
allocation in an interim message. In an MX release it is taken for the allocation where it is more than a minute
earlier than the header's time. The header's time counts for everything else, in the input's time zone where it names
none; a collector may have written its own stamp before the router's, and the first one is read. Other messages of the
same log are none of our business. Messages go over UDP and get lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.leases.common import (
    BadRow,
    Outcome,
    bad,
    batches,
    canonical,
    from_epoch,
    kept,
    port_range,
)
from op25b.readers.leases.identity import line_name
from op25b.readers.leases.port_blocks import BlockEvent, Event, PortBlocks
from op25b.readers.mail.clock import Clock
from op25b.readers.text import blocks

_MARK = r"RT_SRC_NAT_PBA_(?:ALLOC|RELEASE|INTERIM)|NAT_PORT_BLOCK_(?:ALLOC|RELEASE|ACTIVE)"
_PRIORITY = r"^<[0-9]{1,3}>(?:1 )?"
_STAMP = re.compile(
    r"^((?:\d{4} )?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"(?:Z|[+-]\d\d:?\d\d)?):?(?: +\d{4}-\d\d-\d\d \d\d: ?\d\d:\d\d:?)?(?: +([^\s{\[]+))?"
)
_TEXT = re.compile(
    r"RT_SRC_NAT_PBA_(\w+): +Subscriber (?P<private>\S+) .*?port block \[(?P<low>\d+)-(?P<high>\d+)\] +from "
    r"(?P<public>\S+)(?:.*? epoch +(?P<epoch>(?:0x)?[0-9A-Fa-f]+))?"
)
_STRUCTURED = re.compile(r"RT_SRC_NAT_PBA_(\w+) +\[")
_FIELD = re.compile(r'([\w-]+)="((?:[^"\\\]]|\\.)*)"')
_ARROW = re.compile(
    r"NAT_PORT_BLOCK_(\w+): *(?P<private>\S+) +-> +(?P<public>\S+):(?P<low>\d+)-(?P<high>\d+)"
    r"(?: +(?P<epoch>(?:0x)?[0-9A-Fa-f]{8,16}))?(?:\s|$)"
)
_SKEW = timedelta(minutes=1)
_EVENTS: dict[str, Event] = {
    "ALLOC": "start", "RELEASE": "stop", "INTERIM": "interim", "ACTIVE": "interim",
}
_NAMES = {"internal-ip": "private", "reflexive-ip": "public", "block-port-low": "low", "block-port-high": "high",
          "epoch-time-64": "epoch", "username": "user", "subscriber-name": "user"}


@dataclass(frozen=True)
class _Message:
    event: Event
    fields: dict[str, str]
    is_mx: bool


def recognise(head: Head) -> str | None:
    """One of the messages among the first lines."""
    if any(re.search(rf"(?:{_MARK})\b", line) for line in head.lines):
        return "Juniper port-block allocation messages"
    return None


def read(source: Source) -> Iterator[Batch]:
    """Yield a row per allocation, interim and release message."""
    return batches(_outcomes(source))


def _outcomes(source: Source) -> Iterator[Outcome]:
    clock, memory = Clock(source), PortBlocks()
    for block in blocks(source.path):
        lines = block.lines.str.replace(_PRIORITY, "")
        years = clock.years(lines)
        at = lines.str.contains(rf"(?:{_MARK})\b").arg_true()
        yield Outcome(read=lines.len() - at.len())
        texts = lines.gather(at).to_list()
        stamps = [_STAMP.match(text) for text in texts]
        times = clock.utc(pl.DataFrame({
            "stamp": pl.Series([_iso(match[1]) if match else "" for match in stamps], dtype=pl.String),
            "year": years.gather(at).cast(pl.Int32),
        }))
        for index, text, stamp, time in zip(at, texts, stamps, times, strict=True):
            try:
                yield kept(memory.rows(_event(text, time, stamp[2] if stamp else None)))
            except BadRow as problem:
                yield bad(block.first_line + index, str(problem))


def _iso(stamp: str) -> str:
    """An ISO 8601 stamp with its `T`; others as they are."""
    return f"{stamp[:10]}T{stamp[11:]}" if stamp[4:5] == "-" else stamp


def _event(text: str, header: datetime | None, host: str | None) -> BlockEvent:
    message = _message(text)
    fields = message.fields
    private, public = canonical(fields.get("private", "")), canonical(fields.get("public", ""))
    if private is None or public is None:
        msg = f"the {'subscriber' if private is None else 'public'} address is none"
        raise BadRow(msg)
    low, high = port_range(fields.get("low", ""), fields.get("high", ""))
    at, began = _times(message, header)
    user = fields.get("user", "N/A").strip()
    name = None if user in {"N/A", ""} else line_name(user)
    return BlockEvent(message.event, at, private, name, public, low, high, host, began)


def _message(text: str) -> _Message:
    for pattern, is_mx in ((_TEXT, False), (_ARROW, True)):
        if (match := pattern.search(text)) and match[1] in _EVENTS:
            found = {name: value for name, value in match.groupdict().items() if value is not None}
            return _Message(_EVENTS[match[1]], found, is_mx)
    if (match := _STRUCTURED.search(text)) and match[1] in _EVENTS:
        pairs = _FIELD.findall(text, match.end())
        return _Message(_EVENTS[match[1]], {_NAMES[name]: value for name, value in pairs if name in _NAMES}, False)
    msg = "a port-block message in no known form"
    raise BadRow(msg)


def _times(message: _Message, header: datetime | None) -> tuple[datetime, datetime | None]:
    """When the event was, and when the block was allocated if the message says so."""
    stamp = _hexadecimal(message.fields.get("epoch"))
    if stamp is not None and (message.event == "start" or (message.event == "stop" and not message.is_mx)):
        return stamp, stamp if message.event == "start" else None
    at = header or (stamp if message.event == "interim" else None)
    if at is None:
        msg = "no time"
        raise BadRow(msg)
    if message.event == "interim" and stamp is not None and at < stamp - _SKEW:
        msg = "earlier than the allocation it tells of: is the input's timezone the router's?"
        raise BadRow(msg)
    return at, stamp if stamp is not None and stamp < at - _SKEW else None


def _hexadecimal(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return from_epoch(int(text, 16))
    except ValueError:
        msg = "the hexadecimal time is none"
        raise BadRow(msg) from None


FORMAT = Format("juniper-port-blocks", "leases", recognise, read, growth="lines")
