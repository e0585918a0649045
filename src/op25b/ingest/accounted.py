"""The content that the lake has an account of, by which files are known whatever their name."""

from __future__ import annotations

from typing import Any

import polars as pl

from op25b import schema
from op25b.lake import Lake
from op25b.readers.content import Known


class Accounted:
    """The content whose accounting is in the lake, by kind."""

    def __init__(self, lake: Lake) -> None:
        files = lake.files("source_file")
        parts = [pl.read_parquet(file, glob=False) for file in files]
        rows = pl.concat([schema.SOURCE_FILE.empty(), *parts], how="diagonal_relaxed")
        self._hashes: dict[str, dict[str, set[int]]] = {}
        self._contents: dict[str, list[Known]] = {}
        self._marked = rows.filter(pl.col("marks").is_not_null()).partition_by("kind", as_dict=True)
        for row in rows.iter_rows(named=True):
            self.add(row["kind"], row["sha256"], row["bytes"])
            if row["content_bytes"] is None:  # read by an op25b that knew whole files only
                continue
            self._contents.setdefault(row["kind"], []).append(_content(row))

    def add(self, kind: str, sha256: str, size: int) -> None:
        """Content that this run reads, of a file so large."""
        self._hashes.setdefault(kind, {}).setdefault(sha256, set()).add(size)

    def holds(self, kind: str, sha256: str) -> bool:
        """Whether the content is read already, or will be in this run."""
        return sha256 in self._hashes.get(kind, ())

    def told(self, kind: str, sha256: str, size: int) -> bool:
        """Whether the content was read of a file so large: if that is damaged, a rejected row has told so."""
        return size in self._hashes.get(kind, {}).get(sha256, ())

    def of(self, kind: str) -> list[Known]:
        """What a file of this kind may begin with."""
        return self._contents.get(kind, [])

    def begun(self, kind: str, note: str, length: int) -> list[tuple[str, Known, str]]:
        """What a file so long, with these marks, may be a copy of the beginning of: path, content, format."""
        if not note or (kind,) not in self._marked:
            return []
        found = self._marked[kind,].filter(pl.col("content_bytes") > length, pl.col("marks").str.starts_with(note))
        return [(row["path"], _content(row), row["format"]) for row in found.iter_rows(named=True)]


def _content(row: dict[str, Any]) -> Known:
    held_rows = row["rows_read"] > 0 or row["offset"] > 0
    return Known(row["sha256"], row["content_bytes"], held_rows, row["last"], row["head"])
