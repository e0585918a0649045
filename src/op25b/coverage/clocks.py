"""The attribution with the clock of the leases moved: which flows, and which lines of `findings`, that would change.

A lease that begins or ends more than `shift` seconds away from a flow's first packet says the same of it, wherever the
clock stands. So only sessions near an edge of a lease of their address and port are looked at again, a day at a time:
for each clock, how many lines held (address, port) then. The others keep what `build` found. Where sessions
begin and end is taken from `build` too, though a holder that comes amid a session ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from op25b.coverage.seen import CHANGES, holding
from op25b.engine import duckdb as engine
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_KEYS = ["day", "access_node", "access_server"]
# Edges and sessions meet by address and a piece of time; an edge reaches into two pieces at most.
_LEAST_PIECE = 600

_BOUND = f"""
    CREATE OR REPLACE TEMP TABLE bound AS
    WITH recent AS MATERIALIZED (
        SELECT ip_first, ip_last, port_first, port_last, start, "end" FROM lease WHERE "end" IS NULL OR "end" > start
    ),
    held AS MATERIALIZED ({holding("line_key")})
    SELECT line_ip, port_first, port_last, start AS "at" FROM held
    UNION ALL
    SELECT line_ip, port_first, port_last, "end" AS "at" FROM held WHERE "end" IS NOT NULL
"""  # noqa: S608  # our own text
_NEAR = """
    INSERT INTO near
    WITH edge AS (
        SELECT b.*, unnest([
            epoch_us(b."at" - r.span) // r.piece,
            CASE WHEN epoch_us(b."at" + r.span) // r.piece > epoch_us(b."at" - r.span) // r.piece
                THEN epoch_us(b."at" + r.span) // r.piece END
        ]) AS piece
        FROM bound AS b
        CROSS JOIN reach AS r
        WHERE b."at" >= $since AND b."at" < $until
    ),
    asked AS (
        SELECT
            s.day, s.direction, s.subscriber, s.attribution, s.line_ip, s.server_ip, s.server_port, s.first_seen,
            s.records, CASE WHEN s.direction = 'out' THEN s.client_port ELSE s.server_port END AS line_port,
            s.first_seen - r.span AS since, s.first_seen + r.span AS until, epoch_us(s.first_seen) // r.piece AS piece
        FROM session AS s
        CROSS JOIN reach AS r
        WHERE s.day = $day::DATE AND s.attribution <> 'address'
    )
    SELECT day, direction, subscriber, attribution, line_ip, server_ip, server_port, first_seen, records, line_port
    FROM asked AS a
    WHERE EXISTS (
        SELECT 1 FROM edge AS e
        WHERE e.line_ip = a.line_ip AND e.piece = a.piece AND e."at" >= a.since AND e."at" <= a.until
            AND a.line_port BETWEEN e.port_first AND e.port_last
    )
"""
_NO_NEAR = """
    CREATE OR REPLACE TEMP TABLE near AS
    SELECT day, direction, subscriber, attribution, line_ip, server_ip, server_port, first_seen, records,
        client_port AS line_port
    FROM session
    WHERE false
"""
_HELD = f"""
    CREATE OR REPLACE TEMP TABLE held AS
    WITH near_key AS (
        SELECT k.line_ip, k.ip_key FROM line_key AS k WHERE k.line_ip IN (SELECT line_ip FROM near)
    ),
    recent AS MATERIALIZED (
        SELECT ip_first, ip_last, port_first, port_last, subscriber, start, "end"
        FROM lease
        WHERE "end" IS NULL OR "end" > start
    )
    SELECT line_ip, port_first, port_last, subscriber, start, "end" FROM ({holding("near_key")}) AS holding
