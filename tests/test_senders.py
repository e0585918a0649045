"""Who sends, and why: each rule on literal lines, given by their destination clusters."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import polars as pl
import pytest

from op25b.senders import measures
from op25b.senders.classify import CLASSES, classify
from op25b.senders.destinations import destination_classes
from op25b.senders.evidence import PRIOR
from op25b.senders.probability import CURVES
from op25b.senders.words import reasons, would_change
from op25b.settings import Findings, Language
from op25b.texts import CLASSES as NAMES
from tests.conftest import ROOT

SETTINGS = Findings()
_CLUSTER = ("destinations", "organisations", "days", "sessions", "established", "refused", "no_answer", "unknown",
            "in_vain", "carried", "tiny", "mail_sized", "mail_bytes", "hours", "night_sessions", "gaps", "gap_seconds",
            "day_minutes", "reading", "submitting")
_REAL = ("mail_bytes_squares", "gap_squares", "day_minutes_squares")
Row = dict[str, Any]


def cluster(group: str = "other", organisation: str | None = "o1", **values: Any) -> Row:
    """A destination: what is not given is 0, or 1 for counts of things that exist; all mail arrives."""
    row: Row = dict.fromkeys(_CLUSTER, 0) | dict.fromkeys(_REAL, 0.0) | {
        "destination_group": group, "organisation": organisation, "name": None, "destinations": 1, "organisations": 1,
        "sampling_interval": 1, "days": 1, "sessions": 1, "hours": 1 << 12} | values
    failed = row["refused"] + row["no_answer"] + row["unknown"]
    row |= {"established": values.get("established", row["sessions"] - failed)}
    return row | {"mail_sized": values.get("mail_sized", row["established"] - row["tiny"])}


def line(*clusters: Row, **values: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A `sender` row that agrees with its clusters, and these; what a line has beside them is 0 unless given."""
    def total(name: str, group: str | None = None) -> int:
        return sum(row[name] for row in clusters if group is None or row["destination_group"] == group)

    sums = {name: total(name) for name in ("sessions", "established", "refused", "no_answer", "unknown", "tiny",
                                           "mail_sized", "destinations", "organisations", "night_sessions")}
    row = sums | {
        "subscriber": "a", "top_sessions": max(row["sessions"] for row in clusters), "top3_sessions": sums["sessions"],
        "days_active": max(row["days"] for row in clusters), "hours": 1 << 12, "destinations_5min": 1,
        "sessions_5min": 1, "mobile_carrier_sessions": total("sessions", "mobile-carrier"),
        "mobile_carrier_established": total("established", "mobile-carrier"), "answered_inbound": 0, "inbound_peers": 0,
        "inbound_days": 0, "inbound_visible": True, "relay_messages": 0, "relay_bounced": 0, "relay_rejected": 0,
        "relay_sprt": None, "sprt": None, "sprt_n": 0, "sprt_failed": 0,
        "sampling_interval": max(row["sampling_interval"] for row in clusters)} | values
    frame = pl.DataFrame([row], schema_overrides={"relay_sprt": pl.String, "sprt": pl.String})
    return frame, pl.DataFrame([{"subscriber": "a", **each} for each in clusters],
                               schema_overrides={"organisation": pl.String, "name": pl.String})


def judged(*clusters: Row, settings: Findings = SETTINGS, **values: Any) -> pl.DataFrame:
    senders, destinations = line(*clusters, **values)
    return classify(senders, measures.clusters(destinations, settings), settings)


def judge(*clusters: Row, settings: Findings = SETTINGS, **values: Any) -> Row:
    return judged(*clusters, settings=settings, **values).row(0, named=True)


def per_destination(*clusters: Row, **values: Any) -> list[tuple[str, str | None, str]]:
    senders, destinations = line(*clusters, **values)
    clustered = measures.clusters(destinations, SETTINGS)
    found = destination_classes(clustered, classify(senders, clustered, SETTINGS))
    return found.select("destination_group", "organisation", "class").rows()


