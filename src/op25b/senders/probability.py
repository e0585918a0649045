"""What a score is worth: per class a logistic curve, fitted on simulated worlds whose truth is known.

probability = 1 / (1 + exp(-(intercept + slope * score))). Intercept 0 and slope 1 would take the weights of
`op25b.senders.evidence` at their word. The two numbers of each class were fitted by `python -m
tests.evaluation.calibrate` (maximum likelihood with the priors that keep rare classes finite), on the worlds that
FITTED_ON names; `make eval` measures the calibration on others.
"""

from __future__ import annotations

import polars as pl

FITTED_ON = "not fitted yet: scores are taken at their word"
# class: (intercept, slope)
CURVES: dict[str, tuple[float, float]] = {
    "bot": (0.0, 1.0),
    "scanner": (0.0, 1.0),
    "own-server": (0.0, 1.0),
    "mail-program": (0.0, 1.0),
    "device": (0.0, 1.0),
    "mobile-sender": (0.0, 1.0),
}


def probability(name: str, score: pl.Expr) -> pl.Expr:
    """The probability that a line with this score is of the class."""
    intercept, slope = CURVES[name]
    return 1 / (1 + (-(intercept + slope * score)).exp())
