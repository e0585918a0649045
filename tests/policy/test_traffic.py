"""`decide_traffic`: rules about waves, addresses and times in `simulate`; whatever the grain, the same counts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from op25b.api import OpenWorkspace
from op25b.engine import duckdb as engine
from op25b.impact import IMPACTS, simulate
from op25b.policy import policy, resolve
from op25b.policy.traffic import decide_traffic
from tests.pipelines.rows import both, lease, load, new_workspace

RELAY, PROVIDER, OTHER = "203.0.113.1", "198.51.100.70", "192.0.2.25"
LINES = {"p" + "a" * 20: "198.18.0.1", "p" + "b" * 20: "198.18.0.2", "p" + "c" * 20: "198.18.7.3"}
EXTRA = """
[sets]
friends = ["198.51.100.64/27"]
[policy.wave]
rules = [{ name = "wave", action = "block", subscribers = "wave.csv" }]
[policy.pool]
rules = [{ name = "pool", action = "block", source = "198.18.0.0/24" }]
[policy.friends]
rules = [{ name = "friends", action = "allow", destination = "friends" }, { name = "rest", action = "block" }]
[policy.reverse]
rules = [
  { name = "own", action = "allow", direction = "in", source_port = 25, destination = "own-relay" },
  { name = "back", action = "block", direction = "in", source_port = 25 },
]
[policy.waves]
rules = [
  { name = "own", action = "allow", destination = "own-relay" },
  { name = "first", action = "block", subscribers = "wave.csv", effective_from = 2007-07-01 },
  { name = "rest", action = "block", effective_from = 2007-08-01T04:00:00 },
]
[policy.timed]
effective_from = 2007-06-04
rules = [{ name = "rest", action = "block" }]
"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    directory = tmp_path_factory.mktemp("traffic")
    new_workspace(directory)
    path = directory / "op25b.toml"
    path.write_text(path.read_text(encoding="utf-8") + EXTRA, encoding="utf-8")
    from op25b.api import open_workspace

    made = open_workspace(directory)
    (directory / "wave.csv").write_text("subscriber\n" + "p" + "a" * 20 + "\n", encoding="utf-8")
    load(made, "flow", [row for name, address in LINES.items() for row in (
        *both(f"{address}:4000", f"{PROVIDER}:25", "12:00"), *both(f"{address}:4001", f"{OTHER}:25", "12:01"),
        *both(f"{address}:4002", f"{RELAY}:25", "12:02"), *both(f"{address}:4003", f"{OTHER}:587", "12:03"))])
    load(made, "lease_record", [lease(address, name, "08:00") for name, address in LINES.items()])
    load(made, "subscriber_record", [{"subscriber": name, "plan": "home"} for name in LINES])
    made.build()
    return made


def blocked(opened: OpenWorkspace, after: str, moment: datetime | None = None) -> list[tuple[str, int]]:
    found = simulate(opened.workspace, "reverse" if after == "none" else "current", after, moment).subscribers
    found = found.filter(pl.col("newly_blocked_sessions") > 0).sort("subscriber")
    return [(name[1], sessions) for name, sessions in found.select("subscriber", "newly_blocked_sessions").rows()]


@pytest.mark.parametrize(("after", "moment", "expected"), [
    pytest.param("wave", None, [("a", 3)], id="wave"),
    pytest.param("pool", None, [("a", 3), ("b", 3)], id="the line's network"),
    pytest.param("friends", None, [("a", 2), ("b", 2), ("c", 2)], id="a named set"),
    pytest.param("reverse", None, [("a", 2), ("b", 2), ("c", 2)], id="reverse path"),
    pytest.param("timed", None, [("a", 3), ("b", 3), ("c", 3)], id="settled"),
    pytest.param("timed", datetime(2007, 6, 3, 14), [], id="before its day"),
    pytest.param("timed", datetime(2007, 6, 3, 15), [("a", 3), ("b", 3), ("c", 3)], id="from its local day on"),
])
def test_simulate(opened: OpenWorkspace, after: str, moment: datetime | None,
                  expected: list[tuple[str, int]]) -> None:
    assert blocked(opened, after, moment) == expected


def test_both_grains_count_alike(opened: OpenWorkspace) -> None:
    chosen = {"before": resolve(policy(opened.workspace, "current"), opened.workspace),
              "after": resolve(policy(opened.workspace, "wave"), opened.workspace)}
    connection = engine.session(opened.workspace)
    frames = []
    for options in ({}, {"per_day": True}, {"per_connection": True}):
        query = decide_traffic(connection, chosen, **options)
        frames.append(connection.sql(f"""
            SELECT subscriber, destination_group, port, impact, sum(sessions)::BIGINT AS sessions,
                sum(flows)::BIGINT AS flows, sum(established)::BIGINT AS established, sum(unknown)::BIGINT AS unknown,
                min(first_seen) AS first_seen, max(last_seen) AS last_seen
            FROM ({query.sql}) GROUP BY ALL ORDER BY ALL""", params=query.values).pl())
    connection.close()
    assert frames[0].height == len(LINES) * 4
    assert set(frames[0]["impact"]) == {IMPACTS[1], IMPACTS[3]}
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_each_connection_at_its_own_moment(opened: OpenWorkspace) -> None:
    """What was seen on 3 June was seen before the policy of 4 June."""
    chosen = {"before": resolve(policy(opened.workspace, "current"), opened.workspace),
              "after": resolve(policy(opened.workspace, "timed"), opened.workspace)}
    connection = engine.session(opened.workspace)
    query = decide_traffic(connection, chosen, own_moment=True)
    found = connection.sql(f"SELECT DISTINCT impact FROM ({query.sql})", params=query.values).fetchall()
    connection.close()
    assert found == [("untouched",)]


def test_explain_names_the_day_of_the_line_s_own_wave(opened: OpenWorkspace) -> None:
    from op25b.explain import explain

    found = {name: explain(opened.workspace, name, name, "en", after="waves") for name in LINES}
    assert {name[1]: (found[name].verdict, str(found[name].effective_from)) for name in LINES} == {
        "a": ("affected", "2007-07-01"), "b": ("affected", "2007-08-01 04:00:00"),
        "c": ("affected", "2007-08-01 04:00:00")}
    assert "Blocked from: 2007-07-01" in found["p" + "a" * 20].lines


def test_a_missing_wave_file_is_an_error(tmp_path: Path) -> None:
    made = new_workspace(tmp_path)
    path = tmp_path / "op25b.toml"
    path.write_text(path.read_text(encoding="utf-8") + EXTRA, encoding="utf-8")
    from op25b.api import open_workspace
    from op25b.errors import InputError

    with pytest.raises(InputError, match=r"wave\.csv: no such file"):
        open_workspace(made.workspace.root).simulate("current", "wave")
