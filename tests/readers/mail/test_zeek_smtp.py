# ruff: noqa: E501 (log lines are literal; times in the lake are naive UTC)
"""Zeek's smtp.log, tab-separated and JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from op25b.readers.mail import zeek_smtp
from tests.readers.reading import Result, read_bytes

SAMPLE = r"""
#separator \x09
#set_separator	,
#empty_field	(empty)
#unset_field	-
#path	smtp
#open	2026-01-31-12-00-00
#fields	ts	uid	id.orig_h	id.orig_p	id.resp_h	id.resp_p	trans_depth	helo	mailfrom	rcptto	date	from	to	cc	reply_to	msg_id	in_reply_to	subject	x_originating_ip	first_received	second_received	last_reply	path	user_agent	tls	fuids
#types	time	string	addr	port	addr	port	count	string	string	set[string]	string	string	set[string]	set[string]	string	string	string	string	addr	string	string	string	vector[addr]	string	bool	vector[string]
1769860801.123456	C1	198.18.0.7	5000	192.0.2.25	25	1	pc	bob@isp.example	a@carrier.example,b@carrier.example	-	-	-	-	-	-	-	-	-	-	-	250 2.0.0 Ok: queued	192.0.2.25	-	F	-
1769860802.000000	C2	198.18.0.8	5000	192.0.2.25	25	1	pc	<x@bot.example>	<q@carrier.example>	-	-	-	-	-	-	-	-	-	-	-	550 5.7.1 no	192.0.2.25	-	F	-
1769860803.000000	C3	2001:db8:100::7	5000	2001:db8::25	587	1	pc	-	-	-	-	-	-	-	-	-	-	-	-	-	220 ready	192.0.2.25	-	T	-
1769860804.000000	C4	198.18.0.9	5000	192.0.2.25	587	1	pc	-	-	-	-	-	-	-	-	-	-	-	-	-	535 5.7.8 bad	192.0.2.25	-	F	-
short	line
#close	2026-01-31-13-00-00
""".lstrip()

FACTS = [
    {"event": "accepted", "queue_id": "C1.1", "client_ip": "198.18.0.7", "listener_port": 25,
     "sender_domain": "isp.example"},
    {"event": "queued", "queue_id": "C1.1", "sender_domain": "isp.example", "recipients": 2},
    {"event": "rejected", "queue_id": "C2.1", "client_ip": "198.18.0.8", "listener_port": 25,
     "sender_domain": "bot.example", "recipient_domain": "carrier.example", "dsn": "5.7.1"},
    {"event": "auth", "client_ip": "198.18.0.9", "listener_port": 587, "auth_ok": False},
]


def read(path: Path, *lines: str) -> Result:
    return read_bytes(zeek_smtp.FORMAT, path / "maillog", lines, year=2026)


def test_a_log(tmp_path: Path) -> None:
    result = read_bytes(zeek_smtp.FORMAT, tmp_path / "maillog", SAMPLE, timezone="Asia/Tokyo", year=2026)
    assert result.facts("at", "mta_host", "client_key") == FACTS
    assert (result.read, result.kept) == (14, 3)
    assert [(line, reason) for line, _, reason, _ in result.rejected] == [(13, "2 fields where the header has 26")]
    assert result.frame["at"][0] == datetime(2026, 1, 31, 12, 0, 1, 123456)


@pytest.mark.parametrize("ts", ["1769860801.5", '"2026-01-31T12:00:01.500000Z"'])
def test_json(tmp_path: Path, ts: str) -> None:
    line = (f'{{"ts":{ts},"uid":"C1","id.orig_h":"198.18.0.7","id.orig_p":5,"id.resp_h":"192.0.2.25","id.resp_p":25,'
            '"trans_depth":2,"mailfrom":"bob@isp.example","rcptto":["a@b.example"],"last_reply":"250 ok","tls":false}')
    result = read(tmp_path, line, "[1]", '{"ts":')
    assert result.rows("at", "event", "mta_host", "queue_id", "recipients") == [
        (datetime(2026, 1, 31, 12, 0, 1, 500_000), "accepted", "192.0.2.25", "C1.2", None),
        (datetime(2026, 1, 31, 12, 0, 1, 500_000), "queued", "192.0.2.25", "C1.2", 1)]
    assert [(n, reason) for n, _, reason, _ in result.rejected] == [(2, "not a JSON object"), (3, "not a JSON object")]
