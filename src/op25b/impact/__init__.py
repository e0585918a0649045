"""Two policies × the observed traffic: who loses what, who must be told, and what they can do about it."""

from __future__ import annotations

from op25b.impact.lines import COUNTS, DIFFICULTY, IMPACTS
from op25b.impact.simulation import Simulation, compare, simulate
from op25b.impact.totals import BY, coverage

__all__ = ["BY", "COUNTS", "DIFFICULTY", "IMPACTS", "Simulation", "compare", "coverage", "simulate"]
