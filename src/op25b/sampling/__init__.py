"""What packet sampling misses, and how many lines there are, seen or not."""

from __future__ import annotations

from op25b.sampling.interval import Estimate
from op25b.sampling.population import Figure, Population
from op25b.sampling.probability import detection, missed, packets_needed, with_detection
from op25b.sampling.strata import Strata, stratify

__all__ = ["Estimate", "Figure", "Population", "Strata", "detection", "missed", "packets_needed", "stratify",
           "with_detection"]
