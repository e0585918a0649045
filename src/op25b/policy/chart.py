"""The quick-reference chart (対象者早見表): who is affected, decided case by case by the policies themselves."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from op25b.policy.decide import Connection, decide
from op25b.texts import Text
from op25b.workspace import Language, Policy, Workspace

_LINE = {
    "dynamic": {"ja": "当社回線（動的IP）", "en": "our line, dynamic address"},
    "elsewhere": {"ja": "他社回線", "en": "another ISP's line"},
}
_FIXED: Text = {"ja": "当社回線（固定IPプラン {plans}）", "en": "our line, fixed-IP plan {plans}"}
_HOW: dict[str, Text] = {
    "relay": {"ja": "当社の送信サーバー", "en": "our own sending server"},
    "provider": {"ja": "他社の送信サーバー", "en": "another provider's sending server"},
    "server": {"ja": "自前のメールサーバーから直接送信", "en": "own mail server, sending directly"},
    "mobile": {"ja": "携帯電話事業者のサーバーへ直接送信", "en": "straight to a mobile carrier's server"},
    "webmail": {"ja": "Webメール（ブラウザで利用）", "en": "webmail, in a browser"},
}
_VERDICT: dict[str, Text] = {
    "untouched": {"ja": "影響なし", "en": "not affected"},
    "newly": {"ja": "新たに送信できなくなる", "en": "can no longer send"},
    "already": {"ja": "すでに規制済み（変化なし）", "en": "already blocked, no change"},
    "released": {"ja": "送信できるようになる", "en": "can send again"},
    "foreign": {"ja": "本件の影響なし（回線側ISPの規制による）",
                "en": "not affected by this; the line's own ISP may block port 25"},
}
_ADVICE: dict[str, Text] = {
    "provider": {"ja": "事業者のポート587番（SMTP AUTH）か当社の送信サーバーへ変更",
                 "en": "use the provider's port 587 with SMTP AUTH, or our own sending server"},
    "server": {"ja": "当社の送信サーバー経由の中継、または固定IPプラン",
               "en": "relay through our own sending server, or a fixed-IP plan"},
    "mobile": {"ja": "当社の送信サーバーを利用", "en": "send through our own sending server"},
    "foreign": {"ja": "当社サーバーのポート587番（SMTP AUTH）を利用",
                "en": "use port 587 with SMTP AUTH on our server"},
}


@dataclass(frozen=True)
class _Case:
    """One line of the chart: how somebody sends, and the connection that makes."""

    how: str
    group: str
    port: int
    own_line: bool = True
    plans: tuple[str, ...] = ()


_FIXED_SENDERS = (("server", "other"), ("provider", "known-provider"), ("mobile", "mobile-carrier"))


def _cases(alike: list[tuple[str, ...]]) -> list[_Case]:
    own = [_Case("relay", "own-relay", 25), _Case("relay", "own-relay", 587), _Case("provider", "known-provider", 25),
           _Case("provider", "known-provider", 587), _Case("provider", "known-provider", 465),
           _Case("server", "other", 25), _Case("mobile", "mobile-carrier", 25), _Case("webmail", "other", 443)]
    fixed = [_Case(how, group, 25, plans=plans) for plans in alike for how, group in _FIXED_SENDERS]
    elsewhere = [_Case("relay", "own-relay", port, own_line=False) for port in (25, 587)]
    return [*own, *fixed, *elsewhere]


def quick_reference(workspace: Workspace, language: Language, before: str = "current",
                    after: str = "proposed") -> pl.DataFrame:
    """One row per case: line, how (which server), port, before, after (allow or block), verdict, advice, affected."""
    from op25b.policy import policy

    now, then = policy(workspace, before), policy(workspace, after)
    rows = [_row(case, now, then, language) for case in _cases(_plans_alike(now, then))]
    return pl.DataFrame(rows, schema={"line": pl.String, "how": pl.String, "port": pl.Int64, "before": pl.String,
                                      "after": pl.String, "affected": pl.Boolean, "verdict": pl.String,
                                      "advice": pl.String}, orient="row")


def _plans_alike(now: Policy, then: Policy) -> list[tuple[str, ...]]:
    """The plans that the policies name, those together for which both decide every case alike."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for plan in dict.fromkeys(plan for rule in (*then.rules, *now.rules) for plan in rule.plans):
        decided = tuple(decide(policy, Connection(group, 25, plan=plan)).action for policy in (now, then)
                        for _, group in _FIXED_SENDERS)
        alike.setdefault(decided, []).append(plan)
    return [tuple(plans) for plans in alike.values()]


def _row(case: _Case, now: Policy, then: Policy, language: Language) -> tuple[object, ...]:
    connection = Connection(case.group, case.port, plan=case.plans[0] if case.plans else None, own_line=case.own_line)
    before, after = decide(now, connection).action, decide(then, connection).action
    verdict = {("allow", "allow"): "untouched", ("allow", "block"): "newly", ("block", "block"): "already",
               ("block", "allow"): "released"}[before, after]
    advice = _ADVICE[case.how][language] if after == "block" and case.how in _ADVICE else ""
    line = _LINE["dynamic"][language]
    if case.plans:
        line = _FIXED[language].format(plans="・".join(case.plans) if language == "ja" else ", ".join(case.plans))
    if not case.own_line:
        line = _LINE["elsewhere"][language]
        if case.port == 25:
            verdict, advice = "foreign", _ADVICE["foreign"][language]
    return (line, _HOW[case.how][language], case.port, before, after, verdict == "newly", _VERDICT[verdict][language],
            advice)
