"""Flow records of the lines by local day, access node and attribution, as `build` attributed them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PARTS = ("attributed", "unattributed", "ambiguous", "by_address")
COUNTS = ("sessions", "flows", *PARTS)
CHANGES = ("became_unattributed", "became_ambiguous", "another_line", "became_attributed")

# An address meets its own leases, those of the prefix it lies in within one /56 (14 digits), and wider ones, as in
# pipelines/lease_segment.sql; `recent` are the leases in question.
_HOLDING = """
    SELECT a.line_ip, l.* FROM {lines} AS a JOIN recent AS l ON l.ip_first = a.ip_key AND l.ip_last = l.ip_first
    UNION ALL
    SELECT a.line_ip, l.* FROM {lines} AS a JOIN recent AS l ON left(l.ip_first, 14) = left(a.ip_key, 14)
    WHERE l.ip_first < l.ip_last AND left(l.ip_first, 14) = left(l.ip_last, 14)
        AND a.ip_key BETWEEN l.ip_first AND l.ip_last
    UNION ALL
    SELECT a.line_ip, l.* FROM {lines} AS a JOIN recent AS l ON a.ip_key BETWEEN l.ip_first AND l.ip_last
    WHERE left(l.ip_first, 14) < left(l.ip_last, 14)
"""


def holding(lines: str) -> str:
    """A query for each address of a table (line_ip, ip_key) with each of the leases in `recent` that it is part of."""
    return _HOLDING.format(lines=lines)


# Where flows are nobody's, or several lines', there is no line whose node could be looked up.
_HOMELESS = """
    CREATE OR REPLACE TEMP TABLE homeless AS
    SELECT day, line_ip, attribution, count(*) AS sessions, sum(records) AS flows
    FROM session
    WHERE attribution IN ('unattributed', 'ambiguous')
        AND ($since::DATE IS NULL OR day >= $since::DATE) AND ($until::DATE IS NULL OR day <= $until::DATE)
    GROUP BY day, line_ip, attribution
"""
_LINE_KEY = """
    CREATE OR REPLACE TEMP TABLE line_key AS
    SELECT ip AS line_ip, any_value(ip_key) AS ip_key FROM address WHERE is_line GROUP BY ip
"""
_POOL = f"""
    CREATE OR REPLACE TEMP TABLE pool AS
    WITH homeless_key AS (
        SELECT line_ip, ip_key FROM line_key WHERE line_ip IN (SELECT line_ip FROM homeless)
    ),
    recent AS MATERIALIZED (SELECT ip_first, ip_last, access_server FROM lease)
    SELECT line_ip, min(access_server) AS access_server
    FROM ({holding("homeless_key")}) AS held
    GROUP BY line_ip
    HAVING min(access_server) = max(access_server)
"""  # noqa: S608  # our own text
_NODE = """
    CREATE OR REPLACE TEMP TABLE node AS
    WITH granted AS (
        SELECT subscriber, min(access_server) AS access_server
        FROM lease
        WHERE subscriber NOT IN (SELECT subscriber FROM subscriber WHERE access_node IS NOT NULL)
        GROUP BY subscriber
        HAVING min(access_server) = max(access_server)
    )
    SELECT subscriber, access_node, CAST(NULL AS VARCHAR) AS access_server
    FROM subscriber
    WHERE access_node IS NOT NULL
    UNION ALL
    SELECT subscriber, NULL AS access_node, access_server FROM granted
"""
_SEEN = """
    SELECT
        day, access_node, access_server, sum(sessions)::BIGINT AS sessions, sum(flows)::BIGINT AS flows,
        coalesce(sum(flows) FILTER (attribution = 'attributed'), 0)::BIGINT AS attributed,
        coalesce(sum(flows) FILTER (attribution = 'unattributed'), 0)::BIGINT AS unattributed,
        coalesce(sum(flows) FILTER (attribution = 'ambiguous'), 0)::BIGINT AS ambiguous,
        coalesce(sum(flows) FILTER (attribution = 'address'), 0)::BIGINT AS by_address
    FROM (
        SELECT p.day, n.access_node, n.access_server, p.attribution, p.sessions, p.flows
        FROM peer_day AS p
        LEFT JOIN node AS n ON n.subscriber = p.subscriber
        WHERE p.attribution IN ('attributed', 'address')
            AND ($since::DATE IS NULL OR p.day >= $since::DATE) AND ($until::DATE IS NULL OR p.day <= $until::DATE)
        UNION ALL
        SELECT h.day, NULL AS access_node, p.access_server, h.attribution, h.sessions, h.flows
        FROM homeless AS h
        LEFT JOIN pool AS p ON p.line_ip = h.line_ip
    ) AS placed
    GROUP BY day, access_node, access_server
"""


def seen(connection: DuckDBPyConnection, since: date | None = None, until: date | None = None) -> pl.DataFrame:
    """One row per day × access_node × access_server: the counts of `COUNTS`, `lease_clock` 0, no changes.

    Makes tables on the connection: `line_key` (line_ip, ip_key of every address of a line), `node` (subscriber →
    access_node, or the only server that granted it leases), and `pool` (line_ip → the only access server that granted
    leases of it, of addresses with flows of no single line).
    """
    days = {"since": since, "until": until}
    connection.execute(_LINE_KEY)
    connection.execute(_HOMELESS, days)
    connection.execute(_POOL)
    connection.execute(_NODE)
    found: pl.DataFrame = connection.sql(_SEEN, params=days).pl()
    return found.with_columns(pl.lit(0, pl.Int64).alias("lease_clock"),
                              *(pl.lit(0, pl.Int64).alias(name) for name in CHANGES))
