"""simulate: two policies × observed traffic."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings

from op25b.api import OpenWorkspace
from op25b.impact import COUNTS, IMPACTS, simulate, simulation
from op25b.settings import Policy
from tests.pipelines.rows import SYN, both, flow, lease, load, new_workspace
from tests.policy.strategies import policies

CARRIER, PROVIDER, OTHER, RELAY = "198.51.100.1", "198.51.100.70", "192.0.2.25", "203.0.113.1"


def traffic(root: Path) -> OpenWorkspace:
    """a: provider, relay, carrier. b: the same provider, on a fixed-IP plan. c: unlisted, attempts only. d: 587."""
    made = new_workspace(root)
    lines = {"a": "198.18.0.1", "b": "198.18.0.2", "c": "198.18.0.3", "d": "198.18.0.4"}
    load(made, "flow", [
        *both(f"{lines['a']}:4000", f"{PROVIDER}:25", "12:00"), *both(f"{lines['a']}:4001", f"{RELAY}:25", "12:01"),
        flow(f"{lines['a']}:4002", f"{CARRIER}:25", "2007-06-03 12:02", flags=SYN),
        *both(f"{lines['b']}:4000", f"{PROVIDER}:25", "12:00"),
        flow(f"{lines['c']}:4000", f"{OTHER}:25", "12:00", flags=SYN),
        *both(f"{lines['d']}:4000", f"{PROVIDER}:587", "12:00"), *both("198.18.0.99:4000", f"{OTHER}:25", "12:00"),
    ])
    load(made, "lease_record", [lease(address, name, "08:00") for name, address in lines.items()])
    load(made, "subscriber_record", [{"subscriber": "a", "plan": "home"}, {"subscriber": "b", "plan": "IP8"},
                                     {"subscriber": "d", "plan": "home"}])
    made.build()
    return made


def test_who_loses_what(tmp_path: Path) -> None:
    found = traffic(tmp_path).simulate().sort("subscriber")
    columns = ["subscriber", "newly_blocked", "already_blocked", "loses_working_mail", "needs_notice", "remedy",
               "listed", "days_active", *[f"{name}_sessions" for name in IMPACTS]]
    assert found.select(columns).rows() == [
        ("a", True, True, True, True, "submission-587", True, 2, 1, 1, 0, 1),
        ("b", False, False, False, False, None, True, 1, 0, 0, 0, 1),
        ("c", True, False, False, False, "investigate", False, 1, 0, 1, 0, 0),
        ("d", False, False, False, False, None, True, 1, 0, 0, 0, 1),
    ]


def test_totals_state_their_denominators(tmp_path: Path) -> None:
    rows = {r["measure"]: (r["value"], r["denominator"]) for r in traffic(tmp_path).simulate(per="total").to_dicts()}
    assert rows["subscribers seen sending mail"] == (4, None)
    assert rows["subscribers newly blocked"] == (2, 4)
    assert rows["subscribers who lose mail that works today"] == (1, 4)
    assert rows["subscribers not in the subscriber list (no rule for a plan or node fits them)"] == (1, 4)
    assert rows["attributed to a subscriber"] == (10, 12)
    assert rows["unattributed (no lease)"] == (2, 12)


def test_a_scanner_is_told_and_its_connections_are_no_mail(tmp_path: Path) -> None:
    """It tries 200 addresses of one network; one answers, and nothing is sent there."""
    made = new_workspace(tmp_path)
    swept = [flow(f"198.18.0.1:{4000 + n}", f"192.0.2.{n}:25", f"12:0{n // 50}:{n % 50:02}", flags=SYN, packets=1,
                  bytes=48) for n in range(1, 200)]
    answered = [flow("198.18.0.1:4200", "192.0.2.200:25", "12:05", packets=4, bytes=172),
                flow("192.0.2.200:25", "198.18.0.1:4200", "12:05", packets=3, bytes=170)]
    load(made, "flow", [*swept, *answered])
    load(made, "lease_record", [lease("198.18.0.1", "a", "08:00")])
    load(made, "subscriber_record", [{"subscriber": "a", "plan": "home"}])
    made.build()
    columns = ["class", "newly_blocked_established", "needs_notice", "remedy"]
    assert made.simulate().select(columns).rows() == [("scanner", 1, True, "disinfect")]
    totals = {row["measure"]: (row["value"], row["low"]) for row in made.simulate(per="total").to_dicts()}
    assert totals["subscribers who need a notice"] == (1, 1)
    assert totals["legitimate connections broken (established ones of lines of other classes)"] == (0, 0)


def test_no_change_blocks_nothing_new(tmp_path: Path) -> None:
    same = traffic(tmp_path).simulate("proposed", "proposed")
    assert not same["newly_blocked"].any()
    assert same["released_sessions"].sum() == 0


def test_backwards_releases_what_forwards_blocks(tmp_path: Path) -> None:
    made = traffic(tmp_path)
    there, back = made.simulate().sort("subscriber"), made.simulate("proposed", "current").sort("subscriber")
    assert there["newly_blocked_sessions"].to_list() == back["released_sessions"].to_list()


def test_the_four_impacts_share_out_all_sessions(tmp_path: Path) -> None:
    made = traffic(tmp_path)
    expected = made.sql("SELECT sum(sessions), sum(flows), sum(established), sum(unknown) FROM sender_day "
                        "WHERE subscriber IS NOT NULL AND port IN (25, 465, 587)").row(0)
    chosen: dict[str, Policy] = {}

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(policies, policies)
    def check(before: Policy, after: Policy) -> None:
        chosen.update(before=before, after=after)
        found = simulate(made.workspace, "before", "after", traffic=True)
        assert found.traffic is not None
        for count, total in zip(COUNTS, expected, strict=True):
            parts = [pl.col(f"{name}_{count}") for name in IMPACTS]
            assert found.subscribers.select(pl.sum_horizontal(parts).sum()).item() == int(total)
            assert found.groups[count].sum() == found.traffic[count].sum() == int(total)

    original = simulation.policy
    simulation.policy = lambda _workspace, name: chosen[name]  # type: ignore[assignment]
    try:
        check()
    finally:
        simulation.policy = original
