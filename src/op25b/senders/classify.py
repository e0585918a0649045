"""The classes of each line: rules propose, evidence weighs, and what is less likely than not is not named."""

from __future__ import annotations

import polars as pl

from op25b.senders import measures
from op25b.senders.evidence import NOT_PROPOSED, PRIOR, scores
from op25b.senders.probability import probability
from op25b.senders.rules import CLASSES, RIVALS, conditions, rules
from op25b.settings import Findings

__all__ = ["CLASSES", "classify", "measured"]


def measured(senders: pl.DataFrame, clusters: pl.DataFrame, settings: Findings) -> pl.DataFrame:
    """Each `sender` row with the measures, the conditions, and for each class `holds CLASS` and `p CLASS`."""
    frame = measures.lines(senders, clusters, settings).with_columns(**conditions(settings))
    frame = frame.with_columns(*[rule.fill_null(value=False).alias(f"holds {name}")
                                 for name, rule in rules(settings).items()])
    against = {name: pl.when(pl.col(f"holds {name}")).then(0.0).otherwise(NOT_PROPOSED) for name in PRIOR}
    frame = frame.with_columns(*[(score + against[name]).alias(f"score {name}")
                                 for name, score in scores(settings).items()])
    return frame.with_columns(*[probability(name, pl.col(f"score {name}")).alias(f"p {name}") for name in PRIOR])


def classify(senders: pl.DataFrame, clusters: pl.DataFrame, settings: Findings) -> pl.DataFrame:
    """Add class, classes (all that hold, the main one first), confidence, probability and the measures to each sender.

    One row in, one row out; `clusters` are those of `measures.clusters`. A class holds where its rule does and its
    probability is at least `min_probability`; one that accuses nobody from half of that on, since a family that is not
    warned is worse than one warned for nothing. Where none holds the line is `unclear`, of
    probability NULL. `failure_share` is NULL where it cannot be told: most judged sessions are of unknown outcome, or
    all go to mobile carriers.
    """
    frame = measured(senders, clusters, settings)
    least = {name: settings.min_probability / 2 if name in RIVALS else settings.min_probability for name in PRIOR}
    held = {name: pl.col(f"holds {name}") & (pl.col(f"p {name}") >= least[name]) for name in PRIOR}
    held["mobile-sender"] = pl.col("holds mobile-sender")
    named = pl.any_horizontal(test for name, test in held.items() if name != "mobile-sender")
    held["unclear"] = ~named & (pl.col("judged_sessions") > 0)
    ranked = pl.concat_list([
        pl.when(held[name]).then(pl.struct((-pl.col(f"p {name}")).alias("p"), pl.lit(name).alias("name")))
        for name in RIVALS]).list.drop_nulls().list.sort().list.eval(pl.element().struct.field("name"))
    alone = {name: pl.when(test).then(pl.lit(name)) for name, test in held.items() if name not in RIVALS}
    frame = frame.with_columns(pl.concat_list(
        pl.concat_list(alone["bot"], alone["scanner"]), ranked,
        pl.concat_list(alone["unclear"], alone["mobile-sender"]),
    ).list.drop_nulls().alias("classes"))
    frame = frame.with_columns(pl.col("classes").list.first().alias("class"))
    main = pl.coalesce(pl.when(pl.col("class") == name).then(pl.col(f"p {name}")) for name in PRIOR)
    return frame.with_columns(main.alias("probability")).with_columns(_confidence(settings).alias("confidence"))


def _confidence(settings: Findings) -> pl.Expr:
    """High or medium by probability; low where a single session, or outcomes that cannot be told, are all there is."""
    p, only_mobile = pl.col("probability"), pl.col("class") == "mobile-sender"
    weak = (pl.col("class") == "unclear") | (pl.col("sessions") < 2) | (
        pl.col("unproductive_share").is_null() & ~only_mobile)
    return (pl.when(weak | (p < settings.medium_probability)).then(pl.lit("low"))
            .when(p >= settings.high_probability).then(pl.lit("high")).otherwise(pl.lit("medium")))
