"""Who holds which address when: PPPoE sessions of every line, addresses given from a small pool and given again."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from op25b.synth.draw import Floats, Ints
from op25b.synth.lines import Lines
from op25b.synth.world import DAY, Block, World

_STAGE = 2


@dataclass(frozen=True)
class Leases:
    """The PPPoE sessions of a block, ordered by line and start; times in seconds from the first midnight."""

    line: Ints
    start: Floats
    end: Floats
    address: npt.NDArray[np.uint32]
    session: npt.NDArray[np.uint32]

    def held(self, line: Ints, at: Floats) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
        """The address a line holds at a moment, and whether it is online then."""
        span = 1e9  # more than any window, so that lines do not mix
        place = np.searchsorted(self.line * span + self.start, line * span + at, side="right") - 1
        place = np.maximum(place, 0)
        online = (self.line[place] == line) & (self.start[place] <= at) & (at < self.end[place])
        return self.address[place], online


def make(world: World, block: Block, lines: Lines) -> Leases:
    """The sessions of a block's lines from before the window until after it."""
    access, rng = world.parameters.access, world.rng(_STAGE, block.number)
    dials = ~lines.fixed & (rng.random(block.lines) < access.dial_share)
    stay = np.where(lines.fixed, access.fixed_session_days * DAY,
                    np.where(dials, access.dial_session_hours * 3600, access.router_session_days * DAY))
    pause = np.where(dials, access.dial_gap_hours * 3600, access.router_gap_seconds)
    pool = deque((block.pool + rng.permutation(block.pool_size)).tolist())
    own = {int(line): pool.popleft() for line in np.flatnonzero(lines.fixed)}
    # At the beginning every line is online but the share of those who dial that is not.
    offline = rng.random(block.lines) < pause / (stay + pause)
    first = np.where(offline, rng.exponential(pause), -rng.exponential(stay))
    return _played(world.end, rng, (first, stay, pause), pool, own)


def _played(end: float, rng: np.random.Generator, pace: tuple[Floats, Floats, Floats], free: deque[int],
            own: dict[int, int]) -> Leases:
    """Play logins and logouts in the order of time; a login takes the address that has been free for longest.

    `pace` is, for each line, its first login, and the means of its sessions and of the pauses between them.
    """
    first, stay, pause = pace
    events = [(at, True, line, 0) for line, at in enumerate(first.tolist())]
    heapq.heapify(events)
    made: list[tuple[int, float, float, int]] = []
    draws: Iterator[float] = iter(())
    stays, pauses = stay.tolist(), pause.tolist()
    while events:
        at, login, line, address = heapq.heappop(events)
        if at >= end:
            continue
        draw = next(draws, -1.0)
        if draw < 0:
            draws = iter(rng.exponential(1.0, 65536).tolist())
            draw = next(draws)
        if not login:
            if line not in own:
                free.append(address)
            heapq.heappush(events, (at + max(1.0, draw * pauses[line]), True, line, 0))
            continue
        address = own[line] if line in own else free.popleft()
        # A session that is up when the window begins lasts on from there: it has no memory.
        until = max(at, 0.0) + max(5.0, draw * stays[line])
        made.append((line, at, until, address))
        heapq.heappush(events, (until, False, line, address))
    made.sort()
    table = np.array(made, dtype=np.float64).reshape(-1, 4)  # numbers up to 2^53 stay what they are
    session = rng.integers(1, 2**32, len(made), dtype=np.uint32)
    return Leases(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3].astype(np.uint32), session)
