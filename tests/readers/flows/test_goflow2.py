"""goflow2: renderings, sampling, sFlow, removed fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.errors import InputError
from tests.readers.flows import samples
from tests.readers.flows.reading import SESSION, read, shown


def test_records_of_ipfix_and_sflow(tmp_path: Path) -> None:
    result = read("goflow2", tmp_path, samples.GOFLOW2)
    assert shown(result, "sampling_interval", "exporter", "forwarding_status") == [
        (
            *SESSION,
            27,
            True,
            100,
            "192.0.2.1",
            128,
        ),
        (
            "12:01:01.250000",
            "12:01:01.250000",
            "198.18.0.2",
            51001,
            "198.51.100.1",
            25,
            1,
            66,
            2,
            None,
            1000,
            "192.0.2.2",
            None,
        ),
    ]
    assert (result.read, result.filtered, result.rejected) == (3, 1, [])
    assert f"{result.frame['received'][0]:%F %T}" == "2026-01-31 12:01:01"


def test_a_sampling_rate_of_0_is_the_inputs_setting(tmp_path: Path) -> None:
    text = samples.GOFLOW2.replace('"sampling_rate":100', '"sampling_rate":0')
    assert read("goflow2", tmp_path, text, sampling_interval=7).frame["sampling_interval"].to_list() == [7, 1000]
    assert read("goflow2", tmp_path, text).frame["sampling_interval"].to_list() == [None, 1000]


def test_a_renamed_field_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no field 'src_addr'; did you mean 'src_addrs'\?"):
        read("goflow2", tmp_path, samples.GOFLOW2.replace('"src_addr"', '"src_addrs"'))
    with pytest.raises(InputError, match="no field 'src_port'"):
        read("goflow2", tmp_path, samples.GOFLOW2.replace('"src_port"', '"x"'))


def test_optional_fields_may_be_absent(tmp_path: Path) -> None:
    text = samples.GOFLOW2.splitlines()[0].replace('"tcp_flags":27', '"a":1').replace("sampling_rate", "b")
    assert shown(read("goflow2", tmp_path, text + "\n"), "sampling_interval")[0][-3:] == (None, None, None)


def test_bad_lines_are_rejected(tmp_path: Path) -> None:
    good = samples.GOFLOW2.splitlines()[0]
    rows = [
        good,
        good[:-9],
        "[1]",
        "",
        "null",
        good.replace("198.18.0.1", "x"),
        good.replace(":51000", ":null"),
        good.replace('"bytes":1000', '"bytes":-1'),
        good.replace('"packets":10', '"packets":"\\ud800"'),
    ]
    result = read("goflow2", tmp_path, "\n".join(rows))
    assert [(row[0], row[2]) for row in result.rejected] == [
        (2, "line is not a whole JSON object"),
        (3, "line is not a whole JSON object"),
        (5, "line is not a whole JSON object"),
        (6, "line unreadable: src_ip"),
        (7, "line unreadable: src_port"),
        (8, "line unreadable: bytes"),
        (9, "line unreadable: packets"),
    ]
    assert (result.read, result.kept) == (8, 1)
