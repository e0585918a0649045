"""Logs that grow, are rotated and compressed between runs: every record is in the lake once, and none half."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from op25b.api import OpenWorkspace
from op25b.pseudonyms import Pseudonyms
from op25b.readers.content import Known, examine, part
from tests.conftest import SETTINGS
from tests.pipelines.rows import new_workspace

Make = Callable[..., OpenWorkspace]
OLD = time.time() - 3600


def removed(stamp: str, queue_id: str) -> str:
    return f"{stamp} mx postfix/qmgr[2]: {queue_id}: removed\n"


FIRST, SECOND, THIRD = removed("Dec 31 23:59:58", "AAAAAA1"), removed("Dec 31 23:59:59", "AAAAAA2"), removed(
    "Jan  1 00:00:01", "AAAAAA3")
INPUT = '\n[[inputs.mail]]\npath = "raw/*"\nyear = 2026\n'


def events(opened: OpenWorkspace) -> list[tuple[str, str]]:
    frame = opened.sql('SELECT queue_id, strftime("at", \'%Y-%m-%d %H:%M:%S\') AS moment FROM mail_event ORDER BY 1')
    return frame.rows()


EVENTS = [("AAAAAA1", "2026-12-31 14:59:58"), ("AAAAAA2", "2026-12-31 14:59:59"), ("AAAAAA3", "2026-12-31 15:00:01")]


def run(opened: OpenWorkspace) -> list[dict[str, Any]]:
    return opened.ingest().to_dicts()


def test_half_a_line_waits_for_its_other_half_and_the_year_goes_on(workspace: Make, tmp_path: Path) -> None:
    opened = workspace(INPUT)
    log = tmp_path / "raw" / "mail.log"
    log.parent.mkdir()
    log.write_text(FIRST + SECOND[:20])
    (first,) = run(opened)
    assert (first["state"], first["rows_read"]) == ("new", 1)
    log.write_text(FIRST + SECOND + THIRD)
    (second,) = run(opened)
    assert (second["state"], second["rows_read"], second["rows_rejected"]) == ("new", 2, 0)
    assert events(opened) == EVENTS
    assert [row["state"] for row in run(opened)] == ["known"]
    parts = opened.sql('SELECT path, "offset", first_line, rows_read FROM source_file ORDER BY first_line').rows()
    assert parts == [("raw/mail.log", 0, 1, 1), ("raw/mail.log", len(FIRST), 2, 2)]


def test_a_last_line_without_its_end_is_read_once_the_log_rests(workspace: Make, tmp_path: Path) -> None:
    opened = workspace(INPUT)
    log = tmp_path / "raw" / "mail.log"
    log.parent.mkdir()
    log.write_text(FIRST + SECOND.rstrip("\n"))
    run(opened)
    assert events(opened) == EVENTS[:1]
    os.utime(log, (OLD, OLD))
    run(opened)
    assert events(opened) == EVENTS[:2]


def test_a_log_that_grew_was_rotated_and_compressed_is_read_on(workspace: Make, tmp_path: Path) -> None:
    opened = workspace(INPUT)
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "mail.log").write_text(FIRST)
    run(opened)
    (raw / "mail.log").unlink()
    (raw / "mail.log.1.gz").write_bytes(gzip.compress((FIRST + SECOND).encode()))
    (raw / "mail.log").write_text(THIRD)
    # The new log begins in January, so its year cannot be that of the setting's first line: it has a file of its own.
    states = {row["path"]: (row["state"], row["rows_read"]) for row in run(opened)}
    assert states == {"raw/mail.log": ("new", 1), "raw/mail.log.1.gz": ("new", 1)}
    assert [queue_id for queue_id, _ in events(opened)] == ["AAAAAA1", "AAAAAA2", "AAAAAA3"]


def zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


def damaged_after(opened: OpenWorkspace, directory: Path, begin: bytes, damaged: bytes) -> dict[str, Any]:
    """What becomes of a damaged file (of a while ago) that took the place of the log that began so."""
    (directory / "log").write_bytes(begin)
    run(opened)
    (directory / "log").unlink()
    (directory / "log.1.gz").write_bytes(damaged)
    os.utime(directory / "log.1.gz", (OLD, OLD))
    (result,) = run(opened)
    return result


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_a_new_end_that_breaks_off_is_told_and_comes_later(workspace: Make, tmp_path: Path,
                                                           pack: Callable[[bytes], bytes]) -> None:
    source = random.Random(1)
    lines = [removed("Dec 31 12:00:00", f"{source.getrandbits(48):012X}").encode() for _ in range(40_000)]
    (tmp_path / "raw").mkdir()
    opened, packed = workspace(INPUT), pack(b"".join(lines))
    result = damaged_after(opened, tmp_path / "raw", b"".join(lines[:100]), packed[: len(packed) * 3 // 4])
    assert (result["state"], result["rows_rejected"]) == ("new", 1)
    assert "log.1.gz: cannot be read to its end" in result["error"]
    assert opened.sql("SELECT reason FROM rejected").item() == result["error"]
    assert 10_000 < result["rows_kept"] == result["rows_read"] - 1 < len(lines) - 100
    assert [row["state"] for row in run(opened)] == ["known"]
    (tmp_path / "raw" / "log.1.gz").write_bytes(packed)
    assert run(opened)[0]["rows_read"] == len(lines) - 100 - result["rows_kept"]
    assert opened.sql("SELECT count(*), count(DISTINCT queue_id) FROM mail_event").row(0) == (len(lines),) * 2


@pytest.mark.parametrize("known", [0, 2])
def test_accounting_that_breaks_off_amid_a_record(workspace: Make, tmp_path: Path, known: int) -> None:
    (tmp_path / "raw").mkdir()
    opened = workspace('\n[[inputs.leases]]\npath = "raw/*"\n')
    each = [record(str(number), "Start", 1795489200 + number).encode() for number in range(5)]
    cut = b"".join(each)[:-60]
    packer = zlib.compressobj(wbits=31)
    damaged = packer.compress(cut) + packer.flush(zlib.Z_SYNC_FLUSH)
    result = damaged_after(opened, tmp_path / "raw", b"".join(each[:known]), damaged)
    assert (result["rows_kept"], result["rows_rejected"]) == (4 - known, 1)
    (tmp_path / "raw" / "log.1.gz").write_bytes(gzip.compress(b"".join(each)))
    assert (run(opened)[0]["rows_kept"], opened.sql("SELECT count(*) FROM rejected").item()) == (1, 1)


@pytest.mark.parametrize("more", [b"", SECOND[:20].encode()])
def test_a_damaged_file_with_nothing_new_fails_until_it_is_whole(workspace: Make, tmp_path: Path, more: bytes) -> None:
    (tmp_path / "raw").mkdir()
    opened = workspace(INPUT)
    packer = zlib.compressobj(wbits=31)
    damaged = packer.compress(FIRST.encode() + more) + packer.flush(zlib.Z_SYNC_FLUSH)
    result = damaged_after(opened, tmp_path / "raw", FIRST.encode(), damaged)
    assert result["state"] == run(opened)[0]["state"] == "failed"
    assert "cannot be read to its end" in result["error"]
    (tmp_path / "raw" / "log.1.gz").write_bytes(gzip.compress((FIRST + SECOND + THIRD).encode()))
    assert run(opened)[0]["rows_read"] == 2
    assert events(opened) == EVENTS


def test_rejected_lines_of_the_new_end_are_counted_from_the_beginning(workspace: Make, tmp_path: Path) -> None:
    opened = workspace(INPUT)
    log = tmp_path / "raw" / "mail.log"
    log.parent.mkdir()
    log.write_text(FIRST + "no stamp\n")
    run(opened)
    log.write_text(FIRST + "no stamp\n" + SECOND + "none here either\n")
    run(opened)
    assert opened.sql("SELECT line, excerpt FROM rejected ORDER BY line").rows() == [(2, "no stamp"),
                                                                                     (4, "none … …")]


def record(user: str, status: str, at: int) -> str:
    return (f"Tue Nov 24 12:00:00 2026\n\tUser-Name = \"{user}\"\n\tAcct-Status-Type = {status}\n"
            f"\tAcct-Session-Id = \"{user}\"\n\tFramed-IP-Address = 198.18.0.9\n\tTimestamp = {at}\n\n")


def test_half_an_accounting_record_waits(workspace: Make, tmp_path: Path) -> None:
    opened = workspace('\n[[inputs.leases]]\npath = "detail"\n')
    whole = record("one", "Start", 1795489200) + record("two", "Start", 1795489300)
    (tmp_path / "detail").write_text(whole[:-40])
    run(opened)
    (tmp_path / "detail").write_text(whole)
    run(opened)
    assert opened.sql('SELECT count(*), count(DISTINCT "at") FROM lease_record').rows() == [(2, 2)]
    assert opened.sql("SELECT * FROM rejected").is_empty()


def test_growth_by_nothing_but_a_blank_line_doubles_nothing(workspace: Make, tmp_path: Path) -> None:
    opened = workspace('\n[[inputs.leases]]\npath = "detail"\n')
    for text in (record("one", "Start", 1795489200), "\n", record("two", "Start", 1795489300)):
        with (tmp_path / "detail").open("a") as file:
            file.write(text)
        run(opened)
    assert opened.sql("SELECT count(*) FROM lease_record").item() == 2


def test_a_bad_record_of_the_new_end_has_its_line_in_the_file(workspace: Make, tmp_path: Path) -> None:
    opened = workspace('\n[[inputs.leases]]\npath = "detail"\n')
    good, bad = record("one", "Start", 1795489200), "Tue Nov 24 12:00:00 2026\n\tUser-Name = \"two\"\n\n"
    (tmp_path / "detail").write_text(good)
    run(opened)
    (tmp_path / "detail").write_text(good + bad)
    run(opened)
    assert opened.sql("SELECT line, reason FROM rejected").rows() == [(good.count("\n") + 1, "no Acct-Status-Type")]


def test_a_format_that_cannot_go_on_says_so_and_doubles_nothing(workspace: Make, tmp_path: Path) -> None:
    opened = workspace('\n[[inputs.flows]]\npath = "flows.csv"\n')
    header = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n"
    row = "2026-11-24 12:00:00.000,1.000,TCP,198.18.0.9,40000,198.51.100.1,25,10,1000,1\n"
    (tmp_path / "flows.csv").write_text(header)
    run(opened)  # a header alone holds no rows, so the same header elsewhere is no growth
    (tmp_path / "flows.csv").write_text(header + row)
    assert run(opened)[0]["state"] == "new"
    (tmp_path / "flows.csv").write_text(header + row + row.replace("40000", "40001"))
    (result,) = run(opened)
    assert result["state"] == "failed"
    assert "has grown since it was read" in result["error"]
    assert opened.sql("SELECT count(*) FROM flow").item() == 1


def test_a_subscriber_list_that_grew_is_read_again_and_the_last_one_counts(workspace: Make, tmp_path: Path) -> None:
    opened = workspace('\n[[inputs.subscribers]]\npath = "list.csv"\n')
    (tmp_path / "list.csv").write_text("subscriber,plan\nA,x\n")
    run(opened)
    (tmp_path / "list.csv").write_text("subscriber,plan\nA,x\nB,y\n")
    run(opened)
    opened.build()
    assert sorted(opened.sql("SELECT plan FROM subscriber")["plan"]) == ["x", "y"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), cut=st.integers(0, 400), boundary=st.sampled_from([None, b"\n", b"\n\n"]))
def test_the_known_beginning_is_found_and_the_rest_is_what_follows(tmp_path: Path, content: bytes, cut: int,
                                                                  boundary: bytes | None) -> None:
    content = content.replace(b"\x1f", b"\n").replace(b"\xfd", b"\n").replace(b"\x28", b"\n").replace(b"B", b"\n")
    file = tmp_path / "log"
    file.write_bytes(content[:cut])
    first = examine(file, [], boundary)
    assert first.length + first.held_back == len(content[:cut])
    file.write_bytes(content)
    second = examine(file, [Known(first.sha256, first.length, held_rows=True, last=None)], boundary)
    assert (second.before is not None) == (first.length > 0)
    for context in (False, True):
        with part(file, first.length, second.length, tmp_path / "parts", context=context) as (rest, known):
            assert rest.read_bytes() == (content[: first.length] if context and first.length else b"") + content[
                first.length : second.length]
            assert known == (content[: first.length].count(b"\n") if context and first.length else 0)


def test_a_week_of_daily_growth_is_one_reading(tmp_path: Path, workspace: Make) -> None:
    opened = workspace(INPUT)
    log = tmp_path / "raw" / "mail.log"
    log.parent.mkdir()
    for day in range(1, 8):
        with log.open("a") as file:
            file.writelines(removed(f"Nov  {day} 12:00:{second:02d}", f"A{day}{second:04d}B") for second in range(30))
        run(opened)
    assert opened.sql("SELECT count(*), count(DISTINCT queue_id) FROM mail_event").rows() == [(210, 210)]
    other = tmp_path / "other"
    other.mkdir()
    (other / "raw").mkdir()
    (other / "raw" / "mail.log").write_bytes(log.read_bytes())
    (other / "op25b.toml").write_text((tmp_path / "op25b.toml").read_text())
    Pseudonyms.create(other / "op25b.key")
    from op25b.api import open_workspace

    whole = open_workspace(other)
    run(whole)
    columns = 'SELECT * EXCLUDE (source) FROM mail_event ORDER BY "at", queue_id'
    assert opened.sql(columns).equals(whole.sql(columns))
    assert isinstance(opened.sql(columns), pl.DataFrame)


@pytest.mark.parametrize("name", ["mail.log", "mail.log.gz"])
def test_scratch_files_are_removed(workspace: Make, tmp_path: Path, name: str) -> None:
    opened = workspace(INPUT)
    file = tmp_path / "raw" / name
    file.parent.mkdir()
    pack = gzip.compress if name.endswith("gz") else bytes
    file.write_bytes(pack(FIRST.encode()))
    run(opened)
    file.write_bytes(pack((FIRST + SECOND).encode()))
    run(opened)
    assert len(events(opened)) == 2
    assert list((opened.workspace.lake_path / ".parts").iterdir()) == []


SESSION = """\
Dec 31 23:59:50 mx postfix/submission/smtpd[7]: 3F2A1B: client=pc[198.18.0.9], sasl_method=PLAIN, sasl_username=u1
Dec 31 23:59:58 mx postfix/submission/smtpd[7]: 3F2A1C: client=pc[198.18.0.9], sasl_method=PLAIN, sasl_username=u1
Jan  1 00:00:01 mx postfix/submission/smtpd[7]: disconnect from pc[198.18.0.9] ehlo=1 auth=1 mail=2 quit=1 commands=5
Jan  1 00:00:02 mx postfix/submission/smtpd[7]: 3F2A1D: client=pc[198.18.0.9], sasl_method=PLAIN, sasl_username=u1
"""


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_session_that_a_run_saw_the_beginning_of_is_one(workspace: Make, tmp_path: Path, lines: int) -> None:
    opened = workspace(INPUT)
    log = tmp_path / "raw" / "mail.log"
    log.parent.mkdir()
    log.write_text("".join(SESSION.splitlines(keepends=True)[:lines]))
    run(opened)
    log.write_text(SESSION)
    assert (run(opened)[0]["rows_read"], run(opened)[0]["state"]) == (4 - lines, "known")
    assert opened.sql("""
        SELECT event, queue_id, strftime("at", '%Y-%m-%d %H:%M:%S') AS moment FROM mail_event ORDER BY "at", event
    """).rows() == [
        ("accepted", "3F2A1B", "2026-12-31 14:59:50"), ("auth", None, "2026-12-31 14:59:50"),
        ("accepted", "3F2A1C", "2026-12-31 14:59:58"),
        ("accepted", "3F2A1D", "2026-12-31 15:00:02"), ("auth", None, "2026-12-31 15:00:02"),
    ]
    assert opened.sql("SELECT sum(rows_kept) FROM source_file").rows() == [(3,)]


@pytest.mark.parametrize("names", [
    ("a.log", "b.log"), ("b.log", "a.log"), ("a.log", "b.log.gz"), ("b.log.gz", "a.log")])
def test_a_log_and_a_copy_of_its_beginning_come_together(
        workspace: Make, tmp_path: Path, names: tuple[str, str]) -> None:
    opened = workspace(INPUT)
    (tmp_path / "raw").mkdir()
    for name, text in zip(names, (FIRST + SECOND + THIRD, FIRST), strict=True):
        packed = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
        (tmp_path / "raw" / name).write_bytes(packed)
        os.utime(tmp_path / "raw" / name, (OLD, OLD))
    found = {row["path"].removeprefix("raw/"): (row["state"], row["rows_read"]) for row in run(opened)}
    assert found == {names[0]: ("new", 2), names[1]: ("new", 1)}
    assert events(opened) == EVENTS
    assert {row["state"] for row in run(opened)} == {"known"}


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(0, 3000), min_size=2, max_size=5), large=st.booleans())
def test_of_logs_that_begin_alike_each_line_is_read_once(
        tmp_path_factory: pytest.TempPathFactory, lengths: list[int], large: bool) -> None:
    """Also where they are larger than the beginnings that are compared."""
    root = tmp_path_factory.mktemp("alike")
    opened = new_workspace(root, SETTINGS + INPUT)
    (root / "raw").mkdir()
    lines = [removed("Jun 10 12:00:00", f"{number:07X}") for number in range(max(lengths) + (2000 if large else 0))]
    for number, length in enumerate(lengths):
        path = root / "raw" / f"{number}.log"
        path.write_text("".join(lines[:length + (2000 if large else 0)]))
        os.utime(path, (OLD, OLD))
    assert "failed" not in {row["state"] for row in run(opened)}
    assert opened.sql("SELECT count(*), count(DISTINCT queue_id) FROM mail_event").row(0) == (len(lines), len(lines))


def test_a_file_that_is_nothing_but_the_head_of_others_takes_no_rows_from_them(workspace: Make, tmp_path: Path) -> None:
    opened = workspace('\n[[inputs.subscribers]]\npath = "raw/*"\n')
    (tmp_path / "raw").mkdir()
    head = "subscriber,plan\n"
    for name, text in (("a.csv", head + "x,IP1\n"), ("b.csv", head), ("c.csv", head + "y,IP8\n")):
        (tmp_path / "raw" / name).write_text(text)
    run(opened)
    assert opened.sql("SELECT plan FROM subscriber_record ORDER BY 1")["plan"].to_list() == ["IP1", "IP8"]
