"""Large files are read while they are hashed: what is in the lake already is not read again, whatever its name."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from op25b.api import OpenWorkspace
from op25b.ingest import files
from op25b.readers.content import HEAD_BYTES, Content, Known, end_of_records, examine, may_be_known

Make = Callable[..., OpenWorkspace]
INPUT = '\n[[inputs.mail]]\npath = "raw/*"\nyear = 2026\n'
OLD = time.time() - 3600


def lines(first: int, last: int) -> bytes:
    """Log lines of about 70 bytes; 2,000 of them are more than the hash of a file's start is of."""
    return "".join(f"Nov 24 12:{number // 60 % 60:02d}:{number % 60:02d} mx postfix/qmgr[2]: {number:010X}: removed\n"
                   for number in range(first, last)).encode()


LOG, MORE = lines(0, 2000), lines(2000, 2500)


@pytest.fixture
def opened(workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenWorkspace:
    monkeypatch.setattr(files, "LARGE_BYTES", 1000)
    (tmp_path / "raw").mkdir()
    return workspace(INPUT)


def put(path: Path, content: bytes) -> Path:
    """A file that nobody writes to any more."""
    path.write_bytes(content)
    os.utime(path, (OLD, OLD))
    return path


def run(opened: OpenWorkspace) -> list[tuple[str, int]]:
    return [(row["state"], row["rows_read"]) for row in opened.ingest().to_dicts()]


def kept(opened: OpenWorkspace) -> tuple[Any, ...]:
    """Rows in the lake, and distinct ones."""
    return tuple(opened.sql("SELECT count(*), count(DISTINCT queue_id) FROM mail_event").row(0))


def hashed_later(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that are hashed while they are read."""
    paths: list[Path] = []

    def noted(path: Path, *args: Any, **options: Any) -> Content:
        if "end" in options:
            paths.append(path)
        return examine(path, *args, **options)

    monkeypatch.setattr(files, "examine", noted)
    return paths


def test_a_new_file_is_hashed_while_it_is_read(opened: OpenWorkspace, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    later = hashed_later(monkeypatch)
    log = put(tmp_path / "raw" / "mail.log", LOG)
    assert run(opened) == [("new", 2000)]
    assert kept(opened) == (2000, 2000)
    whole, head = hashlib.sha256(LOG).hexdigest(), hashlib.sha256(LOG[:HEAD_BYTES]).hexdigest()
    assert opened.sql("SELECT sha256, content_bytes, head FROM source_file").rows() == [(whole, len(LOG), head)]
    assert opened.sql("SELECT DISTINCT source FROM mail_event").rows() == [(whole,)]
    assert run(opened) == [("known", 0)]
    put(log, LOG)  # touched: it is looked at again, and known by its start
    os.utime(log)
    assert run(opened) == [("known", 0)]
    assert later == [log]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_same_content_under_another_name_is_known(opened: OpenWorkspace, tmp_path: Path,
                                                      pack: Callable[[bytes], bytes]) -> None:
    put(tmp_path / "raw" / "a.log", LOG)
    assert run(opened) == [("new", 2000)]
    put(tmp_path / "raw" / "b.log", pack(LOG))
    assert run(opened) == [("known", 0), ("known", 0)]
    assert kept(opened) == (2000, 2000)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_same_content_twice_in_one_run_is_read_once(opened: OpenWorkspace, tmp_path: Path,
                                                        pack: Callable[[bytes], bytes]) -> None:
    put(tmp_path / "raw" / "a.log", LOG)
    put(tmp_path / "raw" / "b.log", pack(LOG))
    put(tmp_path / "raw" / "c.log", MORE)
    assert run(opened) == [("new", 2000), ("known", 0), ("new", 500)]
    assert kept(opened) == (2500, 2500)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_of_a_grown_log_the_new_end_is_read(opened: OpenWorkspace, tmp_path: Path,
                                            pack: Callable[[bytes], bytes]) -> None:
    put(tmp_path / "raw" / "mail.log", LOG)
    assert run(opened) == [("new", 2000)]
    put(tmp_path / "raw" / "mail.log", pack(LOG + MORE))
    assert run(opened) == [("new", 500)]
    assert kept(opened) == (2500, 2500)


def test_a_file_with_the_same_start_is_another(opened: OpenWorkspace, tmp_path: Path) -> None:
    put(tmp_path / "raw" / "a.log", LOG)
    assert run(opened) == [("new", 2000)]
    put(tmp_path / "raw" / "b.log", LOG.replace(b"0000007CF: removed", b"F000007CF: removed"))
    assert run(opened) == [("known", 0), ("new", 2000)]
    assert kept(opened) == (4000, 2001)


def test_what_a_log_grows_by_while_it_is_read_is_for_the_next_time(opened: OpenWorkspace, tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "raw" / "mail.log"
    log.write_bytes(LOG + MORE[:30])

    def growing(path: Path, *args: Any, **options: Any) -> Content:
        with path.open("ab") as file:
            file.write(MORE[30:])
        return examine(path, *args, **options)

    monkeypatch.setattr(files, "examine", growing)
    assert run(opened) == [("new", 2000)]
    monkeypatch.setattr(files, "examine", examine)
    assert run(opened) == [("new", 500)]
    assert kept(opened) == (2500, 2500)
    assert run(opened) == [("known", 0)]


def test_a_file_that_cannot_be_hashed_is_in_no_commit(opened: OpenWorkspace, tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "raw" / "a.log", LOG)
    put(tmp_path / "raw" / "b.log", MORE)

    def gone(path: Path, *args: Any, **options: Any) -> Content:
        if path.name == "a.log":
            raise OSError(5, "Input/output error")
        return examine(path, *args, **options)

    monkeypatch.setattr(files, "examine", gone)
    assert [row["state"] for row in opened.ingest().to_dicts()] == ["failed", "new"]
    assert kept(opened) == (500, 500)
    monkeypatch.setattr(files, "examine", examine)
    assert run(opened) == [("new", 2000), ("known", 0)]
    assert kept(opened) == (2500, 2500)


def test_few_rows_are_held_until_the_hash_is_known(opened: OpenWorkspace, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("op25b.ingest.reading.SMALL_BYTES", 1000)
    monkeypatch.setattr("op25b.ingest.HELD_BYTES", 0)
    put(tmp_path / "raw" / "mail.log", LOG)
    assert run(opened) == [("new", 2000)]
    assert kept(opened) == (2000, 2000)


@pytest.mark.parametrize(("known", "expected"), [
    ([], False),
    ([Known(hashlib.sha256(b"abc").hexdigest(), 3, held_rows=True, last=None)], True),
    ([Known(hashlib.sha256(b"abd").hexdigest(), 3, held_rows=True, last=None)], False),
    ([Known("", 0, held_rows=False, last=None)], False),  # every file begins with nothing
    ([Known("x", HEAD_BYTES, held_rows=True, last=None, head=hashlib.sha256(b"abcdef").hexdigest())], True),
    ([Known("x", HEAD_BYTES, held_rows=True, last=None, head="y")], False),
    ([Known("x", HEAD_BYTES, held_rows=True, last=None)], True),  # an older op25b did not note it
])
def test_what_a_file_may_be_by_its_start(known: list[Known], expected: bool) -> None:
    assert may_be_known(b"abcdef", known) is expected


@pytest.mark.parametrize(("content", "boundary", "end"), [
    (b"", None, 0), (b"a\nb", None, 3), (b"a\nb", b"\n", 2), (b"a\nb\n", b"\n", 4), (b"ab", b"\n", None),
    (b"a\n\nb\n", b"\n\n", 3),
])
def test_the_end_of_the_last_whole_record(tmp_path: Path, content: bytes, boundary: bytes | None,
                                          end: int | None) -> None:
    file = put(tmp_path / "log", content)
    assert end_of_records(file, len(content), boundary) == end
