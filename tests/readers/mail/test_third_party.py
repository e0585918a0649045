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

from op25b.readers.base import Format, Head
from op25b.readers.mail import dovecot, exim, postfix, qmail, sendmail
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
    ("Aborted login (1 authentication attempts): user=<jo>, method=PLAIN, rip=192.0.2.100, lip=203.0.113.1, secured", 1, (None, "PLAIN", "jo")),
    ("Aborted login (3 authentication attempts): user=<jo>, method=PLAIN, rip=::ffff:192.0.2.100, lip=203.0.113.1", 3, (143, "PLAIN", "jo")),
    ("Aborted login (0 authentication attempts): rip=192.0.2.100, lip=203.0.113.1, TLS", 0, ()),
    ("Aborted login: user=<jo>, method=PLAIN, rip=::ffff:192.0.2.100, lip=::ffff:203.0.113.1", 1, (143, "PLAIN", "jo")),
    ("Aborted login: rip=192.0.2.100, lip=203.0.113.1", 0, ()),
    ("Disconnected: rip=192.0.2.100, lip=203.0.113.1", 0, ()),
    ("Info: Disconnected: Disconnected: Too many bad commands (auth failed, 2 attempts in 0 secs): user=<jo>, rip=192.0.2.100, lip=172.17.0.2, session=<02qW>", 2, (143, None, "jo")),
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


@pytest.mark.parametrize("header", ["", "dovecot: "])
def test_the_log_that_dovecot_1_writes_itself(tmp_path: Path, header: str) -> None:
    login = "imap-login: Login: user=<jo>, method=PLAIN, rip=192.0.2.4, lip=203.0.113.1"
    lines = [f"{header}Jun 23 15:04:05 Info: {login}", f"{header}2007-06-24 15:04:05 Info: {login}",
             f"{header}Jun 25 15:04:05 Info: IMAP(jo): Disconnected: Logged out bytes=59/566",
             f"{header}Jun 26 15:04:05 Warn: auth(default): userdb(jo,192.0.2.4): user not found from userdb"]
    assert dovecot.FORMAT.recognise(Head(tmp_path / "dovecot.log", "\n".join(lines).encode()))
    result = read_bytes(dovecot.FORMAT, tmp_path / "dovecot.log", lines, year=2007)
    assert result.rejected == []
    assert result.rows("at", "mta_host", "client_ip", "listener_port", "auth_user", "auth_ok") == [
        (datetime(2007, 6, day, 15, 4, 5), "dovecot", "192.0.2.4", 143, "jo", True) for day in (23, 24)]


@pytest.mark.parametrize("line", [
    "auth-worker(31326): pam(jo,192.0.2.4): unknown user", "auth: passwd-file(jo,192.0.2.4): unknown user",
    "auth: sql(jo@a.example,192.0.2.226,<6rXunFtu493AqJDi>): Password mismatch",
])
def test_what_the_auth_service_says_is_said_again_by_the_one_that_asked(tmp_path: Path, line: str) -> None:
    stamp = "Jul 02 13:49:31 h dovecot: "
    assert facts(dovecot.FORMAT, tmp_path, stamp + line,
                 f"{stamp}imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<jo>, method=PLAIN, rip=192.0.2.4, lip=203.0.113.1") == [
        {"event": "auth", "client_ip": "192.0.2.4", "listener_port": 143, "auth_mechanism": "PLAIN", "auth_user": "jo", "auth_ok": False}]


POSTFIX: list[tuple[str, str, dict[str, Any]]] = [
    # Since 3.11 a delivery tells its TLS policy.
    ("smtp[10]", "4F9D195432C: to=<a@b.example>, relay=mx.b.example[192.0.2.25]:25, delay=1.4, delays=0.1/0/1/0.3, tls=dane, dsn=2.0.0, status=sent (250 2.0.0 OK)",
     {"event": "delivery", "queue_id": "4F9D195432C", "recipient_domain": "b.example", "next_hop_ip": "192.0.2.25", "next_hop_port": 25, "status": "sent", "dsn": "2.0.0"}),
    ("smtp[10]", '4F9D195432C: to=<"a b, dsn=2.0.0, status=sent"@b.example>, relay=none, delay=1.4, delays=0.1/0/1/0.3, tls=may, requiretls=no, dsn=4.4.1, status=deferred (x, dsn=5.0.0, status=bounced)',
     {"event": "delivery", "queue_id": "4F9D195432C", "recipient_domain": "b.example", "status": "deferred", "dsn": "4.4.1"}),
    ("10.0.0.5:submission/smtpd[10]", "4F9D195432C: client=h.example[192.0.2.9], sasl_method=PLAIN, sasl_username=a",
     {"event": "accepted", "queue_id": "4F9D195432C", "client_ip": "192.0.2.9", "listener_port": 587, "auth_mechanism": "PLAIN", "auth_user": "a", "auth_ok": True}),
    # Before 2.1 what was refused had no queue id, and no NOQUEUE either.
    ("smtpd[3]", "reject: RCPT from h.example[192.0.2.1]: 554 <c@d.example>: Relay access denied; from=<a@b.example> to=<c@d.example>",
     {"event": "rejected", "client_ip": "192.0.2.1", "listener_port": 25, "sender_domain": "b.example", "recipient_domain": "d.example"}),
    ("smtpd", "warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
     {"event": "auth", "client_ip": "192.0.2.9", "listener_port": 25, "auth_mechanism": "LOGIN", "auth_ok": False}),
]


