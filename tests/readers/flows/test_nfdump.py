"""nfdump's csv (before and since 1.7.5), csv-fast, csv: with tokens, json and ndjson."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from op25b.errors import InputError
from op25b.readers import choose
from tests.conftest import require
from tests.readers.flows import samples
from tests.readers.flows.reading import SESSION, SIX, SYN, read, shown
from tests.support.ipfix import Flow, write_nfcapd

FLOWS = [
    Flow("2026-01-31 12:00:00.900", "2026-01-31 12:00:01.400", "198.18.0.1", 51000, "198.51.100.1", 25),
    Flow("2026-01-31 12:00:02", "2026-01-31 12:00:02", "198.18.0.2", 51001, "198.51.100.1", 25, "S", 1, 40),
    Flow("2026-01-31 12:00:04", "2026-01-31 12:00:05", "198.18.0.3", 51003, "198.51.100.2", 443),
    Flow("2026-01-31 12:00:04", "2026-01-31 12:00:05", "198.18.0.3", 51003, "198.51.100.2", 25, "", 1, 100, 17),
    Flow(
        "2026-01-31 12:00:03.25",
        "2026-01-31 12:00:13.75",
        "2001:db8:100::1",
        51002,
        "2001:db8:ffff::1",
        587,
        "",
        5,
        5000,
    ),
]


def test_csv_of_48_columns(tmp_path: Path) -> None:
    result = read("nfdump-csv", tmp_path, samples.NFDUMP_48, sampling_interval=1)
    assert shown(result, "reply_packets", "exporter") == [
        (
            "12:00:00.000000",
            "12:00:01.000000",
            "198.18.0.1",
            51000,
            "198.51.100.1",
            25,
            10,
            1000,
            27,
            True,
            None,
            "127.0.0.1",
        ),
        (
            "12:00:00.000000",
            "12:00:01.000000",
            "198.51.100.1",
            25,
            "198.18.0.1",
            51000,
            8,
            900,
            27,
            True,
            None,
            "127.0.0.1",
        ),
        (
            *SYN,
            2,
            False,
            None,
            "127.0.0.1",
        ),
        (
            "12:00:03.000000",
            "12:00:13.000000",
            "2001:db8:100::1",
            51002,
            "2001:db8:ffff::1",
            587,
            5,
            5000,
            None,
            None,
            None,
            "127.0.0.1",
        ),
    ]
    assert (result.read, result.filtered, result.rejected) == (7, 3, [])
    assert f"{result.frame['received'][0]:%F %T.%f}" == "2026-11-24 06:24:10.703000"


@pytest.mark.parametrize(("output", "name"), [("csv", "nfdump-csv"), ("json", "nfdump-json")])
def test_what_the_installed_nfdump_prints(tmp_path: Path, output: str, name: str) -> None:
    require(Path("/usr/bin/nfdump").exists(), "nfdump is not installed")
    capture = write_nfcapd(tmp_path / "nfcapd", FLOWS)
    done = subprocess.run(
        ["nfdump", "-r", str(capture), "-o", output],
        capture_output=True,
        check=True,
        env={**os.environ, "TZ": "America/New_York"},
    )
    result = read(name, tmp_path, done.stdout, timezone="America/New_York", sampling_interval=1)
    assert (result.read, result.kept, result.filtered) == (5, 3, 2)
    assert result.rows("src_ip", "dst_port", "packets", "bytes", "tcp_flags", "established") == [
        ("198.18.0.1", 25, 10, 1000, 27, True),
        ("198.18.0.2", 25, 1, 40, 2, False),
        ("2001:db8:100::1", 587, 5, 5000, None, None),
    ]
    assert [f"{time:%H:%M:%S}" for time in result.frame["first_seen"]] == ["12:00:00", "12:00:02", "12:00:03"]
    assert [f"{time:%H:%M:%S}" for time in result.frame["last_seen"]] == ["12:00:01", "12:00:02", "12:00:13"]


@pytest.mark.parametrize("output", ["csv", "json"])
def test_events_of_an_address_translator_are_no_flows(tmp_path: Path, output: str) -> None:
    require(Path("/usr/bin/nfdump").exists(), "nfdump is not installed")
    when = "2026-01-31 12:00:00"
    event = Flow(when, when, "198.18.0.1", 51000, "198.51.100.1", 25, event=4)
    capture = write_nfcapd(tmp_path / "nfcapd", [*FLOWS, event])
    done = subprocess.run(
        ["nfdump", "-r", str(capture), "-o", output],
        capture_output=True,
        check=True,
        env={**os.environ, "TZ": "Asia/Tokyo"},
    )
    result = read(f"nfdump-{output}", tmp_path, done.stdout)
    assert (result.read, result.kept, result.filtered) == (6, 3, 3)


@pytest.mark.parametrize("output", ["csv", "json"])
def test_no_matching_flows_is_an_empty_file(tmp_path: Path, output: str) -> None:
    require(Path("/usr/bin/nfdump").exists(), "nfdump is not installed")
    capture = write_nfcapd(tmp_path / "nfcapd", FLOWS)
    done = subprocess.run(["nfdump", "-r", str(capture), "-o", output, "port 99"], capture_output=True, check=True)
    result = read(f"nfdump-{output}", tmp_path, done.stdout)
    assert (result.read, result.rejected) == (0, [])
    assert choose(tmp_path / "input", "flows")[0].name == f"nfdump-{output}"


def test_csv_of_10_columns_has_no_flags(tmp_path: Path) -> None:
    result = read("nfdump-csv", tmp_path, samples.NFDUMP_10, sampling_interval=1)
    assert shown(result) == [
        (*SESSION, None, None),
        (*SIX, None, None),
    ]
    assert (result.read, result.filtered) == (4, 2)


def test_csv_fast_is_utc_whatever_the_time_zone(tmp_path: Path) -> None:
    result = read("nfdump-csv", tmp_path, samples.NFDUMP_FAST)
    assert shown(result) == [
        (*SESSION, 27, True),
        (*SIX, None, None),
    ]


def test_csv_with_tokens_is_read_by_its_header(tmp_path: Path) -> None:
    result = read("nfdump-csv", tmp_path, samples.NFDUMP_TOKENS)
    assert shown(result, "reply_packets", "reply_bytes", "exporter", "forwarding_status") == [
        (
            *SESSION,
            27,
            True,
            8,
            900,
            "192.0.2.7",
            64,
        )
    ]


def test_flags_of_both_directions_do_not_make_a_session_of_a_refusal(tmp_path: Path) -> None:
    text = samples.NFDUMP_TOKENS.replace("...AP.SF,10,1000,8,900", "...A.RS.,1,60,1,40")
    result = read("nfdump-csv", tmp_path, text, sampling_interval=1)
    assert result.rows("tcp_flags", "reply_packets", "established") == [(22, 1, False)]


def test_a_snapshot_with_an_extra_column_is_read(tmp_path: Path) -> None:
    """Between 1.7.4 and 1.7.5 git had `eth` (nfdump issue 542)."""
    lines = [line.split(",") for line in samples.NFDUMP_10.splitlines()]
    text = "".join(
        ",".join([*row[:2], "eth" if at == 0 else "0x0800", *row[2:]]) + "\n" for at, row in enumerate(lines)
    )
    assert shown(read("nfdump-csv", tmp_path, text)) == shown(read("nfdump-csv", tmp_path, samples.NFDUMP_10))


def test_json(tmp_path: Path) -> None:
    result = read("nfdump-json", tmp_path, samples.NFDUMP_JSON, sampling_interval=1)
    assert shown(result, "exporter") == [
        (
            *SESSION,
            27,
            True,
            "127.0.0.1",
        ),
        (
            *SIX,
            None,
            None,
            "127.0.0.1",
        ),
    ]
    assert (result.read, result.filtered) == (3, 1)


def test_json_of_1_6(tmp_path: Path) -> None:
    result = read("nfdump-json", tmp_path, samples.NFDUMP_JSON_16, sampling_interval=1)
    assert shown(result, "reply_packets", "reply_bytes", "exporter", "forwarding_status") == [
        (*SESSION, 27, True, 8, 900, "127.0.0.1", 64),
        (*SIX, None, None, None, None, "2001:db8::7", None),
    ]
    assert (result.read, result.filtered, result.rejected) == (3, 1, [])
    assert f"{result.frame['received'][0]:%F %T.%f}" == "2026-11-24 06:24:10.003000"
    assert choose(tmp_path / "input", "flows")[0].name == "nfdump-json"


def test_json_of_versions_that_print_milliseconds_without_leading_zeros(tmp_path: Path) -> None:
    text = samples.NFDUMP_JSON.replace("00.900", "00.7").replace("01.400", "01.45").replace("10.703", "10.0")
    result = read("nfdump-json", tmp_path, text)
    assert shown(result)[0][:2] == ("12:00:00.007000", "12:00:01.045000")
    assert shown(result)[1][:2] == ("12:00:03.250000", "12:00:13.750000")
    assert f"{result.frame['received'][0]:%T.%f}" == "06:24:10.000000"


def test_json_cut_short_rejects_its_last_record(tmp_path: Path) -> None:
    text = samples.NFDUMP_JSON[: samples.NFDUMP_JSON.rindex('"src6_addr"')]
    result = read("nfdump-json", tmp_path, text)
    assert (result.read, result.kept) == (3, 1)
    line = text[: text.rindex("\n{")].count("\n") + 2
    assert [row[:3] for row in result.rejected] == [(line, None, "line is not a whole JSON object")]


def test_ndjson_and_the_versions_that_print_packets_as_bytes(tmp_path: Path) -> None:
    result = read("nfdump-json", tmp_path, samples.NFDUMP_NDJSON, sampling_interval=1)
    assert shown(result, "reply_packets", "reply_bytes", "forwarding_status") == [(*SESSION, 27, True, 8, 900, 64)]
    assert [row[:3] for row in result.rejected] == [
        (2, None, "line has in_bytes = in_packets, a fault of some nfdump versions (print it as csv)")
    ]


def test_bad_rows_are_rejected_with_line_and_reason(tmp_path: Path) -> None:
    good = "2026-01-31 21:00:00.900,0.500,TCP,198.18.0.1,51000,198.51.100.1,25,10,1000,1"
    rows = [
        good,
        good.replace("198.18.0.1", "198.18.0.256"),
        good.replace(",51000,", ",510000,"),
        good.replace("0.500", "x"),
        good.replace("01-31", "01-32"),
        good.removesuffix(",1000,1"),
        good + ",7",
        good.replace("198.18.0.1", "0.0.0.0"),
        "",
        good.replace("TCP", ""),
        good.replace(",10,", ",,"),
        good.replace(",25,", ",80,").replace(",10,", ",x,"),
    ]
    header = samples.NFDUMP_10.splitlines()[0]
    result = read("nfdump-csv", tmp_path, "\n".join([header, *rows]) + "\n")
    assert [(row[0], row[2]) for row in result.rejected] == [
        (3, "line unreadable: src_ip"),
        (4, "line unreadable: src_port"),
        (5, "line unreadable: last_seen"),
        (6, "line unreadable: first_seen last_seen"),
        (7, "line has 8 fields where the header has 10"),
        (8, "line has 11 fields where the header has 10"),
        (9, "line has no address: aggregated output"),
        (11, "line unreadable: protocol"),
        (12, "line unreadable: packets"),
    ]
    assert (result.read, result.kept, result.filtered) == (11, 1, 1)
    assert result.rejected[0][3].startswith("2026-01-31 21:00:00.900,0.500,TCP,198.18.0.256")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    text = samples.NFDUMP_10.replace("srcAddr", "srcAdr")
    with pytest.raises(InputError, match=r"no field 'sa'"):
        read("nfdump-csv", tmp_path, text)


def test_statistics_are_not_flow_records() -> None:
    from op25b.readers.base import Head
    from op25b.readers.flows import nfdump_csv

    assert (
        nfdump_csv.recognise(Head(Path("x"), b"ts,te,td,pr,val,fl,flP,ipkt,ipktP,ibyt,ibytP,ipps,ibps,ibpp\n")) is None
    )


@pytest.mark.parametrize("name", ["nfdump-csv 48", "nfdump-csv 10"])
def test_semicolons_as_other_programs_save_them(tmp_path: Path, name: str) -> None:
    _, text = samples.TEXT[name]
    one, other = read("nfdump-csv", tmp_path, text), read("nfdump-csv", tmp_path, text.replace(",", ";"))
    assert other.frame.equals(one.frame)
    assert (other.read, other.filtered, other.rejected) == (one.read, one.filtered, [])
    assert choose(tmp_path / "input", "flows")[0].name == "nfdump-csv"
