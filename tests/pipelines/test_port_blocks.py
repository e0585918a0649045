"""pipelines/lease.sql: port blocks of a translator whose log names a line by its private address alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from op25b.engine.build import build
from op25b.pseudonyms import Pseudonyms
from op25b.readers.base import ip_key
from tests.pipelines.directly import derive
from tests.pipelines.rows import DAY, Row, flow, lease, load, local, new_workspace, record

INSIDE, OTHER = "100.64.3.7", "100.64.3.8"
Interval = tuple[str, str, str | None]


def block(start: str, stop: str | None, inside: str = INSIDE, ports: tuple[int, int] = (1024, 1151)) -> Row:
    """A port block of 198.18.0.1; the log's name of the line is its private address."""
    made = lease("198.18.0.1", inside, start, stop, ports)
    return made | {"kind": "cgnat", "access_server": "cgn1", "inner_key": ip_key(inside), "session": f"{ports} {start}"}


def shared(records: list[Row], subscribers: list[Row] | None = None) -> list[Interval]:
    """Who holds the public address, in order."""
    found = derive(records, subscribers or [], f"""
        SELECT subscriber, start, "end" FROM lease WHERE ip_first = '{ip_key("198.18.0.1")}' ORDER BY start, subscriber
    """)
    return [(who, local(start), None if end is None else local(end)) for who, start, end in found]


BLOCK = block("10:00", "12:00")


@pytest.mark.parametrize(("records", "expected"), [
    pytest.param([lease(INSIDE, "a", "09:00", "13:00")], [("a", "10:00:00", "12:00:00")], id="one holder throughout"),
    pytest.param([lease(INSIDE, "a", "09:00")], [("a", "10:00:00", "12:00:00")], id="an open lease"),
    pytest.param([lease(INSIDE, "a", "09:00", "11:00"), lease(INSIDE, "b", "11:00")],
                 [("a", "10:00:00", "11:00:00"), ("b", "11:00:00", "12:00:00")], id="the address changes hands"),
    pytest.param([lease(INSIDE, "a", "09:00", "10:30"), lease(INSIDE, "b", "11:00", "11:30")],
                 [("a", "10:00:00", "10:30:00"), ("b", "11:00:00", "11:30:00")], id="nobody known to hold it between"),
    pytest.param([lease(INSIDE, "a", "12:00"), lease(INSIDE, "b", "08:00", "10:00")], [],
                 id="leases that only touch the block"),
    pytest.param([lease(INSIDE, "a", "09:00"), lease(INSIDE, "b", "11:00")],
                 [("a", "10:00:00", "12:00:00"), ("b", "11:00:00", "12:00:00")],
                 id="two holders at once: both, so that it is ambiguous"),
    pytest.param([lease(OTHER, "a", "09:00")], [(INSIDE, "10:00:00", "12:00:00")],
                 id="no lease of any inside address: it stands for the line"),
    pytest.param([lease(OTHER, "a", "09:00"), block("10:00", "11:00", OTHER, (2048, 2175))],
                 [("a", "10:00:00", "11:00:00")], id="leases of some inside addresses: the others are nobody's"),
    pytest.param([lease("100.64.0.0/10", "a", "09:00")], [("a", "10:00:00", "12:00:00")], id="a wide prefix"),
    pytest.param([lease("100.64.3.0/24", "a", "09:00") | {"kind": "static"}], [("a", "10:00:00", "12:00:00")],
                 id="a static assignment"),
    pytest.param([lease(INSIDE, "a", "09:00", ports=(0, 1023))], [(INSIDE, "10:00:00", "12:00:00")],
                 id="a part of an address is no holder of it"),
])
def test_the_holder_of_the_private_address(records: list[Row], expected: list[Interval]) -> None:
    assert shared([BLOCK, *records]) == expected


def test_an_open_block_is_open_in_its_last_part_alone() -> None:
    leases = [lease(INSIDE, "a", "09:00", "11:00"), lease(INSIDE, "b", "11:00")]
    assert shared([block("10:00", None), *leases]) == [("a", "10:00:00", "11:00:00"), ("b", "11:00:00", None)]


