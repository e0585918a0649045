"""`op25b expire`: rows whose days are over are gone for good, what was made of them stays, and nothing comes back."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from op25b import quality, retention
from op25b.api import OpenWorkspace, open_workspace
from op25b.assets import directory
from op25b.cli import app
from op25b.errors import LakeError, Op25bError, QueryError
from op25b.retention import copies, known
from op25b.settings import Retention
from tests.conftest import SETTINGS
from tests.pipelines.rows import both, event, lease, load, new_workspace, record, tables

DAYS = [date(2007, 6, day) for day in (1, 2, 3)]
TODAY = date(2007, 6, 3)
GONE = "198.18.0.77"
# With one day everything but the first of the three days is kept.
ALL = "[retention]\n" + "".join(f"{table} = 1\n" for table in known() if table != "subscriber_record")
RAW = "[retention]\nflow = 1\nmail_event = 1\nlease_record = 1\n"
INPUTS = '[[inputs.flows]]\npath = "raw/*.csv"\nformat = "csv"\nsampling_interval = 1\ntimezone = "UTC"\n'


def opened_with(root: Path, settings: str) -> OpenWorkspace:
    return new_workspace(root, SETTINGS + settings)


def fill(opened: OpenWorkspace) -> None:
    """Three days of two lines; on the first day one of them has an address that it never has again."""
    for day in DAYS:
        address = GONE if day == DAYS[0] else "198.18.0.1"
        load(opened, "flow", both(f"{address}:4000", "192.0.2.25:25", f"{day} 12:00:00"), source=f"flows {day}")
        load(opened, "mail_event", [event("accepted", f"{day} 12:00:00", f"Q{day}", client_ip=address)],
             source=f"mail {day}")
    load(opened, "lease_record", [
        lease(GONE, "a", "2007-06-01 01:00:00", "2007-06-01 23:00:00"), lease("198.18.0.1", "a", "2007-06-02 01:00:00"),
    ], source="leases")
    load(opened, "subscriber_record", [{"subscriber": "a", "plan": "home"}], source="subscribers")


@pytest.fixture
def raw(tmp_path: Path) -> OpenWorkspace:
    """Three days, built, of which the raw rows of the first are to go."""
    opened = opened_with(tmp_path / "w", RAW)
    fill(opened)
    opened.build()
    return opened


def days(opened: OpenWorkspace, table: str) -> list[int]:
    return [day.day for day in opened.lake.days(table)]


def accounted(opened: OpenWorkspace) -> list[tuple[Any, ...]]:
    return opened.sql("SELECT table_name, source, day(first_day), day(last_day), rows_expired, day(expired_until), "
                      "days_kept FROM expired ORDER BY table_name, source").rows()


def on_disk(root: Path) -> str:
    """Everything below a directory as text, Parquet files and Delta's logs and checkpoints unpacked."""
    found = [repr(pl.read_parquet(file, glob=False, hive_partitioning=False).to_dicts()) if file.suffix == ".parquet"
             else file.read_bytes().decode("latin-1") for file in root.rglob("*") if file.is_file()]
    return "\n".join(found)


def test_raw_rows_go_and_what_was_made_of_them_stays(raw: OpenWorkspace) -> None:
    before = tables(raw)
    assert raw.expire(TODAY).rows() == [
        ("flow", 1, DAYS[0], 2, "removed"), ("mail_event", 1, DAYS[0], 1, "removed"),
        ("lease_record", 1, DAYS[0], 1, "removed")]
    assert (days(raw, "flow"), days(raw, "mail_event"), days(raw, "sender_day")) == ([2, 3], [2, 3], [1, 2, 3])
    assert accounted(raw) == [("flow", "flows 2007-06-01", 1, 1, 2, 1, 1), ("lease_record", "leases", 1, 1, 1, 1, 1),
                              ("mail_event", "mail 2007-06-01", 1, 1, 1, 1, 1)]
    after = tables(raw)
    for copy in ("stated_lease", "lease"):
        assert [len(found[copy]) for found in (before, after)] == [2, 1]
        del before[copy], after[copy]
    assert after == before
    assert raw.build().rows() == []
    checked = quality.check(raw.workspace)
    counted = pl.col("rule").is_in(["has_rows", "rows_in_lake", "source_known", "accounting"])
    assert checked.filter(counted)["passed"].all()
    assert raw.expire(TODAY)["state"].to_list() == ["nothing"] * 3


