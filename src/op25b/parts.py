"""New rows of a table → Parquet files that no version of it has yet: one per local day, written as the rows come.

delta-rs would part the rows by day as well, but it gathers all of each batch once more for that, though most are of one
day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

# A dictionary of values that hardly come again takes time and no space.
MOSTLY_DISTINCT = frozenset({"at", "first_seen", "last_seen", "queue_id", "size_bytes", "bytes"})
# What a day's build needs of the days beside it is an hour or two: groups of rows that end before can be left unread.
GROUP_ROWS = 2**17
# Raw rows stand in the order of time, so the least and the greatest of other columns tell no file from another.
TIMES = frozenset({"at", "first_seen", "last_seen", "start", "end"})
# Files that are open at the same time; of rows that jump between more days than this, a day has several.
_OPEN = 64
# Rows of all days that wait until their group is full.
_HELD_ROWS = 4 * GROUP_ROWS


def load() -> None:
    """Load what writing needs: a fifth of a second, best spent while input is waited for."""
    import pyarrow.parquet  # noqa: F401


@dataclass(frozen=True)
class Part:
    """A Parquet file below a table's directory that no version of the table has yet; `day` is not among its columns."""

    path: Path
    rows: int
    day: date | None


class DayFiles:
    """Writes rows to new files of their days; `place` says where one is to be. Rows of a day stay in their order.

    Rows without a column `day` are all of the day None.
    """

    def __init__(self, place: Callable[[date | None], Path]) -> None:
        self._place = place
        self._held: dict[date | None, pl.DataFrame] = {}
        self._open: dict[date | None, tuple[Part, ParquetWriter]] = {}
        self._parts: list[Part] = []

    def write(self, frame: pl.DataFrame) -> None:
        """Write rows, with the same columns each time."""
        for day, rows in _by_day(frame):
            held = self._held[day] = pl.concat([self._held[day], rows]) if day in self._held else rows
            full = held.height - held.height % GROUP_ROWS
            if full:
                self._put(day, full)
        while sum(held.height for held in self._held.values()) > _HELD_ROWS:
            day = max(self._held, key=lambda each: self._held[each].height)
            self._put(day, self._held[day].height)

    def close(self) -> list[Part]:
        """End all files, and return them."""
        for day in list(self._held):
            self._put(day, self._held[day].height)
        while self._open:
            self._end(next(iter(self._open)))
        return self._parts

    def discard(self) -> None:
        """Remove what was written, as not all was or can be."""
        for part, writer in self._open.values():
            with suppress(OSError):  # such as a full disk once more
                writer.close()
            self._parts.append(part)
        for part in self._parts:
            part.path.unlink(missing_ok=True)

    def _put(self, day: date | None, count: int) -> None:
        """Write the first rows that are held of a day, in whole groups and what is left."""
        import pyarrow

        held = self._held.pop(day)
        for group in held.head(count).iter_slices(GROUP_ROWS):
            # pyarrow.table() would import pandas, half a second, to see whether it is given one of its frames.
            rows = pyarrow.RecordBatchReader.from_stream(group).read_all()
            if day not in self._open:
                self._start(day, rows.schema)
            part, writer = self._open[day]
            writer.write_table(rows)
            self._open[day] = Part(part.path, part.rows + group.height, day), writer
        if count < held.height:
            self._held[day] = held.slice(count)

    def _start(self, day: date | None, columns: pa.Schema) -> None:
        from pyarrow.parquet import ParquetWriter

        if len(self._open) == _OPEN:
            self._end(next(iter(self._open)))
        path = self._place(day)
        # As `op25b.lake.properties` says it to delta-rs.
        writer = ParquetWriter(
            path, columns, compression="zstd", compression_level=1, store_schema=False,
            use_dictionary=[name for name in columns.names if name not in MOSTLY_DISTINCT],  # type: ignore[arg-type]
            write_statistics=[name for name in columns.names if name in TIMES])
        self._open[day] = Part(path, 0, day), writer

    def _end(self, day: date | None) -> None:
        part, writer = self._open[day]
        writer.close()
        del self._open[day]
        self._parts.append(part)


def _by_day(frame: pl.DataFrame) -> Iterator[tuple[date | None, pl.DataFrame]]:
    """The rows of each day, without it."""
    if "day" not in frame.columns:
        if frame.height:
            yield None, frame
        return
    days, rows = frame["day"], frame.drop("day")
    distinct = days.unique(maintain_order=True)
    for day in distinct:
        yield day, rows if distinct.len() == 1 else rows.filter(days == day)
