"""Whether the pilot's lines are like the others: thinned as the others were sampled, do they look like them?"""

from __future__ import annotations

from math import erfc, exp, gamma, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# Classes of sampled packets per seen line, each open to the next.
_EDGES = (1, 2, 4, 10, 32)
_ENOUGH = 5  # expected in each class, of either side


def unlikeness(thinned: NDArray[numpy.int64], seen: NDArray[numpy.int64]) -> float | None:
    """The p-value of the hypothesis that seen lines have as many sampled packets as thinned pilot lines would.

    `thinned`: one row per line of the pilot, one column per replicate: what binomial thinning leaves of its packets.
    `seen`: the sampled packets of each line seen. None where either side is too small to tell. The shares of seen lines
    with 1, 2-3, 4-9, 10-31 and more packets are compared (classes that hold few are joined); the differences d are
    tested by d' V⁻¹ d against χ², V being the multinomial variance of the seen ones plus the variance of the ratio of
    means over the pilot's lines (Cochran, Sampling Techniques, 2.11, in several dimensions).
    """
    import numpy

    at_least = numpy.stack([(thinned >= edge).mean(axis=1) for edge in _EDGES], axis=1)
    chances = at_least - numpy.append(at_least[:, 1:], numpy.zeros((len(at_least), 1)), axis=1)
    counts = numpy.histogram(seen, [*_EDGES, numpy.iinfo(numpy.int64).max])[0]
    chances, counts = _joined(chances, counts)
    detected, lines = chances.sum(axis=1), int(counts.sum())
    if len(counts) < 2 or not lines:
        return None
    shares = chances.mean(axis=0) / detected.mean()
    influence = (chances - numpy.outer(detected, shares)) / detected.mean()
    variance = (numpy.diag(shares) - numpy.outer(shares, shares)) / lines + influence.T @ influence / len(chances) ** 2
    differences = (counts / lines - shares)[:-1]
    statistic = differences @ numpy.linalg.solve(variance[:-1, :-1], differences)
    return chi_squared_above(float(statistic), len(differences))


def chi_squared_above(value: float, degrees: int) -> float:
    """The probability that χ² with so many degrees of freedom is above a value.

    Q(n/2, x/2) by Q(a + 1, x) = Q(a, x) + x^a e^-x / Γ(a + 1) from Q(1/2, x) = erfc √x or Q(1, x) = e^-x (NIST
    Digital Library of Mathematical Functions 8.8.6 and 8.4.6).

    >>> round(chi_squared_above(9.488, 4), 4)
    0.05
    """
    half, order = value / 2, 0.5 if degrees % 2 else 1.0
    above = erfc(sqrt(half)) if degrees % 2 else exp(-half)
    while order < degrees / 2:
        above += half**order * exp(-half) / gamma(order + 1)
        order += 1
    return above


def _joined(chances: NDArray[numpy.float64], counts: NDArray[numpy.int64]
            ) -> tuple[NDArray[numpy.float64], NDArray[numpy.int64]]:
    """Classes joined with their neighbour below, from the top, until each is expected to hold enough of both sides."""
    import numpy

    expected = chances.sum(axis=0)
    other = counts.sum() * expected / max(expected.sum(), 1e-12)
    while len(expected) > 1 and (small := numpy.flatnonzero(numpy.minimum(expected, other) < _ENOUGH)).size:
        upper = max(int(small[-1]), 1)
        keep = [place for place in range(len(expected)) if place != upper]
        chances, counts = chances.copy(), counts.copy()
        chances[:, upper - 1] += chances[:, upper]
        counts[upper - 1] += counts[upper]
        expected[upper - 1] += expected[upper]
        other[upper - 1] += other[upper]
        chances, counts, expected, other = chances[:, keep], counts[keep], expected[keep], other[keep]
    return chances, counts
