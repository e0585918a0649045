"""nfcapd files written by a real nfcapd, whole, compressed and damaged."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from op25b.errors import InputError, MissingDependencyError
from op25b.readers import choose
from op25b.readers.base import Source
from op25b.readers.flows import nfcapd
from tests.conftest import require
from tests.readers.reading import Result, collect
from tests.support.ipfix import Flow, write_nfcapd

CLIENT, SERVER = "198.18.0.9", "198.51.100.130"
FLOWS = [
    Flow("2026-11-24 03:00:00", "2026-11-24 03:00:05.25", CLIENT, 40000, SERVER, 25, "SAPF", 10, 1000),
    Flow("2026-11-24 03:00:00.25", "2026-11-24 03:00:05.25", SERVER, 25, CLIENT, 40000, "SA", 8, 800),
    Flow("2026-11-24 03:00:01", "2026-11-24 03:00:01", "2001:db8:100::5", 40001, "2001:db8:210::1", 587, "S", 1, 60),
    Flow("2026-11-24 03:00:02", "2026-11-24 03:00:03", CLIENT, 40002, SERVER, 465, "", 2, 120),
    Flow("2026-11-24 03:00:02", "2026-11-24 03:00:03", CLIENT, 40003, SERVER, 443),
    Flow("2026-11-24 03:00:02", "2026-11-24 03:00:03", CLIENT, 40003, SERVER, 25, "", protocol=17),
]
EXPECTED = [
    ("2026-11-24 03:00:00", "2026-11-24 03:00:05.250000", CLIENT, 40000, SERVER, 25, 6, 10, 1000, 27, True),
    ("2026-11-24 03:00:00.250000", "2026-11-24 03:00:05.250000", SERVER, 25, CLIENT, 40000, 6, 8, 800, 18, False),
    ("2026-11-24 03:00:01", "2026-11-24 03:00:01", "2001:db8:100::5", 40001, "2001:db8:210::1", 587, 6, 1, 60, 2,
     False),
    ("2026-11-24 03:00:02", "2026-11-24 03:00:03", CLIENT, 40002, SERVER, 465, 6, 2, 120, None, None),
]
COLUMNS = ("first_seen", "last_seen", "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "packets", "bytes",
           "tcp_flags", "established")


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flows above in one file."""
    require(shutil.which("nfcapd") is not None, "nfcapd is not installed")
    return write_nfcapd(tmp_path_factory.mktemp("nfcapd"), FLOWS)


def read(path: Path, interval: int | None = 1) -> Result:
    return collect(nfcapd.read(Source(path, "UTC", sampling_interval=interval)), nfcapd.FORMAT)


def table(result: Result) -> list[tuple[object, ...]]:
    rows = [(str(first), str(last), *rest) for first, last, *rest in result.rows(*COLUMNS)]
    return sorted(rows, key=str)


def test_records_on_mail_ports(capture: Path) -> None:
    result = read(capture)
    assert table(result) == EXPECTED
    assert (result.read, result.kept, result.filtered, result.rejected) == (6, 4, 2, [])
    first = result.facts()[0]
    assert (first["src_high"], first["src_low"], first["exporter"], first["sampling_interval"]) == (
        0, 0xFFFF_C612_0009, "127.0.0.1", 1)
    assert first["received"].year >= 2026
    assert "forwarding_status" not in first
    assert choose(capture, "flows")[1] == "nfdump magic 0xA50C, layout version 2"


def test_a_large_file_is_printed_by_two(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nfcapd, "_LARGE_BYTES", 0)
    result = read(capture)
    assert table(result) == EXPECTED
    assert (result.read, result.kept, result.filtered) == (6, 4, 2)


