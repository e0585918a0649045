"""What is written stays written: files that are there whole or not at all, and commits that outlive a power failure.

Killing a process loses nothing that it wrote. A power failure may: a file that was not flushed to the disk can be empty
or short afterwards though its name is there. So every commit to a table is flushed before the next step relies on it,
and the first writer after a failure takes back the one commit per table that may not have been.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from op25b.keyfile import sync_directory

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# delta-rs, DuckDB and Polars hand on the words of the operating system only; the last is DuckDB's own limit.
_FULL_WORDS = (*(os.strerror(number) for number in sorted(_FULL)), "max_temp_directory_size")


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a file just written its name, in one step and for good."""
    _sync_file(temporary)
    temporary.replace(path)
    sync_directory(path.parent)


def sync_commit(table: Path) -> None:
    """Make the newest commit of a table last: the files it adds, its entry in the log, and their names."""
    entry = _newest(table)
    if entry is None:
        return
    files = [table / path for path, _ in _added(_actions(entry))]
    for file in files:
        _sync_file(file)
    _sync_file(entry)
    for directory in {entry.parent, table, table.parent, *(file.parent for file in files)}:
        sync_directory(directory)


def take_back_lost(root: Path) -> list[str]:
    """Take back each table's newest commit where a power failure left it without its rows; the tables' names.

    Nothing was made from such a commit, as it was never flushed. For the lake's only writer, before it writes.
    """
    lost = []
    for log in sorted(root.glob("*/_delta_log")):
        entry = _newest(log.parent)
        if entry is not None and not _whole(log.parent, entry):
            entry.unlink()
            sync_directory(log)
            lost.append(log.parent.name)
    return lost


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that led to it, says that there is no room left where something was to be written."""
    return any(
        each.errno in _FULL if isinstance(each, OSError) and each.errno is not None
        else any(words in str(each) for words in _FULL_WORDS)
        for each in _chain(error)
    )


def where_full(error: BaseException) -> str | None:
    """The file there is no room for, where the error names it."""
    return next((os.fspath(each.filename) for each in _chain(error)
                 if isinstance(each, OSError) and each.errno in _FULL and each.filename), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _newest(table: Path) -> Path | None:
    """The newest entry of a table's log that is no checkpoint."""
    entries = [path for path in (table / "_delta_log").glob("*.json") if path.stem.isdigit()]
    return max(entries, key=lambda path: path.stem, default=None)


def _actions(entry: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in entry.read_text(encoding="utf-8").splitlines()]


def _added(actions: Iterable[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    for action in actions:
        if "add" in action:
            yield unquote(action["add"]["path"]), action["add"]["size"]


def _whole(table: Path, entry: Path) -> bool:
    """Whether a commit's entry can be read and the files that it adds are there, as long as it says."""
    try:
        actions = _actions(entry)
        return bool(actions) and all((table / path).stat().st_size == size for path, size in _added(actions))
    except (ValueError, KeyError, TypeError, FileNotFoundError):
        return False


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
