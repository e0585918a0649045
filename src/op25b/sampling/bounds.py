"""How many lines there are at least, from those seen in one sampled packet and in two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

from op25b.sampling.interval import Estimate, normal_quantile


@dataclass(frozen=True)
class Counts:
    """Lines seen under one sampling interval: all, those seen in exactly one packet, those in exactly two."""

    seen: int
    once: int = 0
    twice: int = 0

    @property
    def missed(self) -> float:
        """At least how many were not seen: f1 (f1 - 1) / (2 (f2 + 1))."""
        return self.once * (self.once - 1) / (2 * (self.twice + 1))


def chao1(strata: Sequence[Counts], exact: int = 0, level: float = 0.95) -> Estimate:
    """A lower bound of how many lines send, seen or not: Σ S + f1 (f1 - 1) / (2 (f2 + 1)) over strata.

    The bias-corrected form (A. Chao, Scand. J. Stat. 11, 1984; domain: sampling), each sampling interval a stratum of
    its own, as mixed intervals blur f1 and f2; `exact` lines are all there are where every packet was seen. Lines
    differ in how much they send, so that it bounds from below, and the interval is that of the bound: log-normal (Chao,
    Biometrics 43, 1987), S + U / C to S + U C, C = exp(z √log(1 + v / U²)), with the variance
    v = Σ f1 (f1 - 1) / (2 (f2 + 1)) + f1 (2 f1 - 1)² / (4 (f2 + 1)²) + f1² f2 (f1 - 1)² / (4 (f2 + 1)⁴)
    (R. K. Colwell, EstimateS 9.1 user's guide, appendix B).

    >>> chao1([Counts(20, once=10, twice=4)]).value  # 20 + 10 × 9 / (2 × 5)
    29.0
    """
    seen = exact + sum(each.seen for each in strata)
    missed = sum(each.missed for each in strata)
    if missed <= 0:
        return Estimate(seen, seen, seen)
    spread = exp(normal_quantile(level) * sqrt(log(1 + sum(map(_variance, strata)) / missed**2)))
    return Estimate(seen + missed, seen + missed / spread, seen + missed * spread)


def _variance(counts: Counts) -> float:
    once, more = counts.once, counts.twice + 1
    return (counts.missed + once * (2 * once - 1) ** 2 / (4 * more**2)
            + once**2 * counts.twice * (once - 1) ** 2 / (4 * more**4))
