"""The addresses that subscribers hold whatever the hour: what a router can know a line by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from op25b.policy.ranges import Span, merge, without
from op25b.readers.base import ip_key, parse_ip

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The static leases at a moment, and of everybody who has one or is listed as fixed what the last session gave.
_STATIC = """
    SELECT subscriber, ip_first, ip_last FROM lease
    WHERE kind = 'static' AND port_last - port_first = 65535
        AND (start IS NULL OR start <= $moment) AND ("end" IS NULL OR "end" > $moment)
"""
_LAST = """
    SELECT subscriber, ip_first, ip_last, port_last - port_first = 65535 AS alone
    FROM (
        SELECT l.subscriber, l.ip_first, l.ip_last, l.port_first, l.port_last, l.start, l."end",
            max(l.start) OVER (PARTITION BY l.subscriber) AS last_start
        FROM lease AS l
        LEFT JOIN subscriber AS c ON c.subscriber = l.subscriber
        LEFT JOIN (SELECT DISTINCT subscriber FROM lease WHERE kind = 'static') AS s ON s.subscriber = l.subscriber
        WHERE l.kind <> 'static' AND l.start <= $moment AND (c.fixed_ip OR s.subscriber IS NOT NULL)
    ) AS held
    WHERE start = last_start
"""
# Addresses that another line held as well, at any time, are not fixed.
_SHARED = """
    SELECT DISTINCT f.subscriber FROM fixed AS f
    JOIN lease AS l ON l.subscriber <> f.subscriber AND l.ip_first <= f.ip_last AND f.ip_first <= l.ip_last
"""


@dataclass(frozen=True)
class FixedAddresses:
    """Fixed addresses by subscriber; `from_session` are those known by their last session only."""

    spans: dict[str, tuple[Span, ...]]
    from_session: frozenset[str]

    def of(self, subscribers: Iterable[str]) -> tuple[list[Span], list[str]]:
        """The addresses of some subscribers, as they were given, and who of them has none."""
        found, missing = [], []
        for subscriber in subscribers:
            address = parse_ip(subscriber)  # in a lake without leases an address stands for its line
            if address is not None:
                key = int(str(ip_key(str(address))), 16)
                found.append((key, key))
            elif subscriber in self.spans:
                found += self.spans[subscriber]
            else:
                missing.append(subscriber)
        return found, missing


def fixed_addresses(connection: DuckDBPyConnection, moment: datetime) -> FixedAddresses:
    """The fixed addresses of all lines at a moment (naive UTC).

    A line has the addresses of its static leases. One without any that the subscriber list calls fixed has those of its
    last session, unless another line held them too: fixed addresses are often given by RADIUS. Who shares an address,
    or got one beside the static ones (a prefix of IPv6, say), cannot be told by address and has none.
    """
    static, last = _rows(connection, _STATIC, moment), _rows(connection, _LAST, moment)
    spans: dict[str, tuple[Span, ...]] = {}
    for subscriber, first, end in static.iter_rows():
        spans[subscriber] = (*spans.get(subscriber, ()), (int(first, 16), int(end, 16)))
    by_session: dict[str, tuple[Span, ...]] = {}
    unknown = set()
    for subscriber, first, end, alone in last.iter_rows():
        span = int(first, 16), int(end, 16)
        if subscriber in spans:
            if without((span,), merge(spans[subscriber])):
                unknown.add(subscriber)
        elif alone:
            by_session[subscriber] = (*by_session.get(subscriber, ()), span)
        else:
            unknown.add(subscriber)
    connection.register("fixed", last.select("subscriber", "ip_first", "ip_last").to_arrow())
    shared = {subscriber for (subscriber,) in connection.execute(_SHARED).fetchall()} - set(spans)
    connection.unregister("fixed")
    found = {name: some for name, some in {**by_session, **spans}.items() if name not in unknown | shared}
    return FixedAddresses(found, frozenset(by_session) & frozenset(found))


def _rows(connection: DuckDBPyConnection, query: str, moment: datetime) -> pl.DataFrame:
    frame: pl.DataFrame = connection.sql(query, params={"moment": moment}).pl()
    return frame.sort("subscriber", "ip_first")
