"""Lines whose packets are known, sampled: worlds for tests of what is estimated from the samples."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from op25b.sampling.bounds import Counts, chao1
from op25b.sampling.pilot import Stratum, pilot_ratio

Counted = NDArray[numpy.int64]
# Kinds of lines: share, median packets in the window, standard deviation of the logarithm. Light mail programs, heavy
# ones, and servers with bots; fitted to the domain's columns of raw counts and Chao1 (domain: sampling).
Kinds = tuple[tuple[float, float, float], ...]
MIXTURE: Kinds = ((0.65, 72, 0.88), (0.22, 1220, 0.59), (0.13, 2200, 1.65))
# Other families, for coverage: the domain's log-normal of median 600; mostly light lines with few bots that send very
# much; a heavy tail of everything.
LOGNORMAL: Kinds = ((1.0, 600, 1.5),)
LIGHT_AND_BOTS: Kinds = ((0.80, 150, 1.0), (0.17, 800, 0.8), (0.03, 60_000, 1.2))
HEAVY_TAIL: Kinds = ((1.0, 300, 2.0),)


def draw(kinds: Kinds, lines: int, seed: int) -> Counted:
    """How many packets each of so many lines sends in a window; 3 at least (one attempt)."""
    random = numpy.random.default_rng([seed, 25])
    shares, medians, spreads = (numpy.array(column) for column in zip(*kinds, strict=True))
    kind = random.choice(len(kinds), lines, p=shares)
    drawn = random.lognormal(numpy.log(medians[kind]), spreads[kind])
    return numpy.maximum(3, drawn).astype(numpy.int64)


def sampled(sent: Counted, pilot: int, interval: int, seed: int) -> tuple[Stratum, Counts]:
    """The first `pilot` lines are seen whole, of the others each packet with a probability of 1 / interval."""
    random = numpy.random.default_rng([seed, interval])
    kept = random.binomial(sent[pilot:], 1 / interval)
    seen = int((kept > 0).sum())
    return (Stratum(seen, 1 - (1 - 1 / interval) ** sent[:pilot].astype(float)),
            Counts(seen, int((kept == 1).sum()), int((kept == 2).sum())))


def estimates(sent: Counted, pilot: int, interval: int, seed: int) -> tuple[float, float, float]:
    """Raw count, Chao1 and the pilot's ratio of the lines that are not on the pilot, over their true number."""
    stratum, counts = sampled(sent, pilot, interval, seed)
    true = len(sent) - pilot
    bound, ratio = chao1([counts]).value, pilot_ratio([stratum], 0).value
    return stratum.seen / true, (bound or 0) / true, (ratio or 0) / true
