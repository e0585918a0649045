"""SQL over the lake: a query has the tables it names, all where that cannot be told, and a hint for a wrong name."""

from __future__ import annotations

import pytest

from op25b import OpenWorkspace
from op25b.engine import duckdb as engine
from op25b.errors import QueryError

ALL = "SELECT view_name FROM duckdb_views() WHERE NOT internal"


def views(opened: OpenWorkspace, query: str | None) -> set[str]:
    """The tables that a session for a query has."""
    with engine.session(opened.workspace, query) as connection:
        return {name for name, in connection.execute(ALL).fetchall()}


@pytest.mark.parametrize(("query", "made"), [
    ("SELECT 1", set()),
    ("SELECT 1; SELECT 2", set()),
    ("", set()),
    ("SELECT count(*) FROM flow", {"flow"}),
    ('SELECT * FROM Memory.main."FLOW" AS f, subscriber_record WHERE day IN (SELECT day FROM sender_day)',
     {"flow", "subscriber_record", "sender_day"}),
    ("WITH a AS (SELECT 1 AS n), b AS (SELECT * FROM a) SELECT * FROM b", set()),
    ("WITH flow AS (SELECT * FROM flow) SELECT * FROM flow", {"flow"}),
    ("SELECT * FROM network JOIN lease_record ON true", {"lease_record"}),
    ("FROM source_file UNION ALL FROM source_file", {"source_file"}),
])
def test_a_session_for_a_query_has_the_tables_it_names(sample: OpenWorkspace, query: str, made: set[str]) -> None:
    assert views(sample, query) == made


@pytest.mark.parametrize("query", [
    None, ALL, "SELECT * FROM flows", "SELECT * FROM query_table('flow')", "SHOW TABLES", "DESCRIBE flow",
    "SELECT * FROM information_schema.tables", "EXPLAIN SELECT * FROM flow", "PIVOT flow ON day USING count(*)",
    "SELECT * FROM 'flow.parquet'", "no SQL",
])
def test_a_session_has_all_tables_where_a_query_does_not_tell(sample: OpenWorkspace, query: str | None) -> None:
    found = views(sample, query)
    assert {"flow", "mail_event", "lease", "message", "sender_day", "sender"} <= found


def test_each_table_has_the_rows_it_has_beside_the_others(sample: OpenWorkspace) -> None:
    with engine.session(sample.workspace) as connection:
        for name in sorted(views(sample, None)):
            query = f'SELECT count(*) AS rows, count(DISTINCT t) AS others FROM "{name}" AS t'
            assert sample.sql(query).rows() == connection.execute(query).fetchall(), name


def test_a_wrong_name_gets_a_hint(sample: OpenWorkspace) -> None:
    with pytest.raises(QueryError, match='Did you mean "sender_day"'):
        sample.sql("SELECT * FROM sender_dy JOIN flow USING (day)")
    for step in ("five_tuple", "line_tuple", "tuple_again"):  # they mean something on one day only
        with pytest.raises(QueryError, match=f"Table with name {step} does not exist"):
            sample.sql(f"SELECT * FROM {step}")
    with pytest.raises(QueryError, match="Permission"):
        sample.sql("SELECT * FROM '/etc/hosts.csv'")
