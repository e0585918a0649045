"""What counts as right: the truth of a line beside what `findings` says of it.

Several classes may hold at once (a family's mail program and a bot behind one NAT), so each class is judged by itself:
a class of the truth is *found* where it is among the `classes` of the line. For the confusion matrix a line needs one
true class and one answer:

- its **primary** class is the one whose loss costs most (`PRIMARY`, in this order): of a family with a bot it is the
  mail program, because a family that is called a bot only is not warned;
- its **answer** is the primary class where that was found; else the main class that was given, which is `unclear` where
  we abstain, also of what else a mobile sender is; `not listed` where there is no row at all, as under sampling.

What goes only through the ISP's own relay (a bot that uses it, a printer) or only on submission ports is no sender to
external port 25: flows need not show it and no block touches it. Such classes are kept apart in `elsewhere`: naming
them is right, not naming them is no miss, and how often they were found is told apart.

Whoever sends to a mobile carrier's server, be it a program, a server or a bot, is a mobile sender as well: what the
block in force drops is that, whoever sends it.
"""

from __future__ import annotations

import polars as pl

PRIMARY = ("mail-program", "own-server", "device", "bot", "scanner", "mobile-sender")
NAMED = frozenset(PRIMARY)
UNCLEAR, UNSEEN, NOBODY, ELSEWHERE = "unclear", "not listed", "nobody", "elsewhere"
ANSWERS = (*PRIMARY, UNCLEAR, UNSEEN)
_CARRIER = "mobile-carrier"
_TEXTS = pl.List(pl.String)


def outcomes(truth: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """One row per line that holds a class in the truth or has a row in the findings.

    truth: rows per subscriber, class, kind and destination_group, with sessions (to external port 25). found: a row
    per subscriber (subscriber, class, classes, baseline_5min, baseline_contacts). Columns: subscriber, true (classes
    on external port 25), elsewhere (classes that go only through the own relay or submission ports), seen, found (named
    classes), main (the class given), primary, answer, and the two baselines (NULL where the line is not listed).
    """
    lines = truth.select("subscriber").unique().join(found.select("subscriber"), on="subscriber", how="full",
                                                     coalesce=True)
    external = pl.col("sessions") > 0
    mobile = truth.filter(external & (pl.col("destination_group") == _CARRIER)).with_columns(
        pl.lit("mobile-sender").alias("class"))
    truth = pl.concat([truth, mobile])
    named = [pl.when(pl.col("found").list.contains(name)).then(pl.lit(name)) for name in PRIMARY]
    frame = (
        lines.join(_classes(truth.filter(external), "true"), on="subscriber", how="left")
        .join(_classes(truth.filter(~external), "elsewhere"), on="subscriber", how="left")
        .join(found.select("subscriber", pl.col("class").alias("main"), pl.col("classes").cast(_TEXTS).alias("found"),
                           pl.lit(value=True).alias("seen"), "baseline_5min", "baseline_contacts"),
              on="subscriber", how="left")
        .with_columns(pl.col("true", "elsewhere", "found").fill_null(pl.lit([], dtype=_TEXTS)),
                      pl.col("seen").fill_null(value=False))
        .with_columns(pl.col("elsewhere").list.set_difference("true"), pl.concat_list(named).list.drop_nulls()
                      .alias("found"))
    )
    return frame.with_columns(primary()).with_columns(_answer()).select(
        "subscriber", "true", "elsewhere", "seen", "found", "main", "primary", "answer", "baseline_5min",
        "baseline_contacts").sort("subscriber")


def primary() -> pl.Expr:
    """The true class that costs most to miss; `elsewhere` and `nobody` where no class holds on external port 25."""
    name = pl.coalesce(pl.when(pl.col("true").list.contains(each)).then(pl.lit(each)) for each in PRIMARY)
    other = pl.when(pl.col("elsewhere").list.len() > 0).then(pl.lit(ELSEWHERE)).otherwise(pl.lit(NOBODY))
    return pl.coalesce(name, other).alias("primary")


def _answer() -> pl.Expr:
    return (
        pl.when(~pl.col("seen")).then(pl.lit(UNSEEN))
        .when(pl.col("found").list.contains(pl.col("primary"))).then(pl.col("primary"))
        .otherwise(pl.col("main"))
        .alias("answer")
    )


def abstained() -> pl.Expr:
    """Listed, but what it is beside a mobile sender was left open."""
    return pl.col("seen") & (pl.col("main") == UNCLEAR)


def _named(words: pl.Expr) -> pl.Expr:
    return pl.when(~pl.col("seen")).then(pl.lit(UNSEEN)).when(abstained()).then(pl.lit(UNCLEAR)).otherwise(words)


def _classes(truth: pl.DataFrame, name: str) -> pl.DataFrame:
    return truth.group_by("subscriber").agg(pl.col("class").unique().sort().alias(name))


def confusion(lines: pl.DataFrame) -> pl.DataFrame:
    """How many lines of each primary class got each answer, each pair that occurs once: primary, answer, lines."""
    order = pl.Enum([*PRIMARY, ELSEWHERE, NOBODY])
    counted = lines.group_by("primary", "answer").agg(pl.len().alias("lines"))
    return counted.with_columns(pl.col("primary").cast(order), pl.col("answer").cast(pl.Enum(ANSWERS))).sort(
        "primary", "answer").with_columns(pl.col("primary", "answer").cast(pl.String))


def mixed(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines that hold several classes, mobile senders not counted: true (joined with +), found, lines."""
    def words(name: str) -> pl.Expr:
        return pl.col(name).list.sort().list.join(" + ").alias(name)

    lines = lines.with_columns(pl.col("true", "found").list.set_difference(["mobile-sender"]))
    several = lines.filter(pl.col("true").list.len() > 1)
    answer = _named(words("found")).alias("found")
    return several.select(words("true"), answer).group_by("true", "found").agg(pl.len().alias("lines")).sort(
        ["lines", "true", "found"], descending=[True, False, False])


def by_kind(lines: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """What became of each kind of each class: class, kind, lines, found, answers.

    A row per class and kind of the truth; `elsewhere` follows the kind where it did not go to external port 25.
    `found` counts the lines where the class is among those named; `answers` says what the others were called, the most
    frequent first. `lines` and `truth` both carry the columns that tell one world's lines from another's, if any.
    """
    keys = [name for name in ("world", "sampling") if name in lines.columns]
    nowhere = pl.col("sessions").sum() == 0
    pairs = truth.group_by(*keys, "subscriber", "class", "kind").agg(
        pl.when(nowhere).then(pl.lit(f" ({ELSEWHERE})")).otherwise(pl.lit("")).alias("by"))
    joined = pairs.join(lines, on=[*keys, "subscriber"], how="left").with_columns(
        pl.col("found").list.contains(pl.col("class")).alias("right"), (pl.col("kind") + pl.col("by")).alias("kind"))
    instead = _named(pl.col("found").list.sort().list.join(" + "))
    wrong = joined.filter(~pl.col("right")).group_by("class", "kind", instead.alias("instead")).agg(
        pl.len().alias("n")).sort(["n", "instead"], descending=[True, False])
    answers = wrong.group_by("class", "kind", maintain_order=True).agg(
        pl.format("{} {}", "instead", "n").str.join(", ").alias("answers"))
    counted = joined.group_by("class", "kind").agg(pl.len().alias("lines"), pl.col("right").sum().alias("found"))
    return counted.join(answers, on=["class", "kind"], how="left").with_columns(
        pl.col("answers").fill_null("")).sort("class", "kind")
