"""The data-quality gates: a clean lake passes, and every planted fault fails exactly the rules that name it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from op25b import quality
from op25b.api import OpenWorkspace
from op25b.engine.build import build
from op25b.errors import UnknownNameError
from op25b.readers.base import ip_key
from op25b.status import quality_state
from tests.conftest import put

Row = dict[str, Any]
NOON = datetime(2007, 7, 10, 3)  # 12:00 in Japan
LINES = {"alice": "198.18.1.1", "bob": "198.18.1.2", "carol": "198.18.1.3"}
RELAY, PROVIDER = "203.0.113.2", "198.51.100.70"
INPUTS = "".join(f'[[inputs.{kind}]]\npath = "raw/{kind}*"\n' for kind in ("flows", "mail", "leases", "subscribers"))
KINDS = {"flows": "flow", "mail": "mail_event", "leases": "lease_record", "subscribers": "subscriber_record"}


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def flow(at: datetime, src: str, dst: str, **other: Any) -> Row:
    return {"day": (at + timedelta(hours=9)).date(), "first_seen": at, "last_seen": at + minutes(0.1), "src_ip": src,
            "dst_ip": dst, "src_key": ip_key(src), "dst_key": ip_key(dst), "src_port": 40000, "dst_port": 25,
            "protocol": 6, "packets": 10, "bytes": 4000, "tcp_flags": 27, "established": True, "sampling_interval": 1,
            "exporter": "192.0.2.1", "received": at + minutes(0.5), "source": "flows"} | other


def mail(at: datetime, event: str, queue_id: str, **other: Any) -> Row:
    return {"day": (at + timedelta(hours=9)).date(), "at": at, "mta_host": "mta1", "event": event,
            "queue_id": queue_id, "source": "mail"} | other


def lease(user: str, ip: str, start: datetime, end: datetime | None = None, **other: Any) -> Row:
    return {"at": end or start, "ip_first": ip_key(ip), "ip_last": ip_key(ip), "port_first": 0, "port_last": 65535,
            "subscriber": user, "event": "stop" if end else "start", "start": start, "end": end, "kind": "radius",
            "access_server": "nas1", "session": f"{user} {ip}", "source": "leases"} | other


def line(name: str, **other: Any) -> Row:
    return {"subscriber": name, "plan": "home", "fixed_ip": False, "access_node": "bras1", "language": "ja",
            "radius_user": f"radius-{name}", "auth_user": f"mail-{name}", "source": "subscribers"} | other


class Clean:
    """A lake without a fault, as rows; a planted fault changes some of them before they are written."""

    def __init__(self) -> None:
        yesterday = NOON - timedelta(days=1)
        self.flow, self.mail_event, self.rejected = [], [], []  # type: list[Row], list[Row], list[Row]
        for number, ip in enumerate(LINES.values()):
            at = NOON + minutes(10 * number)
            self.flow += [flow(at, ip, RELAY), flow(at + minutes(30), ip, PROVIDER)]
            self.mail_event += [
                mail(at + minutes(0.02), "accepted", f"Q{number}", client_ip=ip, client_key=ip_key(ip), listener_port=25),
                mail(at + minutes(0.03), "queued", f"Q{number}", size_bytes=4000, recipients=1),
                mail(at + minutes(0.1), "delivery", f"Q{number}", status="sent", next_hop_port=25),
                mail(at + minutes(0.1), "removed", f"Q{number}"),
            ]
        self.lease_record = [lease(f"radius-{name}", ip, yesterday) for name, ip in LINES.items()]
        self.lease_record += [  # one address held by turns, and one shared by ports
            lease("radius-alice", "198.18.7.7", yesterday, NOON), lease("radius-bob", "198.18.7.7", NOON),
            lease("radius-alice", "198.18.8.8", yesterday, port_first=1024, port_last=2047, kind="cgnat"),
            lease("radius-bob", "198.18.8.8", yesterday, port_first=2048, port_last=3071, kind="cgnat"),
        ]
        self.subscriber_record = [line(name) for name in LINES]
        self.accounts: dict[str, Row] = {kind: {} for kind in KINDS}

    def rows(self, table: str) -> list[Row]:
        return getattr(self, table)  # type: ignore[no-any-return]

    def files(self) -> list[Row]:
        """A row of source_file for each kind that has rows, with the fault's changes."""
        found = []
        for kind, table in KINDS.items():
            rows = [row for row in self.rows(table) if row["source"] == kind]
            times = [row.get("first_seen") or row["at"] for row in rows if "first_seen" in row or "at" in row]
            if rows:
                found.append({
                    "sha256": kind, "path": f"raw/{kind}1", "kind": kind, "format": "test", "bytes": 1,
                    "rows_read": len(rows) + 5, "rows_kept": len(rows), "rows_filtered": 5, "rows_rejected": 0,
                    "first": min(times, default=None), "last": max(times, default=None),
                    "at": NOON + timedelta(days=1)} | self.accounts[kind])
        return found

    def write(self, opened: OpenWorkspace) -> None:
        for table in (*KINDS.values(), "rejected"):
            if self.rows(table):
                put(opened, table, self.rows(table))
        if files := self.files():
            put(opened, "source_file", files)
        build(opened.workspace)


