"""Mail servers on customers' lines: what they send, what arrives, lists, retries, and the block toward carriers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from op25b.synth import world as w
from op25b.synth.days import Day
from op25b.synth.draw import Bools, Floats, Ints, hashed, lognormal, message_bytes, repeat, spam_bytes
from op25b.synth.lines import Lines
from op25b.synth.sessions import MAIL, NUMBER, REFUSED, SILENT, TURNED_AWAY, Sessions, joined, sessions
from op25b.synth.world import Block, World

_STAGE, _DAILY = 5, 6
# Postfix tries after 5 minutes and then after twice as long each time (minimal_backoff_time); with jitter below.
_BACKOFF = 300.0


@dataclass(frozen=True)
class Servers:
    """The mail servers of a block, one element per server."""

    line: Ints
    name: Ints  # a number of its own in the whole world, which says whom it writes to
    kind: Ints
    messages: Floats  # sent a day
    peers: Ints  # organisations it writes to in the long run
    answers: Bools  # takes mail on port 25
    mobile_by_relay: Bools
    members: Ints  # organisations on its mailing list; 0: it has none

    def peer(self, server: Ints, draw: Floats) -> Ints:
        """An organisation a server writes to: its first ones most."""
        rank = (self.peers[server] * draw**2).astype(np.int64)
        return _below(hashed(self.name[server], rank))


def make(world: World, block: Block, lines: Lines) -> Servers:
    """The mail servers on a block's lines."""
    p, rng, n = world.parameters.servers, world.rng(_STAGE, block.number), block.lines
    share = np.where(lines.fixed, p.office_fixed_share,
                     np.where(lines.office, p.office_dynamic_share, p.home_share))
    line = np.flatnonzero(rng.random(n) < share)
    office, m = lines.office[line], len(line)
    is_list = rng.random(m) < p.mailing_list_share
    kind = np.where(office, NUMBER["office-server"], NUMBER["home-server"])
    return Servers(
        line, block.first + line, kind,
        lognormal(rng, np.where(office, p.office_messages_median, p.home_messages_median), p.messages_sigma, m),
        np.ceil(lognormal(rng, np.where(office, p.office_peers_median, p.home_peers_median), p.peers_sigma, m)).astype(
            np.int64),
        rng.random(m) >= p.outbound_only_share, rng.random(m) < p.relay_mobile_share,
        np.where(is_list, np.ceil(lognormal(rng, p.list_members_median, 0.6, m)), 0).astype(np.int64),
    )


def on_day(day: Day, servers: Servers) -> Sessions:
    """What all mail servers of a block send and receive on one day."""
    rng, rhythm = day.rng(_DAILY), day.parameters.rhythm
    office = day.lines.office[servers.line]
    weekend = np.where(office, rhythm.office_weekend_factor, rhythm.home_weekend_factor) if day.weekend else 1.0
    mean = servers.messages * weekend
    server = repeat(rng, mean)
    peer = servers.peer(server, rng.random(len(server))) % day.parameters.internet.mail_organisations
    sent = sessions(servers.kind[server].astype(np.uint8), len(server), at=_moments(day, rng, office[server]),
                    line=servers.line[server], remote=w.mail_server(peer))
    host, posts = _posts(day, rng, servers)
    relays = servers.mobile_by_relay[np.concatenate([server, host])]
    made = _sent(day, rng, joined([sent, posts]), relays)
    return joined([*made, *_arriving(day, rng, servers, mean * day.parameters.servers.inbound_ratio)])


def _moments(day: Day, rng: np.random.Generator, office: Bools) -> Floats:
    """Half of a server's mail is written by people, half by programs at any hour."""
    n = len(office)
    return np.where(rng.random(n) < 0.5, day.moments(rng, office), day.any_moments(rng, n))


