"""One day of one block's lines: its random numbers, and when and how much people use their computers on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from op25b.synth.draw import Bools, Floats, Ints, times
from op25b.synth.lines import Lines
from op25b.synth.parameters import Parameters
from op25b.synth.world import DAY, Block, World


@dataclass(frozen=True)
class Day:
    """A local day of the window, from 0, as lived on a block's lines."""

    world: World
    block: Block
    lines: Lines
    number: int

    @property
    def parameters(self) -> Parameters:
        """The world's parameters."""
        return self.world.parameters

    @property
    def begin(self) -> float:
        """Its midnight, in seconds from the first one."""
        return self.number * DAY

    @property
    def end(self) -> float:
        """The next midnight."""
        return self.begin + DAY

    @property
    def weekend(self) -> bool:
        """Saturday or Sunday."""
        return self.world.weekend(self.number)

    def rng(self, stage: int) -> np.random.Generator:
        """The random numbers of one part of what happens."""
        return self.world.rng(stage, self.block.number, self.number)

    def home_hours(self) -> tuple[float, ...]:
        """Weights of the hours in which homes mail."""
        rhythm = self.parameters.rhythm
        return rhythm.home_weekend if self.weekend else rhythm.home_weekday

    def factor(self, line: Ints) -> Floats:
        """How much people on these lines mail, against the mean."""
        rhythm, lines = self.parameters.rhythm, self.lines
        office, home = (rhythm.office_weekend_factor, rhythm.home_weekend_factor) if self.weekend else (1.0, 1.0)
        return np.where(lines.office[line], office, home) * lines.activity[line]

    def moments(self, rng: np.random.Generator, office: Bools) -> Floats:
        """One moment for each element, in the hours of offices or of homes."""
        n, hours = len(office), self.parameters.rhythm.office
        return self.begin + np.where(office, times(rng, hours, n), times(rng, self.home_hours(), n))

    def any_moments(self, rng: np.random.Generator, n: int) -> Floats:
        """Moments of what never sleeps."""
        return self.begin + times(rng, self.parameters.rhythm.machine, n)
