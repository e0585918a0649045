"""Frames on the terminal: a table for people, JSON (one array of row objects) or CSV for programs.

Text from logs is hostile: control characters are made visible in tables, and CSV cells that a spreadsheet would take
for a formula are prefixed with an apostrophe.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["table", "json", "csv"]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def console() -> Console:
    """The console for messages and progress: stderr, so that stdout holds the rows alone."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False)


def show(frame: pl.DataFrame, form: Format, columns: Sequence[str] | None = None, limit: int | None = None) -> None:
    """Print a frame to stdout; `columns` and `limit` shorten tables only, JSON and CSV are always whole."""
    match form:
        case "json":
            sys.stdout.write(to_json(frame.to_dicts()) + "\n")
        case "csv":
            sys.stdout.write(to_csv(frame))
        case "table":
            _table(frame.select(columns) if columns else frame, limit)


def to_json(rows: list[dict[str, Any]]) -> str:
    """One array of row objects; times are ISO 8601, naive ones UTC as in the tables."""
    return json.dumps(rows, ensure_ascii=False, indent=1, default=_plain, allow_nan=False)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def to_csv(frame: pl.DataFrame) -> str:
    """CSV with a header line; lists become `; `-separated text."""
    flat = frame.with_columns(
        [pl.col(n).list.eval(pl.element().cast(pl.String)).list.join("; ") for n, t in frame.schema.items()
         if isinstance(t, pl.List) and not isinstance(t.inner, pl.Struct)]
    ).select([n for n, t in frame.schema.items() if not isinstance(t, pl.List) or not isinstance(t.inner, pl.Struct)])
    text = [
        pl.when(pl.any_horizontal([pl.col(n).str.starts_with(sign) for sign in _FORMULA]))
        .then(pl.lit("'") + pl.col(n)).otherwise(n).alias(n)
        for n, t in flat.schema.items() if t == pl.String
    ]
    return flat.with_columns(text).write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.f")


def printable(value: Any) -> str:
    """One value as text for a table cell, without control characters."""
    match value:
        case None:
            shown = "–"
        case bool():
            shown = "yes" if value else "no"
        case int():
            shown = f"{value:,}"
        case float():
            shown = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
        case datetime():
            shown = f"{value:%Y-%m-%d %H:%M:%S}"
        case list() | tuple():
            shown = "; ".join(printable(item) for item in value)
        case _:
            shown = str(value)
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in shown)


def sideways(frame: pl.DataFrame) -> pl.DataFrame:
    """A few wide rows as a table of their columns: one row per column, one column per row."""
    rows = [[_cell(name, value) for name, value in row.items()] for row in frame.iter_rows(named=True)]
    return pl.DataFrame({"column": frame.columns, **{f"row {n}": row for n, row in enumerate(rows, start=1)}})


def _cell(name: str, value: Any) -> str:
    """A cell's text; a port is a name rather than a quantity, so it has no thousands separator."""
    return str(value) if name.endswith("port") and isinstance(value, int) else printable(value)


def _table(frame: pl.DataFrame, limit: int | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    numeric = {name for name, dtype in frame.schema.items() if dtype.is_numeric()}
    for name in frame.columns:
        table.add_column(Text(name), justify="right" if name in numeric else "left", overflow="fold")
    for row in frame.head(limit).iter_rows() if limit else frame.iter_rows():
        table.add_row(*[Text(_cell(name, value)) for name, value in zip(frame.columns, row, strict=True)])
    out = Console(highlight=False, markup=False)
    if not out.is_terminal:
        out = Console(highlight=False, markup=False, width=200)
    out.print(table)
    if limit and frame.height > limit:
        out.print(f"... {frame.height - limit:,} more rows (use --limit 0, --format json or --format csv)")