PROVIDER = cluster("known-provider", "P", sessions=20)
READS = PROVIDER | {"reading": 40}
PEERS = cluster(organisation=None, organisations=90, destinations=120, sessions=400, no_answer=20)
SERVER = {"destinations_5min": 40, "sprt": "normal", "sprt_n": 90, "sprt_failed": 5}
CALLED = {"answered_inbound": 300, "inbound_peers": 50, "inbound_days": 20}
SPRAY = cluster(organisation=None, organisations=400, destinations=600, sessions=900, no_answer=810)
FAST = {"destinations_5min": 60, "sprt": "bot", "sprt_n": 400, "sprt_failed": 350}
SLOW = FAST | {"destinations_5min": 4}
CARRIERS = cluster("mobile-carrier", None, sessions=9, no_answer=9)
SAMPLED = {"established": 0, "no_answer": 0, "mail_sized": 0, "sampling_interval": 1000}
SWEEP = cluster(organisation=None, organisations=2, destinations=400, sessions=400, no_answer=400)


def evenly(count: int, pause: float, spread: float) -> Row:
    """`count` pauses of a mean and a standard deviation, in seconds."""
    return {"gaps": count, "gap_seconds": int(count * pause), "gap_squares": count * (pause**2 + spread**2)}


def sized(count: int, mean: float, spread: float) -> Row:
    """`count` mails of a mean size and a standard deviation, in bytes."""
    return {"mail_sized": count, "mail_bytes": int(count * mean), "mail_bytes_squares": count * (mean**2 + spread**2)}


