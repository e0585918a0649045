"""What a score is worth: per class a logistic curve, fitted on simulated worlds whose truth is known.

probability = 1 / (1 + exp(-(intercept + slope * score))). Intercept 0 and slope 1 would take the weights of
`op25b.senders.evidence` at their word. The two numbers of each class were fitted by `python -m
tests.evaluation.calibrate` (highest posterior; weak priors keep rare classes finite), on the worlds that FITTED_ON
names; `make eval` measures the calibration on others. The rules were looked at on the same worlds.
"""

from __future__ import annotations

import polars as pl

FITTED_ON = ("op25b synth, seeds 1 to 4 (4,000 lines, 14 days, parameters as they come; 1:1 twice, 1:100, 1:1000) and "
             "seed 8 (2,500 lines, 10 days, 1:1, servers that only send and bots with good lists): 1,907 lines found")
# class: (intercept, slope)
CURVES: dict[str, tuple[float, float]] = {
    "bot": (0.50, 0.54),
    "scanner": (2.62, 0.84),
    "own-server": (1.01, 1.15),
    "mail-program": (-1.71, 0.90),
    "device": (-0.22, 0.71),
    "mobile-sender": (0.0, 1.0),  # seen, not inferred: its score is taken at its word
}


def probability(name: str, score: pl.Expr) -> pl.Expr:
    """The probability that a line with this score is of the class."""
    intercept, slope = CURVES[name]
    return 1 / (1 + (-(intercept + slope * score)).exp())
