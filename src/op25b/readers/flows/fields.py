"""Text fields of flow records → typed expressions; what cannot be read becomes NULL, and `finish` says so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from op25b.errors import InputError, nearest
from op25b.readers.flows.common import flag_bits

_DATE = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9:]{8})(?:[.,]([0-9]{1,9}))? ?(Z|[+-][0-9]{2}:?[0-9]{2})?$"
_LATEST = 7_258_118_400_000_000  # the year 2200, in microseconds: what is later is no time of a flow


def number(name: str, most: int = 2**63 - 1) -> pl.Expr:
    """A whole number from 0 to `most`."""
    value = pl.col(name).cast(pl.Int64, strict=False)
    return pl.when(value.is_between(0, most)).then(value).alias(name)


def port(name: str) -> pl.Expr:
    """A port number."""
    return pl.col(name).cast(pl.UInt16, strict=False)


def positive(name: str) -> pl.Expr:
    """A whole number where 0 means that none was exported."""
    return number(name).replace(0, None)


def flags(text: pl.Series) -> pl.Expr:
    """TCP flags as letters, hexadecimal or decimal → bit mask; 0 means that none were exported."""
    distinct = text.unique().drop_nulls()
    bits = [_bits(value) for value in distinct]
    return pl.col(text.name).replace_strict(distinct, pl.Series(bits, dtype=pl.Int16), default=None).alias("tcp_flags")


def _bits(text: str) -> int | None:
    text = text.strip()
    if text.isdecimal():
        return int(text) & 0xFF or None if len(text) <= 5 else None
    if text.lower().startswith("0x"):
        return int(text, 16) & 0xFF or None if re.fullmatch("0[xX][0-9a-fA-F]{1,4}", text) else None
    return flag_bits(text)


def times(text: pl.Series, zone: str, unit: str | None = "s") -> pl.Series:
    """Naive UTC from counts of `unit` (s, ms, us, ns; None: not allowed) since 1970, or from dates with a time.

    A date and time is read as what its own zone says, else as local time of `zone`: the earlier where it occurs twice,
    and no time at all where it does not occur. The common forms are tried first, each on what is left.
    """
    text = text.str.strip_chars()
    nothing = pl.Series(text.name, [None], pl.Datetime("us")).new_from_index(0, text.len())
    result = _counted(text, unit) if unit else nothing
    for read in (_plain, _general):
        left = result.is_null() & (text.fill_null("") != "")
        if not left.any():
            break
        values = read(text.filter(left), zone)
        result = values if left.all() else result.scatter(left.arg_true(), values)
    return result.rename(text.name)


def _counted(text: pl.Series, unit: str) -> pl.Series:
    """Counts since 1970; those of seconds may have a fraction. 0 is no time."""
    value = pl.col(text.name)
    if unit == "s":
        parts = value.str.splitn(".", 2)
        whole = parts.struct.field("field_0").cast(pl.Int64, strict=False)
        fraction = _fraction(parts.struct.field("field_1"))
        count = pl.when(whole.is_between(0, _LATEST // 10**6)).then(whole * 10**6 + fraction)
    else:
        number = value.cast(pl.Int64, strict=False)
        scaled = number // 1000 if unit == "ns" else number * (1000 if unit == "ms" else 1)
        count = pl.when(number.is_between(0, _LATEST * (1000 if unit == "ns" else 1))).then(scaled)
    sane = pl.when(count.is_between(1, _LATEST)).then(count)
    return text.to_frame().select(pl.from_epoch(sane, time_unit="us").alias(text.name)).to_series()


def _fraction(digits: pl.Expr) -> pl.Expr:
    """Microseconds from the digits after the point; NULL where they are none."""
    number = digits.fill_null("").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64, strict=False)
    return pl.when(number >= 0).then(number)


def _plain(text: pl.Series, zone: str) -> pl.Series:
    """`2026-01-31 12:00:01` with or without a fraction."""
    shown = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    return shown.to_frame("shown").select(_utc(_sane(pl.col("shown")), zone)).to_series()


def _general(text: pl.Series, zone: str) -> pl.Series:
    """The same with `/` or `T`, a comma before the fraction, or a zone."""
    parts = text.str.replace_all("/", "-", literal=True).str.extract_groups(_DATE)
    frame = parts.to_frame("parts").unnest("parts")
    offset = pl.col("4")
    shown = pl.concat_str("1", pl.lit(" "), "2").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    shown = _sane(shown + pl.duration(microseconds=_fraction(pl.col("3"))))
    minutes = offset.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + offset.str.slice(-2, 2).cast(
        pl.Int64, strict=False)
    east = pl.when(offset == "Z").then(0).when(offset.str.starts_with("-")).then(-minutes).otherwise(minutes)
    zoned = pl.when(offset.is_not_null()).then(shown - pl.duration(minutes=east))
    return frame.select(zoned.fill_null(_utc(pl.when(offset.is_null()).then(shown), zone))).to_series()


def _sane(shown: pl.Expr) -> pl.Expr:
    return pl.when(shown.dt.year().is_between(1970, 2199)).then(shown)


def _utc(local: pl.Expr, zone: str) -> pl.Expr:
    zoned = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def seconds(name: str) -> pl.Expr:
    """A duration from seconds with or without a fraction; an empty one is 0."""
    text = pl.col(name).str.strip_chars()
    count = pl.when(text == "").then(0.0).otherwise(text.cast(pl.Float64, strict=False))
    sane = pl.when(count.is_between(0, 10**9)).then(count)
    return pl.duration(microseconds=(sane * 1_000_000).round(0).cast(pl.Int64))


def found(path: Path, names: Sequence[str], known: Mapping[str, Sequence[str]], required: Sequence[str],
          remedy: str) -> dict[str, str]:
    """Our name → the file's name for it, of those in `known` that the file has.

    An `InputError` names the first of `required` that the file lacks, and the name most like it.
    """
    there = {ours: next((name for name in theirs if name in names), None) for ours, theirs in known.items()}
    for ours in required:
        if there.get(ours) is None:
            wanted = known[ours][0]
            hint = nearest(wanted, [name for name in names if name])
            raise InputError(path, f"no field {wanted!r}{hint} (found: {', '.join(names)[:400] or 'none'})", remedy)
    return {ours: name for ours, name in there.items() if name is not None}
