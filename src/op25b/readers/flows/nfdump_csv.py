"""Text of `nfdump -o csv` (48 columns until 1.7.4, 10 since 1.7.5), `csv-fast` and `csv:` with tokens of one's choice.

Columns are known by the names in the header line. Local times have no zone: they are in the time zone that nfdump ran
in, which is the input's `timezone`, or the site's. `Summary` and the lines after it are no rows; statistics (`-s`) are
not flow records and have another header. A 0 for flags, router and counters of the reply means "not exported".
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.flows import fields
from op25b.readers.flows.delimited import Layout, Syntax, names_of, pieces, separator_of
from op25b.readers.flows.records import REQUIRED, batches, both_directions, standard, whole_addresses

_KNOWN = {
    "first_seen": ("ts", "firstSeen"), "last_seen": ("te", "lastSeen"), "duration": ("td", "duration"),
    "received": ("tr", "received"), "src_ip": ("sa", "srcAddr"), "dst_ip": ("da", "dstAddr"),
    "src_port": ("sp", "srcPort"), "dst_port": ("dp", "dstPort"), "protocol": ("pr", "proto"),
    "flags": ("flg", "flags"), "forwarding_status": ("fwd", "fwdStatus"), "packets": ("ipkt", "packets", "inPackets"),
    "bytes": ("ibyt", "bytes", "inBytes"), "reply_packets": ("opkt", "outPackets"),
    "reply_bytes": ("obyt", "outBytes"), "exporter": ("ra", "routerIP"),
}
_MARKS = ({"ts", "sa", "da", "pr"}, {"firstSeen", "proto", "packets", "bytes"}, {"firstSeen", "srcAddr"},
          {"srcAddr", "dstAddr", "proto"})
_NOISE = r"^(?:Summary|flows[,;]bytes[,;]packets[,;]avg_bps[,;]avg_pps[,;]avg_bpp|\d+(?:[,;]\d+){5}|No match\w* flows)$"
_REMEDY = "print it with 'nfdump -o csv' (before 1.7.5), 'csv-fast', or 'csv:' with tokens for all of these columns"


def recognise(head: Head) -> str | None:
    """The header line names nfdump's columns."""
    first = head.lines[0] if head.lines else ""
    names = names_of(first)
    return f"nfdump csv header with {len(names)} columns" if _is_header(names) else None


def _is_header(names: list[str]) -> bool:
    return any(marks <= set(names) for marks in _MARKS) and "val" not in names


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports, both directions."""

    def layout(line: str) -> Layout | None:
        names = names_of(line)
        if not _is_header(names):
            return None
        end = "duration" if "duration" in names and "lastSeen" not in names else "last_seen"
        columns = fields.found(source.path, names, _KNOWN, ("first_seen", end, *REQUIRED), _REMEDY)
        return Layout(separator_of(line), names, columns, line)

    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        return whole_addresses(both_directions(_timed(standard(frame, source), source.timezone)))

    yield from batches(pieces(source, Syntax(layout, _REMEDY, noise=_NOISE)), typed)


def _timed(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Times are local text (`csv`) or milliseconds since 1970 (`csv-fast`)."""
    text = {name for name in ("first_seen", "last_seen", "received") if name in frame.columns}
    frame = frame.with_columns(fields.times(frame[name], zone, "ms") for name in text)
    # 1.7.1 truncates ts and te alike, so te is nearer the truth than ts + td.
    if "last_seen" not in text:
        frame = frame.with_columns((pl.col("first_seen") + fields.seconds("duration")).alias("last_seen"))
    # An exporter without an address: nfdump prints zeros.
    return frame.with_columns(pl.col("exporter").replace(["0.0.0.0", "::"], None))  # noqa: S104


FORMAT = Format("nfdump-csv", "flows", recognise, read)
