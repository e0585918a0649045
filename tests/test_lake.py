"""The tables on disk: exactly-once append, atomic replacement of days, one writer."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from op25b.errors import LakeError
from op25b.lake import Lake, Part

ONE, TWO, THREE = date(2007, 6, 1), date(2007, 6, 2), date(2007, 6, 3)


def rows(*values: tuple[date, int]) -> pa.Table:
    return pl.DataFrame(values, schema={"day": pl.Date, "n": pl.Int64}, orient="row").to_arrow()


def put(lake: Lake, table: pa.Table, days: list[date]) -> None:
    """The rows as files of their days, put in the place of `days`."""
    parts = []
    for (day,), of_day in pl.DataFrame(table).group_by("day"):
        path = lake.part_path("t", day)
        of_day.drop("day").write_parquet(path)
        parts.append(Part(path, of_day.height, day))
    lake.put("t", table.schema, parts, days)


def held(lake: Lake, table: str = "t") -> list[int]:
    return sorted(pl.read_parquet(lake.files(table))["n"]) if lake.files(table) else []


def test_a_table_that_never_was(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert (lake.tables(), lake.files("t"), lake.days("t"), lake.rows("t"), lake.version("t")) == ([], [], [], 0, None)
    assert lake.arrow_schema("t") is None
    assert not lake.partitioned("t")


def test_append_remembers_its_transactions(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("t", rows((ONE, 1)), ["file-a"])
    lake.append("t", rows((TWO, 2)), ["file-b"])
    assert lake.holds("t", ["file-a", "file-b", "file-c"]) == {"file-a", "file-b"}
    assert (held(lake), lake.days("t"), lake.rows("t"), lake.version("t")) == ([1, 2], [ONE, TWO], 2, 1)


def test_put_leaves_other_days_alone(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, rows((ONE, 1), (TWO, 2)), [ONE, TWO])
    put(lake, rows((TWO, 20), (TWO, 21)), [TWO])
    assert (held(lake), lake.days("t"), lake.rows("t"), lake.version("t")) == ([1, 20, 21], [ONE, TWO], 3, 1)
    assert [path for path in lake.files("t", [ONE]) if "day=2007-06-01" not in path] == []


def test_nothing_put_empties_the_day(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, rows((ONE, 1), (TWO, 2)), [ONE, TWO])
    put(lake, rows(), [TWO])
    assert held(lake) == [1]


def test_nothing_put_makes_an_empty_table(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, rows(), [])
    assert (lake.tables(), lake.partitioned("t"), held(lake)) == (["t"], True, [])


def test_a_file_that_was_not_put_is_not_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, rows((ONE, 1)), [ONE])
    pl.DataFrame({"n": [5]}).write_parquet(lake.part_path("t", ONE))
    assert (held(lake), lake.rows("t")) == ([1], 1)


@pytest.mark.parametrize("changed", [
    pl.DataFrame([(TWO, 2, "x")], schema={"day": pl.Date, "n": pl.Int64, "new": pl.String}, orient="row"),
    pl.DataFrame([(TWO, 2)], schema={"day": pl.Date, "n": pl.Int32}, orient="row"),
], ids=["another column", "another type"])
def test_other_columns_replace_the_whole_table(tmp_path: Path, changed: pl.DataFrame) -> None:
    lake = Lake(tmp_path)
    put(lake, rows((ONE, 1), (TWO, 2)), [ONE, TWO])
    put(lake, changed.to_arrow(), [TWO])
    assert held(lake) == [2]
    stored = lake.arrow_schema("t")
    assert stored is not None
    assert stored.names == changed.columns


def expire(lake: Lake, until: date) -> None:
    """Account for rows of another table that went up to a day."""
    lake.append("expired", pl.DataFrame({"table_name": ["flow"], "expired_until": [until]}).to_arrow(), [])


def test_other_columns_leave_days_that_no_build_can_make_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, rows((ONE, 1), (TWO, 2), (THREE, 3)), [ONE, TWO, THREE])
    expire(lake, ONE)
    changed = pl.DataFrame([(THREE, 30, "x")], schema={"day": pl.Date, "n": pl.Int64, "new": pl.String}, orient="row")
    put(lake, changed.to_arrow(), [THREE])
    assert lake.days("t") == [ONE, THREE]
    assert pl.concat(map(pl.read_parquet, lake.files("t")), how="diagonal").select("n", "new").sort("n").rows() == [
        (1, None), (30, "x")]


def test_another_type_is_refused_while_such_days_are_there(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, rows((ONE, 1), (TWO, 2)), [ONE, TWO])
    expire(lake, ONE)
    changed = pl.DataFrame([(TWO, 2)], schema={"day": pl.Date, "n": pl.Int32}, orient="row").to_arrow()
    with pytest.raises(LakeError, match="n in t has another type now, and the days until 2007-06-01 cannot"):
        put(lake, changed, [TWO])
    assert held(lake) == [1, 2]


def test_the_last_day_gone_of_each_table(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.horizons() == {}
    for until in (TWO, ONE):
        expire(lake, until)
    assert lake.horizons() == {"flow": TWO}


def test_replace_makes_the_whole_table_anew(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.replace("t", pl.DataFrame({"n": [1, 2]}).to_arrow())
    lake.replace("t", pl.DataFrame({"n": [3], "new": ["x"]}).to_arrow())
    assert (held(lake), lake.version("t")) == ([3], 1)


def test_replace_makes_all_days_anew(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for days in ([ONE, TWO], [TWO]):
        lake.replace("d", pl.DataFrame({"day": days, "n": range(len(days))}).to_arrow())
    assert (lake.days("d"), lake.rows("d"), lake.partitioned("d")) == ([TWO], 1, True)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with lake.writing("ingest"), pytest.raises(LakeError, match="op25b ingest"), lake.writing("build"):
        pass
    with lake.writing("build"):
        pass
