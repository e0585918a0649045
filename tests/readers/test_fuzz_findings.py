"""What `tests.readers.fuzz` found, each with the smallest file that showed it; a short run of it on every format."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from op25b.readers.base import Format, Head, Source
from op25b.readers.mail import dovecot, exim, opensmtpd, postfix, qmail, sendmail
from tests.readers import fuzz
from tests.readers.reading import Result, collect

TARGETS = {target.name: target for target in fuzz.targets()}


def read(form: Format, path: Path, data: bytes, size: int = 2**25) -> Result:
    path.write_bytes(data)
    return collect(form.read(Source(path, "UTC", year=2026), size), form)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", TARGETS)
def test_mangled_files_keep_every_promise(name: str, tmp_path: Path) -> None:
    done, found = fuzz.campaign(TARGETS[name], seconds=2, seed=25, directory=tmp_path, most=40)
    assert done
    assert {key: (failure.detail, case) for key, (case, failure) in found.items()} == {}


def test_a_long_line_is_looked_at_once() -> None:
    """Recognising Dovecot's own log took 20 s of a line of 64 KiB without a blank."""
    begun = time.process_time()
    assert dovecot.recognise(Head(Path("x"), b"2026-01-31 12:00:00 x\n" + b"x" * 65_000)) is None
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("line", [
    "Jan 31 12:00:01 mx dovecot: master: Dovecot v2.3.19 starting up",
    "Jan 31 12:00:01 imap-login: Info: Login: user=<a>",
    "2026-01-31 12:00:01 imap-login: Info: Login: user=<a>", "2026-01-31T12:00:01Z mx lmtp(a)<7><x>: Info: b",
])
def test_stamps_of_dovecot_have_two_to_four_words(line: str) -> None:
    assert dovecot.recognise(Head(Path("x"), line.encode())) == "lines of Dovecot"


@pytest.mark.parametrize(("stamp", "at"), [
    ("9999-12-31T23:59:59Z", None), ("9999 Dec 31 23:59:59", None), ("0001-01-01T00:00:00Z", None),
    ("2200-01-01T00:00:00Z", None), ("1969-12-31T23:59:59Z", None),
    ("1970-01-01T00:00:00Z", datetime(1970, 1, 1)), ("2199-12-31T23:59:59Z", datetime(2199, 12, 31, 23, 59, 59)),
])
def test_years_without_mail_are_no_times(stamp: str, at: datetime | None, tmp_path: Path) -> None:
    """Events of the year 9999 were kept."""
    result = read(postfix.FORMAT, tmp_path / "log", f"{stamp} mx postfix/qmgr[9]: 3F2A1B: removed\n".encode())
    assert result.rows("at") == ([] if at is None else [(at,)])
    assert [(line, reason) for line, _, reason, _ in result.rejected] == (
        [(1, "impossible time stamp")] if at is None else [])


def test_years_without_mail_are_no_times_of_multilog(tmp_path: Path) -> None:
    seconds = 2**62 + 10 + 7_258_118_400  # 2200-01-01 00:00:00
    data = "".join(f"@{second:016x}00000000 end msg 7\n" for second in (seconds - 1, seconds))
    result = read(qmail.FORMAT, tmp_path / "log", data.encode())
    assert result.rows("event", "at") == [("removed", datetime(2199, 12, 31, 23, 59, 59))]
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(2, "impossible time stamp")]


def test_what_is_added_to_a_syslog_file_of_exim_may_be_of_other_programs(tmp_path: Path) -> None:
    """The new part of a log was read as Exim's main log where it had no line of Exim, and each line was rejected."""
    result = read(exim.FORMAT, tmp_path / "log", b"Jan 31 12:00:01 mx cron[1]: job\n" + LOGIN)
    assert (result.read, result.kept, result.rejected) == (2, 1, [])
    assert result.rows("event", "client_ip") == [("auth", "198.18.0.7")]


