"""The quick-reference chart (対象者早見表): who is affected, decided case by case by the policies themselves.

The cases are the questions that customers ask (`../data/reference`: the published FAQ of the reference case). Nothing
here says what the answer is: each case is a connection, and the policies decide it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from op25b.policy.decide import Connection, decide_session
from op25b.policy.destinations import destinations
from op25b.policy.ranges import networks, spans
from op25b.policy.resolve import Range, Resolved, resolve
from op25b.settings import Language
from op25b.texts import Text
from op25b.workspace import Workspace

_LINE: dict[str, Text] = {
    "dynamic": {"ja": "当社回線（動的IP）", "en": "our line, dynamic address"},
    "fixed": {"ja": "当社回線（固定IPプラン {names}）", "en": "our line, fixed-IP plan {names}"},
    "rule": {"ja": "当社回線（「{names}」の対象）", "en": "our line, of rule {names}"},
    "elsewhere": {"ja": "他社回線", "en": "another ISP's line"},
}
_HOW: dict[str, Text] = {
    "relay": {"ja": "当社の送信サーバー", "en": "our own sending server"},
    "cram-md5": {"ja": "当社の送信サーバー（認証方式 CRAM-MD5）",
                 "en": "our own sending server, authentication by CRAM-MD5"},
    "provider": {"ja": "他社の送信サーバー", "en": "another provider's sending server"},
    "server": {"ja": "自前のメールサーバーから直接送信", "en": "own mail server, sending directly"},
    "server-relay": {"ja": "自前のメールサーバーから当社の送信サーバー経由で送信",
                     "en": "own mail server, relaying through our sending server"},
    "mobile": {"ja": "携帯電話事業者のサーバーへ直接送信", "en": "straight to a mobile carrier's server"},
    "webmail": {"ja": "Webメール（ブラウザで利用）", "en": "webmail, in a browser"},
    "named": {"ja": "規則「{rule}」の宛先", "en": "a server that rule {rule} names"},
}
_VERDICT: dict[str, Text] = {
    "untouched": {"ja": "影響なし", "en": "not affected"},
    "newly": {"ja": "新たに送信できなくなる", "en": "can no longer send"},
    "already": {"ja": "すでに規制済み（変化なし）", "en": "already blocked, no change"},
    "released": {"ja": "送信できるようになる", "en": "can send again"},
    "foreign": {"ja": "本件の影響なし（回線側ISPの規制による）",
                "en": "not affected by this; the line's own ISP may block port 25"},
    "no-login": {"ja": "本件の影響なし（この認証方式には対応していません）",
                 "en": "not affected by this; the server does not support this authentication"},
}
_ADVICE: dict[str, Text] = {
    "provider": {"ja": "事業者のポート587番（SMTP AUTH）か当社の送信サーバーへ変更",
                 "en": "use the provider's port 587 with SMTP AUTH, or our own sending server"},
    "server": {"ja": "当社の送信サーバー経由の中継、または固定IPプラン",
               "en": "relay through our own sending server, or a fixed-IP plan"},
    "mobile": {"ja": "当社の送信サーバーを利用", "en": "send through our own sending server"},
    "foreign": {"ja": "当社サーバーのポート587番（SMTP AUTH）を利用",
                "en": "use port 587 with SMTP AUTH on our server"},
    "foreign-provider": {"ja": "事業者のポート587番（SMTP AUTH）を利用",
                         "en": "use the provider's port 587 with SMTP AUTH"},
    "no-login": {"ja": "メールソフトの認証方式を{mechanisms}に変更", "en": "set the mail program to {mechanisms}"},
}
_ADVICE_OF = {"named": "provider", "server-relay": "mobile"}
SCHEMA: dict[str, Any] = {
    "line": pl.String, "how": pl.String, "port": pl.Int64, "before": pl.String, "after": pl.String,
    "affected": pl.Boolean, "verdict": pl.String, "advice": pl.String, "case": pl.String, "protocol": pl.String,
    "plans": pl.List(pl.String),
}

_ANY = Connection("other", 25)


@dataclass(frozen=True)
class _Line:
    """A kind of line: what it is called (`_LINE`), whom it stands for, and what rules ask of it."""

    kind: str
    names: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    asked: Connection = _ANY

    def label(self, language: Language) -> str:
        names = ("・" if language == "ja" else ", ").join(self.names)
        return _LINE[self.kind][language].format(names=names)


@dataclass(frozen=True)
class _Case:
    """How somebody sends from a line. `mechanism` is the authentication that the case is about, if it is."""

    how: str
    group: str
    port: int
    protocol: str = "SMTP"
    mechanism: str | None = None
    rule: str | None = None
    peer: str | None = None


_OWN = (
    _Case("relay", "own-relay", 25), _Case("relay", "own-relay", 587, "SMTP AUTH"),
    _Case("relay", "own-relay", 465, "SMTP AUTH"),
    _Case("cram-md5", "own-relay", 587, "SMTP AUTH", mechanism="CRAM-MD5"),
    _Case("provider", "known-provider", 25), _Case("provider", "known-provider", 587, "SMTP AUTH"),
    _Case("provider", "known-provider", 465, "SMTP AUTH"), _Case("server", "other", 25),
    _Case("server-relay", "own-relay", 25), _Case("mobile", "mobile-carrier", 25),
    _Case("webmail", "other", 443, "HTTPS"),
)
_SENDING = (_Case("server", "other", 25), _Case("provider", "known-provider", 25),
            _Case("mobile", "mobile-carrier", 25))
_ELSEWHERE = (_Case("relay", "own-relay", 25), _Case("relay", "own-relay", 587, "SMTP AUTH"),
              _Case("provider", "known-provider", 25), _Case("provider", "known-provider", 587, "SMTP AUTH"))


def quick_reference(workspace: Workspace, language: Language, before: str = "current",
                    after: str = "proposed") -> pl.DataFrame:
    """One row per case: line, how (which server), port, before, after (allow or block), affected, verdict, advice.

    Then case (a name that stays), protocol, and the plans the row stands for. Plans that both policies decide alike
    stand together; lines that a rule picks out by node, wave or network, and servers a rule names, have rows of their
    own.
    """
    from op25b.policy import policy

    now, then = (resolve(policy(workspace, name), workspace) for name in (before, after))
    named = tuple(_named_servers(workspace, now, then))
    rows = [_row(workspace, line, case, (now, then), language)
            for line, cases in (*_lines(now, then), (_Line("elsewhere"), _ELSEWHERE))
            for case in (*cases, *(named if line.kind == "dynamic" else ()))]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def line_reference(workspace: Workspace, line: Connection, language: Language, before: str = "current",
                   after: str = "proposed") -> pl.DataFrame:
    """The chart for one line: one row per way to send, decided with what is known of the line.

    how, destination_group, port, protocol, before, after, affected, verdict, advice.
    """
    from op25b.policy import policy

    policies = resolve(policy(workspace, before), workspace), resolve(policy(workspace, after), workspace)
    rows = [(case.group, *_row(workspace, _Line("dynamic", asked=line), case, policies, language)) for case in _OWN]
    frame = pl.DataFrame(rows, schema={"destination_group": pl.String, **SCHEMA}, orient="row")
    return frame.select("how", "destination_group", "port", "protocol", "before", "after", "affected", "verdict",
                        "advice")


def _lines(now: Resolved, then: Resolved) -> Iterator[tuple[_Line, tuple[_Case, ...]]]:
    """The kinds of lines of the ISP, each with the cases that are asked of it."""
    yield _Line("dynamic"), _OWN
    alike: dict[tuple[str, ...], list[str]] = {}
    terms = (*then.terms, *now.terms)
    for plan in dict.fromkeys(plan for term in terms for plan in sorted(term.plans or (), key=_natural)):
        asked = Connection("other", 25, plan=plan)
        decided = tuple(_decide(policy, asked, case) for policy in (now, then) for case in _SENDING)
        alike.setdefault(decided, []).append(plan)
    for plans in alike.values():
        yield _Line("fixed", tuple(plans), tuple(plans), Connection("other", 25, plan=plans[0])), _SENDING
    for name, asked in _picked(now, then).items():
        yield _Line("rule", (name,), asked=asked), _SENDING


def _picked(now: Resolved, then: Resolved) -> dict[str, Connection]:
    """Lines that a rule picks out otherwise than by plan, one for each rule."""
    found = dict[str, Connection]()
    for term in (*then.terms, *now.terms):
        if term.members or term.access_nodes or term.lines:
            found.setdefault(term.name, Connection(
                "other", 25, plan=min(term.plans) if term.plans else None,
                access_node=min(term.access_nodes) if term.access_nodes else None,
                subscriber=min(term.members) if term.members else None,
                line=_address(term.lines[0]) if term.lines else None))
    return found


def _named_servers(workspace: Workspace, now: Resolved, then: Resolved) -> Iterator[_Case]:
    """Servers that rules name by their networks, one for each rule."""
    settled = min(max(then.settled, datetime(1970, 1, 2)), datetime(9999, 1, 1))  # noqa: DTZ001  # naive UTC
    day: date = settled.replace(tzinfo=UTC).astimezone(workspace.timezone).date()
    ends = None
    for term in dict.fromkeys((*then.terms, *now.terms)):
        if term.peers and not term.everywhere:
            ends = ends or destinations(workspace, day)
            peer = _address(term.peers[0])
            yield _Case("named", ends.group(peer), 25, rule=term.name, peer=peer)


def _address(network: Range) -> str:
    span = spans([network])
    return str((networks(span, 4) or networks(span, 6))[0].network_address)


def _natural(text: str) -> tuple[str, int]:
    """A sorting key by which IP8 comes before IP16."""
    letters = text.rstrip("0123456789")
    return letters, int(text[len(letters):] or -1)


def _decide(policy: Resolved, asked: Connection, case: _Case) -> str:
    packets = replace(asked, destination_group=case.group, port=case.port, peer=case.peer, source_port=40000)
    return decide_session(policy, packets).action


def _row(workspace: Workspace, line: _Line, case: _Case, policies: tuple[Resolved, Resolved],
         language: Language) -> tuple[object, ...]:
    asked = replace(line.asked, own_line=line.kind != "elsewhere")
    before, after = (_decide(policy, asked, case) for policy in policies)
    verdict = {("allow", "allow"): "untouched", ("allow", "block"): "newly", ("block", "block"): "already",
               ("block", "allow"): "released"}[before, after]
    advice = _ADVICE_OF.get(case.how, case.how) if after == "block" else ""
    mechanisms = workspace.config.support.auth_mechanisms
    if line.kind == "elsewhere" and case.port == 25:
        verdict, advice = "foreign", "foreign" if case.how == "relay" else "foreign-provider"
    elif case.mechanism is not None and after == "allow" and case.mechanism not in mechanisms:
        verdict, advice = "no-login", "no-login"
    words = _ADVICE.get(advice, {"ja": "", "en": ""})[language].format(
        mechanisms=("または" if language == "ja" else " or ").join(mechanisms))
    return (line.label(language), _HOW[case.how][language].format(rule=case.rule), case.port, before, after,
            verdict == "newly", _VERDICT[verdict][language], words, f"{line.kind}/{case.how}/{case.port}",
            case.protocol, list(line.plans))
