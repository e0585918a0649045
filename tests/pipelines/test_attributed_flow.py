"""pipelines/lease_segment.sql and attributed_flow.sql: which line a flow record belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SETTINGS
from tests.pipelines.rows import Row, flow, lease, load, new_workspace

OUTSIDE = "192.0.2.25:25"
Found = list[tuple[str, str | None, str]]


def attribute(root: Path, flows: list[Row], leases: list[Row], settings: str = SETTINGS) -> Found:
    opened = new_workspace(root, settings)
    load(opened, "flow", flows)
    if leases:
        load(opened, "lease_record", leases)
    opened.build()
    rows, sessions = (opened.sql(
        f"SELECT direction, subscriber, attribution FROM {table} ORDER BY first_seen, direction"
    ).rows() for table in ("attributed_flow", "session"))
    assert sessions == rows  # every flow here is a session of its own
    return rows


HANDED_OVER = [lease("198.18.0.1", "a", "10:00", "12:00"), lease("198.18.0.1", "b", "12:00")]
BLOCKS = [lease("198.18.0.1", "a", "10:00", ports=(1000, 1239)), lease("198.18.0.1", "b", "10:00", ports=(1240, 1479))]
UNEQUAL = [lease("198.18.0.1", "a", "10:00", ports=(1000, 1999)), lease("198.18.0.1", "b", "11:00", ports=(1500, 2499))]
PREFIX = [lease("2001:db8:100:100::/56", "a", "10:00", "12:00"), lease("2001:db8:100:200::/56", "b", "10:00")]


@pytest.mark.parametrize(("leases", "line", "when", "expected"), [
    pytest.param(HANDED_OVER, "198.18.0.1:4000", "11:59:59", ("a", "attributed"), id="a second before the hand-over"),
    pytest.param(HANDED_OVER, "198.18.0.1:4000", "12:00:00", ("b", "attributed"), id="at the very second"),
    pytest.param(HANDED_OVER, "198.18.0.1:4000", "10:00:00", ("a", "attributed"), id="at the beginning"),
    pytest.param(HANDED_OVER, "198.18.0.1:4000", "09:59:59", (None, "unattributed"), id="before any lease"),
    pytest.param(HANDED_OVER, "198.18.0.1:4000", "23:59:59", ("b", "attributed"), id="open lease"),
    pytest.param(HANDED_OVER, "198.18.0.2:4000", "12:00:00", (None, "unattributed"), id="another address"),
    pytest.param([lease("198.18.0.1", "a", "2007-06-01 10:00:00"), lease("198.18.0.1", "b", "11:00")],
                 "198.18.0.1:4000", "10:59:59", ("a", "attributed"), id="overlap, before"),
    pytest.param([lease("198.18.0.1", "a", "2007-06-01 10:00:00"), lease("198.18.0.1", "b", "11:00")],
                 "198.18.0.1:4000", "11:00:00", (None, "ambiguous"), id="overlap: never a guess"),
    pytest.param([lease("198.18.0.1", "a", "2007-06-01 10:00:00"), lease("198.18.0.1", "b", "11:00", "11:30")],
                 "198.18.0.1:4000", "11:30:00", (None, "unattributed"), id="after the overlap: not a's again"),
    pytest.param([lease("198.18.0.1", "a", "10:00"), lease("198.18.0.1", "a", "11:00", "12:00")],
                 "198.18.0.1:4000", "11:30:00", ("a", "attributed"), id="two leases of one line"),
    pytest.param([lease("198.18.0.1", "a", "10:00", "11:00"), lease("198.18.0.1", "b", "10:30", "10:30")],
                 "198.18.0.1:4000", "10:30:00", ("a", "attributed"), id="an empty lease holds nothing"),
    pytest.param(BLOCKS, "198.18.0.1:1239", "12:00", ("a", "attributed"), id="last port of a block"),
    pytest.param(BLOCKS, "198.18.0.1:1240", "12:00", ("b", "attributed"), id="first port of the next block"),
    pytest.param(BLOCKS, "198.18.0.1:1480", "12:00", (None, "unattributed"), id="port of no block"),
    pytest.param(UNEQUAL, "198.18.0.1:1499", "12:00", ("a", "attributed"), id="unequal blocks, below the overlap"),
    pytest.param(UNEQUAL, "198.18.0.1:1500", "12:00", (None, "ambiguous"), id="unequal blocks, the overlap begins"),
    pytest.param(UNEQUAL, "198.18.0.1:1999", "12:00", (None, "ambiguous"), id="unequal blocks, the overlap ends"),
    pytest.param(UNEQUAL, "198.18.0.1:2000", "12:00", ("b", "attributed"), id="unequal blocks, above the overlap"),
    pytest.param(UNEQUAL, "198.18.0.1:1500", "10:59:59", ("a", "attributed"), id="unequal blocks, before the overlap"),
    pytest.param(PREFIX, "2001:db8:100:1ff::1#4000", "11:00", ("a", "attributed"), id="IPv6: last /64 of a prefix"),
    pytest.param(PREFIX, "2001:db8:100:200::1#4000", "11:00", ("b", "attributed"), id="IPv6: next prefix"),
    pytest.param(PREFIX, "2001:db8:100:100::1#4000", "12:00", (None, "unattributed"), id="IPv6: given back"),
    pytest.param([lease("2001:db8:100::/48", "a", "10:00"), lease("2001:db8:100:1::/64", "b", "10:00")],
                 "2001:db8:100:1::1#4000", "11:00", (None, "ambiguous"), id="IPv6: prefix within a prefix"),
    pytest.param([lease("2001:db8:100::/48", "a", "10:00"), lease("2001:db8:100:1::/64", "b", "10:00")],
                 "2001:db8:100:2::1#4000", "11:00", ("a", "attributed"), id="IPv6: wide prefix"),
    pytest.param([], "198.18.0.1:4000", "12:00", ("198.18.0.1", "address"), id="no leases at all"),
])
def test_one_flow(tmp_path: Path, leases: list[Row], line: str, when: str, expected: tuple[str | None, str]) -> None:
    destination = "2001:db8:ffff::25#25" if "#" in line else OUTSIDE
    assert attribute(tmp_path, [flow(line, destination, when)], leases) == [("out", *expected)]


def test_a_flow_between_lines_is_one_of_each(tmp_path: Path) -> None:
    held = [lease("198.18.0.1", "a", "10:00"), lease("198.18.0.2", "b", "10:00")]
    assert attribute(tmp_path, [flow("198.18.0.1:4000", "198.18.0.2:25", "12:00")], held) == [
        ("in", "b", "attributed"), ("out", "a", "attributed")]


def test_a_relay_inside_the_subscribers_networks_is_no_line(tmp_path: Path) -> None:
    inside = SETTINGS.replace('"203.0.113.0/28"', '"198.18.255.0/28"')
    flows = [flow("198.18.255.1:4000", OUTSIDE, "12:00"), flow("198.18.0.1:4000", "198.18.255.1:25", "12:01")]
    assert attribute(tmp_path, flows, [lease("198.18.0.1", "a", "10:00")], inside) == [("out", "a", "attributed")]


def test_others_and_other_protocols_are_left_out(tmp_path: Path) -> None:
    flows = [flow("192.0.2.1:4000", "192.0.2.2:25", "12:00"), flow("198.18.0.1:4000", OUTSIDE, "12:01", protocol=17)]
    assert attribute(tmp_path, flows, []) == []


def test_between_two_mail_ports_the_source_is_the_client_and_nothing_is_answered(tmp_path: Path) -> None:
    assert attribute(tmp_path, [flow("192.0.2.25:25", "198.18.0.1:25", "12:00")], []) == []
    assert attribute(tmp_path / "out", [flow("198.18.0.1:25", "192.0.2.25:25", "12:00")], []) == [
        ("out", "198.18.0.1", "address")]


def test_overlapping_networks_make_no_second_row(tmp_path: Path) -> None:
    twice = SETTINGS.replace('["198.18.0.0/16",', '["198.18.0.0/16", "198.18.0.0/24",')
    assert len(attribute(tmp_path, [flow("198.18.0.1:4000", OUTSIDE, "12:00")], [], twice)) == 1
