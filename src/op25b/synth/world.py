"""The stage: addresses of the ISP, of the rest of the world, and the moments of the window.

All addresses are reserved for documentation, benchmarks or shared use and belong to nobody (RFC 5737, 2544, 6598).

| network | what |
|---|---|
| 198.18.0.0/15, else 10.0.0.0/8 | subscribers; the second where the first is too small |
| 203.0.113.0/28 | the ISP's mail: sending server .2, mailboxes .3 |
| 203.0.113.32-231 | access nodes |
| 198.51.100.0/26 | mobile carriers |
| 198.51.100.64-255 | 12 known providers, a /28 each |
| 100.64.0.0/12 | companies and hosting firms, a /24 each |
| 100.80.0.0/12 | other organisations with a mail server, a /24 each |
| 100.96.0.0/11 | addresses without a mail server |
| 192.0.2.0/25 | another ISP's lines |
| 192.0.2.128/25 | scanners outside |
"""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from op25b.errors import SettingsError
from op25b.synth.parameters import Parameters

ZONE = ZoneInfo("Asia/Tokyo")
UTC_OFFSET = 9 * 3600  # Japan has no summer time
DAY = 86400.0
BLOCK_LINES = 5000  # a block of lines is one unit of randomness: results do not depend on how many are made at once

GROUPS = ("known-provider", "other", "mobile-carrier", "own-relay", "none")
KNOWN, OTHER, CARRIER, OWN, NOWHERE = range(5)


def _ip(text: str) -> int:
    return int(ipaddress.IPv4Address(text))


RELAY, MAILBOXES = _ip("203.0.113.2"), _ip("203.0.113.3")
FIRST_EXPORTER = _ip("203.0.113.32")
CARRIERS = np.array([_ip(f"198.51.100.{host}") for host in (2, 3, 4, 34, 35, 36)], dtype=np.uint32)
FIRST_PROVIDER, PROVIDERS = _ip("198.51.100.64"), 12
FIRST_HOSTER, FIRST_MX, FIRST_DEAD = _ip("100.64.0.0"), _ip("100.80.0.0"), _ip("100.96.0.0")
DEAD_ADDRESSES = 2**21
OTHER_ISP, OUTSIDE_SCANNERS = _ip("192.0.2.0"), _ip("192.0.2.128")
_SUBSCRIBERS = ("198.18.0.0/15", "10.0.0.0/8")

AREAS = ("Hiroshima", "Fukuyama", "Kure", "Okayama", "Kurashiki", "Matsue", "Yamaguchi", "Tottori")


@dataclass(frozen=True)
class Block:
    """Consecutive lines of one access node, `first` to `first + lines - 1`, and their pool of addresses."""

    number: int
    edge: int
    first: int
    lines: int
    pool: int
    pool_size: int


@dataclass(frozen=True)
class World:
    """What all parts of the simulation share."""

    parameters: Parameters
    seed: int
    days: int
    start: date
    blocks: tuple[Block, ...]
    sampling: tuple[int, ...]  # of each access node's exporter: one packet in so many
    network: str  # all pools lie in it

    @property
    def edges(self) -> int:
        """Number of access nodes."""
        return len(self.sampling)

    @property
    def start_epoch(self) -> int:
        """The first local midnight, in seconds since 1970."""
        return int(datetime.combine(self.start, datetime.min.time(), ZONE).astimezone(UTC).timestamp())

    @property
    def end(self) -> float:
        """Seconds from the first midnight to the end of the window."""
        return self.days * DAY

    def day(self, number: int) -> date:
        """The local date of a day of the window, from 0."""
        return self.start + timedelta(days=number)

    def weekend(self, number: int) -> bool:
        """Saturday or Sunday."""
        return self.day(number).weekday() >= 5

    def rng(self, stage: int, block: int = 0, day: int = 0) -> np.random.Generator:
        """The random numbers of one part of the world, the same whatever else is made and in which order."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stage, block, day)))


def make(parameters: Parameters, *, subscribers: int, days: int, seed: int, start: date, sampling: int,
         pilot: int) -> World:
    """Lay out the world: access nodes, blocks of lines and their pools of addresses.

    The first `pilot` access nodes are exported unsampled; every other exporter has `sampling`.
    """
    edges = min(parameters.access.edges, subscribers)
    if pilot > edges:
        msg = f"{pilot} pilot access nodes of {edges}\n  choose --pilot between 0 and {edges}"
        raise SettingsError(msg)
    count = max(edges, -(-subscribers // BLOCK_LINES))
    cuts = [subscribers * number // count for number in range(count + 1)]
    sizes = [after - before for before, after in itertools.pairwise(cuts)]
    pools = [int(size * (1 + parameters.access.spare_addresses)) + 8 for size in sizes]
    network = next((network for network in map(ipaddress.IPv4Network, _SUBSCRIBERS)
                    if sum(pools) <= network.num_addresses), None)
    if network is None:
        msg = f"{subscribers:,} subscribers do not fit into {_SUBSCRIBERS[-1]}\n  choose fewer, or less spare_addresses"
        raise SettingsError(msg)
    blocks, pool = [], int(network[0])
    for number, (cut, size, own) in enumerate(zip(cuts, sizes, pools, strict=False)):
        blocks.append(Block(number, number % edges, cut, size, pool, own))
        pool += own
    exporters = (1,) * pilot + (sampling,) * (edges - pilot)
    return World(parameters, seed, days, start, tuple(blocks), exporters, str(network))


def provider_server(provider: npt.NDArray[np.int64], host: npt.NDArray[np.int64] | int) -> npt.NDArray[np.uint32]:
    """Address of a known provider's server: hosts 2 and 3 send, 4 and 5 hold mailboxes."""
    return (FIRST_PROVIDER + 16 * provider + host).astype(np.uint32)


def hoster_server(hoster: npt.NDArray[np.int64], host: npt.NDArray[np.int64] | int) -> npt.NDArray[np.uint32]:
    """Address of a company's or hosting firm's server; hosts as with providers."""
    return (FIRST_HOSTER + 256 * hoster + host).astype(np.uint32)


def mail_server(organisation: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """Address of another organisation's mail server; it sends from there as well."""
    return (FIRST_MX + 256 * organisation + 10 + organisation % 7).astype(np.uint32)