"""  # noqa: S608  # our own text
_MOVED = """
    CREATE OR REPLACE TEMP TABLE moved AS
    WITH asked AS (
        SELECT row_number() OVER () AS id, n.* FROM near AS n WHERE n.day = $day::DATE
    ),
    holder AS (
        SELECT * FROM held WHERE start < $until AND ("end" IS NULL OR "end" > $since)
    ),
    tried AS (
        SELECT a.id, c.seconds, min(h.subscriber) AS holder, min(h.subscriber) < max(h.subscriber) AS several
        FROM asked AS a
        CROSS JOIN clock AS c
        LEFT JOIN holder AS h
            ON h.line_ip = a.line_ip AND a.line_port BETWEEN h.port_first AND h.port_last
            AND h.start <= a.first_seen - c.span AND (h."end" IS NULL OR a.first_seen - c.span < h."end")
        GROUP BY a.id, c.seconds
    ),
    said AS (
        SELECT
            a.*, t.seconds, CASE WHEN NOT t.several THEN t.holder END AS then_subscriber,
            CASE WHEN t.holder IS NULL THEN 'unattributed' WHEN t.several THEN 'ambiguous' ELSE 'attributed' END
                AS otherwise
        FROM asked AS a
        JOIN tried AS t ON t.id = a.id
    )
    SELECT * FROM said WHERE otherwise <> attribution OR then_subscriber <> subscriber
"""
_CHANGES = """
    SELECT
        m.day, n.access_node, coalesce(n.access_server, p.access_server) AS access_server,
        m.seconds AS lease_clock, m.attribution, m.otherwise, sum(m.records)::BIGINT AS flows
    FROM moved AS m
    LEFT JOIN node AS n ON n.subscriber = m.subscriber
    LEFT JOIN pool AS p ON p.line_ip = m.line_ip AND m.subscriber IS NULL
    GROUP BY m.day, n.access_node, coalesce(n.access_server, p.access_server), m.seconds, m.attribution, m.otherwise
"""
# What each line loses to and gains from others or nobody; `external` is what findings lists lines by.
_TOLD = """
    INSERT INTO told
    WITH marked AS (
        SELECT m.*, m.direction = 'out' AND m.server_port = 25 AND d.destination_group <> 'own-relay' AS is_external
        FROM moved AS m
        LEFT JOIN destination AS d ON d.day = m.day AND d.dst_ip = m.server_ip
    )
    SELECT subscriber, seconds, sum(external)::BIGINT AS external
    FROM (
        SELECT subscriber, seconds, CASE WHEN is_external THEN -1 ELSE 0 END AS external FROM marked
        UNION ALL
        SELECT then_subscriber AS subscriber, seconds, CASE WHEN is_external THEN 1 ELSE 0 END AS external FROM marked
    ) AS side
    WHERE subscriber IS NOT NULL
    GROUP BY subscriber, seconds
"""
_FINDINGS = """
    WITH line AS (
        SELECT subscriber, seconds, sum(external) AS external FROM told GROUP BY subscriber, seconds
    ),
    changed AS (
        SELECT
            t.seconds, s.subscriber IS NOT NULL AS is_listed,
            coalesce(s.sessions, 0) + t.external AS left_over
        FROM line AS t
        LEFT JOIN sender AS s ON s.subscriber = t.subscriber
    )
    SELECT
        c.seconds AS lease_clock,
        (SELECT count(*) FROM sender) AS listed,
        count(*) FILTER (k.is_listed AND k.left_over <= 0) AS disappear,
        count(*) FILTER (NOT k.is_listed AND k.left_over > 0) AS appear,
        count(*) FILTER (k.is_listed AND k.left_over > 0) AS other_evidence
    FROM clock AS c
    LEFT JOIN changed AS k ON k.seconds = c.seconds
    GROUP BY c.seconds
    ORDER BY c.seconds
