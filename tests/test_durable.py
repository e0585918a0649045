"""What a power failure loses is taken back before anything is made from it; a full disk is told in any words."""

from __future__ import annotations

import errno
import os
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from op25b import durable
from op25b.lake import Lake

DAY = date(2026, 11, 24)


def rows(*values: int) -> pa.Table:
    return pa.table({"day": [DAY] * len(values), "value": pa.array(values, pa.int64())})


def killed(lake: Lake) -> None:
    """What the lake looks like after its writer was killed."""
    (lake.root / ".writer").write_text("'op25b ingest' (process 1)\n")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A table of two commits."""
    made = Lake(tmp_path / "lake")
    with made.writing("ingest"):
        made.append("flow", rows(1, 2), ["flows/a"])
        made.append("flow", rows(3), ["flows/b"])
    return made


def newest(lake: Lake) -> tuple[Path, Path]:
    """The log's entry of the second commit, and its Parquet file."""
    entry = lake.root / "flow/_delta_log/00000000000000000001.json"
    (path,) = [path for path, _ in durable._added(durable._actions(entry))]
    return entry, lake.root / "flow" / path


@pytest.mark.parametrize("lost", ["empty entry", "half an entry", "zeros", "no file", "short file"])
def test_a_commit_that_never_reached_the_disk_is_taken_back(lake: Lake, lost: str) -> None:
    entry, file = newest(lake)
    match lost:
        case "empty entry":
            entry.write_bytes(b"")
        case "half an entry":
            entry.write_bytes(entry.read_bytes()[:-20])
        case "zeros":
            entry.write_bytes(bytes(entry.stat().st_size))
        case "no file":
            file.unlink()
        case "short file":
            file.write_bytes(file.read_bytes()[:100])
    killed(lake)
    with lake.writing("ingest"):
        assert lake.rows("flow") == 2
        assert lake.holds("flow", ["flows/a", "flows/b"]) == {"flows/a"}
        lake.append("flow", rows(3), ["flows/b"])
    assert lake.rows("flow") == 3


def test_a_whole_commit_stays(lake: Lake) -> None:
    killed(lake)
    with lake.writing("build"):
        assert lake.rows("flow") == 3


def test_what_is_lost_after_an_orderly_end_is_not_hushed_up(lake: Lake) -> None:
    entry, file = newest(lake)
    file.unlink()
    with lake.writing("build"):
        assert entry.exists()


@pytest.mark.parametrize(("error", "full"), [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/there"), True),
    (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), True),
    (OSError(errno.EACCES, os.strerror(errno.EACCES)), False),
    (RuntimeError("Generic LocalFileSystem error: No space left on device (os error 28)"), True),
    (RuntimeError("Out of Memory Error: ... set by the 'max_temp_directory_size' setting"), True),
    (ValueError("what else"), False),
])
def test_a_full_disk_is_told_from_other_errors(error: Exception, full: bool) -> None:
    assert durable.is_full(error) is full
    outer = RuntimeError("outer")
    outer.__cause__ = error
    assert durable.is_full(outer) is full
    assert durable.where_full(outer) == ("/there" if getattr(error, "filename", None) else None)
