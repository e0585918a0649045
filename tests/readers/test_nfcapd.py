"""nfcapd files written by a real nfcapd, whole, compressed and damaged."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from op25b.errors import InputError, MissingDependencyError
from op25b.readers import choose
from op25b.readers.base import Source
from op25b.readers.flows import nfcapd, nffile
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


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Make all files large ones; with which options nfdump was asked to print records."""
    printed: list[tuple[str, ...]] = []
    printing = nfcapd._printed

    def noted(ours: IO[bytes], *options: str) -> Iterator[bytes]:
        printed.append(options)
        return printing(ours, *options)

    monkeypatch.setattr(nfcapd, "_LARGE_BYTES", 0)
    monkeypatch.setattr(nfcapd, "_printed", noted)
    return printed


def test_the_records_of_a_large_file_are_not_printed(capture: Path, large: list[tuple[str, ...]]) -> None:
    result = read(capture)
    assert table(result) == EXPECTED
    assert (result.read, result.kept, result.filtered) == (6, 4, 2)
    assert large == [("-c", "1000")]


@pytest.mark.parametrize("options", [(), ("-s", "100"), ("-z",), ("-e",)])
def test_they_are_as_printed(tmp_path: Path, capture: Path, large: list[tuple[str, ...]], options: tuple[str, ...],
                             monkeypatch: pytest.MonkeyPatch) -> None:
    mapped = Flow("2026-11-24 03:00:04", "2026-11-24 03:00:05.001", "::ffff:198.18.0.9", 1, "2001:db8::25", 25, "SPA")
    path = write_nfcapd(tmp_path, [*FLOWS, mapped], options, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    unpacked = read(path)
    assert large == [("-c", "1000")]
    monkeypatch.setattr(nfcapd, "_LARGE_BYTES", 2**20)
    assert unpacked.facts() == read(path).facts()
    assert Counter(row["exporter"] for row in unpacked.facts()) == {f"127.0.0.{n}": 5 for n in (1, 2, 3)}


def test_what_nfdump_says_otherwise_is_printed(
        capture: Path, large: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    flows = nffile.flows
    monkeypatch.setattr(nffile, "flows", lambda file: (frame.with_columns(tcp_flags=pl.lit(2, pl.Int64))
                                                       for frame in flows(file)))
    assert table(read(capture)) == EXPECTED
    assert large == [("-c", "1000"), ()]


@pytest.mark.parametrize("options", [["-z"], ["-j"], ["-y"]])
def test_a_compressed_file_is_unknown(tmp_path: Path, capture: Path, options: list[str]) -> None:
    with write_nfcapd(tmp_path, FLOWS, options).open("rb") as file, pytest.raises(nffile.UnknownError):
        nffile.totals(file)


def test_a_count_that_no_flow_has_is_unknown(tmp_path: Path, capture: Path) -> None:
    path = tmp_path / "nfcapd.202611240300"
    was, damaged = (struct.pack("<QQ", 10, octets) for octets in (1000, 2**63))
    assert was in capture.read_bytes()
    path.write_bytes(capture.read_bytes().replace(was, damaged))
    with path.open("rb") as file, pytest.raises(nffile.UnknownError):
        nffile.totals(file)


@given(st.data())
def test_no_damage_is_more_than_unknown(capture: Path, data: st.DataObject) -> None:
    content = bytearray(capture.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryFile() as file:
        file.write(content[: data.draw(st.integers(1, len(content)))])
        file.flush()
        with suppress(nffile.UnknownError):
            nffile.totals(file)
            assert sum(frame.height for frame in nffile.flows(file)) == nffile.totals(file)[0]


@pytest.mark.parametrize("size", [0, 2**20])
def test_events_of_an_address_translator_are_no_flows(
        tmp_path: Path, capture: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nfcapd, "_LARGE_BYTES", size)
    when = "2026-11-24 03:00:00"
    events = [Flow(when, when, CLIENT, 40000, SERVER, 25, event=kind) for kind in (4, 5)]
    undated = Flow("1970-01-01 00:00:00", "1970-01-01 00:00:00", CLIENT, 40004, SERVER, 25)
    result = read(write_nfcapd(tmp_path, [*events, *FLOWS, undated]))
    assert table(result) == EXPECTED
    assert (result.read, result.kept, result.filtered) == (9, 4, 4)
    assert [reason for _, _, reason, _ in result.rejected] == ["flow record has no time"]


def test_exporters_of_joined_files_may_share_a_number(
        tmp_path: Path, capture: Path, large: list[tuple[str, ...]]) -> None:
    for number in (1, 2):
        write_nfcapd(tmp_path / str(number), FLOWS, (), [f"127.0.0.{number}"]).rename(tmp_path / f"nfcapd.{number}")
        (tmp_path / str(number)).rmdir()
    joined = tmp_path.parent / f"{tmp_path.name}-joined"
    subprocess.run(["nfdump", "-q", "-R", str(tmp_path), "-w", str(joined)], check=True, stdout=subprocess.DEVNULL)
    assert Counter(row["exporter"] for row in read(joined).facts()) == {"127.0.0.1": 4, "127.0.0.2": 4}
    assert large == [("-c", "1000")]


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


BOTH = [
    ("SRA", (1, 60), (1, 40), False),  # refused
    ("SRA", (3, 180), (3, 120), False),  # thrice
    ("SA", (1, 60), (4, 240), False),  # the SYN/ACK never arrived
    ("SA", (3, 180), (1, 60), None),
    ("SRA", (2, 100), (1, 60), None),
    ("FPURA", (1, 60), (1, 40), False),  # a scan
    ("SAF", (3, 164), (2, 112), True),
    ("SAPF", (12, 2000), (11, 1200), True),
    ("PA", (1, 60), (1, 40), True),  # goes on
    ("", (1, 60), (1, 40), None),
    ("S", (3, 180), (0, 0), False),
    ("SA", (3, 180), (0, 0), True),  # so they are of one side
]


@pytest.mark.parametrize("size", [0, 2**20])
def test_records_of_both_directions(
        tmp_path: Path, large: list[tuple[str, ...]], size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nfcapd, "_LARGE_BYTES", size)
    times = ("2026-11-24 03:00:00", "2026-11-24 03:00:05")
    flows = [Flow(*times, CLIENT, 40000 + number, SERVER, 25, flags, *there, reply=back)
             for number, (flags, there, back, _) in enumerate(BOTH)]
    six = [Flow(*times, "2001:db8:100::5", 40100, "2001:db8:210::1", 587, "SRA", 3, 240, reply=(3, 180)),
           # The mail server is the source of this one.
           Flow(*times, SERVER, 25, CLIENT, 40101, "SRA", 3, 180, reply=(1, 40))]
    result = read(write_nfcapd(tmp_path, [*flows, *six, FLOWS[2]]))
    found = dict(zip(result.frame["src_port"] + result.frame["dst_port"], result.rows(
        "packets", "bytes", "reply_packets", "reply_bytes", "established"), strict=True))
    assert [found[40025 + number] for number in range(len(BOTH))] == [
        (*there, *(back if any(back) else (None, None)), proof) for _, there, back, proof in BOTH]
    assert found[40100 + 587] == (3, 240, 3, 180, False)
    assert found[40101 + 25] == (3, 180, 1, 40, False)
    assert large == ([("-c", "1000")] if size == 0 else [()])


def test_both_directions_are_sampled_alike(tmp_path: Path, capture: Path) -> None:
    both = Flow("2026-11-24 03:00:00", "2026-11-24 03:00:05", CLIENT, 1, SERVER, 25, "SRA", 1, 60, reply=(1, 40))
    result = read(write_nfcapd(tmp_path, [both], ["-s", "100"]))
    assert result.rows("packets", "bytes", "reply_packets", "reply_bytes", "established") == [(1, 60, 1, 40, None)]


@pytest.mark.parametrize("size", [0, 2**20])
def test_no_flows(tmp_path: Path, capture: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nfcapd, "_LARGE_BYTES", size)
    result = read(write_nfcapd(tmp_path, []))
    assert (result.read, result.kept, result.rejected) == (0, 0, [])
    result = read(write_nfcapd(tmp_path / "other", FLOWS[4:5]))
    assert (result.read, result.kept, result.filtered) == (1, 0, 1)


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
