"""Port scans: from customers' lines, and from outside at customers' lines."""

from __future__ import annotations

import numpy as np

from op25b.synth import world as w
from op25b.synth.days import Day
from op25b.synth.draw import Ints, lognormal, repeat
from op25b.synth.sessions import PROBED, REFUSED, SILENT, Sessions, joined, sessions
from op25b.synth.world import Block, World

_STAGE, _DAILY = 11, 12


def make(world: World, block: Block) -> Ints:
    """The lines of a block that look for open mail servers."""
    return np.flatnonzero(world.rng(_STAGE, block.number).random(block.lines) < world.parameters.scanners.share)


def on_day(day: Day, scanners: Ints, servers: Ints) -> Sessions:
    """One day's scans by a block's lines and at them; `servers` are lines that answer on port 25."""
    rng, p = day.rng(_DAILY), day.parameters.scanners
    line = scanners[rng.random(len(scanners)) < p.active_days_share]
    many = np.minimum(lognormal(rng, p.targets_median, 0.8, len(line)) + 1, 65536).astype(np.int64)
    run = np.repeat(np.arange(len(line)), many)
    place = np.arange(len(run)) - np.repeat(np.cumsum(many) - many, many)
    begins = day.any_moments(rng, len(line))
    draw, n = rng.random(len(run)), len(run)
    outcome = np.select([draw < p.silent_share, draw < p.silent_share + p.refused_share], [SILENT, REFUSED], PROBED)
    # One address after the other, from anywhere on.
    remote = w.FIRST_DEAD + (rng.integers(0, w.DEAD_ADDRESSES, len(line))[run] + place) % w.DEAD_ADDRESSES
    # A scanner sends one SYN: it does not wait for the second (patience), and its system does not try again after RST.
    out = sessions("port-scanner", n, line=line[run], at=begins[run] + place / p.per_second, remote=remote, port=25,
                   outcome=outcome, group=w.OTHER, patience=1.0, windows=False)
    return joined([out, _from_outside(day, rng, servers)])


def _from_outside(day: Day, rng: np.random.Generator, servers: Ints) -> Sessions:
    p = day.parameters.scanners
    line = repeat(rng, np.full(day.block.lines, p.inbound_per_line_day))
    n = len(line)
    outcome = np.where(rng.random(n) < p.inbound_refused_share, REFUSED, SILENT)
    outcome = np.where(np.isin(line, servers), PROBED, outcome)
    return sessions("outsider", n, line=line, at=day.any_moments(rng, n), port=25, inbound=True, outcome=outcome,
                    remote=w.OUTSIDE_SCANNERS + rng.integers(0, 128, n), group=w.NOWHERE, patience=1.0, windows=False)
