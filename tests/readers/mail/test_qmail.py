# ruff: noqa: E501 (log lines are literal; times in the lake are naive UTC)
"""qmail logs by multilog, tai64nlocal and syslog."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from op25b.readers.mail import qmail
from tests.readers.reading import Result, read_bytes

SAMPLE = r"""
@4000000045c08c6a00000000 status: local 0/10 remote 0/20
@4000000045c08c6b0ee6b280 new msg 12345
@4000000045c08c6b0ee6b280 info msg 12345: bytes 2345 from <bob@isp.example> qp 678 uid 90
@4000000045c08c6c00000000 starting delivery 1: msg 12345 to remote a@carrier.example
@4000000045c08c6c00000000 starting delivery 2: msg 12345 to local joe@local.example
@4000000045c08c6d00000000 delivery 2: success: did_0+0+1/
@4000000045c08c6e00000000 delivery 1: deferral: Connected_to_192.0.2.25_but_greeting_failed./Remote_host_said:_421_4.3.2_delivery_9:_success:_192.0.2.99_accepted_message./
@4000000045c08c6f00000000 starting delivery 3: msg 12345 to remote a@carrier.example
@4000000045c08c7000000000 delivery 3: success: 192.0.2.25_accepted_message./Remote_host_said:_250_2.0.0_ok/
@4000000045c08c7000000000 end msg 12345
@4000000045c08c7100000000 new msg 12345
@4000000045c08c7100000000 info msg 12345: bytes 9 from <> qp 1 uid 2
@4000000045c08c7200000000 starting delivery 4: msg 12345 to remote x@gone.example
@4000000045c08c7300000000 delivery 4: failure: 192.0.2.26_does_not_like_recipient./Remote_host_said:_550_5.1.1_unknown/Giving_up_on_192.0.2.26./
@4000000045c08c7400000000 delivery 99: success: lost/
@4000000045c08c7500000000 tcpserver: pid 9 from 198.18.0.7
@4000000045c08c7500000000 rblsmtpd: 198.18.0.7 pid 9: 451 http://rbl.example/
no stamp
""".lstrip()

FACTS = [
    {"event": "accepted", "queue_id": "12345"},
    {"event": "queued", "queue_id": "12345", "sender_domain": "isp.example", "size_bytes": 2345},
    {"event": "delivery", "queue_id": "12345", "recipient_domain": "local.example", "status": "sent"},
    {"event": "delivery", "queue_id": "12345", "recipient_domain": "carrier.example", "next_hop_ip": "192.0.2.25",
     "status": "deferred", "dsn": "4.3.2"},
    {"event": "delivery", "queue_id": "12345", "recipient_domain": "carrier.example", "next_hop_ip": "192.0.2.25",
     "status": "sent", "dsn": "2.0.0"},
    {"event": "removed", "queue_id": "12345"},
    {"event": "accepted", "queue_id": "12345"},
    {"event": "queued", "queue_id": "12345", "sender_domain": "", "size_bytes": 9},
    {"event": "delivery", "queue_id": "12345", "recipient_domain": "gone.example", "next_hop_ip": "192.0.2.26",
     "status": "bounced", "dsn": "5.1.1"},
    {"event": "rejected", "client_ip": "198.18.0.7", "listener_port": 25},
]


def read(path: Path, *lines: str) -> Result:
    return read_bytes(qmail.FORMAT, path / "maillog", lines, year=2026)


def test_a_log(tmp_path: Path) -> None:
    result = read_bytes(qmail.FORMAT, tmp_path / "maillog", SAMPLE, timezone="Asia/Tokyo", year=2026)
    assert result.facts("at", "mta_host", "client_key") == FACTS
    assert (result.read, result.kept) == (18, 10)
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(15, "end of a delivery whose start is not in the file"), (18, "no time stamp")]
    assert result.frame["at"][0] == datetime(2007, 1, 31, 12, 32, 33, 250000)


@pytest.mark.parametrize(("line", "at"), [
    ("@400000000000000a00000000 new msg 1", datetime(1970, 1, 1)),
    ("@40000000437190c905f5e100 new msg 1", datetime(2005, 11, 9, 6, 1, 35, 100_000)),
    ("2026-01-31 12:00:01.500000000 new msg 1", datetime(2026, 1, 31, 12, 0, 1, 500_000)),
    ("Jan 31 12:00:00 mx1 qmail: 1769860801.250000 new msg 1", datetime(2026, 1, 31, 12, 0, 1, 250_000)),
    ("Jan 31 12:00:00 mx1 qmail-send[7]: new msg 1", datetime(2026, 1, 31, 12)),
])
def test_stamps(tmp_path: Path, line: str, at: datetime) -> None:
    assert read(tmp_path, line).rows("at", "event", "queue_id") == [(at, "accepted", "1")]


def test_a_file_of_multilog_has_its_directorys_name(tmp_path: Path) -> None:
    (tmp_path / "mx1").mkdir()
    result = read_bytes(qmail.FORMAT, tmp_path / "mx1" / "current", SAMPLE)
    assert set(result.frame["mta_host"]) == {"mx1"}


def test_expiry_and_logins(tmp_path: Path) -> None:
    result = read(
        tmp_path, "Jan 31 12:00:00 mx1 qmail: 1769860801.0 starting delivery 1: msg 5 to remote a@b.example",
        "Jan 31 12:00:00 mx1 qmail: 1769860802.0 delivery 1: failure: Connected_to_192.0.2.1_but_connection_died._(#4.4.2)/"
        "I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long./",
        "Jan 31 12:00:03 mx1 vpopmail[7]: vchkpw-submission: (LOGIN) login success bob@isp.example:198.18.0.7",
        "Jan 31 12:00:03 mx1 vpopmail[7]: vchkpw-smtp: password fail (pass: 'x y:192.0.2.66') eve@isp.example:198.18.0.8")
    assert result.facts("at", "mta_host", "client_key") == [
        {"event": "delivery", "queue_id": "5", "recipient_domain": "b.example", "next_hop_ip": "192.0.2.1", "status": "expired"},
        {"event": "auth", "client_ip": "198.18.0.7", "listener_port": 587, "auth_mechanism": "LOGIN",
         "auth_user": "bob@isp.example", "auth_ok": True},
        {"event": "auth", "client_ip": "198.18.0.8", "listener_port": 25, "auth_user": "eve@isp.example", "auth_ok": False}]


def test_rblsmtpd_may_name_the_list(tmp_path: Path) -> None:
    result = read(tmp_path, "Jan 31 12:00:00 mx1 qmail: 1769860801.0 rblsmtpd: 198.18.0.7 pid 9 list.example: 451 http://list.example/")
    assert result.rows("event", "client_ip", "listener_port") == [("rejected", "198.18.0.7", 25)]
