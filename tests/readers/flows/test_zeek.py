"""Zeek's conn.log: TSV and JSON, what its states prove, headers in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.errors import InputError
from tests.readers.flows import samples
from tests.readers.flows.reading import SESSION, SYN, read, shown


def test_tsv(tmp_path: Path) -> None:
    result = read("zeek", tmp_path, samples.ZEEK)
    assert shown(result, "reply_packets", "reply_bytes") == [
        (*SESSION, 19, True, 8, 900),
        (*SYN, 2, False, 0, 0),
        ("12:00:03.000000", "12:00:03.000100", "198.18.0.2", 51004, "198.51.100.9", 25, 1, 40, 6, False, 1, 40),
        ("12:00:05.000000", "12:00:06.000000", "198.18.0.5", 51005, "198.51.100.1", 25, 1, 40, None, None, 1, 40),
    ]
    assert (result.read, result.filtered, result.rejected) == (5, 1, [])


def test_json_with_numbers_and_iso_times(tmp_path: Path) -> None:
    result = read("zeek", tmp_path, samples.ZEEK_JSON)
    assert shown(result, "reply_bytes") == [
        ("12:00:00.900001", "12:00:01.400001", *SESSION[2:], 19, True, 900),
        (*SYN, 2, False, 0),
    ]


def test_logs_with_other_columns_put_end_to_end(tmp_path: Path) -> None:
    names = [name for name in samples.ZEEK_FIELDS if name not in {"service", "history"}]
    fields = dict(zip(samples.ZEEK_FIELDS, samples.ZEEK.splitlines()[8].split("\t"), strict=True))
    second = "#fields\t" + "\t".join(names) + "\n" + "\t".join(fields[name] for name in names) + "\n"
    result = read("zeek", tmp_path, samples.ZEEK + second)
    assert (result.read, result.kept) == (6, 5)
    assert shown(result)[-1] == (*SESSION, None, True)


@pytest.mark.parametrize(
    ("state", "history", "expected"),
    [
        ("SF", "ShADadFf", True),
        ("S1", "ShAD", True),
        ("S2", "", True),
        ("S3", "-", True),
        ("RSTO", "ShADR", True),
        ("RSTR", "ShADr", True),
        ("S0", "S", False),
        ("REJ", "Sr", False),
        ("RSTOS0", "SR", False),
        ("S0", "SAD", True),
        ("SH", "SF", None),
        ("SH", "SADF", True),
        ("SHR", "hf", None),
        ("SHR", "hdf", True),
        ("RSTRH", "hr", None),
        ("OTH", "C", None),
        ("OTH", "Dd", True),
        ("OTH", "A", None),
        ("-", "-", None),
    ],
)
def test_what_a_state_proves(tmp_path: Path, state: str, history: str, expected: bool | None) -> None:
    row = samples.ZEEK.splitlines()[8].replace("\tSF\t", f"\t{state}\t").replace("ShAdDaFf", history)
    (result,) = read("zeek", tmp_path, samples.ZEEK_HEAD + row + "\n").rows("established")
    assert result == (expected,)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no field 'orig_ip_bytes'; did you mean 'orig_bytes'"):
        read("zeek", tmp_path, samples.ZEEK.replace("orig_ip_bytes", "bytes"))
