"""The lease pipelines over literal rows in a plain DuckDB, without a lake: quick enough for hundreds of examples."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl

from op25b import schema
from op25b.engine.pipelines import pipelines
from tests.pipelines.rows import Row

_RAW = (schema.LEASE_RECORD, schema.SUBSCRIBER_RECORD, schema.SOURCE_FILE)


def derive(records: list[Row], subscribers: list[Row], query: str) -> list[tuple[Any, ...]]:
    """The rows of a query over `lease`, made from these raw rows."""
    with duckdb.connect() as connection:
        for table, rows in zip(_RAW, (records, subscribers, []), strict=True):
            names = list(table.schema)
            frame = pl.DataFrame([{name: row.get(name) for name in names} for row in rows], schema=table.schema)
            connection.register("frame", frame.to_arrow())
            connection.execute(f'CREATE TABLE "{table.name}" AS SELECT * FROM frame')
        for name in ("login", "stated_lease", "named_lease", "lease"):
            connection.execute(f'CREATE TABLE "{name}" AS {pipelines()[name].sql}')
        return connection.execute(query).fetchall()