@pytest.mark.parametrize(("tag", "line", "expected"), POSTFIX)
def test_postfix(tmp_path: Path, tag: str, line: str, expected: dict[str, Any]) -> None:
    text = f"Jan 31 12:00:01 mx postfix/{tag}: {line}"
    assert facts(postfix.FORMAT, tmp_path, text)[0] == expected
    assert postfix.recognise(Head(tmp_path / "maillog", text.encode()))


SENDMAIL: list[tuple[str, Facts]] = [
    ("s1GNXHYB005133: [192.0.2.178]: possible SMTP attack: command=AUTH, count=3", ({"event": "auth", "client_ip": "192.0.2.178", "auth_ok": False},) * 3),
    ("h.example [IPv6:2001:db8::4] (may be forged): possible SMTP attack: command=AUTH, count=1", ({"event": "auth", "client_ip": "2001:db8::4", "auth_ok": False},)),
    ("s1GNXHYB005133: [192.0.2.178]: possible SMTP attack: command=HELO/EHLO, count=3", ()),
    ("s1R9r60D044307: rejecting commands from h.example [192.0.2.253] due to pre-greeting traffic after 0 seconds",
     ({"event": "rejected", "queue_id": "s1R9r60D044307", "client_ip": "192.0.2.253"},)),
    ("s1R9r60D044307: Milter: connect: host=h.example, addr=192.0.2.3, rejecting commands", ({"event": "rejected", "queue_id": "s1R9r60D044307", "client_ip": "192.0.2.3"},)),
    ("s1R9r60D044307: Milter: connect: host=h.example, addr=IPv6:2001:db8::3, reject=554 5.7.1 no",
     ({"event": "rejected", "queue_id": "s1R9r60D044307", "client_ip": "2001:db8::3", "dsn": "5.7.1"},)),
    ("s1R9r60D044307: Milter: helo=x.example, reject=550 5.7.1 Command rejected", ({"event": "rejected", "queue_id": "s1R9r60D044307", "dsn": "5.7.1"},)),
    ("s1R9r60D044307: to=<a@b.example>,<c@d.example>, 00:00:00, xdelay=00:00:00, mailer=esmtp, pri=121557, relay=mx.b.example. [192.0.2.56], dsn=2.0.0, stat=Sent (Ok)",
     tuple({"event": "delivery", "queue_id": "s1R9r60D044307", "recipient_domain": to, "next_hop_ip": "192.0.2.56", "status": "sent", "dsn": "2.0.0"} for to in ("b.example", "d.example"))),
    ("s1R9r60D044307: to=<a@b.example>, dsn=4.0.0, stat=Deferred: Connection refused by mx.b.example.",
     ({"event": "delivery", "queue_id": "s1R9r60D044307", "recipient_domain": "b.example", "status": "deferred", "dsn": "4.0.0"},)),
]


@pytest.mark.parametrize(("line", "expected"), SENDMAIL)
def test_sendmail(tmp_path: Path, line: str, expected: Facts) -> None:
    assert facts(sendmail.FORMAT, tmp_path, f"Feb 16 23:33:20 mx sm-mta[5133]: {line}") == list(expected)


def test_failed_logins_that_sendmail_tells_singly_count_once(tmp_path: Path) -> None:
    failure = "Feb 16 23:33:20 %s sm-mta[5133]: s1GNXHYB005133: AUTH failure (LOGIN): authentication failure (-13) SASL(-13): x, user=u, relay=[192.0.2.178]"
    attack = "Feb 16 23:33:21 %s sm-mta[5133]: s1GNXHYB005133: [192.0.2.178]: possible SMTP attack: command=AUTH, count=2"
    lines = [failure % "new", failure % "new", attack % "new", attack % "old"]
    result = read_bytes(sendmail.FORMAT, tmp_path / "maillog", lines, year=2026)
    assert [(row["mta_host"], row["auth_ok"]) for row in result.facts()] == [("new", False)] * 2 + [("old", False)] * 2


