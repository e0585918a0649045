"""op25b.coverage: flows by day and access node, and what would change if the clock of the leases stood otherwise."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from op25b.api import OpenWorkspace
from op25b.cli import app
from op25b.coverage import both, coverage
from op25b.errors import UnknownNameError
from tests.pipelines.rows import DAY, Row, flow, lease, load, new_workspace
from tests.pipelines.rows import both as both_ways

OUTSIDE, RELAY = "192.0.2.25:25", "203.0.113.1:25"
COUNTED = ["flows", "attributed", "unattributed", "ambiguous"]
CHANGED = ["became_unattributed", "became_ambiguous", "another_line", "became_attributed"]


def made(root: Path, flows: list[Row], leases: list[Row], lines: dict[str, str | None] | None = None) -> OpenWorkspace:
    """A built workspace; `lines`: subscriber → access node."""
    opened = new_workspace(root)
    load(opened, "flow", flows)
    if leases:
        load(opened, "lease_record", leases)
    if lines:
        load(opened, "subscriber_record", [{"subscriber": name, "access_node": node} for name, node in lines.items()])
    opened.build()
    return opened


def by_clock(opened: OpenWorkspace, columns: list[str], shift: int = 60) -> dict[int, tuple[int, ...]]:
    frame = coverage(opened.workspace, "total", shift)
    return {row[0]: row[1:] for row in frame.select("lease_clock", *columns).rows()}


HANDED_OVER = [lease("198.18.0.1", "a", "10:00", "12:00"), lease("198.18.0.1", "b", "12:00")]
GAP = [lease("198.18.0.1", "a", "10:00", "12:00"), lease("198.18.0.1", "b", "12:02")]
BLOCKS = [lease("198.18.0.1", "a", "10:00", "12:00", ports=(1000, 1999)),
          lease("198.18.0.1", "b", "10:00", ports=(2000, 2999)), lease("198.18.0.1", "c", "12:00", ports=(1000, 1999))]
PREFIX = [lease("2001:db8:100:100::/56", "a", "10:00", "12:00"), lease("2001:db8:100:100::/56", "b", "12:00")]
OVERLAP = [lease("198.18.0.1", "a", "2007-06-01 10:00:00"), lease("198.18.0.1", "b", "12:00")]
STATIC = [lease("198.18.0.1", "a", "2007-01-01 00:00:00", kind="static")]
AGAIN = [lease("198.18.0.1", "a", "10:00", "11:00"), lease("198.18.0.1", "a", "11:00")]
SAME = (0, 0, 0, 0)
# What it is; leases; port and moment of a flow; the leases 60 s earlier and later: became_unattributed,
# became_ambiguous, another_line, became_attributed.
CASES = [
    ("just before a hand-over", HANDED_OVER, 4000, "11:59:30", (0, 0, 1, 0), SAME),
    ("a minute before: b begins then", HANDED_OVER, 4000, "11:59:00", (0, 0, 1, 0), SAME),
    ("more than a minute before", HANDED_OVER, 4000, "11:58:59", SAME, SAME),
    ("at the hand-over", HANDED_OVER, 4000, "12:00:00", SAME, (0, 0, 1, 0)),
    ("59 s after a hand-over", HANDED_OVER, 4000, "12:00:59", SAME, (0, 0, 1, 0)),
    ("a minute after: b holds it still", HANDED_OVER, 4000, "12:01:00", SAME, SAME),
    ("just after the first lease", HANDED_OVER, 4000, "10:00:30", SAME, (1, 0, 0, 0)),
    ("just before the first lease", HANDED_OVER, 4000, "09:59:30", (0, 0, 0, 1), SAME),
    ("a gap: a's lease later", GAP, 4000, "12:00:30", SAME, (0, 0, 0, 1)),
    ("a gap: b's lease earlier", GAP, 4000, "12:01:00", (0, 0, 0, 1), SAME),
    ("port block that changes hands", BLOCKS, 1500, "12:00:10", SAME, (0, 0, 1, 0)),
    ("another block of that address", BLOCKS, 2500, "12:00:10", SAME, SAME),
    ("port of no block", BLOCKS, 3500, "12:00:10", SAME, SAME),
    ("IPv6 prefix", PREFIX, 4000, "12:00:10", SAME, (0, 0, 1, 0)),
    ("an overlap comes nearer", OVERLAP, 4000, "11:59:30", (0, 1, 0, 0), SAME),
    ("an overlap moves away", OVERLAP, 4000, "12:00:30", SAME, (0, 0, 0, 1)),
    ("static", STATIC, 4000, "00:00:10", SAME, SAME),
    ("the same line again", AGAIN, 4000, "11:00:10", SAME, SAME),
]


def elsewhere(row: Row, number: int) -> Row:
    """A row of the case of that number: so many days later, a lease of 198.18.NUMBER.1 or in 2001:db8:1NUMBER::/48."""
    for name in row.keys() & {"day", "first_seen", "last_seen", "start", "end", "at"}:
        row = row | {name: row[name] + timedelta(days=number) if row[name] else None}
    for name in row.keys() & {"ip_first", "ip_last"}:
        key = row[name]
        row = row | {name: f"{key[:28]}{number:02x}{key[30:]}" if key.startswith("0") else
                     f"{key[:10]}{number:02x}{key[12:]}"}
    return row


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[date, tuple[int, ...]]]:
    """What would change by clock and day, a case a day."""
    flows, leases = [], []
    for number, (what, held, port, when, *_) in enumerate(CASES):
        line, server = ((f"2001:db8:1{number:02x}:1ff::9#", "2001:db8:ffff::25#25") if held is PREFIX else
                        (f"198.18.{number}.1:", OUTSIDE))
        flows.append(elsewhere(flow(f"{line}{port}", server, when), number))
        leases += [elsewhere(row | {"session": f"{what} {row['session']}"}, number) for row in held]
    frame = coverage(made(tmp_path_factory.mktemp("cases"), flows, leases).workspace, "day")
    assert frame["flows"].unique().to_list() == [1]
    assert frame.select(pl.sum_horizontal(COUNTED[1:])).to_series().unique().to_list() == [1]
    return {clock: {day: tuple(changes) for day, *changes in frame.filter(lease_clock=clock).select(
        "day", *CHANGED).rows()} for clock in (-60, 0, 60)}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[what for what, *_ in CASES])
def test_one_flow_while_the_leases_move(cases: dict[int, dict[date, tuple[int, ...]]], number: int) -> None:
    *_, earlier, later = CASES[number]
    day = DAY + timedelta(days=number)
    assert {clock: days[day] for clock, days in cases.items()} == {-60: earlier, 0: SAME, 60: later}


def test_by_day_and_node_with_the_unknown_on_rows_of_their_own(tmp_path: Path) -> None:
    """a is on node-1, b on node-2, c not in the list; .4 is nobody's now, but nas9's whenever it is held."""
    flows = [
        *both_ways("198.18.0.1:4000", RELAY, "09:00"), flow("198.18.0.1:4001", OUTSIDE, "2007-06-03 09:00:00"),
        flow("198.18.0.2:4000", OUTSIDE, "09:00"), flow("198.18.0.3:4000", OUTSIDE, "09:00"),
        flow("198.18.0.4:4000", OUTSIDE, "09:00"), flow("198.18.0.5:4000", OUTSIDE, "09:00"),
        flow("198.18.0.6:4000", OUTSIDE, "09:00"),
    ]
    leases = [
        lease("198.18.0.1", "a", "2007-06-01 00:00:00"), lease("198.18.0.2", "b", "2007-06-01 00:00:00"),
        lease("198.18.0.3", "c", "2007-06-01 00:00:00", access_server="nas9"),
        lease("198.18.0.4", "d", "10:00", access_server="nas9"),
        lease("198.18.0.5", "a", "2007-06-01 00:00:00", access_server="nas1"),
        lease("198.18.0.5", "b", "2007-06-01 00:00:00", access_server="nas2"),
    ]
    opened = made(tmp_path, flows, leases, {"a": "node-1", "b": "node-2"})
    columns = ["access_node", "access_server", *COUNTED, "share"]
    first, second = date(2007, 6, 2), date(2007, 6, 3)
    expected = [
        (first, "node-1", None, 2, 2, 0, 0, 1.0),
        (first, "node-2", None, 1, 1, 0, 0, 1.0),
        (first, None, "nas9", 2, 1, 1, 0, 0.5),  # c, whose node is not known, and the flow of nobody
        (first, None, None, 2, 0, 1, 1, 0.0),  # never leased; two holders by two servers
        (second, "node-1", None, 1, 1, 0, 0, 1.0),
    ]
    found = coverage(opened.workspace, "day-node", 0)
    assert found.select("day", *columns).rows() == expected
    by_node = coverage(opened.workspace, "node", 0).select(columns).rows()
    assert by_node == [("node-1", None, 3, 3, 0, 0, 1.0), *(row[1:] for row in expected[1:4])]
    by_day = coverage(opened.workspace, "day", 0).select("day", *COUNTED).rows()
    assert by_day == [(first, 7, 4, 2, 1), (second, 1, 1, 0, 0)]
    one = coverage(opened.workspace, "day-node", 0, since=second, until=second)
    assert one.select("day", *columns).rows() == expected[4:]


def test_the_total_is_that_of_the_report(tmp_path: Path) -> None:
    from op25b.impact import coverage as stated

    flows = [*both_ways("198.18.0.1:4000", RELAY, "09:00"), flow("198.18.0.1:4000", "198.18.0.2:25", "11:00")]
    opened = made(tmp_path, flows, [lease("198.18.0.1", "a", "10:00")])
    ((flows_seen, attributed, unattributed, ambiguous),) = coverage(opened.workspace, "total", 0).select(COUNTED).rows()
    said = dict(stated(opened.workspace).select("measure", "value").iter_rows())
    # The flow between two lines is one of each.
    assert (flows_seen, attributed, unattributed, ambiguous) == (4, 1, 3, 0)
    assert [said[name] for name in said if name.startswith(("flow records of", "attributed", "unattr", "ambig"))] == [
        4, 1, 3, 0]


def test_without_leases_nothing_moves(tmp_path: Path) -> None:
    opened = made(tmp_path, [flow("198.18.0.1:4000", OUTSIDE, "09:00")], [])
    assert by_clock(opened, [*COUNTED, "by_address", *CHANGED]) == dict.fromkeys(
        (-60, 0, 60), (1, 0, 0, 0, 1, 0, 0, 0, 0))


def test_without_flows_there_is_nothing(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path)
    opened.build()
    assert by_clock(opened, COUNTED) == {0: (0, 0, 0, 0)}
    assert coverage(opened.workspace, "day-node").height == 0


def test_which_findings_would_change(tmp_path: Path) -> None:
    """a's only external connection is 30 s before the hand-over to c; b has one beside another that stays; the own
    relay makes no finding; d stays as it is."""
    leases = [
        lease("198.18.0.1", "a", "10:00", "12:00"), lease("198.18.0.1", "c", "12:00"),
        lease("198.18.0.2", "b", "10:00", "12:00"), lease("198.18.0.3", "d", "10:00"),
        lease("198.18.0.4", "e", "10:00", "12:00"), lease("198.18.0.4", "f", "12:00"),
    ]
    flows = [flow("198.18.0.1:4000", OUTSIDE, "11:59:30"), flow("198.18.0.2:4000", OUTSIDE, "11:59:30"),
             flow("198.18.0.2:4001", OUTSIDE, "11:00"), flow("198.18.0.3:4000", OUTSIDE, "12:00"),
             flow("198.18.0.4:4000", RELAY, "11:59:30")]
    opened = made(tmp_path, flows, leases)
    assert sorted(opened.findings()["subscriber"]) == ["a", "b", "d"]
    columns = ["lease_clock", "listed", "disappear", "appear", "other_evidence", "other_share"]
    found = coverage(opened.workspace, "finding")
    assert found.columns == columns
    assert found.rows() == [(-60, 3, 1, 1, 1, 2 / 3), (60, 3, 0, 0, 0, 0.0)]
    day_rows, same = both(opened.workspace, "day")
    assert same.equals(found)
    assert day_rows.equals(coverage(opened.workspace, "day"))


minutes = st.integers(0, 20)
ports = st.sampled_from([(0, 65535), (1000, 1999), (1500, 2499)])
held = st.tuples(st.sampled_from(["198.18.0.1", "198.18.0.2", "2001:db8:100:100::/56"]), st.sampled_from("abc"),
                 minutes, st.one_of(st.none(), minutes), ports).filter(lambda v: v[3] is None or v[3] >= v[2])
sent = st.tuples(st.sampled_from(["198.18.0.1", "198.18.0.2", "2001:db8:100:1ff::1"]),
                 st.sampled_from([1000, 1600, 3000]), st.integers(0, 20 * 60))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(held, min_size=1, max_size=8), st.lists(sent, min_size=1, max_size=12), st.sampled_from([30, 60, 400]))
def test_moving_clocks_is_building_with_moved_leases(
    tmp_path_factory: pytest.TempPathFactory, leases: list[tuple[str, str, int, int | None, tuple[int, int]]],
    flows: list[tuple[str, int, int]], shift: int,
) -> None:
    """Counts and findings are those of a lake whose lease log was stamped by the other clock."""
    def clock(second: int) -> str:
        return f"{10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"

    rows = [flow(f"{address}#{port}" if ":" in address else f"{address}:{port}",
                 "2001:db8:ffff::25#25" if ":" in address else OUTSIDE, clock(3600 + second), packets=number + 1)
            for number, (address, port, second) in enumerate(flows)]

    def lake(seconds: int) -> OpenWorkspace:
        moved = [lease(network, who, clock(3600 + 60 * start + seconds),
                       None if end is None else clock(3600 + 60 * end + seconds), of)
                 | {"session": f"{network} {who} {start} {end} {of}"} for network, who, start, end, of in leases]
        return made(tmp_path_factory.mktemp("lake"), rows, moved)

    found = by_clock(first := lake(0), COUNTED, shift)
    listed = {clock: counts for clock, *counts in coverage(first.workspace, "finding", shift).select(
        "lease_clock", "listed", "disappear", "appear").rows()}
    before = set(first.findings()["subscriber"])
    for seconds in (-shift, shift):
        other = lake(seconds)
        assert found[seconds] == by_clock(other, COUNTED, 0)[0]
        after = set(other.findings()["subscriber"])
        assert listed[seconds] == [len(before), len(before - after), len(after - before)]


def run(root: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["-w", str(root), "coverage", *words])
    return done.exit_code, done.stdout


def test_the_command(tmp_path: Path) -> None:
    made(tmp_path, [flow("198.18.0.1:4000", OUTSIDE, "11:59:30"), flow("198.18.0.9:4000", OUTSIDE, "11:00")],
         HANDED_OVER, {"a": "node-1"})
    status, out = run(tmp_path, "--per", "node", "--format", "json")
    rows = json.loads(out)
    assert status == 0
    assert [(row["access_node"], row["lease_clock"], row["flows"], row["attributed"], row["another_line"])
            for row in rows] == [("node-1", -60, 1, 1, 1), ("node-1", 0, 1, 1, 0), ("node-1", 60, 1, 1, 0),
                                 (None, -60, 1, 0, 0), (None, 0, 1, 0, 0), (None, 60, 1, 0, 0)]
    status, out = run(tmp_path, "--per", "day")
    assert status == 0
    assert "2007-06-02" in out
    assert "50.0 %" in out
    status, out = run(tmp_path, "--per", "total", "--shift", "0", "--format", "csv")
    assert (status, len(out.splitlines())) == (0, 2)
    assert run(tmp_path, "--per", "week")[0] != 0
    assert run(tmp_path, "--shift", "-5")[0] == 2


def test_the_api(tmp_path: Path) -> None:
    opened = made(tmp_path, [flow("198.18.0.1:4000", OUTSIDE, "11:59:30")], HANDED_OVER)
    assert opened.coverage("day").equals(coverage(opened.workspace, "day"))
    assert isinstance(opened.coverage(), pl.DataFrame)
    with pytest.raises(UnknownNameError, match="week"):
        opened.coverage("week")  # type: ignore[arg-type]
