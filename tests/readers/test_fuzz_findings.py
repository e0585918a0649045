"""What `tests.readers.fuzz` found, each with the smallest file that showed it; a short run of it on every format."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from op25b.readers.base import Format, Head, Source
from op25b.readers.flows import delimited, jsonlines, nfdump_csv, nfdump_json
from op25b.readers.mail import dovecot, exim, opensmtpd, postfix, qmail, sendmail, zeek_smtp
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


@pytest.mark.parametrize(("port", "expected"), [("0", 0), ("65535", 65535), ("65536", None), ("99999999999", None)])
@pytest.mark.parametrize(("form", "column", "line"), [
    (zeek_smtp.FORMAT, "listener_port", ('{"ts":1769860801,"uid":"C1","id.orig_h":"198.18.0.7","id.resp_h":"192.0.2.1",'
     '"id.resp_p":PORT,"mailfrom":"a@b.example","last_reply":"250 ok"}')),
    (postfix.FORMAT, "next_hop_port", ("Jan 31 12:00:01 mx postfix/smtp[9]: 3F2A1B: to=<c@d.example>, "
     "relay=mx[192.0.2.9]:PORT, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)")),
    (dovecot.FORMAT, "listener_port", ("Jan 31 12:00:01 mx dovecot: imap-login: Login: user=<a>, method=PLAIN, "
     "rip=198.18.0.7, lip=192.0.2.1, TLS, lport=PORT")),
    (exim.FORMAT, "next_hop_port", ("2026-01-31 12:00:01 1xVjuT-0000p2-2l => c@d.example R=r T=remote_smtp "
     'H=mx.example [192.0.2.9]:PORT C="250 ok"')),
], ids=lambda value: value.name if isinstance(value, Format) else "")
def test_what_is_no_port_is_missing(form: Format, column: str, line: str, port: str, expected: int | None,
                                    tmp_path: Path) -> None:
    """Port -1 of Zeek's smtp.log and port 65536 of the others were kept."""
    result = read(form, tmp_path / "log", line.replace("PORT", port).encode() + b"\n")
    assert result.kept == 1
    assert result.rows(column)[0] == (expected,)


def test_a_port_below_0_is_missing(tmp_path: Path) -> None:
    result = read(zeek_smtp.FORMAT, tmp_path / "log", b'{"ts":1769860801,"uid":"C1","id.orig_h":"198.18.0.7",'
                  b'"id.resp_h":"192.0.2.1","id.resp_p":-1,"mailfrom":"a@b.example","last_reply":"250 ok"}\n')
    assert set(result.rows("listener_port")) == {(None,)}


@pytest.mark.parametrize("at", ['7698600000', '"2213-12-17T20:40:00Z"'])
def test_years_without_mail_are_no_times_of_zeek(at: str, tmp_path: Path) -> None:
    """Events of the year 2213 were kept."""
    result = read(zeek_smtp.FORMAT, tmp_path / "log", f'{{"ts":{at},"uid":"C1","id.orig_h":"198.18.0.7",'
                  '"id.resp_h":"192.0.2.1","mailfrom":"a@b.example","last_reply":"250 ok"}\n'.encode())
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(1, "impossible time stamp")]


def test_years_without_mail_are_no_times_of_qmail_in_syslog(tmp_path: Path) -> None:
    """The stamp within the line was believed; the one of syslog is used instead."""
    result = read(qmail.FORMAT, tmp_path / "log", b"Jan 31 12:00:01 mx qmail: 99999999999.5 end msg 7\n")
    assert result.rows("at") == [(datetime(2026, 1, 31, 12, 0, 1),)]


NFDUMP = b"firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n"
FLOW = b"2026-01-31 12:00:00.900,0.500,TCP,198.18.0.1,51000,198.51.100.1,25,10,1000,1\n"


def test_blocks_of_which_only_some_can_be_looked_at_by_their_ports(tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of an odd line alone, among others, ended in an error of Polars."""
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1)
    path = tmp_path / "flows.csv"
    path.write_bytes(NFDUMP + FLOW + b"\xef\xbb\xbf\n" + FLOW)
    result = collect(nfdump_csv.FORMAT.read(Source(path, "UTC")), nfdump_csv.FORMAT)
    assert result.rows("src_ip", "dst_port") == [("198.18.0.1", 25)] * 2


OBJECT = """{
\t"first" : "2026-01-31T12:00:00.900",
\t"last" : "2026-01-31T12:00:01.400",
\t"in_packets" : 10,
\t"in_bytes" : 1000,
\t"proto" : 6,
\t"src_port" : 51000,
\t"dst_port" : 25,
\t"src4_addr" : "198.18.0.1",
\t"dst4_addr" : "198.51.100.1"
}"""


@pytest.mark.parametrize("size", [1, 40, 2**20])
def test_what_stands_between_two_objects_does_not_spoil_them(size: int, tmp_path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines after an object were taken as part of it where both were in one block, and dropped elsewhere."""
    monkeypatch.setattr(jsonlines, "BLOCK_BYTES", size)
    path = tmp_path / "flows.json"
    path.write_text(f"[\n{OBJECT},\n\t\"l\" : 1,\n}}\n{OBJECT}\n]\n")
    result = collect(nfdump_json.FORMAT.read(Source(path, "UTC")), nfdump_json.FORMAT)
    assert result.rows("src_ip", "dst_port") == [("198.18.0.1", 25)] * 2
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(13, "line is not a whole JSON object")]
    assert result.read == 3
