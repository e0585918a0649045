"""The rows of one raw table as Parquet files that no table has yet: one per local day, written as the rows come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from op25b.lake import Part
from op25b.schema import Table

# Files that are open at the same time; of a log that jumps between more days than this, a day has several.
_OPEN = 64


def arrow_columns(table: Table) -> pa.Schema:
    """The columns of a raw table, `day` included."""
    return pa.schema([_plain(field) for field in table.empty().to_arrow().schema])


def _plain(field: Any) -> Any:
    text = pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type)
    return field.with_type(pa.string()) if text else field


class Parts:
    """Writes rows to files below a directory, each with a name of its own."""

    def __init__(self, table: Table, directory: Path) -> None:
        columns = arrow_columns(table)
        self._partitioned = table.partitioned
        self._columns = pa.schema([field for field in columns if not (self._partitioned and field.name == "day")])
        self._directory = directory
        self._open: dict[date | None, tuple[Path, parquet.ParquetWriter]] = {}
        self._rows: dict[Path, tuple[date | None, int]] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, frame: pl.DataFrame) -> None:
        """Write the rows of a frame with the table's columns."""
        if not self._partitioned:
            self._append(None, frame)
            return
        for (day,), rows in frame.partition_by("day", as_dict=True, maintain_order=True).items():
            self._append(day, rows.drop("day"))

    def _append(self, day: Any, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            return
        if day not in self._open:
            while len(self._open) >= _OPEN:
                self._close(next(iter(self._open)))
            path = self._directory / f"{uuid4()}.parquet"
            self._open[day] = path, self._writer(path)
            self._rows[path] = day, 0
        path, writer = self._open[day]
        writer.write_table(frame.to_arrow().cast(self._columns))
        self._rows[path] = day, self._rows[path][1] + frame.height

    def _writer(self, path: Path) -> parquet.ParquetWriter:
        # As in the lake otherwise: the least and the greatest of times only, as those of addresses tell who was there.
        times: Sequence[str] = [field.name for field in self._columns if pa.types.is_timestamp(field.type)]
        return parquet.ParquetWriter(path, self._columns, compression="zstd", compression_level=1,
                                     write_statistics=[*times])

    def _close(self, day: date | None) -> None:
        self._open.pop(day)[1].close()

    def close(self) -> list[Part]:
        """End all files; they are what `Lake.add` takes once they lie below the table's directory."""
        while self._open:
            self._close(next(iter(self._open)))
        return [Part(path, rows, day) for path, (day, rows) in self._rows.items()]
