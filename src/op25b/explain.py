"""One customer, for the support desk: affected or not, why, since when, and what to do, in Japanese or English."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl

from op25b.caveats import caveats
from op25b.engine import duckdb as engine
from op25b.errors import Op25bError
from op25b.impact import simulate
from op25b.policy import Connection, blocked_since, policy, resolve
from op25b.policy.chart import line_reference
from op25b.policy.traffic import SENDING_PORTS
from op25b.readers.base import address_of
from op25b.senders import findings
from op25b.settings import Language, Policy
from op25b.texts import CLASSES, CONFIDENCES, GROUPS, REMEDIES, VERDICTS, percent, text
from op25b.workspace import Workspace


@dataclass(frozen=True)
class Explanation:
    """What the desk needs to know of one customer.

    verdict is affected (mail that works today will stop), maybe-affected (whether it works is not known),
    attempts-only (only attempts that never worked are newly blocked), already-blocked, exempt (sends to external port
    25, and a rule allows it), not-affected, or no-traffic.
    `evidence`: one row per organisation the line connects to for sending: group, name, port, sessions, established,
    last_seen (local time). `chart`: the quick-reference chart for this line, one row per way to send, with the
    connections seen. `lines` is the explanation in words.
    """

    subscriber: str
    verdict: str
    sender_class: str | None
    confidence: str | None
    remedy: str | None
    effective_from: date | None
    evidence: pl.DataFrame
    chart: pl.DataFrame
    lines: list[str]

    def row(self) -> dict[str, object]:
        """The explanation as one flat row."""
        return {
            "subscriber": self.subscriber, "verdict": self.verdict, "affected": self.verdict == "affected",
            "class": self.sender_class, "confidence": self.confidence, "remedy": self.remedy,
            "effective_from": self.effective_from, "text": "\n".join(self.lines),
            "evidence": self.evidence.to_dicts(), "chart": self.chart.to_dicts(),
        }


def explain(workspace: Workspace, subscriber: str, shown: str, language: Language, *, before: str = "current",
            after: str = "proposed") -> Explanation:
    """Explain the change to one line; `subscriber` is its pseudonym, `shown` what the desk calls it."""
    facts = _facts(workspace, subscriber)
    simulated = simulate(workspace, before, after).lines.filter(pl.col("subscriber") == subscriber)
    if not facts.listed and facts.relayed.is_empty() and simulated.is_empty():
        msg = (f"no subscriber {shown!r} in the subscriber list or in the traffic\n"
               "  give the identifier as it stands in the subscriber list, or a pseudonym from 'op25b findings'")
        raise Op25bError(msg)
    line = simulated.row(0, named=True) if simulated.height else None
    found = findings(workspace, language).filter(pl.col("subscriber") == subscriber)
    sender = found.row(0, named=True) if found.height else None
    verdict = _verdict(line, sender, facts)
    change = policy(workspace, after)
    since = _since(workspace, subscriber, line, change)
    known = Connection("", 25, plan=facts.plan, access_node=facts.access_node, subscriber=subscriber,
                       line=facts.address)
    chart = _seen(line_reference(workspace, known, language, before, after), facts.evidence)
    lines = _words(workspace, shown, verdict, language, line=line, sender=sender, change=change, facts=facts,
                   since=since, chart=chart)
    return Explanation(
        subscriber, verdict, sender["class"] if sender else None, sender["confidence"] if sender else None,
        line["remedy"] if line else None, since, facts.evidence, chart, lines,
    )


def _seen(chart: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """The chart with the connections seen; of ways that only the mail program tells apart the first one has them."""
    counts = evidence.group_by("destination_group", "port").agg(pl.col("sessions").sum().alias("seen"))
    first = pl.int_range(pl.len()).over("destination_group", "port") == 0
    return chart.join(counts, on=["destination_group", "port"], how="left", maintain_order="left").with_columns(
        pl.when(first).then(pl.col("seen").fill_null(0)).alias("seen"))


def _since(workspace: Workspace, subscriber: str, line: dict[str, Any] | None, change: Policy) -> date | None:
    """When the line's mail begins to be blocked, in local time: of waves each has its own day."""
    begins = None
    if line is not None and line["loses_groups"]:
        resolved = resolve(change, workspace)
        known = Connection("", 25, plan=line["plan"], access_node=line["access_node"], subscriber=subscriber,
                           source_port=40000)
        found = [blocked_since(resolved, replace(known, destination_group=group)) for group in line["loses_groups"]]
        begins = min((moment for moment in found if moment is not None), default=None)
    if begins is None:
        return change.effective_from
    local = begins.replace(tzinfo=UTC).astimezone(workspace.timezone).replace(tzinfo=None)
    return local.date() if local.time() == time() else local