@pytest.mark.parametrize(("clusters", "values", "expected"), [
    # ---- mail programs ----
    pytest.param([READS], {}, ["mail-program"], id="mail program, POP link"),
    pytest.param([PROVIDER], {}, ["mail-program"], id="mail program of a known provider that reads elsewhere"),
    pytest.param([cluster(sessions=20)], {}, ["mail-program"], id="of a server nobody knows"),
    pytest.param([cluster()], {}, ["unclear"], id="one session with a server nobody knows"),
    pytest.param([cluster(organisation=f"o{n}", sessions=4) for n in range(3)], {}, ["mail-program"],
                 id="three accounts, no POP seen"),
    pytest.param([READS | {"established": 8, "no_answer": 12, "mail_sized": 8, "destinations": 12}],
                 {"destinations_5min": 12}, ["mail-program"],
                 id="a provider's pool of addresses, often refused: never a bot"),
    pytest.param([PROVIDER | {"established": 8, "no_answer": 12, "mail_sized": 8, "destinations": 12}],
                 {"destinations_5min": 12}, ["unclear"],
                 id="a known provider's pool, often refused, no POP link: no bot, and no class"),
    pytest.param([READS | {"established": 0, "no_answer": 20, "mail_sized": 0}], {}, ["mail-program"],
                 id="the provider is blocked today, but its mail is read: told by its attempts"),
    # ---- own servers ----
    pytest.param([PEERS], SERVER | CALLED, ["own-server"], id="mail server"),
    pytest.param([PEERS | {"organisations": 900, "destinations": 1200, "sessions": 3000, "established": 2900,
                           "no_answer": 100, "mail_sized": 2900}],
                 SERVER | CALLED | {"destinations_5min": 300}, ["own-server"],
                 id="mailing-list host: hundreds of servers in five minutes"),
    pytest.param([PEERS], SERVER, ["own-server"], id="sends to many, answers nobody"),
    pytest.param([PEERS], SERVER | {"inbound_visible": False}, ["own-server"],
                 id="sends to many; no inbound flows at all, so silence tells nothing"),
    pytest.param([PEERS | {"established": 240, "no_answer": 160, "mail_sized": 240}], SERVER | CALLED, ["own-server"],
                 id="mail server with many dead addresses (40 % fail)"),
    pytest.param([PEERS | {"established": 200, "no_answer": 0, "refused": 0, "tiny": 180, "sessions": 400,
                           "mail_sized": 220}], SERVER | CALLED, ["own-server"],
                 id="mail server that is often greylisted"),
    pytest.param([PEERS | {"established": 130, "no_answer": 270, "mail_sized": 130}],
                 SERVER | CALLED | {"sprt_failed": 12}, ["own-server"],
                 id="two thirds of its attempts fail, but toward an eighth of its peers: it tries again"),
    pytest.param([PEERS | {"established": 0, "no_answer": 400, "mail_sized": 0}], SERVER | CALLED, ["own-server"],
                 id="mail server behind a block of everything: no bot for failing"),
    pytest.param([cluster(organisation=f"o{n}", sessions=3) for n in range(3)],
                 {"answered_inbound": 3, "inbound_peers": 2}, ["own-server"], id="small server"),
    # ---- bots ----
    pytest.param([SPRAY], FAST, ["bot"], id="bot"),
    pytest.param([SPRAY], SLOW, ["bot"], id="slow sprayer: few at a time, hundreds over days"),
    pytest.param([SPRAY | {"established": 0, "no_answer": 900, "mail_sized": 0}], FAST, ["bot"],
                 id="only unanswered SYNs to hundreds of servers: judged by its attempts"),
    pytest.param([SPRAY | {"established": 880, "no_answer": 20, "tiny": 700, "mail_sized": 180}], FAST, ["bot"],
                 id="established, but refused at the banner"),
    pytest.param([SPRAY | {"established": 720, "no_answer": 180, "mail_sized": 720}],
                 {"destinations_5min": 60, "sprt": "normal", "sprt_n": 400, "sprt_failed": 80}, ["bot", "own-server"],
                 id="most mail gets through, yet hundreds of servers once each, and nobody calls back"),
    pytest.param([READS], {"relay_sprt": "bot", "relay_messages": 50, "relay_rejected": 45}, ["bot", "mail-program"],
                 id="a mail program; and the own relay refuses what the line sends as spam"),
    pytest.param([PEERS | {"established": 100, "no_answer": 300, "mail_sized": 100}],
                 SERVER | {"answered_inbound": 3, "inbound_peers": 1, "sprt": "bot", "sprt_n": 90, "sprt_failed": 70},
                 ["bot", "own-server"], id="mail server most of whose attempts fail: infected, perhaps"),
    pytest.param([cluster(organisation=None, organisations=28, destinations=28, sessions=28, no_answer=12)],
                 {"destinations_5min": 2, "sprt": "normal", "sprt_n": 28, "sprt_failed": 12}, ["bot"],
                 id="one day of a slow bot whose list is good: 12 of 28 contacts fail, once each, never called"),
    pytest.param([PEERS | {"established": 190, "no_answer": 210, "mail_sized": 190, "organisations": 40}],
                 SERVER | {"sprt_n": 40, "sprt_failed": 8, "destinations_5min": 30}, ["own-server"],
                 id="a list's host that only sends: half its attempts fail, as it comes back to dead addresses"),
    pytest.param([cluster(organisation=None, organisations=8, sessions=80, no_answer=40)],
                 {"sprt": "normal", "sprt_n": 8, "sprt_failed": 1}, ["own-server"],
                 id="small server that only sends and tries again"),
    pytest.param([cluster(organisation=None, organisations=6, destinations=14, sessions=20, no_answer=20)],
                 {"destinations_5min": 5, "sprt": "bot", "sprt_n": 6, "sprt_failed": 6}, ["unclear"],
                 id="six organisations that do not answer are too few to accuse"),
    # ---- several at once ----
    pytest.param([READS, SPRAY], FAST, ["bot", "mail-program"], id="a home with both"),
    pytest.param([PROVIDER | {"sessions": 30, "established": 30, "mail_sized": 30}, SPRAY], FAST,
                 ["bot", "mail-program"], id="a home with both, mail read elsewhere: the provider stands out"),
    pytest.param([READS, CARRIERS], {}, ["mail-program", "mobile-sender"],
                 id="failures toward mobile carriers do not count"),
    pytest.param([CARRIERS], {}, ["mobile-sender"], id="mobile carriers only, blocked today"),
    pytest.param([CARRIERS | {"no_answer": 0, "unknown": 9}], {}, ["mobile-sender"],
                 id="mobile carriers only, outcome unknown"),
    pytest.param([CARRIERS, cluster(sessions=3, no_answer=3)], {}, ["unclear", "mobile-sender"],
                 id="mobile carriers, and attempts that tell nothing"),
    # ---- devices ----
    pytest.param([cluster(sessions=200, **evenly(190, 3600, 60), **sized(200, 4000, 100), night_sessions=50)],
                 {"night_sessions": 50}, ["device"], id="every hour, day and night, the same size"),
    pytest.param([cluster(days=30, sessions=30, day_minutes=30 * 180, day_minutes_squares=30 * (180.0**2 + 1),
                          night_sessions=30)], {"night_sessions": 30}, ["device"],
                 id="a report at three every night"),
    pytest.param([cluster(sessions=60, **evenly(50, 3600, 3600), **sized(60, 9000, 900), night_sessions=20)],
                 {"night_sessions": 20}, ["device"],
                 id="at uneven times by night as by day, even sizes: a camera"),
    pytest.param([READS | evenly(15, 3600, 60) | {"sessions": 20}], {}, ["mail-program"],
                 id="even pauses where mail is read: a program that polls"),
    pytest.param([READS, cluster(sessions=200, **evenly(190, 3600, 60), **sized(200, 4000, 100))], {},
                 ["mail-program", "device"], id="a person and a printer, each with its server"),
    # ---- scanners ----
    pytest.param([SWEEP], {"destinations_5min": 200, "sprt": "open", "sprt_n": 2, "sprt_failed": 2}, ["scanner"],
                 id="sweep of two networks"),
    pytest.param([cluster(organisation=None, organisations=300, destinations=300, sessions=300, refused=200,
                          no_answer=100)], {"destinations_5min": 80, "sprt": "bot", "sprt_n": 300, "sprt_failed": 300},
                 ["scanner"], id="random addresses, most of them without a mail server"),
    pytest.param([SWEEP | {"established": 60, "no_answer": 340, "mail_sized": 60}],
                 {"destinations_5min": 200, "sprt": "open", "sprt_n": 2, "sprt_failed": 0}, ["bot"],
                 id="tries networks through, and some take its mail: a bot"),
    # ---- too little to tell ----
    pytest.param([cluster(no_answer=1)], {}, ["unclear"], id="one attempt"),
    pytest.param([SPRAY | {"established": 0, "no_answer": 0, "unknown": 900, "mail_sized": 0}],
                 {"destinations_5min": 60}, ["unclear"], id="all outcomes unknown: no class"),
    pytest.param([PEERS | {"established": 20, "no_answer": 0, "unknown": 380, "mail_sized": 20}],
                 {"destinations_5min": 9},
                 ["unclear"], id="sampled, no flags: most outcomes unknown, so no failures seen means nothing"),
    pytest.param([READS | {"established": 2, "unknown": 18, "mail_sized": 2}], {}, ["mail-program"],
                 id="sampled, POP link seen"),
    pytest.param([PROVIDER | {"established": 0, "unknown": 4, "carried": 4, "sessions": 4, "mail_sized": 0}], {},
                 ["mail-program"], id="sampled, with flags: data seen toward a known provider"),
    pytest.param([SPRAY | {"established": 0, "no_answer": 0, "unknown": 90, "sessions": 90, "in_vain": 80,
                           "carried": 10, "organisations": 80, "destinations": 85, "mail_sized": 0}],
                 {"destinations_5min": 4, "sprt": "bot", "sprt_n": 80, "sprt_failed": 75}, ["bot"],
                 id="sampled, with flags: SYNs alone to eighty organisations"),
    pytest.param([cluster(established=0, unknown=1, carried=1, mail_sized=0, sampling_interval=1000)], {},
                 ["unclear"], id="sampled: one packet to a server nobody knows"),
    pytest.param([PROVIDER | SAMPLED | {"unknown": 4, "carried": 3, "in_vain": 1, "sessions": 4}], {},
                 ["mail-program"], id="sampled: one SYN alone among four packets is no failure"),
    pytest.param([SPRAY | SAMPLED | {"unknown": 60, "carried": 55, "in_vain": 5, "sessions": 60, "organisations": 50,
                                     "destinations": 55}], {"destinations_5min": 30}, ["bot"],
                 id="sampled: failures hidden, but thirty seen in five minutes are hundreds, and nobody calls back"),
    pytest.param([PEERS | SAMPLED | {"unknown": 60, "carried": 55, "in_vain": 5, "sessions": 60, "organisations": 50,
                                     "destinations": 55}], CALLED | {"destinations_5min": 30}, ["own-server"],
                 id="the same of a mailing-list host that is called"),
    pytest.param([PEERS | SAMPLED | {"unknown": 40, "carried": 36, "in_vain": 4, "sessions": 40, "organisations": 35,
                                     "destinations": 36}], {}, ["unclear"],
                 id="sampled: each of many organisations once, slowly, never called: bot or server"),
])
def test_rule(clusters: list[Row], values: Row, expected: list[str]) -> None:
    found = judge(*clusters, **values)
    shown = {name: round(found[f"p {name}"], 2) for name in ("bot", "scanner", "own-server", "mail-program", "device")}
    assert (found["classes"], found["class"]) == (expected, expected[0]), shown


