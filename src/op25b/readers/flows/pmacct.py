"""Files of pmacct's print plugin, CSV and JSON: only the primitives that were asked for in `aggregate`, in its order.

Times are text in the local time of the machine, RFC 3339 or seconds since 1970, by the daemon's `timestamps_*`
settings; `0000-00-00 00:00:00` is none, and so is the local time of second 0 (up to 1.7.1). A sampling rate of 0 is
unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.flows import fields
from op25b.readers.flows.delimited import Layout, Syntax, names_of, pieces, separator_of
from op25b.readers.flows.jsonlines import Keys, first_keys, is_json, objects
from op25b.readers.flows.records import REQUIRED, batches, standard

_CSV = {
    "first_seen": ("TIMESTAMP_START",), "last_seen": ("TIMESTAMP_END",), "received": ("TIMESTAMP_ARRIVAL",),
    "src_ip": ("SRC_IP",), "dst_ip": ("DST_IP",), "src_port": ("SRC_PORT",), "dst_port": ("DST_PORT",),
    "protocol": ("PROTOCOL",), "packets": ("PACKETS",), "bytes": ("BYTES",), "flags": ("TCP_FLAGS",),
    "sampling_interval": ("SAMPLING_RATE",), "exporter": ("PEER_SRC_IP",),
}
_JSON = {
    "first_seen": ("timestamp_start",), "last_seen": ("timestamp_end",), "received": ("timestamp_arrival",),
    "src_ip": ("ip_src",), "dst_ip": ("ip_dst",), "src_port": ("port_src",), "dst_port": ("port_dst",),
    "protocol": ("ip_proto",), "packets": ("packets",), "bytes": ("bytes",), "flags": ("tcp_flags",),
    "sampling_interval": ("sampling_rate",), "exporter": ("peer_ip_src",),
}
_REQUIRED = ("first_seen", *REQUIRED)
_SECOND_0 = r"^(?:1969-12-31|1970-01-0[12])[T ]"  # in any time zone
_REMEDY = ("the daemon needs 'aggregate: src_host, dst_host, src_port, dst_port, proto, tcpflags, timestamp_start, "
           "timestamp_end'")


def recognise(head: Head) -> str | None:
    """A CSV header or a JSON object with pmacct's names."""
    if {"ip_src", "ip_dst"} <= set(first_keys(head)):
        return "JSON objects with pmacct's names"
    names = set(names_of(head.lines[0])) if head.lines else set()
    return "pmacct CSV header" if len({"SRC_IP", "DST_IP", "PACKETS", "BYTES"} & names) > 2 else None


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports, both directions."""

    def layout(line: str) -> Layout | None:
        names = names_of(line)
        if not {"SRC_IP", "DST_IP", "PACKETS", "BYTES"}.intersection(names):
            return None
        return Layout(separator_of(line), names, fields.found(source.path, names, _CSV, _REQUIRED, _REMEDY), line)

    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        return _timed(standard(frame, source), source.timezone)

    if is_json(source):
        yield from batches(objects(source, Keys(_JSON, _REQUIRED, _REMEDY)), typed)
    else:
        yield from batches(pieces(source, Syntax(layout, _REMEDY, quoted=True)), typed)


def _timed(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Packets that were not part of a flow (sFlow, libpcap) have no end: it is their start."""
    there = [name for name in ("first_seen", "last_seen", "received") if name in frame.columns]
    none = {name: pl.col(name).str.starts_with("0000-") | (pl.col(name).str.strip_chars("0.") == "") for name in there}
    frame = frame.with_columns(pl.when(~none[name]).then(pl.col(name)).alias(name) for name in there)
    absent = [pl.lit(None, pl.String).alias(name) for name in ("last_seen", "received") if name not in there]
    frame = frame.with_columns(absent)
    endless = frame["last_seen"].is_null() | frame["last_seen"].str.contains(_SECOND_0)
    frame = frame.with_columns(fields.times(frame[name], zone) for name in ("first_seen", "last_seen", "received"))
    end = pl.when(endless).then(pl.col("first_seen")).otherwise(pl.col("last_seen"))
    return frame.with_columns(end.alias("last_seen"))


FORMAT = Format("pmacct", "flows", recognise, read)