def test_an_address_that_the_exporters_number_tells_is_not_printed(
        tmp_path: Path, capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nfcapd(tmp_path, FLOWS, ["-s", "100"], ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    whole = read(path)
    printed: list[list[str]] = []
    printing = nfcapd._printing
    monkeypatch.setattr(nfcapd, "_LARGE_BYTES", 0)
    monkeypatch.setattr(nfcapd, "_printing",
                        lambda ours, names, part: printed.append([*names]) or printing(ours, names, part))
    short = read(path)
    assert [name for names in printed for name in names if name == "exporter"] == []
    assert sorted(map(str, short.facts())) == sorted(map(str, whole.facts()))
    assert Counter(row["exporter"] for row in short.facts()) == {f"127.0.0.{n}": 4 for n in (1, 2, 3)}


def test_exporters_of_joined_files_may_share_a_number(
        tmp_path: Path, capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        write_nfcapd(tmp_path / str(number), FLOWS, (), [f"127.0.0.{number}"]).rename(tmp_path / f"nfcapd.{number}")
        (tmp_path / str(number)).rmdir()
    joined = tmp_path.parent / f"{tmp_path.name}-joined"
    subprocess.run(["nfdump", "-q", "-R", str(tmp_path), "-w", str(joined)], check=True, stdout=subprocess.DEVNULL)
    monkeypatch.setattr(nfcapd, "_LARGE_BYTES", 0)
    assert Counter(row["exporter"] for row in read(joined).facts()) == {"127.0.0.1": 4, "127.0.0.2": 4}


@pytest.mark.parametrize("option", ["-z", "-j", "-y"])
def test_compression_by_nfcapd(tmp_path: Path, option: str, capture: Path) -> None:
    assert table(read(write_nfcapd(tmp_path, FLOWS, [option]))) == EXPECTED


def test_compression_of_the_whole_file(tmp_path: Path, capture: Path) -> None:
    path = tmp_path / "nfcapd.202611240300.gz"
    path.write_bytes(gzip.compress(capture.read_bytes()))
    assert choose(path, "flows")[0] is nfcapd.FORMAT
    assert table(read(path)) == EXPECTED


def test_the_file_tells_the_sampling(tmp_path: Path, capture: Path) -> None:
    result = read(write_nfcapd(tmp_path, FLOWS, ["-s", "100"]))
    # Packets and bytes as exported, although nfcapd has multiplied them; a flag that is absent proves nothing now.
    assert table(result) == [(*row[:-1], True if row[-1] else None) for row in EXPECTED]
    assert {row["sampling_interval"] for row in result.facts()} == {100}


@pytest.mark.parametrize("interval", [None, 1000])
def test_the_settings_tell_the_sampling(capture: Path, interval: int | None) -> None:
    result = read(capture, interval)
    assert [row.get("sampling_interval") for row in result.facts()] == [interval] * 4
    assert table(result) == [(*row[:-1], True if row[-1] else None) for row in EXPECTED]


@pytest.mark.parametrize(("flags", "answers", "proven"), [
    ("S", False, False), ("SA", False, True), ("SR", False, False), ("AR", False, False), ("APF", False, True),
    ("SAF", False, True), ("SA", True, False), ("SAP", True, True), ("RA", True, False), ("A", True, False),
])
def test_what_flags_prove(tmp_path: Path, flags: str, answers: bool, proven: bool, capture: Path) -> None:
    one, other = (CLIENT, 40000), (SERVER, 25)
    source, target = (other, one) if answers else (one, other)
    flow = Flow("2026-11-24 03:00:00", "2026-11-24 03:00:01", *source, *target, flags)
    assert read(write_nfcapd(tmp_path, [flow])).rows("established") == [(proven,)]


def test_no_flows(tmp_path: Path, capture: Path) -> None:
    result = read(write_nfcapd(tmp_path, []))
    assert (result.read, result.kept, result.rejected) == (0, 0, [])


@pytest.mark.parametrize("name", ["with blank", "a:b", "$(touch x);'\"&|", "-r", "日本"])
def test_paths(tmp_path: Path, capture: Path, name: str) -> None:
    path = tmp_path / name / f"nfcapd {name}"
    path.parent.mkdir()
    shutil.copy(capture, path)
    assert table(read(path)) == EXPECTED


def test_a_truncated_file(tmp_path: Path, capture: Path) -> None:
    for size in (10, 100, capture.stat().st_size // 2):
        path = tmp_path / "nfcapd.202611240300"
        path.write_bytes(capture.read_bytes()[:size])
        with pytest.raises(InputError, match=r"nfcapd\.202611240300: nfdump cannot read it to its end: \w"):
            read(path)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "nfcapd.202611240300"
    path.touch()
    with pytest.raises(InputError, match="is empty, while nfcapd writes a header"):
        read(path)
    log = tmp_path / "conn.log"
    log.touch()
    assert read(log).read == 0


def test_a_damaged_file_gives_what_nfdump_can_read(tmp_path: Path, capture: Path) -> None:
    data = bytearray(write_nfcapd(tmp_path / "whole", FLOWS, ["-y"]).read_bytes())
    data[-60:-20] = b"\xff" * 40  # the statistics at its end
    path = tmp_path / "nfcapd.202611240300"
    path.write_bytes(data)
    reader = nfcapd.read(Source(path, "UTC"))
    assert next(reader).rows_kept == 4
    with pytest.raises(InputError, match="nfdump cannot read it to its end"):
        list(reader)


def test_without_nfdump(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="apt-get install nfdump"):
        read(capture)


def test_a_reader_that_is_left_early_ends_nfdump(capture: Path) -> None:
    reader = nfcapd.read(Source(capture, "UTC"))
    next(reader)
    reader.close()  # type: ignore[attr-defined]
