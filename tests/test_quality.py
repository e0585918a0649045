"""The data-quality gates: a clean lake passes, and every planted fault fails exactly the rules that name it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from op25b import quality
from op25b.api import OpenWorkspace
from op25b.cli import app
from op25b.engine.build import build
from op25b.errors import UnknownNameError
from op25b.readers.base import ip_key
from op25b.status import quality_state
from tests.conftest import numbers, put

Row = dict[str, Any]
Make = Callable[[str], OpenWorkspace]
NOON = datetime.fromisoformat("2007-07-10T03:00")  # UTC; 12:00 in Japan
EPOCH = datetime.fromisoformat("1970-01-01T00:00")
LINES = {"alice": "198.18.1.1", "bob": "198.18.1.2", "carol": "198.18.1.3"}
RELAY, PROVIDER = "203.0.113.2", "198.51.100.70"
INPUTS = "".join(f'[[inputs.{kind}]]\npath = "raw/{kind}*"\n' for kind in ("flows", "mail", "leases", "subscribers"))
KINDS = {"flows": "flow", "mail": "mail_event", "leases": "lease_record", "subscribers": "subscriber_record"}


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def flow(at: datetime, src: str, dst: str, **other: Any) -> Row:
    return {"day": (at + timedelta(hours=9)).date(), "first_seen": at, "last_seen": at + minutes(0.1), "src_ip": src,
            "dst_ip": dst, **numbers("src", src), **numbers("dst", dst), "src_port": 40000, "dst_port": 25,
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
                mail(at + minutes(0.02), "accepted", f"Q{number}", client_ip=ip, client_key=ip_key(ip),
                     listener_port=25),
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
        self.lease_record += [  # and ports of one whose log names the private address of the line
            lease("radius-alice", "100.64.0.1", yesterday),
            lease("100.64.0.1", "198.18.8.8", yesterday, port_first=4096, port_last=5119, kind="cgnat",
                  inner_key=ip_key("100.64.0.1")),
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


def planted(workspace: Make, fault: Fault) -> tuple[OpenWorkspace, dict[str, int]]:
    """A built workspace with a fault, and the rules that fail in it with their numbers of rows."""
    lake = Clean()
    fault(lake)
    opened = workspace(INPUTS)
    lake.write(opened)
    failed = quality.check(opened.workspace).filter(~pl.col("passed"))
    return opened, dict(failed.select(pl.concat_str("table", "rule", separator="."), "failing_rows").iter_rows())


def change(table: str, number: int, **values: Any) -> Fault:
    return lambda lake: lake.rows(table)[number].update(values)


def add(table: str, *rows: Row) -> Fault:
    return lambda lake: lake.rows(table).extend(rows)


def add_lease(name: str, ip: str, start: datetime, end: datetime | None = None, **other: Any) -> Fault:
    return add("lease_record", lease(f"radius-{name}", ip, start, end, **other))


def account(kind: str, **values: Any) -> Fault:
    return lambda lake: lake.accounts[kind].update(values)


def every(table: str, column: str, shift: timedelta) -> Fault:
    def fault(lake: Clean) -> None:
        lake.rows(table)[:] = [row | {column: row[column] + shift} for row in lake.rows(table)]
    return fault


def test_a_clean_lake_passes_every_rule(workspace: Make) -> None:
    opened, _ = planted(workspace, lambda _lake: None)
    result = quality.check(opened.workspace)
    assert result.filter(~pl.col("passed")).rows() == []
    assert result.filter(pl.col("observed") == quality.NO_ROWS).rows() == []  # each rule had something to judge
    assert set(result["table"]) == set(quality.tables()) == {"flow", "mail_event", "lease", "subscriber"}
    assert result["failing_rows"].to_list() == [0] * result.height
    quality.remember(opened.workspace, result)
    assert quality_state(opened.workspace).startswith(f"{result.height} of {result.height} rules held, 0 critical")


def test_a_result_that_cannot_be_noted_is_printed_all_the_same(workspace: Make) -> None:
    opened, _ = planted(workspace, lambda _lake: None)
    (opened.workspace.lake_path / ".quality.new").mkdir()  # root may write where others may not, but not here
    done = CliRunner().invoke(app, ["-w", str(opened.workspace.root), "check"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["table", *quality.tables()]
    assert f"warning: {opened.workspace.lake_path}/.quality.new: Is a directory; 'op25b status' will" in done.stderr
    assert "rules hold, 0 critical ones fail" in done.stderr


def test_renewals_of_one_lease_are_one_row_and_lost_or_expired_ones_are_told_apart(
        workspace: Make, tmp_path: Path) -> None:
    opened = workspace('[[inputs.leases]]\npath = "kea*"\n')
    (tmp_path / "kea-leases4.csv").write_text(
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
        "198.18.6.1,00:11:22:33:44:55,,3600,1768006800,1,0,0,,0,,0\n"
        "198.18.6.1,00:11:22:33:44:55,,3600,1768008600,1,0,0,,0,,0\n")
    opened.ingest()
    opened.build()
    assert opened.sql("SELECT rows_kept, (SELECT count(*) FROM lease_record) FROM source_file").rows() == [(2, 1)]
    assert quality.check(opened.workspace, "lease")["passed"].all()
    put(opened, "source_file", [
        {"sha256": name, "path": name, "kind": "leases", "format": "kea-leases", "bytes": 1, "rows_read": 3,
         "rows_kept": 3, "rows_filtered": 0, "rows_rejected": 0, "at": NOON} for name in ("lost", "expired")])
    put(opened, "expired", [{"at": NOON, "table_name": "lease_record", "source": "expired", "rows_expired": 1,
                             "expired_until": NOON.date(), "days_kept": 1}])
    assert quality.rows(opened.workspace, "lease", "rows_in_lake").rows() == [("lost", 3, 0)]


def test_the_sample_passes_every_rule(sample: OpenWorkspace) -> None:
    assert quality.check(sample.workspace).filter(~pl.col("passed")).rows() == []


def test_an_empty_lake_without_inputs_passes_with_nothing_to_judge(workspace: Make) -> None:
    opened = workspace("")
    result = quality.check(opened.workspace)
    assert set(result["passed"]) == {True}
    assert set(result["observed"]) == {quality.NO_ROWS}


def test_a_configured_input_without_rows_fails_once(workspace: Make) -> None:
    opened = workspace('[[inputs.flows]]\npath = "raw/nfcapd.*"\n')
    failed = quality.check(opened.workspace, "flow").filter(~pl.col("passed"))
    assert failed.select("table", "rule", "severity", "observed", "expected").rows() == [
        ("flow", "has_rows", "critical", "0", "at least 1")]
    assert quality.rows(opened.workspace, "flow", "has_rows").rows() == [("raw/nfcapd.*", 0)]


SHORT = NOON + minutes(5)
UNSEEN = "198.18.9.9"
STRANGER = flow(NOON + minutes(15), "198.18.1.77", PROVIDER)
# Name → the rule that must fail, the fault, the rows the rule must show.
FAULTS: dict[str, tuple[str, Fault, list[Row]]] = {
    "port": ("flow.ports", change("flow", 1, dst_port=70000), [{"src_ip": "198.18.1.1", "dst_port": 70000}]),
    "no packets": ("flow.volume", change("flow", 2, packets=0), [{"src_ip": "198.18.1.2", "packets": 0}]),
    "backwards": ("flow.order", change("flow", 3, last_seen=NOON), [{"first_seen": NOON + minutes(40)}]),
    "protocol": ("flow.protocol", change("flow", 4, protocol=99), [{"protocol": 99}]),
    "no address": ("flow.addresses", change("flow", 5, src_ip=""), [{"src_ip": "", "dst_ip": PROVIDER}]),
    "read before it happened": ("flow.not_in_future", account("flows", at=NOON + minutes(44)),
        [{"src_ip": "198.18.1.3", "first_seen": NOON + minutes(50), "file_read": NOON + minutes(44)}]),
    "clock never set": ("flow.not_before_logs", add("flow", flow(EPOCH, "192.0.2.9", RELAY, exporter="x")),
        [{"exporter": "x"}]),
    "exporter ahead": ("flow.exporter_clock", every("flow", "received", -minutes(60)),
        [{"exporter": "192.0.2.1", "records": 6, "median_seconds": -3576.0}]),
    "exporter behind": ("flow.exporter_clock", every("flow", "received", minutes(90)),
        [{"exporter": "192.0.2.1", "records": 6, "median_seconds": 5424.0}]),
    "gap": ("flow.gaps", add("flow", flow(NOON + minutes(150), "198.18.1.1", PROVIDER)),
        [{"exporter": "192.0.2.1", "since": NOON + minutes(50), "until": NOON + minutes(150), "minutes": 100.0}]),
    "gap over midnight": (
        "flow.gaps",
        add("flow", *[flow(NOON + minutes(50 * n), "198.18.1.1", PROVIDER) for n in (*range(1, 14), 16)]),
        [{"since": NOON + minutes(650), "until": NOON + minutes(800), "minutes": 150.0}]),
    "no lease": ("flow.unattributed", add("flow", STRANGER), [{"line_ip": "198.18.1.77", "sessions": 1}]),
    "stray row": ("flow.source_known", add("flow", flow(SHORT, "198.18.1.1", PROVIDER, source="gone")),
        [{"source": "gone"}]),
    "lost row": ("flow.rows_in_lake", account("flows", rows_kept=7, rows_read=12), [{"rows_kept": 7, "lake_rows": 6}]),
    "lost event": ("mail_event.rows_in_lake", account("mail", rows_kept=13, rows_read=18),
        [{"rows_kept": 13, "lake_rows": 12}]),
    "lost lease": ("lease.rows_in_lake", account("leases", rows_kept=10, rows_read=15),
        [{"rows_kept": 10, "lake_rows": 9}]),
    "unaccounted": ("lease.accounting", account("leases", rows_read=100), [{"path": "raw/leases1", "rows_read": 100}]),
    "event": ("mail_event.event", change("mail_event", 1, event="bounce"), [{"queue_id": "Q0", "event": "bounce"}]),
    "status": ("mail_event.status", change("mail_event", 2, status="lost"), [{"event": "delivery", "status": "lost"}]),
    "mail port": ("mail_event.ports", change("mail_event", 2, next_hop_port=-1), [{"next_hop_port": -1}]),
    "no key": ("mail_event.addresses", change("mail_event", 0, client_key=None), [{"client_ip": "198.18.1.1"}]),
    "no queue id": ("mail_event.complete", change("mail_event", 3, queue_id=None), [{"event": "removed"}]),
    "size": ("mail_event.sizes", change("mail_event", 1, size_bytes=-1), [{"size_bytes": -1}]),
    "mail of tomorrow": ("mail_event.not_in_future", account("mail", at=NOON + minutes(15)), [{"queue_id": "Q2"}] * 4),
    "mail of 1970": ("mail_event.not_before_logs", add("mail_event", mail(EPOCH, "removed", "Q9", mta_host="mta2")),
        [{"queue_id": "Q9"}]),
    "missing log": ("mail_event.gaps", add("mail_event", mail(NOON + minutes(180), "removed", "Q9")),
        [{"mta_host": "mta1", "until": NOON + minutes(180), "minutes": 159.9}]),
    "mail clock": ("mail_event.relay_clock", every("mail_event", "at", minutes(15)),
        [{"client_ip": ip, "seconds": 901.2} for ip in LINES.values()]),
    "mail time zone": ("mail_event.covers_flows", every("mail_event", "at", -minutes(540)), [{"flows_from": NOON}]),
    "lease ends first": ("lease.order", add_lease("alice", "198.18.9.1", NOON, NOON - minutes(5)),
        [{"subscriber": "alice", "ip_first": "198.18.9.1", "start": NOON, "end": NOON - minutes(5)}]),
    "lease port": ("lease.ports", add_lease("alice", "198.18.9.2", NOON, port_first=9, port_last=1),
        [{"port_first": 9, "port_last": 1}]),
    "lease range": ("lease.addresses", add_lease("alice", "198.18.9.30", NOON, ip_last=ip_key("198.18.9.29")),
        [{"ip_first": "198.18.9.30", "ip_last": "198.18.9.29"}]),
    "lease kind": ("lease.kind", add_lease("alice", "198.18.9.4", NOON, kind="ppp"), [{"kind": "ppp"}]),
    "lease of nobody": ("lease.complete", add("lease_record", lease("", UNSEEN, NOON)), [{"ip_first": UNSEEN}]),
    "lease of tomorrow": ("lease.not_in_future", add_lease("alice", "198.18.9.5", NOON + timedelta(days=2)),
        [{"subscriber": "radius-alice"}]),
    "lease of 1970": ("lease.not_before_logs", add_lease("alice", "198.18.9.6", EPOCH), [{"start": EPOCH}]),
    "port block of nobody": (
        "lease.inside_known",
        add("lease_record", lease("100.64.0.2", "198.18.8.8", NOON, port_first=5120, port_last=6143, kind="cgnat",
                                  inner_key=ip_key("100.64.0.2"))),
        [{"ip_inside": "100.64.0.2", "blocks": 1, "first_start": NOON}]),
    "unknown line": ("lease.subscriber_known", add_lease("dave", UNSEEN, NOON), [{"subscriber": "radius-dave"}]),
    "overlap": (
        "lease.overlapping",
        add("lease_record", lease("radius-alice", UNSEEN, NOON),
            lease("radius-bob", UNSEEN, SHORT, SHORT + minutes(1))),
        [{"ip_first": UNSEEN, "subscriber_a": "alice", "overlap_from": SHORT, "overlap_until": SHORT + minutes(1)}]),
    "overlap of a range": (
        "lease.overlapping",
        add("lease_record", lease("radius-alice", "198.18.9.0", NOON, ip_last=ip_key("198.18.9.255"), kind="static"),
            lease("radius-bob", UNSEEN, SHORT)),
        [{"ip_first": UNSEEN, "ip_last": UNSEEN, "kind_a": "static", "subscriber_b": "bob", "overlap_until": None}]),
    "overlap of ports": ("lease.overlapping", add_lease("carol", "198.18.8.8", NOON, port_first=3000, port_last=4000),
        [{"subscriber_a": "bob", "subscriber_b": "carol", "port_first": 3000, "port_last": 3071}]),
    "overlap under flows": ("flow.ambiguous", add_lease("bob", "198.18.1.1", NOON - minutes(10)),
        [{"line_ip": "198.18.1.1", "sessions": 2}]),
    "line twice": ("subscriber.subscriber_once", add("subscriber_record", line("alice", plan="IP8")),
        [{"subscriber": "alice", "plan": plan} for plan in ("IP8", "home")]),
    "radius user twice": (
        "subscriber.radius_user_once",
        add("subscriber_record", line("dave", radius_user="shared"), line("erin", radius_user="shared")),
        [{"radius_user": "shared", "subscriber": name} for name in ("dave", "erin")]),
    "auth user twice": ("subscriber.auth_user_once", add("subscriber_record", line("frank", auth_user="mail-alice")),
        [{"subscriber": name} for name in ("alice", "frank")]),
    "login of another line": ("subscriber.login_of_own_line", add("subscriber_record", line("grace", auth_user="bob")),
        [{"subscriber": "grace", "other": "bob"}]),
    "no plan": ("subscriber.plan_present", add("subscriber_record", line("ivy", plan=None)), [{"subscriber": "ivy"}]),
    "language": ("subscriber.language", add("subscriber_record", line("ivan", language="fr")), [{"language": "fr"}]),
}
# What else must fail, as a consequence.
ALSO = {"lease of nobody": "lease.subscriber_known", "overlap under flows": "lease.overlapping"}
# Faults that touch different rows and rules share a lake, which saves time; each rule's rows are compared anyway.
TOGETHER = [
    ("port", "no packets", "backwards", "protocol", "no address", "clock never set", "lost event"),
    ("event", "status", "mail port", "no key", "no queue id", "size", "mail of 1970", "unaccounted", "gap"),
    ("lease ends first", "lease port", "lease range", "lease kind", "lease of tomorrow", "lease of 1970",
     "exporter ahead", "lost row", "missing log"),
    ("line twice", "radius user twice", "auth user twice", "login of another line", "no plan", "language",
     "lost lease"),
    ("overlap", "no lease", "stray row", "mail time zone", "port block of nobody"),
]
CASES = TOGETHER + [(name,) for name in FAULTS if not any(name in group for group in TOGETHER)]


@pytest.mark.parametrize("names", CASES, ids=" + ".join)
def test_a_planted_fault_fails_its_rule_and_shows_its_rows(names: tuple[str, ...], workspace: Make) -> None:
    def fault(lake: Clean) -> None:
        for name in names:
            FAULTS[name][1](lake)

    opened, failed = planted(workspace, fault)
    assert set(failed) == {FAULTS[name][0] for name in names} | {ALSO[name] for name in names if name in ALSO}
    for rule, _, rows in (FAULTS[name] for name in names):
        found = quality.rows(opened.workspace, *rule.split(".")).to_dicts()
        assert len(found) == failed[rule]
        assert [{key: row[key] for key in wanted} for row, wanted in zip(found, rows, strict=True)] == rows


def test_every_rule_has_a_planted_fault() -> None:
    rules = {f"{table}.{rule.id}" for table in quality.tables() for rule in quality.suite(table).rules}
    common = {"has_rows", "source_known", "accounting", "rows_in_lake", "rejected_share"}
    planted_rules = {rule for rule, _, _ in FAULTS.values()} | set(ALSO.values())
    # subscriber_present: the column is not nullable, and the reader rejects such rows.
    assert {r for r in rules - planted_rules if r.split(".")[1] not in common} == {"subscriber.subscriber_present"}


def test_rejected_rows_are_shown_without_control_characters(workspace: Make) -> None:
    def fault(lake: Clean) -> None:
        lake.accounts["mail"] = {"rows_read": 18, "rows_rejected": 1}
        lake.rejected.append({"source": "mail", "line": 7, "reason": "no time\x1b[31m", "excerpt": "a\x07b\u202ec"})

    opened, failed = planted(workspace, fault)
    assert failed == {"mail_event.rejected_share": 1}
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
        lake.flow = [row | {"sampling_interval": 100} for row in lake.flow]

    assert planted(workspace, fault)[1] == {}


@pytest.mark.parametrize(("table", "rule", "hint"), [
    ("flows", "ports", "did you mean 'flow'?"), ("flow", "port", "did you mean 'ports'?"),
])
def test_an_unknown_name_names_the_nearest(table: str, rule: str, hint: str, workspace: Make) -> None:
    with pytest.raises(UnknownNameError, match=hint.replace("?", r"\?")):
        quality.rows(workspace("").workspace, table, rule)


def test_only_the_first_offending_rows_are_shown(workspace: Make) -> None:
    opened, failed = planted(workspace, add("flow", *[{**STRANGER, "packets": 0} for _ in range(25)]))
    assert failed == {"flow.volume": 25, "flow.unattributed": 1}
    assert quality.rows(opened.workspace, "flow", "volume").height == quality.SHOWN_ROWS == 20


def test_a_rule_that_cannot_be_judged_is_an_error_not_a_pass(workspace: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = quality.suite("subscriber")
    broken = rules.rules[0].model_copy(update={"kwargs": {"column": "no_such_column", "min_value": 0}})
    monkeypatch.setattr(quality, "suite", lambda _table: rules.model_copy(update={"rules": (broken,)}))
    with pytest.raises(ValueError, match="no_such_column"):
        quality.check(workspace(INPUTS).workspace, "subscriber")


def test_the_rules_of_a_table_are_well_formed() -> None:
    for rules in map(quality.suite, quality.tables()):
        assert len({rule.id for rule in rules.rules}) == len(rules.rules)
        assert {rule.frame for rule in rules.rules} <= set(rules.frames)
        assert all(rule.sentence.endswith(".") and "LIMIT" not in rule.rows for rule in rules.rules)
