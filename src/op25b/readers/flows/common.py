"""What all flow readers share: which ports matter, TCP flags, and what a record proves about its session."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from op25b.readers.base import numbered_ips, rejects
from op25b.settings import MAIL_PORTS

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TCP = 6
_NEEDED = ("first_seen", "last_seen", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "packets", "bytes")
_UNSET = datetime(1970, 1, 1)  # noqa: DTZ001  # naive UTC; what nfdump prints where no time was exported


def flag_bits(text: str) -> int | None:
    """Flags as text (`...AP.SF` of nfdump, `FS A` of SiLK, `0x1b`) → bit mask; None when no flag was exported."""
    text = text.strip()
    if text.lower().startswith("0x"):
        return int(text, 16) or None
    letters = {"F": FIN, "S": SYN, "R": RST, "P": PSH, "A": ACK, "U": 32, "E": 64, "C": 128, "W": 128}
    bits = 0
    for letter in text.upper():
        bits |= letters.get(letter, 0)
    return bits or None


def established(flags: pl.Expr, src_port: pl.Expr, interval: pl.Expr) -> pl.Expr:
    """Whether a one-directional TCP record proves a session (true), excludes one (false) or cannot tell (NULL).

    The side that opens: SYN and ACK together mean that it saw the other's SYN/ACK and answered it. The side that
    answers (its source port is a mail port): SYN/ACK alone is half open, data (PSH) after it proves the handshake.
    Without SYN, ACK with data continues a session that began earlier. Under sampling the absence of a flag proves
    nothing; neither does a missing flag field.
    """
    def has(bit: int) -> pl.Expr:
        return (flags & bit) != 0

    answers = src_port.is_in(list(MAIL_PORTS))
    proven = has(ACK) & pl.when(answers).then(has(PSH)).otherwise(has(SYN) | has(PSH))
    sampled = interval.fill_null(0) != 1
    return pl.when(flags.is_null()).then(None).when(proven).then(statement=True).when(sampled).then(None).otherwise(
        statement=False
    )


def _established_both() -> pl.Expr:
    """The same of a record with counters of both directions: its flags are those of both sides together.

    So SYN and ACK may be a SYN and the reset that refused it. What proves a session is data (PSH) or a FIN; answered
    by a reset, one packet of the client is a scan, whatever its flags. Without them, one packet of the client is no
    handshake, and neither are answers of bare segments: these are resets, as a SYN/ACK has options. The rest cannot
    tell.
    """
    def has(bit: int) -> pl.Expr:
        return (pl.col("tcp_flags") & bit) != 0

    answers = pl.col("src_port").is_in(list(MAIL_PORTS))
    client = pl.when(answers).then("reply_packets").otherwise("packets")
    back, back_bytes = (pl.when(answers).then(there).otherwise(f"reply_{there}") for there in ("packets", "bytes"))
    bare = pl.when(pl.col("src_high") == 0).then(40).otherwise(60)  # headers of IPv4 or IPv6, and TCP
    proven = has(ACK) & (has(PSH) | has(FIN)) & ((client > 1) | ~has(RST))
    none = ~has(ACK) | (client < 2) | (back_bytes <= back * bare).fill_null(value=False)
    told = pl.col("tcp_flags").is_not_null() & (pl.col("sampling_interval") == 1)
    return pl.when(proven).then(statement=True).when(told & none).then(statement=False)


def finish(frame: pl.DataFrame, what: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split parsed flow records into (good rows in canonical form, rejected rows).

    `frame` has `record` (its number in the file), src_ip, dst_ip, times, ports, protocol, packets, bytes,
    tcp_flags, sampling_interval; it may have `problem` (why a record is none, else NULL), `established`, where the
    format says more than flags do, and the numbers of its addresses, where these are canonical.

    What address translators report (NEL) comes among the flows without time, packets and bytes. It is in neither.
    """
    timeless = pl.col("first_seen") == _UNSET
    event = timeless & (pl.col("packets") == 0) & (pl.col("bytes") == 0)
    if frame.select(event.any()).item():  # seldom
        frame = frame.filter(~event.fill_null(value=False))
    if "src_low" not in frame.columns:
        frame = numbered_ips(frame, {"src_ip": "src", "dst_ip": "dst"})
    missing = pl.any_horizontal(pl.col(c).is_null() for c in _NEEDED)
    backwards = (pl.col("last_seen") < pl.col("first_seen")).fill_null(value=False)
    known = pl.col("problem").is_not_null() if "problem" in frame.columns else pl.lit(value=False)
    is_bad = frame.select((missing | backwards | known | timeless).alias("bad")).to_series()
    good = frame.drop("record", "problem", strict=False)
    bad = rejects([])
    if is_bad.any():  # seldom, so it is not found out for all
        bad = rejects((row["record"], None, f"{what} {_reason(row)}", None)
                      for row in frame.filter(is_bad).iter_rows(named=True))
        good = good.filter(~is_bad)
    if "established" not in good.columns:
        flags, port, interval = pl.col("tcp_flags"), pl.col("src_port"), pl.col("sampling_interval")
        verdict = established(flags, port, interval)
        if "reply_packets" in good.columns and good["reply_packets"].null_count() < good.height:
            verdict = pl.when(pl.col("reply_packets") > 0).then(_established_both()).otherwise(verdict)
        good = good.with_columns(verdict.alias("established"))
    return good, bad


def _reason(row: dict[str, Any]) -> str:
    missing = [name for name in _NEEDED if row[name] is None]
    if row.get("problem") or missing:
        return row.get("problem") or f"unreadable: {' '.join(missing)}"
    return "has no time" if row["first_seen"] == _UNSET else "ends before it starts"
