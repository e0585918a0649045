# ruff: noqa: E501 (log lines are literal; times in the lake are naive UTC)
"""Sendmail logs: lines in the forms of 8.8 to 8.17, and hostile ones."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from op25b.readers.mail import sendmail
from tests.readers.reading import Result, read_bytes

SAMPLE = r"""
Jan 31 12:00:01 mx1 sm-mta[2001]: STARTTLS=server, relay=pc.isp.example [198.18.0.7], version=TLSv1.3, verify=NOT, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
Jan 31 12:00:01 mx1 sm-mta[2001]: AUTH=server, relay=pc.isp.example [198.18.0.7], authid=bob@isp.example, mech=PLAIN, bits=0
Jan 31 12:00:02 mx1 sm-mta[2001]: 60V3002a002001: from=<bob@isp.example>, size=1234, class=0, nrcpts=3, msgid=<x, daemon=MTA-v4, relay=evil [192.0.2.66]>, proto=ESMTPSA, daemon=MSA, relay=pc.isp.example [198.18.0.7] (may be forged)
Jan 31 12:00:04 mx1 sm-mta[2003]: 60V3002a002001: to=<a@carrier.example>,<b@carrier.example>, ctladdr=<bob@isp.example> (1001/1001), delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=151234, relay=mx.carrier.example. [192.0.2.25], dsn=2.0.0, stat=Sent (Ok: queued as ABC, stat=User unknown)
Jan 31 12:00:05 mx1 sm-mta[2003]: 60V3002a002001: to=<c@v6.example>, delay=00:00:03, xdelay=00:00:01, mailer=esmtp, pri=151234, relay=mx.v6.example. [IPv6:2001:db8::25], dsn=4.0.0, stat=Deferred: Connection timed out with mx.v6.example.
Jan 31 12:00:06 mx1 sm-mta[2004]: 60V3006b002004: ruleset=check_rcpt, arg1=<spam@other.example>, relay=[IPv6:2001:db8:100::7], reject=550 5.7.1 <spam@other.example>... Relaying denied
Jan 31 12:00:06 mx1 sm-mta[2004]: 60V3006b002004: from=<x@out.example>, size=0, class=0, nrcpts=0, proto=ESMTP, daemon=MTA-v4, relay=[IPv6:2001:db8:100::7]
Jan 31 12:00:07 mx1 sm-mta[2005]: 60V3007c002005: AUTH failure (LOGIN): authentication failure (-13) SASL(-13): authentication failure: checkpass failed, user=eve, relay=[198.18.0.8], relay=bot.example [198.18.0.9]
Jan 31 12:00:08 mx1 sendmail[2006]: 60V3008d002006: from=root, size=99, class=0, nrcpts=1, msgid=<1@mx1.example>, relay=root@localhost
Jan 31 12:00:08 mx1 sendmail[2006]: 60V3008d002006: to=joe, delay=00:00:00, xdelay=00:00:00, mailer=relay, pri=30099, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent (60V3008e002007 Message accepted for delivery)
Jan 31 12:00:09 mx1 sm-mta[2008]: 60V3002a002001: 60V3009f002008: sender notify: Cannot send message for 5 days
Jan 31 12:00:10 mx1 sm-mta[2008]: 60V3009f002008: to=<bob@isp.example>, delay=00:00:01, mailer=local, pri=0, dsn=5.1.1, stat=User unknown
Jan 31 12:00:11 mx1 sm-mta[2008]: 60V3002a002001: done; delay=00:00:10, ntries=4
Jan 31 12:00:12 mx1 sm-mta[2009]: 60V3012g002009: Milter: to=<z@out.example>, reject=451 4.7.1 Greylisted
Jan 31 12:00:13 mx1 sm-mta[2009]: 60V3012g002009: to=<q@out.example>, delay=00:00:00, mailer=esmtp, pri=1, stat=queued
Jan 31 12:00:14 mx1 sm-mta[2010]: 60V3014h002010: from=<broken
""".lstrip()

FACTS = [
    {"event": "auth", "client_ip": "198.18.0.7", "auth_mechanism": "PLAIN", "auth_user": "bob@isp.example",
     "auth_ok": True},
    {"event": "accepted", "queue_id": "60V3002a002001", "client_ip": "198.18.0.7", "listener_port": 587,
     "auth_mechanism": "PLAIN", "auth_user": "bob@isp.example", "auth_ok": True, "sender_domain": "isp.example"},
    {"event": "queued", "queue_id": "60V3002a002001", "sender_domain": "isp.example", "size_bytes": 1234,
     "recipients": 3},
    {"event": "delivery", "queue_id": "60V3002a002001", "recipient_domain": "carrier.example",
     "next_hop_ip": "192.0.2.25", "status": "sent", "dsn": "2.0.0"},
    {"event": "delivery", "queue_id": "60V3002a002001", "recipient_domain": "carrier.example",
     "next_hop_ip": "192.0.2.25", "status": "sent", "dsn": "2.0.0"},
    {"event": "delivery", "queue_id": "60V3002a002001", "recipient_domain": "v6.example",
     "next_hop_ip": "2001:db8::25", "status": "deferred", "dsn": "4.0.0"},
    {"event": "rejected", "queue_id": "60V3006b002004", "client_ip": "2001:db8:100::7",
     "recipient_domain": "other.example", "dsn": "5.7.1"},
    {"event": "auth", "client_ip": "198.18.0.9", "auth_mechanism": "LOGIN",
     "auth_user": "eve, relay=[198.18.0.8]", "auth_ok": False},
    {"event": "accepted", "queue_id": "60V3008d002006"},
    {"event": "queued", "queue_id": "60V3008d002006", "size_bytes": 99, "recipients": 1},
    {"event": "delivery", "queue_id": "60V3008d002006", "next_hop_ip": "127.0.0.1", "status": "sent",
     "dsn": "2.0.0"},
    {"event": "delivery", "queue_id": "60V3002a002001", "status": "expired"},
    {"event": "queued", "queue_id": "60V3009f002008", "sender_domain": ""},
    {"event": "delivery", "queue_id": "60V3009f002008", "recipient_domain": "isp.example", "status": "bounced",
     "dsn": "5.1.1"},
    {"event": "removed", "queue_id": "60V3002a002001"},
    {"event": "rejected", "queue_id": "60V3012g002009", "recipient_domain": "out.example", "dsn": "4.7.1"},
]


def read(path: Path, *lines: str) -> Result:
    return read_bytes(sendmail.FORMAT, path / "maillog", lines, year=2026)


def test_a_log(tmp_path: Path) -> None:
    result = read_bytes(sendmail.FORMAT, tmp_path / "maillog", SAMPLE, timezone="Asia/Tokyo", year=2026)
    assert result.facts("at", "mta_host", "client_key") == FACTS
    assert (result.read, result.kept) == (16, 12)
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(16, "message without sender, size or recipients")]
    assert result.frame["at"][0] == datetime(2026, 1, 31, 3, 0, 1)


def test_the_user_is_that_of_the_same_process_and_address(tmp_path: Path) -> None:
    login = "Jan 31 12:00:00 mx1 sm-mta[7]: AUTH=server, relay=[198.18.0.7], authid=bob, mech=LOGIN, bits=0"
    message = "from=<a@b.example>, size=9, class=0, nrcpts=1, proto=ESMTP, daemon=MTA-v4, relay="
    result = read(tmp_path, login, f"Jan 31 12:00:01 mx1 sm-mta[7]: 60V3002a000001: {message}[198.18.0.8]",
                  f"Jan 31 12:00:02 mx1 sm-mta[8]: 60V3002a000002: {message}[198.18.0.7]",
                  f"Jan 31 12:00:03 mx1 sm-mta[7]: 60V3002a000003: {message}[198.18.0.7]",
                  f"Jan 31 14:00:03 mx1 sm-mta[7]: 60V3002a000004: {message}[198.18.0.7]")
    accepted = result.frame.filter(result.frame["event"] == "accepted")
    assert accepted["auth_user"].to_list() == [None, None, "bob", None]
    assert accepted["listener_port"].to_list() == [25] * 4


@pytest.mark.parametrize(("stat", "status"), [
    ("dsn=2.0.0, stat=Sent (ok)", "sent"), ("stat=Sent", "sent"), ("stat=Deferred: Connection refused by mx.", "deferred"),
    ("dsn=5.1.1, reply=550 5.1.1 <a@b>... no, stat=Sent (x), stat=User unknown", "bounced"), ("stat=User unknown", "bounced"),
    ("dsn=5.6.0, stat=Data format error", "bounced"), ("dsn=4.4.1, stat=I/O error", "deferred"),
])
def test_status_by_code_and_in_old_logs_by_words(tmp_path: Path, stat: str, status: str) -> None:
    result = read(tmp_path, f"Jan 31 12:00:00 mx1 sendmail[7]: AAA12345: to=<a@b.example>, delay=00:00:01, mailer=esmtp, {stat}")
    assert result.rows("status", "recipient_domain") == [(status, "b.example")]


def test_quoted_addresses_and_copies(tmp_path: Path) -> None:
    head = "Jan 31 12:00:00 mx1 sm-mta[7]: 60V3002a000001: "
    result = read(
        tmp_path, head + 'to=<"a, delay=1, stat=Sent"@b.example>, delay=00:00:01, relay=mx [192.0.2.1], dsn=4.0.0, stat=Deferred',
        head + 'to="|/usr/bin/vacation a@c.example", ctladdr=<a@d.example> (1/1), delay=00:00:01, dsn=2.0.0, stat=Sent',
        head + "6AO95NRZ000157: clone: owner=owner-list@lists.example")
    assert result.facts("at", "mta_host", "queue_id") == [
        {"event": "delivery", "recipient_domain": "b.example", "next_hop_ip": "192.0.2.1", "status": "deferred", "dsn": "4.0.0"},
        {"event": "delivery", "status": "sent", "dsn": "2.0.0"},
        {"event": "queued", "sender_domain": "lists.example"}]


def test_lines_of_the_real_program_that_are_not_what_they_seem(tmp_path: Path) -> None:
    head = "Nov 24 10:00:01 mx1 sm-mta[12]: 6AO95NTX000170: "
    result = read(
        tmp_path,
        head + r'''to=<"c\\"d, relay=evil [192.0.2.66]"@carrier.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, '''
        "pri=30028, relay=mx.carrier.example. [192.0.2.25], dsn=2.0.0, stat=Sent (ok)",
        # Refused by a milter, which has a line of its own.
        head + "to=<alice@isp.example>, delay=00:00:00, pri=30028, stat=spam content, score=9",
        # Broken off.
        head + "from=<a@x.example>, size=0, class=0, nrcpts=1, proto=ESMTP, daemon=MTA-v4, relay=pc [198.18.0.9]",
        "Nov 24 10:00:01 mx1 sm-mta[12]: AUTH failure (PLAIN): authentication failure (-13) SASL(-13): x, user=, "
        "relay=[198.18.0.10]",
        head + "6AO95NRZ000157: clone: owner=alice",
        head + "<arhipov@isp.example>... No such user here",
        "Nov 24 10:00:01 mx1 sm-acceptingconnections[277]: 6AO95NTX000171: ruleset=check_rcpt, arg1=<a@other.example>, "
        "relay=[198.18.0.9], reject=550 5.7.1 <a@other.example>... Relaying denied")
    assert result.facts("at", "mta_host", "client_key") == [
        {"event": "delivery", "queue_id": "6AO95NTX000170", "recipient_domain": "carrier.example",
         "next_hop_ip": "192.0.2.25", "status": "sent", "dsn": "2.0.0"},
        {"event": "auth", "client_ip": "198.18.0.10", "auth_mechanism": "PLAIN", "auth_ok": False},
        {"event": "queued", "queue_id": "6AO95NRZ000157"},
        {"event": "rejected", "queue_id": "6AO95NTX000170", "recipient_domain": "isp.example"},
        {"event": "rejected", "queue_id": "6AO95NTX000171", "client_ip": "198.18.0.9",
         "recipient_domain": "other.example", "dsn": "5.7.1"},
    ]
    assert result.rejected == []
