"""Policies: `decide`, the same in SQL, and the quick-reference chart."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from op25b.api import OpenWorkspace
from op25b.errors import UnknownNameError
from op25b.policy import Connection, Decision, action_sql, decide, policy
from op25b.workspace import Policy, Rule

GROUPS = ["own-relay", "mobile-carrier", "known-provider", "other"]
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


rules = st.builds(
    Rule, name=st.text("abc", min_size=1, max_size=3), action=st.sampled_from(["allow", "block"]),
    destination=st.lists(st.sampled_from([*GROUPS, "all"]), min_size=1, max_size=2).map(tuple),
    protocol=st.sampled_from(["tcp", "udp"]),
    port=st.lists(st.sampled_from([25, 465, 587]), min_size=1, max_size=2).map(tuple),
    plans=st.lists(st.sampled_from(["IP1", "it's"]), max_size=2).map(tuple),
    access_nodes=st.lists(st.sampled_from(["n1", "n2"]), max_size=2).map(tuple),
)
policies = st.lists(rules, max_size=5).map(lambda chosen: Policy(rules=tuple(chosen)))
connections = st.builds(
    Connection, destination_group=st.sampled_from(GROUPS), port=st.sampled_from([25, 110, 465, 587]),
    protocol=st.sampled_from([6, 17]), plan=st.sampled_from([None, "IP1", "it's", "home"]),
    access_node=st.sampled_from([None, "n1", "n2"]),
)


@settings(max_examples=150, deadline=None)
@given(policies, st.lists(connections, min_size=1, max_size=10))
def test_sql_decides_alike(chosen: Policy, made: list[Connection]) -> None:
    expression, values = action_sql(chosen)
    connection = duckdb.connect()
    connection.execute("CREATE TABLE c (n INT, destination_group VARCHAR, port INT, protocol INT, plan VARCHAR, "
                       "access_node VARCHAR)")
    connection.executemany("INSERT INTO c VALUES (?, ?, ?, ?, ?, ?)", [
        (n, c.destination_group, c.port, c.protocol, c.plan, c.access_node) for n, c in enumerate(made)])
    found = connection.execute(f"SELECT {expression} FROM c ORDER BY n", values).fetchall()
    assert [action for action, in found] == [decide(chosen, c).action for c in made]


def test_an_unknown_policy_is_named(workspace: Callable[[], OpenWorkspace]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'proposed'"):
        policy(workspace().workspace, "propsed")


def test_the_chart_answers_the_published_questions(workspace: Callable[[], OpenWorkspace]) -> None:
    """The FAQ of the reference case (see data/reference): who is affected on 10 July 2007, and who is not."""
    chart = workspace().chart("en")
    found = {(row["line"], row["how"], row["port"]): (row["before"], row["after"], row["affected"])
             for row in chart.iter_rows(named=True)}
    line = "our line, dynamic address"
    assert found[line, "our own sending server", 25] == ("allow", "allow", False)
    assert found[line, "webmail, in a browser", 443] == ("allow", "allow", False)
    assert found[line, "another provider's sending server", 25] == ("allow", "block", True)
    assert found[line, "another provider's sending server", 587] == ("allow", "allow", False)
    assert found[line, "own mail server, sending directly", 25] == ("allow", "block", True)
    assert found[line, "straight to a mobile carrier's server", 25] == ("block", "block", False)
    fixed = found["our line, fixed-IP plan IP1, IP8, IP16", "own mail server, sending directly", 25]
    assert fixed == ("allow", "allow", False)
    elsewhere = chart.filter(chart["line"] == "another ISP's line")
    assert not elsewhere["affected"].any()
    assert elsewhere.filter(elsewhere["port"] == 25)["verdict"].to_list() == [
        "not affected by this; the line's own ISP may block port 25"]


def test_the_chart_keeps_plans_apart_that_are_decided_differently(workspace: Callable[..., OpenWorkspace]) -> None:
    opened = workspace("""
[policy.two]
rules = [
  { name = "one", action = "allow", plans = ["IP8"], destination = "other" },
  { name = "rest", action = "block" },
]
""")
    lines = opened.chart("en", "proposed", "two")["line"].unique(maintain_order=True).to_list()
    assert lines == ["our line, dynamic address", "our line, fixed-IP plan IP8", "our line, fixed-IP plan IP1, IP16",
                     "another ISP's line"]