@pytest.mark.parametrize(("clusters", "values", "expected"), [
    pytest.param([READS], {}, "high", id="mail program, POP link"),
    pytest.param([cluster()], {}, "low", id="one session"),
    pytest.param([SPRAY], FAST, "high", id="bot"),
    pytest.param([SPRAY], SLOW, "medium", id="slow sprayer"),
    pytest.param([PEERS], SERVER | CALLED, "high", id="mail server that is called"),
    pytest.param([READS | {"established": 2, "unknown": 18, "mail_sized": 2}], {}, "low", id="most outcomes unknown"),
    pytest.param([cluster(no_answer=1)], {}, "low", id="no class"),
])
def test_confidence(clusters: list[Row], values: Row, expected: str) -> None:
    assert judge(*clusters, **values)["confidence"] == expected


def test_a_probability_for_every_class() -> None:
    found = judge(SPRAY, **FAST)
    assert found["probability"] == found["p bot"] > 0.95
    assert all(0 < found[f"p {name}"] < 0.5 for name in ("scanner", "own-server", "device", "mobile-sender"))
    assert judge(cluster(no_answer=1))["probability"] is None


def test_thresholds_are_settings() -> None:
    assert judge(SPRAY, **FAST, settings=Findings(min_probability=1, medium_probability=1, high_probability=1))[
        "classes"] == ["unclear"]
    bold = Findings(min_probability=0.1, medium_probability=0.2, high_probability=0.3)
    assert judge(cluster(sessions=20), settings=bold)["confidence"] == "high"
    assert judge(cluster(sessions=20))["confidence"] != "high"
    patient = Findings(bot_failure_share=0.95, bot_destinations_5min=70)
    assert "bot" not in judge(SPRAY, **FAST, settings=patient)["classes"]


