"""Time stamps of one log file → UTC, with the year that most syslog stamps lack."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from op25b.readers.base import Source
from op25b.readers.text import opened

MONTHS = {name: number for number, name in enumerate(
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], start=1)}
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


@dataclass
class Clock:
    """Turns the stamps of one file into UTC, in file order; remembers the year from block to block.

    RFC 3164 stamps have no year. It is the input's `year` for the first line, else the year that puts the first line
    less than a year before the file was last written. A step of more than half a year is a step over New Year: back
    from December to January it starts a new year, and late lines of December after January's belong to the old one.
    """

    source: Source
    year: int | None = None
    last_month: int | None = None

    def __post_init__(self) -> None:
        if self.source.resume is not None:
            local = self.source.resume.replace(tzinfo=UTC).astimezone(ZoneInfo(self.source.timezone))
            self.year, self.last_month = self._first_known(local.year, local.month)

    def _first_known(self, year: int, month: int) -> tuple[int, int]:
        """Year and month of the first known line, which is where reading begins, from those of the last known event."""
        if self.source.known_lines:
            with opened(self.source.path) as stream:
                months = list(map(_month, itertools.islice(stream, self.source.known_lines)))
            for earlier in filter(None, reversed(months)):
                year -= _new_years(earlier, month)
                month = earlier
        return year, month

    def years(self, texts: pl.Series) -> pl.Series:
        """The year of each line that begins with a month; lines with other stamps get one that is not used."""
        runs = texts.str.slice(0, 3).rle().struct.unnest()
        years = []
        for at, month in enumerate(map(MONTHS.get, runs["value"])):
            if month is not None:
                if self.year is None:
                    first = texts[int(runs["len"][:at].sum())]
                    self.year = self.source.year or self._year_of_first(first)
                elif self.last_month is not None:
                    self.year += _new_years(self.last_month, month)
                self.last_month = month
            years.append(self.year)
        if len(set(years)) == 1:
            return pl.Series([years[0]], dtype=pl.Int32).new_from_index(0, texts.len())
        each = pl.Series(years, dtype=pl.Int32)
        return each.gather(pl.Series(range(len(years)), dtype=pl.UInt32).repeat_by(runs["len"]).explode())

    def _year_of_first(self, stamp: str) -> int:
        # A day's tolerance: the log's clock may be ahead of ours, and its local time is ahead of UTC in the east.
        written = datetime.fromtimestamp(self.source.path.stat().st_mtime, UTC) + timedelta(days=1)
        day = stamp[4:6].replace(" ", "0")
        year = written.year
        if f"{MONTHS[stamp[:3]]:02d}{day}" > f"{written:%m%d}":
            year -= 1
        if stamp.startswith("Feb 29"):
            year = next(leap for leap in range(year, year - 9, -1) if _is_leap(leap))
        return year

    def utc(self, frame: pl.DataFrame) -> pl.Series:
        """UTC times of the rows of a frame with `stamp` and `year`; NULL where the stamp is no time.

        Of the hour that comes twice when summer time ends the first is meant; the hour that is skipped is no time.
        """
        # Lines of one second stand together, so each run of equal stamps is parsed once.
        runs = frame.select("stamp", "year", pl.struct("stamp", "year").rle_id().alias("run"))
        known = runs.filter(pl.col("run").diff().fill_null(1) != 0)
        stamp = pl.col("stamp")
        is_iso, is_dated = stamp.str.contains(r"^[0-9]{4}-"), stamp.str.contains(r"^[0-9]{4} ")
        dated = pl.when(is_dated).then(stamp).otherwise(
            pl.concat_str(pl.col("year").cast(pl.String), stamp, separator=" "))
        plain = self._to_utc(dated.str.to_datetime("%Y %b %d %H:%M:%S%.f", strict=False, time_unit="us"))
        at = pl.when(is_iso).then(self._iso(stamp)).otherwise(plain).alias("at")
        return known.select(possible(at)).to_series().gather(runs["run"])

    def _iso(self, stamp: pl.Expr) -> pl.Expr:
        moment = stamp.str.replace(",", ".", literal=True)
        zoned = (
            moment.str.replace(r"Z$", "+00:00").str.replace(r"([+-][0-9]{2})([0-9]{2})$", "$1:$2")
            .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", strict=False, time_unit="us", time_zone="UTC")
            .dt.replace_time_zone(None)
        )
        local = moment.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
        has_zone = moment.str.contains(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$")
        return pl.when(has_zone).then(zoned).otherwise(self._to_utc(local))

    def _to_utc(self, local: pl.Expr) -> pl.Expr:
        placed = local.dt.replace_time_zone(self.source.timezone, ambiguous="earliest", non_existent="null")
        return placed.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def possible(at: pl.Expr) -> pl.Expr:
    """Times, NULL where no mail can be of their year."""
    return pl.when(at.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR)).then(at)


def _new_years(before: int, after: int) -> int:
    """Over how many ends of a year the step from one line's month to the next one's goes."""
    if abs(after - before) <= 6:
        return 0
    return 1 if after < before else -1


def _month(line: bytes) -> int | None:
    return MONTHS.get(re.sub(rb"^<[0-9]{1,3}>", b"", line[:8])[:3].decode("ascii", "replace"))


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
