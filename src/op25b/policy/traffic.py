"""Policies applied to the traffic in the lake: each at the coarsest table that has what its rules ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from op25b.policy.resolve import Resolved
from op25b.policy.sql import MEMBERS, Columns, Query, apply, needs
from op25b.readers.base import canonical_ips

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SENDING_PORTS = (25, 465, 587)
_PORTS = ", ".join(map(str, SENDING_PORTS))

_BY_DAY = """
    SELECT {day} AS day, d.subscriber, d.destination_group, d.port, 6 AS protocol, c.plan, c.access_node,
        sum(d.sessions) AS sessions, sum(d.flows) AS flows,
        sum(d.established) AS established, sum(d.unknown) AS unknown,
        min(d.first_seen) AS first_seen, max(d.last_seen) AS last_seen
    FROM sender_day AS d LEFT JOIN subscriber AS c ON c.subscriber = d.subscriber
    WHERE d.subscriber IS NOT NULL AND d.port IN ({ports})
    GROUP BY {day}, d.subscriber, d.destination_group, d.port, c.plan, c.access_node
"""

_BY_CONNECTION = f"""
    SELECT s.day, s.subscriber, d.destination_group, s.server_port AS port, s.protocol, c.plan, c.access_node,
        s.client_port, k.ip_key AS line_key, s.server_key,
        1 AS sessions, s.records AS flows,
        CASE WHEN s.outcome = 'established' THEN 1 ELSE 0 END AS established,
        CASE WHEN s.outcome = 'unknown' THEN 1 ELSE 0 END AS unknown,
        s.first_seen, s.last_seen
    FROM session AS s
    JOIN destination AS d ON d.day = s.day AND d.dst_key = s.server_key
    LEFT JOIN line_key AS k ON k.line_ip = s.line_ip
    LEFT JOIN subscriber AS c ON c.subscriber = s.subscriber
    WHERE s.direction = 'out' AND s.subscriber IS NOT NULL AND s.server_port IN ({_PORTS})
"""  # noqa: S608  # the ports are ours


def decide_traffic(connection: DuckDBPyConnection, policies: Mapping[str, Resolved], *,
                   moment: datetime | None = None, own_moment: bool = False, per_day: bool = False,
                   per_connection: bool = False) -> Query:
    """A query over the lines' mail connections: the decisions of `before` and `after`, and the impact of the change.

    A row is a subscriber × destination group × port where that is enough for every rule (× day with `per_day`), else
    one connection: rules about addresses and the line's own ports need it, and so does `own_moment`, which decides each
    by the rules in force when it began. All give the same counts. The tables the query reads beside the lake's are made
    on `connection`.
    """
    asked = frozenset[str]().union(*(needs(policy, moment) for policy in policies.values()))
    if per_connection or own_moment or asked - {"subscriber"}:
        _line_keys(connection)
        columns = Columns(subscriber="subscriber", source_port="client_port", line_key="line_key",
                          peer_key="server_key", moment="first_seen" if own_moment else None)
        query = apply(_BY_CONNECTION, policies, columns, moment)
    else:
        rows = _BY_DAY.format(day="d.day" if per_day else "CAST(NULL AS DATE)", ports=_PORTS)
        query = apply(rows, policies, Columns(subscriber="subscriber"), moment)
    _register(connection, MEMBERS, query.members)
    decided = f"""
        SELECT *, CASE
            WHEN before = 'block' AND after = 'block' THEN 'already_blocked'
            WHEN after = 'block' THEN 'newly_blocked'
            WHEN before = 'block' THEN 'released'
            ELSE 'untouched' END AS impact
        FROM ({query.sql}) AS each
    """  # noqa: S608  # placeholders only
    return Query(decided, query.values, query.members)


def _line_keys(connection: DuckDBPyConnection) -> None:
    """Make the table `line_key`: line_ip, ip_key; `session` has the line's address as text only."""
    lines = connection.sql("SELECT DISTINCT line_ip FROM session WHERE line_ip IS NOT NULL").pl()
    keyed = canonical_ips(lines.with_columns(address=pl.col("line_ip")), {"address": "ip_key"})
    _register(connection, "line_key", keyed.select("line_ip", "ip_key"))


def _register(connection: DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    connection.register("frame", frame.to_arrow())
    connection.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS SELECT * FROM frame')  # noqa: S608  # our own names
    connection.unregister("frame")
