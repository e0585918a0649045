"""Zeek's `conn.log`, tab-separated (columns by its `#fields` line, which may occur again) or JSON lines.

Records are bidirectional; bytes are those of IP packets (`orig_ip_bytes`), as in NetFlow, not of the payload. Times
are UTC. What `conn_state` and `history` prove is in `_proof`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.flows import fields
from op25b.readers.flows.common import ACK, FIN, RST, SYN
from op25b.readers.flows.delimited import Layout, Syntax, pieces
from op25b.readers.flows.jsonlines import Keys, first_keys, is_json, objects
from op25b.readers.flows.records import REQUIRED, batches, standard

_KNOWN = {
    "first_seen": ("ts",), "duration": ("duration",), "src_ip": ("id.orig_h",), "src_port": ("id.orig_p",),
    "dst_ip": ("id.resp_h",), "dst_port": ("id.resp_p",), "protocol": ("proto",), "state": ("conn_state",),
    "history": ("history",), "packets": ("orig_pkts",), "bytes": ("orig_ip_bytes",),
    "reply_packets": ("resp_pkts",), "reply_bytes": ("resp_ip_bytes",),
}
_REQUIRED = ("first_seen", "state", *REQUIRED)
_REMEDY = "Zeek's conn.log has it unless a script removed it; keep the fields of the default policy"
_UNSET = ("-", "(empty)", "")
_FIELDS = "#fields"


def recognise(head: Head) -> str | None:
    """`#path conn` or the field names of conn.log."""
    if {"id.orig_h", "id.resp_h", "conn_state"} <= set(first_keys(head)):
        return "Zeek conn.log as JSON"
    for line in head.lines[:20]:
        if line.startswith(_FIELDS) and {"id.orig_h", "conn_state"} <= set(_names(line, _separator(line))):
            return "Zeek conn.log, #fields with conn_state"
    return None


def _separator(line: str) -> str:
    """The separator stands right behind `#fields`; it is a tab unless the site chose another."""
    return line[len(_FIELDS) : len(_FIELDS) + 1] or "\t"


def _names(line: str, separator: str) -> list[str]:
    return line.rstrip("\r\n").split(separator)[1:]


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP connections on mail ports."""

    def layout(line: str) -> Layout | None:
        if not line.startswith(_FIELDS):
            return None
        names = _names(line, _separator(line))
        return Layout(_separator(line), names, fields.found(source.path, names, _KNOWN, _REQUIRED, _REMEDY))

    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        text = [name for name in _KNOWN if name in frame.columns and frame.schema[name] == pl.String]
        unset = frame.with_columns(pl.when(~pl.col(name).is_in(_UNSET)).then(pl.col(name)).alias(name) for name in text)
        return _timed(_proven(standard(unset, source)))

    syntax = Syntax(layout, "a tab-separated conn.log starts with #separator and #fields lines", noise="^#",
                    marker=_FIELDS.encode())
    if is_json(source):
        yield from batches(objects(source, Keys(_KNOWN, _REQUIRED, _REMEDY)), typed)
    else:
        yield from batches(pieces(source, syntax), typed)


def _timed(frame: pl.DataFrame) -> pl.DataFrame:
    lasted = fields.seconds("duration") if "duration" in frame.columns else pl.lit(None, pl.Duration("us"))
    frame = frame.with_columns(fields.times(frame["first_seen"], "UTC"))
    unset = pl.col("duration").is_null() if "duration" in frame.columns else pl.lit(value=True)
    last = pl.when(unset).then(pl.col("first_seen")).otherwise(pl.col("first_seen") + lasted)
    return frame.with_columns(last.alias("last_seen"))


def _proven(frame: pl.DataFrame) -> pl.DataFrame:
    if "history" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("history"))
    distinct = frame["history"].unique().drop_nulls()
    bits = pl.Series([_bits(history) for history in distinct], dtype=pl.Int16)
    proof, seen_all = _proof(), pl.col("sampling_interval").fill_null(1) == 1
    return frame.with_columns(
        pl.col("history").replace_strict(distinct, bits, default=None).alias("tcp_flags"),
        pl.when(proof | seen_all).then(proof).alias("established"),
    )


def _bits(history: str) -> int | None:
    """TCP flags of both sides from the letters of `history`; data (D) is always sent with ACK."""
    letters = {"S": SYN, "H": SYN | ACK, "A": ACK, "D": ACK, "F": FIN, "R": RST}
    bits = 0
    for letter in re.sub("[^SHADFR]", "", history.upper()):
        bits |= letters[letter]
    return bits or None


def _proof() -> pl.Expr:
    """Whether a connection was established, by Zeek's state; where it saw one side only, data (D, d) proves it.

    S0 (no answer), REJ and RSTOS0 are none, unless the originator acknowledged and sent data: then the answer went
    another way. SH, SHR, RSTRH and OTH cannot tell without data.
    """
    state, history = pl.col("state"), pl.col("history").fill_null("")
    data = history.str.contains("[Dd]")
    one_sided = history.str.contains("A", literal=True) & history.str.contains("D", literal=True)
    none = state.is_in(["S0", "REJ", "RSTOS0"])
    return (
        pl.when(state.is_in(["S1", "S2", "S3", "SF", "RSTO", "RSTR"])).then(statement=True)
        .when(none).then(one_sided)
        .when(state.is_in(["SH", "SHR", "RSTRH", "OTH"]) & data).then(statement=True)
    )


FORMAT = Format("zeek", "flows", recognise, read)
