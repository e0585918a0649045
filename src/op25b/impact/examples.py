"""One observed connection for every difference between two policies, so that a claim can be checked by hand."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from op25b.impact.simulation import looked_up
from op25b.impact.window import find_window, opened
from op25b.policy import Connection, Resolved, decide_session
from op25b.policy.traffic import decide_traffic
from op25b.senders import require
from op25b.workspace import Workspace

_COLUMNS = ["impact", "destination_group", "port", "connections", "subscribers", "subscriber", "plan", "access_node",
            "first_seen", "last_seen", "line_ip", "line_port", "server_ip", "server_name", "outcome", "records",
            "before", "before_rule", "after", "after_rule"]


def examples(workspace: Workspace, before: str = "current", after: str = "proposed", moment: datetime | None = None, *,
             since: date | None = None, until: date | None = None, subscriber: str | None = None) -> pl.DataFrame:
    """One row per impact of the change × destination group × port: a connection that was really seen.

    It is one that worked, where any did, and of those the earliest; `connections` and `subscribers` say of how many it
    is an example. Columns: the line (its address and port then, plan, node), the server, when (UTC), flow `records`,
    what each policy decides and by which rule (NULL: none matched, so it is allowed). With a subscriber, of that line
    only.
    """
    old, new = looked_up(workspace, before), looked_up(workspace, after)
    require(workspace)
    with opened(workspace, find_window(workspace, since, until)) as connection:
        if subscriber is not None:
            connection.execute("CREATE TEMP TABLE held AS SELECT * FROM session WHERE subscriber = ?", [subscriber])
            connection.execute('CREATE OR REPLACE VIEW "session" AS SELECT * FROM held')
        made = decide_traffic(connection, {"before": old, "after": new}, moment=moment, per_connection=True)
        found: pl.DataFrame = connection.sql(f"""
            WITH best AS (
                SELECT impact, destination_group, port, count(*) AS connections,
                    count(DISTINCT subscriber) AS subscribers,
                    min_by(
                        struct_pack(day, subscriber, plan, access_node, first_seen, last_seen, line_key, client_port,
                            server_key, protocol, established, unknown, flows, before, after),
                        struct_pack(failed := 1 - established, first_seen, subscriber, client_port)
                    ) AS one
                FROM ({made.sql}) AS d
                GROUP BY impact, destination_group, port
            )
            SELECT b.impact, b.destination_group, b.port, b.connections, b.subscribers, b.one.subscriber AS subscriber,
                b.one.plan AS plan, b.one.access_node AS access_node, b.one.first_seen AS first_seen,
                b.one.last_seen AS last_seen, k.line_ip, b.one.client_port AS line_port, d.dst_ip AS server_ip,
                d.name AS server_name,
                CASE WHEN b.one.established = 1 THEN 'established' WHEN b.one.unknown = 1 THEN 'unknown'
                    ELSE 'failed' END AS outcome,
                b.one.flows AS records, b.one.protocol AS protocol, b.one.before AS before, b.one.after AS after
            FROM best AS b
            LEFT JOIN line_key AS k ON k.ip_key = b.one.line_key
            LEFT JOIN destination AS d ON d.day = b.one.day AND d.dst_key = b.one.server_key
            ORDER BY b.impact, b.destination_group, b.port
        """, params=made.values).pl()  # noqa: S608  # placeholders only
    rules = [(_rule(row, old, moment), _rule(row, new, moment)) for row in found.iter_rows(named=True)]
    return found.with_columns(pl.Series("before_rule", [rule for rule, _ in rules], dtype=pl.String),
                              pl.Series("after_rule", [rule for _, rule in rules], dtype=pl.String)).select(_COLUMNS)


def _rule(row: dict[str, object], policy: Resolved, moment: datetime | None) -> str | None:
    """The rule that decides a row's connection, by `decide_session` and not by the query that found the row."""
    asked = Connection(
        str(row["destination_group"]), int(str(row["port"])), int(str(row["protocol"])),
        _text(row["plan"]), _text(row["access_node"]), source_port=int(str(row["line_port"])),
        subscriber=_text(row["subscriber"]), line=_text(row["line_ip"]), peer=_text(row["server_ip"]))
    return decide_session(policy, asked, moment).rule


def _text(value: object) -> str | None:
    return None if value is None else str(value)