@dataclass(frozen=True)
class _Facts:
    """What the lake knows of one line: listed or not, where it sends, its messages at the relay, failed SMTP AUTH.

    `address` is that of its last lease.
    """

    listed: bool
    plan: str | None
    access_node: str | None
    address: str | None
    evidence: pl.DataFrame
    relayed: pl.DataFrame
    failures: pl.DataFrame
    period: tuple[str, str] | None


# Failed SMTP AUTH of a line: by the user name, else where the line alone held the client's whole address then.
_FAILURES = """
    WITH failed AS (
        SELECT row_number() OVER () AS number, coalesce(auth_mechanism, '') AS mechanism, auth_user, client_key, "at"
        FROM mail_event WHERE event = 'auth' AND NOT auth_ok
    ),
    candidate AS (
        SELECT DISTINCT f.number, f.client_key, f."at"
        FROM failed AS f
        JOIN lease AS l ON l.subscriber = ? AND f.client_key BETWEEN l.ip_first AND l.ip_last
            AND l.start <= f."at" AND (l."end" IS NULL OR f."at" < l."end")
    ),
    holder AS (
        SELECT c.number, min(l.subscriber) AS subscriber
        FROM candidate AS c
        JOIN lease AS l ON c.client_key BETWEEN l.ip_first AND l.ip_last
            AND l.start <= c."at" AND (l."end" IS NULL OR c."at" < l."end")
        GROUP BY c.number
        HAVING count(DISTINCT l.subscriber) = 1 AND min(l.port_last - l.port_first) = 65535
    )
    SELECT f.mechanism, count(*) AS attempts, max(f."at") AS last_at
    FROM failed AS f
    LEFT JOIN login AS u ON u.kind = 'auth' AND u.name = f.auth_user
    LEFT JOIN holder AS h ON h.number = f.number
    WHERE coalesce(u.subscriber, h.subscriber) = ?
    GROUP BY f.mechanism ORDER BY attempts DESC
"""


def _facts(workspace: Workspace, subscriber: str) -> _Facts:
    zone = workspace.config.site.timezone
    connection = engine.session(workspace)
    listed = connection.sql("SELECT plan, access_node FROM subscriber WHERE subscriber = ?",
                            params=[subscriber]).fetchall()
    plan, access_node = listed[0] if listed else (None, None)
    held = connection.sql("SELECT ip_first FROM lease WHERE subscriber = ? ORDER BY start DESC, ip_first LIMIT 1",
                          params=[subscriber]).fetchall()
    ports = ", ".join(map(str, SENDING_PORTS))
    evidence = connection.sql(f"""
        SELECT destination_group, name, port,
            sum(sessions)::BIGINT AS sessions, sum(established)::BIGINT AS established,
            count(DISTINCT peer_ip) AS addresses, max(last_seen) AS last_seen
        FROM peer_day WHERE subscriber = ? AND direction = 'out' AND port IN ({ports})
        GROUP BY destination_group, name, port ORDER BY sessions DESC, port
    """, params=[subscriber]).pl()  # noqa: S608  # the ports are ours
    failures = connection.sql(_FAILURES, params=[subscriber, subscriber]).pl()
    relayed = connection.sql("""
        SELECT listener_port AS port, own_line, sum(messages)::BIGINT AS messages
        FROM relay_day WHERE subscriber = ? GROUP BY listener_port, own_line ORDER BY messages DESC
    """, params=[subscriber]).pl()
    seen = connection.sql("SELECT min(first_seen) AS first, max(last_seen) AS last FROM peer_day").pl()
    connection.close()
    first, last = (seen.select(_local(name, zone)).item() for name in ("first", "last"))
    period = None if first is None else (f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}")
    address = address_of(held[0][0]) if held else None
    return _Facts(bool(listed), plan, access_node, address, evidence.with_columns(_local("last_seen", zone)), relayed,
                  failures, period)


def _local(column: str, zone: str) -> pl.Expr:
    return pl.col(column).dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _verdict(line: dict[str, object] | None, sender: dict[str, object] | None, facts: _Facts) -> str:
    if line is None:
        return "not-affected" if facts.relayed.height else "no-traffic"
    if line["loses_working_mail"]:
        return "maybe-affected" if line["works_unknown"] else "affected"
    if line["newly_blocked"]:
        return "attempts-only"
    if line["already_blocked"]:
        return "already-blocked"
    return "exempt" if sender is not None else "not-affected"


