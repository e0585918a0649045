"""pipelines/message.sql and relay_day.sql: events of the relay's log → messages, and whose they are."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.rows import Row, event, lease, load, new_workspace

LINE, ELSEWHERE = "198.18.0.1", "192.0.2.99"


def messages(root: Path, events: list[Row], columns: str, leases: list[Row] | None = None,
             subscribers: list[Row] | None = None) -> list[tuple[Any, ...]]:
    opened = new_workspace(root)
    load(opened, "mail_event", events)
    if leases:
        load(opened, "lease_record", leases)
    if subscribers:
        load(opened, "subscriber_record", subscribers)
    opened.build()
    return opened.sql(f"SELECT {columns} FROM message ORDER BY first_at, queue_id").rows()


def sent(queue_id: str, when: str, **client: Any) -> list[Row]:
    """A message that is accepted and sent within a minute."""
    return [event("accepted", f"{when}:00", queue_id, **({"client_ip": LINE, "listener_port": 25} | client)),
            event("queued", f"{when}:00", queue_id, sender_domain="example.jp", size_bytes=900, recipients=1),
            event("delivery", f"{when}:01", queue_id, status="sent"), event("removed", f"{when}:01", queue_id)]


COUNTS = "queue_id, sent, deferred, bounced, removed"


@pytest.mark.parametrize(("events", "expected"), [
    pytest.param(sent("A1", "12:00"), [("A1", 1, 0, 0, True)], id="one message"),
    pytest.param([*sent("A1", "12:00"), *sent("A1", "15:00")], [("A1", 1, 0, 0, True), ("A1", 1, 0, 0, True)],
                 id="queue id used again"),
    pytest.param([*sent("A1", "12:00"), event("queued", "13:00", "A1", sender_domain=""),
                  event("delivery", "13:00", "A1", status="sent"), event("removed", "13:00", "A1")],
                 [("A1", 1, 0, 0, True), ("A1", 1, 0, 0, True)], id="queue id used again by a bounce: never accepted"),
    pytest.param([event("accepted", "12:00", "A1", client_ip=LINE), event("queued", "12:00", "A1", recipients=3),
                  *[event("delivery", "12:01", "A1", status=status) for status in ("sent", "sent", "bounced")],
                  event("removed", "12:01", "A1")], [("A1", 2, 0, 1, True)], id="three recipients"),
    pytest.param([event("accepted", "12:00", "A1", client_ip=LINE),
                  *[event("delivery", f"2007-06-0{day} 12:10:00", "A1", status="deferred") for day in range(2, 6)],
                  event("delivery", "2007-06-06 12:10:00", "A1", status="sent"),
                  event("removed", "2007-06-06 12:10:01", "A1")], [("A1", 1, 4, 0, True)], id="deferred over days"),
    pytest.param([event("delivery", "12:00:04", "A1", status="sent"), *sent("A1", "12:01"),
                  event("rejected", "13:00:00", "A1"), *sent("A1", "13:01")],
                 [("A1", 2, 0, 0, True), ("A1", 1, 0, 0, True)], id="delivered or refused before accepted"),
    pytest.param([event("rejected", "12:00", None, client_ip=LINE), event("auth", "12:00", None, auth_ok=True)], [],
                 id="no queue id, no message"),
])
def test_joining(tmp_path: Path, events: list[Row], expected: list[tuple[Any, ...]]) -> None:
    assert messages(tmp_path, events, COUNTS) == expected


HELD = [lease(LINE, "line-1", "10:00", "14:00"), lease(LINE, "line-2", "14:00")]
LIST = [{"subscriber": "line-7", "auth_user": "u7"}, {"subscriber": "line-8", "auth_user": "u8"},
        {"subscriber": "line-9", "auth_user": "u8"}]


@pytest.mark.parametrize(("client", "leases", "expected"), [
    pytest.param({"client_ip": LINE}, HELD, ("line-1", True), id="by address"),
    pytest.param({"client_ip": LINE}, [], (None, True), id="no lease"),
    pytest.param({"client_ip": LINE}, [*HELD, lease(LINE, "line-3", "11:00")], (None, True), id="overlapping leases"),
    pytest.param({"client_ip": LINE}, [lease(LINE, "line-1", "10:00", ports=(1000, 1239))], (None, True),
                 id="shared address, and the log has no port"),
    pytest.param({"client_ip": "2001:db8:100:1::9"}, [lease("2001:db8:100::/56", "line-1", "10:00")], ("line-1", True),
                 id="IPv6 prefix"),
    pytest.param({"client_ip": LINE, "auth_user": "u7"}, HELD, ("line-7", True), id="SMTP AUTH before the address"),
    pytest.param({"client_ip": ELSEWHERE, "auth_user": "u7"}, HELD, ("line-7", False), id="from another ISP's line"),
    pytest.param({"client_ip": ELSEWHERE}, HELD, (None, False), id="another ISP's line, nobody"),
    pytest.param({"client_ip": ELSEWHERE, "auth_user": "u8"}, HELD, (None, False), id="two lines claim the name"),
    pytest.param({"client_ip": "203.0.113.1"}, HELD, (None, False), id="the relay itself"),
    pytest.param({"client_ip": None}, HELD, (None, False), id="local"),
])
def test_whose(tmp_path: Path, client: dict[str, Any], leases: list[Row], expected: tuple[str | None, bool]) -> None:
    assert messages(tmp_path, sent("A1", "12:00", **client), "subscriber, own_line", leases, LIST) == [expected]


def test_a_message_counts_on_the_local_day_it_came(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path)
    load(opened, "mail_event", [event("accepted", "2007-06-01 23:59:59", "A1", client_ip=LINE, listener_port=25),
                                event("delivery", "00:00:01", "A1", status="sent"), *sent("B2", "00:30")])
    load(opened, "lease_record", [lease(LINE, "line-1", "2007-06-01 10:00:00")])
    opened.build()
    columns = "day, subscriber, listener_port, own_line, messages, sent"
    assert opened.sql(f"SELECT {columns} FROM relay_day ORDER BY day").rows() == [
        (date(2007, 6, 1), "line-1", 25, True, 1, 1), (date(2007, 6, 2), "line-1", 25, True, 1, 1)]


def test_what_was_refused_or_broken_off_is_no_message(tmp_path: Path) -> None:
    opened = new_workspace(tmp_path)
    start = {"client_ip": LINE, "listener_port": 25}
    load(opened, "mail_event", [
        *sent("A1", "12:00", **start), event("accepted", "12:00", "B2", **start), event("rejected", "12:00", "B2"),
        event("accepted", "12:00", "C3", **start), event("queued", "12:00", "C3", size_bytes=9),
        event("rejected", "12:00", "C3"), event("accepted", "12:00", "D4", **start)])
    load(opened, "lease_record", [lease(LINE, "line-1", "2007-06-01 10:00:00")])
    opened.build()
    assert opened.sql("SELECT messages, sent, rejected FROM relay_day").rows() == [(1, 1, 2)]
