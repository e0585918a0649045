# ruff: noqa: E501 (log lines are literal)
"""Line shapes from other projects' test corpora and sources, with what those projects or the programs say of them.

Seen in: fail2ban's log samples, ControlCenter's parser tests, chkuser's logging format, IndiMail's and qmailanalog's
logs, Dovecot's client-common.c, Sendmail's srvrsmtp.c, Exim's receive.c and daemon.c. Identities are replaced.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from op25b.readers.base import Format
from op25b.readers.mail import dovecot, qmail
from tests.readers.reading import read_bytes

Facts = tuple[dict[str, Any], ...]


def facts(form: Format, path: Path, *lines: str) -> list[dict[str, Any]]:
    result = read_bytes(form, path / "maillog", lines, year=2026)
    assert result.rejected == []
    return result.facts("at", "mta_host", "client_key")


VPOPMAIL = [
    ("vchkpw-smtp: password fail (pass: 'jim') jim@a.example:192.0.2.102", ("192.0.2.102", 25, None, "jim@a.example", False)),
    ("vchkpw-smtp: vpopmail user not found jim@:192.0.2.102", ("192.0.2.102", 25, None, "jim@", False)),
    ("vchkpw-submission: (LOGIN) login success jim@a.example:2001:db8::1", ("2001:db8::1", 587, "LOGIN", "jim@a.example", True)),
    ("vchkpw-pop3: login success jim@a.example:2001:db8:0:0:0:0:0:1", ("2001:db8::1", 110, None, "jim@a.example", True)),
]


@pytest.mark.parametrize(("line", "login"), VPOPMAIL)
def test_vpopmail(tmp_path: Path, line: str, login: tuple[object, ...]) -> None:
    result = read_bytes(qmail.FORMAT, tmp_path / "maillog", [f"Dec 16 09:20:25 pop vpopmail[8164]: {line}"], year=2026)
    assert result.rows("client_ip", "listener_port", "auth_mechanism", "auth_user", "auth_ok") == [login]


QMAIL: list[tuple[str, Facts]] = [
    ("rblsmtpd: 192.0.2.77 pid 19597 sbl.example.org: 451 http://www.example.org/query?ip=192.0.2.77",
     ({"event": "rejected", "client_ip": "192.0.2.77", "listener_port": 25},)),
    ("badiprbl: ip 192.0.2.3 rbl: Blocked", ({"event": "rejected", "client_ip": "192.0.2.3", "listener_port": 25},)),
    ("CHKUSER rejected rcpt: from <t@a.example::> remote <helo:unknown:192.0.2.7> rcpt <p@b.example> : not existing recipient",
     ({"event": "rejected", "client_ip": "192.0.2.7", "sender_domain": "a.example", "recipient_domain": "b.example"},)),
    ("CHKUSER rejected sender: from <t@a.example:u@c.example:> remote <helo:h.example:2001:db8::7> rcpt <> : invalid sender MX domain",
     ({"event": "rejected", "client_ip": "2001:db8::7", "sender_domain": "a.example"},)),
    ("CHKUSER mbx overquota: from <::> remote <helo:unknown:192.0.2.7> rcpt <p@b.example> : rcpt mailbox is overquota",
     ({"event": "rejected", "client_ip": "192.0.2.7", "sender_domain": "", "recipient_domain": "b.example"},)),
    ("CHKUSER accepted rcpt: from <t@a.example::> remote <helo:unknown:192.0.2.7> rcpt <p@b.example> : found existing recipient", ()),
]


@pytest.mark.parametrize(("line", "expected"), QMAIL)
@pytest.mark.parametrize("stamp", ["@400000006a0b1c2d2c3ca000 ", "Jun 19 09:12:14 d qmail: 1276913534.111443 "])
def test_refusals_of_qmail(tmp_path: Path, stamp: str, line: str, expected: Facts) -> None:
    assert facts(qmail.FORMAT, tmp_path, stamp + "new msg 1", stamp + line)[1:] == list(expected)


def test_qmail_with_several_queues_counts_deliveries_in_each(tmp_path: Path) -> None:
    assert facts(
        qmail.FORMAT, tmp_path,
        "2020-06-25 08:00:09.681525500 new msg 100926020 queue5",
        "2020-06-25 08:00:09.681533500 info msg 100926020: bytes 814 from <root@a.example> qp 555 uid 0 queue5",
        "2020-06-25 08:00:09.682401500 starting delivery 1: msg 100926020 to local b.example-p@b.example queue5",
        "2020-06-25 08:00:09.690000000 starting delivery 1: msg 77 to remote q@c.example queue4",
        "2020-06-25 08:00:09.713833500 delivery 1: success: did_0+0+1/ queue5",
        "2020-06-25 08:00:09.718523500 end msg 100926020 queue5",
    ) == [
        {"event": "accepted", "queue_id": "100926020"},
        {"event": "queued", "queue_id": "100926020", "sender_domain": "a.example", "size_bytes": 814},
        {"event": "delivery", "queue_id": "100926020", "recipient_domain": "b.example", "status": "sent"},
        {"event": "removed", "queue_id": "100926020"},
    ]


def test_qmail_stamped_by_accustamp(tmp_path: Path) -> None:
    result = read_bytes(qmail.FORMAT, tmp_path / "maillog", [
        "1032237315.334422 starting delivery 1: msg 16799625 to local t@b.example",
        "1032237323.327073 delivery 1: success: did_1+0+0/ "], timezone="Asia/Tokyo")
    assert result.rows("at", "event", "recipient_domain", "status") == [
        (datetime(2002, 9, 17, 4, 35, 23, 327073), "delivery", "b.example", "sent")]
    assert result.rejected == []


DOVECOT: list[tuple[str, int, tuple[object, ...]]] = [
    ("Disconnected (auth failed, 1 attempts): method=PLAIN, rip=192.0.2.100, lip=203.0.113.1, TLS: Disconnected", 1, (None, "PLAIN", None)),
    ("Login aborted: Connection closed (auth failed, 2 attempts in 14 secs) (auth_failed): user=<jo>, method=PLAIN, rip=192.0.2.100, lip=203.0.113.1, TLS, session=<x>",
     2, (None, "PLAIN", "jo")),
    ("Login aborted: Logged out (auth failed, 1 attempts in 3 secs) (auth_failed): user=<jo>, method=PLAIN, rip=192.0.2.100, lip=203.0.113.1", 1, (143, "PLAIN", "jo")),
    ("Disconnected: Connection closed (auth service reported temporary failure): user=<jo>, method=PLAIN, rip=192.0.2.100, lip=192.0.2.100, secured, session=<x>",
     1, (None, "PLAIN", "jo")),
    ("Disconnected (authorization failed, 1 attempts in 2 secs): user=<jo>, method=PLAIN, rip=192.0.2.100, lip=203.0.113.1, TLS", 1, (None, "PLAIN", "jo")),
    ("Aborted login (aborted authentication): user=<>, method=LOGIN, rip=192.0.2.100, lip=203.0.113.1, TLS", 1, (None, "LOGIN", None)),
    ("Disconnected: Logged out (user disabled): user=<jo>, method=PLAIN, rip=192.0.2.100, lip=203.0.113.1, TLS", 1, (None, "PLAIN", "jo")),
    ("Login aborted: Connection closed (password expired) (password_expired): user=<jo>, method=PLAIN, rip=192.0.2.100, lip=203.0.113.1, TLS", 1, (None, "PLAIN", "jo")),
    ("Aborted login (tried to use disallowed cleartext auth): user=<>, rip=192.0.2.100, lip=203.0.113.1, session=<x>", 1, (143, None, None)),
    ("Disconnected: Inactivity (no auth attempts in 58 secs): user=<>, rip=192.0.2.100, lip=203.0.113.1", 0, ()),
    ("Disconnected (client didn't finish SASL auth, waited 9 secs): user=<>, method=PLAIN, rip=192.0.2.100, lip=203.0.113.1", 0, ()),
    ("Disconnected (disconnected before auth was ready, waited 0 secs): user=<>, rip=192.0.2.100, lip=203.0.113.1", 0, ()),
    ("Login aborted: Connection closed: SSL_read failed: sslv3 alert bad certificate (no auth attempts in 0 secs) (no_auth_attempts): user=<>, rip=192.0.2.100, lip=203.0.113.1, TLS", 0, ()),
]


@pytest.mark.parametrize(("line", "times", "login"), DOVECOT)
def test_failed_logins_of_dovecot(tmp_path: Path, line: str, times: int, login: tuple[object, ...]) -> None:
    result = read_bytes(dovecot.FORMAT, tmp_path / "maillog", [f"Jul 02 13:49:31 h dovecot[442]: imap-login: {line}"], year=2026)
    assert result.rows("client_ip", "listener_port", "auth_mechanism", "auth_user", "auth_ok") == [
        ("192.0.2.100", *login, False)] * times
    assert result.rejected == []


@pytest.mark.parametrize(("shown", "port"), [
    ("", 143), (", TLS", None), (", secured", None), (", TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)", None)])
def test_the_port_of_a_login_is_told_where_it_can_be_only_one(tmp_path: Path, shown: str, port: int | None) -> None:
    line = f"imap-login: Login: user=<jo>, method=PLAIN, rip=192.0.2.100, lip=203.0.113.1, mpid=4{shown}, session=<x>"
    result = read_bytes(dovecot.FORMAT, tmp_path / "maillog", [f"Jul 02 13:49:31 h dovecot: {line}"], year=2026)
    assert result.rows("client_ip", "auth_ok", "listener_port") == [("192.0.2.100", True, port)]


@pytest.mark.parametrize("line", [
    "auth-worker(31326): pam(jo,192.0.2.4): unknown user", "auth: passwd-file(jo,192.0.2.4): unknown user",
    "auth: sql(jo@a.example,192.0.2.226,<6rXunFtu493AqJDi>): Password mismatch",
])
def test_what_the_auth_service_says_is_said_again_by_the_one_that_asked(tmp_path: Path, line: str) -> None:
    stamp = "Jul 02 13:49:31 h dovecot: "
    assert facts(dovecot.FORMAT, tmp_path, stamp + line,
                 f"{stamp}imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<jo>, method=PLAIN, rip=192.0.2.4, lip=203.0.113.1") == [
        {"event": "auth", "client_ip": "192.0.2.4", "listener_port": 143, "auth_mechanism": "PLAIN", "auth_user": "jo", "auth_ok": False}]
