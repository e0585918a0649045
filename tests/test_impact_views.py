"""What simulate shows of one small ISP: windows, groups, examples, the relay's load, scenarios, notices, evidence."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from op25b import impact
from op25b.api import OpenWorkspace, open_workspace
from op25b.errors import LakeError, SettingsError, UnknownNameError
from op25b.impact import COUNTS, IMPACTS
from op25b.impact.legitimacy import Limits, evidence
from op25b.lake import Lake
from tests.pipelines.rows import SYN, both, event, flow, lease, load, new_workspace
from tests.test_cli import op25b

CARRIER, PROVIDER, OTHER, RELAY = "198.51.100.1", "198.51.100.70", "192.0.2.25", "203.0.113.1"
EXTRA = """
[policy.no-exemption]
rules = [{ name = "own", action = "allow", destination = "own-relay" }, { name = "rest", action = "block" }]
[policy.pool]
rules = [
  { name = "own", action = "allow", destination = "own-relay" },
  { name = "mobile", action = "block", destination = "mobile-carrier" },
  { name = "fixed", action = "allow", plans = ["IP1", "IP8", "IP16"] },
  { name = "pool", action = "block", source = "198.18.0.0/16" },
]
"""
A, B, C, D = "198.18.0.1", "198.18.0.2", "198.18.0.3", "198.18.0.4"


@pytest.fixture(scope="module")
def isp(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    """On 31 May, 1 June and 2 June: a at the provider on all days, b (IP8) once, c attempts only, d at the relay.

    The relay's log has two messages of d for its one connection. Also a name and a node that a spreadsheet would take
    for formulas.
    """
    root = tmp_path_factory.mktemp("isp")
    new_workspace(root)
    path = root / "op25b.toml"
    path.write_text(path.read_text(encoding="utf-8") + EXTRA, encoding="utf-8")
    made = open_workspace(root)
    days = ["2007-05-31", "2007-06-01", "2007-06-02"]
    load(made, "flow", [
        *(row for n, day in enumerate(days) for row in both(f"{A}:400{n}", f"{PROVIDER}:25", f"{day} 10:00")),
        flow(f"{A}:4009", f"{CARRIER}:25", "2007-06-02 10:05", flags=SYN),
        *both(f"{B}:4000", f"{PROVIDER}:25", "2007-06-01 10:00"),
        flow(f"{C}:4000", f"{OTHER}:25", "2007-06-02 11:00", flags=SYN),
        *both(f"{D}:4000", f"{RELAY}:25", "2007-06-02 10:00"),
    ])
    load(made, "lease_record", [lease(address, name, "2007-05-30 08:00")
                                for address, name in ((A, "a"), (B, "b"), (C, "c"), (D, "d"))])
    load(made, "subscriber_record", [
        {"subscriber": "a", "plan": "home", "access_node": "=n1", "area": "west", "notice_channel": "@post",
         "language": "en", "fixed_ip": False},
        {"subscriber": "b", "plan": "IP8", "access_node": "n2", "area": "west", "fixed_ip": True},
        {"subscriber": "d", "plan": "home", "access_node": "n2", "area": "east", "fixed_ip": False},
        {"subscriber": "e", "plan": "home", "access_node": "n2", "area": "east", "fixed_ip": False},
    ])
    load(made, "mail_event", [event("accepted", f"2007-06-02 10:0{n}", f"Q{n}", client_ip=D, listener_port=25,
                                    size_bytes=900) for n in range(2)])
    made.build()
    return made


def rows(frame: pl.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return frame.sort("subscriber").select("subscriber", *columns).rows()


def test_days_and_rates_per_day(isp: OpenWorkspace) -> None:
    """Over three days: a lost a connection on each; the log has messages of d only."""
    found = isp.simulate()
    assert rows(found, "newly_blocked_days", "days_active", "newly_blocked_sessions_per_day", "relay_messages") == [
        ("a", 3, 3, 1.0, 0), ("b", 0, 1, 0.0, 0), ("c", 1, 1, pytest.approx(1 / 3), 0), ("d", 0, 1, 0.0, 2)]
    assert rows(found.filter("newly_blocked"), "newly_blocked_messages_per_day") == [("a", 2.0), ("c", 0.0)]
    assert rows(found.filter("newly_blocked"), "remedy", "difficulty", "provider", "submission") == [
        ("a", "submission-587", 1, "Provider", "587"), ("c", "investigate", None, None, None)]


@pytest.mark.parametrize(("since", "until", "expected"), [
    (None, date(2007, 5, 31), [("a", 1, 0)]),
    (date(2007, 6, 1), date(2007, 6, 1), [("a", 1, 0), ("b", 0, 1)]),
    (date(2007, 6, 2), None, [("a", 1, 0), ("c", 1, 0), ("d", 0, 1)]),
    (date(2007, 6, 1), None, [("a", 2, 0), ("b", 0, 1), ("c", 1, 0), ("d", 0, 1)]),
])
def test_windows(isp: OpenWorkspace, since: date | None, until: date | None, expected: list[object]) -> None:
    found = isp.simulate(since=since, until=until)
    assert rows(found, "newly_blocked_sessions", "untouched_sessions") == expected


def test_a_window_of_nothing_is_an_error(isp: OpenWorkspace) -> None:
    with pytest.raises(LakeError, match="the lake has days from 2007-05-31 to 2007-06-02"):
        isp.simulate(since=date(2008, 1, 1))
    with pytest.raises(SettingsError, match="swap them"):
        isp.simulate(since=date(2007, 6, 2), until=date(2007, 6, 1))


def test_months_days_and_connections_give_the_same(isp: OpenWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pool` names all lines by address and so blocks what `proposed` blocks; the window of all days names them."""
    by_month, by_connection = isp.simulation(traffic=True), isp.simulation(after="pool", traffic=True)
    by_day = isp.simulation(since=date(2007, 5, 31), traffic=True)
    monkeypatch.setattr(Lake, "version", lambda *_: None if _[1] == "sender_month" else 1)
    old_lake = isp.simulation(traffic=True)
    for other in (by_connection, by_day, old_lake):
        assert other.subscribers.equals(by_month.subscribers)
        assert other.groups.equals(by_month.groups)
        assert other.traffic is not None
        assert by_month.traffic is not None
        assert other.traffic.equals(by_month.traffic)


