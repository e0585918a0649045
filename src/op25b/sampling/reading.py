"""The table `sampled_day` read: whether anything was sampled, and what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection


def is_sampled(connection: DuckDBPyConnection) -> bool:
    """Whether packets were missed, or may have been, in the days of a session."""
    return bool(connection.sql("""
        SELECT 1 FROM sampled_day WHERE sampling_interval IS NULL OR sampling_interval <> 1 LIMIT 1
    """).fetchall())


def sampled_rows(connection: DuckDBPyConnection) -> pl.DataFrame:
    """The rows of `sampled_day`, with `packets` of both directions; no packets where a record had none."""
    found: pl.DataFrame = connection.sql("""
        SELECT day, subscriber, exporter, sampling_interval, destination_group, port, sessions, established,
            coalesce(client_packets, 0) AS client_packets, coalesce(server_packets, 0) AS server_packets,
            coalesce(client_packets, 0) + coalesce(server_packets, 0) AS packets, bytes, squared_bytes
        FROM sampled_day
    """).pl()
    return found
