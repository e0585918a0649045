"""The tables on disk: Delta tables, appended exactly once, derived days replaced atomically.

An append carries an application transaction per input file (its SHA-256), written in the same commit as the rows:
a file whose transaction is present is in the table, whole, and is never appended again. Readers take a snapshot and
never wait; one writer at a time holds the lake.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import uuid4

from op25b import keyfile
from op25b.errors import LakeError

if TYPE_CHECKING:
    import arro3.core
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties

    Rows = pa.Table | pa.RecordBatchReader | arro3.core.Table | arro3.core.RecordBatchReader

# A dictionary of values that hardly come again takes time and no space.
_MOSTLY_DISTINCT = frozenset({"at", "first_seen", "last_seen", "queue_id", "size_bytes", "bytes"})
# Raw rows stand in the order of time, so the least and the greatest of other columns tell no file from another.
_TIMES = frozenset({"at", "first_seen", "last_seen", "start", "end"})


@dataclass(frozen=True)
class Part:
    """A Parquet file below a table's directory that no version of the table has yet; `day` is not among its columns."""

    path: Path
    rows: int
    day: date | None


class Lake:
    """The Delta tables below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def tables(self) -> list[str]:
        """Names of the tables that exist."""
        return sorted(path.parent.name for path in self.root.glob("*/_delta_log"))

    def delta(self, table: str) -> DeltaTable | None:
        """The table's current snapshot, or None while nothing was ever written to it."""
        from deltalake import DeltaTable

        return DeltaTable(self._uri(table)) if (self.root / table / "_delta_log").is_dir() else None

    def _uri(self, table: str) -> str:
        """The table's place as delta-rs wants it: a URI, so that any directory name works."""
        return (self.root / table).resolve().as_uri()

    def files(self, table: str, days: Iterable[date] | None = None) -> list[str]:
        """Parquet files of the current snapshot, of the given days only where the table is partitioned by day."""
        delta = self.delta(table)
        if delta is None:
            return []
        if days is None or delta.metadata().partition_columns != ["day"]:
            return [_path(uri) for uri in delta.file_uris()]
        wanted = [str(day) for day in days]
        found = delta.file_uris(file_pruning_predicate=[("day", "in", wanted)]) if wanted else []
        return [_path(uri) for uri in found]

    def arrow_schema(self, table: str) -> pa.Schema | None:
        """Columns of a stored table, or None while nothing was ever written to it."""
        import pyarrow

        delta = self.delta(table)
        return None if delta is None else pyarrow.schema(delta.schema().to_arrow())  # type: ignore[arg-type]

    def partitioned(self, table: str) -> bool:
        """Whether the stored table is partitioned by local day."""
        delta = self.delta(table)
        return delta is not None and delta.metadata().partition_columns == ["day"]

    def days(self, table: str) -> list[date]:
        """Local days that have rows in a table partitioned by day, sorted."""
        delta = self.delta(table)
        if delta is None:
            return []
        return sorted({date.fromisoformat(partition["day"]) for partition in delta.partitions()})

    def rows(self, table: str) -> int:
        """Number of rows of the table, from the log alone."""
        delta = self.delta(table)
        return 0 if delta is None else delta.count()

    def version(self, table: str) -> int | None:
        """Delta version of the table, or None while it does not exist."""
        delta = self.delta(table)
        return None if delta is None else delta.version()

    def total_version(self) -> int:
        """A number that grows with every commit to any table."""
        return sum((self.version(table) or 0) + 1 for table in self.tables())

    def holds(self, table: str, transactions: Iterable[str]) -> set[str]:
        """Those of `transactions` whose rows the table holds."""
        delta = self.delta(table)
        if delta is None:
            return set()
        return {name for name in transactions if delta.transaction_version(name) is not None}

    def append(self, table: str, rows: Rows, transactions: Sequence[str]) -> None:
        """Append rows in one commit that also records `transactions`."""
        from deltalake import CommitProperties, Transaction, write_deltalake

        properties = CommitProperties(app_transactions=[Transaction(app_id=name, version=1) for name in transactions])
        write_deltalake(
            self._uri(table),
            rows,
            mode="append",
            schema_mode="merge",  # columns that a newer op25b added
            partition_by=["day"] if rows.schema.names[0] == "day" else None,
            commit_properties=properties,
            writer_properties=_written(rows.schema.names, measured=_TIMES),
        )

    def replace(self, table: str, rows: Rows) -> None:
        """Replace the whole table in one commit."""
        from deltalake import write_deltalake

        write_deltalake(
            self._uri(table),
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            writer_properties=_written(rows.schema.names),
        )

    def part_path(self, table: str, day: date | None) -> Path:
        """Where a new file of a table's day, or of a table made as a whole, is to be written before `put`."""
        directory = self.root / table
        if day is not None:
            directory /= f"day={day.isoformat()}"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"part-{uuid4()}.parquet"

    def put(self, table: str, schema: pa.Schema, parts: Sequence[Part], days: Sequence[date] | None = None) -> None:
        """Put files already written in the place of the given days, or of the whole table, in one commit.

        `schema` is that of the table, `day` included. Where the columns changed (another version of op25b wrote the
        table) the other days go too: their fingerprints are out of date as well, so `build` makes them anew.
        """
        from deltalake import Schema
        from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

        columns = Schema.from_arrow(schema)
        partition_by = ["day"] if days is not None else []
        added = []
        for part in parts:
            found = part.path.stat()
            values = {} if part.day is None else {"day": part.day.isoformat()}
            added.append(AddAction(part.path.relative_to(self.root / table).as_posix(), found.st_size, values,
                                   int(found.st_mtime * 1000), True, json.dumps({"numRecords": part.rows})))
        delta = self.delta(table)
        if delta is None:
            create_table_with_add_actions(self._uri(table), columns, added, "error", partition_by)
            return
        same = {f.name: f.type for f in delta.schema().fields} == {f.name: f.type for f in columns.fields}
        filters = [("day", "in", [day.isoformat() for day in days])] if same and days is not None else None
        actions: list[AddAction | RemoveAction] = [*added]
        delta.create_write_transaction(actions, "overwrite", columns, partition_by, filters)

    def rewrite(self, table: str, rows: pa.RecordBatchReader, transaction: str) -> None:
        """Replace all rows of a table in one commit that also records `transaction`; those of files stay recorded."""
        from deltalake import CommitProperties, Transaction, write_deltalake

        write_deltalake(
            self._uri(table),
            rows,
            mode="overwrite",
            partition_by=["day"] if rows.schema.names[0] == "day" else None,
            commit_properties=CommitProperties(app_transactions=[Transaction(app_id=transaction, version=1)]),
            writer_properties=_written(rows.schema.names),
        )

    @contextmanager
    def writing(self, purpose: str) -> Iterator[None]:
        """Hold the lake as its only writer; a second writer gets a `LakeError` that names the first."""
        self.root.mkdir(parents=True, exist_ok=True)
        if purpose != keyfile.COMMAND:
            keyfile.refuse_rotating(self.root)
        descriptor = os.open(self.root / ".writer", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "another process"
                msg = f"{self.root}: {holder} is writing to the lake\n  wait until it is done, then try again"
                raise LakeError(msg) from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"'op25b {purpose}' (process {os.getpid()})\n".encode())
            yield
        finally:
            os.close(descriptor)


def _written(columns: Sequence[str], measured: Container[str] | None = None) -> WriterProperties:
    """How Parquet files are written, with statistics of the columns `measured` or of all.

    Compression beyond level 1 costs more time than it saves space.
    """
    from deltalake import ColumnProperties, WriterProperties

    properties = {
        name: ColumnProperties(dictionary_enabled=name not in _MOSTLY_DISTINCT,
                               statistics_enabled=None if measured is None or name in measured else "NONE")
        for name in columns
    }
    return WriterProperties(compression="ZSTD", compression_level=1, column_properties=properties)


def _path(uri: str) -> str:
    """The file a URI of delta-rs names."""
    return unquote(uri.removeprefix("file://"))
