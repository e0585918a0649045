"""FreeRADIUS accounting `detail` files: a line with the local time, then `Attribute = value` lines, then a blank one.

The time of the event is the server's `Timestamp` (seconds since 1970; the header line in the input's time zone where
it is absent) less `Acct-Delay-Time`, which is how long the access server had held the record back (RFC 2866, 5.2).
A Stop or Interim-Update also tells when the session began: that time less `Acct-Session-Time`.
Accounting-On and -Off mean that the access server has lost all its sessions.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source, ip_key, parse_ip, rejects
from op25b.readers.text import opened

RECORDS_A_BATCH = 100_000
_HEADER = re.compile(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$")
_ATTRIBUTE = re.compile(r"^\s+([A-Za-z0-9-]+(?::\d+)?) (?::?=|\+=) (.*)$")
_EVENTS = {
    "start": "start", "1": "start", "stop": "stop", "2": "stop", "interim-update": "interim", "alive": "interim",
    "3": "interim", "accounting-on": "reset", "7": "reset", "accounting-off": "reset", "8": "reset",
}
_ADDRESSES = ("Framed-IP-Address", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix", "Framed-IPv6-Address")


@dataclass
class _Record:
    """One accounting record: the line of its header, the header, and its attributes (the first of each)."""

    line: int
    header: str
    attributes: dict[str, str]


class _BadRecord(Exception):
    """Why a record cannot be used."""


def recognise(head: Head) -> str | None:
    """A `ctime` line followed by an indented `Attribute = value`."""
    lines = [line for line in head.lines if line.strip()]
    for first, second in zip(lines, lines[1:], strict=False):
        if _HEADER.match(first) and _ATTRIBUTE.match(second):
            return "FreeRADIUS detail: ctime header and indented attributes"
    return None


def read(source: Source) -> Iterator[Batch]:
    """Yield a row per address of each Start, Interim-Update, Stop, Accounting-On and -Off."""
    rows: list[dict[str, object]] = []
    bad: list[tuple[int | None, int | None, str, str | None]] = []
    count = kept = 0
    for record in _records(source):
        count += 1
        try:
            found = _rows(record, source.timezone)
            kept += bool(found)
            rows += found
        except _BadRecord as problem:
            bad.append((record.line, None, str(problem), record.header))
        if count == RECORDS_A_BATCH:
            yield _batch(rows, count, kept, bad)
            rows, bad, count, kept = [], [], 0, 0
    yield _batch(rows, count, kept, bad)


def _batch(rows: list[dict[str, object]], count: int, kept: int,
           bad: list[tuple[int | None, int | None, str, str | None]]) -> Batch:
    schema = {name: dtype for name, dtype in FORMAT.table.schema.items() if name != "source"}
    return Batch(pl.DataFrame(rows, schema=schema), count, kept, rejects(bad))


def _records(source: Source) -> Iterator[_Record]:
    """Cut the file into records; a line that belongs to none becomes a record of its own, to be rejected."""
    record: _Record | None = None
    with opened(source.path) as stream:
        for number, raw in enumerate(stream, start=1):
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            attribute = _ATTRIBUTE.match(line)
            if attribute and record is not None:
                record.attributes.setdefault(attribute[1].split(":")[0], _unquoted(attribute[2]))
            elif line.strip():
                if record is not None:
                    yield record
                record = _Record(number, line.strip(), {})
    if record is not None:
        yield record


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _rows(record: _Record, timezone: str) -> list[dict[str, object]]:
    if not record.attributes:
        msg = "no accounting record: a line that is neither a header nor an attribute"
        raise _BadRecord(msg)
    status = record.attributes.get("Acct-Status-Type")
    if status is None:
        msg = "no Acct-Status-Type"
        raise _BadRecord(msg)
    event = _EVENTS.get(status.lower())
    if event is None:
        return []  # Tunnel-Start, Failed and the like say nothing about a lease
    at = _time(record, timezone) - timedelta(seconds=_seconds(record, "Acct-Delay-Time") or 0)
    server = record.attributes.get("NAS-IP-Address") or record.attributes.get("NAS-IPv6-Address") or \
        record.attributes.get("NAS-Identifier")
    common: dict[str, object] = {"at": at, "event": event, "kind": "radius", "access_server": server,
                                 "port_first": 0, "port_last": 65535}
    if event == "reset":
        return [common]
    session = record.attributes.get("Acct-Session-Id")
    user = record.attributes.get("User-Name")
    if not session or not user:
        msg = f"no {'Acct-Session-Id' if not session else 'User-Name'}"
        raise _BadRecord(msg)
    duration = _seconds(record, "Acct-Session-Time")
    began = at if event == "start" else None if duration is None else at - timedelta(seconds=duration)
    common |= {"subscriber": user, "session": session, "start": began, "end": at if event == "stop" else None}
    ranges = [_range(record.attributes[name], name) for name in _ADDRESSES if name in record.attributes]
    # A session may report no address yet (an IPv6-only Start) or none any more; it still marks start and end.
    return [common | {"ip_first": first, "ip_last": last} for first, last in dict.fromkeys(ranges)] or [common]


def _time(record: _Record, timezone: str) -> datetime:
    stamp = record.attributes.get("Timestamp", "")
    if stamp.isdigit():
        return datetime.fromtimestamp(int(stamp), UTC).replace(tzinfo=None)
    if not _HEADER.match(record.header):
        msg = "no time: the header is no ctime line and there is no Timestamp"
        raise _BadRecord(msg)
    try:
        local = datetime.strptime(record.header[4:], "%b %d %H:%M:%S %Y").replace(tzinfo=ZoneInfo(timezone))
    except ValueError:
        msg = "impossible time in the header"
        raise _BadRecord(msg) from None
    return local.astimezone(UTC).replace(tzinfo=None)


def _seconds(record: _Record, name: str) -> int | None:
    text = record.attributes.get(name)
    if text is None:
        return None
    if not text.isdigit():
        msg = f"{name} is not a number of seconds"
        raise _BadRecord(msg)
    return int(text)


def _range(text: str, name: str) -> tuple[str, str]:
    """First and last ip_key of an address or prefix."""
    try:
        if "/" in text:
            network = ipaddress.ip_network(text, strict=False)
            first, last = ip_key(str(network[0])), ip_key(str(network[-1]))
        else:
            first = last = ip_key(str(parse_ip(text)))
    except ValueError:
        first = last = None
    if first is None or last is None:
        msg = f"{name} is no address or prefix"
        raise _BadRecord(msg)
    return first, last


FORMAT = Format("freeradius-detail", "leases", recognise, read)
