"""Text of SiLK's `rwcut`, any fields in any order, named by the title line (`--no-titles` cannot be read).

By default fields are padded with blanks and each ends with `|`; `--delimited` has another delimiter and no padding.
rwcut prints UTC unless it was told or built to print local time: then the input needs `timezone`. SiLK holds no
sampling interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.flows import fields
from op25b.readers.flows.delimited import Layout, Syntax, names_of, pieces, separator_of
from op25b.readers.flows.records import REQUIRED, batches, standard

# Titles are cut to the width of their column: `pro` for protocol, `sen` for sensor.
_KNOWN = {
    "first_seen": ("sTime", "sTime+msec"), "last_seen": ("eTime", "eTime+msec"),
    "duration": ("duration", "dur", "dur+msec", "durat"), "src_ip": ("sIP",), "dst_ip": ("dIP",),
    "src_port": ("sPort",), "dst_port": ("dPort",), "protocol": ("protocol", "pro"), "packets": ("packets", "pkts"),
    "bytes": ("bytes",), "flags": ("flags",), "exporter": ("sensor", "sen"),
}
_REMEDY = ("print it with titles and at least 'rwcut --fields=sIP,dIP,sPort,dPort,protocol,packets,bytes,flags,sTime,"
           "eTime'")
_OWN = {"sIP", "dIP", "sPort", "dPort", "sTime", "eTime", "sTime+msec", "eTime+msec"}


def recognise(head: Head) -> str | None:
    """The title line has at least two of SiLK's own field names."""
    first = head.lines[0] if head.lines else ""
    own = [name for name in names_of(first) if name in _OWN]
    return f"SiLK rwcut titles {', '.join(own[:4])}" if len(own) > 1 else None


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports, both directions."""
    zone = source.stated_timezone or "UTC"

    def layout(line: str) -> Layout | None:
        names = names_of(line)
        if len(_OWN.intersection(names)) < 2:
            return None
        end = "duration" if {"duration", "dur", "dur+msec"}.intersection(names) else "last_seen"
        columns = fields.found(source.path, names, _KNOWN, ("first_seen", end, *REQUIRED), _REMEDY)
        return Layout(separator_of(line), names, columns, line)

    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        # --ip-format=zero-padded
        plain = pl.col("src_ip", "dst_ip").str.replace_all(r"(^|\.)0+([0-9])", "${1}$2")
        return _timed(standard(frame, source).with_columns(plain), zone)

    padded = pl.col("src_port", "dst_port", "protocol", "packets", "bytes").str.strip_chars()
    found = pieces(source, Syntax(layout, _REMEDY, padded=True))
    yield from batches((replace(piece, frame=piece.frame.with_columns(padded)) for piece in found), typed)


def _timed(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    american = r"^\s*(\d\d)/(\d\d)/(\d{4}) "  # --timestamp-format=m/d/y
    times = [name for name in ("first_seen", "last_seen") if name in frame.columns]
    frame = frame.with_columns(pl.col(name).str.replace(american, "$3-$1-$2 ") for name in times)
    frame = frame.with_columns(fields.times(frame[name], zone) for name in times)
    if "last_seen" not in times:
        frame = frame.with_columns((pl.col("first_seen") + fields.seconds("duration")).alias("last_seen"))
    return frame


FORMAT = Format("silk", "flows", recognise, read)
