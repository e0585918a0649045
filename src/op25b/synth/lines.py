"""The customer lines of a block: plan, dwelling, computers, absences; and who is where in the subscriber list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from op25b.synth.draw import Bools, Floats, Ints
from op25b.synth.world import AREAS, DAY, Block, World

_STAGE = 1
HOUSE, APARTMENT, OFFICE = range(3)
_PLANS = ("hikari-home", "hikari-mansion", "office-standard", "IP1", "IP8", "IP16")
_DWELLINGS = ("house", "apartment", "office")
_CHANNELS = ("mail", "letter", "phone")


@dataclass(frozen=True)
class Lines:
    """The lines of one block, one element per line in every array."""

    dwelling: Ints
    plan: Ints
    fixed: Bools
    windows: Bools
    activity: Floats  # mails that much more, or less, than the mean line
    away_from: Floats  # seconds from the first midnight; people's holiday, nothing else rests
    away_until: Floats
    area: Ints
    channel: Ints
    english: Bools

    @property
    def office(self) -> Bools:
        """Lines of offices."""
        return np.asarray(self.dwelling == OFFICE)

    def away(self, line: Ints, at: Floats) -> Bools:
        """Whether the people of a line are on holiday at a moment."""
        return (at >= self.away_from[line]) & (at < self.away_until[line])


def make(world: World, block: Block) -> Lines:
    """The lines of a block."""
    rng, n = world.rng(_STAGE, block.number), block.lines
    population, rhythm = world.parameters.population, world.parameters.rhythm
    office = rng.random(n) < population.office_share
    apartment = rng.random(n) < population.apartment_share
    dwelling = np.where(office, OFFICE, np.where(apartment, APARTMENT, HOUSE))
    fixed = office & (rng.random(n) < population.fixed_plan_share)
    weights = np.array(population.fixed_plan_weights)
    plan = np.where(fixed, 3 + rng.choice(3, n, p=weights / weights.sum()), dwelling)
    away = rng.random(n) < rhythm.holiday_share * max(1.0, world.days / 28)
    away_from = np.where(away, rng.uniform(-rhythm.holiday_days_mean, world.days, n) * DAY, np.inf)
    return Lines(
        dwelling=dwelling, plan=plan, fixed=fixed, windows=rng.random(n) < population.windows_share,
        # Mean 1, whatever the spread.
        activity=rng.lognormal(-(population.activity_sigma**2) / 2, population.activity_sigma, n),
        away_from=away_from, away_until=away_from + rng.exponential(rhythm.holiday_days_mean, n) * DAY,
        area=(block.edge + rng.choice(3, n, p=[0.7, 0.2, 0.1])) % len(AREAS),
        channel=rng.choice(3, n, p=[0.6, 0.3, 0.1]),
        english=rng.random(n) < population.english_share,
    )


def subscriber_list(block: Block, lines: Lines) -> pl.DataFrame:
    """One row per line of a block, with the columns of `subscribers.csv`."""
    number = pl.Series(range(block.first + 1, block.first + block.lines + 1))
    text = number.cast(pl.String)

    def named(names: tuple[str, ...], codes: Ints) -> pl.Series:
        return pl.Series(names).gather(codes.astype(np.int64))

    return pl.DataFrame({
        "subscriber": pl.select(pl.lit("ME") + text.str.zfill(7)).to_series(),
        "plan": named(_PLANS, lines.plan),
        "fixed_ip": pl.Series(["false", "true"]).gather(lines.fixed.astype(np.int64)),
        "access_node": [f"edge-{block.edge + 1}"] * block.lines,
        "area": named(AREAS, lines.area), "dwelling": named(_DWELLINGS, lines.dwelling),
        "notice_channel": named(_CHANNELS, lines.channel),
        "language": named(("ja", "en"), lines.english.astype(np.int64)),
        "radius_user": pl.select(pl.lit("u") + text + "@isp.example").to_series(),
        "auth_user": pl.select(pl.lit("pm") + text).to_series(),
    })
