"""A policy in SQL decides as `decide_session` does."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from op25b.policy import Columns, Connection, PolicyError, action_sql, apply, decide_session, needs, resolve
from op25b.policy.sql import MEMBERS
from op25b.readers.base import ip_key
from op25b.settings import Policy, Rule
from op25b.workspace import Workspace
from tests.policy.strategies import MOMENTS, connections, full_policies, policies
from tests.policy.strategies import workspace as strategies_workspace

ALL = Columns(subscriber="subscriber", source_port="client_port", line_key="line_key", peer_key="peer_key")
SCHEMA = {"n": pl.Int64, "destination_group": pl.String, "port": pl.Int32, "protocol": pl.Int16, "plan": pl.String,
          "access_node": pl.String, "client_port": pl.Int32, "subscriber": pl.String, "line_key": pl.String,
          "peer_key": pl.String, "at": pl.Datetime("us")}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return strategies_workspace(tmp_path_factory.mktemp("waves"))


def table(made: list[Connection], moments: list[datetime | None] | None = None) -> pl.DataFrame:
    moments = moments or [None] * len(made)
    return pl.DataFrame(
        [(n, c.destination_group, c.port, c.protocol, c.plan, c.access_node, c.source_port, c.subscriber,
          c.line and ip_key(c.line), c.peer and ip_key(c.peer), at)
         for n, (c, at) in enumerate(zip(made, moments, strict=True))], schema=SCHEMA, orient="row")


@settings(max_examples=100, deadline=None)
@given(policies, st.lists(connections, min_size=1, max_size=10))
def test_on_rows_of_sender_day(chosen: Policy, made: list[Connection]) -> None:
    expression, values = action_sql(chosen)
    connection = duckdb.connect()
    connection.register("c", table(made).to_arrow())
    found = connection.execute(f"SELECT {expression} FROM c ORDER BY n", values).fetchall()
    assert [action for action, in found] == [decide_session(chosen, c).action for c in made]


@settings(max_examples=150, deadline=None)
@given(full_policies, full_policies, st.lists(connections, min_size=1, max_size=10), st.sampled_from(MOMENTS))
def test_on_rows_of_connections(opened: Workspace, before: Policy, after: Policy, made: list[Connection],
                                moment: datetime | None) -> None:
    chosen = {"before": resolve(before, opened), "after": resolve(after, opened)}
    query = apply("SELECT * FROM c", chosen, ALL, moment)
    connection = duckdb.connect()
    connection.register("c", table(made).to_arrow())
    connection.register(MEMBERS, query.members.to_arrow())
    found = connection.execute(f"SELECT before, after FROM ({query.sql}) ORDER BY n", query.values).fetchall()
    assert found == [tuple(decide_session(p, c, moment).action for p in chosen.values()) for c in made]


@settings(max_examples=100, deadline=None)
@given(full_policies, st.lists(st.tuples(connections, st.sampled_from(MOMENTS[1:])), min_size=1, max_size=10))
def test_each_row_at_its_own_moment(opened: Workspace, chosen: Policy,
                                    made: list[tuple[Connection, datetime]]) -> None:
    resolved = resolve(chosen, opened)
    columns = Columns(subscriber="subscriber", source_port="client_port", line_key="line_key", peer_key="peer_key",
                      moment='"at"')
    query = apply("SELECT * FROM c", {"decided": resolved}, columns)
    connection = duckdb.connect()
    connection.register("c", table([c for c, _ in made], [at for _, at in made]).to_arrow())
    connection.register(MEMBERS, query.members.to_arrow())
    found = connection.execute(f"SELECT decided FROM ({query.sql}) ORDER BY n", query.values).fetchall()
    assert [action for action, in found] == [decide_session(resolved, c, at).action for c, at in made]


@settings(max_examples=50, deadline=None)
@given(full_policies)
def test_the_text_is_portable_and_holds_no_value(opened: Workspace, chosen: Policy) -> None:
    query = apply("SELECT * FROM c", {"decided": resolve(chosen, opened)}, ALL)
    spark = sqlglot.transpile(query.sql, read="duckdb", write="spark")[0]
    assert spark.count("?") == query.sql.count("?") == len(query.values)
    for text in ("it's", "IP1", "198.18", "ffff", "p1111"):
        assert text not in query.sql


@pytest.mark.parametrize(("rule", "word"), [
    (Rule(name="r", action="block", source=("198.18.0.0/24",)), "the line's address"),
    (Rule(name="r", action="block", destination=("192.0.2.0/24",)), "the mail server's address"),
    (Rule(name="r", action="block", source_port=(25,)), "the line's own port"),
    (Rule(name="r", action="block", direction="in", source_port=(25,), port=(4000,)), "the line's own port"),
])
def test_what_the_rows_lack_is_named(rule: Rule, word: str) -> None:
    with pytest.raises(PolicyError, match=word):
        action_sql(Policy(rules=(rule,)))


def test_a_wave_needs_its_table(opened: Workspace) -> None:
    wave = resolve(Policy(rules=(Rule(name="r", action="block", subscribers=("w1.csv",)),)), opened)
    assert needs(wave) == {"subscriber"}
    with pytest.raises(PolicyError, match="whose line it is"):
        action_sql(wave)


def test_the_reverse_path_needs_nothing_more(tmp_path: Path) -> None:
    reverse = Policy(rules=(Rule(name="r", action="block", direction="in", source_port=(25,)),))
    assert needs(reverse) == frozenset()
    assert action_sql(reverse)[1] == [6, 25, "block"]
