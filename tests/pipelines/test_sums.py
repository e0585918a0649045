"""peer_day, sender_day, sender, subscriber: what is added up, and that nothing is lost or counted twice."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from op25b.api import OpenWorkspace
from tests.pipelines.rows import SYN, both, flow, lease, load, new_workspace

CARRIER, PROVIDER, OTHER, RELAY = "198.51.100.1", "198.51.100.70", "192.0.2.25", "203.0.113.1"


def opened(root: Path) -> OpenWorkspace:
    """Line a: two sessions with a provider, one attempt at a carrier, one relay session; unknown line: one session."""
    made = new_workspace(root)
    load(made, "flow", [
        *both("198.18.0.1:4000", f"{PROVIDER}:25", "12:00"), *both("198.18.0.1:4001", f"{PROVIDER}:25", "13:00"),
        *both("198.18.0.1:4002", f"{PROVIDER}:110", "13:01"), *both("198.18.0.1:4003", f"{RELAY}:25", "13:02"),
        flow("198.18.0.1:4004", f"{CARRIER}:25", "13:03", flags=SYN, packets=3, bytes=180),
        *both("198.18.0.9:4000", f"{OTHER}:25", "14:00"), *both("192.0.2.99:5000", "198.18.0.1:25", "15:00"),
    ])
    load(made, "lease_record", [lease("198.18.0.1", "a", "10:00")])
    # The line is listed twice, with two RADIUS names: its sums must not double.
    load(made, "subscriber_record", [{"subscriber": "a", "radius_user": "a", "plan": "p1"},
                                     {"subscriber": "a", "radius_user": "a2", "plan": "p2"}])
    made.build()
    return made


def test_sender_day(tmp_path: Path) -> None:
    columns = "subscriber, attribution, destination_group, port, sessions, flows, established, no_answer, destinations"
    order = "subscriber NULLS FIRST, destination_group, port"
    found = opened(tmp_path).sql(f"SELECT {columns} FROM sender_day ORDER BY {order}")
    assert found.rows() == [
        (None, "unattributed", "other", 25, 1, 2, 1, 0, 1),
        ("a", "attributed", "known-provider", 25, 2, 4, 2, 0, 1),
        ("a", "attributed", "known-provider", 110, 1, 2, 1, 0, 1),
        ("a", "attributed", "mobile-carrier", 25, 1, 1, 0, 1, 1),
        ("a", "attributed", "own-relay", 25, 1, 2, 1, 0, 1),
    ]


def test_peer_day_has_both_directions(tmp_path: Path) -> None:
    columns = "direction, peer_ip, port, sessions, client_packets, server_bytes"
    found = opened(tmp_path).sql(f"SELECT {columns} FROM peer_day WHERE port = 25 ORDER BY direction, peer_ip")
    assert found.rows() == [
        ("in", "192.0.2.99", 25, 1, 10, 1000), ("out", OTHER, 25, 1, 10, 1000), ("out", CARRIER, 25, 1, 3, 0),
        ("out", PROVIDER, 25, 2, 20, 2000), ("out", RELAY, 25, 1, 10, 1000)]


def test_sender(tmp_path: Path) -> None:
    made = opened(tmp_path)
    columns = ("subscriber, days_active, sessions, established, no_answer, destinations, organisations, top_sessions, "
               "mobile_carrier_sessions, known_provider_sessions, pop_same_organisation, answered_inbound, "
               "inbound_peers")
    assert made.sql(f"SELECT {columns} FROM sender").rows() == [("a", 1, 3, 2, 1, 2, 2, 2, 1, 2, 1, 1, 1)]
    assert made.findings().height == 1


def test_destinations_in_five_minutes_count_by_the_clock(tmp_path: Path) -> None:
    made = new_workspace(tmp_path)
    starts = ["12:00:00", "12:04:59", "12:05:00", "12:09:00", "12:09:30"]
    load(made, "flow", [flow(f"198.18.0.1:{4000 + n}", f"192.0.2.{n}:25", start) for n, start in enumerate(starts)])
    made.build()
    assert made.sql("SELECT destinations, destinations_5min FROM sender_day").rows() == [(5, 3)]


def test_subscriber_follows_the_file_read_last(tmp_path: Path) -> None:
    made = new_workspace(tmp_path)
    day: dict[str, Any] = {"read_at": "2007-06-03 00:00:00"}
    load(made, "subscriber_record", [{"subscriber": "a", "plan": "old"}, {"subscriber": "b", "plan": "kept"}], **day)
    load(made, "subscriber_record", [{"subscriber": "a", "plan": "new"}], read_at="2007-06-04 00:00:00")
    made.build()
    found = made.sql("SELECT subscriber, plan FROM subscriber ORDER BY subscriber").rows()
    assert found == [("a", "new"), ("b", "kept")]


def test_days_are_local(tmp_path: Path) -> None:
    made = new_workspace(tmp_path)
    load(made, "flow", [*both("198.18.0.1:4000", f"{OTHER}:25", "2007-06-01 23:59:59"),
                        *both("198.18.0.1:4001", f"{OTHER}:25", "2007-06-02 00:00:00")])
    made.build()
    assert made.sql("SELECT day, sessions FROM sender_day ORDER BY day").rows() == [
        (datetime.date(2007, 6, 1), 1), (datetime.date(2007, 6, 2), 1)]