def test_a_number_of_failed_logins_that_cannot_be(tmp_path: Path) -> None:
    line = "Feb 16 23:33:20 mx sm-mta[5133]: [192.0.2.178]: possible SMTP attack: command=AUTH, count=4294967295"
    result = read_bytes(sendmail.FORMAT, tmp_path / "maillog", [line], year=2026)
    assert (result.kept, [row[2] for row in result.rejected]) == (0, ["impossible number of failed logins"])


EXIM: list[tuple[str, Facts]] = [
    ("1tdXyz-0001Ab-CD rejected from <a@b.example> H=(x) [192.0.2.9]:4321 I=[198.51.100.1]:25 P=esmtp: message too big: read=5000 max=1000",
     ({"event": "rejected", "queue_id": "1tdXyz-0001Ab-CD", "client_ip": "192.0.2.9", "listener_port": 25, "sender_domain": "b.example"},)),
    ('rejected from <"x> H=(y) [192.0.2.1]: "@b.example> H=h.example (x) [192.0.2.9] U=root: message too big: read=5000 max=1000',
     ({"event": "rejected", "client_ip": "192.0.2.9", "sender_domain": "b.example"},)),
    ("rejected from <> H=[192.0.2.9]: Non-CRLF-terminated header line received", ({"event": "rejected", "client_ip": "192.0.2.9", "sender_domain": ""},)),
    ("Connection from [192.0.2.9]:4321 I=[198.51.100.1]:587 refused: too many connections", ({"event": "rejected", "client_ip": "192.0.2.9", "listener_port": 587},)),
    ("Connection from [192.0.2.9] refused: load average = 12.34", ({"event": "rejected", "client_ip": "192.0.2.9"},)),
    ("H=(x) [192.0.2.9] rejected MAIL a@b.example: no", ({"event": "rejected", "client_ip": "192.0.2.9", "sender_domain": "b.example"},)),
    ("1tdXyz-0001Ab-CD <= a@b.example H=h.example (x) [192.0.2.9]:4321 TFO* P=esmtps S=12",
     ({"event": "accepted", "queue_id": "1tdXyz-0001Ab-CD", "client_ip": "192.0.2.9", "sender_domain": "b.example"},
      {"event": "queued", "queue_id": "1tdXyz-0001Ab-CD", "sender_domain": "b.example", "size_bytes": 12})),
    ('1tdXyz-0001Ab-CD => a@b.example R=dnslookup T=remote_smtp S=1234 DS H=mx.b.example [192.0.2.9]:25 TFO** X=TLS1.3:TLS:256 C="250 2.0.0 ok"',
     ({"event": "delivery", "queue_id": "1tdXyz-0001Ab-CD", "recipient_domain": "b.example", "next_hop_ip": "192.0.2.9", "next_hop_port": 25, "status": "sent", "dsn": "2.0.0"},)),
]


@pytest.mark.parametrize(("line", "expected"), EXIM)
def test_exim(tmp_path: Path, line: str, expected: Facts) -> None:
    assert facts(exim.FORMAT, tmp_path, f"2026-01-31 12:00:01 {line}") == list(expected)


HEADERS = [
    ("Jan 31 12:00:01 mx mail.info {tag}[10]: ", "2026-01-31 03:00:01.000000", "mx"),
    ("Jan 31 12:00:01 <mail.info> mx {tag}[10]: ", "2026-01-31 03:00:01.000000", "mx"),
    ("Jan 31 12:00:01 mail.info {tag}[10]: ", "2026-01-31 03:00:01.000000", "-"),
    ("Jan 31 12:00:01 mx mail:info {tag}[10]: ", "2026-01-31 03:00:01.000000", "mx"),
    ("Jan 31 12:00:01 mx auth|security:info {tag}[10]: ", "2026-01-31 03:00:01.000000", "mx"),
    ("Jan 31 12:00:01 mail:warning {tag}[10]: ", "2026-01-31 03:00:01.000000", "-"),
    ("Sat Jan 31 12:00:01 2026 mail.info {tag}[10]: ", "2026-01-31 03:00:01.000000", "-"),
    ("Jan 31 12:00:01 mx {tag}[10]:  ", "2026-01-31 03:00:01.000000", "mx"),
    ("Jan 31 12:00:01.123456 mx {tag}[10]: ", "2026-01-31 03:00:01.123456", "mx"),
    ("Jan 1 12:00:01 mx {tag}[10]: ", "2026-01-01 03:00:01.000000", "mx"),
    ("Jan  1 2025 12:00:01 mx {tag}[10]: ", "2025-01-01 03:00:01.000000", "mx"),
    ("Jan 1 2025 12:00:01 mx {tag}[10]: ", "2025-01-01 03:00:01.000000", "mx"),
    ("mailserver-1  | Jan 31 12:00:01 mx {tag}[10]: ", "2026-01-31 03:00:01.000000", "mx"),
    ("mailserver  | 2026-01-31T12:00:01.123-05:00 mx {tag}[10]: ", "2026-01-31 17:00:01.123000", "mx"),
    ("1月 31 12:00:01 mx {tag}[10]: ", "2026-01-31 03:00:01.000000", "mx"),
    (" 1月 31 12:00:01 mx {tag}[10]: ", "2026-01-31 03:00:01.000000", "mx"),
    ("12月 01 12:00:01 mx {tag}[10]: ", "2026-12-01 03:00:01.000000", "mx"),
    ("Sat 2026-01-31 12:00:01 UTC mx {tag}[10]: ", "2026-01-31 12:00:01.000000", "mx"),
    ("Sat 2026-01-31 12:00:01.123456 JST mx {tag}[10]: ", "2026-01-31 03:00:01.123456", "mx"),
    ("1 2026-01-31T12:00:01.123Z mx {tag} 10 - - ", "2026-01-31 12:00:01.123000", "mx"),
]
JOURNAL = '{"_HOSTNAME":"mx","PRIORITY":"6","SYSLOG_IDENTIFIER":"{tag}","_PID":"10","MESSAGE":"{message}","__REALTIME_TIMESTAMP":"1769860801123456"}'


