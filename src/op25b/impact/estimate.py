"""Estimates with intervals, from counts alone: shares, ratios, and how many lines a window did not see.

Intervals are for 95 % where no other level is asked for. Nothing here reads tables; numbers in, numbers out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt
from typing import Literal

from op25b.sampling.interval import Estimate, normal_quantile

Z = 1.959964  # of the normal distribution, for 95 %
SHORTEST = 14  # days: both weekends and the weekdays of two weeks
MOST_SINGLES = 0.5
Refusal = Literal["nobody", "too-short", "singles", "addresses"]
REPLICATES = 400


def wilson(part: int, whole: int) -> tuple[float, float] | None:
    """The interval of a share that `part` of `whole` independent cases estimate; None where there are no cases.

    Wilson's score interval (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927): it stays between 0 and 1, and is not empty
    where none or all of the cases count.

    >>> [round(edge, 3) for edge in wilson(0, 10)]
    [0.0, 0.278]
    """
    if whole <= 0:
        return None
    share, extra = part / whole, Z * Z / whole
    middle = (share + extra / 2) / (1 + extra)
    half = Z * sqrt(share * (1 - share) / whole + extra / (4 * whole)) / (1 + extra)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Pairs:
    """Sums over `count` independent cases, each with two numbers: those, their squares, and their product."""

    count: int
    above: float
    below: float
    above2: float
    below2: float
    product: float


def ratio(pairs: Pairs, level: float = 0.95) -> Estimate:
    """The ratio of two sums, such as messages per connection over lines.

    With R = Σ above / Σ below the interval is R ± z √v, v = (Σ above² - 2 R Σ above·below + R² Σ below²) / (Σ below)²
    · n / (n - 1): the ratio estimator's usual approximation (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, 2.11).
    One case gives no interval.
    """
    if pairs.below <= 0:
        return Estimate(None, None, None)
    value = pairs.above / pairs.below
    if pairs.count < 2:
        return Estimate(value, None, None)
    spread = pairs.above2 - 2 * value * pairs.product + value * value * pairs.below2
    half = normal_quantile(level) * sqrt(max(0.0, spread) * pairs.count / (pairs.count - 1)) / pairs.below
    return Estimate(value, max(0.0, value - half), value + half)


def unseen_refused(frequencies: Mapping[int, int], days: int, *, addresses: bool = False) -> Refusal | None:
    """Why no number of unseen lines may be given; None where it may.

    `frequencies`: how many lines were seen on exactly so many of the window's `days`. `nobody`: none was seen.
    `addresses`: without leases addresses are counted, and who changes them looks like new lines. `too-short`: fewer
    than two weeks, so that a weekday's habits count as once or twice. `singles`: more than half of the lines were seen
    on one day only, so that next to nothing is known of the others.
    """
    seen = sum(frequencies.values())
    if not seen:
        return "nobody"
    if addresses:
        return "addresses"
    if days < SHORTEST:
        return "too-short"
    return "singles" if frequencies.get(1, 0) / seen > MOST_SINGLES else None


def chao2(frequencies: Mapping[int, int], days: int) -> Estimate:
    """At least how many lines there are, seen or not: Chao's lower bound for observations on `days` days.

    S = S_obs + A Q1 (Q1 - 1) / (2 (Q2 + 1)), A = (days - 1) / days: the bias-corrected form for incidences (A. Chao,
    Biometrics 43, 1987; N. J. Gotelli and R. K. Colwell, Estimating species richness, 2011). Q1 and Q2 are the lines
    seen on exactly one day and on exactly two. The interval is Chao's log-normal one: S_obs + U / K to S_obs + U K
    with U = S - S_obs, K = exp(Z √(log(1 + v / U²))), v = Q2 (A r² / 2 + A² r³ + A² r⁴ / 4), r = Q1 / Q2.
    Lines differ in how often they send, so it is a lower bound, and the interval is that of the bound: those that send
    once a year are missed by any window of a month. Without lines seen on two days it has no upper end.
    """
    seen, once, twice = sum(frequencies.values()), frequencies.get(1, 0), frequencies.get(2, 0)
    factor = (days - 1) / days
    missed = factor * once * (once - 1) / (2 * (twice + 1))
    if missed <= 0:
        return Estimate(seen, seen, seen if once == 0 else None)
    if not twice:
        return Estimate(seen + missed, seen, None)
    odds = once / twice
    variance = twice * (factor * odds**2 / 2 + factor**2 * odds**3 + factor**2 * odds**4 / 4)
    spread = exp(Z * sqrt(log(1 + variance / missed**2)))
    return Estimate(seen + missed, seen + missed / spread, seen + missed * spread)


def expected(frequencies: Mapping[int, int], days: int, length: int) -> float:
    """How many lines a window of `length` days sees on average, shorter or longer than the one observed.

    Shorter: S_obs - Σ Q_k C(days - k, length) / C(days, length), exact for any `length` of the observed days. Longer by
    t: S_obs + Q0 (1 - (1 - Q1 / (days Q0 + Q1))^t) with Q0 the unseen of `chao2` (R. K. Colwell and others, J. Plant
    Ecology 5, 2012, equations 17 and 18); trustworthy up to about twice the observed length.
    """
    seen = sum(frequencies.values())
    if length <= days:
        return seen - sum(lines * _missing(days, times, length) for times, lines in frequencies.items())
    once, missed = frequencies.get(1, 0), (chao2(frequencies, days).value or 0) - seen
    if missed <= 0:
        return float(seen)
    return seen + missed * (1 - (1 - once / (days * missed + once)) ** (length - days))


def _missing(days: int, times: int, length: int) -> float:
    """The chance that none of `times` days is among `length` chosen ones: C(days - times, length) / C(days, length)."""
    if times + length > days:
        return 0.0
    return exp(lgamma(days - times + 1) - lgamma(days - times - length + 1) + lgamma(days - length + 1)
               - lgamma(days + 1))


def growth(frequencies: Mapping[int, int], days: int, lengths: list[int]) -> list[Estimate]:
    """`expected` for several lengths, each with its interval.

    The interval holds the middle 95 % of what comes out when the lines, with the unseen ones of `chao2`, are drawn
    again by their frequencies (a multinomial bootstrap after A. Chao and others, Ecological Monographs 84, 2014). The
    draws follow from the frequencies alone: the same counts give the same interval.
    """
    import numpy

    seen = sum(frequencies.values())
    missed = max(0.0, (chao2(frequencies, days).value or 0) - seen)
    times = sorted(frequencies)
    weights = numpy.array([missed, *(frequencies[k] for k in times)], dtype=float)
    draws = numpy.random.default_rng(25).multinomial(
        round(seen + missed), weights / weights.sum(), size=REPLICATES)[:, 1:]
    drawn = [{k: int(n) for k, n in zip(times, row, strict=True)} for row in draws]
    found = []
    for length in lengths:
        values = numpy.sort([expected(one, days, length) for one in drawn])
        low, high = numpy.quantile(values, [0.025, 0.975])
        found.append(Estimate(expected(frequencies, days, length), float(low), float(high)))
    return found
