"""Packets → flow records, as an access node's exporter makes them: sampling of packets, timeouts, its clock, its gaps.

Each packet is kept with probability 1/N, whatever flow it is of; a record holds the flags, bytes and times of the kept
packets alone, and a flow without any leaves no record. A record ends where the next kept packet comes later than the
inactive timeout, or when it is older than the active one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from op25b.synth.draw import Bools, Floats, Ints
from op25b.synth.packets import ACK, COUNTS, PSH, Flows, octets, packets, trains
from op25b.synth.world import Block, World

_STAGE, _GAPS = 13, 14

DTYPE = np.dtype([
    ("first", "i8"), ("last", "i8"), ("received", "i8"),  # milliseconds since 1970; received by the collector's clock
    ("src", "u4"), ("dst", "u4"), ("sport", "u2"), ("dport", "u2"), ("packets", "i8"), ("bytes", "i8"), ("flags", "u1"),
    ("status", "u1"),  # forwarding status, 0 where it is not exported
])
Records = npt.NDArray[Any]
_FORWARDED, _DROPPED_BY_ACL = 64, 129


def records(world: World, block: Block, day: int, flows: Flows) -> Records:
    """The records of a block's flows on one day, in the order in which they arrive at the collector."""
    rng, interval = world.rng(_STAGE, block.number, day), world.sampling[block.edge]
    exporter = world.parameters.exporter
    table = trains(world.parameters.tcp)
    if interval == 1:
        odd = _cut_by_timeouts(world, table, flows)
        flow, place = _every_packet(flows, np.flatnonzero(odd))
        made = [_whole(table, flows, np.flatnonzero(~odd))]
    else:
        flow, place = _kept(rng, flows, interval)
        made = []
    made.append(_cut(world, table, flows, flow, place))
    source, first, last, count, size, flags = (np.concatenate(parts) for parts in zip(*made, strict=True))
    result = np.zeros(len(source), dtype=DTYPE)
    for name in ("src", "dst", "sport", "dport"):
        result[name] = flows[name][source]
    if exporter.forwarding_status:
        result["status"] = np.where(flows["dropped"][source], _DROPPED_BY_ACL, _FORWARDED)
    result["packets"], result["bytes"], result["flags"] = count, size, flags
    skew = _skew(world, block.edge)
    result["first"] = np.floor((world.start_epoch + first + skew) * 1000)
    result["last"] = np.maximum(np.floor((world.start_epoch + last + skew) * 1000), result["first"])
    arrives = last + rng.uniform(0, exporter.inactive_timeout, len(source))
    result["received"] = np.floor((world.start_epoch + arrives) * 1000)
    result = result[~_in_gap(world, block.edge, arrives)]
    return result[np.argsort(result["received"], kind="stable")]


def gaps(world: World, edge: int) -> Floats:
    """Begin and end, in seconds from the first midnight, of each pause of an exporter."""
    exporter, rng = world.parameters.exporter, world.rng(_GAPS, edge)
    begins = rng.uniform(0, world.end, rng.poisson(exporter.gaps_per_week * world.days / 7))
    return np.stack([begins, begins + rng.exponential(exporter.gap_minutes * 60, len(begins))], axis=1)


def _in_gap(world: World, edge: int, at: Floats) -> Bools:
    lost = np.zeros(len(at), dtype=np.bool_)
    for begin, end in gaps(world, edge):
        lost |= (at >= begin) & (at < end)
    return lost


def _skew(world: World, edge: int) -> float:
    return float(world.rng(_GAPS, edge, 1).normal(0, world.parameters.exporter.clock_skew_seconds))


def _ends(table: Floats, flows: Flows) -> Floats:
    ends: Floats = flows["at"] + table[flows["train"], np.maximum(flows["syns"], 1) - 1] + flows["spread"]
    return ends


def _cut_by_timeouts(world: World, table: Floats, flows: Flows) -> Bools:
    """Flows that a timeout may cut into several records; the others are one record, which is much less work."""
    exporter = world.parameters.exporter
    with np.errstate(invalid="ignore"):
        gap = np.diff(table, axis=1, prepend=0.0)
    longest = np.maximum.accumulate(np.where(np.isfinite(gap), gap, 0.0), axis=1)
    rest = np.maximum(packets(flows) - flows["syns"], 1)
    pause = np.maximum(longest[flows["train"], np.maximum(flows["syns"], 1) - 1], flows["spread"] / rest)
    cut: Bools = (_ends(table, flows) - flows["at"] >= exporter.active_timeout) | (pause > exporter.inactive_timeout)
    return cut


