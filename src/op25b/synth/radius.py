"""FreeRADIUS accounting detail of all access nodes: Start, Interim-Update and Stop, some late, some lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from op25b.synth.draw import Floats, Ints, hashed
from op25b.synth.leases import Leases
from op25b.synth.nfdump_text import addresses, texts
from op25b.synth.world import DAY, FIRST_EXPORTER, Block, World

_CLOCK = 15
_START, _INTERIM, _STOP = range(3)
_SLICE = 20_000  # records whose text is made at once


def write_day(world: World, directory: Path, day: int, held: Sequence[tuple[Block, Leases]]) -> int:
    """Write the detail file of one local day and return its number of records."""
    directory.mkdir(parents=True, exist_ok=True)
    frame = pl.concat([_records(world, day, block, leases) for block, leases in held])
    frame = frame.sort("logged", maintain_order=True)
    with (directory / f"detail-{world.day(day):%Y%m%d}").open("w", encoding="ascii") as file:
        for part in frame.iter_slices(_SLICE):
            file.writelines(_texts(part))
    return frame.height


def _records(world: World, day: int, block: Block, leases: Leases) -> pl.DataFrame:
    """The records that one block's sessions give on a day."""
    access = world.parameters.access
    begin, end = day * DAY, (day + 1) * DAY
    started = np.flatnonzero((leases.start >= begin) & (leases.start < end))
    told = hashed(leases.session, 1).astype(np.float64) / 2**64 >= access.lost_stop_share
    stopped = np.flatnonzero((leases.end >= begin) & (leases.end < end) & told)
    updated, at = _updates(leases, access.interim_hours * 3600, begin, end)
    place = np.concatenate([started, updated, stopped])
    event = np.repeat([_START, _INTERIM, _STOP], [len(started), len(updated), len(stopped)])
    at = np.concatenate([leases.start[started], at, leases.end[stopped]])
    age = np.where(event == _START, -1, np.maximum(at - leases.start[place], 0)).astype(np.int64)
    draw = hashed(leases.session[place], 2, event).astype(np.float64) / 2**64
    late = np.where(draw < access.late_stop_share, -np.log(np.maximum(draw / max(access.late_stop_share, 1e-12), 1e-9))
                    * access.late_stop_seconds, 0.0).astype(np.int64)
    skew = float(world.rng(_CLOCK, block.edge).normal(0, access.clock_skew_seconds))
    return pl.DataFrame({
        "logged": np.floor(world.start_epoch + at + skew).astype(np.int64) + late, "late": late, "age": age,
        "event": event, "session": leases.session[place], "user": block.first + leases.line[place] + 1,
        "address": leases.address[place], "edge": np.full(len(place), block.edge),
    })


def _updates(leases: Leases, every: float, begin: float, end: float) -> tuple[Ints, Floats]:
    """Sessions and moments of Interim-Updates in [begin, end); at the first moment of all, everybody's.

    The log that the ISP hands out begins with the window; without that snapshot sessions that were up before would
    not be in it until they end.
    """
    up = np.flatnonzero((leases.start < end) & (leases.end > begin))
    first = np.maximum(np.ceil((begin - leases.start[up]) / every), 1)
    beyond = np.ceil((np.minimum(end, leases.end[up]) - leases.start[up]) / every)
    count = np.maximum(beyond - first, 0).astype(np.int64)
    place = np.repeat(up, count)
    step = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
    at = leases.start[place] + (np.repeat(first, count) + step) * every
    if begin > 0:
        return place, at
    snapshot = np.flatnonzero(leases.start < 0)
    return np.concatenate([snapshot, place]), np.concatenate([np.zeros(len(snapshot)), at])


def _texts(frame: pl.DataFrame) -> pl.Series:
    """Each record as lines of text, with the blank line after it."""
    logged = frame["logged"].to_numpy()
    status = pl.Series(["Start", "Interim-Update", "Stop"]).gather(frame["event"])
    heading = texts(logged, "%a %b %e %H:%M:%S %Y")
    session = pl.Series([f"{number:08X}" for number in frame["session"]], dtype=pl.String)
    nas = addresses((FIRST_EXPORTER + frame["edge"].to_numpy()).astype(np.uint32))
    age = pl.when(pl.col("age") >= 0).then(pl.format("\tAcct-Session-Time = {}\n", "age")).otherwise(pl.lit(""))
    return frame.select(pl.format(
        "{}\n\tAcct-Session-Id = \"{}\"\n\tAcct-Status-Type = {}\n\tAcct-Authentic = RADIUS\n"
        "\tUser-Name = \"u{}@isp.example\"\n\tNAS-IP-Address = {}\n\tNAS-Identifier = \"edge-{}\"\n"
        "\tNAS-Port-Type = Virtual\n\tService-Type = Framed-User\n\tFramed-Protocol = PPP\n\tFramed-IP-Address = {}\n"
        "{}\tAcct-Delay-Time = {}\n\tTimestamp = {}\n\n",
        pl.lit(heading), pl.lit(session), pl.lit(status), "user", pl.lit(nas), pl.col("edge") + 1,
        pl.lit(addresses(frame["address"].to_numpy().astype(np.uint32))), age, "late", "logged",
    ).alias("text"))["text"]
