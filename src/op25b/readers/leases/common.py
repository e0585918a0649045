"""What the lease readers share: outcomes of input rows → batches, times → UTC, addresses and prefixes → key ranges."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from op25b import schema
from op25b.readers.base import Batch, Reject, Source, ip_key, parse_ip, rejects
from op25b.readers.text import blocks

ROWS_A_BATCH = 100_000
ALL_PORTS = (0, 65535)
# RFC 2865, 5.8: the user or the access server chooses; 0.0.0.0 is what some send while there is no address.
NO_ADDRESS = frozenset({"0.0.0.0", "255.255.255.254", "255.255.255.255"})  # noqa: S104 -- not an address to bind to
SINCE_EVER = datetime(1970, 1, 1)  # noqa: DTZ001 -- times in the lake are naive UTC
_LATEST_YEAR = 2200
LATEST_SECOND = (datetime(_LATEST_YEAR + 1, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
Row = dict[str, Any]
COLUMNS = {name: dtype for name, dtype in schema.LEASE_RECORD.schema.items() if name != "source"}


class BadRow(Exception):  # noqa: N818 -- a finding about the input, not an error of the program
    """Why one input row cannot be used."""


@dataclass(frozen=True)
class Outcome:
    """What became of one input row, or (`read` 0) rows that several earlier ones together amount to."""

    rows: list[Row] = field(default_factory=list)
    kept: bool = False
    bad: Reject | None = None
    read: int = 1


FILTERED = Outcome()


def kept(rows: list[Row]) -> Outcome:
    """The outcome of a good input row that states something about a lease."""
    return Outcome(rows, kept=True)


def bad(line: int, reason: str, text: str | None = None) -> Outcome:
    """The outcome of a row that is rejected; `text` only where it names no subscriber."""
    return Outcome(bad=(line, None, reason, text))


def batches(outcomes: Iterable[Outcome], size: int = ROWS_A_BATCH) -> Iterator[Batch]:
    """Collect outcomes into batches whose accounting adds up; always at least one batch."""
    rows: list[Row] = []
    rejected: list[Reject] = []
    read = good = 0
    for outcome in outcomes:
        rows += outcome.rows
        read += outcome.read
        good += outcome.kept
        if outcome.bad is not None:
            rejected.append(outcome.bad)
        if read >= size or len(rows) >= size:
            yield Batch(pl.DataFrame(rows, schema=COLUMNS), read, good, rejects(rejected))
            rows, rejected, read, good = [], [], 0, 0
    yield Batch(pl.DataFrame(rows, schema=COLUMNS), read, good, rejects(rejected))


def numbered_lines(source: Source) -> Iterator[tuple[int, str]]:
    """The lines of the file with their numbers, from 1, without line ends."""
    for block in blocks(source.path):
        yield from enumerate((line.rstrip("\r") for line in block.lines), start=block.first_line)


def from_epoch(seconds: float) -> datetime:
    """Seconds since 1970 as naive UTC."""
    if not 0 <= seconds < LATEST_SECOND:
        msg = "impossible time"
        raise BadRow(msg)
    return SINCE_EVER + timedelta(seconds=seconds)


def utc(text: str, timezone: str) -> datetime:
    """A time as databases and exporters write it, as naive UTC; one without a zone is in `timezone`.

    Forms: `2007-07-10 12:00:00`, with `T`, fraction, `Z` or `+09`; or seconds since 1970.
    """
    if text.isascii() and text.isdigit() and len(text) > 8:
        return from_epoch(int(text[:20]))
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(timezone))
        return plausible(moment.astimezone(UTC))
    except (OverflowError, ValueError):
        msg = "impossible time"
        raise BadRow(msg) from None


def plausible(moment: datetime) -> datetime:
    """A UTC time without its zone; a `BadRow` where no lease can be of that year."""
    if not SINCE_EVER.year <= moment.year <= _LATEST_YEAR:
        msg = "impossible time"
        raise BadRow(msg)
    return moment.replace(tzinfo=None)


@lru_cache(maxsize=2**16)
def canonical(text: str) -> str | None:
    """The canonical text of an address, or None."""
    address = parse_ip(text)
    return None if address is None else str(address)


def stamp(moment: datetime) -> str:
    """A time as a part of a session's name."""
    return moment.isoformat(timespec="seconds")


def since(start: datetime | None) -> str:
    """The beginning of an assignment as a part of its session's name; None: it has always been there."""
    return stamp(start or SINCE_EVER)


@lru_cache(maxsize=2**16)
def ip_range(text: str, what: str) -> tuple[str, str]:
    """First and last ip_key of an address or a prefix; `what` names it in the reason of a `BadRow`."""
    first: str | None = None
    last: str | None = None
    try:
        if "/" in text:
            network = ipaddress.ip_network(text, strict=False)
            first, last = ip_key(str(network[0])), ip_key(str(network[-1]))
        else:
            first = last = ip_key(text)
    except ValueError:
        pass
    if first is None or last is None or first > last:
        msg = f"{what} is no address or prefix"
        raise BadRow(msg)
    return first, last


def number(text: str, what: str, low: int, high: int) -> int:
    """A whole number within limits, else a `BadRow` that names it."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        msg = f"{what} is no number from {low} to {high}"
        raise BadRow(msg)
    return int(text)


def port_range(first: str, last: str) -> tuple[int, int]:
    """First and last port of a block."""
    low, high = number(first, "first port", *ALL_PORTS), number(last, "last port", *ALL_PORTS)
    if low > high:
        msg = "the port range ends before it begins"
        raise BadRow(msg)
    return low, high


def in_order(start: datetime | None, end: datetime | None) -> None:
    """Refuse a lease that ends before it starts."""
    if start is not None and end is not None and end < start:
        msg = "the end is before the start"
        raise BadRow(msg)
