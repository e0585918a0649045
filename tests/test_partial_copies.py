"""A copy of the beginning of a log that is in the lake whole: nothing of it is read again."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from op25b import schema
from op25b.api import OpenWorkspace
from op25b.ingest import files
from op25b.lake import Lake
from op25b.readers.content import Content, Known, examine, marks_of, note_of, shown_whole
from tests.conftest import SETTINGS
from tests.pipelines.rows import new_workspace

Make = Callable[..., OpenWorkspace]
OLD = time.time() - 3600
INPUT = '\n[[inputs.mail]]\npath = "raw/*"\nyear = 2026\n'
State = tuple[str, int]


def lines(first: int, last: int) -> bytes:
    """Log lines of about 70 bytes."""
    return "".join(f"Nov 24 12:{number // 60 % 60:02d}:{number % 60:02d} mx postfix/qmgr[2]: {number:010X}: removed\n"
                   for number in range(first, last)).encode()


LOG = lines(0, 40)
LARGE = lines(0, 2000)  # more than is marked


@pytest.fixture
def opened(workspace: Make, tmp_path: Path) -> OpenWorkspace:
    (tmp_path / "raw").mkdir()
    return workspace(INPUT)


def put(path: Path, content: bytes, age: float = 3600) -> Path:
    """A file that was last written so many seconds ago."""
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def run(opened: OpenWorkspace) -> dict[str, State]:
    """What became of each file, and how many rows were read of it."""
    found = opened.ingest()
    assert (found["rows_read"] == found["rows_kept"] + found["rows_filtered"] + found["rows_rejected"]).all()
    return {Path(row["path"]).name: (row["state"], row["rows_read"]) for row in found.to_dicts()}


def table(opened: OpenWorkspace, name: str) -> pl.DataFrame:
    parts = [pl.read_parquet(file, glob=False) for file in Lake(opened.workspace.lake_path).files(name)]
    return pl.concat([schema.raw_table(name).empty(), *parts], how="diagonal_relaxed")


def kept(opened: OpenWorkspace) -> tuple[int, int, int]:
    """Rows in the lake, distinct ones, and rejected ones."""
    events = table(opened, "mail_event")
    return events.height, events["queue_id"].n_unique(), table(opened, "rejected").height


@pytest.mark.parametrize("whole", [LOG, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(("pack", "pack_copy"), [(bytes, bytes), (gzip.compress, bytes), (bytes, gzip.compress),
                                                 (lzma.compress, bz2.compress)])
@pytest.mark.parametrize("cut", ["after a line", "amid a line"])
def test_a_copy_of_the_beginning_is_known(opened: OpenWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          whole: bytes, pack: Callable[[bytes], bytes],
                                          pack_copy: Callable[[bytes], bytes], cut: str) -> None:
    if whole is LARGE:  # then new files are hashed while they are read
        monkeypatch.setattr(files, "LARGE_BYTES", 1000)
    put(tmp_path / "raw" / "mail.log", pack(whole))
    rows = whole.count(b"\n")
    assert run(opened) == {"mail.log": ("new", rows)}
    length = len(b"".join(whole.splitlines(keepends=True)[: rows * 3 // 4])) + (11 if cut == "amid a line" else 0)
    put(tmp_path / "raw" / "noon.log", pack_copy(whole[:length]))
    for _ in range(2):
        assert run(opened) == {"mail.log": ("known", 0), "noon.log": ("known", 0)}
    assert kept(opened) == (rows, rows, 0)
    assert table(opened, "source_file").height == 1


def test_a_known_copy_is_not_looked_at_again(opened: OpenWorkspace, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    put(tmp_path / "raw" / "noon.log", LOG[:1000])
    run(opened)
    monkeypatch.setattr(files, "examine", None)
    assert run(opened) == {"mail.log": ("known", 0), "noon.log": ("known", 0)}


@pytest.mark.parametrize("length", [1, 2, 3, 10, 40])
def test_so_little_of_a_log_that_it_could_be_anything_is_known_too(opened: OpenWorkspace, tmp_path: Path,
                                                                   length: int) -> None:
    put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    put(tmp_path / "raw" / "noon.log", LOG[:length])
    assert run(opened)["noon.log"] == ("known", 0)
    put(tmp_path / "raw" / "noon.log", b"M" + LOG[1:length])
    assert run(opened)["noon.log"][0] != "known"


def test_a_copy_on_its_way_is_known_up_to_its_last_whole_line(opened: OpenWorkspace, tmp_path: Path) -> None:
    put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    copy = put(tmp_path / "raw" / "noon.log", LOG[:1000] + b"\0" * 50, age=0)
    assert run(opened)["noon.log"] == ("known", 0)
    put(copy, LOG, age=0)
    assert run(opened)["noon.log"] == ("known", 0)
    assert kept(opened) == (40, 40, 0)


def test_half_of_a_packed_copy_is_known_as_far_as_it_goes(opened: OpenWorkspace, tmp_path: Path) -> None:
    put(tmp_path / "raw" / "mail.log", LARGE)
    run(opened)
    packed = gzip.compress(LARGE)
    put(tmp_path / "raw" / "noon.log.gz", packed[: len(packed) // 2])
    assert run(opened)["noon.log.gz"] == ("known", 0)
    assert kept(opened) == (2000, 2000, 0)


def test_the_whole_log_may_have_grown_or_been_packed_meanwhile(opened: OpenWorkspace, tmp_path: Path) -> None:
    log = put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    put(log, gzip.compress(LOG + lines(40, 50)))
    put(tmp_path / "raw" / "noon.log", LOG[:1000])
    assert run(opened) == {"mail.log": ("new", 10), "noon.log": ("known", 0)}
    put(tmp_path / "raw" / "evening.log", lines(0, 45))
    assert run(opened)["evening.log"] == ("known", 0)
    assert kept(opened) == (50, 50, 0)


def test_the_whole_log_may_have_a_name_that_is_no_utf8(opened: OpenWorkspace, tmp_path: Path) -> None:
    log = put(tmp_path / "raw" / os.fsdecode(b"mail\xff.log"), LOG)
    run(opened)
    put(log, LOG + lines(40, 50))
    put(tmp_path / "raw" / "noon.log", LOG[:1000])
    assert run(opened) == {r"mail\xff.log": ("new", 10), "noon.log": ("known", 0)}
    assert kept(opened) == (50, 50, 0)


@pytest.mark.parametrize("runs", [1, 2])
def test_the_whole_log_may_be_known_under_another_name(opened: OpenWorkspace, tmp_path: Path, runs: int) -> None:
    log = put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    put(tmp_path / "raw" / "mail.log.1.gz", gzip.compress(LOG))
    put(log, lines(60, 70))
    if runs == 2:
        assert run(opened) == {"mail.log": ("new", 10), "mail.log.1.gz": ("known", 0)}
    put(tmp_path / "raw" / "noon.log", LOG[:1000])
    assert run(opened)["noon.log"] == ("known", 0)
    assert kept(opened) == (50, 50, 0)


def test_copies_of_copies_come_in_any_order(opened: OpenWorkspace, tmp_path: Path) -> None:
    put(tmp_path / "raw" / "m.log", LOG)
    run(opened)
    for name, length in (("a.log", 1500), ("b.log", 700), ("n.log", 700), ("z.log", 900)):
        put(tmp_path / "raw" / name, LOG[:length])
    assert set(run(opened).values()) == {("known", 0)}
    assert kept(opened) == (40, 40, 0)


def test_a_copy_that_goes_on_otherwise_is_read(opened: OpenWorkspace, tmp_path: Path) -> None:
    """What the file has of its own must not be lost, so it is another file."""
    put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    copy = put(tmp_path / "raw" / "noon.log", lines(0, 10))
    assert run(opened)["noon.log"] == ("known", 0)
    put(copy, lines(0, 10) + lines(90, 95))
    assert run(opened)["noon.log"] == ("new", 15)


@pytest.mark.parametrize("change", ["gone", "another", "shorter", "a pipe", "a directory", "begins alike"])
def test_where_the_whole_log_is_not_there_any_more_the_copy_is_read(opened: OpenWorkspace, tmp_path: Path,
                                                                    change: str) -> None:
    log = put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    log.unlink()
    copy = lines(0, 20)
    match change:
        case "another":
            put(log, lines(60, 100))
        case "shorter":
            put(log, lines(0, 10))
        case "a pipe":
            os.mkfifo(log)
        case "a directory":
            log.mkdir()
        case "begins alike":  # the copy is the beginning of this one, of which the lake has not the same
            copy += lines(60, 65)
            log = put(tmp_path / "raw" / "mail.log", copy + lines(65, 70))
            (tmp_path / "op25b.toml").write_text(SETTINGS + INPUT.replace("raw/*", "raw/noon.log"))
    put(tmp_path / "raw" / "noon.log", copy)
    state, rows = run(opened)["noon.log"]
    assert (state, rows) == ("new", copy.count(b"\n") - (10 if change == "shorter" else 0))


@pytest.mark.parametrize("path", [
    "raw/nul\0.log", "x" * 5000, "/proc/self/mem", "../../../etc", "$(id)", "", "raw/noon.log/x"])
def test_a_path_that_cannot_be_opened_harms_no_new_file(opened: OpenWorkspace, tmp_path: Path, path: str) -> None:
    put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    (tmp_path / "raw" / "mail.log").unlink()
    (account,) = Lake(opened.workspace.lake_path).files("source_file")
    pl.read_parquet(account).with_columns(path=pl.lit(path)).write_parquet(account)
    put(tmp_path / "raw" / "noon.log", lines(0, 20))
    assert run(opened) == {"noon.log": ("new", 20)}


def test_a_lake_of_before_has_no_marks(opened: OpenWorkspace, tmp_path: Path) -> None:
    put(tmp_path / "raw" / "mail.log", LOG)
    run(opened)
    (account,) = Lake(opened.workspace.lake_path).files("source_file")
    pl.read_parquet(account).drop("marks").write_parquet(account)
    put(tmp_path / "raw" / "noon.log", lines(0, 20))
    assert run(opened) == {"mail.log": ("known", 0), "noon.log": ("new", 20)}
    assert table(opened, "source_file").sort("content_bytes")["marks"].to_list() == [
        note_of(marks_of(lines(0, 20)), len(lines(0, 20))), None]


def test_marks_are_of_logs_alone(workspace: Make, tmp_path: Path) -> None:
    opened = workspace('\n[[inputs.subscribers]]\npath = "list.csv"\n')
    put(tmp_path / "list.csv", b"subscriber,plan\nA,x\nB,y\n")
    run(opened)
    assert table(opened, "source_file")["marks"].to_list() == [None]
    assert len(note_of(marks_of(LARGE), len(LARGE))) == 17 * 16


def record(number: int) -> bytes:
    return (f"Tue Nov 24 12:00:00 2026\n\tUser-Name = \"u{number}\"\n\tAcct-Status-Type = Start\n\tAcct-Session-Id = "
            f"\"{number}\"\n\tFramed-IP-Address = 198.18.0.9\n\tTimestamp = {1795489200 + number}\n\n").encode()


def test_accounting_records(workspace: Make, tmp_path: Path) -> None:
    opened = workspace('\n[[inputs.leases]]\npath = "detail*"\n')
    whole = b"".join(map(record, range(5)))
    put(tmp_path / "detail", whole)
    run(opened)
    put(tmp_path / "detail.noon", whole[:-100])
    put(tmp_path / "detail.now", whole[:-100], age=0)
    assert run(opened) == {"detail": ("known", 0), "detail.noon": ("known", 0), "detail.now": ("known", 0)}
    assert (table(opened, "lease_record").height, table(opened, "rejected").height) == (5, 0)


@pytest.mark.parametrize("known", [[lines(0, 30)], [lines(0, 25), LOG], [b"x" * 3000, LOG]])
def test_the_first_content_that_a_file_shows(tmp_path: Path, known: list[bytes]) -> None:
    def of(content: bytes) -> Content:
        return examine(put(tmp_path / "one", content), ())

    contents = [Known(of(content).sha256, len(content), held_rows=True, last=None) for content in known]
    log = put(tmp_path / "log", LOG)
    begin = of(lines(0, 20))
    assert shown_whole(log, begin, contents[::-1]) == next(each for each, text in zip(contents, known, strict=True)
                                                           if LOG.startswith(text))
    assert shown_whole(log, of(lines(1, 20)), contents) is None
    assert shown_whole(put(tmp_path / "log", LOG[:1300]), begin, contents) is None


@settings(max_examples=25, deadline=None)
@given(data=st.data(), packed=st.tuples(st.booleans(), st.booleans(), st.booleans()), recent=st.booleans())
def test_whole_then_beginning_then_more_is_each_line_once(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject,
                                                          packed: tuple[bool, bool, bool], recent: bool) -> None:
    root = tmp_path_factory.mktemp("partial")
    opened = new_workspace(root, SETTINGS + INPUT)
    (root / "raw").mkdir()
    bad = data.draw(st.sets(st.integers(1, 59)))  # the first line says what it is a log of
    each = [b"no stamp\n" if number in bad else line
            for number, line in enumerate(lines(0, 60).splitlines(keepends=True))]
    half = data.draw(st.integers(1, 59))
    whole, grown = b"".join(each[:half]), b"".join(each)
    copy = whole[: data.draw(st.integers(1, len(whole)))]

    def step(name: str, content: bytes, pack: bool) -> None:
        put(root / "raw" / name, gzip.compress(content) if pack else content, 0 if recent else 3600)
        assert "failed" not in {state for state, _ in run(opened).values()}

    step("mail.log", whole, packed[0])
    step("noon.log", copy, packed[1])
    step("mail.log", grown, packed[2])
    assert kept(opened) == (60 - len(bad), 60 - len(bad), len(bad))
    accounts = table(opened, "source_file")
    assert accounts["rows_read"].sum() == 60
    assert accounts["rows_rejected"].sum() == len(bad)
