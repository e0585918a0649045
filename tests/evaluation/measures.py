"""Precision, recall and abstention of each class, and of the baselines for bots; shares have Wilson intervals."""

from __future__ import annotations

import polars as pl

from tests.evaluation.intervals import with_share
from tests.evaluation.outcomes import NOBODY, PRIMARY, abstained

BASELINES = ("baseline_5min", "baseline_contacts")


def per_class(lines: pl.DataFrame) -> pl.DataFrame:
    """One row per class, in the order of `PRIMARY`; `lines` as of `outcomes`.

    true: lines that hold the class on external port 25. unseen: those without a row in the findings. right: the class
    is among those named. abstained: the line is `unclear`. wrong: other classes named. called: lines that got
    the class; called_right: they hold it, on external port 25 or not. seen = true - unseen. Shares: recall = right /
    true; recall_seen = right / seen; abstention = abstained / seen; precision = called_right / called.
    """
    rows = []
    for name in PRIMARY:
        holds, named = pl.col("true").list.contains(name), pl.col("found").list.contains(name)
        rows.append(lines.select(
            pl.lit(name).alias("class"),
            holds.sum().alias("true"),
            (holds & ~pl.col("seen")).sum().alias("unseen"),
            (holds & pl.col("seen")).sum().alias("seen"),
            (holds & named).sum().alias("right"),
            (holds & ~named & abstained()).sum().alias("abstained"),
            (holds & ~named & pl.col("seen") & ~abstained()).sum().alias("wrong"),
            named.sum().alias("called"),
            (named & (holds | pl.col("elsewhere").list.contains(name))).sum().alias("called_right"),
        ))
    frame = with_share(pl.concat(rows), "recall", "right", "true")
    frame = with_share(frame, "recall_seen", "right", "seen")
    frame = with_share(frame, "abstention", "abstained", "seen")
    return with_share(frame, "precision", "called_right", "called")


def bots_beside_baselines(lines: pl.DataFrame) -> pl.DataFrame:
    """Precision and recall for bots, ours and those of the two baselines: a row per rule.

    Columns: rule, called, called_right, true, right, precision, recall (with _low, _high), and families: lines with a
    mail program and no bot that the rule calls one.
    """
    bot = pl.col("true").list.contains("bot") | pl.col("elsewhere").list.contains("bot")
    external = pl.col("true").list.contains("bot")
    family = pl.col("true").list.contains("mail-program") & ~bot
    rules = {"op25b": pl.col("found").list.contains("bot")} | {
        name: pl.col(name).fill_null(value=False) for name in BASELINES}
    rows = [lines.select(pl.lit(name).alias("rule"), called.sum().alias("called"), (called & bot).sum().alias(
        "called_right"), external.sum().alias("true"), (called & external).sum().alias("right"),
        (called & family).sum().alias("families")) for name, called in rules.items()]
    return with_share(with_share(pl.concat(rows), "precision", "called_right", "called"), "recall", "right", "true")


def called_bot(lines: pl.DataFrame) -> pl.DataFrame:
    """How often lines with a mail program are wrongly called bot: one row.

    families: listed lines with a mail program with another provider. wrongly: no bot behind them, but `bot` is among
    their classes. only: called bot (rightly or not) and not mail program, so nobody warns them. either: one of the two,
    over the families, with its interval.
    """
    family = pl.col("seen") & pl.col("true").list.contains("mail-program")
    bot = pl.col("true").list.contains("bot") | pl.col("elsewhere").list.contains("bot")
    called = pl.col("found").list.contains("bot")
    wrongly = family & called & ~bot
    only = family & called & ~pl.col("found").list.contains("mail-program")
    frame = lines.select(family.sum().alias("families"), wrongly.sum().alias("wrongly"), only.sum().alias("only"),
                         (wrongly | only).sum().alias("either"))
    return with_share(frame, "share", "either", "families")


def elsewhere(lines: pl.DataFrame) -> pl.DataFrame:
    """Classes that do not go to external port 25: class, lines, named; a row per class that occurs."""
    long = lines.filter(pl.col("elsewhere").list.len() > 0).select("elsewhere", "found").explode("elsewhere")
    return long.group_by(pl.col("elsewhere").alias("class")).agg(
        pl.len().alias("lines"), pl.col("found").list.contains(pl.col("elsewhere")).sum().alias("named")).sort("class")


def strangers(lines: pl.DataFrame) -> int:
    """Lines that hold no class at all and were called something, such as another holder's address in a lease gap."""
    return lines.filter((pl.col("primary") == NOBODY) & (pl.col("found").list.len() > 0)).height
