"""pipelines/lease.sql: accounting records → intervals."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.pipelines.directly import derive
from tests.pipelines.rows import Row, at, load, local, new_workspace, record

IP = "198.18.0.1"


def leases(root: Path, records: list[Row], subscribers: list[Row] | None = None) -> list[tuple[str, str, str | None]]:
    opened = new_workspace(root)
    load(opened, "lease_record", records)
    if subscribers:
        load(opened, "subscriber_record", subscribers)
    opened.build()
    rows = opened.sql('SELECT subscriber, start, "end" FROM lease ORDER BY start, subscriber').rows()
    return [(who, local(start), None if end is None else local(end)) for who, start, end in rows]


START = record("start", "a", "10:00", IP, start="10:00")
INTERIM = record("interim", "a", "10:30", IP, start="10:00:02")
STOP = record("stop", "a", "11:00", IP, start="10:00:01", end="11:00")


@pytest.mark.parametrize(("records", "expected"), [
    pytest.param([START], [("a", "10:00:00", None)], id="open"),
    pytest.param([START, INTERIM, STOP], [("a", "10:00:00", "11:00:00")], id="whole"),
    pytest.param([STOP, START], [("a", "10:00:00", "11:00:00")], id="start record comes late"),
    pytest.param([START, START, STOP, STOP], [("a", "10:00:00", "11:00:00")], id="duplicates"),
    pytest.param([STOP], [("a", "10:00:01", "11:00:00")], id="stop without start: its session time tells"),
    pytest.param([record("stop", "a", "11:00", IP, end="11:00")], [("a", "11:00:00", "11:00:00")],
                 id="stop that tells no beginning: an empty lease, not a guess"),
    pytest.param([START, record("reset", None, "10:20", session=None)], [("a", "10:00:00", "10:20:00")], id="reset"),
    pytest.param([START, record("reset", None, "09:00", session=None)], [("a", "10:00:00", None)],
                 id="reset before the session"),
    pytest.param([START, record("reset", None, "10:20", session=None, access_server="nas2")],
                 [("a", "10:00:00", None)], id="reset of another access server"),
    pytest.param([START, record("reset", None, "10:20", session=None), INTERIM], [("a", "10:00:00", None)],
                 id="a record after the reset shows the session alive"),
    pytest.param([START, record("reset", None, "11:30", session=None), STOP], [("a", "10:00:00", "11:00:00")],
                 id="the stop says more than the reset"),
    pytest.param(
        [START, record("reset", None, "10:20", session=None), record("start", "a", "12:00", IP, start="12:00"),
         record("stop", "a", "13:00", IP, start="12:00:03", end="13:00")],
        [("a", "10:00:00", "10:20:00"), ("a", "12:00:00", "13:00:00")], id="identifier used again after a reboot"),
    pytest.param(
        [START, record("reset", None, "10:01", session=None),
         record("start", "a", "10:02", "198.18.0.2", start="10:02"),
         record("stop", "a", "11:00", "198.18.0.2", start="10:02:01", end="11:00")],
        [("a", "10:00:00", "10:01:00"), ("a", "10:02:00", "11:00:00")], id="identifier used at once after a reboot"),
    pytest.param(
        [START, record("reset", None, "10:01", session=None), record("reset", None, "10:01:30", session=None), STOP],
        [("a", "10:00:00", "11:00:00")], id="a reset that the session survived"),
    pytest.param([START, record("start", "b", "12:00", IP, start="12:00")],
                 [("a", "10:00:00", "12:00:00"), ("b", "12:00:00", None)],
                 id="identifier used again: the session before is over, though no record says so"),
    pytest.param([START, record("start", "b", "12:00", IP, start="12:00", session="S2")],
                 [("a", "10:00:00", None), ("b", "12:00:00", None)], id="stop lost: both stay, to be ambiguous"),
    pytest.param([START, record("stop", "b", "13:00", IP, start="12:00", end="13:00", session="S2"),
                  record("start", "c", "14:00", IP, start="14:00", session="S3")],
                 [("a", "10:00:00", "13:00:00"), ("b", "12:00:00", "13:00:00"), ("c", "14:00:00", None)],
                 id="stop lost: over when the next session with the address is"),
    pytest.param([START, record("stop", "b", "10:25", IP, start="10:20", end="10:25", session="S2"), INTERIM,
                  record("stop", "c", "13:00", IP, start="12:00", end="13:00", session="S3")],
                 [("a", "10:00:00", "13:00:00"), ("b", "10:20:00", "10:25:00"), ("c", "12:00:00", "13:00:00")],
                 id="stop lost: a session before its last record does not end it"),
    pytest.param(
        [START, record("stop", "b", "13:00", IP, start="12:00", end="13:00", session="S2", access_server="nas2")],
        [("a", "10:00:00", None), ("b", "12:00:00", "13:00:00")], id="stop lost: a session of another access server"),
    pytest.param([START, record("stop", "b", "13:00", "198.18.0.0/31", start="12:00", end="13:00", session="S2")],
                 [("a", "10:00:00", None), ("b", "12:00:00", "13:00:00")], id="stop lost: a prefix with the address"),
    pytest.param([START, STOP, record("interim", "a", "10:40", IP)], [("a", "10:00:00", "11:00:00")],
                 id="interim without a session time"),
    pytest.param(
        [record("stop", "a", "11:00", IP, start="10:00", end="11:00", session=None),
         record("stop", "a", "16:00", "198.18.0.2", start="15:00", end="16:00", session=None)],
        [("a", "10:00:00", "11:00:00"), ("a", "15:00:00", "16:00:00")],
        id="no identifiers: two leases of a line stay two"),
])
def test_session(tmp_path: Path, records: list[Row], expected: list[tuple[str, str, str | None]]) -> None:
    assert leases(tmp_path, records) == expected


@pytest.mark.parametrize(("subscribers", "expected"), [
    pytest.param([{"subscriber": "line-1", "radius_user": "a"}], "line-1", id="another name"),
    pytest.param([{"subscriber": "a"}], "a", id="the same name"),
    pytest.param([{"subscriber": "line-1", "radius_user": "a"}, {"subscriber": "line-2", "radius_user": "a"}], "a",
                 id="two lines claim the name: it stays"),
    pytest.param([{"subscriber": "line-1", "radius_user": "a"}, {"subscriber": "line-1", "radius_user": "b"}], "line-1",
                 id="a line with two names"),
    pytest.param([{"subscriber": "line-1", "radius_user": "a", "plan": "x"},
                  {"subscriber": "line-1", "radius_user": "a", "plan": "y"}], "line-1", id="listed twice"),
])
def test_name(tmp_path: Path, subscribers: list[Row], expected: str) -> None:
    assert leases(tmp_path, [START], subscribers) == [(expected, "10:00:00", None)]


def test_a_name_that_moved_follows_the_later_list(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path)
    load(opened, "lease_record", [START])
    load(opened, "subscriber_record", [{"subscriber": "line-1", "radius_user": "a"}], read_at="2007-06-03 00:00:00")
    load(opened, "subscriber_record", [{"subscriber": "line-2", "radius_user": "a"}], read_at="2007-06-04 00:00:00")
    opened.build()
    assert opened.sql("SELECT subscriber FROM lease")["subscriber"].to_list() == ["line-2"]


def test_dual_stack_and_prefix_are_a_row_each(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path)
    load(opened, "lease_record", [START, record("interim", "a", "10:05", "2001:db8:100:100::/56", start="10:00"), STOP])
    opened.build()
    found = opened.sql('SELECT ip_first, ip_last, start, "end" FROM lease ORDER BY ip_first').rows()
    assert [(first[-8:], last[-18:], local(start), local(end)) for first, last, start, end in found] == [
        ("c6120001", "000000ffffc6120001", "10:00:00", "11:00:00"),
        ("00000000", "ffffffffffffffffff", "10:00:00", "11:00:00"),
    ]


@pytest.mark.parametrize("kind", ["static", "map-e"])
@pytest.mark.parametrize("stop", [None, "11:00"])
def test_an_undated_assignment_has_always_been_there(kind: str, stop: str | None) -> None:
    row = record("stop" if stop else "start", "a", "11:00", IP, end=stop) | {"kind": kind, "access_server": None}
    undated = row | {"at": None if stop is None else row["at"], "source": "x"}
    assert derive([undated], [], 'SELECT subscriber, start, "end" FROM lease') == [
        ("a", datetime(1970, 1, 1), None if stop is None else at(stop))]


def dhcp(event: str, who: str, at: str, *, start: str | None, end: str | None, session: str | None) -> Row:
    return {**record(event, who, at, IP, start=start, end=end, session=session), "kind": "dhcp", "access_server": None}


@pytest.mark.parametrize(("records", "expected"), [
    pytest.param([dhcp("interim", "a", "10:00", start="10:00", end="12:00", session="S1"),
                  dhcp("interim", "a", "11:00", start="10:00", end="13:00", session="S1")],
                 [("a", "10:00:00", "13:00:00")], id="renewed: until the last expiry"),
    pytest.param([dhcp("interim", "a", "10:00", start="10:00", end="12:00", session="S1"),
                  dhcp("stop", "a", "10:30", start="10:00", end="10:30", session="S1")],
                 [("a", "10:00:00", "10:30:00")], id="released before it would expire"),
    pytest.param([dhcp("interim", "a", "10:00", start="10:00", end="12:00", session="S1"),
                  dhcp("interim", "b", "11:00", start="11:00", end="13:00", session="S2")],
                 [("a", "10:00:00", "11:00:00"), ("b", "11:00:00", "13:00:00")], id="given to somebody else"),
    pytest.param([dhcp("start", "a", "10:00", start="10:00", end=None, session="S1"),
                  dhcp("stop", "a", "10:40", start=None, end="10:40", session=None)],
                 [("a", "10:00:00", "10:40:00")], id="released by a record of another file that names no lease"),
])
def test_leases_that_expire(tmp_path: Path, records: list[Row], expected: list[tuple[str, str, str]]) -> None:
    assert leases(tmp_path, records) == expected