def test_every_threshold_is_in_the_template_with_its_default() -> None:
    template = files("op25b").joinpath("op25b.toml").read_text(encoding="utf-8")
    section = template.split("# [findings]")[1].split("\n# [")[0]
    named = {name: float(value) for name, value in re.findall(r"^# (\w+) = ([\d.]+) ", section, re.MULTILINE)}
    assert named == {name: float(value) for name, value in Findings().model_dump().items()}


def test_every_class_has_words_and_a_line_in_the_documentation() -> None:
    page = (ROOT / "docs" / "classes.md").read_text(encoding="utf-8")
    assert set(NAMES) == set(CLASSES) == {*PRIOR, "unclear"} == {*CURVES, "unclear"}
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == set(CLASSES)


def test_no_sender_no_row() -> None:
    senders, destinations = line(cluster())
    empty = classify(senders.clear(), measures.clusters(destinations.clear(), SETTINGS), SETTINGS)
    assert empty.is_empty()
    assert {"class", "classes", "confidence", "failure_share"} <= set(empty.columns)
    assert reasons(empty, SETTINGS, "en").to_list() == would_change(empty, SETTINGS, "ja").to_list() == []


@pytest.mark.parametrize(("clusters", "values", "expected"), [
    pytest.param([READS, SPRAY | {"organisation": None}, CARRIERS], FAST, [
        ("known-provider", "P", "mail-program"), ("other", None, "bot"), ("mobile-carrier", None, "mobile-sender")],
        id="a home with both, and mobile mail"),
    pytest.param([READS, cluster(sessions=200, **evenly(190, 3600, 60))], {}, [
        ("known-provider", "P", "mail-program"), ("other", "o1", "device")], id="a person and a printer"),
    pytest.param([cluster(sessions=40), PEERS], SERVER | CALLED, [
        ("other", "o1", "own-server"), ("other", None, "own-server")],
        id="a server's most frequent peer is no provider"),
    pytest.param([READS, cluster(sessions=2, no_answer=2)], {}, [
        ("known-provider", "P", "mail-program"), ("other", "o1", "unclear")], id="attempts beside a mail program"),
])
def test_each_destination_has_its_class(clusters: list[Row], values: Row, expected: list[tuple[str, str, str]]) -> None:
    assert per_destination(*clusters, **values) == expected


