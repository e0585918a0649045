"""Packets and bytes behind sampled ones: times N, without bias, with their variance."""

from __future__ import annotations

from math import sqrt

import polars as pl

from op25b.sampling.interval import Estimate, normal_quantile


def volume(rows: pl.DataFrame, count: str, squares: str | None = None, level: float = 0.95) -> Estimate:
    """A sum of packets or bytes over all traffic, from sampled rows with their `sampling_interval`.

    Σ N x, with the variance Σ N (N - 1) x of packets, and of bytes Σ N (N - 1) b² over packets of b bytes (each packet
    is sampled with probability 1/N, independently; domain: sampling). `squares` names the column of Σ b². The interval
    is normal, and never below what was seen. No value where any interval is not known.
    """
    if rows["sampling_interval"].null_count():
        return Estimate(None, None, None)
    interval = pl.col("sampling_interval").cast(pl.Float64)
    seen, value, variance = rows.select(
        pl.col(count).sum().alias("seen"), (interval * pl.col(count)).sum().alias("value"),
        (interval * (interval - 1) * pl.col(squares or count)).sum().alias("variance")).row(0)
    half = normal_quantile(level) * sqrt(variance)
    return Estimate(value, max(float(seen), value - half), value + half)


def product(first: Estimate, *others: Estimate) -> Estimate:
    """The product of independent estimates: squares of relative half widths add up (the delta method)."""
    factors = (first, *others)
    if any(each.value is None for each in factors):
        return Estimate(None, None, None)
    values = [each.value or 0.0 for each in factors]
    value = 1.0
    for one in values:
        value *= one
    if any(each.low is None or each.high is None for each in factors):
        return Estimate(value, None, None)
    if not value:
        return Estimate(0.0, 0.0, 0.0)
    below = sqrt(sum((1 - (each.low or 0.0) / (each.value or 1.0)) ** 2 for each in factors))
    above = sqrt(sum(((each.high or 0.0) / (each.value or 1.0) - 1) ** 2 for each in factors))
    return Estimate(value, max(0.0, value * (1 - below)), value * (1 + above))
