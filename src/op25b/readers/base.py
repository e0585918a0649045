"""What a reader of one file format is: a recogniser and a generator of batches. Adding a format is one module and
one entry in `op25b.readers.FORMATS`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from op25b import schema

Kind = Literal["flows", "mail", "leases", "subscribers"]
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
    """One file format: `recognise` says why a file is of this format, or None."""

    name: str
    kind: Kind
    recognise: Callable[[Head], str | None]
    read: Callable[[Source], Iterator[Batch]]

    @property
    def table(self) -> schema.Table:
        """The raw table its rows go to."""
        return schema.raw_table(TABLE_OF[self.kind])


_REJECTED = {"line": pl.Int64, "offset": pl.Int64, "reason": pl.String, "excerpt": pl.String}
EXCERPT_LENGTH = 200
# Local parts of mail addresses, and user names in the forms mail and RADIUS logs write them.
_IDENTIFIERS = re.compile(
    r"[^\s<>\"',;:=@]+(?=@)|(?<=sasl_username=)[^\s,]+|(?<=User-Name = \")[^\"]*|(?<=user=<)[^>]*", re.IGNORECASE
)


def excerpt(text: str) -> str:
    """The start of a rejected row, without user names and without control characters."""
    masked = _IDENTIFIERS.sub("…", text[: 2 * EXCERPT_LENGTH])
    return "".join(c if c.isprintable() else "�" for c in masked[:EXCERPT_LENGTH])


def rejects(rows: list[tuple[int | None, int | None, str, str | None]]) -> pl.DataFrame:
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


def canonical_ips(frame: pl.DataFrame, keys: dict[str, str]) -> pl.DataFrame:
    """Return `frame` with address columns in canonical text and their ip_key columns added.

    `keys` maps address column → key column to add (empty text: none). What is no address becomes NULL in both.
    Each distinct address is parsed once: a flow file has few of them.
    """
    for column, key in keys.items():
        raw = frame[column].unique().drop_nulls()
        parsed: list[Any] = [parse_ip(text) for text in raw]
        texts = pl.Series([None if ip is None else str(ip) for ip in parsed], dtype=pl.String)
        new = [pl.col(column).replace_strict(raw, texts, default=None).alias(column)]
        if key:
            hexes = pl.Series([None if ip is None else ip_key(str(ip)) for ip in parsed], dtype=pl.String)
            new.append(pl.col(column).replace_strict(raw, hexes, default=None).alias(key))
        frame = frame.with_columns(new) if raw.len() else frame.with_columns(
            [pl.lit(None, pl.String).alias(name) for name in (column, key) if name]
        )
    return frame
