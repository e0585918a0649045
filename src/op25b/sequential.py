"""Wald's sequential probability ratio test for a machine's failures, as SPOT uses it for its spam.

Each observation X is 1 (a message refused as spam; or a first contact that failed) or 0. H1, compromised, says that
P(X=1) = theta1, H0, normal, that it is theta0. The sum of the log-likelihood ratios moves up by `failed` for X = 1 and
down by `worked` for X = 0; at `accuse` the test accepts H1, at `acquit` H0 (Wald 1945; Duan et al., SPOT, INFOCOM 2009
and TDSC 2012, with alpha = beta = 0.01, theta1 = 0.9, theta0 = 0.2; for first contacts Jung et al., TRW, Oakland 2004).
Observations of one machine are not independent: alpha and beta are nominal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["bot", "normal", "open"]


@dataclass(frozen=True)
class SequentialTest:
    """The four parameters: wanted error rates, and the probability of X = 1 under each hypothesis."""

    alpha: float
    beta: float
    theta0: float
    theta1: float

    @property
    def failed(self) -> float:
        """Step for X = 1: ln(theta1 / theta0), above 0."""
        return math.log(self.theta1 / self.theta0)

    @property
    def worked(self) -> float:
        """Step for X = 0: ln((1 - theta1) / (1 - theta0)), below 0."""
        return math.log((1 - self.theta1) / (1 - self.theta0))

    @property
    def acquit(self) -> float:
        """Lower barrier A = ln(beta / (1 - alpha))."""
        return math.log(self.beta / (1 - self.alpha))

    @property
    def accuse(self) -> float:
        """Upper barrier B = ln((1 - beta) / alpha)."""
        return math.log((1 - self.beta) / self.alpha)

    @property
    def fewest(self) -> int:
        """The fewest observations that can end in a verdict."""
        return min(math.ceil(self.accuse / self.failed), math.ceil(self.acquit / self.worked))

    def expected(self, *, compromised: bool) -> float:
        """Observations needed on average under H1 or H0, by Wald's approximation (no overshoot)."""
        up = 1 - self.beta if compromised else self.alpha
        theta = self.theta1 if compromised else self.theta0
        drift = theta * self.failed + (1 - theta) * self.worked
        return (up * self.accuse + (1 - up) * self.acquit) / drift

    def verdict(self, observations: Iterable[int]) -> tuple[Verdict, int]:
        """Wald's verdict on a sequence, and after how many observations; `open` where it ends too soon."""
        level, count = 0.0, 0
        for observed in observations:
            level += self.failed if observed else self.worked
            count += 1
            if level >= self.accuse:
                return "bot", count
            if level <= self.acquit:
                return "normal", count
        return "open", count
