"""Who sends to external port 25, and why: transparent rules over the `sender` profile, with reasons in numbers.

Sources of the thresholds (all in `[findings]`): more than 10 distinct destinations in 5 minutes is the rule of
CESNET NEMEA's smtp_spam_detector; a failed share of 0.3 and up to three organisations for a mail program are this
project's starting values, to be calibrated on labelled traffic. Attempts toward mobile carriers do not count as
failures: today's block makes them fail, whoever sends.
"""

from __future__ import annotations

import polars as pl

from op25b.workspace import Findings, Language

CLASSES = ("bot", "own-server", "mail-program", "mobile-sender", "unclear")


def _measures() -> list[pl.Expr]:
    judged = pl.col("sessions") - pl.col("mobile_carrier_sessions")
    known = judged - (pl.col("unknown"))
    failed = (judged - pl.col("known_provider_established") - pl.col("other_established") - pl.col("unknown")).clip(0)
    return [
        judged.alias("judged_sessions"),
        (failed / pl.when(known > 0).then(known)).alias("failure_share"),
        (pl.col("established") / pl.col("sessions")).alias("established_share"),
        (pl.col("top_sessions") / pl.col("sessions")).alias("top_share"),
        (pl.col("known_provider_established") + pl.col("other_established")).alias("working_sessions"),
    ]


def classify(senders: pl.DataFrame, settings: Findings) -> pl.DataFrame:
    """Add class, classes (all that hold, the main one first), confidence and the measures to each sender profile.

    One row in, one row out. `failure_share` is NULL where nothing can be said: every judged session is of unknown
    outcome, or all go to mobile carriers.
    """
    frame = senders.with_columns(_measures())
    sprays = pl.col("destinations_5min") > settings.bot_destinations_5min
    fails = pl.col("failure_share").fill_null(0) >= settings.bot_failure_share
    answers = pl.col("answered_inbound") > 0
    works = pl.col("working_sessions") > 0
    reads = pl.col("pop_same_organisation") > 0
    few = pl.col("organisations") <= settings.client_max_providers
    many = pl.col("organisations") >= settings.server_min_destinations
    only_mobile = pl.col("judged_sessions") == 0
    tests = {
        "bot": sprays & fails,
        # A machine whose port 25 answers the world and whose mail arrives is a mail server, however many it talks to.
        "own-server": ~(sprays & fails) & works & (answers | (many & ~reads & ~fails)),
        "mail-program": ~(sprays & fails) & works & ~answers & few & ~(many & ~reads),
        "mobile-sender": pl.col("mobile_carrier_sessions") > 0,
    }
    held = [pl.when(test.fill_null(value=False)).then(pl.lit(name)) for name, test in tests.items()]
    frame = frame.with_columns(pl.concat_list(held).list.drop_nulls().alias("classes"))
    frame = frame.with_columns(
        pl.when(pl.col("classes").list.len() == 0).then(pl.lit(["unclear"])).otherwise("classes").alias("classes")
    )
    first = pl.col("classes").list.first()
    # A sender that only reaches for mobile carriers is one whatever else it might be; with other sessions that name
    # no class, the doubt comes first.
    frame = frame.with_columns(
        pl.when((first == "mobile-sender") & ~only_mobile).then(pl.lit("unclear")).otherwise(first).alias("class")
    )
    strong = (
        pl.when(pl.col("class") == "bot").then((pl.col("failure_share") >= 2 * settings.bot_failure_share) & ~answers)
        .when(pl.col("class") == "own-server").then(answers & ~fails)
        .when(pl.col("class") == "mail-program").then(reads & (pl.col("working_sessions") >= 2))
        .when(pl.col("class") == "mobile-sender").then(pl.col("mobile_carrier_sessions") >= 2)
        .otherwise(statement=False)
    )
    weak = (pl.col("class") == "unclear") | (pl.col("sessions") < 2)
    confidence = pl.when(strong).then(pl.lit("high")).when(weak).then(pl.lit("low")).otherwise(pl.lit("medium"))
    return frame.with_columns(confidence.alias("confidence"))


def reasons(row: dict[str, object], language: Language) -> list[str]:
    """Why a row of `classify` has its class: sentences with the numbers, the decisive ones first."""
    ja = language == "ja"

    def number(name: str) -> int:
        value = row.get(name)
        return int(value) if isinstance(value, int | float) else 0

    failed = row.get("failure_share")
    share = f"{failed:.0%}" if isinstance(failed, float) else ("不明" if ja else "unknown")
    facts = {
        "burst": (f"5分間に最大{number('destinations_5min')}か所の宛先へ接続",
                  f"up to {number('destinations_5min')} destinations within 5 minutes"),
        "failure": (f"接続の失敗率 {share}（携帯宛てを除く）",
                    f"{share} of its connections failed (mobile carriers left out)"),
        "inbound": (f"外部{number('inbound_peers')}か所からの25番接続{number('answered_inbound')}件に応答",
                    f"inbound port-25 sessions answered: {number('answered_inbound')}, peers: {number('inbound_peers')}"),
        "reading": (f"同じ事業者でPOP/IMAP受信{number('pop_same_organisation')}回",
                    f"POP/IMAP sessions with the same organisation: {number('pop_same_organisation')}"),
        "spread": (f"宛先の組織数 {number('organisations')}、アドレス数 {number('destinations')}",
                   f"destination organisations: {number('organisations')}, addresses: {number('destinations')}"),
        "success": (f"{number('sessions')}回の接続のうち{number('established')}回が成立",
                    f"{number('established')} of {number('sessions')} connections were established"),
        "mobile": (f"携帯電話事業者宛て{number('mobile_carrier_sessions')}回（成立{number('mobile_carrier_established')}回）",
                   f"connections to mobile carriers: {number('mobile_carrier_sessions')} "
                   f"({number('mobile_carrier_established')} established)"),
        "relay": (f"当社送信サーバー経由のメール{number('relay_messages')}通",
                  f"messages through our own sending server: {number('relay_messages')}"),
    }
    order = {
        "bot": ["burst", "failure", "spread", "success"],
        "own-server": ["inbound", "spread", "success", "failure"],
        "mail-program": ["reading", "spread", "success"],
        "mobile-sender": ["mobile", "success"],
        "unclear": ["success", "spread", "burst"],
    }[str(row["class"])]
    order += [name for name, column in (("mobile", "mobile_carrier_sessions"), ("relay", "relay_messages"),
                                        ("inbound", "answered_inbound"), ("reading", "pop_same_organisation"))
              if number(column) and name not in order]
    return [facts[name][0 if ja else 1] for name in order]
