"""Records of `nfdump -o json` (a pretty-printed array), of its one-line variants, and of `ndjson`.

Times are local without a zone: those of the time zone nfdump ran in, which is the input's `timezone`, or the site's.
ICMP records have no ports. IPv4 and IPv6 addresses have fields of their own. nfdump 1.6 names times otherwise
(`t_first`).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.flows import fields
from op25b.readers.flows.jsonlines import Keys, first_keys, objects
from op25b.readers.flows.records import batches, both_directions, standard, whole_addresses

_KNOWN = {
    "first_seen": ("first", "t_first"), "last_seen": ("last", "t_last"), "received": ("received", "t_received"),
    "protocol": ("proto",),
    "src_ip": ("src4_addr",), "dst_ip": ("dst4_addr",), "src6": ("src6_addr",), "dst6": ("dst6_addr",),
    "src_port": ("src_port",), "dst_port": ("dst_port",), "flags": ("tcp_flags",), "packets": ("in_packets",),
    "bytes": ("in_bytes",), "reply_packets": ("out_packets",), "reply_bytes": ("out_bytes",),
    "exporter": ("ip4_router",), "router6": ("ip6_router",), "forwarding_status": ("fwd_status",),
}
_REQUIRED = ("first_seen", "last_seen", "protocol", "packets", "bytes")
_NOTHING = "No match"  # "No matching flows", "No matched flows"
_REMEDY = "print it with 'nfdump -o json' or 'nfdump -o ndjson'"


def recognise(head: Head) -> str | None:
    """The first object has nfdump's names."""
    if [line.strip() for line in head.lines[:2] if line.strip(" [").startswith(_NOTHING)]:
        return "nfdump found no matching flows"
    keys = set(first_keys(head))
    known = {"first", "last", "in_packets"} <= keys or {"t_first", "t_last", "in_packets"} <= keys
    return "JSON objects with nfdump's names" if known else None


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports, both directions."""

    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        frame = frame.with_columns(pl.coalesce("src_ip", "src6").alias("src_ip"),
                                   pl.coalesce("dst_ip", "dst6").alias("dst_ip"),
                                   pl.coalesce("exporter", "router6").alias("exporter"))
        frame = whole_addresses(both_directions(standard(frame, source)))
        times = ("first_seen", "last_seen", "received")
        return _sensible(frame).with_columns(
            fields.times(_filled_up(frame[name]), source.timezone, None) for name in times)

    yield from batches(objects(source, Keys(_KNOWN, _REQUIRED, _REMEDY, _NOTHING)), typed)


def _filled_up(times: pl.Series) -> pl.Series:
    """Until June 2021 nfdump printed 7 milliseconds as `.7`, not as `.007` (its issue 294)."""
    return times.str.replace(r"\.([0-9])$", ".0${1}").str.replace(r"\.([0-9][0-9])$", ".0${1}")


def _sensible(frame: pl.DataFrame) -> pl.DataFrame:
    """Some versions print the number of packets as in_bytes in ndjson; no packet is that small."""
    wrong = pl.when((pl.col("bytes") == pl.col("packets")) & (pl.col("packets") > 0)).then(
        pl.lit("has in_bytes = in_packets, a fault of some nfdump versions (print it as csv)"))
    return frame.with_columns(pl.coalesce("problem", wrong).alias("problem"))


FORMAT = Format("nfdump-json", "flows", recognise, read)
