"""Reads literal input with one reader and shows what came of it as plain Python values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from op25b.readers.base import Batch, Format, Source


@dataclass(frozen=True)
class Result:
    """All batches of one file: rows, counts of input rows, and the rejected ones."""

    frame: pl.DataFrame
    read: int
    kept: int
    rejected: list[tuple[Any, ...]]

    @property
    def filtered(self) -> int:
        return self.read - self.kept - len(self.rejected)

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """The named columns of all rows, in order."""
        return self.frame.select(columns).rows()

    def facts(self, *leave_out: str) -> list[dict[str, Any]]:
        """Each row as a dictionary without its empty columns."""
        return [{key: value for key, value in row.items() if value is not None and key not in leave_out}
                for row in self.frame.to_dicts()]


def collect(batches: Iterable[Batch], form: Format) -> Result:
    """Join the batches of one file, with every column of the format's table."""
    batches = list(batches)
    nullable = {c.name for c in form.table.columns if c.nullable}
    names = [name for name in form.table.schema if name not in {"day", "source"}]
    frames = [batch.rows.with_columns(pl.lit(None, form.table.schema[name]).alias(name)
                                      for name in nullable - set(batch.rows.columns)).select(names)
              for batch in batches if batch.rows.height]
    empty = form.table.empty().select(names)
    rejected = [row for batch in batches for row in batch.rejected.rows()]
    return Result(pl.concat(frames) if frames else empty, sum(b.rows_read for b in batches),
                  sum(b.rows_kept for b in batches), rejected)


def read_bytes(form: Format, path: Path, data: bytes | str | Sequence[str], **settings: Any) -> Result:
    """Write `data` (bytes, text or lines) to `path` and read it."""
    if not isinstance(data, bytes | str):
        data = "\n".join(data) + "\n"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return collect(form.read(Source(path, settings.pop("timezone", "UTC"), **settings)), form)
