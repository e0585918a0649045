"""How many lines there are, seen or not, from an unsampled pilot, whose lines tell how many sampling misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from op25b.sampling.interval import Estimate

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float64]

DRAWS = 2000


@dataclass(frozen=True)
class Stratum:
    """Lines under one sampling interval.

    `seen`: how many were seen. `detected`: the probability that this sampling had seen it, of each line of the pilot,
    in the same order for every stratum.
    """

    seen: int
    detected: Floats

    @property
    def share(self) -> float:
        """What share of lines like the pilot's this sampling sees."""
        return float(self.detected.mean())


def pilot_ratio(strata: Sequence[Stratum], exact: int, level: float = 0.95, members: Floats | None = None) -> Estimate:
    """How many lines send, seen or not: exact + Σ S / mean over pilot lines of [1 - (1 - 1/N)^K] (domain: sampling).

    `exact`: lines where every packet was seen, those of the pilot among them. With `members` (1 for the pilot's lines
    that have some property, else 0; `exact` then counts lines with it) the lines that have it, seen or not, whatever
    may be known of those that were seen: the sum times the share of the pilot's lines that have it.

    The interval has both uncertainties. The pilot's lines are weighted anew by the Bayesian bootstrap (D. B. Rubin,
    Annals of Statistics 9, 1981), the same weights for all strata, as it is one pilot. Given the detected share p, the
    lines that S seen ones leave unseen are drawn from the negative binomial distribution NB(S + 1/2, p), which is what
    a binomial observation says of the number of trials; and members among a stratum's lines from the binomial. (With
    weights alone intervals of 90 % held the truth in 83 to 89 % of simulated worlds.) The draws follow from the
    counts alone: the same counts give the same interval. Nothing is told where the pilot's lines have no packets.
    """
    import numpy

    if not strata:
        return Estimate(exact, exact, exact)
    if not all(each.share for each in strata):  # records without packet counts
        return Estimate(None, None, None)
    share = 1.0 if members is None else float(members.mean())
    value = exact + share * sum(each.seen / each.share for each in strata)
    random = numpy.random.default_rng(25)
    weights = random.standard_exponential((DRAWS, strata[0].detected.size))
    weights /= weights.sum(axis=1, keepdims=True)
    shares = None if members is None else numpy.clip(weights @ members, 0, 1)
    drawn = numpy.full(DRAWS, exact)
    for each in strata:
        detected = numpy.clip(weights @ each.detected, 1e-12, 1)
        lines = each.seen + random.negative_binomial(each.seen + 0.5, detected)
        drawn += lines if shares is None else random.binomial(lines, shares)
    low, high = numpy.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))
