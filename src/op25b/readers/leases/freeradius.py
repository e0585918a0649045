"""FreeRADIUS accounting `detail` files: a line with the local time, then `Attribute = value` lines, then a blank one.

The time of the event is the server's `Timestamp` (seconds since 1970; the header line in the input's time zone where
it is absent) less `Acct-Delay-Time`, which is how long the access server had held the record back (RFC 2866, 5.2).
A Stop or Interim-Update also tells when the session began: that time less `Acct-Session-Time`.
Accounting-On and -Off mean that the access server has lost all its sessions.

Usual records are read many at a time (`usual_records`), the others here, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl

from op25b.readers.base import Batch, Format, Head, Reject, Source, rejects
from op25b.readers.leases.common import (
    ALL_PORTS,
    COLUMNS,
    FILTERED,
    NO_ADDRESS,
    BadRow,
    Outcome,
    Row,
    bad,
    from_epoch,
    ip_range,
    kept,
    number,
)
from op25b.readers.leases.identity import line_name
from op25b.readers.leases.usual_records import ADDRESSES, LONGEST_SESSION, starts, usual
from op25b.readers.text import Block, blocks

_HEADER = re.compile(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$", re.ASCII)
# The letters of a name are those that FreeRADIUS allows in its dictionaries (dict.c, `dict_attr_allowed_chars`).
_ATTRIBUTE = re.compile(r"^\s+([A-Za-z0-9._/-]+)(?::\d+)? (?::|\+)?= (.*)$", re.ASCII)
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_EVENTS = {
    "start": "start", "1": "start", "stop": "stop", "2": "stop", "interim-update": "interim", "alive": "interim",
    "3": "interim", "accounting-on": "reset", "7": "reset", "accounting-off": "reset", "8": "reset",
}


@dataclass
class _Record:
    """One accounting record: the line of its header, the header, its attributes, and what is wrong with it."""

    line: int
    header: str
    attributes: dict[str, list[str]] = field(default_factory=dict)
    fault: str = ""

    def get(self, name: str) -> str | None:
        """The first value of an attribute."""
        return self.attributes[name][0] if name in self.attributes else None

    def seconds(self, name: str) -> int | None:
        """An attribute that is a number of seconds."""
        text = self.get(name)
        return None if text is None else number(text, name, 0, LONGEST_SESSION)


def recognise(head: Head) -> str | None:
    """A `ctime` line followed by an indented `Attribute = value`."""
    lines = [line for line in head.lines if line.strip()]
    for first, second in pairwise(lines):
        if _HEADER.match(first) and _ATTRIBUTE.match(second):
            return "FreeRADIUS detail: ctime header and indented attributes"
    return None


def read(source: Source) -> Iterator[Batch]:
    """Yield a row per address of each Start, Interim-Update, Stop, Accounting-On and -Off."""
    cutter = _Cutter()
    for block in blocks(source.path):
        yield _batch(cutter, block, source.timezone)
    last = _one_by_one(cutter.end(), source.timezone)
    yield replace(last, rows=last.rows.drop("line"))


def _batch(cutter: _Cutter, block: Block, timezone: str) -> Batch:
    """Read a block, and what the one before left of a record; what may go on in the next one is left to that."""
    starting = starts(block.lines)
    bounds = starting.arg_true()
    first, last = (bounds[0], bounds[-1]) if len(bounds) else (block.lines.len(), block.lines.len())
    others = [*cutter.feed(block.lines[:first], block.first_line)]
    if len(bounds):
        others += cutter.end()
    found = usual(block.lines[first:last], starting[first:last], block.first_line + first, _EVENTS)
    for line, text in found.others.iter_rows():
        others += [*cutter.feed(text, line), *cutter.end()]
    others += cutter.feed(block.lines[last:], block.first_line + last)
    if not block.whole:
        cutter.cut()
    rest = _one_by_one(others, timezone)
    rows = pl.concat([found.rows, rest.rows]).sort("line", maintain_order=True).drop("line")
    return Batch(rows, found.read + rest.rows_read, found.kept + rest.rows_kept, rest.rejected)


class _Cutter:
    """Cuts lines into records; those that belong to none become a record of their own, to be rejected."""

    def __init__(self) -> None:
        self._record: _Record | None = None

    def feed(self, lines: Iterable[str], first_line: int) -> Iterator[_Record]:
        """Take the next lines; records that they end."""
        for number_, line in enumerate(lines, start=first_line):
            if not line.strip() or _HEADER.match(line):
                yield from self.end()
                self._record = _Record(number_, line) if line.strip() else None
                continue
            if self._record is None:
                self._record = _Record(number_, line, fault="a line outside of any record")
            attribute = _ATTRIBUTE.match(line)
            if attribute is None:
                self._record.fault = self._record.fault or "a line that is no attribute"
            else:
                self._record.attributes.setdefault(attribute[1], []).append(_unquoted(attribute[2].rstrip()))

    def cut(self) -> None:
        """Note that the file ends within its last line."""
        if self._record is not None:
            self._record.fault = self._record.fault or "the file ends within the record"

    def end(self) -> Iterator[_Record]:
        """The record that the next line does not belong to."""
        if self._record is not None:
            yield self._record
        self._record = None


def _unquoted(value: str) -> str:
    r"""A value without its quotes and escapes (`\"`, `\n`, and octal bytes such as `\303\244`).

    Bytes that are no UTF-8 stay told apart: two names must not become one.
    """
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "\"'":
        return value
    if "\\" not in value:
        return value[1:-1]

    def plain(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 255]) if len(code) == 3 else _CONTROL.get(code, code)

    return _ESCAPE.sub(plain, value[1:-1].encode()).decode("utf-8", "backslashreplace")


def _one_by_one(records: Iterable[_Record], timezone: str) -> Batch:
    """Read records of any kind; `rows` with the `line` of their record."""
    rows: list[Row] = []
    rejected: list[Reject] = []
    read = good = 0
    for record in records:
        outcome = _outcome(record, timezone)
        rows += [row | {"line": record.line} for row in outcome.rows]
        rejected += [] if outcome.bad is None else [outcome.bad]
        read, good = read + 1, good + outcome.kept
    columns: dict[str, pl.DataType] = {"line": pl.Int64(), **COLUMNS}
    return Batch(pl.DataFrame(rows, schema=columns), read, good, rejects(rejected))


def _outcome(record: _Record, timezone: str) -> Outcome:
    try:
        rows = _rows(record, timezone)
    except BadRow as problem:
        # The header alone is shown: any other line may name the subscriber.
        return bad(record.line, str(problem), record.header if _HEADER.match(record.header) else None)
    return kept(rows) if rows else FILTERED


def _rows(record: _Record, timezone: str) -> list[Row]:
    status = record.get("Acct-Status-Type")
    if record.fault or status is None:
        raise BadRow(record.fault or "no Acct-Status-Type")
    event = _EVENTS.get(status.lower())
    if event is None:
        return []  # Tunnel-Start, Failed and the like say nothing about a lease
    at = _time(record, timezone) - timedelta(seconds=record.seconds("Acct-Delay-Time") or 0)
    server = record.get("NAS-IP-Address") or record.get("NAS-IPv6-Address") or record.get("NAS-Identifier")
    common: Row = {"at": at, "event": event, "kind": "radius", "access_server": server,
                   "port_first": ALL_PORTS[0], "port_last": ALL_PORTS[1]}
    if event == "reset":
        return [common]
    session, user = record.get("Acct-Session-Id"), record.get("User-Name")
    if not session or not user:
        msg = f"no {'Acct-Session-Id' if not session else 'User-Name'}"
        raise BadRow(msg)
    duration = record.seconds("Acct-Session-Time")
    began = at if event == "start" else None if duration is None else at - timedelta(seconds=duration)
    common |= {"subscriber": line_name(user), "session": session, "start": began,
               "end": at if event == "stop" else None}
    ranges = [ip_range(text, name) for name in ADDRESSES for text in record.attributes.get(name, [])
              if text not in NO_ADDRESS]
    # A session may report no address yet (an IPv6-only Start) or none any more; it still marks start and end.
    return [common | {"ip_first": first, "ip_last": last} for first, last in dict.fromkeys(ranges)] or [common]


def _time(record: _Record, timezone: str) -> datetime:
    stamp = record.get("Timestamp")
    if stamp is not None:
        return from_epoch(number(stamp, "Timestamp", 1, 2**33))
    try:
        local = datetime.strptime(record.header[4:], "%b %d %H:%M:%S %Y").replace(tzinfo=ZoneInfo(timezone))
    except ValueError:
        msg = "impossible time in the header"
        raise BadRow(msg) from None
    return local.astimezone(UTC).replace(tzinfo=None)


FORMAT = Format("freeradius-detail", "leases", recognise, read, growth="blocks")
