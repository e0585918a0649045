"""What a change does to each line: one row per subscriber, made in one query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from op25b.impact.window import Window, counted, register
from op25b.senders import senders
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

IMPACTS = ("already_blocked", "newly_blocked", "released", "untouched")
COUNTS = ("sessions", "flows", "established", "unknown")
# How hard a remedy is for a customer, from 1 to 4:
#   1  one setting of the mail program: another port at the same provider, same account
#   2  another server and account in the mail program; mail may need another sender address
#   3  a mail server's configuration (relay, account, DNS records), or another contract
#   4  find which device is infected, and clean it
# `investigate` has none: what has to be done is not known yet.
DIFFICULTY = {"submission-587": 1, "own-relay": 2, "relay-or-fixed-ip": 3, "disinfect": 4}


def prepare(workspace: Workspace, connection: DuckDBPyConnection) -> None:
    """Make what is known of lines whatever the policies: tables `sender_class` and `relayed`.

    A line's class and provider come from all days of the lake, also where the window is shorter.
    """
    classes = senders(workspace, connection).select(
        "subscriber", "class", "classes", "confidence", "provider", "submission")
    register(connection, "sender_class", classes)
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE relayed AS
        SELECT subscriber, sum(messages)::BIGINT AS messages FROM relay_day WHERE own_line GROUP BY subscriber
    """)


def seen(connection: DuckDBPyConnection) -> pl.DataFrame:
    """How many lines were seen sending: one row per class × plan × area × dwelling × access_node × listed."""
    found: pl.DataFrame = connection.sql("""
        SELECT k.class, c.plan, c.area, c.dwelling, c.access_node, c.subscriber IS NOT NULL AS listed, count(*) AS seen
        FROM (SELECT DISTINCT subscriber FROM sent) AS s
        LEFT JOIN subscriber AS c ON c.subscriber = s.subscriber
        LEFT JOIN sender_class AS k ON k.subscriber = s.subscriber
        GROUP BY ALL
    """).pl()
    return found


def lines(connection: DuckDBPyConnection, window: Window, *, only_touched: bool = False) -> pl.DataFrame:
    """One row per line seen sending, from the table `decided`, in no order.

    With `only_touched` those of which anything is blocked, before the change or after it.
    """
    chosen = """
        WHERE subscriber IN (SELECT subscriber FROM decided WHERE impact IN ('newly_blocked', 'already_blocked'))
    """ if only_touched else ""
    sums = ", ".join(f"sum(CASE WHEN impact = '{impact}' THEN {count} ELSE 0 END)::BIGINT AS {impact}_{count}"
                     for impact in IMPACTS for count in COUNTS)
    newly = " FILTER (WHERE impact = 'newly_blocked')"
    days = max(window.length, 1)
    counts = ", ".join(f"l.{impact}_{count}" for impact in IMPACTS for count in COUNTS)
    difficulty = " ".join(f"WHEN '{remedy}' THEN {grade}" for remedy, grade in DIFFICULTY.items())
    found: pl.DataFrame = connection.sql(f"""
        WITH summed AS (
            SELECT subscriber, {sums}, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
                ({counted(window)})::BIGINT AS days_active, ({counted(window, newly)})::BIGINT AS newly_blocked_days
            FROM decided {chosen} GROUP BY subscriber
        ),
        lost AS (
            SELECT subscriber, list_sort(list(DISTINCT destination_group)) AS loses_groups
            FROM decided WHERE impact = 'newly_blocked' GROUP BY subscriber
        ),
        joined AS (
            SELECT l.*, c.plan, c.fixed_ip, c.access_node, c.area, c.dwelling, c.notice_channel, c.language,
                c.subscriber IS NOT NULL AS listed, k.class, k.classes, k.confidence,
                coalesce(g.loses_groups, []) AS loses_groups, k.submission, k.provider,
                CASE WHEN m.known THEN coalesce(r.messages, 0) END AS relay_messages,
                l.newly_blocked_sessions > 0 AS newly_blocked,
                l.already_blocked_sessions > 0 AS already_blocked,
                l.newly_blocked_established + l.newly_blocked_unknown > 0 AS loses_working_mail,
                coalesce(k.class IN ('bot', 'scanner'), false) AS is_infected
            FROM summed AS l
            LEFT JOIN subscriber AS c ON c.subscriber = l.subscriber
            LEFT JOIN sender_class AS k ON k.subscriber = l.subscriber
            LEFT JOIN lost AS g ON g.subscriber = l.subscriber
            LEFT JOIN relayed AS r ON r.subscriber = l.subscriber
            CROSS JOIN (SELECT count(*) > 0 AS known FROM relayed) AS m
        ),
        advised AS (
            SELECT *,
                -- Whether the mail works today is not known where no connection is proven and some might be.
                loses_working_mail AND newly_blocked_established = 0 AS works_unknown,
                -- Where no attempt ever got an answer nothing that works is lost; who is infected is told all the same.
                newly_blocked AND (loses_working_mail OR is_infected) AS needs_notice,
                CASE
                    WHEN NOT newly_blocked THEN NULL
                    WHEN is_infected THEN 'disinfect'
                    WHEN class = 'own-server' THEN 'relay-or-fixed-ip'
                    WHEN class = 'unclear' THEN 'investigate'
                    WHEN submission IS NOT NULL AND ' ' || submission || ' ' LIKE '% 587 %' THEN 'submission-587'
                    ELSE 'own-relay'
                END AS remedy
            FROM joined
        )
        SELECT l.subscriber, l.class, l.confidence, l.newly_blocked, l.already_blocked, l.loses_working_mail,
            l.needs_notice, l.remedy, l.plan, l.fixed_ip, l.access_node, l.area, l.dwelling, l.notice_channel,
            l.loses_groups, {counts}, l.first_seen, l.last_seen, l.days_active, l.listed, l.classes, l.works_unknown,
            (CASE l.remedy {difficulty} END)::BIGINT AS difficulty, l.provider, l.submission, l.language,
            l.newly_blocked_days, l.newly_blocked_sessions / {days} AS newly_blocked_sessions_per_day,
            l.newly_blocked_established / {days} AS newly_blocked_established_per_day,
            l.relay_messages, l.relay_messages / {days} AS relay_messages_per_day
        FROM advised AS l
    """).pl()  # noqa: S608  # our own names and numbers
    return found
