"""The tables on disk: Delta tables, appended exactly once, derived days replaced atomically.

An append carries an application transaction per input file (its SHA-256), written in the same commit as the rows:
a file whose transaction is present is in the table, whole, and is never appended again. One writer at a time holds
the lake, and what it did becomes a lake version when it is done (see `op25b.versions`). Readers never wait: `snapshot`
opens every table as it was in one lake version.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import uuid4

from op25b import durable, keyfile, lake_zone, versions
from op25b.errors import LakeError
from op25b.parts import GROUP_ROWS, MOSTLY_DISTINCT, TIMES, DayFiles, Part
from op25b.versions import Version
from op25b.workspace import Workspace

if TYPE_CHECKING:
    import arro3.core
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties
    from deltalake.transaction import AddAction, RemoveAction

    Rows = pa.Table | pa.RecordBatchReader | arro3.core.Table | arro3.core.RecordBatchReader

__all__ = ["Lake", "Part", "properties", "snapshot"]

# Not `.json#1`, what a killed commit leaves.
_COMMIT = re.compile(r"(\d{20})\.(?:json|checkpoint[.\d]*\.parquet)$")


def snapshot(workspace: Workspace) -> Lake:
    """The lake to read: at the version the workspace asks for, else at the newest one."""
    lake_zone.refuse_others(workspace)
    root = workspace.lake_path
    version = versions.newest(root) if workspace.version is None else versions.load(root, workspace.version)
    return Lake(root, version)


class Lake:
    """The Delta tables below one directory: as they are now, or `at` a lake version, which is for reading only."""

    def __init__(self, root: Path, at: Version | None = None) -> None:
        self.root = root
        self.at = at
        self._opened: dict[str, DeltaTable] = {}
        self._seen: dict[str, tuple[list[tuple[int, str]], int]] = {}
        self._gone: dict[str, date] | None = None
        self._held = False

    def tables(self) -> list[str]:
        """Names of the tables that exist."""
        if self.at is not None:
            return sorted(self.at.tables)
        return sorted(self.table_versions())

    def delta(self, table: str) -> DeltaTable | None:
        """The table's snapshot, or None while nothing was ever written to it."""
        if self.at is not None:
            if table not in self.at.tables:
                return None
            if table not in self._opened:
                self._opened[table] = self._as_it_was(table, self.at)
            return self._opened[table]
        log = _commits(self.root / table)
        if not log:
            return None
        # A table that was made anew may have a log of the same names.
        seen = log, (self.root / table / "_delta_log" / log[-1][1]).stat().st_mtime_ns
        if self._seen.get(table) != seen:  # to open it takes a hundred times as long as to look
            from deltalake import DeltaTable

            self._opened[table], self._seen[table] = DeltaTable(self._uri(table)), seen
        return self._opened[table]

    def _as_it_was(self, table: str, at: Version) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            return DeltaTable(self._uri(table), version=at.tables[table])
        except (DeltaError, TableNotFoundError, OSError):
            msg = (f"{self.root}: lake version {at.number} has no table {table} any more: its rows of then were "
                   "removed from disk by 'op25b expire', or by hand\n"
                   "  use a later version; 'op25b status' names the newest")
            raise LakeError(msg) from None

    def _uri(self, table: str) -> str:
        """The table's place as delta-rs wants it: a URI, so that any directory name works."""
        return (self.root / table).resolve().as_uri()

    def files(self, table: str, days: Iterable[date] | None = None) -> list[str]:
        """Parquet files of the snapshot, of the given days only where the table is partitioned by day.

        Days that have expired since are gone from earlier lake versions too.
        """
        delta = self.delta(table)
        if delta is None:
            return []
        if not self.partitioned(table) or (days is None and self._expired_since(table) is None):
            return [_path(uri) for uri in delta.file_uris()]
        asked = None if days is None else set(days)
        wanted = [str(day) for day in self.days(table) if asked is None or day in asked]
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
        delta, gone = self.delta(table), self._expired_since(table)
        if delta is None:
            return []
        found = {date.fromisoformat(partition["day"]) for partition in delta.partitions()}
        return sorted(day for day in found if gone is None or day > gone)

    def rows(self, table: str) -> int:
        """Number of rows of the table, from the log alone."""
        delta = self.delta(table)
        if delta is None:
            return 0
        if self._expired_since(table) is None:
            return delta.count()
        kept = set(self.days(table))
        return sum(rows for _, day, rows, _ in self.contents(table) if day in kept)

    def contents(self, table: str) -> list[tuple[str, date | None, int, int]]:
        """The files of the snapshot: path below the table's directory, day, rows, bytes."""
        delta = self.delta(table)
        if delta is None:
            return []
        actions = delta.get_add_actions(flatten=True)
        columns = {name: actions.column(name).to_pylist() for name in actions.schema.names}
        days = columns.get("partition.day", [None] * len(columns["path"]))
        return [(unquote(path), day, rows or 0, size) for path, day, rows, size in zip(
            columns["path"], days, columns["num_records"], columns["size_bytes"], strict=True)]

    def horizons(self) -> dict[str, date]:
        """Table → the last day of which it keeps nothing, of those tables of which rows have expired."""
        files = Lake(self.root).files("expired")
        if not files:
            return {}
        import polars as pl

        rows = pl.read_parquet(files, glob=False).group_by("table_name").agg(pl.col("expired_until").max())
        return dict(rows.iter_rows())

    def _expired_since(self, table: str) -> date | None:
        """The last day of a table that may be in this lake version's log, but not on disk any more."""
        if self.at is None or not self.partitioned(table):
            return None
        if self._gone is None:
            self._gone = self.horizons()
        return self._gone.get(table)

    def version(self, table: str) -> int | None:
        """Delta version of the table, or None while it does not exist."""
        if self.at is not None:
            return self.at.tables.get(table)
        return self.table_versions().get(table)

    def table_versions(self) -> dict[str, int]:
        """Table → its Delta version now, from the names in its log."""
        found = {log.parent.name: _commits(log.parent) for log in self.root.glob("*/_delta_log")}
        return {table: commits[-1][0] for table, commits in found.items() if commits}

    def number(self) -> int:
        """The number of this lake version, of the newest one where the lake is read as it is; 0 while there is none."""
        at = self.at or versions.newest(self.root)
        return 0 if at is None else at.number

    def as_it_is(self) -> Lake:
        """The lake as it is now, to be read after it has changed."""
        return Lake(self.root, Version(self.number(), datetime.now(UTC), "", self.table_versions()))

    def holds(self, table: str, transactions: Iterable[str]) -> set[str]:
        """Those of `transactions` whose rows the table holds."""
        delta = self.delta(table)
        if delta is None:
            return set()
        return {name for name in transactions if delta.transaction_version(name) is not None}

    def append(self, table: str, rows: Rows, transactions: Sequence[str]) -> None:
        """Append rows in one commit that also records `transactions`."""
        schema = rows.schema  # a reader that has been read has none any more
        self.add(table, schema, self._written(table, rows), transactions)

    def _written(self, table: str, rows: Rows) -> list[Part]:
        """The rows as new files of a table; nothing of them stays where they end in an error."""
        import polars as pl
        from arro3.core import RecordBatchReader

        files = DayFiles(lambda day: self.part_path(table, day))
        try:
            for batch in RecordBatchReader.from_arrow(rows):
                files.write(pl.DataFrame(batch))
            return files.close()
        except BaseException:
            files.discard()
            raise

    def add(self, table: str, schema: pa.Schema | arro3.core.Schema, parts: Sequence[Part],
            transactions: Sequence[str]) -> None:
        """Add files already written to a table in one commit that also records `transactions`, as `append` does."""
        from deltalake import CommitProperties, Schema, Transaction
        from deltalake.transaction import create_table_with_add_actions

        columns = Schema.from_arrow(schema)
        partition_by = ["day"] if schema.names[0] == "day" else []
        noted = CommitProperties(app_transactions=[Transaction(app_id=name, version=1) for name in transactions])
        added = [self.added(table, part) for part in parts]
        delta = self.delta(table)
        if delta is None:
            create_table_with_add_actions(self._uri(table), columns, added, "error", partition_by,
                                          commit_properties=noted)
        else:
            have = {field.name: field.type for field in delta.schema().fields}
            if other := [field.name for field in columns.fields if have.get(field.name, field.type) != field.type]:
                msg = (f"{self.root}: {min(other)} in {table} has another type, of another op25b\n"
                       "  make a new workspace with 'op25b init', copy settings and key there, and ingest again")
                raise LakeError(msg)
            if missing := [field for field in columns.fields if field.name not in have]:  # a newer op25b added them
                delta.alter.add_columns(missing)
                durable.sync_commit(self.root / table)
            actions: list[AddAction | RemoveAction] = [*added]
            delta.create_write_transaction(actions, "append", delta.schema(), partition_by, commit_properties=noted)
        self.committed(table)

    def replace(self, table: str, rows: Rows) -> None:
        """Replace the whole table in one commit."""
        schema = rows.schema
        parts = self._written(table, rows)
        days = {part.day for part in parts if part.day is not None}
        self.put(table, schema, parts, sorted({*days, *self.days(table)}) if "day" in schema.names else None)

    def part_path(self, table: str, day: date | None) -> Path:
        """Where a new file of a table's day, or of a table made as a whole, is to be written before `put`."""
        directory = self.root / table
        if day is not None:
            directory /= f"day={day.isoformat()}"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"part-{uuid4()}.parquet"

    def put(self, table: str, schema: pa.Schema | arro3.core.Schema, parts: Sequence[Part],
            days: Sequence[date] | None = None) -> None:
        """Put files already written in the place of the given days, or of the whole table, in one commit.

        `schema` is that of the table, `day` included. Where the columns changed (another version of op25b wrote the
        table) the other days go too: their fingerprints are out of date as well, so `build` makes them anew. Days it
        cannot make any more, as rows have expired, stay and lack what is new; a `LakeError` where a type changed.
        """
        from deltalake import Schema
        from deltalake.transaction import create_table_with_add_actions

        columns = Schema.from_arrow(schema)
        partition_by = ["day"] if days is not None else []
        added = [self.added(table, part) for part in parts]
        delta = self.delta(table)
        if delta is None:
            create_table_with_add_actions(self._uri(table), columns, added, "error", partition_by)
            self.committed(table)
            return
        before, after = ({field.name: field.type for field in each.fields} for each in (delta.schema(), columns))
        replaced = days
        if days is not None and before != after:
            final = self._final_days(table, days)
            if changed := [name for name in before.keys() & after if final and before[name] != after[name]]:
                msg = (f"{self.root}: {min(changed)} in {table} has another type now, and the days until {max(final)} "
                       f"cannot be made anew, as rows they were made from have expired\n"
                       f"  give them up with 'op25b expire' ({table} under [retention]), or use the older op25b")
                raise LakeError(msg)
            replaced = sorted({*days, *self.days(table)} - final) if final else None
        filters = None if replaced is None else [("day", "in", [day.isoformat() for day in replaced])]
        actions: list[AddAction | RemoveAction] = [*added]
        delta.create_write_transaction(actions, "overwrite", columns, partition_by, filters)
        self.committed(table)

    def added(self, table: str, part: Part) -> AddAction:
        """What a commit says of a new file."""
        from deltalake.transaction import AddAction

        found = part.path.stat()
        values = {} if part.day is None else {"day": part.day.isoformat()}
        return AddAction(part.path.relative_to(self.root / table).as_posix(), found.st_size, values,
                         int(found.st_mtime * 1000), True, json.dumps({"numRecords": part.rows}))

    def _final_days(self, table: str, days: Sequence[date]) -> set[date]:
        """Days of a derived table, beside those made now, that no build can make again."""
        until = max(self.horizons().values(), default=date.min)
        return {day for day in self.days(table) if day <= until} - set(days)

    def committed(self, table: str) -> None:
        """Make a commit last; one that nobody holds the lake for is a lake version of its own."""
        durable.sync_commit(self.root / table)
        if not self._held:
            self.note("commit")

    def note(self, by: str) -> None:
        """Make a lake version of the tables as they are now, unless nothing has changed."""
        newest, now = versions.newest(self.root), self.table_versions()
        if newest is None or newest.tables != now:
            versions.note(self.root, by, now)

    def start_anew(self, by: str) -> None:
        """Make a lake version of the tables as they are now, and forget all before it."""
        versions.note(self.root, by, self.table_versions())
        versions.forget(self.root)

    def rewrite(self, table: str, rows: pa.RecordBatchReader, transaction: str) -> None:
        """Replace all rows of a table in one commit that also records `transaction`; those of files stay recorded."""
        from deltalake import CommitProperties, Transaction, write_deltalake

        write_deltalake(
            self._uri(table),
            rows,
            mode="overwrite",
            partition_by=["day"] if self.partitioned(table) else None,
            commit_properties=CommitProperties(app_transactions=[Transaction(app_id=transaction, version=1)]),
            writer_properties=properties(rows.schema.names),
        )
        self.committed(table)

    @contextmanager
    def writing(self, purpose: str) -> Iterator[None]:
        """Hold the lake as its only writer; a second writer gets a `LakeError` that names the first.

        What is done makes one lake version at the end; what an error or a kill left undone comes with the next.
        Where the writer before was killed, the lake is first looked over for what a power failure lost. A full disk is
        a `LakeError`.
        """
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
            killed = os.fstat(descriptor).st_size > 0
            mine = f"'op25b {purpose}' (process {os.getpid()})\n".encode()
            os.pwrite(descriptor, mine, 0)
            os.ftruncate(descriptor, len(mine))
            os.fsync(descriptor)
            if killed:
                durable.take_back_lost(self.root)
            if versions.newest(self.root) is None:  # readers need one to stay with while this goes on
                versions.note(self.root, purpose, self.table_versions())
            self._held = True
            yield
            self.note(purpose)
            os.ftruncate(descriptor, 0)
        except Exception as error:
            if isinstance(error, LakeError) or not durable.is_full(error):
                raise
            msg = (f"{durable.where_full(error) or self.root}: no room is left on the disk, or within a limit for this "
                   "user, for what is to be written\n"
                   "  make room, then run the same command again: it goes on where it was")
            raise LakeError(msg) from error
        finally:
            self._held = False
            os.close(descriptor)


def properties(columns: Sequence[str]) -> WriterProperties:
    """How delta-rs is to write Parquet files.

    Compression beyond level 1 costs more time than it saves space. Statistics go into the log as well, which is kept
    longer than the rows; so they say when, and never who.
    """
    from deltalake import ColumnProperties, WriterProperties

    each = {
        name: ColumnProperties(dictionary_enabled=name not in MOSTLY_DISTINCT,
                               statistics_enabled=None if name in TIMES else "NONE")
        for name in columns
    }
    return WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=GROUP_ROWS,
                            column_properties=each)


def _commits(table: Path) -> list[tuple[int, str]]:
    """The versions in the log of the table in a directory, and the files that made them, in order."""
    try:
        return sorted((int(name[1]), name[0]) for entry in os.scandir(table / "_delta_log")
                      if (name := _COMMIT.match(entry.name)))
    except FileNotFoundError:
        return []


def _path(uri: str) -> str:
    """The file a URI of delta-rs names."""
    return unquote(uri.removeprefix("file://"))
