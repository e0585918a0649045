"""pmacct's print plugin: CSV and JSON, in each form of its times."""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.errors import InputError
from tests.readers.flows import samples
from tests.readers.flows.reading import SESSION, SIX, SYN, read, shown

ROW = (*SESSION, 27, True)


def test_csv(tmp_path: Path) -> None:
    result = read("pmacct", tmp_path, samples.PMACCT_CSV, sampling_interval=1)
    assert shown(result, "sampling_interval", "exporter") == [
        (*ROW, 1, "127.0.0.1"),
        (
            *SYN,
            2,
            None,
            100,
            "127.0.0.1",
        ),
        (
            *SIX,
            None,
            None,
            1,
            "127.0.0.1",
        ),
    ]
    assert (result.read, result.filtered, result.rejected) == (4, 1, [])


def test_json_with_zones_needs_no_time_zone(tmp_path: Path) -> None:
    result = read("pmacct", tmp_path, samples.PMACCT_JSON, timezone="America/New_York")
    assert shown(result) == [ROW]
    assert (result.read, result.filtered) == (2, 1)


def test_times_since_the_epoch(tmp_path: Path) -> None:
    text = samples.PMACCT_CSV.replace("2026-01-31 21:00:00.900000", "1769860800.900000").replace(
        "2026-01-31 21:00:01.400000", "1769860801.400000"
    )
    assert shown(read("pmacct", tmp_path, text))[0] == ROW


def test_protocol_numbers_other_delimiters_and_quotes(tmp_path: Path) -> None:
    text = samples.PMACCT_CSV.replace(",tcp,", ",6,").replace(",", ";").replace("198.18.0.1;", '"198.18.0.1";')
    assert shown(read("pmacct", tmp_path, text))[0] == ROW


def test_a_quote_without_its_twin_spoils_its_line_only(tmp_path: Path) -> None:
    text = samples.PMACCT_CSV.replace("198.18.0.2,", '"198.18.0.2,')
    assert [row[2] for row in shown(read("pmacct", tmp_path, text))][::2] == ["198.18.0.1", "2001:db8:100::1"]


def test_aggregates_without_times_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no field 'TIMESTAMP_START'.*\n.*timestamp_start"):
        read("pmacct", tmp_path, "SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,PACKETS,BYTES\n")
