"""`op25b compact`: fewer files, nothing lost, and nothing left that no kept lake version reads."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from op25b import upkeep, versions
from op25b.cli import app
from op25b.errors import LakeError
from op25b.lake import Lake, Part
from op25b.pseudonyms import Pseudonyms
from op25b.upkeep import compact, drop_days, forget_versions, swap
from tests.conftest import SETTINGS

ONE, TWO = date(2007, 6, 1), date(2007, 6, 2)
FILES = [f"file-{number}" for number in range(4)]
WEEK, NONE = timedelta(days=7), timedelta()


def rows(*values: tuple[date, int]) -> pl.DataFrame:
    return pl.DataFrame(values, schema={"day": pl.Date, "n": pl.Int64}, orient="row")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Four files read into two days of `t`, two rows each, every one a commit and a lake version of its own."""
    found = Lake(tmp_path / "lake")
    for number, name in enumerate(FILES):
        found.append("t", rows((ONE, number), (TWO, 10 + number)).to_arrow(), [name])
    return found


def held(lake: Lake) -> list[int]:
    return sorted(pl.read_parquet(lake.files("t"))["n"])


def at(lake: Lake, number: int) -> Lake:
    return Lake(lake.root, versions.load(lake.root, number))


def parquet(lake: Lake) -> int:
    return len([file for file in lake.root.rglob("*.parquet") if file.parent.name != "_delta_log"])


ROWS = [0, 1, 2, 3, 10, 11, 12, 13]


def test_one_file_a_day_and_each_input_file_still_known(lake: Lake) -> None:
    (done,) = compact(lake, NONE)
    assert (done.table, done.files, done.files_after, len(lake.files("t", [ONE]))) == ("t", 8, 2, 1)
    assert (held(lake), lake.rows("t"), lake.holds("t", [*FILES, "another"])) == (ROWS, 8, set(FILES))
    assert parquet(lake) == 2
    assert done.bytes_after == sum(file.stat().st_size for file in (lake.root / "t").rglob("*") if file.is_file())


def test_rows_of_a_file_stay_together_in_their_order(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for first in (0, 100):
        lake.append("t", rows(*((ONE, first + number) for number in range(100))).to_arrow(), [f"file {first}"])
    compact(lake, NONE)
    found = pl.read_parquet(lake.files("t"))["n"].to_list()
    assert sorted([found[:100], found[100:]]) == [[*range(100)], [*range(100, 200)]]


def test_versions_of_late_can_be_read_and_others_not(lake: Lake) -> None:
    compact(lake, WEEK)
    assert [held(at(lake, number)) for number in (1, 4, 5)] == [[0, 10], ROWS, ROWS]
    compact(lake, NONE)
    assert held(at(lake, 5)) == ROWS
    with pytest.raises(LakeError, match="lake version 4 is not kept any more"):
        at(lake, 4)


def test_nothing_to_do_is_no_version(lake: Lake) -> None:
    compact(lake, NONE)
    compact(lake, NONE)
    assert lake.number() == 5


def test_what_a_killed_command_wrote_is_removed(lake: Lake) -> None:
    for left in (lake.part_path("t", ONE), lake.part_path("t", date(2007, 6, 9)), lake.root / "t" / "left.parquet"):
        pl.DataFrame({"n": [5]}).write_parquet(left)
    compact(lake, WEEK)
    assert held(lake) == ROWS
    assert not (lake.root / "t" / "day=2007-06-09").exists()
    assert [5] not in [pl.read_parquet(file)["n"].to_list() for file in (lake.root / "t").glob("*/part-*.parquet")]
    assert not (lake.root / "t" / "left.parquet").exists()


@pytest.mark.parametrize("step", ["_merge", "sweep"])
def test_killed_and_run_again(lake: Lake, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    done = getattr(upkeep, step)

    def die(*arguments: object) -> None:
        done(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(upkeep, step, die)
        with pytest.raises(KeyboardInterrupt):
            compact(lake, NONE)
    newest = versions.newest(lake.root)
    assert newest is not None
    assert held(at(lake, newest.number)) == held(lake) == ROWS
    compact(lake, NONE)
    assert (held(lake), parquet(lake), lake.holds("t", FILES)) == (ROWS, 2, set(FILES))


def test_columns_that_came_later(lake: Lake) -> None:
    lake.append("t", rows((ONE, 4)).with_columns(new=pl.lit("x")).to_arrow(), ["later"])
    compact(lake, NONE)
    found = pl.read_parquet(lake.files("t", [ONE])).sort("n")
    assert found.select("n", "new").rows() == [(0, None), (1, None), (2, None), (3, None), (4, "x")]


def test_forgotten_versions_leave_no_trace(lake: Lake) -> None:
    drop_days(lake, "t", ONE)
    forget_versions(lake, "t")
    assert (held(lake), lake.holds("t", FILES), parquet(lake)) == ([10, 11, 12, 13], set(FILES), 4)
    log = [path.name[:20] for path in (lake.root / "t" / "_delta_log").iterdir() if path.name[0] == "0"]
    assert set(log) == {f"{4:020}"}
    with pytest.raises(LakeError, match="lake version 2 has no table t any more"):
        at(lake, 2).files("t")
    lake.append("t", rows((TWO, 99)).to_arrow(), ["file-5"])
    assert held(lake) == [10, 11, 12, 13, 99]


def test_dropped_days_are_off_the_disk_at_once(lake: Lake) -> None:
    drop_days(lake, "t", ONE)
    assert (held(lake), lake.days("t")) == ([10, 11, 12, 13], [TWO])
    assert not (lake.root / "t" / "day=2007-06-01").exists()
    drop_days(lake, "t", ONE)
    assert lake.version("t") == 4


def test_files_are_swapped_in_one_commit(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for number in (1, 2):
        lake.append("w", pl.DataFrame({"n": [number]}).to_arrow(), [f"file-{number}"])
    path = lake.part_path("w", None)
    pl.DataFrame({"n": [7, 8]}).write_parquet(path)
    gone = next(Path(file) for file in lake.files("w") if pl.read_parquet(file)["n"].to_list() == [2])
    swap(lake, "w", [gone], [Part(path, 2, None)])
    assert sorted(pl.read_parquet(lake.files("w"))["n"]) == [1, 7, 8]
    assert (lake.rows("w"), lake.version("w"), lake.holds("w", ["file-1", "file-2"])) == (3, 2, {"file-1", "file-2"})


def test_the_command_line(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "op25b.toml").write_text(SETTINGS, encoding="utf-8")
    Pseudonyms.create(tmp_path / "op25b.key")
    with lake.writing("ingest"):
        refused = CliRunner().invoke(app, ["-w", str(tmp_path), "compact"])
    assert isinstance(refused.exception, LakeError)
    done = CliRunner().invoke(app, ["-w", str(tmp_path), "compact", "--keep-hours", "0", "--format", "json"])
    assert [(row["table"], row["files"], row["files_after"]) for row in json.loads(done.stdout)] == [("t", 8, 2)]
    assert versions.numbers(lake.root) == [5]