RELAYED = (b"Jan 31 12:00:01 mx dovecot: submission(a)<S1>: Successfully relayed message: from=<a@b.example>, "
           b"size=9, nrcpt=1\n")
LOGIN = (b"Jan 31 12:00:02 mx dovecot: submission-login: Login: user=<a>, method=PLAIN, rip=198.18.0.7, "
         b"session=<S1>\n")
MESSAGE = b"Jan 31 12:00:01 mx smtpd[9]: 0123456789abcdef smtp message msgid=01234567 size=9 nrcpt=1 proto=ESMTP\n"
CONNECTED = b"Jan 31 12:00:02 mx smtpd[9]: 0123456789abcdef smtp connected address=198.18.0.7 host=pc\n"


@pytest.mark.parametrize("size", [1, 2**25])
@pytest.mark.parametrize(("form", "message", "session"), [
    (dovecot.FORMAT, RELAYED, LOGIN), (opensmtpd.FORMAT, MESSAGE, CONNECTED),
], ids=["dovecot", "opensmtpd"])
def test_a_message_is_of_the_session_that_began_before_it(form: Format, message: bytes, session: bytes, size: int,
                                                          tmp_path: Path) -> None:
    """A session that began after a message was its client where both were in one block."""
    result = read(form, tmp_path / "log", message + session + message, size)
    assert [row for row in result.rows("event", "client_ip") if row[0] == "accepted"] == [
        ("accepted", None), ("accepted", "198.18.0.7")]


def test_a_block_without_a_possible_time_is_rejected(tmp_path: Path) -> None:
    """Sendmail's reader failed with an error of Polars."""
    result = read(sendmail.FORMAT, tmp_path / "log", b"Feb 30 12:00:00 mx sm-mta[7]: 60VC01a7000007: "
                  b"from=<a@b.example>, size=9, class=0, nrcpts=1, msgid=<1@b.example>, proto=ESMTP, daemon=MTA, "
                  b"relay=pc [198.18.0.7]\n")
    assert result.rows("event") == []
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(1, "impossible time stamp")]


@pytest.mark.parametrize("size", [1, 2**25])
def test_a_login_is_not_forgotten_when_the_clock_goes_ahead_for_a_moment(size: int, tmp_path: Path) -> None:
    """A line of two hours later ended the memory of Sendmail's logins with its block."""
    message = ("from=<a@b.example>, size=9, class=0, nrcpts=1, msgid=<1@b.example>, proto=ESMTP, daemon=MSA, "
               "relay=pc [198.18.0.7]")
    data = "\n".join([
        "Jan 31 12:00:01 mx sm-mta[7]: AUTH=server, relay=pc [198.18.0.7], authid=bob, mech=PLAIN, bits=0",
        f"Jan 31 14:00:01 mx sm-mta[8]: 60VE01a8000008: {message}",
        f"Jan 31 12:00:02 mx sm-mta[7]: 60VC01a7000007: {message}",
    ])
    result = read(sendmail.FORMAT, tmp_path / "log", data.encode(), size)
    assert [row for row in result.rows("event", "queue_id", "auth_user") if row[0] == "accepted"] == [
        ("accepted", "60VE01a8000008", None), ("accepted", "60VC01a7000007", "bob")]


@pytest.mark.parametrize("size", [1, 2**25])
def test_refusals_with_an_impossible_time_are_all_rejected(size: int, tmp_path: Path) -> None:
    """Of two that are alike Exim's reader rejected one where both were in one block, and failed after it."""
    line = ("Feb 30 12:00:00 mx exim[7]: 2026-02-30 12:00:00 H=pc [198.18.0.7] F=<a@b.example> rejected RCPT "
            "<c@d.example>: relay not permitted\n")
    result = read(exim.FORMAT, tmp_path / "log", (line + line).encode(), size)
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [
        (1, "impossible time stamp"), (2, "impossible time stamp")]