def test_a_late_file_of_a_kept_day_leaves_expired_days_alone(raw: OpenWorkspace) -> None:
    raw.expire(TODAY)
    load(raw, "flow", both("198.18.0.1:4001", "192.0.2.25:25", "2007-06-03 13:00:00"), source="late flows")
    made = dict(raw.build().select("table", "made").rows())
    assert made["sender_day"] == "2007-06-03 to 2007-06-03"
    assert raw.sql("SELECT day(day), sum(sessions)::BIGINT FROM sender_day GROUP BY day ORDER BY day").rows() == [
        (1, 1), (2, 1), (3, 2)]
    assert raw.sql("SELECT sum(sessions)::BIGINT FROM sender_month").rows() == [(4,)]


def test_days_that_share_numbers_are_left_alone_together(raw: OpenWorkspace) -> None:
    """Of the second day flows are kept, but not those of the hours before it: its connections cannot be made anew.

    So its holders must keep their numbers as well, though a late log of leases names another, first by name.
    """
    raw.expire(TODAY)
    query = "SELECT day(day), subscriber, server_ip FROM session ORDER BY day"
    before = raw.sql(query).rows()
    assert before == [(1, "a", "192.0.2.25"), (2, "a", "192.0.2.25"), (3, "a", "192.0.2.25")]
    load(raw, "lease_record", [lease("198.18.0.50", "0", f"{day} 05:00:00", f"{day} 06:00:00") for day in DAYS[1:]],
         source="late leases")
    made = dict(raw.build().select("table", "made").rows())
    assert made["holder"] == made["connection"] == "2007-06-03 to 2007-06-03"
    assert raw.sql(query).rows() == before
    assert raw.sql("SELECT day(day), subscriber FROM peer_day ORDER BY day").rows() == [(1, "a"), (2, "a"), (3, "a")]


def test_other_settings_do_not_touch_days_whose_rows_are_gone(raw: OpenWorkspace) -> None:
    raw.expire(TODAY)
    path = raw.workspace.root / "op25b.toml"
    path.write_text(path.read_text(encoding="utf-8") + "[engine]\nsession_gap_seconds = 50\n", encoding="utf-8")
    again = open_workspace(raw.workspace.root)
    # Of the second day too: what began before midnight is gone, so that it could not be made as it was.
    assert dict(again.build().select("table", "made").rows())["sender_day"] == "2007-06-03 to 2007-06-03"
    assert days(again, "sender_day") == [1, 2, 3]


def test_nothing_of_an_expired_day_is_on_disk(tmp_path: Path) -> None:
    opened = opened_with(tmp_path / "w", ALL)
    fill(opened)
    opened.build()
    assert GONE in on_disk(tmp_path / "w" / "lake")
    opened.expire(TODAY)
    assert GONE not in on_disk(tmp_path / "w" / "lake")
    assert [days(opened, name) for name in ("flow", "sender_day", "address", "message")] == [[2, 3]] * 4
    assert opened.sql("SELECT sum(sessions)::BIGINT FROM sender_month").rows() == [(2,)]
    assert opened.build().rows() == []
    assert "expired: flow until 2007-06-01" in CliRunner().invoke(app, ["-w", str(tmp_path / "w"), "status"]).output


def test_an_earlier_version_has_what_is_kept(raw: OpenWorkspace) -> None:
    before = raw.lake.number()
    raw.expire(TODAY)
    then = raw.at(before)
    assert then.sql("SELECT DISTINCT day(day) FROM flow ORDER BY 1").rows() == [(2,), (3,)]
    assert (days(then, "flow"), then.lake.rows("flow")) == ([2, 3], 4)
    assert then.sql("SELECT count(*) FROM sender_day").item() == 3
    with pytest.raises(QueryError, match=f"lake version {before} has no table lease any more"):
        then.sql("SELECT subscriber FROM lease")
    with pytest.raises(LakeError, match="has no table lease_record any more"):
        then.lake.files("lease_record")


@pytest.mark.parametrize("step", ["drop_days", "_drop_rows", "swap", "forget_versions", "build"])
def test_killed_and_run_again(raw: OpenWorkspace, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retention, step, die)
        with pytest.raises(KeyboardInterrupt):
            raw.expire(TODAY)
    raw.expire(TODAY)
    assert [row[:2] for row in accounted(raw)] == [("flow", "flows 2007-06-01"), ("lease_record", "leases"),
                                                   ("mail_event", "mail 2007-06-01")]
    assert (days(raw, "flow"), days(raw, "mail_event"), raw.lake.rows("lease_record")) == ([2, 3], [2, 3], 1)
    assert (days(raw, "sender_day"), raw.lake.rows("lease"), raw.build().rows()) == ([1, 2, 3], 1, [])
    assert GONE not in on_disk(raw.workspace.lake_path / "lease")


