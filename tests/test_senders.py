"""Who sends, and why: each rule as a literal profile, and `findings` from flows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b.senders.classify import classify, reasons
from op25b.workspace import Findings
from tests.pipelines.rows import SYN, both, flow, lease, load, new_workspace

_COLUMNS = (
    "sessions", "established", "refused", "no_answer", "unknown", "destinations", "organisations", "top_sessions",
    "destinations_5min", "mobile_carrier_sessions", "known_provider_sessions", "other_sessions",
    "mobile_carrier_established", "known_provider_established", "other_established", "mobile_carrier_unknown",
    "pop_same_organisation", "submission_sessions", "answered_inbound", "inbound_peers", "relay_messages",
)


def profile(**values: int) -> pl.DataFrame:
    """A sender: what is not given is 0; `sessions` and the outcomes are of `other` unless another group is given."""
    row = dict.fromkeys(_COLUMNS, 0) | {"destinations": 1, "organisations": 1, "destinations_5min": 1} | values
    return pl.DataFrame([row])


def judge(**values: int) -> dict[str, Any]:
    return classify(profile(**values), Findings()).row(0, named=True)


MAIL_PROGRAM = {"sessions": 20, "established": 20, "known_provider_sessions": 20, "known_provider_established": 20,
                "top_sessions": 20}
SERVER = {"sessions": 400, "established": 380, "other_sessions": 400, "other_established": 380, "organisations": 90,
          "destinations": 120, "destinations_5min": 40}
BOT = {"sessions": 900, "established": 90, "no_answer": 810, "other_sessions": 900, "other_established": 90,
       "organisations": 400, "destinations": 600, "destinations_5min": 60}


@pytest.mark.parametrize(("values", "expected", "confidence"), [
    pytest.param(MAIL_PROGRAM | {"pop_same_organisation": 40}, ["mail-program"], "high", id="mail program, POP link"),
    pytest.param(MAIL_PROGRAM, ["mail-program"], "medium", id="mail program that reads elsewhere"),
    pytest.param(MAIL_PROGRAM | {"pop_same_organisation": 40, "destinations_5min": 12, "known_provider_established": 8},
                 ["mail-program"], "high", id="a provider's pool of addresses, often refused: never a bot"),
    pytest.param(MAIL_PROGRAM | {"destinations_5min": 12, "known_provider_established": 8}, ["unclear"], "low",
                 id="a known provider's pool, often refused, no POP link: no bot, and no class"),
    pytest.param(BOT | {"organisations": 1}, ["bot"], "high", id="bot that tries one /24 through"),
    pytest.param({"sessions": 1, "established": 1, "other_sessions": 1, "other_established": 1},
                 ["mail-program"], "low", id="one session"),
    pytest.param({"sessions": 1, "no_answer": 1, "other_sessions": 1}, ["unclear"], "low", id="one attempt"),
    pytest.param(SERVER | {"answered_inbound": 300, "inbound_peers": 50}, ["own-server"], "high", id="mail server"),
    pytest.param(SERVER, ["own-server"], "medium", id="sends to many, answers nobody"),
    pytest.param(SERVER | {"answered_inbound": 300, "other_established": 240}, ["own-server"], "medium",
                 id="mail server with many dead addresses (40 % fail)"),
    pytest.param(SERVER | {"answered_inbound": 3, "other_established": 100}, ["bot", "own-server"], "medium",
                 id="mail server most of whose attempts fail: infected, perhaps"),
    pytest.param(BOT, ["bot"], "high", id="bot"),
    pytest.param(BOT | {"established": 0, "no_answer": 900, "other_established": 0}, ["bot"], "high",
                 id="only unanswered SYNs: judged by its attempts"),
    pytest.param(BOT | {"pop_same_organisation": 30}, ["bot", "mail-program"], "medium", id="a home with both"),
    pytest.param(BOT | {"destinations_5min": 4}, ["unclear"], "low", id="fails widely, but slowly"),
    pytest.param(BOT | {"established": 0, "no_answer": 0, "unknown": 900, "other_established": 0}, ["unclear"], "low",
                 id="all outcomes unknown: no class"),
    pytest.param(SERVER | {"established": 20, "other_established": 20, "unknown": 380}, ["unclear"], "low",
                 id="sampled: most outcomes unknown, so no failures seen means nothing"),
    pytest.param(MAIL_PROGRAM | {"known_provider_established": 2, "established": 2, "unknown": 18,
                                 "pop_same_organisation": 3}, ["mail-program"], "low", id="sampled, POP link seen"),
    pytest.param({"sessions": 9, "no_answer": 9, "mobile_carrier_sessions": 9}, ["mobile-sender"], "high",
                 id="mobile carriers only, blocked today"),
    pytest.param({"sessions": 9, "unknown": 9, "mobile_carrier_sessions": 9, "mobile_carrier_unknown": 9},
                 ["mobile-sender"], "high", id="mobile carriers only, outcome unknown"),
    pytest.param({"sessions": 9, "no_answer": 9, "mobile_carrier_sessions": 6, "other_sessions": 3},
                 ["unclear", "mobile-sender"], "low", id="mobile carriers, and attempts that tell nothing"),
    pytest.param({"sessions": 29, "established": 20, "no_answer": 9, "mobile_carrier_sessions": 9, "organisations": 2,
                  "known_provider_sessions": 20, "known_provider_established": 20}, ["mail-program", "mobile-sender"],
                 "medium", id="failures toward mobile carriers do not count"),
    pytest.param({"sessions": 24, "unknown": 12, "established": 12, "mobile_carrier_sessions": 12,
                  "mobile_carrier_unknown": 12, "other_sessions": 12, "other_established": 12},
                 ["mail-program", "mobile-sender"], "medium", id="unknown outcomes toward mobile carriers neither"),
])
def test_rule(values: dict[str, int], expected: list[str], confidence: str) -> None:
    found = judge(**values)
    assert (found["classes"], found["class"], found["confidence"]) == (expected, expected[0], confidence)


def test_no_sender_no_row() -> None:
    empty = classify(profile().clear(), Findings())
    assert empty.is_empty()
    assert {"class", "classes", "confidence", "failure_share"} <= set(empty.columns)


def test_unknown_failures_are_said_to_be_unknown() -> None:
    row = judge(sessions=5, unknown=5, other_sessions=5)
    assert row["failure_share"] is None
    assert "unknown of its connections failed (mobile carriers left out)" in reasons(row, "en")
    assert "connections whose outcome is not known (sampling, or no flags): 5" in reasons(row, "en")
    assert any("不明" in reason for reason in reasons(row, "ja"))


def test_findings_from_flows(tmp_path: Path) -> None:
    """a: a mail program that reads at its provider. b: fifteen servers in five minutes, none answers."""
    opened = new_workspace(tmp_path)
    mail = [row for hour in range(9, 12) for row in (
        *both(f"198.18.0.1:{4000 + hour}", "198.51.100.70:25", f"{hour:02}:00"),
        *both(f"198.18.0.1:{5000 + hour}", "198.51.100.71:110", f"{hour:02}:01"))]
    spray = [flow(f"198.18.0.2:{4000 + n}", f"192.0.{n}.25:25", f"12:00:{n:02}", flags=SYN) for n in range(15)]
    load(opened, "flow", [*mail, *spray])
    load(opened, "lease_record", [lease("198.18.0.1", "a", "08:00"), lease("198.18.0.2", "b", "08:00")])
    load(opened, "subscriber_record", [{"subscriber": "a", "plan": "home"}])
    opened.build()
    columns = ["subscriber", "class", "confidence", "plan", "sessions", "destinations", "destinations_5min",
               "pop_same_organisation"]
    assert opened.findings().select(columns).rows() == [
        ("b", "bot", "high", None, 15, 15, 15, 0), ("a", "mail-program", "high", "home", 3, 1, 1, 3)]