def test_traffic_and_groups_add_up_to_the_lines(isp: OpenWorkspace) -> None:
    found = isp.simulation(traffic=True)
    assert found.traffic is not None
    for name in IMPACTS:
        for count in COUNTS:
            whole = found.lines[f"{name}_{count}"].sum()
            assert found.traffic.filter(impact=name)[count].sum() == whole
            assert found.groups.filter(impact=name)[count].sum() == whole


@pytest.mark.parametrize("by", impact.BY)
def test_groups_add_up_to_the_totals(isp: OpenWorkspace, by: str) -> None:
    found, totals = isp.simulate(by=by), {r["measure"]: r["value"] for r in isp.simulate(per="total").to_dicts()}
    assert found["seen"].sum() == totals["subscribers seen sending mail"]
    assert found["newly_blocked"].sum() == totals["subscribers newly blocked"]
    assert found["needs_notice"].sum() == totals["subscribers who need a notice"]
    if by != "class":
        assert found["listed"].sum() == totals["subscribers in the subscriber list"]


def test_leaving_out_untouched_lines_changes_nothing_else(isp: OpenWorkspace) -> None:
    whole, touched = isp.simulation(), isp.simulations(["proposed"], only_touched=True)[0]
    assert touched.lines.height == 2
    assert touched.subscribers.equals(whole.touched)
    assert touched.totals.equals(whole.totals)
    assert touched.groups.equals(whole.groups)
    for by in impact.BY:
        assert touched.by(by).equals(whole.by(by))


def test_groups_by_area(isp: OpenWorkspace) -> None:
    """c is not in the list: its area is not known. e is listed and was not seen."""
    found = isp.simulate(by="area").select("area", "listed", "seen", "newly_blocked", "loses_working_mail")
    assert found.rows() == [("west", 2, 2, 1, 1), (None, 0, 1, 1, 0), ("east", 2, 1, 0, 0)]
    with pytest.raises(UnknownNameError, match="did you mean 'area'"):
        isp.simulate(by="areas")