def said(clusters: list[Row], values: Row, language: Language = "en") -> list[str]:
    return list(reasons(judged(*clusters, **values), SETTINGS, language)[0])


def test_reasons_begin_with_what_weighs_most_and_name_what_speaks_against() -> None:
    assert said([SPRAY], FAST | {"answered_inbound": 2, "inbound_peers": 1})[:4] == [
        "88 % of what it tries apart from its providers fails or carries no mail (mobile carriers left out)",
        "but: inbound port-25 sessions answered: 2, peers: 1",
        "first contacts that failed: 350 of 400; the sequential test says bot",
        "up to 60 destinations within 5 minutes"]
    assert said([READS], {})[0] == "POP/IMAP sessions with the same organisation: 40"
    assert said([PEERS], SERVER | CALLED, "ja")[0] == "外部からの25番接続300件に応答（接続元50か所）"


def test_reasons_of_a_mixed_line_name_the_class_they_are_for() -> None:
    assert [sentence for sentence in said([READS, SPRAY], FAST) if sentence.startswith("mail program")] == [
        "mail program with another provider: POP/IMAP sessions with the same organisation: 40",
        "mail program with another provider: the destination is a known provider",
        "mail program with another provider: 20 of 20 connections with its providers worked"]
    assert any(sentence.startswith("他社メールサーバーを使うメールソフト：") for sentence in
               said([READS, SPRAY], FAST, "ja"))


def test_unknown_failures_are_said_to_be_unknown() -> None:
    unknown = [cluster(sessions=5, unknown=5)]
    assert judge(*unknown)["failure_share"] is None
    assert "? of its connections failed (mobile carriers left out)" in said(unknown, {})
    assert "connections whose outcome is not known (sampling, or no flags): 5" in said(unknown, {})
    assert any("結果が分からない接続 5回" in sentence for sentence in said(unknown, {}, "ja"))
    assert said(unknown, {})[0].startswith("likeliest: ")


@pytest.mark.parametrize(("clusters", "values", "expected"), [
    ([PROVIDER], {}, "a POP/IMAP session with the provider it sends through (then a mail program)"),
    ([SPRAY], FAST, "if fewer than 30 % of its connections had failed or carried no mail"),
    ([SPRAY], FAST, "connections from outside that its port 25 answers (then a mail server)"),
    ([SWEEP], {"destinations_5min": 200}, "connections that carry a mail (then a bot)"),
    ([PEERS], SERVER | CALLED, "if 60 % of its connections or more failed (then a bot as well)"),
    ([cluster(no_answer=1)], {}, "more days of flows: fewer than three connections were seen"),
    ([cluster(sessions=5, unknown=5)], {}, "flows without sampling, or with TCP flags: most outcomes are not known"),
    ([CARRIERS], {}, "connections to other destinations on port 25"),
])
def test_what_would_change_the_verdict(clusters: list[Row], values: Row, expected: str) -> None:
    found = judged(*clusters, **values)
    assert expected in would_change(found, SETTINGS, "en")[0]
    assert len(would_change(found, SETTINGS, "ja")[0]) == len(would_change(found, SETTINGS, "en")[0])
