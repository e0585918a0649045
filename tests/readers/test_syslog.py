"""Time stamps and line forms of syslog daemons, and the year that RFC 3164 leaves out."""

# ruff: noqa: E501 -- lines of logs are long

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from op25b.readers.base import Source
from op25b.readers.mail import postfix
from tests.readers.reading import Result, read_bytes

REMOVED = "postfix/qmgr[9]: 3F2A1B: removed"


def read(path: Path, lines: list[str], **settings: object) -> Result:
    return read_bytes(postfix.FORMAT, path / "mail.log", lines, **settings)


def times(result: Result) -> list[str]:
    return [str(at) for (at,) in result.rows("at")]


@pytest.mark.parametrize(("line", "at"), [
    (f"Nov 24 12:00:01 mx {REMOVED}", "2026-11-24 03:00:01"),
    (f"Nov  4 12:00:01 mx {REMOVED}", "2026-11-04 03:00:01"),
    (f"Nov 04 12:00:01 mx {REMOVED}", "2026-11-04 03:00:01"),
    (f"Nov 4 12:00:01 mx {REMOVED}", "2026-11-04 03:00:01"),
    (f"<22>Nov 4 12:00:01 mx {REMOVED}", "2026-11-04 03:00:01"),
    (f"<22>Nov 24 12:00:01 mx {REMOVED}", "2026-11-24 03:00:01"),
    (f"2007 Nov  4 12:00:01 mx {REMOVED}", "2007-11-04 03:00:01"),
    (f"2007-11-24T12:00:01+09:00 mx {REMOVED}", "2007-11-24 03:00:01"),
    (f"2007-11-24T12:00:01.123456+09:00 mx {REMOVED}", "2007-11-24 03:00:01.123456"),
    (f"2007-11-24T12:00:01.123-0130 mx {REMOVED}", "2007-11-24 13:30:01.123000"),
    (f"2007-11-24T12:00:01Z mx {REMOVED}", "2007-11-24 12:00:01"),
    (f"2007-11-24T12:00:01 mx {REMOVED}", "2007-11-24 03:00:01"),
    (f"2007-11-24 12:00:01,123 mx {REMOVED}", "2007-11-24 03:00:01.123000"),
    ("<22>1 2007-11-24T12:00:01.5+09:00 mx postfix/qmgr 9 - - 3F2A1B: removed", "2007-11-24 03:00:01.500000"),
    ('<22>1 2007-11-24T12:00:01+09:00 mx postfix/qmgr - ID1 [a x="\\]"][b] \ufeff3F2A1B: removed',
     "2007-11-24 03:00:01"),
    ("Nov 24 12:00:01 mx postfix/qmgr[9]: [ID 197553 mail.info] 3F2A1B: removed", "2026-11-24 03:00:01"),
])
def test_forms(tmp_path: Path, line: str, at: str) -> None:
    result = read(tmp_path, [line], timezone="Asia/Tokyo", year=2026)
    assert times(result) == [at]
    assert result.facts("at") == [{"mta_host": "mx", "event": "removed", "queue_id": "3F2A1B"}]


def test_mixed_forms_in_one_file(tmp_path: Path) -> None:
    result = read(tmp_path, [
        f"Nov 24 12:00:01 mx {REMOVED}", f"2026-11-24T12:00:02Z mx {REMOVED}", f"2026 Nov 24 12:00:03 mx {REMOVED}",
        "", "no syslog line", f"<22>1 2026-11-24T12:00:04Z mx postfix/qmgr 9 - - {REMOVED[18:]}",
    ], year=2026)
    assert times(result) == [f"2026-11-24 12:00:0{second}" for second in (1, 2, 3, 4)]
    assert (result.read, result.kept, result.filtered) == (6, 4, 1)
    assert result.rejected == [(5, None, "no syslog time stamp", "no syslog line")]


def test_a_line_that_names_no_host(tmp_path: Path) -> None:
    assert read(tmp_path, [f"2026 Nov 24 12:00:01 {REMOVED}"]).facts("at") == [
        {"mta_host": "-", "event": "removed", "queue_id": "3F2A1B"}]


def test_new_year_in_both_directions(tmp_path: Path) -> None:
    stamps = ["Dec 31 23:59:58", "Jan  1 00:00:01", "Dec 31 23:59:59", "Jan  1 00:00:02", "Jun 30 12:00:00", "Dec 31 23:59:59",
              "Jan  1 00:00:03"]
    result = read(tmp_path, [f"{stamp} mx {REMOVED}" for stamp in stamps], year=2006)
    assert times(result) == ["2006-12-31 23:59:58", "2007-01-01 00:00:01", "2006-12-31 23:59:59", "2007-01-01 00:00:02",
                             "2007-06-30 12:00:00", "2007-12-31 23:59:59", "2008-01-01 00:00:03"]


def test_lines_of_other_programs_carry_the_year_too(tmp_path: Path) -> None:
    result = read(tmp_path, [f"Nov 30 12:00:00 mx {REMOVED}", "Mar  1 00:00:00 mx cron[1]: x", "Nov  1 00:00:00 mx cron[1]: x",
                             "Jan  1 00:00:00 mx cron[1]: x", f"Jan  2 00:00:00 mx {REMOVED}"], year=2006)
    assert times(result) == ["2006-11-30 12:00:00", "2007-01-02 00:00:00"]


