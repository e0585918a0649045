# ruff: noqa: E501 (log lines are literal; times in the lake are naive UTC)
"""OpenSMTPD logs in the forms of 5.x, 5.9 to 6.3 and 6.4 onward."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from op25b.readers.mail import opensmtpd
from tests.readers.reading import Result, read_bytes

SAMPLE = r"""
Jan 31 12:00:00 mx1 smtpd[10]: info: OpenSMTPD 6.8.0p2 starting
Jan 31 12:00:01 mx1 smtpd[10]: 5f1a6c3f1a2b3c4d smtp connected address=198.18.0.7 host=pc.isp.example
Jan 31 12:00:02 mx1 smtpd[10]: 5f1a6c3f1a2b3c4d smtp authentication user=bob result=ok
Jan 31 12:00:03 mx1 smtpd[10]: 5f1a6c3f1a2b3c4d smtp message msgid=1a2b3c4d size=456 nrcpt=2 proto=ESMTP
Jan 31 12:00:03 mx1 smtpd[10]: 5f1a6c3f1a2b3c4d smtp envelope evpid=1a2b3c4d00000001 from=<bob@isp.example> to=<a@carrier.example>
Jan 31 12:00:04 mx1 smtpd[10]: 5f1a6c3f99999999 mta delivery evpid=1a2b3c4d00000001 from=<bob@isp.example> to=<a@carrier.example> rcpt=<-> source="203.0.113.5" relay="192.0.2.25 (mx.carrier.example)" delay=1s result="Ok" stat="250 2.0.0 Ok: queued result="PermFail" as X"
Jan 31 12:00:05 mx1 smtpd[10]: 5f1a6c3f99999999 mta delivery evpid=1a2b3c4d00000002 from=<bob@isp.example> to=<b@v6.example> rcpt=<-> source="-" relay="mx.v6.example ([2001:db8::25])" delay=1s result="TempFail" stat="451 4.7.1 later"
Jan 31 12:00:06 mx1 smtpd[10]: 0000000000000000 mda delivery evpid=2b2b3c4d00000001 from=<x@out.example> to=<joe@local.example> rcpt=<joe@local.example> user=joe delay=0s result=Ok stat=Delivered
Jan 31 12:00:07 mx1 smtpd[10]: 5f1a6c3f00000002 smtp connected address=[2001:db8:100::7] host=<unknown>
Jan 31 12:00:08 mx1 smtpd[10]: 5f1a6c3f00000002 smtp authentication user=eve result=permfail
Jan 31 12:00:08 mx1 smtpd[10]: 5f1a6c3f00000002 smtp failed-command command="AUTH PLAIN (...)" result="535 Authentication failed"
Jan 31 12:00:09 mx1 smtpd[10]: 5f1a6c3f00000002 smtp failed-command command="RCPT TO:<q@other.example>" result="550 5.7.1 Invalid recipient: <q@other.example>"
Jan 31 12:00:10 mx1 smtpd[10]: 5f1a6c3f00000002 smtp disconnected reason=quit
Jan 31 12:00:11 mx1 smtpd[10]: smtp-in: New session 00000000000000aa from host pc [198.18.0.9]
Jan 31 12:00:11 mx1 smtpd[10]: smtp-in: Accepted authentication for user carol on session 00000000000000aa
Jan 31 12:00:12 mx1 smtpd[10]: smtp-in: Accepted message 3c3c3c3c on session 00000000000000aa: from=<carol@isp.example>, to=<d@e.example>, size=77, ndest=1, proto=ESMTP
Jan 31 12:00:13 mx1 smtpd[10]: relay: TempFail for 3c3c3c3c00000001: session=00000000000000bb, from=<carol@isp.example>, to=<d@e.example>, rcpt=<->, source=203.0.113.5, relay=192.0.2.9 (mx.e.example), delay=1s, stat=421 4.3.2 busy
Jan 31 12:00:14 mx1 smtpd[10]: 8f4864084ecc48f4 smtp event=connected address=198.18.0.10 host=h
Jan 31 12:00:15 mx1 smtpd[10]: 8f4864084ecc48f4 smtp event=message address=198.18.0.10 host=h msgid=4d4d4d4d from=<p@q.example> to=<r@s.example> size=5 ndest=1 proto=ESMTP
Jan 31 12:00:16 mx1 smtpd[10]: 8f4864084ecc48f5 mta event=delivery evpid=4d4d4d4d00000001 from=<p@q.example> to=<r@s.example> rcpt=<-> source="203.0.113.1" relay="192.0.2.33 (192.0.2.33)" delay=1s result="PermFail" stat="550 5.7.1 Unfortunately"
Jan 31 12:00:17 mx1 smtpd[10]: 8f4864084ecc48f5 mta delivery evpid=4d4d4d4d00000001 broken
""".lstrip()

FACTS = [
    {"event": "auth", "client_ip": "198.18.0.7", "auth_user": "bob", "auth_ok": True},
    {"event": "accepted", "queue_id": "1a2b3c4d", "client_ip": "198.18.0.7", "auth_user": "bob", "auth_ok": True},
    {"event": "queued", "queue_id": "1a2b3c4d", "size_bytes": 456, "recipients": 2},
    {"event": "delivery", "queue_id": "1a2b3c4d", "sender_domain": "isp.example",
     "recipient_domain": "carrier.example", "next_hop_ip": "192.0.2.25", "status": "sent", "dsn": "2.0.0"},
    {"event": "delivery", "queue_id": "1a2b3c4d", "sender_domain": "isp.example",
     "recipient_domain": "v6.example", "next_hop_ip": "2001:db8::25", "status": "deferred", "dsn": "4.7.1"},
    {"event": "delivery", "queue_id": "2b2b3c4d", "sender_domain": "out.example",
     "recipient_domain": "local.example", "status": "sent"},
    {"event": "auth", "client_ip": "2001:db8:100::7", "auth_user": "eve", "auth_ok": False},
    {"event": "rejected", "client_ip": "2001:db8:100::7", "recipient_domain": "other.example", "dsn": "5.7.1"},
    {"event": "auth", "client_ip": "198.18.0.9", "auth_user": "carol", "auth_ok": True},
    {"event": "accepted", "queue_id": "3c3c3c3c", "client_ip": "198.18.0.9", "auth_user": "carol",
     "auth_ok": True, "sender_domain": "isp.example"},
    {"event": "queued", "queue_id": "3c3c3c3c", "sender_domain": "isp.example", "size_bytes": 77, "recipients": 1},
    {"event": "delivery", "queue_id": "3c3c3c3c", "sender_domain": "isp.example", "recipient_domain": "e.example",
     "next_hop_ip": "192.0.2.9", "status": "deferred", "dsn": "4.3.2"},
    {"event": "accepted", "queue_id": "4d4d4d4d", "client_ip": "198.18.0.10", "sender_domain": "q.example"},
    {"event": "queued", "queue_id": "4d4d4d4d", "sender_domain": "q.example", "size_bytes": 5, "recipients": 1},
    {"event": "delivery", "queue_id": "4d4d4d4d", "sender_domain": "q.example", "recipient_domain": "s.example",
     "next_hop_ip": "192.0.2.33", "status": "bounced", "dsn": "5.7.1"},
]


def read(path: Path, *lines: str) -> Result:
    return read_bytes(opensmtpd.FORMAT, path / "maillog", lines, year=2026)


def test_a_log(tmp_path: Path) -> None:
    result = read_bytes(opensmtpd.FORMAT, tmp_path / "maillog", SAMPLE, timezone="Asia/Tokyo", year=2026)
    assert result.facts("at", "mta_host", "client_key") == FACTS
    assert (result.read, result.kept) == (21, 12)
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(21, "delivery without recipient or known result")]
    assert result.frame["at"][0] == datetime(2026, 1, 31, 3, 0, 2)


@pytest.mark.parametrize(("result_text", "status"), [("Ok", "sent"), ("TempFail", "deferred"), ("PermFail", "bounced"),
                                                     ("Expire", "expired")])
def test_results(tmp_path: Path, result_text: str, status: str) -> None:
    result = read(tmp_path, "Jan 31 12:00:00 mx1 smtpd[1]: 5f1a6c3f99999999 mta delivery evpid=1a2b3c4d00000001 from=<> "
                  f'to=<a@b.example> rcpt=<-> source="-" relay="192.0.2.1 (mx)" delay=1s result="{result_text}" stat="x"')
    assert result.rows("status", "sender_domain", "next_hop_ip") == [(status, "", "192.0.2.1")]