Fault = Callable[[Clean], None]
Make = Callable[[str], OpenWorkspace]


def planted(workspace: Make, fault: Fault) -> tuple[OpenWorkspace, set[str]]:
    """A built workspace with one fault, and the rules that fail in it."""
    lake = Clean()
    fault(lake)
    opened = workspace(INPUTS)
    lake.write(opened)
    failed = quality.check(opened.workspace).filter(~pl.col("passed"))
    for name, rule, failing in failed.select("table", "rule", "failing_rows").iter_rows():
        assert quality.rows(opened.workspace, name, rule).height == min(failing, quality.SHOWN_ROWS)
    return opened, set(failed.select(pl.concat_str("table", "rule", separator=".")).to_series())


def change(table: str, number: int, **values: Any) -> Fault:
    """Change one row of a table."""
    return lambda lake: lake.rows(table)[number].update(values)


def add(table: str, *rows: Row) -> Fault:
    return lambda lake: lake.rows(table).extend(rows)


def account(kind: str, **values: Any) -> Fault:
    return lambda lake: lake.accounts[kind].update(values)


def every(table: str, column: str, shift: timedelta) -> Fault:
    def fault(lake: Clean) -> None:
        for row in lake.rows(table):
            row[column] += shift
    return fault


def test_a_clean_lake_passes_every_rule(workspace: Make) -> None:
    opened = workspace(INPUTS)
    Clean().write(opened)
    result = quality.check(opened.workspace)
    assert result.filter(~pl.col("passed")).rows() == []
    assert result.filter(pl.col("observed") == quality.NO_ROWS).rows() == []  # each rule had something to judge
    assert set(result["table"]) == set(quality.tables()) == {"flow", "mail_event", "lease", "subscriber"}
    assert result["failing_rows"].to_list() == [0] * result.height
    quality.remember(opened.workspace, result)
    assert quality_state(opened.workspace).startswith(f"{result.height} of {result.height} rules held, 0 critical")


def test_the_sample_passes_every_rule(sample: OpenWorkspace) -> None:
    assert quality.check(sample.workspace).filter(~pl.col("passed")).rows() == []


def test_every_select_of_a_rule_runs_on_an_empty_lake(workspace: Make) -> None:
    opened = workspace("")
    result = quality.check(opened.workspace)
    assert set(result["passed"]) == {True}
    assert set(result["observed"]) == {quality.NO_ROWS}
    for table, rule in result.select("table", "rule").iter_rows():
        assert quality.rows(opened.workspace, table, rule).is_empty()


