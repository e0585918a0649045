"""SiLK's rwcut, columnar and delimited, any fields in any order."""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.errors import InputError
from tests.readers.flows import samples
from tests.readers.flows.reading import SESSION, SIX, read, shown


def test_the_default_layout_is_utc(tmp_path: Path) -> None:
    result = read("silk", tmp_path, samples.SILK, sampling_interval=1)
    assert shown(result, "exporter") == [
        (*SESSION, 27, True, "S0"),
        ("12:00:02.000000", "12:00:02.000000", "198.51.100.1", 25, "198.18.0.1", 51000, 1, 40, 20, False, "S0"),
        (
            *SIX,
            None,
            None,
            "S0",
        ),
    ]
    assert (result.read, result.filtered, result.rejected) == (4, 1, [])


def test_the_inputs_own_time_zone_is_used(tmp_path: Path) -> None:
    result = read("silk", tmp_path, samples.SILK, stated_timezone="Asia/Tokyo")
    assert shown(result)[0][:2] == ("03:00:00.900000", "03:00:01.400000")


def test_delimited_fields_in_any_order_with_epoch_times_and_padded_addresses(tmp_path: Path) -> None:
    text = samples.SILK_DELIMITED.replace("198.051.100.001", "198.51.100.1").replace("198.018.000.001", "198.18.0.1")
    assert shown(read("silk", tmp_path, text)) == [(*SESSION, None, None)]
    assert shown(read("silk", tmp_path, samples.SILK_DELIMITED)) == [(*SESSION, None, None)]


@pytest.mark.parametrize(
    "time", ["2026-01-31 12:00:00.900", "01/31/2026 12:00:00.900", "1769860800.9", "2026/01/31T12:00:00.9"]
)
def test_time_formats(tmp_path: Path, time: str) -> None:
    titles = "sIP|dIP|sPort|dPort|protocol|packets|bytes|sTime|duration|"
    text = f"{titles}\n198.18.0.1|198.51.100.1|51000|25|6|10|1000|{time}|.5|\n"
    assert shown(read("silk", tmp_path, text)) == [(*SESSION, None, None)]


def test_titles_are_needed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="print it with titles"):
        read("silk", tmp_path, "198.18.0.1|198.51.100.1|51000|25|6|10|1000|1769860800|.5|\n")


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no field 'bytes'"):
        read("silk", tmp_path, samples.SILK.replace("bytes", "sensr"))