Parts = tuple[Ints, Floats, Floats, Ints, Ints, Ints]  # flow, first, last, packets, bytes, flags


def _whole(table: Floats, flows: Flows, chosen: Ints) -> Parts:
    """One record for each chosen flow."""
    some = flows[chosen]
    flags = (np.where(some["syns"] > 0, some["syn_flags"], 0) | np.where(some["ends"] > 0, some["end_flags"], 0)
             | np.where(some["acks"] + some["full"] > 0, ACK, 0)
             | np.where(some["commands"] + some["last"] > 0, PSH | ACK, 0))
    return chosen, some["at"], _ends(table, some), packets(some), octets(some), flags.astype(np.int64)


def _every_packet(flows: Flows, chosen: Ints) -> tuple[Ints, Ints]:
    """Flow and place in it of each packet of the chosen flows."""
    count = packets(flows[chosen])
    flow = np.repeat(chosen, count)
    return flow, np.arange(len(flow)) - np.repeat(np.cumsum(count) - count, count)


def _kept(rng: np.random.Generator, flows: Flows, interval: int) -> tuple[Ints, Ints]:
    """Flow and place in it of each packet that sampling keeps: the gaps between kept packets are geometric."""
    until = np.cumsum(packets(flows))
    total = int(until[-1]) if len(until) else 0
    kept: list[Ints] = []
    at = -1
    while at < total:
        gap = rng.geometric(1 / interval, max(1024, 2 * (total - at) // interval))
        kept.append(at + np.cumsum(gap))
        at = int(kept[-1][-1])
    place = np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)
    place = place[place < total]
    flow = np.searchsorted(until, place, side="right")
    return flow, place - np.concatenate([[0], until])[flow]


def _cut(world: World, table: Floats, flows: Flows, flow: Ints, place: Ints) -> Parts:
    """Records of packets, which come ordered by flow and place."""
    exporter = world.parameters.exporter
    at, size, flags = _described(table, flows, flow, place)
    new = np.ones(len(flow), dtype=np.bool_)
    new[1:] = (flow[1:] != flow[:-1]) | (at[1:] - at[:-1] > exporter.inactive_timeout)
    begins = np.flatnonzero(new)
    age = at - np.repeat(at[begins], np.diff(np.append(begins, len(at))))
    turn = np.floor(age / exporter.active_timeout)
    new[1:] |= turn[1:] != turn[:-1]
    begins = np.flatnonzero(new)
    if not len(begins):
        none = np.zeros(0, dtype=np.int64)
        return none, np.zeros(0), np.zeros(0), none, none, none
    ends = np.append(begins[1:], len(at)) - 1
    return (flow[begins], at[begins], at[ends], np.diff(np.append(begins, len(at))), np.add.reduceat(size, begins),
            np.bitwise_or.reduceat(flags, begins))


def _described(table: Floats, flows: Flows, flow: Ints, place: Ints) -> tuple[Floats, Ints, Ints]:
    """Time, bytes and flags of packets."""
    some = flows[flow]
    until = np.cumsum([some[name].astype(np.int64) for name in COUNTS], axis=0)
    syn = place < until[0]
    command = (place >= until[1]) & (place < until[2])
    full, last = (place >= until[2]) & (place < until[3]), (place >= until[3]) & (place < until[4])
    end = place >= until[4]
    train = table[some["train"], np.where(syn, place, np.maximum(some["syns"], 1) - 1)]
    rest = np.maximum(until[5] - some["syns"], 1)
    at = some["at"] + train + np.where(syn, 0.0, some["spread"] * (place - some["syns"] + 1) / rest)
    each = some["command_bytes"] // np.maximum(some["commands"], 1)
    odd = some["command_bytes"] - each * some["commands"]  # the first command has what does not divide
    payload = np.select([command, full, last], [each + np.where(place == until[1], odd, 0), some["full_bytes"],
                                                some["last_bytes"]], 0)
    size = np.where(syn, some["syn_bytes"], some["header"] + payload)
    opening, closing = some["syn_flags"].astype(np.int64), some["end_flags"].astype(np.int64)
    flags = np.select([syn, command | last, end], [opening, PSH | ACK, closing], ACK)
    return at, size.astype(np.int64), flags.astype(np.int64)