def test_a_configured_input_without_rows_fails_once(workspace: Make) -> None:
    opened = workspace('[[inputs.flows]]\npath = "raw/nfcapd.*"\n')
    failed = quality.check(opened.workspace, "flow").filter(~pl.col("passed"))
    assert failed.select("table", "rule", "severity", "observed", "expected").rows() == [
        ("flow", "has_rows", "critical", "0", "at least 1")]
    assert quality.rows(opened.workspace, "flow", "has_rows").rows() == [("raw/nfcapd.*", 0)]


SHORT = NOON + minutes(5)
STRANGER = flow(NOON + minutes(15), "198.18.1.77", PROVIDER)
UNSEEN = "198.18.9.9"

FAULTS: dict[str, tuple[Fault, set[str], str, list[Row]]] = {
    "port": (change("flow", 1, dst_port=70000), {"flow.ports"}, "flow.ports", [
        {"path": "raw/flows1", "src_ip": "198.18.1.1", "dst_port": 70000}]),
    "no packets": (change("flow", 1, packets=0), {"flow.volume"}, "flow.volume", [
        {"src_ip": "198.18.1.1", "packets": 0, "bytes": 4000}]),
    "backwards": (change("flow", 1, last_seen=NOON), {"flow.order"}, "flow.order", [
        {"first_seen": NOON + minutes(30), "last_seen": NOON}]),
    "protocol": (change("flow", 1, protocol=99), {"flow.protocol"}, "flow.protocol", [{"protocol": 99}]),
    "no address": (change("flow", 1, src_ip="", src_key=""), {"flow.addresses"}, "flow.addresses", [
        {"src_ip": "", "dst_ip": PROVIDER}]),
    "read before it happened": (account("flows", at=NOON + minutes(44)), {"flow.not_in_future"}, "flow.not_in_future", [
        {"src_ip": "198.18.1.3", "first_seen": NOON + minutes(50), "file_read": NOON + minutes(44)}]),
    "clock never set": (
        add("flow", flow(datetime(1970, 1, 1), "192.0.2.9", RELAY, exporter="192.0.2.2", received=None)),
        {"flow.not_before_logs"}, "flow.not_before_logs", [{"src_ip": "192.0.2.9", "exporter": "192.0.2.2"}]),
    "exporter ahead": (every("flow", "received", -minutes(60)), {"flow.exporter_clock"}, "flow.exporter_clock", [
        {"exporter": "192.0.2.1", "records": 6, "median_seconds": -3576.0}]),
    "exporter behind": (every("flow", "received", minutes(90)), {"flow.exporter_clock"}, "flow.exporter_clock", [
        {"exporter": "192.0.2.1", "records": 6, "median_seconds": 5424.0}]),
    "gap": (add("flow", flow(NOON + minutes(150), "198.18.1.1", PROVIDER)), {"flow.gaps"}, "flow.gaps", [
        {"exporter": "192.0.2.1", "since": NOON + minutes(50), "until": NOON + minutes(150), "minutes": 100.0}]),
    "gap over midnight": (  # 15:00 UTC is midnight in Japan
        add("flow", *[flow(NOON + minutes(50 * n), "198.18.1.1", PROVIDER) for n in range(1, 14)],
            flow(NOON + minutes(800), "198.18.1.1", PROVIDER)),
        {"flow.gaps"}, "flow.gaps", [{"since": NOON + minutes(650), "until": NOON + minutes(800), "minutes": 150.0}]),
    "no lease": (add("flow", STRANGER), {"flow.unattributed"}, "flow.unattributed", [
        {"line_ip": "198.18.1.77", "sessions": 1, "exporter": "192.0.2.1"}]),
    "stray row": (add("flow", flow(SHORT, "198.18.1.1", PROVIDER, source="gone")), {"flow.source_known"},
                  "flow.source_known", [{"source": "gone", "stray_rows": 1}]),
    "lost row": (account("flows", rows_kept=7, rows_read=12), {"flow.rows_in_lake"}, "flow.rows_in_lake", [
        {"path": "raw/flows1", "rows_kept": 7, "lake_rows": 6}]),
    "lost event": (account("mail", rows_kept=13, rows_read=18), {"mail_event.rows_in_lake"}, "mail_event.rows_in_lake", [
        {"path": "raw/mail1", "rows_kept": 13, "lake_rows": 12}]),
    "unaccounted": (account("leases", rows_read=100), {"lease.accounting"}, "lease.accounting", [
        {"path": "raw/leases1", "rows_read": 100, "rows_kept": 7}]),
    "event": (change("mail_event", 1, event="bounce"), {"mail_event.event"}, "mail_event.event", [
        {"event": "bounce", "queue_id": "Q0", "path": "raw/mail1"}]),
    "status": (change("mail_event", 2, status="lost"), {"mail_event.status"}, "mail_event.status", [
        {"event": "delivery", "status": "lost"}]),
    "mail port": (change("mail_event", 2, next_hop_port=-1), {"mail_event.ports"}, "mail_event.ports", [
        {"queue_id": "Q0", "next_hop_port": -1}]),
    "no key": (change("mail_event", 0, client_key=None), {"mail_event.addresses"}, "mail_event.addresses", [
        {"client_ip": "198.18.1.1", "client_key": None}]),
    "no queue id": (change("mail_event", 3, queue_id=None), {"mail_event.complete"}, "mail_event.complete", [
        {"event": "removed", "queue_id": None}]),
    "size": (change("mail_event", 1, size_bytes=-1), {"mail_event.sizes"}, "mail_event.sizes", [{"size_bytes": -1}]),
    "mail of tomorrow": (account("mail", at=NOON + minutes(15)), {"mail_event.not_in_future"}, "mail_event.not_in_future",
                         [{"queue_id": "Q2"}] * 2),
    "mail of 1970": (add("mail_event", mail(datetime(1970, 1, 1), "removed", "Q9", mta_host="mta2")),
                     {"mail_event.not_before_logs"}, "mail_event.not_before_logs", [{"queue_id": "Q9"}]),
    "missing log": (add("mail_event", mail(NOON + minutes(180), "removed", "Q9")), {"mail_event.gaps"}, "mail_event.gaps",
                    [{"mta_host": "mta1", "until": NOON + minutes(180), "minutes": 159.9}]),
    "mail clock": (every("mail_event", "at", minutes(15)), {"mail_event.relay_clock"}, "mail_event.relay_clock", [
        {"client_ip": ip, "seconds": 901.2} for ip in LINES.values()]),
    "mail time zone": (every("mail_event", "at", -minutes(9 * 60)), {"mail_event.covers_flows"}, "mail_event.covers_flows",
                       [{"flows_from": NOON}]),
    "lease ends first": (
        add("lease_record", lease("radius-alice", UNSEEN, NOON, NOON - minutes(5))), {"lease.order"}, "lease.order",
        [{"subscriber": "alice", "ip_first": UNSEEN, "start": NOON, "end": NOON - minutes(5)}]),
    "lease port": (add("lease_record", lease("radius-alice", UNSEEN, NOON, port_first=9, port_last=1)), {"lease.ports"},
                   "lease.ports", [{"subscriber": "alice", "port_first": 9, "port_last": 1}]),
    "lease range": (add("lease_record", lease("radius-alice", UNSEEN, NOON, ip_last=ip_key("198.18.9.8"))),
                    {"lease.addresses"}, "lease.addresses", [{"ip_first": UNSEEN, "ip_last": "198.18.9.8"}]),
    "lease kind": (add("lease_record", lease("radius-alice", UNSEEN, NOON, kind="ppp")), {"lease.kind"}, "lease.kind", [
        {"kind": "ppp"}]),
    "lease of nobody": (add("lease_record", lease("", UNSEEN, NOON)), {"lease.complete", "lease.subscriber_known"},
                        "lease.complete", [{"subscriber": "", "ip_first": UNSEEN}]),
    "lease of tomorrow": (add("lease_record", lease("radius-alice", UNSEEN, NOON + timedelta(days=2))),
                          {"lease.not_in_future"}, "lease.not_in_future", [{"start": NOON + timedelta(days=2)}]),
    "lease of 1970": (add("lease_record", lease("radius-alice", UNSEEN, datetime(1970, 1, 1))),
                      {"lease.not_before_logs"}, "lease.not_before_logs", [{"start": datetime(1970, 1, 1)}]),
    "unknown line": (add("lease_record", lease("radius-dave", UNSEEN, NOON)), {"lease.subscriber_known"},
                     "lease.subscriber_known", [{"subscriber": "radius-dave", "leases": 1}]),
    "overlap": (
        add("lease_record", lease("radius-alice", UNSEEN, NOON), lease("radius-bob", UNSEEN, SHORT, SHORT + minutes(1))),
        {"lease.overlapping"}, "lease.overlapping", [
            {"ip_first": UNSEEN, "subscriber_a": "alice", "subscriber_b": "bob", "overlap_from": SHORT,
             "overlap_until": SHORT + minutes(1)}]),
    "overlap of a range": (
        add("lease_record", lease("radius-alice", "198.18.9.0", NOON, ip_last=ip_key("198.18.9.255"), kind="static"),
            lease("radius-bob", UNSEEN, SHORT)),
        {"lease.overlapping"}, "lease.overlapping", [
            {"ip_first": UNSEEN, "ip_last": UNSEEN, "subscriber_a": "alice", "kind_a": "static", "subscriber_b": "bob",
             "overlap_from": SHORT, "overlap_until": None}]),
    "overlap of ports": (
        add("lease_record", lease("radius-carol", "198.18.8.8", NOON, port_first=3000, port_last=4000, kind="cgnat")),
        {"lease.overlapping"}, "lease.overlapping", [
            {"subscriber_a": "bob", "subscriber_b": "carol", "port_first": 3000, "port_last": 3071}]),
    "overlap under flows": (
        add("lease_record", lease("radius-bob", "198.18.1.1", NOON - minutes(10))),
        {"lease.overlapping", "flow.ambiguous"}, "flow.ambiguous", [{"line_ip": "198.18.1.1", "sessions": 2}]),
    "line twice": (add("subscriber_record", line("alice", plan="IP8")), {"subscriber.subscriber_once"},
                   "subscriber.subscriber_once", [{"subscriber": "alice", "plan": plan} for plan in ("IP8", "home")]),
    "radius user twice": (
        add("subscriber_record", line("dave", radius_user="shared"), line("erin", radius_user="shared")),
        {"subscriber.radius_user_once"}, "subscriber.radius_user_once", [
            {"radius_user": "shared", "subscriber": name} for name in ("dave", "erin")]),
    "auth user twice": (add("subscriber_record", line("dave", auth_user="mail-alice")), {"subscriber.auth_user_once"},
                        "subscriber.auth_user_once", [{"subscriber": name} for name in ("alice", "dave")]),
    "login of another line": (
        add("subscriber_record", line("dave", auth_user="bob")), {"subscriber.login_of_own_line"},
        "subscriber.login_of_own_line", [{"subscriber": "dave", "other": "bob"}]),
    "no plan": (add("subscriber_record", line("dave", plan=None)), {"subscriber.plan_present"}, "subscriber.plan_present",
                [{"subscriber": "dave"}]),
    "language": (add("subscriber_record", line("dave", language="fr")), {"subscriber.language"}, "subscriber.language",
                 [{"subscriber": "dave", "language": "fr"}]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_fails_its_rule_and_shows_its_rows(name: str, workspace: Make) -> None:
    fault, expected, shown, rows = FAULTS[name]
    opened, failed = planted(workspace, fault)
    assert failed == expected
    table, rule = shown.split(".")
    found = quality.rows(opened.workspace, table, rule).to_dicts()
    assert [{key: row[key] for key in wanted} for row, wanted in zip(found, rows, strict=True)] == rows


def test_every_rule_has_a_planted_fault() -> None:
    rules = {f"{table}.{rule.id}" for table in quality.tables() for rule in quality.suite(table).rules}
    common = {"has_rows", "source_known", "accounting", "rows_in_lake", "rejected_share"}
    planted_rules = set().union(*(expected for _, expected, _, _ in FAULTS.values()))
    missing = {rule for rule in rules - planted_rules if rule.split(".")[1] not in common}
    assert missing == {"subscriber.subscriber_present"}  # the column is not nullable; the reader rejects such rows


def test_rejected_rows_are_shown_without_control_characters(workspace: Make) -> None:
    def fault(lake: Clean) -> None:
        lake.accounts["mail"] = {"rows_read": 18, "rows_rejected": 1}
        lake.rejected.append({"source": "mail", "line": 7, "reason": "no time\x1b[31m", "excerpt": "a\x07b\u202ec"})

    opened, failed = planted(workspace, fault)
    assert failed == {"mail_event.rejected_share"}
    assert quality.rows(opened.workspace, "mail_event", "rejected_share").rows() == [
        ("raw/mail1", 7, None, "no time[31m", "abc")]
    result = quality.check(opened.workspace, "mail_event").filter(pl.col("rule") == "rejected_share")
    assert result.select("observed", "expected", "failing_rows").row(0) == ("5.56%", "at most 1.00%", 1)


def test_a_limit_in_the_settings_decides(workspace: Make) -> None:
    lake = Clean()
    add("flow", STRANGER)(lake)
    opened = workspace(INPUTS + "[quality]\nmax_unattributed_share = 0.5\n")
    lake.write(opened)
    result = quality.check(opened.workspace, "flow").filter(pl.col("rule") == "unattributed")
    assert result.select("passed", "observed", "expected").row(0) == (True, "14.29%", "at most 50.00%")


def test_a_sampled_flow_log_does_not_judge_the_clock_of_the_mail_log(workspace: Make) -> None:
    def fault(lake: Clean) -> None:
        every("mail_event", "at", minutes(15))(lake)
        for row in lake.flow:
            row["sampling_interval"] = 100

    assert planted(workspace, fault)[1] == set()


@pytest.mark.parametrize(("table", "rule", "hint"), [
    ("flows", "ports", "did you mean 'flow'?"), ("flow", "port", "did you mean 'ports'?"),
])
def test_an_unknown_name_names_the_nearest(table: str, rule: str, hint: str, workspace: Make) -> None:
    with pytest.raises(UnknownNameError, match=hint.replace("?", r"\?")):
        quality.rows(workspace("").workspace, table, rule)


def test_a_rule_that_cannot_be_judged_is_an_error_not_a_pass(workspace: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = quality.suite("subscriber")
    broken = rules.rules[0].model_copy(update={"kwargs": {"column": "no_such_column"}})
    monkeypatch.setattr(quality, "suite", lambda _table: rules.model_copy(update={"rules": (broken,)}))
    with pytest.raises(ValueError, match="no_such_column"):
        quality.check(workspace(INPUTS).workspace, "subscriber")


def test_the_rules_are_data_that_people_can_read() -> None:
    for table in quality.tables():
        rules = quality.suite(table)
        assert len({rule.id for rule in rules.rules}) == len(rules.rules)
        for rule in rules.rules:
            assert rule.sentence.endswith(".")
            assert rule.frame in rules.frames
            assert "LIMIT" not in rule.rows
            assert json.dumps(rule.kwargs)
