"""Which tables a derived table is made from: what a few patterns find is what a parser of SQL finds."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from op25b.engine.pipelines import pipelines, tables_read


def parsed(query: str) -> set[str]:
    tree = sqlglot.parse_one(query, read="duckdb")
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    return {table.name for table in tree.find_all(exp.Table)} - own


@pytest.mark.parametrize("name", [*pipelines()])
def test_a_pipeline_reads_what_a_parser_says(name: str) -> None:
    found = pipelines()[name].reads
    assert found == parsed(pipelines()[name].sql)
    assert found


@pytest.mark.parametrize("query", [
    "SELECT 1 AS one",
    "-- FROM comment\nSELECT a, 'FROM text' FROM flow AS f -- JOIN lease\nLEFT JOIN lease AS l ON l.a = f.a",
    "WITH own AS (SELECT a FROM flow), more AS (SELECT a FROM own) SELECT a FROM more CROSS JOIN network",
    "SELECT a FROM (SELECT a FROM flow UNION ALL SELECT a FROM lease) AS both WHERE a IN (SELECT a FROM network)",
    "SELECT a IS DISTINCT FROM b AS other, extract(year FROM day) AS y FROM flow",
    "SELECT a FROM flow\nJOIN\n    lease ON true WHERE EXISTS (SELECT 1 FROM network)",
])
def test_the_patterns_know_the_sql_of_pipelines(query: str) -> None:
    assert tables_read(query) == parsed(query)
