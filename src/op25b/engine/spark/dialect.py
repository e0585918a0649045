"""The pipelines' SQL, written for DuckDB, in Spark's dialect and with DuckDB's meaning.

sqlglot translates the words, the order of NULLs included. What is left is here: expressions that both engines accept
and understand differently.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot.expressions import Expression

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}


@functools.cache
def to_spark(sql: str) -> str:
    """One SELECT of DuckDB as Spark's SQL, comments left out."""
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, read="duckdb")
    sums = {id(cast) for cast in tree.find_all(exp.Cast) if cast.to.is_type("double") and _sums_decimals(cast.this)}
    candidates: list[Any] = [*tree.find_all(exp.DateDiff, exp.Cast)]
    for found in reversed(candidates):  # the innermost first
        if isinstance(found, exp.DateDiff):
            changed = _difference(found)
        elif found.to.is_type("decimal"):
            changed = _decimal(found.this.sql(dialect="spark"), _scale(found.to))
        elif id(found) in sums:
            changed = _double(found.this.sql(dialect="spark"))
        else:
            continue
        found.replace(sqlglot.parse_one(changed, read="spark"))
    return str(tree.sql(dialect="spark", comments=False))


def _difference(found: Any) -> str:
    """DuckDB counts the boundaries between two times, Spark whole units: 12:00:59 to 12:01:00 is one minute or none."""
    until, since = found.this.sql(dialect="spark"), found.expression.sql(dialect="spark")
    unit = found.args["unit"].name.lower()
    if unit == "day":
        return f"CAST(DATEDIFF(CAST({until} AS DATE), CAST({since} AS DATE)) AS BIGINT)"
    length = _SECONDS[unit]

    def number(time: str) -> str:
        seconds = f"UNIX_SECONDS(CAST({time} AS TIMESTAMP))"  # the session's zone is UTC
        return seconds if length == 1 else f"(({seconds} - PMOD({seconds}, {length})) DIV {length})"

    return f"({number(until)} - {number(since)})"


def _decimal(value: str, scale: int) -> str:
    """A double as a decimal: DuckDB takes it for the number it is, Spark for the shortest text that names it.

    Spark makes decimals of doubles below 2^53 without a fraction exactly, so the double is taken apart there.
    """
    double = f"ROUND(CAST({value} AS DOUBLE) * CAST({10**scale} AS DOUBLE))"
    upper = f"FLOOR({double} / CAST({2**53} AS DOUBLE))"
    whole = (f"(CAST({upper} AS DECIMAL(38, 0)) * {2**53}"
             f" + CAST({double} - CAST({upper} AS DOUBLE) * CAST({2**53} AS DOUBLE) AS DECIMAL(38, 0)))")
    return f"({whole} * CAST('{10**-scale:.{scale}f}' AS DECIMAL({scale}, {scale})))" if scale else whole


def _double(value: str) -> str:
    """A whole decimal as a double: DuckDB rounds its upper and its lower 64 bits, then their sum; Spark rounds once."""
    half = f"CAST('{2**64}' AS DECIMAL(20, 0))"
    upper = f"({value} DIV {half})"
    lower = f"CAST({value} - CAST({upper} AS DECIMAL(38, 0)) * {half} AS DOUBLE)"
    return f"(CAST({upper} AS DOUBLE) * CAST('{2**64}' AS DOUBLE) + {lower})"


def _sums_decimals(value: Expression) -> bool:
    from sqlglot import exp

    casts = value.find_all(exp.Cast) if isinstance(value, exp.Sum) else ()
    return any(cast.to.is_type("decimal") and not _scale(cast.to) for cast in casts)


def _scale(kind: Expression) -> int:
    return int(kind.expressions[1].name) if len(kind.expressions) > 1 else 0
