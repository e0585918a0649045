"""Tables of all days, of which a build makes only the rows of subscribers that something has changed of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from op25b.api import OpenWorkspace
from op25b.engine import build as module
from op25b.engine.fingerprints import Fingerprints
from op25b.engine.pipelines import direct_inputs, pipelines
from op25b.lake import Lake
from op25b.workspace import Workspace
from tests.conftest import SETTINGS
from tests.pipelines.rows import both, from_nothing, lease, load, new_workspace, record, tables

BY_SUBSCRIBER = {name for name, pipeline in pipelines().items() if pipeline.by_subscriber}
LINES = range(1, 13)


def fill(opened: OpenWorkspace) -> None:
    """Four days of twelve lines: each sends by two servers, on port 25 and 587, and reads mail at one of them."""
    for day in range(1, 5):
        rows = []
        for line in LINES:
            for server in (f"192.0.2.{line}:25", "192.0.2.100:587", "203.0.114.1:25", f"192.0.2.{line}:110"):
                rows += both(f"198.18.0.{line}:40{server[-2:]}", server, f"2007-06-{day:02} 12:{line:02}:00")
        load(opened, "flow", rows, source=f"flows {day}")
    load(opened, "lease_record", [lease(f"198.18.0.{line}", f"line {line}", "2007-05-01 00:00:00") for line in LINES],
         source="leases")


@pytest.fixture(scope="module")
def four_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = new_workspace(tmp_path_factory.mktemp("changed") / "w")
    fill(made)
    made.build()
    return made.workspace.root


@pytest.fixture
def opened(four_days: Path, tmp_path: Path) -> OpenWorkspace:
    shutil.copytree(four_days, tmp_path / "w")
    return new_workspace(tmp_path / "w")


@pytest.fixture
def in_part(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The tables that builds make in part."""
    found = set()
    original = module.with_the_others

    def noted(query: str, table: str) -> str:
        found.add(table)
        return original(query, table)

    monkeypatch.setattr(module, "with_the_others", noted)
    return found


def contacts(opened: OpenWorkspace, subscriber: str) -> list[tuple[Any, ...]]:
    """Sessions, days and servers of each organisation that a line sends to."""
    query = f"SELECT sessions, days, destinations FROM contact WHERE subscriber = '{subscriber}' ORDER BY organisation"
    return opened.sql(query).rows()


def late(opened: OpenWorkspace, when: str) -> None:
    """A session of line 3 that comes late."""
    load(opened, "flow", both("198.18.0.3:5000", "192.0.2.3:25", when), source=f"late {when}")


def test_what_is_made_by_subscriber_reads_nothing_else(opened: OpenWorkspace) -> None:
    assert {"contact", "sender_destination", "sender_month"} == BY_SUBSCRIBER
    for name in BY_SUBSCRIBER:
        for read in direct_inputs(name):
            assert "subscriber" in opened.sql(f'SELECT * FROM "{read}" LIMIT 0').columns, (name, read)


def test_a_late_file_changes_its_subscribers_alone(opened: OpenWorkspace, in_part: set[str]) -> None:
    before = contacts(opened, "line 4")
    load(opened, "flow", [*both("198.18.0.3:5000", "192.0.2.3:25", "2007-06-02 13:00:00"),
                          *both("198.18.0.3:5001", "192.0.2.77:25", "2007-06-02 13:00:00")], source="late")
    opened.build()
    assert in_part == BY_SUBSCRIBER
    assert contacts(opened, "line 4") == before
    assert contacts(opened, "line 3") == [(6, 4, 2), (4, 4, 1)]
    assert tables(opened) == from_nothing(opened)


def test_a_line_that_was_somebody_elses_goes_from_one_to_the_other(opened: OpenWorkspace, in_part: set[str]) -> None:
    """A late log of leases: on its last day an address had another holder, the first of all by name."""
    stop = record("stop", "line 1", "2007-06-04 03:00:00", "198.18.0.1", start="2007-05-01 00:00:00",
                  end="2007-06-04 03:00:00", session="line 1 198.18.0.1 2007-05-01 00:00:00")
    load(opened, "lease_record", [stop, lease("198.18.0.1", "another", "2007-06-04 04:00:00")], source="late leases")
    opened.build()
    assert in_part == BY_SUBSCRIBER  # the others' numbers in the table `holder` are not what they were
    assert contacts(opened, "line 1") == [(3, 3, 1), (3, 3, 1)]
    assert contacts(opened, "another") == [(1, 1, 1), (1, 1, 1)]
    assert tables(opened) == from_nothing(opened)


