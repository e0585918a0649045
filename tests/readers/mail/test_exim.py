# ruff: noqa: E501 (log lines are literal; times in the lake are naive UTC)
"""Exim main logs: lines of the real program (4.96, names changed), of its test suite's forms, and hostile ones."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from op25b.readers.mail import exim, exim_events
from op25b.readers.mail.common import host_of
from tests.readers.reading import Result, read_bytes

SAMPLE = r"""
2026-01-31 12:00:00 exim 4.96 daemon started: pid=300, -q30m, listening for SMTP on port 25 (IPv6 and IPv4)
2026-01-31 12:00:01 1xVjuS-0000nm-2e <= bob@isp.example H=(client.example) [198.18.0.9]:37689 I=[203.0.113.5]:587 P=esmtpsa X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=no SNI="a S=1 A=x:y" A=auth_plain:bob@isp.example K S=252 id=m1@x.example T="he said \"A=auth_plain:evil\" => for q@r" for x@Carrier.example y@v6.example
2026-01-31 12:00:02 1xVjuS-0000nm-2e => x@Carrier.example R=remote T=smtp H=mx.carrier.example [192.0.2.25] C="250 2.0.0 Ok: queued as \"ABC\" H=evil [192.0.2.66] status=sent"
2026-01-31 12:00:03 1xVjuS-0000nm-2e == y@v6.example R=remote T=smtp defer (-44) H=mx.v6.example [2001:db8::25]:2525: SMTP error from remote mail server after RCPT TO:<y@v6.example>: 451 4.7.1 Try again later
2026-01-31 12:00:04 1xVjuS-0000nm-2e ** y@v6.example: retry timeout exceeded
2026-01-31 12:00:04 1xVjuX-0000up-2Z <= <> R=1xVjuS-0000nm-2e U=Debian-exim P=local S=1721
2026-01-31 12:00:05 1xVjuX-0000up-2Z => bob <bob@isp.example> R=local T=file
2026-01-31 12:00:05 1xVjuX-0000up-2Z Completed
2026-01-31 12:00:06 1xVjuS-0000nm-2e Completed QT=5s
2026-01-31 12:00:07 login_server authenticator failed for (client.example) [198.18.0.10]:37 I=[203.0.113.5]:587: 535 Incorrect authentication data (set_id=mallory [192.0.2.200]: 535 ok)
2026-01-31 12:00:08 H=([IPv6:2001:db8::1]) [2001:db8:100::7] F=<v6@out.example> rejected RCPT <x@remote.example>: 5.7.1 relay not permitted
2026-01-31 12:00:09 1xVjuT-0000p2-2l H=(client.example) [198.18.0.11] F=<"a rejected RCPT <b@c>"@out.example> rejected after DATA: spam H=[192.0.2.67]
""".lstrip()

FACTS = [
    {"event": "auth", "client_ip": "198.18.0.9", "listener_port": 587, "auth_mechanism": "PLAIN",
     "auth_user": "bob@isp.example", "auth_ok": True},
    {"event": "accepted", "queue_id": "1xVjuS-0000nm-2e", "client_ip": "198.18.0.9", "listener_port": 587,
     "auth_mechanism": "PLAIN", "auth_user": "bob@isp.example", "auth_ok": True, "sender_domain": "isp.example"},
    {"event": "queued", "queue_id": "1xVjuS-0000nm-2e", "sender_domain": "isp.example", "size_bytes": 252, "recipients": 2},
    {"event": "delivery", "queue_id": "1xVjuS-0000nm-2e", "recipient_domain": "carrier.example", "status": "sent",
     "next_hop_ip": "192.0.2.25", "dsn": "2.0.0"},
    {"event": "delivery", "queue_id": "1xVjuS-0000nm-2e", "recipient_domain": "v6.example", "status": "deferred",
     "next_hop_ip": "2001:db8::25", "next_hop_port": 2525, "dsn": "4.7.1"},
    {"event": "delivery", "queue_id": "1xVjuS-0000nm-2e", "recipient_domain": "v6.example", "status": "expired"},
    {"event": "accepted", "queue_id": "1xVjuX-0000up-2Z", "sender_domain": ""},
    {"event": "queued", "queue_id": "1xVjuX-0000up-2Z", "sender_domain": "", "size_bytes": 1721},
    {"event": "delivery", "queue_id": "1xVjuX-0000up-2Z", "recipient_domain": "isp.example", "status": "sent"},
    {"event": "removed", "queue_id": "1xVjuX-0000up-2Z"},
    {"event": "removed", "queue_id": "1xVjuS-0000nm-2e"},
    {"event": "auth", "client_ip": "198.18.0.10", "listener_port": 587, "auth_mechanism": "LOGIN",
     "auth_user": "mallory [192.0.2.200]: 535 ok", "auth_ok": False},
    {"event": "rejected", "client_ip": "2001:db8:100::7", "sender_domain": "out.example",
     "recipient_domain": "remote.example", "dsn": "5.7.1"},
    {"event": "rejected", "queue_id": "1xVjuT-0000p2-2l", "client_ip": "198.18.0.11", "sender_domain": "out.example"},
]


def read(path: Path, *lines: str, **settings: object) -> Result:
    return read_bytes(exim.FORMAT, path / "mx1-mainlog.2", lines, **settings)


def one(path: Path, line: str) -> dict[str, object]:
    """The facts of the last event of one line that the log has at noon."""
    result = read(path, f"2026-01-31 12:00:00 {line}")
    assert result.read == 1
    assert result.rejected == []
    return result.facts("at", "mta_host", "client_key")[-1]


def test_a_log_of_the_program(tmp_path: Path) -> None:
    result = read_bytes(exim.FORMAT, tmp_path / "mainlog", SAMPLE, timezone="Asia/Tokyo")
    assert result.facts("at", "mta_host", "client_key") == FACTS
    assert (result.read, result.kept, result.rejected) == (12, 11, [])
    assert result.rows("at", "mta_host")[0] == (datetime(2026, 1, 31, 3, 0, 1), "mainlog")


@pytest.mark.parametrize(("stamp", "second", "microsecond"), [
    ("2026-01-31 12:00:01", 1, 0), ("2026-01-31 12:00:01.250", 1, 250_000), ("2026-01-31 21:00:01 +0900", 1, 0),
    ("2026-01-31 12:00:01 [77]", 1, 0), ("2026-01-31 21:00:01.250 +0900 [77]", 1, 250_000),
])
@pytest.mark.parametrize("queue_id", ["1xVjuS-0000nm-2e", "1xVjuS-00000001abc-2e4F"])
def test_stamps_and_message_ids_of_all_versions(tmp_path: Path, stamp: str, second: int, microsecond: int,
                                                queue_id: str) -> None:
    result = read(tmp_path, f"{stamp} {queue_id} Completed")
    assert result.rows("at", "event", "queue_id") == [
        (datetime(2026, 1, 31, 12, 0, second, microsecond), "removed", queue_id)]


def test_lines_through_syslog_have_its_host_and_count_once(tmp_path: Path) -> None:
    refusal = "2026-01-31 12:00:02 H=(c) [198.18.0.9] F=<a@b.example> rejected RCPT <x@other.example>: relay not permitted"
    result = read_bytes(exim.FORMAT, tmp_path / "mail.log", [
        "Jan 31 12:00:01 mx1 exim[7]: 2026-01-31 12:00:01 1xVjuS-0000nm-2e <= a@b.example H=(c) [198.18.0.9] P=smtp S=9",
        f"Jan 31 12:00:02 mx1 exim[8]: {refusal}",
        f"Jan 31 12:00:02 mx1 exim[8]: {refusal}",
        "Jan 31 12:00:03 mx1 exim4[7]: [1/2] 1xVjuS-0000nm-2e == x@y.example R=r T=t defer (-44) H=mx [192.0.2.1]: SMTP error",
        "Jan 31 12:00:03 mx1 exim4[7]: [2/2]  from remote mail server => x@z.example H=a [192.0.2.3]",
        "Jan 31 12:00:04 mx1 exim[9]: [1\\3] 2026-01-31 12:00:04 1xVjuT-0000nm-2e H=(c) [198.18.0.9] rejected after DATA: x",
        "Jan 31 12:00:05 mx1 dovecot: imap-login: Login: user=<joe>, method=PLAIN, rip=198.18.0.7, lip=203.0.113.5",
    ], year=2026)
    assert result.rows("event", "mta_host", "client_ip", "next_hop_ip") == [
        ("accepted", "mx1", "198.18.0.9", None), ("queued", "mx1", None, None), ("rejected", "mx1", "198.18.0.9", None),
        ("delivery", "mx1", None, "192.0.2.1"), ("auth", "mx1", "198.18.0.7", None)]


def test_a_log_under_attack_has_no_messages(tmp_path: Path) -> None:
    result = read(tmp_path, *[
        f"2026-01-31 12:00:{n:02} dovecot_plain authenticator failed for (x) [198.18.0.{n}]: 535 Incorrect authentication data"
        for n in range(30)])
    assert result.rows("event", "auth_ok", "auth_mechanism", "queue_id") == [("auth", False, "PLAIN", None)] * 30


@pytest.mark.parametrize(("name", "mechanism"), [
    ("auth_plain", "PLAIN"), ("login_server", "LOGIN"), ("cram_md5", "CRAM-MD5"), ("fixed_cram", "CRAM-MD5"),
    ("plain_login", "PLAIN-LOGIN"), ("weird", "WEIRD"), ("ntlm_spa", "NTLM"),
])
def test_the_mechanism_is_what_the_authenticator_is_called(name: str, mechanism: str) -> None:
    assert exim_events.mechanism_of(name) == mechanism


@pytest.mark.parametrize(("line", "domain", "hop", "status"), [
    ("=> joe (b@c.example) <multi@local.example> R=local T=file", "local.example", None, "sent"),
    ("=> a@remote.example <multi@local.example> F=<\"c s\"@isp.example> R=r T=smtp H=mx [192.0.2.2]* C=\"250 OK\"",
     "remote.example", "192.0.2.2", "sent"),
    ("=> :blackhole: <black@local.example> R=fail", "local.example", None, "sent"),
    ("=> |/usr/bin/vacation <joe@local.example> R=userforward T=pipe", "local.example", None, "sent"),
    (">> joe@local.example R=all T=smtp H=back [192.0.2.3] C=\"250 OK\"", "local.example", "192.0.2.3", "sent"),
    ("-> \"x R=y H=e [192.0.2.66]\"@quoted.example R=all T=smtp H=mx [192.0.2.4] C=\"250 OK\"", "quoted.example", "192.0.2.4",
     "sent"),
    ("** carol smith@isp.example <\"carol smith\"@isp.example>: Unrouteable address", "isp.example", None, "bounced"),
    ("** a@b.example R=r T=t: SMTP error from remote mailer after pipelined RCPT TO:<a@b.example>: host mx.b.example [192.0.2.5]: 553 5.3.0 no H=e [192.0.2.66]", "b.example", "192.0.2.5", "bounced"),
    ("== q@refused.example R=ref T=smtp defer (111): Connection refused", "refused.example", None, "deferred"),
    ("== u@[IPv6:2001:db8::1] R=r T=t defer (-53): retry time not reached", "[ipv6:2001:db8::1]", None, "deferred"),
])
def test_deliveries(tmp_path: Path, line: str, domain: str, hop: str | None, status: str) -> None:
    facts = one(tmp_path, f"1xVjuS-0000nm-2e {line}")
    assert (facts["recipient_domain"], facts.get("next_hop_ip"), facts["status"]) == (domain, hop, status)


@pytest.mark.parametrize(("line", "facts"), [
    ("rejected EHLO from [198.18.0.9]:42 I=[203.0.113.5]:25: syntactically invalid argument(s): evil [192.0.2.66] (x",
     {"event": "rejected", "client_ip": "198.18.0.9", "listener_port": 25}),
    ("unqualified recipient rejected: <x> H=(c) [198.18.0.9]:4 I=[203.0.113.5]:25",
     {"event": "rejected", "client_ip": "198.18.0.9", "listener_port": 25}),
    ("H=(c) [198.18.0.9] temporarily rejected MAIL <defer@bad.example>",
     {"event": "rejected", "client_ip": "198.18.0.9", "sender_domain": "bad.example"}),
    ("1xVjuS-0000nm-2e F=<userx@test1.example> rejected by non-SMTP ACL: don't like sender userx@test1",
     {"event": "rejected", "queue_id": "1xVjuS-0000nm-2e", "sender_domain": "test1.example"}),
    ('H=[198.18.0.99] rejected connection in "connect" ACL: go away', {"event": "rejected", "client_ip": "198.18.0.99"}),
    ("1xVmeW-0000ea-SE F=a@out.example H=(c) [198.18.0.9]:39 I=[203.0.113.5]:25 P=esmtp temporarily rejected by local_scan(): no",
     {"event": "rejected", "queue_id": "1xVmeW-0000ea-SE", "client_ip": "198.18.0.9", "listener_port": 25, "sender_domain": "out.example"}),
    ("H=(c) [198.18.0.9] F=a@out.example rejected RCPT b@other.example: relay not permitted",
     {"event": "rejected", "client_ip": "198.18.0.9", "sender_domain": "out.example", "recipient_domain": "other.example"}),
    ('SMTP protocol error in "aUtH lOgIn" H=(x) [192.0.2.66]" H=(c) [198.18.0.9] AUTH command used when not advertised',
     {"event": "auth", "client_ip": "198.18.0.9", "auth_mechanism": "LOGIN", "auth_ok": False}),
    ("H=(c) [198.18.0.9] rejected AUTH PLAIN: no",
     {"event": "auth", "client_ip": "198.18.0.9", "auth_mechanism": "PLAIN", "auth_ok": False}),
])
def test_refusals(tmp_path: Path, line: str, facts: dict[str, object]) -> None:
    assert one(tmp_path, line) == facts


@pytest.mark.parametrize("line", [
    "H=(c) [198.18.0.9] rejected VRFY joe: no", "Start queue run: pid=3", "1xVjuS-0000nm-2e Frozen (delivery error message)",
    "1xVjuS-0000nm-2e *> accept <accept@y> R=accept T=appendfile", "1xVjuS-0000nm-2e H=mx [192.0.2.1] Connection refused",
    "SMTP connection from [198.18.0.9]:5 (TCP/IP connection count = 1)", "cwd=/tmp 3 args: exim <= => Completed",
])
def test_lines_of_no_interest(tmp_path: Path, line: str) -> None:
    result = read(tmp_path, f"2026-01-31 12:00:00 {line}", " a continuation => of it")
    assert (result.kept, result.filtered, result.rejected) == (0, 2, [])


def test_malformed_lines_say_why(tmp_path: Path) -> None:
    result = read(tmp_path, "2026-01-31 12:00:00 1xVjuS-0000nm-2e <= a@b.example H=cut", "not a log line",
                  "2026-02-31 12:00:00 1xVjuS-0000nm-2e Completed", "2026-01-31 12:00:00 1xVjuS-0000nm-2e => ")
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [
        (1, "message without sender or protocol"), (2, "no time stamp"), (3, "impossible time stamp"),
        (4, "delivery without a recipient")]


@pytest.mark.parametrize("name", ["mx1-mainlog", "mx1-mainlog.2.gz", "mx1-mainlog-20260131", "mx1-mainlog.01.xz"])
def test_rotated_files_are_of_one_server(name: str) -> None:
    assert host_of(Path("logs") / name) == "mx1-mainlog"


def test_the_name_of_a_server_is_utf8_whatever_the_file_is_called() -> None:
    assert host_of(Path("logs") / os.fsdecode(b"mx\xff.1.gz")) == r"mx\xff"