def _words(workspace: Workspace, shown: str, verdict: str, language: Language, *, line: dict[str, object] | None,
           sender: dict[str, object] | None, change: Policy, facts: _Facts, since: date | None,
           chart: pl.DataFrame) -> list[str]:
    ja = language == "ja"
    colon = "：" if ja else ": "
    clock = f" {since:%H:%M}" if isinstance(since, datetime) else ""
    day = None if since is None else (
        f"{since.year}年{since.month}月{since.day}日" if ja else f"{since:%Y-%m-%d}") + clock
    words = [f"{shown}{colon}{text(VERDICTS, verdict, language)}"]
    if day is not None and verdict in {"affected", "maybe-affected", "attempts-only"}:
        words.append(f"規制開始日{colon}{day}" if ja else f"Blocked from: {day}")
    words += _evidence_words(facts, language)
    if sender is not None:
        words += _class_words(sender, language)
    if line is not None and line["already_blocked"]:
        words.append("携帯電話事業者宛ての25番直接送信は、すでに規制されています。" if ja else
                     "Sending straight to mobile carriers on port 25 is blocked already.")
    words += _remedy_words(workspace, verdict, line, language)
    words += _failure_words(facts.failures, language)
    words += _chart_words(chart, language)
    words += _doubts(workspace, line, change, language)
    support = workspace.config.support
    phone = f" {support.desk_phone}" if support.desk_phone else ""
    hours = support.desk_hours.replace("-", "～")
    words.append(f"サポート窓口{colon}{hours}（年中無休）{phone}" if ja else
                 f"Support desk: {support.desk_hours} every day{phone}")
    return words


def _class_words(sender: dict[str, Any], language: Language) -> list[str]:
    """All classes of the line, how sure the first one is, why, and what would change the verdict."""
    ja = language == "ja"
    names = ("、" if ja else "; ").join(text(CLASSES, name, language) for name in sender["classes"])
    grade = text(CONFIDENCES, str(sender["confidence"]), language)
    likely = "" if sender["probability"] is None else percent(sender["probability"])
    sure = ((f"、確率：{likely}" if ja else f", probability {likely}") if likely else "")
    words = [f"判定：{names}（確度：{grade}{sure}）" if ja else f"Class: {names} (confidence: {grade}{sure})"]
    words += [f"  ・{reason}" if ja else f"  - {reason}" for reason in sender["reasons"]]
    if sender["would_change"]:
        words.append("判定が変わる条件：" if ja else "What would change this:")
        words += [f"  ・{change}" if ja else f"  - {change}" for change in sender["would_change"]]
    return words


def _evidence_words(facts: _Facts, language: Language) -> list[str]:
    ja = language == "ja"
    period = " – ".join(facts.period) if facts.period else ("なし" if ja else "none")
    words = [f"観測期間：{period}" if ja else f"Observed: {period}"]
    if facts.evidence.is_empty():
        words.append("この回線のものと特定できるメール送信の通信はありませんでした。" if ja else
                     "No mail-sending traffic was seen that could be tied to this line.")
    for row in facts.evidence.iter_rows(named=True):
        place = text(GROUPS, row["destination_group"], language)
        if row["name"] and row["destination_group"] != "own-relay":
            place += f"（{row['name']}）" if ja else f" ({row['name']})"
        last = f"{row['last_seen']:%Y-%m-%d %H:%M}"
        words.append(
            f"  ・{place} ポート{row['port']}："
            f"接続{row['sessions']}回（成立{row['established']}回）、最終 {last}" if ja else
            f"  - {place}, port {row['port']}: connections {row['sessions']} "
            f"(established {row['established']}), last {last}"
        )
    for row in facts.relayed.iter_rows(named=True):
        where = ("当社回線から", "from our line") if row["own_line"] else ("他社回線から", "from another ISP's line")
        words.append(f"  ・当社の送信サーバーが受け付けたメール"
                     f"（{where[0]}、ポート{row['port']}）：{row['messages']}通" if ja else
                     f"  - messages accepted by our sending server ({where[1]}, port {row['port']}): {row['messages']}")
    if facts.relayed.filter(~pl.col("own_line")).height:
        words.append("  他社回線からのご利用は本件の対象外です。"
                     "その回線のISPが25番を規制している場合は、ポート587をご利用ください。"
                     if ja else
                     "  Use from another ISP's line is not touched by this; if that ISP blocks port 25, use port 587.")
    return words


def _chart_words(chart: pl.DataFrame, language: Language) -> list[str]:
    ja = language == "ja"
    words = ["送信方法ごとの影響（早見表）：" if ja else "What happens to each way of sending (quick-reference chart):"]
    for row in chart.iter_rows(named=True):
        counted = f"（観測：接続{row['seen']}回）" if ja else f" (seen: {row['seen']} connections)"
        seen = counted if row["seen"] else ""
        words.append(f"  ・{row['how']} ポート{row['port']}：{row['verdict']}{seen}" if ja else
                     f"  - {row['how']}, port {row['port']}: {row['verdict']}{seen}")
    return words


