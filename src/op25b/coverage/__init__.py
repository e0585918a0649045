"""How much of the traffic is tied to a line, by local day and access node, and what would change if clocks differed.

A flow belongs to whoever held (address, port) at its first packet. Lease logs and flows are stamped by different
clocks: `coverage` says it again with the leases moved back and forth by `shift` seconds. What was attributed and then
is not is seen at once; what is attributed to another line then is not seen at all, and is counted here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Literal

import polars as pl

from op25b.coverage.clocks import Clocks
from op25b.coverage.seen import CHANGES, COUNTS, seen
from op25b.engine import duckdb as engine
from op25b.errors import UnknownNameError
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Per = Literal["total", "day", "node", "day-node", "finding"]
PER: tuple[Per, ...] = ("total", "day", "node", "day-node", "finding")
SHIFT = 60
Progress = Callable[[str, int, int], None]
_TABLES = ("session", "peer_day", "address", "lease", "subscriber", "sender", "destination")
_BY = {"total": [], "day": ["day"], "node": ["access_node", "access_server"],
       "day-node": ["day", "access_node", "access_server"]}


def coverage(workspace: Workspace, per: Per = "day-node", shift: int = SHIFT, *, since: date | None = None,
             until: date | None = None, progress: Progress = lambda _day, _done, _all: None) -> pl.DataFrame:
    """One row per group and clock of the leases: as it is, `shift` seconds earlier and later (0: as it is only).

    Columns: those of the group, `lease_clock` (seconds by which the leases are moved), `sessions`, `flows`, of which
    `attributed`, `unattributed` (no lease), `ambiguous` (overlapping leases) and `by_address` (a lake without leases)
    are the parts, `share` (attributed of flows). Of flows attributed as it is, `became_unattributed`,
    `became_ambiguous` and `another_line` are not or otherwise; `became_attributed` are only then. All count flow
    records of the subscribers' networks on mail ports, each with the session it is part of, at its first packet.

    A group by node is that of the line as it is. Where no line or no node of it is known, `access_node` is NULL, and
    `access_server` names the server that granted every lease of the line, or of the address, where it is one only.

    Per `finding`: see `Clocks.findings`; days are not chosen there.
    """
    if per not in PER:
        raise UnknownNameError("per", per, PER)
    connection = _connection(workspace)
    try:
        if per == "finding":
            clocks = Clocks(workspace, connection, shift)
            clocks.move(seen(connection)["day"].unique().sort().to_list(), progress)
            return clocks.findings()
        found = seen(connection, since, until)
        if shift:
            clocks = Clocks(workspace, connection, shift)
            found = clocks.applied(found, progress)
        return _grouped(found, _BY[per])
    finally:
        connection.close()


def both(workspace: Workspace, per: Per, shift: int = SHIFT, *,
         progress: Progress = lambda _day, _done, _all: None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of `coverage` per a group, and per finding, of all days, for one reading of the sessions.

    With `shift` 0 there are no rows per finding.
    """
    connection = _connection(workspace)
    try:
        clocks, found = Clocks(workspace, connection, shift), seen(connection)
        if not shift:
            return _grouped(found, _BY[per]), clocks.findings().clear()
        found = clocks.applied(found, progress)
        return _grouped(found, _BY[per]), clocks.findings()
    finally:
        connection.close()


def _connection(workspace: Workspace) -> DuckDBPyConnection:
    """A connection with the tables that are read, on which joins are made in the order they are written in."""
    connection = engine.tables(workspace, _TABLES)
    engine.join_as_written(connection)
    return connection


def _grouped(found: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Sums per group and clock; without any flow a row of zeros stands for the total."""
    keys = [*by, "lease_clock"]
    sums = found.group_by(keys).agg(pl.col(*COUNTS, *CHANGES).sum())
    if not by and sums.is_empty():
        sums = pl.DataFrame({"lease_clock": 0, **dict.fromkeys((*COUNTS, *CHANGES), 0)})
    share = pl.when(pl.col("flows") > 0).then(pl.col("attributed") / pl.col("flows")).alias("share")
    return sums.select(*keys, *COUNTS, share, *CHANGES).sort(keys, nulls_last=True)