def test_a_late_file_of_expired_days_is_counted_and_left_out(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, "[retention]\nflow = 1\n" + INPUTS)
    fill(opened)
    opened.expire(TODAY)
    (tmp_path / "raw").mkdir()
    line = "{0} 03:00:00,{0} 03:00:01,198.18.0.9,192.0.2.25,5000,25,6,10,1000\n"
    head = "first_seen,last_seen,src_ip,dst_ip,src_port,dst_port,protocol,packets,bytes\n"
    (tmp_path / "raw" / "late.csv").write_text(head + "".join(line.format(DAYS[day]) for day in (0, 1, 0)))
    (tmp_path / "raw" / "older.csv").write_text(head + line.format("2007-05-01"))
    counts = ["path", "rows_read", "rows_kept", "rows_filtered", "rows_rejected"]
    assert opened.ingest().select(counts).rows() == [("raw/late.csv", 3, 1, 2, 0), ("raw/older.csv", 1, 0, 1, 0)]
    assert opened.sql("SELECT day(day), count(*) FROM flow GROUP BY ALL ORDER BY ALL").rows() == [(2, 3), (3, 2)]
    assert opened.ingest()["state"].to_list() == ["known", "known"]
    times = opened.sql("SELECT path, day(\"first\"), day(\"last\") FROM source_file WHERE format = 'csv' ORDER BY path")
    assert times.rows() == [("raw/late.csv", 2, 2), ("raw/older.csv", None, None)]


# Each lease: its records, and what is left of them when all that ended before 2 June is over.
LEASES: dict[str, tuple[list[dict[str, Any]], int]] = {
    "ended before": ([record("start", "a", "2007-06-01 10:00:00", GONE, "2007-06-01 10:00:00"),
                      record("stop", "a", "2007-06-01 12:00:00", GONE, "2007-06-01 10:00:00", "2007-06-01 12:00:00"),
                      ], 0),
    "ended after": ([record("start", "a", "2007-06-01 10:00:00", GONE, "2007-06-01 10:00:00"),
                     record("interim", "a", "2007-06-01 11:00:00", GONE, "2007-06-01 10:00:00"),
                     record("stop", "a", "2007-06-02 12:00:00", GONE, "2007-06-01 10:00:00", "2007-06-02 12:00:00"),
                     ], 3),
    "open": ([record("start", "a", "2007-05-01 10:00:00", GONE, "2007-05-01 10:00:00")], 1),
    "restart of the server": ([record("start", "a", "2007-06-01 10:00:00", GONE, "2007-06-01 10:00:00"),
                               record("reset", None, "2007-06-01 11:00:00", session=None)], 0),
    "restart, and told of later": ([record("start", "a", "2007-06-01 10:00:00", GONE, "2007-06-01 10:00:00"),
                                    record("interim", "a", "2007-06-02 11:00:00", GONE, "2007-06-01 10:00:00")], 2),
    "dhcp, given to the next": ([
        record("start", "a", "2007-06-01 10:00:00", GONE, "2007-06-01 10:00:00", "2007-06-09 10:00:00", kind="dhcp"),
        record("start", "b", "2007-06-01 11:00:00", GONE, "2007-06-01 11:00:00", "2007-06-01 12:00:00", session="S2",
               kind="dhcp")], 0),
    "dhcp, given to one who has it": ([
        record("start", "a", "2007-06-01 10:00:00", GONE, "2007-06-01 10:00:00", "2007-06-09 10:00:00", kind="dhcp"),
        record("start", "b", "2007-06-01 11:00:00", GONE, "2007-06-01 11:00:00", "2007-06-09 12:00:00", session="S2",
               kind="dhcp")], 1),
    "static, always there": ([{"at": None, "ip_first": "0" * 32, "ip_last": "0" * 32, "port_first": 0,
                               "port_last": 65535, "subscriber": "a", "event": "start", "kind": "static"}], 1),
}


@pytest.mark.parametrize("name", LEASES)
def test_a_lease_goes_as_a_whole(tmp_path: Path, name: str) -> None:
    rows, left = LEASES[name]
    opened = opened_with(tmp_path, RAW)
    load(opened, "lease_record", rows, source="leases")
    opened.expire(TODAY)
    assert opened.lake.rows("lease_record") == left
    assert sum(row[4] for row in accounted(opened)) == len(rows) - left


