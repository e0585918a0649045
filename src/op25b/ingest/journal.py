"""What the commits of a group of files say, written down before the first of them.

The rows of a group, its rejected rows and its accounting are three commits to three tables. When all rows are read and
counted, just before they are committed, the journal gets the rest: a row per file with its accounting and its rejected
rows. A run that finds a journal knows from the table whether the rows were committed. If so it finishes the group from
the journal alone, for the files may have grown, moved or gone meanwhile; if not it forgets the journal, and the files
are read as if for the first time. Either way this comes before the run looks for what is new.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from arro3.core import Table

from op25b import durable, schema
from op25b.lake import Lake

_SCHEMA = {
    "table": pl.String(), "transaction": pl.String(), "account": pl.Struct(schema.SOURCE_FILE.schema),
    "rejected": pl.List(pl.Struct(schema.REJECTED.schema)),
}


class Journal:
    """The journal of a lake; there is one while a group of files is being committed."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._path: Path = lake.root / ".journal.parquet"

    def write(self, table: str, files: Iterable[tuple[str, dict[str, Any], pl.DataFrame]]) -> None:
        """Note the files whose rows are about to be committed to `table`: transaction, accounting, rejected rows."""
        rows = [(table, name, account, schema.REJECTED.conform(bad).to_struct()) for name, account, bad in files]
        temporary = self._path.with_suffix(".new")
        made = io.BytesIO()  # where polars writes a file itself, it does not say that the disk is full
        pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(made)
        temporary.write_bytes(made.getbuffer())
        durable.put_in_place(temporary, self._path)

    def finish(self) -> None:
        """Commit what the journal says of files whose rows are in the lake, where it is not there yet; forget it."""
        if not self._path.exists():
            return
        noted = pl.read_parquet(self._path, glob=False)
        there = self._lake.holds(noted["table"][0], noted["transaction"])
        files = noted.filter(pl.col("transaction").is_in(there))
        rejected = files.explode("rejected").drop_nulls("rejected")
        self._append(schema.REJECTED, rejected.select("transaction", pl.col("rejected").struct.unnest()))
        self._append(schema.SOURCE_FILE, files.select("transaction", pl.col("account").struct.unnest()))
        self._path.unlink()

    def _append(self, table: schema.Table, rows: pl.DataFrame) -> None:
        """Append the rows of those transactions that the table does not hold yet."""
        names = rows["transaction"].unique(maintain_order=True)
        missing = sorted({*names} - self._lake.holds(table.name, names))
        if missing:
            rows = rows.filter(pl.col("transaction").is_in(missing)).drop("transaction")
            self._lake.append(table.name, Table(table.conform(rows)), missing)
