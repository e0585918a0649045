"""What a query gives becomes a Parquet file of a derived table; DuckDB writes it on all cores while it computes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from op25b.engine import duckdb as engine
from op25b.lake import Lake, Part

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

# Compression beyond level 1 costs more time than it saves space; so do dictionaries of values that hardly come again,
# and filters over them.
_FORMAT = """(
    FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 1000, WRITE_BLOOM_FILTER false
)"""


def plain(connection: DuckDBPyConnection, query: str) -> tuple[str, pa.Schema]:
    """The query with 64-bit integers where DuckDB sums as 128-bit ones, which the lake does not have; its columns."""
    described = connection.execute(f"DESCRIBE {query}").fetchall()
    columns = ", ".join(f'CAST("{name}" AS BIGINT) AS "{name}"' if kind == "HUGEINT" else f'"{name}"'
                        for name, kind, *_ in described)
    made = f"SELECT {columns} FROM ({query}\n) AS made"  # noqa: S608  # our own names
    return made, connection.sql(f"{made} LIMIT 0").to_arrow_table().schema


def write(connection: DuckDBPyConnection, lake: Lake, table: str, query: str, day: date | None) -> Part | None:
    """Write the rows of a query, of a day where given, as a new file of a table, for `Lake.put`; None without any."""
    path = lake.part_path(table, day)
    columns = "* EXCLUDE (day)" if day is not None else "*"  # the directory's name says it
    rows_of = "" if day is None else f" WHERE day = DATE '{day}'"
    copy = f"COPY (SELECT {columns} FROM ({query}){rows_of}) TO {engine.quoted(str(path))}"  # noqa: S608  # our own names
    try:
        rows = int(connection.execute(f"{copy} {_FORMAT}").fetchall()[0][0])
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if not rows:
        path.unlink()
        return None
    return Part(path, rows, day)
