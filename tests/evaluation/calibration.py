"""Whether a probability of 0.8 is right in eight of ten cases: bins, Brier score, expected calibration error.

Brier score: mean squared difference between probability and what was true (0 or 1), Brier 1950; its reference here is
that of always saying the class's share, so `skill` = 1 - brier / reference is above 0 only where the probabilities say
more. ECE (Naeini 2015): mean distance between the mean probability of a bin and the share that was true in it, weighted
by the cases of the bins; ten bins of equal width.
"""

from __future__ import annotations

import polars as pl

from tests.evaluation.intervals import with_share
from tests.evaluation.outcomes import PRIMARY

BINS = 10
MAIN = "the class given"


def cases(lines: pl.DataFrame, probabilities: pl.DataFrame) -> pl.DataFrame:
    """One row per listed line and class with a probability: class, probability, holds.

    probabilities: subscriber (and the columns that tell worlds apart), class (`MAIN`: whichever was given),
    probability. A class that does not go to external port 25 holds as well.
    """
    keys = [name for name in ("world", "sampling", "subscriber") if name in lines.columns]
    name = pl.when(pl.col("class") == MAIN).then(pl.col("main")).otherwise(pl.col("class"))
    held = pl.col("true").list.contains(name) | pl.col("elsewhere").list.contains(name)
    joined = probabilities.drop_nulls("probability").join(lines.select(*keys, "main", "true", "elsewhere"), on=keys)
    return joined.select(*keys, "class", "probability", held.alias("holds")).sort(*keys, "class")


def bins(rows: pl.DataFrame) -> pl.DataFrame:
    """A row per class and bin that has cases: class, low, high, cases, hits, predicted (mean), share with interval."""
    number = (pl.col("probability") * BINS).floor().clip(0, BINS - 1).cast(pl.Int64)
    frame = rows.group_by("class", number.alias("bin")).agg(
        pl.len().alias("cases"), pl.col("holds").sum().alias("hits"), pl.col("probability").mean().alias("predicted"))
    frame = with_share(frame, "share", "hits", "cases").with_columns(
        (pl.col("bin") / BINS).alias("low"), ((pl.col("bin") + 1) / BINS).alias("high"))
    return frame.sort(_rank(), "bin").drop("bin")


def scores(rows: pl.DataFrame) -> pl.DataFrame:
    """A row per class: class, cases, base (the share that holds it), brier, skill, ece."""
    held = pl.col("holds").cast(pl.Float64)
    frame = rows.group_by("class").agg(
        pl.len().alias("cases"), held.mean().alias("base"), ((pl.col("probability") - held) ** 2).mean().alias("brier"))
    gap = (pl.col("predicted") - pl.col("share")).abs()
    ece = bins(rows).group_by("class").agg(((gap * pl.col("cases")).sum() / pl.col("cases").sum()).alias("ece"))
    reference = pl.col("base") * (1 - pl.col("base"))
    skill = pl.when(reference > 0).then(1 - pl.col("brier") / reference).alias("skill")
    return frame.join(ece, on="class").with_columns(skill).select(
        "class", "cases", "base", "brier", "skill", "ece").sort(_rank())


def _rank() -> pl.Expr:
    order = [MAIN, *PRIMARY]
    return pl.col("class").replace_strict(order, list(range(len(order))), default=len(order), return_dtype=pl.Int64)
