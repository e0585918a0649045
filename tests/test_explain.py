"""explain: one customer for the support desk."""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from op25b.errors import Op25bError
from op25b.explain import explain
from tests.pipelines.rows import event, lease, load
from tests.test_impact import traffic


def verdict(opened: OpenWorkspace, subscriber: str) -> str:
    return explain(opened.workspace, subscriber, subscriber, "en").verdict


def test_verdicts(tmp_path: Path) -> None:
    opened = traffic(tmp_path)
    load(opened, "subscriber_record", [{"subscriber": "quiet"}], read_at="2007-06-10 00:00:00")
    opened.build()
    assert {who: verdict(opened, who) for who in ("a", "b", "c", "d", "quiet")} == {
        "a": "affected", "b": "exempt", "c": "attempts-only", "d": "not-affected", "quiet": "no-traffic"}
    with pytest.raises(Op25bError, match="no subscriber 'x'"):
        verdict(opened, "x")


def test_words_in_both_languages(tmp_path: Path) -> None:
    opened = traffic(tmp_path)
    english = explain(opened.workspace, "a", "ME1", "en").lines
    assert english[1] == "Blocked from: 2007-07-10"
    assert any("0x800CCC0E" in line for line in english)
    assert explain(opened.workspace, "a", "ME1", "ja").lines[1] == "規制開始日：2007年7月10日"


def test_failed_logins_are_counted_once_and_never_guessed(tmp_path: Path) -> None:
    """At 12:00 the address is a's alone; at 14:00 a second line claims it too."""
    opened = traffic(tmp_path)
    load(opened, "lease_record", [lease("198.18.0.1", "a", "11:00", "13:00"), lease("198.18.0.1", "z", "13:30")],
         source="more leases")
    failed = {"auth_ok": False, "auth_mechanism": "CRAM-MD5", "client_ip": "198.18.0.1"}
    load(opened, "mail_event", [event("auth", "12:00", None, **failed), event("auth", "14:00", None, **failed)])
    opened.build()
    words = explain(opened.workspace, "a", "a", "en").lines
    assert "SMTP AUTH failed 1 times on our server (mechanism CRAM-MD5)" in words


def test_the_chart_is_decided_for_the_line_and_shows_what_was_seen(sample: OpenWorkspace) -> None:
    """ME0002009 sends through provider.example on 25; ME0002020 has IP8 or the like and an own mail server."""
    def chart(who: str) -> dict[tuple[str, int], tuple[str, int | None]]:
        found = explain(sample.workspace, sample.pseudonym(who), who, "en").chart
        return {(how, port): (shown, seen) for how, port, shown, seen in
                found.select("how", "port", "verdict", "seen").rows()}

    program, fixed = chart("ME0002009"), chart("ME0002020")
    assert program["another provider's sending server", 25] == ("can no longer send", 4)
    assert program["another provider's sending server", 587] == ("not affected", 0)
    assert program["own mail server, sending directly", 25] == ("can no longer send", 0)
    assert program["webmail, in a browser", 443] == ("not affected", 0)
    shown, seen = fixed["own mail server, sending directly", 25]
    assert shown == "not affected"
    assert seen
    assert seen > 0
    assert fixed["straight to a mobile carrier's server", 25][0] == "already blocked, no change"
    words = explain(sample.workspace, sample.pseudonym("ME0002009"), "ME0002009", "ja").lines
    assert "  ・他社の送信サーバー ポート25：新たに送信できなくなる（観測：接続4回）" in words