def _remedy_words(workspace: Workspace, verdict: str, line: dict[str, object] | None, language: Language) -> list[str]:
    if line is None or verdict not in {"affected", "maybe-affected", "attempts-only", "already-blocked"}:
        return []
    ja = language == "ja"
    support = workspace.config.support
    remedy = str(line["remedy"] or "own-relay")
    words = [f"対処：{text(REMEDIES, remedy, language)}" if ja else f"What to do: {text(REMEDIES, remedy, language)}"]
    host = support.submission_host
    server = "" if not host else f"（{host}）" if ja else f" ({host})"
    if remedy in {"own-relay", "relay-or-fixed-ip"}:
        words.append(
            f"  送信サーバー{server}：ポート587、SMTP AUTH有効"
            "（PLAINまたはLOGIN。CRAM-MD5には対応していません）" if ja else
            f"  Sending server{server}: port 587, SMTP AUTH on (PLAIN or LOGIN; CRAM-MD5 is not supported)"
        )
        words.append(f"  アカウント：{support.account_ja}" if ja else f"  Account: {support.account_en}")
    elif remedy == "submission-587":
        words.append("  アカウント：ご利用中の事業者のユーザー名とパスワード"
                     "（認証方式は事業者の案内に従ってください）" if ja else
                     "  Account: the user name and password of that provider, by its own instructions")
        words.append(f"  または当社の送信サーバー{server}のポート587："
                     f"{support.account_ja}（CRAM-MD5には対応していません）" if ja else
                     f"  Or our own sending server{server} on port 587: {support.account_en} "
                     "(CRAM-MD5 is not supported)")
    elif remedy == "disinfect":
        words.append("  大量の宛先への接続が観測されています。"
                     "回線内の全端末をウイルス対策ソフトで検査してください。" if ja else
                     "  A device on the line connects to many mail servers: scan every device on it for malware.")
        if {"mail-program", "device"} & {*(line["classes"] or [])}:  # type: ignore[misc]  # a list of texts
            words.append("  同じ回線のメールソフト・機器も送信できなくなります。"
                         "事業者のポート587（SMTP AUTH）へ変更してください。" if ja else
                         "  A mail program or device on the same line stops as well: use its provider's port 587 with "
                         "SMTP AUTH.")
    elif remedy == "investigate":
        words.append("  回線内で25番ポートへ送信している機器を確認してから、"
                     "設定変更または駆除をご案内ください。" if ja else
                     "  Ask which device on the line sends to port 25 before advising other settings, or disinfection.")
    blocked_now = verdict == "already-blocked"
    words.append(
        ("この送信は接続に失敗します。" if blocked_now else "規制後に送信すると接続に失敗します。") +
        "例：Outlook Express 6「ソケット エラー: 10060、エラー番号: 0x800CCC0E」"
        "（ポート: 25、SSL: いいえ）"
        if ja else
        ("Sending this way" if blocked_now else "Once blocked, sending") +
        " fails to connect; Outlook Express 6 says: socket error 10060, error number 0x800CCC0E "
        "(port 25, SSL no)."
    )
    return words


def _doubts(workspace: Workspace, line: dict[str, object] | None, change: Policy, language: Language) -> list[str]:
    """What the answer could not know."""
    ja = language == "ja"
    words = []
    exempting = [rule for rule in change.rules if rule.plans and rule.action == "allow"]
    if line is not None and line["newly_blocked"] and exempting and line["plan"] is None:
        words.append("この回線のプランは不明です。規制対象外のプランであれば影響はありません。" if ja else
                     "The plan of this line is not known: if it is an exempt one, the line is not affected.")
    elif line is not None and line["newly_blocked"] and line["fixed_ip"]:
        words.append("固定IPの回線ですが、規制対象外のプランに含まれていません。プランの確認が必要です。" if ja else
                     "The line has fixed addresses, but its plan is not among the exempt ones: check the plan.")
    said = caveats(workspace, language).values()
    return [*words, *([("注意：" if ja else "Note: ") + sentence for sentence in said])]


def _failure_words(failures: pl.DataFrame, language: Language) -> list[str]:
    ja = language == "ja"
    words = []
    for row in failures.iter_rows(named=True):
        mechanism = row["mechanism"] or ("不明" if ja else "unknown")
        words.append(f"当社サーバーでのSMTP AUTH失敗{row['attempts']}回（方式：{mechanism}）" if ja else
                     f"SMTP AUTH failed {row['attempts']} times on our server (mechanism {mechanism})")
        if mechanism == "CRAM-MD5":
            words.append("  CRAM-MD5には対応していません。"
                         "メールソフトの認証方式をPLAINまたはLOGINに変更してください。" if ja else
                         "  CRAM-MD5 is not supported: set the mail program to PLAIN or LOGIN.")
    return words


