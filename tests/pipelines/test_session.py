"""pipelines/session.sql: flow records → connections, and what became of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.rows import RST, SESSION, SYN, SYN_ACK, Row, both, flow, lease, load, local, new_workspace

LINE, LINE6 = "198.18.0.1:4000", "2001:db8:100::1#4000"
SERVER, SERVER6 = "192.0.2.25:25", "2001:db8:ffff::25#25"


def sessions(root: Path, flows: list[Row], columns: str = "first_seen, records, outcome") -> list[tuple[Any, ...]]:
    opened = new_workspace(root)
    load(opened, "flow", flows)
    opened.build()
    return opened.sql(f"SELECT {columns} FROM session ORDER BY first_seen, direction").rows()


@pytest.mark.parametrize(("flows", "expected"), [
    pytest.param([*both(LINE, SERVER, "12:00")], [("12:00:00", 2, "established")], id="both directions"),
    pytest.param([flow(SERVER, LINE, "12:00"), flow(LINE, SERVER, "12:00:01")], [("12:00:00", 2, "established")],
                 id="the reply comes first"),
    pytest.param([flow(LINE, SERVER, "12:00:00", "12:00:03", SYN), flow(LINE, SERVER, "12:00:09", flags=SYN),
                  flow(LINE, SERVER, "12:00:21", flags=SYN), flow(LINE, SERVER, "12:01:33", flags=SYN)],
                 [("12:00:00", 4, "no-answer")], id="a SYN train cut into records is one attempt"),
    pytest.param([flow(LINE, SERVER, "12:00:00", flags=SYN), flow(LINE, SERVER, "12:01:41", flags=SYN)],
                 [("12:00:00", 1, "no-answer"), ("12:01:41", 1, "no-answer")],
                 id="a SYN after a pause is a new attempt"),
    pytest.param([flow(LINE, SERVER, "12:00:00", flags=SYN), flow(LINE, SERVER, "12:01:40", flags=SYN)],
                 [("12:00:00", 2, "no-answer")], id="a pause of just the gap"),
    pytest.param([*both(LINE, SERVER, "12:00"), *both(LINE, SERVER, "12:10")],
                 [("12:00:00", 2, "established"), ("12:10:00", 2, "established")], id="five-tuple used again"),
    pytest.param([flow(LINE, SERVER, "12:00", "12:30"), flow(LINE, SERVER, "12:45", "12:50", "PA")],
                 [("12:00:00", 2, "established")], id="longer than an exporter's timeout: no SYN, so it goes on"),
    pytest.param([flow(LINE, SERVER, "12:00"), flow(LINE, SERVER, "13:00:01", flags="PA")],
                 [("12:00:00", 1, "established"), ("13:00:01", 1, "established")], id="an hour's silence ends it"),
    *(pytest.param([flow(LINE, SERVER, "12:00"), *(flow(LINE, SERVER, "12:30", flags=flags) for flags in pair)],
                   [("12:00:00", 1, "established"), ("12:30:00", 2, "established")], id=f"{pair} at once: a new one")
      for pair in (("S", "PA"), ("PA", "S"))),
    pytest.param([flow(LINE, SERVER, "12:00", flags=None), flow(LINE, SERVER, "12:30", flags=None)],
                 [("12:00:00", 1, "unknown"), ("12:30:00", 1, "unknown")], id="without flags a pause is a new one"),
    pytest.param([flow(LINE, SERVER, "12:00", flags=SYN), flow(SERVER, LINE, "12:00", flags=RST, packets=1)],
                 [("12:00:00", 2, "refused")], id="RST"),
    pytest.param([flow(LINE, SERVER, "12:00", flags=SYN), flow(SERVER, LINE, "12:00", flags=SYN_ACK, packets=3)],
                 [("12:00:00", 2, "refused")], id="half open: SYN/ACK alone is no session"),
    pytest.param([flow(LINE, SERVER, "12:00", flags=SYN, sampling=1000, packets=1)], [("12:00:00", 1, "unknown")],
                 id="sampled: a lone SYN proves nothing"),
    pytest.param([flow(LINE, SERVER, "12:00", flags="PA", sampling=1000, packets=1)], [("12:00:00", 1, "established")],
                 id="sampled: data proves a session"),
    pytest.param([flow(LINE, SERVER, "12:00", flags=SYN, sampling=None)], [("12:00:00", 1, "unknown")],
                 id="sampling not known"),
    pytest.param([flow(LINE, SERVER, "12:00", flags=None), flow(SERVER, LINE, "12:00", flags=None)],
                 [("12:00:00", 2, "established")], id="no flags, but data came back"),
    pytest.param([flow(LINE, SERVER, "12:00", flags=None, packets=3, bytes=180),
                  flow(SERVER, LINE, "12:00", flags=None, packets=3, bytes=180)],
                 [("12:00:00", 2, "unknown")], id="no flags, SYN/ACKs only"),
    pytest.param([flow(LINE6, SERVER6, "12:00", flags=None, packets=3, bytes=240),
                  flow(SERVER6, LINE6, "12:00", flags=None, packets=3, bytes=240)],
                 [("12:00:00", 2, "unknown")], id="no flags, IPv6 SYN/ACKs only"),
    pytest.param([flow(LINE, SERVER, "12:00", reply_packets=8, reply_bytes=900)], [("12:00:00", 1, "established")],
                 id="a record of both directions"),
    pytest.param([flow(LINE, SERVER, "12:00", flags=SYN, reply_packets=1, reply_bytes=40)],
                 [("12:00:00", 1, "refused")], id="a record of both directions, refused"),
    pytest.param([flow(LINE, SERVER, "2007-06-01 23:59:50", "2007-06-01 23:59:59"), flow(SERVER, LINE, "00:00:02")],
                 [("23:59:50", 2, "established")], id="over midnight"),
])
def test_joining_and_outcome(tmp_path: Path, flows: list[Row], expected: list[tuple[str, int, str]]) -> None:
    found = sessions(tmp_path, flows)
    assert [(local(first), records, outcome) for first, records, outcome in found] == expected


def test_packets_are_summed_by_side(tmp_path: Path) -> None:
    flows = [flow(LINE, SERVER, "12:00", packets=7, bytes=700, reply_packets=5, reply_bytes=400),
             flow(SERVER, LINE, "12:00:01", packets=2, bytes=90)]
    columns = "client_packets, client_bytes, server_packets, server_bytes"
    assert sessions(tmp_path, flows, columns) == [(7, 700, 7, 490)]


def test_the_local_day_of_the_first_record(tmp_path: Path) -> None:
    """00:30 in Japan is 15:30 UTC of the day before."""
    flows = [*both(LINE, SERVER, "00:30"), *both(LINE, "192.0.2.26:25", "2007-06-01 23:59:59", "00:10")]
    assert sorted(sessions(tmp_path, flows, "day, server_ip")) == [
        (date(2007, 6, 1), "192.0.2.26"), (date(2007, 6, 2), "192.0.2.25")]


def test_a_session_belongs_to_the_subscriber_of_its_first_record(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path)
    load(opened, "flow", [flow(LINE, SERVER, "11:59:59"), flow(SERVER, LINE, "12:00:01")])
    load(opened, "lease_record", [lease("198.18.0.1", "b", "12:00")])
    opened.build()
    assert opened.sql("SELECT subscriber, attribution FROM session").rows() == [(None, "unattributed")]


FROM_A = lease("198.18.0.1", "a", "2007-06-01 08:00", "12:00")
TO_B = [FROM_A, lease("198.18.0.1", "b", "12:00")]
LATER = [FROM_A, lease("198.18.0.1", "b", "12:00:30")]
INBOUND, OUTSIDE = "198.18.0.1:25", "192.0.2.99:5000"


@pytest.mark.parametrize(("leases", "flows", "expected"), [
    pytest.param(TO_B, [*both(LINE, SERVER, "11:59:50"), *both(LINE, SERVER, "12:00:10")],
                 [("11:59:50", "a", 2), ("12:00:10", "b", 2)], id="the next holder uses the five-tuple at once"),
    pytest.param(TO_B, [flow(LINE, SERVER, "11:59:59", flags=SYN), flow(LINE, SERVER, "12:00:00", flags=SYN)],
                 [("11:59:59", "a", 1), ("12:00:00", "b", 1)], id="in the very second it became its own"),
    pytest.param(LATER, [*both(LINE, SERVER, "11:59:50"), flow(LINE, SERVER, "12:00:10", flags="PA"),
                         *both(LINE, SERVER, "12:00:40")],
                 [("11:59:50", "a", 3), ("12:00:40", "b", 2)], id="nobody had it between"),
    pytest.param(TO_B, [*both(LINE, SERVER, "11:59:50"), flow(SERVER, LINE, "12:00:10", flags="PA"),
                        flow(LINE, SERVER, "12:00:10", flags="R"), *both(LINE, SERVER, "12:01:00")],
                 [("11:59:50", "a", 4), ("12:01:00", "b", 2)], id="retransmissions to who is gone, and a reset"),
    pytest.param(TO_B, [*both(LINE, SERVER, "11:59:50"), flow(LINE, SERVER, "12:00:10", "12:20", "PA")],
                 [("11:59:50", "a", 3)], id="no SYN: the exporter cut a long record, and clocks differ"),
    pytest.param(TO_B, [flow(LINE, SERVER, "11:59:50", flags=None), flow(SERVER, LINE, "12:00:01", flags=None),
                        flow(LINE, SERVER, "12:00:10", flags=None)],
                 [("11:59:50", "a", 2), ("12:00:10", "b", 1)], id="no flags: what the client sends is new"),
    pytest.param(TO_B, [flow(OUTSIDE, INBOUND, "11:59:58", flags=SYN), *both(OUTSIDE, INBOUND, "12:00:01")],
                 [("11:59:58", "a", 1), ("12:00:01", "b", 2)], id="a SYN train to a line that changed hands"),
    pytest.param([FROM_A, lease("198.18.0.1", "a", "12:00")], [*both(LINE, SERVER, "11:59:50"),
                                                              *both(LINE, SERVER, "12:00:10")],
                 [("11:59:50", "a", 4)], id="the same subscriber again"),
    pytest.param([FROM_A], [*both(LINE, SERVER, "11:59:50"), *both(LINE, SERVER, "12:00:10")],
                 [("11:59:50", "a", 4)], id="nobody after it: a lease log is late rather than the session over"),
    pytest.param([lease("198.18.0.1", "b", "12:00")], [flow(LINE, SERVER, "11:59:50", flags=SYN),
                                                      flow(LINE, SERVER, "12:00:10", flags=SYN)],
                 [("11:59:50", None, 1), ("12:00:10", "b", 1)], id="nobody before it"),
    pytest.param([lease("198.18.0.1", "b", "10:00", "11:00"), lease("198.18.0.1", "b", "12:00")],
                 [flow(LINE, SERVER, "11:59:50", flags=SYN), flow(LINE, SERVER, "12:00:10", flags=SYN)],
                 [("11:59:50", None, 1), ("12:00:10", "b", 1)], id="nobody before it, and the same before that"),
    pytest.param([FROM_A, lease("198.18.0.1", "a", "12:00:05")], [*both(LINE, SERVER, "11:59:50"),
                                                                 *both(LINE, SERVER, "12:00:10")],
                 [("11:59:50", "a", 4)], id="the same subscriber after a pause"),
    pytest.param([lease("198.18.0.1", "a", "10:00", "13:00"), lease("198.18.0.1", "b", "12:00", "12:00:30")],
                 [flow(LINE, SERVER, time, flags=SYN) for time in ("11:59:50", "12:00:10", "12:00:40", "12:00:50")],
                 [("11:59:50", "a", 1), ("12:00:10", None, 1), ("12:00:40", "a", 2)], id="two at once for a while"),
    pytest.param([*TO_B[:1], lease("198.18.0.1", "b", "12:00", "12:00:20"), lease("198.18.0.1", "a", "12:00:20")],
                 [flow(LINE, SERVER, "11:59:50", flags=SYN), flow(LINE, SERVER, "12:00:10", flags=SYN),
                  flow(LINE, SERVER, "12:00:30", flags=SYN), flow(LINE, SERVER, "12:00:40", flags=SYN)],
                 [("11:59:50", "a", 1), ("12:00:10", "b", 1), ("12:00:30", "a", 2)], id="there and back"),
    pytest.param([lease("198.18.0.1", "a", "11:00", "12:00", (1000, 1999)),
                  lease("198.18.0.1", "b", "12:00", "13:00", (1000, 1999)),
                  lease("198.18.0.1", "c", "11:00", "13:00", (2000, 2999))],
                 [flow(f"198.18.0.1:{port}", SERVER, f"{time}:{port % 60:02}", flags=SYN)
                  for port in (1001, 2002) for time in ("11:59", "12:00")],
                 [("11:59:22", "c", 2), ("11:59:41", "a", 1), ("12:00:41", "b", 1)], id="a block of ports"),
])
def test_a_session_does_not_outlast_the_next_holder_of_its_address(
    tmp_path: Path, leases: list[Row], flows: list[Row], expected: list[tuple[str, str | None, int]],
) -> None:
    opened = new_workspace(tmp_path)
    load(opened, "flow", flows)
    load(opened, "lease_record", leases)
    opened.build()
    found = opened.sql("SELECT first_seen, subscriber, records FROM session ORDER BY first_seen").rows()
    assert [(local(first), subscriber, records) for first, subscriber, records in found] == expected
    # What is on the session's table is in the sums of the day.
    assert opened.sql("SELECT sum(flows) FROM peer_day").item() == len(flows)


@pytest.mark.parametrize("change", ["2007-06-01 23:59:50", "00:00:00", "00:00:10"])
def test_around_midnight_both_days_count_each_record_once(tmp_path: Path, change: str) -> None:
    opened = new_workspace(tmp_path)
    times = ["2007-06-01 23:59:40", "2007-06-01 23:59:55", "00:00:05", "00:00:15"]
    load(opened, "flow", [flow(LINE, SERVER, time, flags=SYN) for time in times])
    load(opened, "lease_record", [lease("198.18.0.1", "a", "2007-06-01 08:00", change),
                                  lease("198.18.0.1", "b", change)])
    opened.build()
    assert opened.sql("SELECT sum(records) FROM session").item() == len(times)
    assert opened.sql("SELECT min(subscriber) FROM session").item() == "a"


def test_inbound_mail_answered_by_the_line(tmp_path: Path) -> None:
    found = sessions(tmp_path, both("192.0.2.99:5000", "198.18.0.1:25", "12:00"),
                     "direction, subscriber, line_ip, client_ip, outcome")
    assert found == [("in", "198.18.0.1", "198.18.0.1", "192.0.2.99", "established")]


def test_inbound_mail_not_answered(tmp_path: Path) -> None:
    assert sessions(tmp_path, [flow("192.0.2.99:5000", "198.18.0.1:25", "12:00", flags=SYN)], "direction, outcome") == [
        ("in", "no-answer")]


def test_every_record_counts_on_one_day_however_long_a_session_lasts(tmp_path: Path) -> None:
    """A record every half an hour from 22:00 on 1 June to 04:30 on 3 June."""
    hours = {1: (22, 23), 2: range(24), 3: range(5)}
    times = [f"2007-06-{day:02} {hour:02}:{minute:02}:00" for day, of_day in hours.items()
             for hour in of_day for minute in (0, 30)]
    flows = [flow(LINE, SERVER, time, flags=SESSION if time == times[0] else "PA") for time in times]
    found = sessions(tmp_path, flows, "day, first_seen, records")
    assert [(day.day, local(first), records) for day, first, records in found] == [
        (1, "22:00:00", 8), (2, "02:00:00", 48), (3, "02:00:00", 6)]
    assert sum(records for *_, records in found) == len(times)
