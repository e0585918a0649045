"""Any CSV, JSON lines or Parquet through a column mapping."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b.api import OpenWorkspace
from op25b.errors import InputError
from tests.readers.flows import samples
from tests.readers.flows.reading import SESSION, read, shown

COLUMNS = {
    "first_seen": "Start",
    "last_seen": "End",
    "src_ip": "SrcAddr",
    "dst_ip": "DstAddr",
    "src_port": "SrcPort",
    "dst_port": "DstPort",
    "protocol": "Proto",
    "packets": "Packets",
    "bytes": "Bytes",
}
HEADER = "Start;End;SrcAddr;DstAddr;SrcPort;DstPort;Proto;Packets;Bytes;Note"


def line(start: str, end: str) -> str:
    return f'{HEADER}\n{start};{end};198.18.0.1;198.51.100.1;51000;25;6;10;1000;"a; b"\n'


def test_our_own_names_need_no_mapping(tmp_path: Path) -> None:
    assert shown(read("csv", tmp_path, samples.OWN_CSV)) == [(*SESSION, None, None)]


@pytest.mark.parametrize(
    ("unit", "start", "end"),
    [
        ("s", "1769860800.9", "1769860801.4"),
        ("ms", "1769860800900", "1769860801400"),
        ("us", "1769860800900000", "1769860801400000"),
        ("ns", "1769860800900000000", "1769860801400000000"),
        (None, "2026-01-31 21:00:00.9", "2026-01-31T12:00:01.4Z"),
        ("s", "2026-01-31 21:00:00.9", "2026/01/31 21:00:01.4"),
    ],
)
def test_units_of_time(tmp_path: Path, unit: str | None, start: str, end: str) -> None:
    assert shown(read("csv", tmp_path, line(start, end), columns=COLUMNS, time_unit=unit)) == [(*SESSION, None, None)]


def test_numbers_without_a_unit_are_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column 'Start' are numbers \(1769860800\)(?s:.*)time_unit"):
        read("csv", tmp_path, line("1769860800", "1769860801"), columns=COLUMNS)


def test_optional_columns(tmp_path: Path) -> None:
    text = (
        "t,d,sa,da,sp,dp,pr,pk,by,rp,rb,fl,ok,rate,ex,fwd\n"
        "2026-01-31T12:00:00.9Z,0.5,198.18.0.1,198.51.100.1,51000,25,TCP,10,1000,8,900,0x1b,false,100,r1,64\n"
    )
    columns = dict(
        zip(
            [
                "first_seen",
                "duration",
                "src_ip",
                "dst_ip",
                "src_port",
                "dst_port",
                "protocol",
                "packets",
                "bytes",
                "reply_packets",
                "reply_bytes",
                "tcp_flags",
                "established",
                "sampling_interval",
                "exporter",
                "forwarding_status",
            ],
            text.splitlines()[0].split(","),
            strict=True,
        )
    )
    result = read("csv", tmp_path, text, columns=columns)
    assert shown(result, "reply_packets", "reply_bytes", "sampling_interval", "exporter", "forwarding_status") == [
        (*SESSION, 27, False, 8, 900, 100, "r1", 64)
    ]


def test_missing_and_unknown_columns_are_named_with_the_nearest(tmp_path: Path) -> None:
    text = line("2026-01-31 21:00:00", "2026-01-31 21:00:01")
    with pytest.raises(InputError, match=r"no field 'SrcAdr'; did you mean 'SrcAddr'\?"):
        read("csv", tmp_path, text, columns=COLUMNS | {"src_ip": "SrcAdr"})
    with pytest.raises(InputError, match=r"no column of ours: 'src_adr'"):
        read("csv", tmp_path, text, columns=COLUMNS | {"src_adr": "SrcAddr"})
    with pytest.raises(InputError, match=r"no field 'exporter_name'"):
        read("csv", tmp_path, text, columns=COLUMNS | {"exporter": "exporter_name"})


def test_json_lines(tmp_path: Path) -> None:
    text = (
        '{"Start":1769860800900,"End":1769860801400,"SrcAddr":"198.18.0.1","DstAddr":"198.51.100.1","SrcPort":51000,'
        '"DstPort":25,"Proto":"TCP","Packets":10,"Bytes":1000}\n'
    )
    assert shown(read("json", tmp_path, text, columns=COLUMNS, time_unit="ms")) == [(*SESSION, None, None)]


def table(**changes: Any) -> bytes:
    start = datetime(2026, 1, 31, 12, 0, 0, 900000, tzinfo=UTC)
    columns = {
        "Start": [start] * 2,
        "End": [start.replace(second=1, microsecond=400000)] * 2,
        "SrcAddr": ["198.18.0.1"] * 2,
        "DstAddr": ["198.51.100.1"] * 2,
        "SrcPort": [51000] * 2,
        "DstPort": [25, 443],
        "Proto": [6, 6],
        "Packets": [10, 10],
        "Bytes": [1000, 1000],
    }
    return samples.parquet(columns | changes)


def test_parquet(tmp_path: Path) -> None:
    result = read("parquet", tmp_path, table(), columns=COLUMNS)
    assert shown(result) == [(*SESSION, None, None)]
    assert (result.read, result.filtered, result.rejected) == (2, 1, [])


def test_parquet_under_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    assert shown(read("parquet", tmp_path / os.fsdecode(b"\xff"), table(), columns=COLUMNS)) == [(*SESSION, None, None)]


def test_parquet_times_without_a_zone_are_local_and_numbers_need_a_unit(tmp_path: Path) -> None:
    start = [datetime(2026, 1, 31, 21, 0, 0, 900000)] * 2
    end = pl.Series([1769860801400] * 2)
    result = read("parquet", tmp_path, table(Start=start, End=end), columns=COLUMNS, time_unit="ms")
    assert shown(result) == [(*SESSION, None, None)]
    with pytest.raises(InputError, match="column 'End' are numbers"):
        read("parquet", tmp_path, table(End=end), columns=COLUMNS)


@pytest.mark.parametrize("cut", [4, 30, 200, -1])
def test_a_damaged_parquet_file_is_an_input_error(tmp_path: Path, cut: int) -> None:
    with pytest.raises(InputError):
        read("parquet", tmp_path, table()[:cut], columns=COLUMNS)


@pytest.mark.parametrize("value", [[[1], [2]], [b"\xff", b"x"], [1.5, 2.5], [None, None]])
def test_columns_of_odd_types_never_raise_anything_else(tmp_path: Path, value: list[Any]) -> None:
    for name in ("SrcPort", "SrcAddr", "Packets", "Start"):
        try:
            result = read("parquet", tmp_path, table(**{name: value}), columns=COLUMNS)
        except InputError:
            continue
        assert result.kept == 0


def test_a_mapping_in_op25b_toml(tmp_path: Path, workspace: Callable[[str], OpenWorkspace]) -> None:
    (tmp_path / "flows.csv").write_text(line("1769860800900", "1769860801400"))
    columns = "".join(f'{ours} = "{theirs}"\n' for ours, theirs in COLUMNS.items())
    settings = '[[inputs.flows]]\npath = "flows.csv"\nformat = "csv"\ntime_unit = "ms"\n[inputs.flows.columns]\n'
    (result,) = workspace(settings + columns).ingest().to_dicts()
    assert (result["format"], result["rows_kept"]) == ("csv", 1)
