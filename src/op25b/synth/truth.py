"""What is true of every subscriber: one row per subscriber, class, kind and destination group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from op25b.synth.packets import Flows, packets
from op25b.synth.sessions import KINDS, MAIL, Sessions
from op25b.synth.world import CARRIER, GROUPS, KNOWN, NOWHERE, OTHER, Block, World

_KEY = ["number", "kind", "group"]
_CLASSES = np.array([kind.of for kind in KINDS])


class Truth:
    """Adds up days and blocks of connections."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._parts: list[pl.DataFrame] = []

    def add(self, part: pl.DataFrame) -> None:
        """Take in what `of_day` made."""
        self._parts.append(part)
        if len(self._parts) >= 256:
            self._parts = [_summed(self._parts)]

    def write(self, path: Path) -> pl.DataFrame:
        """Write `truth.csv` and return its rows."""
        frame = _summed(self._parts)
        start = self._world.start_epoch

        def moment(name: str) -> pl.Expr:
            return pl.from_epoch((start + pl.col(name)).floor().cast(pl.Int64), time_unit="s").dt.to_string(
                "%Y-%m-%d %H:%M:%S").alias(name)

        classes, kinds = [kind.of for kind in KINDS], [kind.name for kind in KINDS]
        numbers = list(range(len(KINDS)))
        rows = frame.sort(_KEY).select(
            pl.format("ME{}", (pl.col("number") + 1).cast(pl.String).str.zfill(7)).alias("subscriber"),
            pl.col("kind").replace_strict(numbers, classes).alias("class"),
            pl.col("kind").replace_strict(numbers, kinds).alias("kind"),
            pl.col("group").replace_strict(list(range(len(GROUPS))), list(GROUPS)).alias("destination_group"),
            moment("first_at"), moment("last_at"), "sessions", "packets", "days_active", "messages",
        )
        rows.write_csv(path)
        return rows


def of_day(block: Block, sessions: Sessions, flows: Flows) -> pl.DataFrame:
    """One day's part of the truth of a block; `flows` are both directions of `sessions`.

    sessions and packets are those toward port 25 of servers outside the ISP, sent by the client; messages are all that
    were handed to a server, the ISP's own included.
    """
    sent: npt.NDArray[np.int64] = np.zeros(len(sessions), dtype=np.int64)
    client = flows["dport"] == sessions["port"][flows["session"]]
    sent[flows["session"][client]] = packets(flows[client])
    counts = (_CLASSES[sessions["kind"]] != "") & (sessions["group"] != NOWHERE) & ~sessions["inbound"]
    some = sessions[counts]
    outside = np.isin(some["group"], (KNOWN, OTHER, CARRIER)) & (some["port"] == 25)
    return pl.DataFrame({
        "number": block.first + some["line"], "kind": some["kind"].astype(np.int64),
        "group": some["group"].astype(np.int64), "at": some["at"],
        "sessions": outside.astype(np.int64), "packets": np.where(outside, sent[counts], 0),
        "messages": (some["outcome"] == MAIL).astype(np.int64),
    }).group_by(_KEY).agg(
        pl.col("at").min().alias("first_at"), pl.col("at").max().alias("last_at"), pl.col("sessions").sum(),
        pl.col("packets").sum(), pl.lit(1, pl.Int64).alias("days_active"), pl.col("messages").sum(),
    )


def _summed(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts).group_by(_KEY).agg(
        pl.col("first_at").min(), pl.col("last_at").max(),
        *[pl.col(name).sum() for name in ("sessions", "packets", "days_active", "messages")],
    )
