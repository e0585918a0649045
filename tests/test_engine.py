"""`build`: only what changed is made anew, and the result is always what a build from nothing gives."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b.api import OpenWorkspace
from op25b.engine import duckdb as engine
from op25b.engine.build import build
from op25b.engine.pipelines import direct_inputs, ingredients, pipelines, stages
from op25b.errors import LakeError
from op25b.lake import Lake
from tests.conftest import SETTINGS
from tests.pipelines.rows import both, event, flow, from_nothing, lease, load, new_workspace, record, tables

DAYS = [date(2007, 6, day) for day in (1, 2, 3)]
DAY_TABLES = {name for name, pipeline in pipelines().items() if pipeline.build == "day"}
FLOW_TABLES = {"address", "holder", "destination", "connection", "peer_day", "sender_day"}


def fill(opened: OpenWorkspace) -> None:
    for day in DAYS:
        load(opened, "flow", both("198.18.0.1:4000", "192.0.2.25:25", f"{day} 12:00:00"), source=f"flows {day}")
        load(opened, "mail_event", [event("accepted", f"{day} 12:00:00", f"Q{day}", client_ip="198.18.0.1")],
             source=f"mail {day}")
    load(opened, "lease_record", [lease("198.18.0.1", "a", "2007-05-01 00:00:00")], source="leases")
    load(opened, "subscriber_record", [{"subscriber": "a", "plan": "home"}], source="subscribers")


@pytest.fixture
def opened(tmp_path: Path) -> OpenWorkspace:
    """Three days of one line, built."""
    made = new_workspace(tmp_path / "w")
    fill(made)
    made.build()
    return made


def made(opened: OpenWorkspace, **period: Any) -> dict[str, list[int] | None]:
    """Table → days of June that a build makes anew (None: the whole table)."""
    return {b.table: b.days and [day.day for day in b.days] for b in build(opened.workspace, **period)}


def test_nothing_new_makes_nothing(opened: OpenWorkspace) -> None:
    version = opened.lake.number()
    assert made(opened) == {}
    assert opened.lake.number() == version


def test_a_new_day_makes_that_day(opened: OpenWorkspace) -> None:
    load(opened, "flow", both("198.18.0.1:4000", "192.0.2.25:25", "2007-06-04 12:00:00"), source="flows 4")
    found = made(opened)
    assert found["connection"] == found["peer_day"] == found["sender_day"] == [4]
    assert found.get("sender", "not made") is None
    assert "lease" not in found
    assert tables(opened) == from_nothing(opened)


def test_the_accounting_of_an_older_version_may_lack_columns(opened: OpenWorkspace) -> None:
    (account,) = opened.lake.files("source_file")[:1]
    pl.read_parquet(account).drop("head").write_parquet(account)
    assert made(opened) == {}


def test_a_late_file_makes_its_day_anew(opened: OpenWorkspace) -> None:
    load(opened, "flow", both("198.18.0.1:4001", "192.0.2.26:25", "2007-06-02 13:00:00"), source="late")
    found = made(opened)
    assert {name: days for name, days in found.items() if name in FLOW_TABLES} == {name: [2] for name in FLOW_TABLES}
    assert "message" not in found
    assert tables(opened) == from_nothing(opened)


def test_a_late_file_around_midnight_makes_both_days_anew(opened: OpenWorkspace) -> None:
    load(opened, "flow", [flow("192.0.2.25:25", "198.18.0.1:4000", "2007-06-02 01:00:00")], source="late")
    assert made(opened)["connection"] == [1, 2]


def test_a_lease_that_says_nothing_new_of_a_day_leaves_it_alone(opened: OpenWorkspace) -> None:
    stop = record("stop", "a", "2007-06-03 08:00:00", "198.18.0.1", start="2007-05-01 00:00:00",
                  end="2007-06-03 08:00:00", session="a 198.18.0.1 2007-05-01 00:00:00")
    load(opened, "lease_record", [stop, lease("198.18.0.1", "b", "2007-06-03 09:00:00")], source="late leases")
    found = made(opened)
    assert found["lease"] is None
    assert {name: found[name] for name in ("connection", "message")} == {"connection": [3], "message": [3]}
    assert opened.sql("SELECT subscriber FROM session ORDER BY day")["subscriber"].to_list() == ["a", "a", "b"]
    assert tables(opened) == from_nothing(opened)


def test_a_new_subscriber_list_leaves_the_days_alone(opened: OpenWorkspace) -> None:
    load(opened, "subscriber_record", [{"subscriber": "a", "plan": "office"}], source="list 2",
         read_at="2007-06-10 00:00:00")
    assert set(made(opened)) == {"subscriber", "login"}  # the names are the same, so the leases are too
    assert opened.sql("SELECT plan FROM subscriber").item() == "office"


def test_changed_settings_make_what_reads_them(opened: OpenWorkspace) -> None:
    more = '[[destinations]]\nname = "New"\ngroup = "known-provider"\nnetworks = ["192.0.2.0/24"]\n'
    changed = new_workspace(opened.workspace.root, SETTINGS + more)
    found = made(changed)
    assert found["destination"] == found["peer_day"] == [1, 2, 3]
    assert "connection" not in found
    assert set(changed.sql("SELECT name FROM peer_day")["name"]) == {"New"}


@pytest.mark.parametrize(("more", "expected"), [
    ("\nORDER BY 1", {"relay_day": [1, 2, 3], "sender": None}),
    ("\n-- what it's for\n\n", {}),
])
def test_changed_sql_makes_the_table_anew(opened: OpenWorkspace, monkeypatch: pytest.MonkeyPatch, more: str,
                                          expected: dict[str, list[int] | None]) -> None:
    import dataclasses

    table = dict(pipelines())
    table["relay_day"] = dataclasses.replace(table["relay_day"], sql=table["relay_day"].sql + more)
    for module in ("build", "fingerprints", "duckdb", "pipelines"):
        monkeypatch.setattr(f"op25b.engine.{module}.pipelines", lambda: table)
    assert made(opened) == expected


def test_since_and_until(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path / "w")
    fill(opened)
    assert made(opened, since=DAYS[1], until=DAYS[1])["connection"] == [2]
    assert opened.sql("SELECT sessions FROM sender").item() == 1
    found = made(opened)
    assert found["connection"] == [1, 3]
    assert "sender" in found
    assert opened.sql("SELECT sessions FROM sender").item() == 3
    assert tables(opened) == from_nothing(opened)


@pytest.mark.parametrize("at_table", ["lease", "connection", "sender_day", "sender"])
def test_killed_at_a_commit_goes_on_from_the_one_before(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_table: str) -> None:
    opened = new_workspace(tmp_path / "w")
    fill(opened)
    put = Lake.put

    def dies(self: Lake, table: str, *rest: Any) -> None:
        if table == at_table:
            raise KeyboardInterrupt
        put(self, table, *rest)

    monkeypatch.setattr(Lake, "put", dies)
    with pytest.raises(KeyboardInterrupt):
        opened.build()
    monkeypatch.setattr(Lake, "put", put)
    found = made(opened)
    before, of_days, after = ([pipeline.name for pipeline in stage] for stage in stages())
    steps: list[list[str]] = [*([name] for name in before), of_days, *([name] for name in after)]  # days all together
    first = next(number for number, names in enumerate(steps) if at_table in names)
    assert set(found) == {name for names in steps[first:] for name in names}
    assert tables(opened) == from_nothing(opened)


def test_of_a_killed_build_the_committed_days_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = new_workspace(tmp_path / "w")
    fill(opened)
    monkeypatch.setattr("op25b.engine.build._SECONDS_BETWEEN_COMMITS", -1)  # after each day

    def dies(step: str, _done: int, _all: int) -> None:
        if step == f"connection {DAYS[1]}":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened.build(progress=dies)
    assert Lake(opened.workspace.lake_path).days("connection") == DAYS[:1]
    found = made(opened)
    assert found["address"] == found["connection"] == found["sender_day"] == [2, 3]
    assert tables(opened) == from_nothing(opened)


@pytest.mark.parametrize("kinds", [(), ("flow",), ("mail_event",), ("lease_record",), ("subscriber_record",),
                                   ("flow", "subscriber_record"), ("mail_event", "lease_record")])
def test_any_kind_of_input_may_be_missing(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    opened = new_workspace(tmp_path)
    rows: dict[str, list[dict[str, Any]]] = {
        "flow": both("198.18.0.1:4000", "192.0.2.25:25", "12:00"),
        "mail_event": [event("accepted", "12:00", "A1", client_ip="198.18.0.1")],
        "lease_record": [lease("198.18.0.1", "a", "10:00")], "subscriber_record": [{"subscriber": "a"}],
    }
    for kind in kinds:
        load(opened, kind, rows[kind])
    opened.build()
    assert opened.sql("SELECT count(*) FROM session").item() == ("flow" in kinds)
    assert opened.sql("SELECT count(*) FROM message").item() == ("mail_event" in kinds)
    if kinds:
        found = opened.findings()
        assert found.height == ("flow" in kinds)
        totals = {row["measure"]: row["value"] for row in opened.simulate(per="total").iter_rows(named=True)}
        assert totals.get("by address, as there are no leases") == (2 if "flow" in kinds else None)


def test_limits_are_respected(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path, SETTINGS + '[engine.duckdb]\nmemory_limit = "300MiB"\nthreads = 1\n')
    connection = engine.connect(opened.workspace)
    found = dict(connection.execute("""
        SELECT name, value FROM duckdb_settings() WHERE name IN ('memory_limit', 'threads', 'temp_directory')
    """).fetchall())
    assert found["memory_limit"].replace(" ", "") == "300.0MiB"
    assert found["threads"] == "1"
    assert found["temp_directory"] == str(opened.workspace.lake_path / ".spill")
    engine.leave_room(connection, opened.workspace)
    (left,), = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    assert left.replace(" ", "") == "225.0MiB"  # what a build leaves to Python beside it: a quarter, at most 1/3 GiB


def test_rows_go_where_the_settings_say_when_memory_is_short(tmp_path: Path) -> None:
    limits = '[engine.duckdb]\nmemory_limit = "40MB"\ntemp_directory = "spilled"\nthreads = 1\n'
    opened = new_workspace(tmp_path, SETTINGS + limits)
    connection = engine.connect(opened.workspace)
    rows = connection.execute("SELECT range AS n, repeat('x', 100) AS t FROM range(1000000) ORDER BY hash(n)")
    assert rows.fetchone() is not None
    assert any((tmp_path / "spilled" / "op25b-spill").iterdir())
    connection.close()
    assert not any((tmp_path / "spilled" / "op25b-spill").glob("*"))


def test_stored_columns_are_plain(opened: OpenWorkspace) -> None:
    """No 128-bit integer leaks from a sum, neither into the lake nor from a table that was never built."""
    empty = new_workspace(opened.workspace.root.parent / "empty")
    for name, pipeline in pipelines().items():
        if pipeline.stored:
            built, never = (w.sql(f'SELECT * FROM "{name}"').schema for w in (opened, empty))
            assert built == never, name
            assert not [kind for kind in built.dtypes() if kind.is_decimal()], name


def test_what_a_table_needs() -> None:
    assert [p.name for p in ingredients("peer_day")] == ["address", "destination", "holder", "connection"]
    assert direct_inputs("connection") == {"flow", "address", "holder", "lease", "build_window", "session_gap"}
    assert direct_inputs("address") == {"flow", "network", "build_window", "session_gap"}
    assert DAY_TABLES >= FLOW_TABLES


def test_a_lake_that_lacks_what_every_row_has_is_refused(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path, SETTINGS)
    rows = pl.DataFrame([flow("198.18.0.1:4000", "192.0.2.25:25", "2007-06-01 12:00:00")]).drop("src_low")
    opened.lake.append("flow", rows.to_arrow(), [])
    with pytest.raises(LakeError, match=r"'flow' was written by an earlier op25b and has no .*src_low"):
        opened.build()