@pytest.mark.parametrize(("first", "written", "year"), [
    ("Nov 24 12:00:00", "2026-11-24", 2026),
    ("Nov 24 12:00:00", "2027-01-03", 2026),
    ("Jan  2 00:00:00", "2027-01-03", 2027),
    ("Nov 25 00:00:01", "2026-11-24", 2026),  # the log's clock is ahead, or its zone is
    ("Nov 26 00:00:01", "2026-11-24", 2025),
    ("Jan  1 00:00:01", "2026-12-31", 2027),
    ("Feb 29 12:00:00", "2028-03-01", 2028),
    ("Feb 29 12:00:00", "2026-11-24", 2024),
])
def test_year_from_the_time_the_file_was_written(tmp_path: Path, first: str, written: str, year: int) -> None:
    path = tmp_path / "mail.log"
    path.write_text(f"{first} mx {REMOVED}\n")
    moment = datetime.fromisoformat(written).replace(hour=12, tzinfo=UTC).timestamp()
    os.utime(path, (moment, moment))
    from op25b.readers.base import Source

    (batch,) = [batch for batch in postfix.read(Source(path, "UTC")) if batch.rows_read]
    assert [at.year for at in batch.rows["at"]] == [year]


@pytest.mark.parametrize(("stamp", "zone", "at"), [
    ("2026-03-29T02:30:00", "Europe/Berlin", None),  # skipped when summer time begins
    ("2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25 00:30:00"),  # comes twice; the first is meant
    ("2026 Mar 29 02:30:00", "Europe/Berlin", None),
    ("2026 Feb 29 12:00:00", "UTC", None),
    ("2024 Feb 29 12:00:00", "UTC", "2024-02-29 12:00:00"),
    ("2026-11-24T25:00:00", "UTC", None),
    ("2026-13-24T12:00:00+09:00", "UTC", None),
])
def test_times_that_are_none_and_times_that_come_twice(tmp_path: Path, stamp: str, zone: str, at: str | None) -> None:
    result = read(tmp_path, [f"{stamp} mx {REMOVED}"], timezone=zone)
    assert times(result) == ([] if at is None else [at])
    assert [row[2] for row in result.rejected] == ([] if at else ["impossible time stamp"])


@pytest.mark.parametrize("data", [
    f"Nov 24 12:00:01 mx {REMOVED}\r\nNov 24 12:00:02 mx {REMOVED}\r\n".encode(),
    f"Nov 24 12:00:01 mx {REMOVED}\nNov 24 12:00:02 mx {REMOVED}".encode(),
    b"\xef\xbb\xbf" + f"Nov 24 12:00:01 mx {REMOVED}\nNov 24 12:00:02 mx {REMOVED}\n".encode(),
], ids=["CRLF", "no final newline", "BOM"])
def test_line_ends(tmp_path: Path, data: bytes) -> None:
    result = read_bytes(postfix.FORMAT, tmp_path / "mail.log", data, year=2026)
    assert times(result) == ["2026-11-24 12:00:01", "2026-11-24 12:00:02"]
    assert (result.read, result.rejected) == (2, [])


def test_broken_bytes_and_long_lines(tmp_path: Path) -> None:
    long = "x" * 3_000_000
    data = b"\n".join([
        b"Nov 24 12:00:01 mx postfix/qmgr[9]: 3F2A1B: from=<\xff\xfe@b.example>, size=1, nrcpt=1 (queue active)",
        b"\x00\x00Nov 24 12:00:01 mx postfix/qmgr[9]: 3F2A1B: removed",
        f"Nov 24 12:00:02 mx postfix/cleanup[9]: 3F2A1B: message-id=<{long}>".encode(),
        f"Nov 24 12:00:03 mx postfix/smtp[9]: 3F2A1B: to=<a@b.example>, relay=none, delay=1, dsn=4.0.0, status=deferred ({long})"
        .encode(),
        b"Nov 24 12:00:04 mx postfix/qmgr[9]: 3F2A1B: \x00removed",
        b"Nov 24 12:00:05 mx postfix/qmgr[9]: 3F2A1B: removed",
    ])
    result = read_bytes(postfix.FORMAT, tmp_path / "mail.log", data, year=2026)
    assert result.rows("event", "sender_domain") == [("queued", "b.example"), ("delivery", None), ("removed", None)]
    assert (result.read, result.kept, result.filtered) == (6, 3, 2)
    assert [row[:3] for row in result.rejected] == [(2, None, "no syslog time stamp")]


def test_an_empty_file(tmp_path: Path) -> None:
    result = read_bytes(postfix.FORMAT, tmp_path / "mail.log", b"")
    assert (result.facts(), result.read, result.rejected) == ([], 0, [])


def test_a_repeat_whose_tag_is_torn_is_no_repeat(tmp_path: Path) -> None:
    """Found by damaging real lines: no line is left whose message could be repeated."""
    path = tmp_path / "log"
    path.write_text("Jan  1 00:00:02 mx last> message repeated 2 times\n"
                    "2026-01-01T00:00:03+09:00 mx postfix/qmgr[2]: ABCDEF0123: removed\n")
    (batch,) = postfix.read(Source(path, "Asia/Tokyo", year=2026))
    assert (batch.rows_read, batch.rows_kept, batch.rejected.height) == (2, 1, 0)