def test_ds_lite_the_tunnels_end_lies_in_a_delegated_prefix() -> None:
    records = [block("10:00", "12:00", "2001:db8:100:1ff::7"), lease("2001:db8:100:100::/56", "a", "09:00"),
               lease("2001:db8:100:200::/56", "b", "09:00")]
    assert shared(records) == [("a", "10:00:00", "12:00:00")]


def test_a_log_that_names_the_subscriber_needs_no_lease() -> None:
    named = BLOCK | {"subscriber": "a", "inner_key": None}
    assert shared([named, lease(INSIDE, "b", "09:00")]) == [("a", "10:00:00", "12:00:00")]


def test_the_subscriber_list_may_name_the_line_and_the_inside_address() -> None:
    held = lease(INSIDE, "u1@isp.example", "09:00")
    assert shared([BLOCK, held], [{"subscriber": "line-1", "radius_user": "u1@isp.example"}]) == [
        ("line-1", "10:00:00", "12:00:00")]
    assert shared([BLOCK, held], [{"subscriber": "line-2", "radius_user": INSIDE}]) == [
        ("line-2", "10:00:00", "12:00:00")]


def test_a_late_accounting_record_changes_the_day_it_touches(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path)
    load(opened, "flow", [flow("198.18.0.1:1100", "192.0.2.25:25", when) for when in (
        "2007-06-01 10:30", "10:30", "11:30", "2007-06-03 10:30")])

    def lines(records: list[Row], read_at: str) -> tuple[list[str], list[object]]:
        load(opened, "lease_record", records, read_at=read_at)
        days = [built.days for built in build(opened.workspace) if built.table == "connection"]
        flows = opened.sql("SELECT coalesce(subscriber, attribution) FROM attributed_flow ORDER BY first_seen")
        return flows.to_series().to_list(), days

    records = [block("2007-06-01 10:00", None), lease(INSIDE, "a", "2007-06-01 09:00", "11:00")]
    assert lines(records, "2007-06-09 00:00:00")[0] == ["a", "a", "unattributed", "unattributed"]
    late = [record("stop", "b", "12:00", INSIDE, start="11:00", end="12:00", session="S2")]
    assert lines(late, "2007-06-10 00:00:00") == (["a", "a", "b", "unattributed"], [[DAY]])


INPUTS = """
[[inputs.leases]]
path = "nat.csv"
[[inputs.leases]]
path = "detail"
[[inputs.subscribers]]
path = "lines.csv"
"""


def test_from_the_logs_on(workspace: Callable[[str], OpenWorkspace], tmp_path: Path) -> None:
    (tmp_path / "nat.csv").write_text(
        "observationTimeMilliseconds,natEvent,sourceIPv4Address,postNATSourceIPv4Address,portRangeStart,portRangeEnd\n"
        "1180749600000,16,100.64.3.7,198.18.0.1,1024,1151\n")  # 2 June 2007, 11:00
    (tmp_path / "detail").write_text(
        "Sat Jun  2 10:00:00 2007\n\tAcct-Status-Type = Start\n\tUser-Name = \"u1@isp.example\"\n"
        "\tAcct-Session-Id = \"ge-1/0/0:u1\"\n\tNAS-IP-Address = 203.0.113.20\n\tFramed-IP-Address = 100.64.3.7\n\n")
    (tmp_path / "lines.csv").write_text("subscriber;radius_user\nME1;u1@isp.example\n")
    opened = workspace(INPUTS)
    assert set(opened.ingest()["rows_rejected"]) == {0}
    load(opened, "flow", [flow("198.18.0.1:1100", "192.0.2.25:25", when) for when in ("10:30", "11:30")])
    opened.build()
    names = Pseudonyms.load(tmp_path / "op25b.key")
    assert opened.sql("SELECT subscriber, attribution FROM attributed_flow ORDER BY first_seen").rows() == [
        (None, "unattributed"), (names.of("ME1"), "attributed")]
    # A session's name may hold the line's port or address: it is kept as a pseudonym.
    assert set(opened.sql("SELECT session FROM lease_record WHERE kind = 'radius'")["session"]) == {
        names.of("ge-1/0/0:u1")}
