"""What a result could not know, said beside it: a stale lake, missing leases or plans, sampling."""

from __future__ import annotations

from op25b.engine import duckdb as engine
from op25b.engine.build import is_stale
from op25b.engine.reference import destination_networks
from op25b.policy.lint import lint
from op25b.settings import Language
from op25b.texts import Text
from op25b.workspace import Workspace

_TEXTS: dict[str, Text] = {
    "stale": {
        "ja": "取り込み後に集計が更新されていません。op25b build を実行してください。",
        "en": "files were ingested after the last full build, so these numbers are old: run 'op25b build'"},
    "no-leases": {
        "ja": "リースの記録がないため、アドレスを回線とみなしています。",
        "en": "there are no leases, so an address stands for a line: who changes addresses counts several times"},
    "no-relays": {
        "ja": "[networks] relays が設定されていないため、自社の送信サーバーを使う回線も外部宛てとして数えています。",
        "en": "[networks] relays is not set, so whoever sends through the own sending servers counts as a sender too"},
    "unattributed": {
        "ja": "回線を特定できない通信が{share}あります（リースなし、または重複）。"
              "その分は回線ごとの結果に含まれません。",
        "en": "{share} of the lines' flow records could not be tied to one line (no lease, or overlapping ones); "
              "results per line leave them out"},
    "sampling-unknown": {
        "ja": "フローの{share}はサンプリング間隔が不明です。[[inputs.flows]] の sampling_interval を設定してください。"
              "設定するまで、応答の有無は「不明」と扱われます。",
        "en": "the sampling interval of {share} of the flow records is unknown, and often so is whether a connection "
              "worked: set sampling_interval under [[inputs.flows]] (1 = every packet)"},
    "sampled": {
        "ja": "フローは{interval}パケットに1つのサンプリングです。件数は下限で、送信の少ない回線は見えていません"
              "（推定：op25b estimate）。",
        "en": "flows are sampled, one packet in {interval}: counts are floors, and lines that send little are missing; "
              "'op25b estimate' tells of them"},
    "no-list": {
        "ja": "加入者一覧がないため、プランによる除外を判定できません。",
        "en": "there is no subscriber list, so no plan is known and no line is exempt"},
    "plan-unused": {
        "ja": "方針が挙げるプランのうち、どの回線にもないもの：{plans}",
        "en": "plans that the policies name and no line has: {plans}"},
    "lint": {
        "ja": "方針に誤りの疑いがあります（{rules}）。op25b lint で確認してください。",
        "en": "lint finds errors in the policies ({rules}): run 'op25b lint'"},
    "fixed-blocked": {
        "ja": "固定IPなのに除外されず、新たに規制される回線：{count}",
        "en": "lines with fixed addresses that are newly blocked, as no rule exempts their plan: {count}"},
}


def caveats(workspace: Workspace, language: Language, before: str = "current", after: str = "proposed",
            fixed_blocked: int | str = 0) -> dict[str, str]:
    """What the results of a workspace could not know, by key; empty where there is nothing to say.

    Keys: stale, no-leases, no-relays, unattributed, sampling-unknown, sampled, no-list, plan-unused, lint,
    fixed-blocked.
    """
    connection = engine.tables(workspace, ("flow", "peer_day", "lease", "subscriber"))
    flows, unknown, interval = connection.sql("""
        SELECT count(*), coalesce(sum(CASE WHEN sampling_interval IS NULL THEN 1 ELSE 0 END), 0)::BIGINT,
            max(sampling_interval) FROM flow
    """).fetchall()[0]
    seen, lost = connection.sql("""
        SELECT coalesce(sum(flows), 0)::BIGINT,
            coalesce(sum(CASE WHEN attribution IN ('unattributed', 'ambiguous') THEN flows ELSE 0 END), 0)::BIGINT
        FROM peer_day
    """).fetchall()[0]
    leases = connection.sql("SELECT count(*) FROM lease").fetchall()[0][0]
    plans = {plan for (plan,) in connection.sql("SELECT DISTINCT plan FROM subscriber").fetchall()}
    connection.close()
    policies = [workspace.config.policy[name] for name in (before, after) if name in workspace.config.policy]
    named = {plan for chosen in policies for rule in chosen.rules for plan in rule.plans}
    found: dict[str, dict[str, object]] = {}
    if is_stale(workspace):
        found["stale"] = {}
    if flows and not leases:
        found["no-leases"] = {}
    if not (destination_networks(workspace)["destination_group"] == "own-relay").any():
        found["no-relays"] = {}
    if lost:
        found["unattributed"] = {"share": _share(lost, seen)}
    if unknown:
        found["sampling-unknown"] = {"share": _share(unknown, flows)}
    if interval is not None and interval > 1:
        found["sampled"] = {"interval": f"{interval:,}"}
    if not plans:
        found["no-list"] = {}
    elif named - plans:
        found["plan-unused"] = {"plans": ", ".join(sorted(named - plans))}
    named_policies = [name for name in dict.fromkeys((before, after)) if name in workspace.config.policy]
    if errors := [row for row in lint(workspace, named_policies) if row.severity == "error"]:
        rules = dict.fromkeys(f"{row.policy}: {row.rule or row.finding}" for row in errors)
        found["lint"] = {"rules": ", ".join(rules)}
    if fixed_blocked:
        found["fixed-blocked"] = {"count": f"{fixed_blocked:,}" if isinstance(fixed_blocked, int) else fixed_blocked}
    return {key: _TEXTS[key][language].format(**values) for key, values in found.items()}


def _share(part: int, whole: int) -> str:
    """A share as text; a small one is never shown as none."""
    share = 100 * part / whole
    return f"{share:.1f} %" if share >= 0.1 else "< 0.1 %"