def _posts(day: Day, rng: np.random.Generator, servers: Servers) -> tuple[Ints, Sessions]:
    """Deliveries of mailing lists, each with its server: a post goes to all members' organisations in turn."""
    p = day.parameters.servers
    host = repeat(rng, np.where(servers.members > 0, p.list_posts_per_day, 0.0))
    members = servers.members[host]
    begins = _moments(day, rng, np.zeros(len(host), dtype=np.bool_))
    post = np.repeat(np.arange(len(host)), members)
    rank = np.arange(len(post)) - np.repeat(np.cumsum(members) - members, members)
    at = begins[post] + rank * p.list_gap_seconds * rng.uniform(0.5, 1.5, len(post))
    server = host[post]
    member = _below(hashed(servers.name[server], 10**6 + rank)) % day.parameters.internet.mail_organisations
    return server, sessions("mailing-list", len(post), at=at, line=servers.line[server], remote=w.mail_server(member))


def _sent(day: Day, rng: np.random.Generator, first: Sessions, relays: Bools) -> list[Sessions]:
    """Fill in the first attempts, of which kind, moment and ends are known, and add those that follow.

    `relays`: the server sends what is for mobile carriers through the ISP's.
    """
    p, n, line = day.parameters.servers, len(first), first["line"]
    carrier = rng.random(n) < p.carrier_share
    by_relay = carrier & relays
    draw = rng.random(n)
    dead = ~carrier & (draw < p.dead_share)
    grey = ~carrier & ~dead & (draw < p.dead_share + p.greylist_share)
    refused = ~carrier & ~dead & ~grey & (draw > 1 - p.refused_share)
    first["port"], first["patience"] = 25, 30.0
    first["remote"] = np.select([by_relay, carrier], [np.full(n, w.RELAY), rng.choice(w.CARRIERS, n)], first["remote"])
    first["outcome"] = np.select([by_relay, carrier | dead, grey | refused], [MAIL, SILENT, TURNED_AWAY], MAIL)
    first["group"] = np.select([by_relay, carrier], [w.OWN, w.CARRIER], w.OTHER)
    first["windows"] = day.lines.windows[line] & ~day.lines.office[line]
    first["up"] = message_bytes(rng, day.parameters.mail, n)
    first["commands"] = 5 + np.minimum(rng.geometric(0.7, n) - 1, 20)
    later = first[grey]
    later["at"] += 300 + rng.exponential(p.greylist_minutes * 60, len(later))
    later["outcome"] = MAIL
    waits = first[first["outcome"] == SILENT]
    again = np.repeat(waits, p.dead_retries)
    tried = np.tile(np.arange(p.dead_retries), len(waits))
    again["at"] += _BACKOFF * (2.0 ** (tried + 1) - 1) * rng.uniform(0.9, 1.3, len(again))
    return [first, later, again]


def _arriving(day: Day, rng: np.random.Generator, servers: Servers, mean: Floats) -> list[Sessions]:
    """Mail that arrives at the servers that take it, and the spam that is turned away."""
    p, lines = day.parameters.servers, day.lines
    wanted = repeat(rng, np.where(servers.answers, mean, 0))
    organisation = servers.peer(wanted, rng.random(len(wanted))) % day.parameters.internet.mail_organisations
    good = sessions("outsider", len(wanted), line=servers.line[wanted], port=25, inbound=True, group=w.NOWHERE,
                    at=_moments(day, rng, lines.office[servers.line[wanted]]), remote=w.mail_server(organisation),
                    up=message_bytes(rng, day.parameters.mail, len(wanted)), windows=False)
    # The others are knocked at as well, by those who do not know better.
    knocked = repeat(rng, p.inbound_spam_per_day * np.where(servers.answers, 1.0, 0.2))
    n, line = len(knocked), servers.line[knocked]
    answered = np.where(rng.random(n) < 0.7, TURNED_AWAY, MAIL)
    spam = sessions("outsider", n, line=line, port=25, inbound=True, group=w.NOWHERE, at=day.any_moments(rng, n),
                    remote=w.FIRST_DEAD + rng.integers(0, w.DEAD_ADDRESSES, n), patience=9.0,
                    outcome=np.where(servers.answers[knocked], answered,
                                     np.where(lines.windows[line], SILENT, REFUSED)),
                    up=spam_bytes(rng, day.parameters.mail, n))
    return [good, spam]


def _below(numbers: npt.NDArray[np.uint64]) -> Ints:
    return (numbers >> np.uint64(1)).astype(np.int64)
