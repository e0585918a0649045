"""Text columns of flow records → batches: first picked by port, then converted, so most rows cost little.

A format's reader hands over frames of text under our names with `record` (line number) and `problem` (why the line
is no record, else NULL), and a function that adds times, and whatever else only the format knows, to the few rows left.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import polars as pl

from op25b import schema
from op25b.errors import Op25bError
from op25b.readers.base import Batch, Source, rejects
from op25b.readers.excerpts import excerpt
from op25b.readers.flows import fields
from op25b.readers.flows.common import TCP, finish
from op25b.readers.text import lines_of
from op25b.settings import MAIL_PORTS

REQUIRED = ("src_ip", "dst_ip", "src_port", "dst_port", "protocol", "packets", "bytes")
_COUNTS = ("packets", "bytes", "reply_packets", "reply_bytes")
_PLAIN = ("src_ip", "dst_ip", "exporter")
_TABLE = [column.name for column in schema.FLOW.columns]
_PIECES, _BLOCKS, _ROWS = 8, 64, 2**16
# While what is left of many blocks is parsed at once, that of so many more is made; mostly little is left of each.
LEFT_AHEAD = 4
Typed = Callable[[pl.DataFrame], pl.DataFrame]
Parse = Callable[[pl.Series, bytes], pl.DataFrame]


@dataclass(frozen=True)
class Piece:
    """Part of a file as text columns; `text` gives a line's text for the list of rejected ones.

    `others` counts rows that are not in the frame, because their ports are known to be none of ours.
    """

    frame: pl.DataFrame
    text: Callable[[int], str | None]
    others: int = 0


@dataclass(frozen=True)
class Left:
    """Lines of a block that their ports do not rule out, and their numbers; `others` counts those that are ruled out.

    `parse` makes columns of numbers and lines; it is the same object for all blocks that are read alike.
    """

    records: pl.Series
    text: bytes
    others: int
    parse: Parse


def left(records: pl.Series, texts: pl.Series, others: int, parse: Parse) -> Left:
    """Lines of a block but blank ones; they are copied, so that the whole block can be forgotten."""
    filled = texts != ""
    return Left(records.filter(filled), texts.filter(filled).str.join("\n").item().encode(), others, parse)


def parsed(blocks: Iterable[Left]) -> Iterator[Piece]:
    """Parse what is left of the blocks, that of several at once, as of each only a little is."""
    group: list[Left] = []
    failure: Op25bError | None = None
    try:
        for block in blocks:
            rows = sum(held.records.len() for held in group)
            if group and (len(group) == _BLOCKS or rows > _ROWS or block.parse is not group[0].parse):
                yield _piece(group)
                group = []
            group.append(block)
    except Op25bError as error:  # what was read of a damaged file before it comes first
        failure = error
    if group:
        yield _piece(group)
    if failure is not None:
        raise failure


def _piece(group: list[Left]) -> Piece:
    records = pl.concat([block.records for block in group]).rename("record").cast(pl.Int64)
    data = b"\n".join(block.text for block in group if block.text)

    def text(line: int) -> str:
        return str(lines_of(data)[int(records.search_sorted(line))])

    others = sum(block.others for block in group)
    return Piece(group[0].parse(records, data), text, others)


def batches(pieces: Iterable[Piece], typed: Typed, port: Callable[[str], pl.Expr] = fields.port) -> Iterator[Batch]:
    """Pick the TCP records on mail ports, convert them, and account for all.

    Few rows of a piece are left, so those of several are converted at once.
    """
    group: list[Piece] = []
    total = 0
    failure: Op25bError | None = None
    try:
        for piece in pieces:
            total += piece.frame.height + piece.others
            group.append(replace(piece, frame=_pick(piece.frame, port)))
            if len(group) == _PIECES or sum(held.frame.height for held in group) > _ROWS:
                yield _batch(group, total, typed)
                group, total = [], 0
    except Op25bError as error:
        failure = error
    if group:
        yield _batch(group, total, typed)
    if failure is not None:
        raise failure


def _batch(group: list[Piece], total: int, typed: Typed) -> Batch:
    picked = pl.concat([piece.frame for piece in group], how="diagonal")
    if picked.is_empty():
        return Batch(schema.FLOW.empty(), total, 0, rejects([]))
    good, bad = finish(typed(picked), "line")
    good = good.select([name for name in _TABLE if name in good.columns])
    group = [piece for piece in group if piece.frame.height]
    starts = [int(piece.frame["record"][0]) for piece in group]
    texts = [group[bisect_right(starts, line) - 1].text(line) for line in bad["line"]]
    shown = pl.Series("excerpt", [None if text is None else excerpt(text) for text in texts], pl.String)
    return Batch(good, total, good.height, bad.with_columns(shown))


def _pick(frame: pl.DataFrame, port: Callable[[str], pl.Expr]) -> pl.DataFrame:
    """Rows that are TCP on a mail port, and those of which that cannot be told."""
    frame = frame.with_columns(port("src_port"), port("dst_port"))
    source, destination, protocol = pl.col("src_port"), pl.col("dst_port"), pl.col("protocol")
    mail = source.is_in(MAIL_PORTS) | destination.is_in(MAIL_PORTS) | source.is_null() | destination.is_null()
    tcp = (protocol == "TCP") | (protocol == "tcp") | (protocol == "6") | (protocol == "") | protocol.is_null()
    ours = frame.filter(pl.col("problem").is_not_null() | (mail & tcp))
    return ours.with_columns(pl.col("src_port", "dst_port").cast(pl.Int32))


def standard(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Convert the columns that mean the same in every format; a column the file lacks becomes NULL.

    The sampling interval is the record's own where it has one, else the input's setting.
    """
    have = set(frame.columns)
    null = pl.lit(None)
    tcp = pl.col("protocol").is_in(["TCP", "tcp", "6"])
    interval = fields.number("sampling_interval", 2**31 - 1).replace(0, None) if "sampling_interval" in have else null
    columns = [
        pl.when(tcp).then(TCP).cast(pl.Int32).alias("protocol"),
        pl.coalesce(interval, pl.lit(source.sampling_interval)).cast(pl.Int32).alias("sampling_interval"),
        fields.flags(frame["flags"]) if "flags" in have else null.cast(pl.Int16).alias("tcp_flags"),
        # 0 means that the exporter sent none (RFC 7270: 0 is "unknown").
        (fields.positive("forwarding_status").cast(pl.Int16, strict=False) if "forwarding_status" in have
         else null.cast(pl.Int16)).alias("forwarding_status"),
        *[(fields.number(c) if c in have else null.cast(pl.Int64)).alias(c) for c in _COUNTS],
        *[(_text(c) if c in have else null.cast(pl.String)).alias(c) for c in _PLAIN],
    ]
    return frame.with_columns(columns)


def _text(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text)


def both_directions(frame: pl.DataFrame) -> pl.DataFrame:
    """Formats with reply counters for all records: both 0 means that the exporter sent none, not that none came."""
    none = (pl.col("reply_packets") == 0) & (pl.col("reply_bytes") == 0)
    return frame.with_columns(pl.when(~none).then(pl.col(c)).alias(c) for c in ("reply_packets", "reply_bytes"))


def whole_addresses(frame: pl.DataFrame) -> pl.DataFrame:
    """Mark records of aggregated output, which has 0.0.0.0 or :: where addresses were summed over."""
    unspecified = pl.col("src_ip").is_in(["0.0.0.0", "::"]) | pl.col("dst_ip").is_in(["0.0.0.0", "::"])  # noqa: S104
    reason = pl.when(unspecified).then(pl.lit("has no address: aggregated output"))
    return frame.with_columns(pl.coalesce("problem", reason).alias("problem"))
