"""What packet sampling sees of a line: one packet in N is looked at, each with the same chance."""

from __future__ import annotations

from math import ceil, expm1, log, log1p

import polars as pl


def missed(packets: float, interval: float) -> float:
    """The probability that none of a line's packets is sampled: (1 - 1/N)^K (domain: sampling).

    >>> round(missed(30, 1000), 3)  # one mail
    0.97
    """
    if packets <= 0:
        return 1.0
    return 0.0 if interval <= 1 else 1 + expm1(packets * log1p(-1 / interval))


def packets_needed(interval: float, probability: float = 0.95) -> int:
    """How many packets a line must send to be seen with a probability: the smallest K with (1 - 1/N)^K <= 1 - p.

    >>> packets_needed(1000)
    2995
    """
    return 1 if interval <= 1 else ceil(log(1 - probability) / log1p(-1 / interval))


def log_missed(packets: pl.Expr, interval: pl.Expr) -> pl.Expr:
    """The logarithm of `missed`, row by row; sums of it are products. NULL where the interval is not known."""
    nothing = pl.when(packets > 0).then(float("-inf")).otherwise(0.0)
    return pl.when(interval <= 1).then(nothing).otherwise(packets * (-1 / interval).log1p())


def detection(sampled: pl.DataFrame) -> pl.DataFrame:
    """One row per subscriber: how likely sampling was to see a line like it.

    `sampled`: rows of the table `sampled_day`. Columns: subscriber; sampling_interval (the largest); sampled_packets
    (seen, both directions); estimated_packets (Σ N k, unbiased over all lines, not over those that were seen: these
    were lucky); detection_probability, 1 - Π (1 - 1/N)^(N k): of lines with as many packets as this one is estimated to
    have, the share that sampling sees. At 1:1 it is 1; a line seen in one packet has 0.63. Where any row's interval is
    not known (NULL) the last three are NULL, but for sampled_packets.
    """
    interval, packets = pl.col("sampling_interval"), _packets()
    found = sampled.group_by("subscriber").agg(
        interval.max(), interval.is_null().any().alias("untold"), packets.sum().alias("sampled_packets"),
        (packets * interval).sum().alias("estimated_packets"),
        log_missed(packets * interval, interval).sum().alias("log_missed"))
    known = pl.when(~pl.col("untold"))
    return found.select(
        "subscriber", known.then("sampling_interval").alias("sampling_interval"), "sampled_packets",
        known.then("estimated_packets").alias("estimated_packets"),
        known.then(1 - pl.col("log_missed").exp()).alias("detection_probability"))


def with_detection(senders: pl.DataFrame, sampled: pl.DataFrame | None) -> pl.DataFrame:
    """Rows with a column `subscriber`, and `detection_probability` beside them; see `detection`.

    `sampled`: rows of `sampled_day`, of the traffic that the rows are about: for senders to external port 25 those of
    port 25; None where every packet was seen, so that all probabilities are 1.
    """
    if sampled is None:
        return senders.with_columns(pl.lit(1.0).alias("detection_probability"))
    found = detection(sampled).select("subscriber", "detection_probability")
    return senders.join(found, on="subscriber", how="left", maintain_order="left")


def _packets() -> pl.Expr:
    return pl.col("client_packets").fill_null(0) + pl.col("server_packets").fill_null(0)
