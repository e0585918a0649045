"""Text of Argus' `ra` with a delimiter (the "binetflow" layout of the CTU-13 data set and its relatives).

Records are bidirectional. Bytes are those of whole frames, as Argus counts them. `TotPkts` has no split unless SrcPkts
is there too: see `_split`. What `State` proves is in `_proof`. Times are local where `ra` ran, or seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.flows import common, fields
from op25b.readers.flows.common import ACK, FIN, PSH, RST, SYN
from op25b.readers.flows.delimited import Layout, Syntax, names_of, pieces, separator_of
from op25b.readers.flows.records import batches, standard

_KNOWN = {
    "first_seen": ("StartTime",), "last_seen": ("LastTime",), "duration": ("Dur",), "protocol": ("Proto",),
    "src_ip": ("SrcAddr",), "dst_ip": ("DstAddr",), "src_port": ("Sport",), "dst_port": ("Dport",),
    "state": ("State",), "total_packets": ("TotPkts",), "total_bytes": ("TotBytes",), "packets": ("SrcPkts",),
    "bytes": ("SrcBytes",), "reply_packets": ("DstPkts",), "reply_bytes": ("DstBytes",),
}
_REQUIRED = ("first_seen", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "state", "bytes")
_REMEDY = ("print it with 'ra -n -u -Z b -c , -s stime dur proto saddr sport dir daddr dport state stos dtos pkts "
           "bytes sbytes'")
# ra without -n prints the names of /etc/services.
_SERVICES = {"smtp": 25, "pop3": 110, "pop-3": 110, "imap": 143, "imap2": 143, "urd": 465, "ssmtp": 465, "smtps": 465,
             "submissions": 465, "submission": 587, "imaps": 993, "pop3s": 995}
_SMALLEST, _LARGEST = 54, 1514  # an Ethernet frame with a bare TCP segment, and a full one


def recognise(head: Head) -> str | None:
    """The header line has Argus' names."""
    first = head.lines[0] if head.lines else ""
    return "Argus ra header" if {"StartTime", "SrcAddr", "DstAddr"} <= set(names_of(first)) else None


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports."""

    def layout(line: str) -> Layout | None:
        # `ra -c` prints any delimiter; data sets come with commas and with tabs.
        separator = separator_of(line)
        names = names_of(line, separator)
        if "StartTime" not in names:
            return None
        end = "duration" if "Dur" in names else "last_seen"
        packets = "packets" if "SrcPkts" in names else "total_packets"
        replies = "reply_bytes" if "DstBytes" in names else "total_bytes"
        required = (*_REQUIRED, end, packets, replies)
        columns = fields.found(source.path, names, _KNOWN, required, _REMEDY)
        # srcUdata and dstUdata (the first bytes of the payload) may hold commas; all that we need stands before them.
        last = max(names.index(name) for name in columns.values())
        free = [names.index(name) for name in ("srcUdata", "dstUdata") if name in names]
        return Layout(separator, names, columns, line, spare=bool(free) and min(free) > last)

    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        return _proven(_timed(_counted(standard(frame, source)), source.timezone))

    yield from batches(pieces(source, Syntax(layout, _REMEDY)), typed, _port)


def _port(name: str) -> pl.Expr:
    """A port as a number, in hexadecimal (`0x0019`), or as one of the services we care for."""
    text = pl.col(name)
    hexadecimal = text.str.slice(2).str.to_integer(base=16, strict=False, dtype=pl.Int64)
    value = (
        pl.when(text.str.starts_with("0x")).then(hexadecimal)
        .otherwise(text.cast(pl.Int64, strict=False).fill_null(
            text.replace_strict(list(_SERVICES), list(_SERVICES.values()), default=None, return_dtype=pl.Int64)))
    )
    return value.cast(pl.UInt16, strict=False).alias(name)


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    if "total_bytes" in frame.columns:
        back = fields.number("total_bytes") - pl.col("bytes")
        frame = frame.with_columns(pl.coalesce("reply_bytes", pl.when(back >= 0).then(back)).alias("reply_bytes"))
    if "total_packets" not in frame.columns:
        return frame
    total = fields.number("total_packets")
    reply = pl.coalesce("reply_packets", total - pl.col("packets"), _split(total))
    return frame.with_columns(
        pl.coalesce("packets", total - reply).alias("packets"), pl.when(reply >= 0).then(reply).alias("reply_packets"))


def _split(total: pl.Expr) -> pl.Expr:
    """Packets back, out of the total of both directions.

    0 where no bytes came back, all where none went there. Else half, as TCP acknowledges about as often as it sends,
    moved to where all frames are of 54 to 1514 bytes; that leaves one number for refused connections. Larger frames
    exist (offloading), so 54 counts for more.
    """
    there, back = pl.col("bytes"), pl.col("reply_bytes")
    small = pl.max_horizontal(total // 2, -(-back // _LARGEST))
    fair = pl.min_horizontal(small, total + (-there // _LARGEST))
    enough = pl.max_horizontal(fair, pl.lit(1), total - there // _SMALLEST)
    both = pl.min_horizontal(enough, total - 1, back // _SMALLEST)
    return pl.when(back == 0).then(0).when(there == 0).then(total).otherwise(both)


def _timed(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    undated = pl.when(pl.col("first_seen").str.contains(r"^\d\d:\d\d:\d\d")).then(
        pl.lit("StartTime has no date (print it with ra -u)"))
    first = fields.times(frame["first_seen"], zone)
    frame = frame.with_columns(pl.coalesce("problem", undated).alias("problem"), first)
    if "duration" in frame.columns:
        return frame.with_columns((pl.col("first_seen") + fields.seconds("duration")).alias("last_seen"))
    return frame.with_columns(fields.times(frame["last_seen"], zone))


def _proven(frame: pl.DataFrame) -> pl.DataFrame:
    """Flags of both sides from `FSPA_FSPA` (ra -Z b), and what the state proves."""
    sides = pl.col("state").str.extract_groups(r"^([FSRPAUEC]*)_([FSRPAUEC]*)$")
    frame = frame.with_columns(sides.struct.field("1").alias("_there"), sides.struct.field("2").alias("_back"))
    bits = [fields.flags(frame[name]).fill_null(0).alias(name) for name in ("_there", "_back")]
    frame = frame.with_columns(pl.col("_there").is_not_null().alias("_flags")).with_columns(bits)
    both = pl.col("_there") | pl.col("_back")
    proof = pl.when("_flags").then(_proof_of_flags()).otherwise(_proof_of_word())
    seen_all = pl.col("sampling_interval").fill_null(1) == 1
    return frame.with_columns(
        pl.when(both != 0).then(both).cast(pl.Int16).alias("tcp_flags"),
        pl.when(proof | seen_all).then(proof).alias("established"),
    )


def _proof_of_flags() -> pl.Expr:
    """Data (PSH) either way, an acknowledged SYN/ACK, or a FIN of both sides prove a session.

    A SYN without answer, answered by a reset, or whose SYN/ACK was never acknowledged is none. The rest (records that
    begin in the middle, or that saw one side only) cannot tell.
    """
    there, back = pl.col("_there"), pl.col("_back")

    def has(side: pl.Expr, bits: int) -> pl.Expr:
        return (side & bits) == bits

    one_sided = common.established(pl.when(there != 0).then(there), pl.col("src_port"), pl.lit(1))
    proven = (
        has(there, PSH | ACK) | has(back, PSH | ACK) | (has(there, SYN | ACK) & has(back, SYN | ACK))
        | (has(there, FIN) & has(back, FIN)) | ((back == 0) & one_sided.fill_null(value=False))
    )
    unanswered = has(there, SYN) & ((there & ACK) == 0) & (
        (back == 0) | (has(back, RST) & ((back & (SYN | FIN)) == 0)) | has(back, SYN | ACK))
    return pl.when(proven).then(statement=True).when(unanswered).then(statement=False)


def _proof_of_word() -> pl.Expr:
    """What ra prints without -Z: REQ (no answer), ACC (SYN/ACK only), CON, EST, FIN, CLO; RST and TIM can be either."""
    word = pl.col("state")
    refused = (word == "RST") & (pl.col("packets") == 1) & (pl.col("reply_packets") == 1)
    return (
        pl.when(word.is_in(["CON", "EST", "FIN", "CLO"])).then(statement=True)
        .when(word.is_in(["REQ", "ACC"]) | refused).then(statement=False)
    )


FORMAT = Format("argus", "flows", recognise, read)
