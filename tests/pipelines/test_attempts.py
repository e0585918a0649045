"""What the exporter did to the records is carried along: attempts that it split count once, sampling stays known."""

from __future__ import annotations

from pathlib import Path

from tests.pipelines.rows import SYN, flow, lease, load, new_workspace

LINE, SERVER, OTHER = "198.18.0.1:4000", "192.0.2.25:25", "192.0.2.26:25"


def test_a_split_train_of_syns_is_one_attempt_in_every_table(tmp_path: Path) -> None:
    """Linux sends SYNs at 0, 1, 3, 7, 15, 31 and 63 s; an inactive timeout of 15 s cuts after 15 s and after 31 s."""
    opened = new_workspace(tmp_path)
    load(opened, "flow", [
        flow(LINE, SERVER, "12:00:00", "12:00:15", SYN, packets=5),
        flow(LINE, SERVER, "12:00:31", flags=SYN, packets=1),
        flow(LINE, SERVER, "12:01:03", flags=SYN, packets=1),
        flow("198.18.0.1:4001", SERVER, "12:05:00", "12:05:15", SYN, packets=5),  # the next attempt, from another port
    ])
    load(opened, "lease_record", [lease("198.18.0.1", "a", "10:00")])
    opened.build()
    assert opened.sql("SELECT records, client_packets, outcome FROM session ORDER BY first_seen").rows() == [
        (3, 7, "no-answer"), (1, 5, "no-answer")]
    for table in ("peer_day", "sender_day"):
        assert opened.sql(f"SELECT sessions, flows, no_answer FROM {table}").rows() == [(2, 4, 2)]
    assert opened.sql("SELECT sessions, no_answer FROM sender").rows() == [(2, 2)]
    counts = opened.coverage("total", 0).select("sessions", "flows", "attributed").rows()
    assert counts == [(2, 4, 4)]


def test_the_sampling_interval_is_carried_along(tmp_path: Path) -> None:
    """A session is as well known as its least well sampled record; where nobody says, that stays unknown."""
    opened = new_workspace(tmp_path)
    load(opened, "flow", [
        flow(LINE, SERVER, "12:00", sampling=100, exporter="edge-1"),
        flow(SERVER, LINE, "12:00:01", sampling=1000, exporter="edge-1"),
        flow("198.18.0.2:4000", SERVER, "12:00", sampling=1, exporter="edge-2"),
        flow("198.18.0.3:4000", OTHER, "12:00", sampling=None, exporter="edge-3"),
    ])
    load(opened, "lease_record", [lease(f"198.18.0.{n}", name, "10:00") for n, name in enumerate("abc", 1)])
    opened.build()
    expected = [("a", 1000), ("b", 1), ("c", None)]
    for table in ("session", "sampled_day", "sender"):
        assert opened.sql(f"SELECT subscriber, sampling_interval FROM {table} ORDER BY subscriber").rows() == expected
