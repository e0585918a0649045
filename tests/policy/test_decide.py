"""`decide`: the first rule that matches, of those in force at the moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from op25b.errors import InputError, SettingsError, UnknownNameError
from op25b.policy import Connection, Decision, blocked_since, decide, decide_session, policy, resolve
from op25b.settings import Policy, Rule
from tests.policy.strategies import MEMBERS
from tests.policy.strategies import workspace as strategies_workspace

RULES = (
    Rule(name="own", action="allow", destination=("own-relay",)),
    Rule(name="mobile", action="block", destination=("mobile-carrier",)),
    Rule(name="fixed", action="allow", plans=("IP1", "IP8")),
    Rule(name="wave 1", action="block", access_nodes=("bras-1",)),
)
WAVE = Policy(rules=RULES)


@pytest.mark.parametrize(("connection", "expected"), [
    pytest.param(Connection("own-relay", 25, access_node="bras-1"), Decision("allow", "own"), id="own relay"),
    pytest.param(Connection("mobile-carrier", 25, plan="IP1"), Decision("block", "mobile"), id="the first match wins"),
    pytest.param(Connection("other", 25, plan="IP8", access_node="bras-1"), Decision("allow", "fixed"), id="plan"),
    pytest.param(Connection("other", 25, plan="home", access_node="bras-1"), Decision("block", "wave 1"), id="node"),
    pytest.param(Connection("other", 25, plan="home", access_node="bras-2"), Decision("allow", None), id="later wave"),
    pytest.param(Connection("other", 25), Decision("allow", None), id="plan and node unknown: no rule names them"),
    pytest.param(Connection("other", 587, access_node="bras-1"), Decision("allow", None), id="587"),
    pytest.param(Connection("other", 25, protocol=17, access_node="bras-1"), Decision("allow", None), id="UDP"),
    pytest.param(Connection("other", 25, access_node="bras-1", own_line=False), Decision("allow", None), id="foreign"),
])
def test_decide(connection: Connection, expected: Decision) -> None:
    assert decide(WAVE, connection) == expected


def one(action: str = "block", **conditions: object) -> Policy:
    return Policy.model_validate({"rules": [{"name": "r", "action": action, **conditions}]})


@pytest.mark.parametrize(("conditions", "connection", "action"), [
    ({"source": "198.18.0.0/24"}, Connection("other", 25, line="198.18.0.9"), "block"),
    ({"source": "198.18.0.0/24"}, Connection("other", 25, line="198.18.1.9"), "allow"),
    ({"source": "198.18.0.0/24"}, Connection("other", 25), "allow"),
    ({"source": "2001:db8:100::/40"}, Connection("other", 25, line="2001:db8:1ff::1"), "block"),
    ({"source": "198.18.0.0/24"}, Connection("other", 25, line="::ffff:198.18.0.9"), "block"),
    ({"destination": "192.0.2.0/25"}, Connection("other", 25, peer="192.0.2.1"), "block"),
    ({"destination": ["own-relay", "192.0.2.0/25"]}, Connection("own-relay", 25, peer="203.0.113.1"), "block"),
    ({"destination": "192.0.2.0/25"}, Connection("other", 25, peer="192.0.2.200"), "allow"),
    ({"source_port": 25}, Connection("other", 25, source_port=25), "block"),
    ({"source_port": 25}, Connection("other", 25, source_port=4000), "allow"),
    ({"port": [], "source_port": 25}, Connection("other", 4000, source_port=25), "block"),
])
def test_conditions(conditions: dict[str, object], connection: Connection, action: str) -> None:
    assert decide(one(**conditions), connection).action == action


def test_the_reverse_path_blocks_what_comes_back() -> None:
    reverse = one(direction="in", source_port=25)
    there = Connection("other", 25, source_port=40000)
    assert decide(reverse, there) == Decision("allow", None)
    assert decide(reverse, there.reply()) == Decision("block", "r")
    assert decide_session(reverse, there) == Decision("block", "r")
    assert decide_session(reverse, Connection("other", 587, source_port=40000)).action == "allow"
    assert there.reply().reply() == there


def test_a_day_is_a_local_day(tmp_path: Path) -> None:
    """10 July 2007 in Tokyo begins at 15:00 UTC of the 9th; `effective_until` is the last day."""
    opened = strategies_workspace(tmp_path)
    timed = Policy(effective_from=date(2007, 7, 10), effective_until=date(2007, 7, 31),
                   rules=(Rule(name="r", action="block", effective_from=datetime(2007, 7, 10, 9)),))
    resolved = resolve(timed, opened)
    blocked = {text: decide(resolved, Connection("other", 25), datetime.fromisoformat(text)).action == "block"
               for text in ("2007-07-09T15:00", "2007-07-09T23:59", "2007-07-10T00:00", "2007-07-31T14:59",
                            "2007-07-31T15:00")}
    assert list(blocked.values()) == [False, False, True, True, False]
    assert decide(resolved, Connection("other", 25), datetime(2007, 7, 10, tzinfo=UTC)).action == "block"
    assert decide(resolved, Connection("other", 25)).action == "block"  # settled: with its latest rule
    assert resolved.settled == datetime(2007, 7, 10)


def test_waves_are_files_of_pseudonyms(tmp_path: Path) -> None:
    opened = strategies_workspace(tmp_path)
    wave = resolve(one(subscribers="w1.csv"), opened)
    assert decide(wave, Connection("other", 25, subscriber=MEMBERS["w1.csv"][0])).action == "block"
    assert decide(wave, Connection("other", 25, subscriber=MEMBERS["w2.csv"][1])).action == "allow"
    assert decide(wave, Connection("other", 25)).action == "allow"
    both = resolve(one(subscribers=["w1.csv", "w2.csv"]), opened)
    assert decide(both, Connection("other", 25, subscriber=MEMBERS["w2.csv"][1])).action == "block"
    assert wave.version != both.version
    before = wave.version
    (tmp_path / "w1.csv").write_text("subscriber\n2001:db8::1\n", encoding="utf-8")
    assert resolve(one(subscribers="w1.csv"), opened).version != before
    with pytest.raises(InputError, match="no such file"):
        resolve(one(subscribers="w9.csv"), opened)
    (tmp_path / "w1.csv").write_text("subscriber,note\nME0001,x\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"w1\.csv:2: not a pseudonym"):
        resolve(one(subscribers="w1.csv"), opened)
    (tmp_path / "w1.csv").write_text("name\nME0001\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column 'subscriber'"):
        resolve(one(subscribers="w1.csv"), opened)


def test_an_unknown_policy_is_named(workspace: Callable[[], OpenWorkspace]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'proposed'"):
        policy(workspace().workspace, "propsed")


@pytest.mark.parametrize(("text", "message"), [
    ('rules = [{name = "a", action = "block", suorce = "x"}]', "did you mean 'source'?"),
    ('rules = [{name = "a", action = "block", source = "poool"}]', "unknown source 'poool'; did you mean 'pool'?"),
    ('rules = [{name = "a", action = "block", source = "other"}]', "unknown source 'other'"),
    ('rules = [{name = "a", action = "block", destination = "10.0.0.1/8"}]', "not a network in CIDR form"),
    ('rules = [{name = "a", action = "block", direction = "in"}]', "names neither port nor source_port"),
    ('rules = [{name = "a", action = "block", port = 70000}]', "less than or equal to 65535"),
    ('effective_from = 2007-07-10\neffective_until = 2007-07-09\nrules = []', "is before effective_from"),
    ('effective_form = 2007-07-10\nrules = []', "did you mean 'effective_from'?"),
])
def test_mistakes_in_policies_are_named(workspace: Callable[[str], OpenWorkspace], text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        workspace(f'[sets]\npool = ["198.18.0.0/24"]\n[policy.p]\n{text}\n')
    assert message in str(caught.value)


def test_a_set_may_not_take_the_name_of_a_group(workspace: Callable[[str], OpenWorkspace]) -> None:
    with pytest.raises(SettingsError, match=r"sets\.other: the name of a group"):
        workspace('[sets]\nother = ["198.18.0.0/24"]\n')


def test_nothing_is_changed_by_looking_up(tmp_path: Path) -> None:
    opened = strategies_workspace(tmp_path)
    chosen = one(subscribers="w1.csv", source="pool")
    before = chosen.model_dump()
    assert resolve(chosen, opened) == resolve(chosen, opened)
    assert chosen.model_dump() == before


@pytest.mark.parametrize(("rules", "connection", "expected"), [
    ([{"name": "r"}], Connection("other", 25), None),
    ([{"name": "r", "effective_from": date(2007, 7, 1)}], Connection("other", 25), datetime(2007, 6, 30, 15)),
    ([{"name": "w", "access_nodes": "n1", "effective_from": date(2007, 7, 1)},
      {"name": "r", "effective_from": date(2007, 8, 1)}], Connection("other", 25, access_node="n1"),
     datetime(2007, 6, 30, 15)),
    ([{"name": "w", "access_nodes": "n1", "effective_from": date(2007, 7, 1)},
      {"name": "r", "effective_from": date(2007, 8, 1)}], Connection("other", 25), datetime(2007, 7, 31, 15)),
    ([{"name": "r", "effective_from": date(2007, 7, 1)}], Connection("other", 587), None),
    ([{"name": "trial", "effective_from": date(2007, 7, 1), "effective_until": date(2007, 7, 5)},
      {"name": "r", "effective_from": date(2007, 8, 1)}], Connection("other", 25), datetime(2007, 7, 31, 15)),
])
def test_since_when_a_connection_is_blocked(tmp_path: Path, rules: list[dict[str, object]], connection: Connection,
                                            expected: datetime | None) -> None:
    chosen = Policy.model_validate({"rules": [{"action": "block", **rule} for rule in rules]})
    assert blocked_since(resolve(chosen, strategies_workspace(tmp_path)), connection) == expected


def test_a_day_in_quotes_is_a_day() -> None:
    quoted = Policy.model_validate({"rules": [], "effective_from": "2007-07-10", "effective_until": "2007-07-31"})
    assert (quoted.effective_from, quoted.effective_until) == (date(2007, 7, 10), date(2007, 7, 31))
    timed = Policy.model_validate({"rules": [], "effective_from": "2007-07-10T04:00:00+09:00"})
    assert resolve(timed).since == datetime(2007, 7, 9, 19)
