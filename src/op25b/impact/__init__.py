"""Two policies × the observed traffic: who loses what, who must be told, and what they can do about it."""

from __future__ import annotations

from op25b.impact.examples import examples
from op25b.impact.lines import COUNTS, DIFFICULTY, IMPACTS
from op25b.impact.load import load
from op25b.impact.notices import notices
from op25b.impact.scenarios import compared, counts, side_by_side
from op25b.impact.simulation import Simulation, compare, simulate
from op25b.impact.totals import BY, coverage
from op25b.impact.unseen import unseen
from op25b.impact.words import worded

__all__ = ["BY", "COUNTS", "DIFFICULTY", "IMPACTS", "Simulation", "compare", "compared", "counts", "coverage",
           "examples", "load", "notices", "side_by_side", "simulate", "unseen", "worded"]
