"""The tables on disk: exactly-once append, atomic replacement of days, one writer."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from op25b.errors import LakeError
from op25b.lake import Lake

ONE, TWO = date(2007, 6, 1), date(2007, 6, 2)


def rows(*values: tuple[date, int]) -> pa.Table:
    return pl.DataFrame(values, schema={"day": pl.Date, "n": pl.Int64}, orient="row").to_arrow()


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


def test_replace_leaves_other_days_alone(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.replace("t", rows((ONE, 1), (TWO, 2)), [ONE, TWO])
    lake.replace("t", rows((TWO, 20), (TWO, 21)), [TWO])
    assert held(lake) == [1, 20, 21]
    assert [path for path in lake.files("t", [ONE]) if "day=2007-06-01" not in path] == []


def test_replace_by_nothing_empties_the_day(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.replace("t", rows((ONE, 1), (TWO, 2)), [ONE, TWO])
    lake.replace("t", rows(), [TWO])
    assert held(lake) == [1]


def test_a_reader_that_fails_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.replace("t", rows((ONE, 1)), [ONE])

    def broken() -> object:
        yield rows((ONE, 5)).to_batches()[0]
        msg = "the query failed"
        raise RuntimeError(msg)

    with pytest.raises(Exception, match="the query failed"):
        lake.replace("t", pa.RecordBatchReader.from_batches(rows().schema, broken()), [ONE])
    assert held(lake) == [1]
    assert lake.version("t") == 0


def test_other_columns_replace_the_whole_table(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.replace("t", rows((ONE, 1), (TWO, 2)), [ONE, TWO])
    changed = pl.DataFrame([(TWO, 2, "x")], schema={"day": pl.Date, "n": pl.Int64, "new": pl.String}, orient="row")
    lake.replace("t", changed.to_arrow(), [TWO])
    assert held(lake) == [2]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with lake.writing("ingest"), pytest.raises(LakeError, match="op25b ingest"), lake.writing("build"):
        pass
    with lake.writing("build"):
        pass
