"""Infected machines: fast sprayers, low and slow ones, and those that go through the ISP's own server."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from op25b.synth import world as w
from op25b.synth.days import Day
from op25b.synth.draw import Bools, Floats, Ints, hashed, lognormal, repeat, spam_bytes
from op25b.synth.sessions import LOGIN_FAILED, MAIL, NUMBER, REFUSED, SILENT, TURNED_AWAY, Sessions, joined, sessions
from op25b.synth.world import DAY, Block, World

_STAGE, _DAILY = 9, 10
_FAST, _SLOW, _RELAY = (NUMBER[name] for name in ("fast-sprayer", "slow-bot", "relay-bot"))


@dataclass(frozen=True)
class Bots:
    """The infected machines of a block, one element per machine."""

    line: Ints
    name: Ints  # a number of its own in the whole world, which says whom it sends to
    kind: Ints
    since: Floats  # infected, seconds from the first midnight
    until: Floats  # cleaned
    always_on: Bools
    pace: Floats  # connections a minute in a burst
    login: Bools  # of those through the ISP's server: on 587 with a stolen password


def make(world: World, block: Block, with_program: Ints) -> Bots:
    """The infected machines on a block's lines; `with_program` are lines with mail programs, more often infected."""
    rng, n, p = world.rng(_STAGE, block.number), block.lines, world.parameters.bots
    share = np.full(n, p.share)
    share[with_program] *= p.program_line_factor
    line = np.flatnonzero(rng.random(n) < share)
    m = len(line)
    draw = rng.random(m) * (p.fast_share + p.slow_share + p.relay_share)
    kind = np.where(draw < p.fast_share, _FAST, np.where(draw < p.fast_share + p.slow_share, _SLOW, _RELAY))
    lasts = rng.exponential(p.infected_days_mean, m) * DAY
    # Infected at any time such that some of it falls into the window.
    since = rng.uniform(0, world.end + lasts) - lasts
    return Bots(line, block.first + line, kind, since, since + lasts, rng.random(m) < p.always_on_share,
                lognormal(rng, p.burst_per_minute, p.burst_per_minute_sigma, m), rng.random(m) < p.relay_login_share)


def on_day(day: Day, bots: Bots) -> Sessions:
    """What a block's infected machines send on one day."""
    rng, p = day.rng(_DAILY), day.parameters.bots
    active = rng.random(len(bots.line)) < p.active_days_share
    burst = repeat(rng, np.where(active & (bots.kind == _FAST), p.bursts_per_day, 0.0))
    size = lognormal(rng, p.burst_messages_median, p.burst_messages_sigma, len(burst))
    many = np.minimum(size + 1, 1e5).astype(np.int64)
    begins = _moments(day, rng, bots.always_on[burst])
    fast = np.repeat(burst, many)
    gaps = rng.exponential(60.0, len(fast)) / bots.pace[fast]
    elapsed = np.cumsum(gaps)
    before = np.repeat((elapsed - gaps)[np.cumsum(many) - many], many) if len(burst) else elapsed
    slow = repeat(rng, np.where(active & (bots.kind == _SLOW), p.slow_messages_per_day, 0.0))
    relayed = repeat(rng, np.where(active & (bots.kind == _RELAY), p.relay_messages_per_day, 0.0))
    sprayed = np.concatenate([np.repeat(begins, many) + elapsed - before, _moments(day, rng, bots.always_on[slow])])
    made = joined([_sprayed(day, rng, bots, np.concatenate([fast, slow]), sprayed),
                   _relayed(day, rng, bots, relayed, _moments(day, rng, bots.always_on[relayed]))])
    bot = np.concatenate([fast, slow, relayed])
    infected = (made["at"] >= bots.since[bot]) & (made["at"] < bots.until[bot])
    return np.asarray(made[infected])


def _moments(day: Day, rng: np.random.Generator, always_on: Bools) -> Floats:
    """Moments at which the machine is on."""
    return np.where(always_on, day.any_moments(rng, len(always_on)), day.moments(rng, np.zeros_like(always_on)))


def _recipients(day: Day, rng: np.random.Generator, n: int) -> Ints:
    return np.minimum(rng.geometric(1 / day.parameters.bots.recipients_mean, n), 100)


def _sprayed(day: Day, rng: np.random.Generator, bots: Bots, bot: Ints, at: Floats) -> Sessions:
    """One connection per element, each to a server of the bot's list."""
    p, n, internet = day.parameters.bots, len(bot), day.parameters.internet
    draw = rng.random(n)
    carrier = draw < p.carrier_share
    dead = ~carrier & (draw < p.carrier_share + p.dead_share)
    refused = ~carrier & ~dead & (draw < p.carrier_share + p.dead_share + p.refused_share)
    rank = rng.integers(0, min(p.target_organisations, internet.mail_organisations), n)
    organisation = hashed(bots.name[bot], rank).astype(np.int64) % internet.mail_organisations
    nowhere = w.FIRST_DEAD + hashed(bots.name[bot], 10**6 + rank).astype(np.int64) % w.DEAD_ADDRESSES
    remote = np.select([carrier, dead | refused], [rng.choice(w.CARRIERS, n), nowhere], w.mail_server(organisation))
    answered = np.where(rng.random(n) < p.rejected_share, TURNED_AWAY, MAIL)
    outcome = np.select([carrier | dead, refused], [SILENT, REFUSED], answered)
    return sessions(bots.kind[bot].astype(np.uint8), n, line=bots.line[bot], at=at, remote=remote, port=25,
                    outcome=outcome, group=np.where(carrier, w.CARRIER, w.OTHER), windows=True,
                    up=spam_bytes(rng, day.parameters.mail, n), commands=4 + _recipients(day, rng, n),
                    patience=p.patience_seconds)


def _relayed(day: Day, rng: np.random.Generator, bots: Bots, bot: Ints, at: Floats) -> Sessions:
    """One connection to the ISP's own server per element."""
    p, n, login = day.parameters.bots, len(bot), bots.login[bot]
    outcome = np.where(rng.random(n) < p.relay_refused_share, TURNED_AWAY, MAIL)
    outcome = np.where(login & (rng.random(n) < 0.05), LOGIN_FAILED, outcome)
    return sessions("relay-bot", n, line=bots.line[bot], at=at, remote=w.RELAY, port=np.where(login, 587, 25),
                    outcome=outcome, group=w.OWN, login=login, windows=True, up=spam_bytes(rng, day.parameters.mail, n),
                    commands=4 + _recipients(day, rng, n) + 2 * login)