"""


class Clocks:
    """The leases moved by `shift` seconds back and forth, over sessions of a connection with the lake's tables."""

    def __init__(self, workspace: Workspace, connection: DuckDBPyConnection, shift: int) -> None:
        self._workspace, self._connection = workspace, connection
        self._span = timedelta(seconds=shift)
        connection.execute("CREATE OR REPLACE TEMP TABLE told (subscriber VARCHAR, seconds BIGINT, external BIGINT)")
        clocks = pl.DataFrame({"seconds": [-shift, shift], "span": [-self._span, self._span]})
        piece = 1_000_000 * max(_LEAST_PIECE, 2 * shift)
        self._make("clock", "SELECT seconds, to_microseconds(us) AS span FROM frame",
                   clocks.select("seconds", us=pl.col("span").dt.total_microseconds()))
        self._make("reach", "SELECT to_microseconds(us) AS span, piece FROM frame",
                   pl.DataFrame({"us": [1_000_000 * shift], "piece": [piece]}))

    def _make(self, name: str, query: str, frame: pl.DataFrame) -> None:
        self._connection.register("frame", frame.to_arrow())
        self._connection.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {query}')
        self._connection.unregister("frame")

    def move(self, days: Sequence[date], progress: Callable[[str, int, int], None]) -> pl.DataFrame:
        """Look at the sessions of these days again; one row per day × node × clock × attribution as it is and then.

        The tables that `op25b.coverage.seen` makes must be there.
        """
        run = self._connection.execute
        run(_BOUND)
        run(_NO_NEAR)
        for number, day in enumerate(days):
            progress(str(day), number, 2 * len(days))
            run(_NEAR, {**self._window(day), "day": day})
        run("DROP TABLE bound")
        run(_HELD)
        found = []
        for number, day in enumerate(days):
            progress(str(day), len(days) + number, 2 * len(days))
            run(_MOVED, {**self._window(day), "day": day})
            run(_TOLD)
            found.append(self._connection.sql(_CHANGES).pl())
        progress("", len(days), len(days))
        return pl.concat(found) if found else pl.DataFrame()

    def _window(self, day: date) -> dict[str, datetime]:
        """The instants between which an edge of a lease can matter for a local day."""
        since, until = engine.window(self._workspace, day)
        return {"since": since - self._span, "until": until + self._span}

    def applied(self, found: pl.DataFrame, progress: Callable[[str, int, int], None]) -> pl.DataFrame:
        """The rows of `seen` three times: as they are, and with what changes while the leases are moved."""
        moves = self.move(found["day"].unique().sort().to_list(), progress)
        if moves.is_empty():
            moves = pl.DataFrame(schema={**{name: found.schema[name] for name in _KEYS}, "lease_clock": pl.Int64,
                                         "attribution": pl.String, "otherwise": pl.String, "flows": pl.Int64})
        before, then, flows = pl.col("attribution"), pl.col("otherwise"), pl.col("flows")
        was, known = before == "attributed", then == "attributed"
        changes = {
            "became_unattributed": was & (then == "unattributed"), "became_ambiguous": was & (then == "ambiguous"),
            "another_line": was & known, "became_attributed": ~was & known,
        }
        sums = moves.group_by(*_KEYS, "lease_clock").agg(
            *(flows.filter(of).sum().alias(name) for name, of in changes.items()),
            *((flows.filter(then == part).sum() - flows.filter(before == part).sum()).alias(f"more_{part}")
              for part in ("attributed", "unattributed", "ambiguous")))
        clocks = pl.DataFrame({"lease_clock": sorted(self._seconds())}, schema={"lease_clock": pl.Int64})
        moved = found.drop("lease_clock", *CHANGES).join(clocks, how="cross").join(
            sums, on=[*_KEYS, "lease_clock"], how="left", nulls_equal=True, maintain_order="left")
        moved = moved.with_columns(pl.col(*CHANGES, "^more_.*$").fill_null(0)).with_columns(
            pl.col(part) + pl.col(f"more_{part}") for part in ("attributed", "unattributed", "ambiguous"))
        return pl.concat([found, moved.select(found.columns)])

    def _seconds(self) -> list[int]:
        return [row[0] for row in self._connection.execute("SELECT seconds FROM clock").fetchall()]

    def findings(self) -> pl.DataFrame:
        """One row per clock: how many of the lines that `findings` lists that would change, after `move` of all days.

        lease_clock, listed (as it is), disappear (no connection to external port 25 would be theirs), appear (lines
        that are not listed now), other_evidence (listed, but some of their sessions would be another's or nobody's, or
        others' theirs), other_share (disappear and other_evidence, of those listed): no more than these can get
        another class.
        """
        found: pl.DataFrame = self._connection.sql(_FINDINGS).pl()
        touched = pl.col("disappear") + pl.col("other_evidence")
        return found.with_columns(pl.when(pl.col("listed") > 0).then(touched / pl.col("listed")).alias("other_share"))
