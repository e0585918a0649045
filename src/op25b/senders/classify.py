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
    unknown = pl.col("unknown") - pl.col("mobile_carrier_unknown")
    known = judged - unknown
    working = pl.col("known_provider_established") + pl.col("other_established")
    # Under sampling a failure shows as unknown: while most outcomes are unknown the rest says nothing of the whole.
    told = (known > 0) & (known >= unknown)
    return [
        judged.alias("judged_sessions"),
        pl.when(told).then((known - working) / known).alias("failure_share"),
        (pl.col("established") / pl.col("sessions")).alias("established_share"),
        (pl.col("top_sessions") / pl.col("sessions")).alias("top_share"),
        working.alias("working_sessions"),
    ]


def _tests(settings: Findings) -> dict[str, pl.Expr]:
    """For each class, in order of precedence, whether it holds; NULL (cannot be told) counts as no."""
    failure = pl.col("failure_share")
    fails, passes = failure >= settings.bot_failure_share, failure < settings.bot_failure_share
    sprays = pl.col("destinations_5min") > settings.bot_destinations_5min
    answers = pl.col("answered_inbound") > 0
    works = pl.col("working_sessions") > 0
    reads = pl.col("pop_same_organisation") > 0
    few = pl.col("organisations") <= settings.client_max_providers
    many = pl.col("organisations") >= settings.server_min_destinations
    # Many addresses of few known providers, or of one that the line also reads mail at, are a pool and no spray.
    pool = few & (reads | (pl.col("other_sessions") == 0))
    # A server that answers the world is called a bot only where most of what it tries fails: lists have dead addresses.
    bot = sprays & ~pool & fails & (~answers | (failure >= 2 * settings.bot_failure_share))
    tests = {
        "bot": bot,
        # A machine whose port 25 answers the world and whose mail arrives is a mail server, however many it talks to.
        "own-server": works & (answers | (many & ~reads & passes)),
        # A POP link tells a mail program even beside a bot or a server of the same home.
        "mail-program": works & ((reads & (few | bot.fill_null(value=False))) | (~answers & few & ~many & passes)),
    }
    named = pl.any_horizontal(test.fill_null(value=False) for test in tests.values())
    tests["unclear"] = ~named & (pl.col("judged_sessions") > 0)
    tests["mobile-sender"] = pl.col("mobile_carrier_sessions") > 0
    return tests


def _confidence(settings: Findings) -> pl.Expr:
    failure, name = pl.col("failure_share"), pl.col("class")
    answers, reads = pl.col("answered_inbound") > 0, pl.col("pop_same_organisation") > 0
    often = pl.col("working_sessions") >= 2
    strong = (
        pl.when(name == "bot").then((failure >= 2 * settings.bot_failure_share) & ~answers & ~reads)
        .when(name == "own-server").then(answers & often & (failure < settings.bot_failure_share))
        .when(name == "mail-program").then(reads & often & failure.is_not_null())
        .when(name == "mobile-sender").then(pl.col("mobile_carrier_sessions") >= 2)
        .otherwise(statement=False)
    )
    untold = failure.is_null() & (pl.col("judged_sessions") > 0)
    weak = (name == "unclear") | (pl.col("sessions") < 2) | untold
    return pl.when(weak).then(pl.lit("low")).when(strong).then(pl.lit("high")).otherwise(pl.lit("medium"))


def classify(senders: pl.DataFrame, settings: Findings) -> pl.DataFrame:
    """Add class, classes (all that hold, the main one first), confidence and the measures to each sender profile.

    One row in, one row out. `failure_share` is NULL where it cannot be told: most judged sessions are of unknown
    outcome, or all go to mobile carriers.
    """
    frame = senders.with_columns(_measures())
    held = [pl.when(test.fill_null(value=False)).then(pl.lit(name)) for name, test in _tests(settings).items()]
    frame = frame.with_columns(pl.concat_list(held).list.drop_nulls().alias("classes"))
    frame = frame.with_columns(pl.col("classes").list.first().alias("class"))
    return frame.with_columns(_confidence(settings).alias("confidence"))


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
                    (f"inbound port-25 sessions answered: {number('answered_inbound')}, "
                     f"peers: {number('inbound_peers')}")),
        "reading": (f"同じ事業者でPOP/IMAP受信{number('pop_same_organisation')}回",
                    f"POP/IMAP sessions with the same organisation: {number('pop_same_organisation')}"),
        "spread": (f"宛先の組織数 {number('organisations')}、アドレス数 {number('destinations')}",
                   f"destination organisations: {number('organisations')}, addresses: {number('destinations')}"),
        "success": (f"{number('sessions')}回の接続のうち{number('established')}回が成立",
                    f"{number('established')} of {number('sessions')} connections were established"),
        "mobile": ((f"携帯電話事業者宛て{number('mobile_carrier_sessions')}回"
                    f"（成立{number('mobile_carrier_established')}回）"),
                   (f"connections to mobile carriers: {number('mobile_carrier_sessions')} "
                    f"({number('mobile_carrier_established')} established)")),
        "unknown": (f"結果が分からない接続 {number('unknown')}回（サンプリング等のため）",
                    f"connections whose outcome is not known (sampling, or no flags): {number('unknown')}"),
        "relay": (f"当社送信サーバー経由のメール{number('relay_messages')}通",
                  f"messages through our own sending server: {number('relay_messages')}"),
    }
    order = {
        "bot": ["burst", "failure", "spread", "success"],
        "own-server": ["inbound", "spread", "success", "failure"],
        "mail-program": ["reading", "spread", "success"],
        "mobile-sender": ["mobile", "success"],
        "unclear": ["success", "spread", "burst", "failure"],
    }[str(row["class"])]
    if not number("pop_same_organisation"):
        order = [name for name in order if name != "reading"]
    order += [name for name, column in (("unknown", "unknown"), ("mobile", "mobile_carrier_sessions"),
                                        ("relay", "relay_messages"),
                                        ("inbound", "answered_inbound"), ("reading", "pop_same_organisation"))
              if number(column) and name not in order]
    return [facts[name][0 if ja else 1] for name in order]