def test_only_files_with_rows_to_go_are_written_anew(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, RAW)
    load(opened, "lease_record", [lease("198.18.0.1", "a", "2007-06-02 10:00:00")], source="new")
    kept = opened.lake.files("lease_record")
    load(opened, "lease_record", [lease("198.18.0.2", "a", "2007-06-02 10:00:00"),
                                  lease(GONE, "b", "2007-05-01 10:00:00", "2007-05-02 10:00:00")], source="old")
    opened.expire(TODAY)
    assert {*kept} < {*opened.lake.files("lease_record")}
    assert opened.sql('SELECT source, subscriber, "end" FROM lease_record ORDER BY source').rows() == [
        ("new", "a", None), ("old", "a", None)]
    assert opened.lake.holds("lease_record", ["x"]) == set()


def test_the_latest_list_that_names_a_line_stays(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, "[retention]\nsubscriber_record = 1\n")
    for source, read_at, lines in (("first", "2007-05-01 00:00:00", "ab"), ("second", "2007-06-01 00:00:00", "b"),
                                   ("third", "2007-06-02 10:00:00", "b")):
        load(opened, "subscriber_record", [{"subscriber": line} for line in lines], source=source, read_at=read_at)
    opened.expire(TODAY)
    assert opened.sql("SELECT source, subscriber FROM subscriber_record ORDER BY ALL").rows() == [
        ("first", "a"), ("second", "b"), ("third", "b")]
    assert accounted(opened) == [("subscriber_record", "first", None, None, 1, 1, 1)]


def test_rejected_rows_go_by_when_they_were_read(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, "[retention]\nrejected = 1\n")
    for source, read_at in (("old", "2007-06-01 10:00:00"), ("new", "2007-06-02 10:00:00")):
        load(opened, "flow", both("198.18.0.1:1", "192.0.2.25:25", "2007-06-01 12:00:00"), source, read_at)
        opened.lake.append("rejected", pl.DataFrame(
            {"source": [source], "line": [1], "offset": [None], "reason": ["r"], "excerpt": [None]},
            schema_overrides={"offset": pl.Int64, "excerpt": pl.String}).to_arrow(), [])
    opened.expire(TODAY)
    assert opened.sql("SELECT source FROM rejected").rows() == [("new",)]


def test_a_dry_run_says_what_would_go_and_leaves_it(raw: OpenWorkspace) -> None:
    version = raw.lake.number()
    done = CliRunner().invoke(app, ["-w", str(raw.workspace.root), "expire", "--dry-run", "--today", "2007-06-03",
                                    "--format", "json"])
    assert [(row["table"], row["rows"], row["state"]) for row in json.loads(done.stdout)] == [
        ("flow", 2, "would go"), ("mail_event", 1, "would go"), ("lease_record", 1, "would go")]
    assert raw.lake.number() == version


def test_the_command_line(raw: OpenWorkspace) -> None:
    arguments = ["-w", str(raw.workspace.root), "expire", "--today", "2007-06-03", "--format", "json"]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, [row["rows"] for row in json.loads(done.stdout)]) == (0, [2, 1, 1])


def test_without_limits_everything_is_kept(tmp_path: Path) -> None:
    opened = opened_with(tmp_path, "")
    fill(opened)
    assert opened.expire().rows() == []
    assert days(opened, "flow") == [1, 2, 3]


@pytest.mark.parametrize(("settings", "today", "message"), [
    (RAW, date.today() + timedelta(days=3), "is after today"),  # noqa: DTZ011  # three days are more than any zone
    ("[retention]\nflow = 0\n", TODAY, "retention.flow: Input should be greater than or equal to 1"),
])
def test_what_cannot_be_meant(tmp_path: Path, settings: str, today: date, message: str) -> None:
    with pytest.raises(Op25bError, match=message):
        opened_with(tmp_path, settings).expire(today)


def test_the_settings_know_the_tables_that_can_have_days() -> None:
    assert sorted(Retention.model_fields.keys() - {"versions"}) == sorted(known())


def test_what_copies_leases() -> None:
    assert (copies("lease_record"), copies("rejected")) == ({"stated_lease", "lease"}, set())
    assert "subscriber" in copies("subscriber_record")


def test_the_proposals_of_a_new_workspace_are_tables(tmp_path: Path) -> None:
    text = (directory("pipelines").parent / "src" / "op25b" / "op25b.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in text.split("# [retention]")[1].split("\n\n")[0].splitlines()[2:]]
    assert {line.split()[0] for line in lines} - {"versions"} == {*known()}
    opened_with(tmp_path, "[retention]\n" + "\n".join(lines)).expire()