def test_who_cannot_be_told_from_another_any_more_is_gone(tmp_path: Path, in_part: set[str]) -> None:
    opened = new_workspace(tmp_path / "w")
    fill(opened)
    held = lease("198.18.0.99", "guest", "2007-06-04 10:00:00", "2007-06-04 20:00:00")
    load(opened, "lease_record", [held], source="guest")
    load(opened, "flow", both("198.18.0.99:5000", "192.0.2.3:25", "2007-06-04 13:00:00"), source="guest's flows")
    opened.build()
    assert len(contacts(opened, "guest")) == 1
    load(opened, "lease_record", [lease("198.18.0.99", "x", "2007-06-04 12:00:00", "2007-06-04 14:00:00")], source="x")
    opened.build()
    assert in_part == BY_SUBSCRIBER
    assert contacts(opened, "guest") == []
    assert tables(opened) == from_nothing(opened)


def test_a_day_of_all_lines_is_too_much(opened: OpenWorkspace, in_part: set[str]) -> None:
    rows = [row for line in LINES for row in both(f"198.18.0.{line}:5000", "192.0.2.50:25", "2007-06-04 20:00:00")]
    load(opened, "flow", rows, source="late")
    opened.build()
    assert in_part == set()
    assert tables(opened) == from_nothing(opened)


def test_many_days_are_too_much(opened: OpenWorkspace, in_part: set[str]) -> None:
    for day in (2, 4):
        late(opened, f"2007-06-{day:02} 13:00:00")
    opened.build()
    assert in_part == set()
    assert tables(opened) == from_nothing(opened)


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize(("place", "method"), [(Lake, "put"), (Fingerprints, "save")])
def test_after_a_killed_build_all_is_made(opened: OpenWorkspace, in_part: set[str], monkeypatch: pytest.MonkeyPatch,
                                          place: type, method: str, more: bool) -> None:
    """What the killed build changed is not known to the next one: killed before `contact`, or before days are noted."""
    late(opened, "2007-06-02 13:00:00")
    original = getattr(place, method)

    def dies(self: Any, *given: Any) -> None:
        if given[:1] == ("contact",) or method == "save":
            raise KeyboardInterrupt
        original(self, *given)

    monkeypatch.setattr(place, method, dies)
    with pytest.raises(KeyboardInterrupt):
        opened.build()
    monkeypatch.setattr(place, method, original)
    in_part.clear()
    # A lease that came since makes the next build note what it has made before it comes to the days.
    if more:
        guest = lease("198.18.0.99", "guest", "2007-06-02 10:00:00", "2007-06-02 11:00:00")
        load(opened, "lease_record", [guest], source="guest")
    opened.build()
    assert in_part == set()
    assert contacts(opened, "line 3") == [(5, 4, 1), (4, 4, 1)]
    assert tables(opened) == from_nothing(opened)


def test_a_table_with_another_query_is_made_whole(opened: OpenWorkspace, in_part: set[str],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a table that is made from it; one that is not is made in part all the same."""
    import dataclasses

    table = dict(pipelines())
    table["contact"] = dataclasses.replace(table["contact"], sql=table["contact"].sql + "\nWHERE u.destinations < 9")
    for name in ("build", "fingerprints", "duckdb", "pipelines"):
        monkeypatch.setattr(f"op25b.engine.{name}.pipelines", lambda: table)
    late(opened, "2007-06-02 13:00:00")
    opened.build()
    assert in_part == {"sender_month"}
    assert tables(opened) == from_nothing(opened)


def test_settings_that_change_all_days_are_no_late_file(opened: OpenWorkspace, in_part: set[str]) -> None:
    more = '[[destinations]]\nname = "New"\ngroup = "known-provider"\nnetworks = ["192.0.2.0/24"]\n'
    changed = new_workspace(opened.workspace.root, SETTINGS + more)
    changed.build()
    assert in_part == set()
    assert tables(changed) == from_nothing(changed)


def test_only_the_days_asked_for(opened: OpenWorkspace, in_part: set[str]) -> None:
    from datetime import date

    for day in (2, 3):
        late(opened, f"2007-06-{day:02} 13:00:00")
    module.build(Workspace.load(opened.workspace.root), since=date(2007, 6, 3))
    assert in_part == BY_SUBSCRIBER
    assert contacts(opened, "line 3") == [(5, 4, 1), (4, 4, 1)]
    in_part.clear()
    opened.build()
    assert in_part == BY_SUBSCRIBER
    assert contacts(opened, "line 3") == [(6, 4, 1), (4, 4, 1)]
    assert tables(opened) == from_nothing(opened)
