"""A number with its interval, and what intervals of any level share."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Estimate:
    """A number and its interval; None where it cannot be told."""

    value: float | None
    low: float | None
    high: float | None


def normal_quantile(level: float) -> float:
    """Between minus and plus this many standard deviations lies the share `level` of a normal distribution.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    return NormalDist().inv_cdf(0.5 + level / 2)
