"""What a reader of one file format is: a recogniser and a generator of batches.

Adding a format is one module and one entry in `op25b.readers.FORMATS`.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from op25b import schema
from op25b.memo import Memo
from op25b.readers.excerpts import excerpt
from op25b.settings import MapRule

Kind = Literal["flows", "mail", "leases", "subscribers"]
Growth = Literal["lines", "blocks", "again", "refused"]
"""How a file that has grown since it was read goes on: at the next line; at the next block (blocks end in an empty
line); read again from its beginning, which states the same facts once more; or not at all, as its rows would double.
"""
BOUNDARY: dict[Growth, bytes] = {"lines": b"\n", "blocks": b"\n\n"}
TABLE_OF: dict[Kind, str] = {
    "flows": "flow",
    "mail": "mail_event",
    "leases": "lease_record",
    "subscribers": "subscriber_record",
}


@dataclass(frozen=True)
class Head:
    """The start of a file, decompressed, by which a format is recognised."""

    path: Path
    data: bytes

    @property
    def lines(self) -> list[str]:
        """The first lines as text; the last one may be cut."""
        return self.data.decode("utf-8", "replace").splitlines()


@dataclass(frozen=True)
class Source:
    """One input file about to be read, and what its settings say of it."""

    path: Path
    timezone: str
    year: int | None = None
    sampling_interval: int | None = None
    columns: dict[str, str] = field(default_factory=dict)
    identify_by: str = "hardware"
    map_e: tuple[MapRule, ...] = ()
    time_unit: str | None = None
    known_lines: int = 0  # so many at the beginning were read before: they are remembered, and give no rows
    resume: datetime | None = None  # the last event before a log's new end, UTC: its year goes on from there
    stated_timezone: str | None = None  # the input's own setting, for formats whose times are UTC unless it says else


@dataclass(frozen=True)
class Batch:
    """Part of a file, read: `rows` for the lake, and the accounting of the input rows they came from.

    `rows` has the columns of the format's table except `day` and `source`; `rejected` has line, offset, reason,
    excerpt. `rows_read - rows_kept - rejected.height` input rows were good but none of our business.
    """

    rows: pl.DataFrame
    rows_read: int
    rows_kept: int
    rejected: pl.DataFrame


@dataclass(frozen=True)
class Format:
    """One file format: `recognise` says why a file is of this format, or None; `growth` how a grown file goes on.

    A reader that `remembers` makes rows of what several lines say, so of a grown file it gets some known lines first.
    One that `merges` makes one row of several kept input rows; of any other each kept input row gives at least one.
    """

    name: str
    kind: Kind
    recognise: Callable[[Head], str | None]
    read: Callable[[Source], Iterator[Batch]]
    growth: Growth = "refused"
    remembers: bool = False
    merges: bool = False

    @property
    def table(self) -> schema.Table:
        """The raw table its rows go to."""
        return schema.raw_table(TABLE_OF[self.kind])


Reject = tuple[int | None, int | None, str, str | None]
"""A row that could not be read: line, byte offset, reason, text."""
_REJECTED = {"line": pl.Int64, "offset": pl.Int64, "reason": pl.String, "excerpt": pl.String}


def rejects(rows: Iterable[Reject]) -> pl.DataFrame:
    """A frame of rejected rows from (line, offset, reason, text)."""
    return pl.DataFrame(
        [(line, offset, reason, None if text is None else excerpt(text)) for line, offset, reason, text in rows],
        schema=_REJECTED,
        orient="row",
    )


def ip_key(text: str) -> str | None:
    """32 hex digits that sort like the address, IPv4 mapped to ::ffff:0:0/96; None when it is no address."""
    address = parse_ip(text)
    if address is None:
        return None
    return f"{int(address):032x}" if address.version == 6 else f"{0xFFFF00000000 | int(address):032x}"


def ip_numbers(text: str) -> tuple[int, int] | None:
    """The upper and the lower 64 bits of the address as `ip_key` maps it, each a signed integer; None if it is none."""
    key = ip_key(text)
    if key is None:
        return None
    high, low = (int.from_bytes(half, signed=True) for half in (bytes.fromhex(key[:16]), bytes.fromhex(key[16:])))
    return high, low


def address_of(key: str) -> str:
    """The address whose ip_key this is."""
    number = int(key, 16)
    mapped = number >> 32 == 0xFFFF
    return str(ipaddress.IPv4Address(number & 0xFFFFFFFF) if mapped else ipaddress.IPv6Address(number))


def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, with IPv4-mapped IPv6 (::ffff:192.0.2.1) turned into plain IPv4; None when it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"^{_OCTET}(?:\.{_OCTET}){{3}}$"
_OCTETS = [f"{number:02x}" for number in range(256)]
_HEX = pl.Series([high + low for high in _OCTETS for low in _OCTETS])


def canonical_ips(frame: pl.DataFrame, keys: dict[str, str]) -> pl.DataFrame:
    """Return `frame` with address columns in canonical text and their ip_key columns added.

    `keys` maps address column → key column to add (empty text: none). What is no address becomes NULL in both.
    """
    for column, key in keys.items():
        known = _ADDRESSES.of(frame[column], "ip", *(["key"] if key else []))
        frame = frame.with_columns(known["ip"].alias(column), *([known["key"].alias(key)] if key else []))
    return frame


def numbered_ips(frame: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Return `frame` with address columns in canonical text and the numbers of `ip_numbers` added.

    `names` maps address column → beginning of the columns to add: src_ip → src gives src_high and src_low.
    """
    for column, name in names.items():
        known = _ADDRESSES.of(frame[column], "ip", "high", "low")
        frame = frame.with_columns(
            known["ip"].alias(column), known["high"].alias(f"{name}_high"), known["low"].alias(f"{name}_low"))
    return frame


def _canonical(texts: pl.Series) -> pl.DataFrame:
    """Canonical ip, ip_key and ip_numbers of each text: IPv4 by expressions, the few others one by one."""
    is_v4 = texts.str.contains(_IPV4)
    octets = texts.filter(is_v4).str.split_exact(".", 3).struct.unnest().select(pl.all().cast(pl.UInt32))
    first, second, third, fourth = octets.get_columns()
    upper, lower = first * 256 + second, third * 256 + fourth
    places = pl.concat([is_v4.arg_true(), (~is_v4).arg_true()])
    others = pl.DataFrame([_canonical_six(text) for text in texts.filter(~is_v4)],
                          schema={"ip": pl.String, "key": pl.String, "high": pl.Int64, "low": pl.Int64}, orient="row")
    keys = pl.select(pl.concat_str(pl.lit(f"{0xFFFF:024x}"), _HEX.gather(upper), _HEX.gather(lower))).to_series()
    numbers = (upper * 65_536 + lower).cast(pl.Int64) + (0xFFFF << 32)
    known = pl.DataFrame({"ip": texts.filter(is_v4), "key": keys, "low": numbers}).select(
        "ip", "key", pl.lit(0, dtype=pl.Int64).alias("high"), "low")
    return pl.concat([known, others]).select(pl.all().gather(places.arg_sort()))


def _canonical_six(text: str) -> tuple[str | None, str | None, int | None, int | None]:
    """What `_canonical` gives of an IPv6 address, as `parse_ip` and `ip_key` make it but five times as fast."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None, None, None, None
    shown = socket.inet_ntop(socket.AF_INET6, packed)
    high, low = int.from_bytes(packed[:8], signed=True), int.from_bytes(packed[8:], signed=True)
    return str(parse_ip(shown)) if "." in shown else shown, packed.hex(), high, low  # with a dot: IPv4 inside


_ADDRESSES = Memo(_canonical)