def test_totals_have_limits(isp: OpenWorkspace) -> None:
    """c's plan is unknown: it may be exempt. 3 established of a in 3 days, 2 messages per connection at the relay."""
    totals = isp.simulate(per="total").to_dicts()
    found = {r["measure"]: (r["value"], r["low"], r["high"], r["interval"]) for r in totals}
    assert found["subscribers newly blocked"] == (2, 1, 2, "plan")
    assert found["subscribers who lose mail that works today"] == (1, 1, 1, "outcome")
    assert found["legitimate messages broken per day"][0] == 2
    assert found["subscribers who lose mail, seen or not (at least)"] == (None, None, None, "refused-too-short")


def test_an_example_for_every_difference(isp: OpenWorkspace) -> None:
    found = isp.simulate(per="example").select("impact", "destination_group", "connections", "subscriber", "line_ip",
                                               "line_port", "server_ip", "outcome", "before_rule", "after_rule")
    assert found.rows() == [
        ("already_blocked", "mobile-carrier", 1, "a", A, 4009, CARRIER, "failed", "mobile", "mobile"),
        ("newly_blocked", "known-provider", 3, "a", A, 4000, PROVIDER, "established", None, "rest"),
        ("newly_blocked", "other", 1, "c", C, 4000, OTHER, "failed", None, "rest"),
        ("untouched", "known-provider", 1, "b", B, 4000, PROVIDER, "established", None, "fixed"),
        ("untouched", "own-relay", 1, "d", D, 4000, RELAY, "established", "own", "own"),
    ]
    groups = isp.simulate(per="destination").select("impact", "destination_group", "sessions").sort(pl.all())
    assert isp.simulate(per="example").select("impact", "destination_group", "connections").rows() == groups.rows()


def test_relay_load(isp: OpenWorkspace) -> None:
    """At 10:00 two messages now; a's connection may become up to two at the relay, though its provider has 587."""
    found = {r["measure"]: (r["value"], r["low"], r["high"]) for r in isp.simulate(per="load").to_dicts()}
    assert found["messages accepted by the own relay in its busiest hour now"] == (2, None, None)
    assert found["messages that move to the own relay in their busiest hour"] == (0, 0, 2)
    assert found["messages of the own relay in its busiest hour afterwards"] == (2, 2, 4)


def test_scenarios_side_by_side(isp: OpenWorkspace) -> None:
    frame = isp.simulate(after=["proposed", "no-exemption", "current"], per="total")
    newly = frame.filter(measure="subscribers newly blocked").select("scenario", "value").rows()
    assert newly == [("proposed", 2), ("no-exemption", 3), ("current", 0)]
    for name in ("proposed", "no-exemption"):
        assert frame.filter(scenario=name).drop("scenario").equals(isp.simulate(after=name, per="total"))
    table = impact.compared(frame)
    assert table.columns == ["measure", "proposed", "no-exemption", "current"]
    counted = impact.counts(isp.simulations(["proposed", "current"]))
    assert counted.filter(step="newly_blocked").select("scenario", "subscribers", "low").rows() == [
        ("proposed", 2, 1), ("current", 0, 0)]


def test_words_in_both_languages(isp: OpenWorkspace) -> None:
    for per in ("total", "load", "unseen"):
        plain = isp.simulate(per=per)
        japanese, english = (isp.simulate(per=per, language=language) for language in ("ja", "en"))
        for name in {"measure", "of"} & set(plain.columns):
            assert english[name].equals(plain[name])
            known = plain[name].drop_nulls().to_list()
            assert [text for text in japanese[name].drop_nulls() if text in known] == []
        assert not set(english["interval"].drop_nulls()) & set(plain["interval"].drop_nulls())


