"""Frames as Markdown tables, which a terminal shows as well as a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Callable[[Mapping[str, Any]], str]]) -> str:
    """A table of `rows`; each column has a heading and what stands in it, made from a row."""
    cells = [[*columns], *([make(row) for make in columns.values()] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in cells]
    return "\n".join([lines[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *lines[1:]])


def of(name: str) -> Callable[[Mapping[str, Any]], str]:
    """A column as it is; a count with commas, nothing where there is none."""
    def make(row: Mapping[str, Any]) -> str:
        value = row[name]
        return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return make


def share(name: str, places: int = 3) -> Callable[[Mapping[str, Any]], str]:
    """A share with its interval, such as `0.972 (0.961–0.980)`; a dash where there are no cases."""
    def make(row: Mapping[str, Any]) -> str:
        value, low, high = (row[each] for each in (name, f"{name}_low", f"{name}_high"))
        return "–" if value is None else f"{value:.{places}f} ({low:.{places}f}–{high:.{places}f})"
    return make


def number(name: str, places: int = 3) -> Callable[[Mapping[str, Any]], str]:
    """A number with so many places; a dash where there is none."""
    def make(row: Mapping[str, Any]) -> str:
        return "–" if row[name] is None else f"{row[name]:.{places}f}"
    return make


def matrix(frame: pl.DataFrame, row: str, column: str, value: str, order: Iterable[str]) -> str:
    """A long frame as a matrix: a row per `row` in their order, a column per `column` in the order given."""
    cells = {(line[row], line[column]): line[value] for line in frame.iter_rows(named=True)}
    names = [name for name in order if any(key[1] == name for key in cells)]
    keys = list(dict.fromkeys(frame[row].to_list()))
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {f"{row} \\ {column}": of("key")}
    columns |= {name: of(name) for name in names}
    return table([{"key": key} | {name: cells.get((key, name)) for name in names} for key in keys], columns)
