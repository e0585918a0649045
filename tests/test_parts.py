"""New rows by day: one file a day, in order, in groups, of which only times tell the least and the greatest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from arro3.core import RecordBatchReader, Table
from pyarrow import parquet

from op25b import parts
from op25b.errors import LakeError
from op25b.lake import Lake
from op25b.parts import DayFiles

DAYS = [date(2007, 6, 1) + timedelta(days=number) for number in range(5)]


def frame(*values: tuple[date, int]) -> pl.DataFrame:
    return pl.DataFrame(values, schema={"day": pl.Date, "n": pl.Int64}, orient="row")


def written(directory: Path, *frames: pl.DataFrame) -> dict[date | None, list[list[int]]]:
    """Day → the rows of each of its files."""
    names = iter(range(100))
    files = DayFiles(lambda day: directory / f"{day}-{next(names)}.parquet")
    for each in frames:
        files.write(each)
    found: dict[date | None, list[list[int]]] = {}
    for part in files.close():
        rows = pl.read_parquet(part.path)
        assert (rows.columns, rows.height) == (["n"], part.rows)
        found.setdefault(part.day, []).append(rows["n"].to_list())
    return found


def test_each_day_has_a_file_with_its_rows_in_order(tmp_path: Path) -> None:
    one, two = DAYS[:2]
    assert written(tmp_path, frame((one, 3), (two, 1), (one, 2)), frame(), frame((two, 9), (one, 0))) == {
        one: [[3, 2, 0]], two: [[1, 9]]}
    assert written(tmp_path) == {}


@pytest.mark.parametrize("held", [0, 3, 100])
def test_rows_are_the_same_however_many_are_held(tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "GROUP_ROWS", 4)
    monkeypatch.setattr(parts, "_HELD_ROWS", held)
    values = [(DAYS[number * 7 % 3], number) for number in range(50)]
    frames = [frame(*values[start : start + 5]) for start in range(0, 50, 5)]
    assert written(tmp_path, *frames) == {
        day: [[number for of, number in values if of == day]] for day in DAYS[:3]}


def test_rows_are_in_whole_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "GROUP_ROWS", 4)
    written(tmp_path, *(frame(*((DAYS[0], number) for number in range(3))) for _ in range(5)))
    (path,) = tmp_path.iterdir()
    found = parquet.read_metadata(path)
    assert [found.row_group(number).num_rows for number in range(found.num_row_groups)] == [4, 4, 4, 3]


def test_a_day_may_have_several_files_where_too_many_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_OPEN", 2)
    monkeypatch.setattr(parts, "_HELD_ROWS", 0)
    found = written(tmp_path, *(frame((day, number)) for number in range(2) for day in DAYS))
    assert found == {day: [[0], [1]] for day in DAYS}


def test_only_times_have_statistics(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = pl.DataFrame({"day": DAYS[:1], "first_seen": [datetime(2007, 6, 1)], "src_ip": ["198.18.0.1"]})
    lake.append("flow", rows.to_arrow(), [])
    (path,) = lake.files("flow")
    group = parquet.read_metadata(path).row_group(0)
    columns = {group.column(number).path_in_schema: group.column(number) for number in range(group.num_columns)}
    assert {name: column.is_stats_set for name, column in columns.items()} == {"first_seen": True, "src_ip": False}
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    entry = (tmp_path / "flow/_delta_log/00000000000000000000.json").read_text(encoding="utf-8")
    assert "198.18.0.1" not in entry


def test_nothing_stays_of_rows_that_end_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "GROUP_ROWS", 1)
    lake = Lake(tmp_path)

    def rows() -> Iterator[object]:
        yield from Table(frame((DAYS[0], 1), (DAYS[1], 2))).to_batches()
        assert len([*tmp_path.rglob("*.parquet")]) == 2
        msg = "the input ends here"
        raise OSError(msg)

    with pytest.raises(Exception, match="the input ends here"):
        lake.append("t", RecordBatchReader.from_batches(Table(frame()).schema, rows()), ["a"])  # type: ignore[arg-type]
    assert [*tmp_path.rglob("*.parquet")] == []
    assert lake.version("t") is None


def test_a_file_without_rows_is_remembered(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("t", frame().to_arrow(), ["first"])
    lake.append("t", frame((DAYS[0], 1)).to_arrow(), ["second"])
    lake.append("t", frame().to_arrow(), ["third"])
    assert lake.holds("t", ["first", "second", "third", "fourth"]) == {"first", "second", "third"}
    assert (lake.rows("t"), lake.days("t")) == (1, [DAYS[0]])


def test_columns_that_came_later_are_null_before(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("t", frame((DAYS[0], 1)).to_arrow(), ["old"])
    lake.append("t", frame((DAYS[0], 2)).with_columns(new=pl.lit("x")).to_arrow(), ["new"])
    lake.append("t", frame((DAYS[0], 3)).to_arrow(), ["old again"])
    stored = lake.arrow_schema("t")
    assert stored is not None
    assert stored.names == ["day", "n", "new"]
    rows = pl.concat([pl.read_parquet(file) for file in lake.files("t")], how="diagonal").sort("n")
    assert rows["new"].to_list() == [None, "x", None]
    assert lake.holds("t", ["old", "new", "old again"]) == {"old", "new", "old again"}


def test_another_type_is_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("t", frame((DAYS[0], 1)).to_arrow(), ["one"])
    with pytest.raises(LakeError, match="n in t has another type"):
        lake.append("t", frame((DAYS[0], 2)).cast({"n": pl.Int32}).to_arrow(), ["two"])
    assert (lake.rows("t"), lake.holds("t", ["two"])) == (1, set())
