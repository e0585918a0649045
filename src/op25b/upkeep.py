"""Upkeep of the lake's files: small ones merged, those that no kept version reads removed, days and rows taken out.

Delta keeps what a commit replaced, so that earlier versions can be read; and what a killed command wrote before its
commit lies beside the table for good. `compact` merges what is there into fewer files and then removes every file that
no kept lake version has. It holds the lake, so nobody is writing meanwhile, and a version is forgotten before the first
of its files goes: whatever is killed here leaves a lake that reads as before, and the next run removes the rest.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from op25b import versions
from op25b.errors import LakeError
from op25b.lake import Lake, Part, properties
from op25b.versions import Version

_LOG = re.compile(r"(\d{20})\.")
_DAY = "day="


@dataclass(frozen=True)
class Compacted:
    """What a compaction did to one table: its files, and the bytes of its directory, before and after."""

    table: str
    files: int
    files_after: int
    bytes: int
    bytes_after: int


def compact(lake: Lake, keep: timedelta, progress: Callable[[str], None] = lambda _: None) -> list[Compacted]:
    """Merge the small files of every table, forget lake versions older than `keep`, and remove what nobody reads.

    A version's age counts from when a newer one took its place. Rows of one file stay together in their order, which is
    that of time (nothing is gained by sorting by address: a day is always read as a whole), and input files are
    still known by the transactions in the log.
    """
    done = []
    with lake.writing("compact"):
        before = {table: (len(lake.files(table)), _size(lake.root / table)) for table in lake.tables()}
        for table in lake.tables():
            progress(table)
            _merge(lake, table)
        lake.note("compact")
        kept = versions.forget(lake.root, datetime.now(UTC).replace(tzinfo=None) - keep)
        for table, (files, size) in before.items():
            progress(table)
            sweep(lake, table, kept)
            done.append(Compacted(table, files, len(lake.files(table)), size, _size(lake.root / table)))
    return done


def _merge(lake: Lake, table: str) -> None:
    delta = lake.delta(table)
    if delta is not None and len(delta.file_uris()) > 1:
        done = delta.optimize.compact(writer_properties=properties([field.name for field in delta.schema().fields]))
        if done["numFilesRemoved"]:
            lake.committed(table)


def sweep(lake: Lake, table: str, kept: Iterable[Version]) -> None:
    """Remove the Parquet files of a table that neither it as it is nor one of the kept lake versions has."""
    used = {Path(file) for file in lake.files(table)}
    seen = {lake.version(table)}
    for version in kept:
        if version.tables.get(table) not in {None, *seen}:
            seen.add(version.tables[table])
            with suppress(LakeError):  # what cannot be read any more keeps nothing
                used |= {Path(file) for file in Lake(lake.root, version).files(table)}
    root = (lake.root / table).resolve()
    for directory in (root, *root.glob(f"{_DAY}*")):
        for file in directory.glob("*.parquet"):
            if file not in used:
                file.unlink()
        if directory != root and not any(directory.iterdir()):
            directory.rmdir()


def forget_versions(lake: Lake, table: str) -> None:
    """Remove all but the latest version of a table: data files, and log entries with what they say of the rows.

    A checkpoint holds the table as it is, its transactions included, so that the entries before it are not needed.
    """
    sweep(lake, table, ())
    delta = lake.delta(table)
    if delta is None:
        return
    delta.create_checkpoint()
    for entry in (lake.root / table / "_delta_log").iterdir():
        version = _LOG.match(entry.name)
        if version is None:
            if entry.name != "_last_checkpoint":
                entry.unlink()
        elif int(version[1]) < delta.version():
            entry.unlink()


def drop_days(lake: Lake, table: str, until: date) -> None:
    """Remove all rows of a table partitioned by day up to a day, of earlier versions too; files are gone at once."""
    delta = lake.delta(table)
    days = [day.isoformat() for day in lake.days(table) if day <= until]
    if delta is not None and days:
        delta.create_write_transaction([], "overwrite", delta.schema(), ["day"], [("day", "in", days)])
        lake.committed(table)
    for directory in (lake.root / table).glob(f"{_DAY}*"):
        if directory.name <= f"{_DAY}{until}":
            shutil.rmtree(directory)


def swap(lake: Lake, table: str, gone: Sequence[Path], parts: Sequence[Part]) -> None:
    """Put new files of a table in the place of some of its files, in one commit."""
    from deltalake.transaction import AddAction, RemoveAction

    delta = lake.delta(table)
    if delta is None or not gone:
        return
    now = time.time_ns() // 10**6
    actions: list[AddAction | RemoveAction] = [
        RemoveAction(path.relative_to((lake.root / table).resolve()).as_posix(), True, now) for path in gone]
    actions += [lake.added(table, part) for part in parts]
    delta.create_write_transaction(actions, "append", delta.schema(), [], None)
    lake.committed(table)


def _size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