def test_notices_are_those_of_simulate_and_safe_in_a_spreadsheet(isp: OpenWorkspace, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    done = op25b("-w", isp.workspace.root, "simulate", "--per", "total", "--format", "json", "--notices", path)
    assert done.returncode == 0, done.stderr
    assert "1 lines to be told" in done.stderr
    assert path.stat().st_mode & 0o077 == 0
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["subscriber"], row["channel"], row["language"], row["template"], row["provider"]) == (
        "a", "'@post", "en", "submission-587.en", "Provider")
    assert (row["blocked_from"], row["last_seen"], row["connections"]) == ("2007-07-10", "2007-06-02", "3")
    assert isp.notices().height == isp.simulate()["needs_notice"].sum() == 1


def test_command_line_shows_each_view(isp: OpenWorkspace) -> None:
    root = isp.workspace.root
    for words in (["--by", "area"], ["--to", "proposed", "--to", "pool"], ["--per", "load", "--lang", "ja"],
                  ["--per", "unseen"], ["--per", "example"], ["--since", "2007-06-01"]):
        done = op25b("-w", root, "simulate", *words)
        assert (done.returncode, done.stdout == "") == (0, False), done.stderr
    one = op25b("-w", root, "simulate", "--per", "example", "--subscriber", "198.18.0.1", "--format", "json")
    assert one.stdout.strip() == "[]", "with leases an address is no line"
    for words in (["--subscriber", "a"], ["--to", "proposed", "--to", "pool", "--notices", "x.csv"]):
        assert op25b("-w", root, "simulate", *words).returncode == 2
    assert "did you mean 'plan'" in op25b("-w", root, "simulate", "--by", "plans").stderr


def test_evidence_counts_fixed_and_dynamic_lines_apart(isp: OpenWorkspace) -> None:
    found = evidence(isp.workspace)
    kinds = found.addresses.select("addresses", "lines", "bots", "unclear", "connections").rows()
    assert kinds == [("fixed", 1, 0, 0, 1), ("dynamic", 1, 0, 0, 3), ("unknown", 1, 0, 1, 1)]
    assert found.verdicts() == ("open", "fails", "open")


def kinds(fixed: tuple[int, int, int], dynamic: tuple[int, int, int]) -> pl.DataFrame:
    """Lines, bots, connections of bots of both kinds; none unknown."""
    from op25b.impact.estimate import wilson

    rows = []
    for name, (lines, bots, mass) in (("fixed", fixed), ("dynamic", dynamic), ("unknown", (0, 0, 0))):
        low, high = wilson(bots, lines) or (None, None)
        rows.append({"addresses": name, "lines": lines, "bots": bots, "bot_connections": mass,
                     "bot_connections_low": mass, "bot_connections_high": mass, "bot_share_low": low,
                     "bot_share_high": high})
    return pl.DataFrame(rows)


@pytest.mark.parametrize(("fixed", "dynamic", "verdicts"), [
    ((200, 0, 0), (1000, 50, 9000), ("holds", "holds")), ((5, 0, 0), (1000, 50, 9000), ("open", "holds")),
    ((200, 40, 5000), (1000, 0, 0), ("fails", "fails")), ((0, 0, 0), (0, 0, 0), ("open", "open")),
])
def test_verdicts_on_addresses(fixed: tuple[int, int, int], dynamic: tuple[int, int, int],
                               verdicts: tuple[str, str]) -> None:
    from op25b.impact.legitimacy import _dynamic, _fixed

    frame = kinds(fixed, dynamic)
    assert (_fixed(frame, Limits()), _dynamic(frame)) == verdicts


@pytest.mark.parametrize(("left", "hit", "days", "verdict"), [
    ([0.05, 0.5], [0.3, 0.001], 100, "holds"), ([0.05, 0.5], [0.005, 0.001], 100, "fails"),
    ([0.05, 0.5], [0.3, 0.001], 10, "open"),
])
def test_verdicts_on_rates(left: list[float], hit: list[float], days: int, verdict: str) -> None:
    from op25b.impact.legitimacy import _rates

    caps = pl.DataFrame({"cap": [10, 100], "left": left, "hit": hit, "bot_days": [days] * 2, "line_days": [100] * 2})
    assert _rates(caps, Limits()) == verdict