@pytest.mark.parametrize(("header", "at", "host"), HEADERS)
@pytest.mark.parametrize("with_usual", [False, True])
def test_headers_of_syslog_lines(tmp_path: Path, header: str, at: str, host: str, *, with_usual: bool) -> None:
    logs = {
        postfix: ("postfix/smtpd", "warning: h.example[192.0.2.9]: SASL LOGIN authentication failed: x"),
        sendmail: ("sm-mta", "AUTH failure (LOGIN): x (-13), user=u, relay=h.example [192.0.2.9]"),
        dovecot: ("dovecot", "submission-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<u>, method=LOGIN, rip=192.0.2.9"),
    }
    for reader, (tag, message) in logs.items():
        lines = [header.format(tag=tag) + message]
        assert reader.FORMAT.recognise(Head(tmp_path / "maillog", lines[0].encode()))
        if with_usual:
            lines.append(f"2026-01-31T12:00:02Z mx {tag}[11]: {message}")
        result = read_bytes(reader.FORMAT, tmp_path / "maillog", lines, year=2026, timezone="Asia/Tokyo")
        assert result.rejected == []
        rows = result.rows("client_ip", "auth_mechanism", "auth_ok")
        assert rows == [("192.0.2.9", "LOGIN", False)] * len(lines)
        # Dovecot's own logs name no host, so there the file's name stands for it.
        named = "maillog" if (reader, host) == (dovecot, "-") else host
        assert (f"{result.frame['at'][0]:%F %T.%f}", result.frame["mta_host"][0]) == (at, named)


def test_lines_without_a_stamp_are_rejected_once(tmp_path: Path) -> None:
    lines = ["a | b | c | no stamp", "Jan 31 mx postfix/smtpd[10]: connect", "13月 31 12:00:01 mx postfix/smtpd[10]: connect", "a | " * 3000 + "x"]
    result = read_bytes(postfix.FORMAT, tmp_path / "maillog", lines, year=2026)
    assert sorted(row[0] for row in result.rejected) == [1, 2, 3, 4]


@pytest.mark.parametrize(("reader", "tag", "message"), [
    (postfix, "postfix/smtpd", "warning: h.example[192.0.2.9]: SASL LOGIN authentication failed: x"),
    (sendmail, "sm-mta", "AUTH failure (LOGIN): x (-13),\\n user=u, relay=h.example [192.0.2.9]"),
    (dovecot, "dovecot", "imap-login: Disconnected (auth failed, 1 attempts): user=<u>, method=LOGIN, rip=192.0.2.9, session=<a>"),
])
def test_the_journal_in_json(tmp_path: Path, reader: Any, tag: str, message: str) -> None:
    entry = JOURNAL.replace("{tag}", tag).replace("{message}", message)
    assert reader.FORMAT.recognise(Head(tmp_path / "journal.json", f"{entry}\n{entry[:80]}".encode()))
    bytes_of_message = '"MESSAGE":[119,97,114,110]'
    odd = entry.replace(f'"MESSAGE":"{message}"', bytes_of_message)
    assert bytes_of_message in odd
    result = read_bytes(reader.FORMAT, tmp_path / "journal.json", [entry, odd], timezone="Asia/Tokyo")
    assert [(f"{row['at']:%F %T.%f}", row["mta_host"], row["client_ip"], row["auth_ok"]) for row in result.facts()] == [
        ("2026-01-31 12:00:01.123456", "mx", "192.0.2.9", False)]
    assert result.rejected == []
