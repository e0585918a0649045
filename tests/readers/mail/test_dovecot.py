# ruff: noqa: E501 (log lines are literal; times in the lake are naive UTC)
"""Dovecot logs: logins of every service, submission, LMTP, in the forms of 1.x to 2.4, and hostile ones."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from op25b.readers.mail import dovecot
from tests.readers.reading import Result, read_bytes

SAMPLE = r"""
Jan 31 12:00:01 mx1 dovecot: imap-login: Login: user=<joe@isp.example>, method=PLAIN, rip=198.18.0.7, lip=203.0.113.5, mpid=12, TLS, session=<abc>
Jan 31 12:00:02 mx1 dovecot: pop3-login: Login: user=<ann>, method=CRAM-MD5, rip=2001:db8:100::7, lip=2001:db8::5, mpid=13, session=<abd>
Jan 31 12:00:03 mx1 dovecot[77]: pop3-login: Disconnected: Connection closed (auth failed, 3 attempts in 12 secs): user=<x>, rip=9.9.9.9, lip=1>, method=PLAIN, rip=198.18.0.8, lip=203.0.113.5, session=<abe>
Jan 31 12:00:04 mx1 dovecot: imap-login: Aborted login (auth failed, 1 attempts): user=<>, method=LOGIN, rip=::ffff:198.18.0.9, lip=203.0.113.5
Jan 31 12:00:05 mx1 dovecot: imap-login: Disconnected (no auth attempts in 3 secs): user=<>, rip=198.18.0.10, lip=203.0.113.5
Jan 31 12:00:06 mx1 dovecot: submission-login: Login: user=<bob>, method=LOGIN, rip=198.18.0.11, lip=203.0.113.5, mpid=20, TLS, session=<sub1>
Jan 31 12:00:07 mx1 dovecot: submission(bob)<20><sub1>: Successfully relayed message: from=<bob@isp.example>, size=321, id=tr1, nrcpt=2, reply=`250 2.0.0 Ok: queued as X'
Jan 31 12:00:08 mx1 dovecot: submission(bob)<20><sub1>: Failed to relay message: from=<bob@isp.example>, to=<c@d.example>, size=3, rcpt=1/1, reply=`550 5.7.1 no'
Jan 31 12:00:09 mx1 dovecot: lmtp(joe@isp.example)<30><lm1>: msgid=<1@x>: saved mail to INBOX
Jan 31 12:00:10 mx1 dovecot: imap(joe)<12><abc>: Logged out in=1 out=2
Jan 31 12:00:11 mx1 dovecot: imap-login: Login: user=<nobody
""".lstrip()

FACTS = [
    {"event": "auth", "client_ip": "198.18.0.7", "auth_mechanism": "PLAIN", "auth_user": "joe@isp.example",
     "auth_ok": True},
    {"event": "auth", "client_ip": "2001:db8:100::7", "listener_port": 110, "auth_mechanism": "CRAM-MD5",
     "auth_user": "ann", "auth_ok": True},
    {"event": "auth", "client_ip": "198.18.0.8", "listener_port": 110, "auth_mechanism": "PLAIN",
     "auth_user": "x>, rip=9.9.9.9, lip=1", "auth_ok": False},
    {"event": "auth", "client_ip": "198.18.0.8", "listener_port": 110, "auth_mechanism": "PLAIN",
     "auth_user": "x>, rip=9.9.9.9, lip=1", "auth_ok": False},
    {"event": "auth", "client_ip": "198.18.0.8", "listener_port": 110, "auth_mechanism": "PLAIN",
     "auth_user": "x>, rip=9.9.9.9, lip=1", "auth_ok": False},
    {"event": "auth", "client_ip": "198.18.0.9", "listener_port": 143, "auth_mechanism": "LOGIN",
     "auth_ok": False},
    {"event": "auth", "client_ip": "198.18.0.11", "listener_port": 587, "auth_mechanism": "LOGIN",
     "auth_user": "bob", "auth_ok": True},
    {"event": "accepted", "queue_id": "tr1", "client_ip": "198.18.0.11", "listener_port": 587, "auth_user": "bob",
     "auth_ok": True, "sender_domain": "isp.example"},
    {"event": "queued", "queue_id": "tr1", "sender_domain": "isp.example", "size_bytes": 321, "recipients": 2},
    {"event": "delivery", "queue_id": "tr1", "status": "sent", "dsn": "2.0.0"},
    {"event": "rejected", "auth_user": "bob", "sender_domain": "isp.example", "recipient_domain": "d.example",
     "dsn": "5.7.1"},
]


def read(path: Path, *lines: str) -> Result:
    return read_bytes(dovecot.FORMAT, path / "maillog", lines, year=2026)


def test_a_log(tmp_path: Path) -> None:
    result = read_bytes(dovecot.FORMAT, tmp_path / "maillog", SAMPLE, timezone="Asia/Tokyo", year=2026)
    assert result.facts("at", "mta_host", "client_key") == FACTS
    assert (result.read, result.kept) == (11, 7)
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(11, "login without an address")]
    assert result.frame["at"][0] == datetime(2026, 1, 31, 3, 0, 1)


def test_the_log_that_dovecot_writes_itself(tmp_path: Path) -> None:
    result = read(
        tmp_path, "Jan 31 12:00:01 imap-login: Info: Login: user=<joe>, method=PLAIN, rip=198.18.0.7, lip=203.0.113.5, lport=993, TLS",
        "Jan 31 12:00:02 master: Warning: Killed with signal 15",
        "2026-01-31 12:00:03 submission-login: Info: Disconnected: Inactivity (auth failed, 2 attempts in 9 secs): user=<eve>, "
        "method=PLAIN, rip=198.18.0.8, lip=203.0.113.5, session=<x>")
    assert result.rows("mta_host", "client_ip", "listener_port", "auth_user", "auth_ok") == [
        ("maillog", "198.18.0.7", 993, "joe", True), *[("maillog", "198.18.0.8", 587, "eve", False)] * 2]


@pytest.mark.parametrize(("line", "facts"), [
    ("pop3-login: Aborted login (tried to use disabled plaintext auth): rip=198.18.0.8, lip=203.0.113.5", ("198.18.0.8", 110, None)),
    ("submission-login: Remote closed connection (auth failed, 1 attempts in 2 secs): user=<eve>, method=PLAIN, rip=198.18.0.8, lip=203.0.113.5",
     ("198.18.0.8", 587, "eve")),
    ("imap-login: Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed): user=<eve>, method=PLAIN, rip=198.18.0.8, lip=203.0.113.5, TLS",
     ("198.18.0.8", None, "eve")),
    ("imap-login: Disconnected (proxy dest auth failed): user=<eve>, method=PLAIN, rip=198.18.0.8, lip=203.0.113.5, session=<N>",
     ("198.18.0.8", 143, "eve")),
])
def test_failed_logins_of_all_versions(tmp_path: Path, line: str, facts: tuple[object, ...]) -> None:
    result = read(tmp_path, f"Jan 31 12:00:00 mx1 dovecot: {line}")
    assert result.rows("event", "auth_ok", "client_ip", "listener_port", "auth_user") == [("auth", False, *facts)]


@pytest.mark.parametrize("line", [
    "imap-login: Disconnected (no auth attempts in 3 secs): user=<>, rip=198.18.0.10, lip=203.0.113.5",
    "auth: passwd-file(joe,198.18.0.7): Login: user=<joe>, rip=192.0.2.66", "imap(joe)<1><x>: Logged out in=1 out=2",
    "lmtp(31): Connect from local",
])
def test_lines_of_no_interest(tmp_path: Path, line: str) -> None:
    result = read(tmp_path, f"Jan 31 12:00:00 mx1 dovecot: {line}")
    assert (result.kept, result.filtered) == (0, 1)
