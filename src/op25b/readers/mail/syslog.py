"""Syslog lines as columns: time stamps in the forms syslog daemons write, host, tag and message.

Forms read: RFC 3164 (`Nov 24 12:00:01`, no year, local time), the same with a year in front, ISO 8601 with or without
fraction and zone (rsyslog's and systemd's default), RFC 5424, each with or without a `<priority>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from op25b.readers.base import Source
from op25b.readers.text import Block

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_BSD = r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
_YEAR_BSD = r"^\d{4} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
_ISO = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"
_PRIORITY = r"^<\d{1,3}>(?:1 )?"


def split(block: Block) -> pl.DataFrame:
    """One row a line: line, month (of stamps without a year), stamp, host, tag, rest; stamp is NULL where none is."""
    frame = pl.DataFrame({"line": pl.int_range(block.first_line, block.first_line + block.lines.len(), eager=True),
                          "text": block.lines})
    text = pl.col("text")
    frame = frame.with_columns(
        pl.when(text.str.starts_with("<")).then(text.str.replace(_PRIORITY, "")).otherwise(text).alias("text")
    )
    bsd = text.str.contains(_BSD)
    if frame.select(bsd.all()).item():
        return _split_bsd(frame)
    iso, dated = text.str.contains(_ISO), text.str.contains(_YEAR_BSD)
    none = ~(bsd | iso | dated)
    parts = [
        _split_bsd(frame.filter(bsd)),
        _split_iso(frame.filter(iso)),
        _split_dated(frame.filter(dated)),
        frame.filter(none).select("line", *[pl.lit(None, pl.String).alias(c) for c in ("stamp", "host", "tag")],
                                  pl.col("text").alias("rest")),
    ]
    return pl.concat(parts, how="vertical").sort("line")


def _fields(frame: pl.DataFrame, stamp: pl.Expr, remainder: pl.Expr) -> pl.DataFrame:
    return (
        frame.select("line", stamp.alias("stamp"), remainder.str.splitn(" ", 3).alias("parts"))
        .unnest("parts")
        .select("line", "stamp", pl.col("field_0").alias("host"), pl.col("field_1").alias("tag"),
                pl.col("field_2").alias("rest"))
    )


def _split_bsd(frame: pl.DataFrame) -> pl.DataFrame:
    return _fields(frame, pl.col("text").str.slice(0, 15), pl.col("text").str.slice(16))


def _split_dated(frame: pl.DataFrame) -> pl.DataFrame:
    return _fields(frame, pl.col("text").str.slice(0, 20), pl.col("text").str.slice(21))


def _split_iso(frame: pl.DataFrame) -> pl.DataFrame:
    # RFC 5424 has `app procid msgid structured-data` where others have `tag:`; rewrite it as `app[procid]: message`.
    new = r"^(\S+ \S+) ([^\s:\[]+) (\d+|-) \S+ (?:-|\[(?:[^\]\\]|\\.)*\])(?: \x{FEFF}?|$)"
    text = pl.col("text").str.replace(new, "${1} ${2}[${3}]: ")
    # `2026-01-31 12:00:01` (a blank instead of T) is one stamp too.
    text = text.str.replace(r"^(\d{4}-\d\d-\d\d) (\d\d:)", "${1}T$2")
    frame = frame.with_columns(text.str.splitn(" ", 2).alias("parts")).unnest("parts")
    return _fields(frame, pl.col("field_0"), pl.col("field_1"))


@dataclass
class Clock:
    """Turns the stamps of one file into UTC, in file order; remembers the year across blocks.

    RFC 3164 stamps have no year. It is the input's `year` for the first line, else the year that puts the first line
    less than a year before the file was last written; a step from December back to January starts a new year.
    """

    source: Source
    year: int | None = None
    last_month: int | None = None

    def years(self, stamps: pl.Series) -> pl.Series:
        """The year of each stamp of a block, in file order (stamps with a year get one that is not used)."""
        months = stamps.str.slice(0, 3).replace_strict(_MONTHS, range(1, 13), default=None, return_dtype=pl.Int16)
        known = months.fill_null(strategy="forward")
        if known.is_null().all():
            return pl.Series([self.year or 1970], dtype=pl.Int32).new_from_index(0, stamps.len())
        if self.year is None:
            self.year = self._first_year(next(s for s, m in zip(stamps, months, strict=True) if m is not None))
        previous = known.shift(1)
        if self.last_month is not None:
            previous = previous.fill_null(self.last_month)
        # More than half a year at once is a step over New Year (either way: late lines of December follow January's).
        change = (known - previous).fill_null(0)
        steps = (change < -6).cast(pl.Int32) - (change > 6).cast(pl.Int32)
        years = (steps.cum_sum() + self.year).alias("year")
        self.year, self.last_month = int(years[-1]), int(known[-1])
        return years

    def _first_year(self, stamp: str) -> int:
        if self.source.year is not None:
            return self.source.year
        written = datetime.fromtimestamp(self.source.path.stat().st_mtime, UTC)
        year = written.year
        # 29 February exists in leap years only; %j would be wrong for the rest of the year, so compare as text.
        first = f"{_MONTHS.index(stamp[:3]) + 1:02d}{stamp[4:6].replace(' ', '0')}"
        return year if first <= f"{written + timedelta(days=1):%m%d}" or written.strftime("%m%d") == "1231" else year - 1

    def utc(self, frame: pl.DataFrame) -> pl.Series:
        """UTC times of the rows of a frame with `stamp` and `year`; NULL where the stamp is no time."""
        stamp, zone = pl.col("stamp"), self.source.timezone
        local = pl.concat_str([pl.col("year").cast(pl.String), pl.lit(" "), stamp])
        dated = pl.when(stamp.str.slice(0, 2).str.contains(r"^\d\d")).then(stamp).otherwise(local)
        iso = stamp.str.contains("-", literal=True)
        seconds = dated.str.replace(r"  (\d) ", " 0$1 ").str.to_datetime("%Y %b %d %H:%M:%S", strict=False,
                                                                      time_unit="us")
        moment = stamp.str.replace(",", ".", literal=True)
        has_zone = moment.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")
        zoned = (
            moment.str.replace(r"Z$", "+00:00").str.replace(r"([+-]\d\d)(\d\d)$", "$1:$2")
            .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", strict=False, time_unit="us", time_zone="UTC")
            .dt.replace_time_zone(None)
        )
        plain = moment.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")

        def to_utc(expression: pl.Expr) -> pl.Expr:
            return expression.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone(
                "UTC").dt.replace_time_zone(None)

        if not frame.select(iso.any()).item():
            return frame.select(to_utc(seconds).alias("at"))["at"]
        return frame.select(
            pl.when(iso & has_zone).then(zoned).when(iso).then(to_utc(plain)).otherwise(to_utc(seconds)).alias("at")
        )["at"]


def looks_like_syslog(lines: list[str]) -> bool:
    """Whether one of the first lines has a syslog time stamp."""
    return any(re.match(f"(?:{_PRIORITY[1:]})?(?:{_BSD[1:]}|{_YEAR_BSD[1:]}|{_ISO[1:]})", line) for line in lines[:50])

