"""Delimited text with a header line, row by row: what database exports and collectors write.

The delimiter is the one that splits the header into most fields. A field with a line break in it is not supported:
a quote that does not end on its line spoils that line, not the rest of the file.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

from op25b.errors import InputError, nearest
from op25b.readers.base import Head, Source
from op25b.readers.leases.common import FILTERED, BadRow, Outcome, Row, bad, kept, numbered_lines

_DELIMITERS = ",;\t|"
# How SQL clients write NULL; the zero date is what MySQL puts where a NOT NULL date has no value.
_NULLS = {"\\n", "null", "0000-00-00 00:00:00"}
_NULL_STARTS = "\\nN0"
Record = dict[str, str]


def delimiter(header: str) -> str:
    """The delimiter of a header line."""
    return max(_DELIMITERS, key=header.count)


def split(line: str, separator: str) -> list[str]:
    """The fields of one line; a `BadRow` where its quotes do not match."""
    try:
        return next(csv.reader((line,), delimiter=separator, strict=True))
    except StopIteration:
        return []
    except csv.Error:
        msg = "quotes that do not match"
        raise BadRow(msg) from None


def columns(line: str) -> list[str]:
    """The column names of a header line in lower case; empty where it is none."""
    try:
        return [name.strip().lower() for name in split(line.removeprefix("\ufeff"), delimiter(line))]
    except BadRow:
        return []


def header(head: Head) -> set[str]:
    """The column names in the first line of a file, for recognising it."""
    return set(columns(head.lines[0])) if head.lines and "\0" not in head.lines[0] else set()


def value(text: str) -> str | None:
    """The text of a field, or None for any spelling of NULL."""
    text = text.strip()
    return None if not text or (text[0] in _NULL_STARTS and text.lower() in _NULLS) else text


def outcomes(source: Source, required: tuple[tuple[str, ...], ...],
             row_of: Callable[[Record], list[Row]]) -> Iterator[Outcome]:
    """Read the file; `row_of` gets each row's fields that have a value, and returns no rows for what is to be filtered.

    Of each group of names in `required` one must be a column, else an `InputError` names the nearest that is.
    """
    for line, record in records(source, required):
        if isinstance(record, str):
            yield bad(line, record)
            continue
        try:
            rows = row_of(record)
            yield kept(rows) if rows else FILTERED
        except BadRow as problem:
            yield bad(line, str(problem))


def records(source: Source, required: tuple[tuple[str, ...], ...],
            split_row: Callable[[str, str], list[str]] = split) -> Iterator[tuple[int, Record | str]]:
    """Line number and fields by column (lower case, only those with a value) of each row, or why it is none."""
    names: list[str] = []
    separator = ","
    for line, text in numbered_lines(source):
        if not text.strip():
            continue
        if not names:
            separator, names = delimiter(text), columns(text)
            _check(source, names, required, line)
            continue
        try:
            fields = split_row(text, separator)
        except BadRow as problem:
            yield line, str(problem)
            continue
        if len(fields) != len(names):
            yield line, f"{len(fields)} fields where the header has {len(names)}"
        elif fields[0].strip().lower() == names[0] and [field.strip().lower() for field in fields] == names:
            continue  # files put end to end repeat the header
        else:
            found = ((name, value(field)) for name, field in zip(names, fields, strict=True))
            yield line, {name: field for name, field in found if field is not None}
    if not names:
        _check(source, names, required, 1)


def _check(source: Source, names: list[str], required: tuple[tuple[str, ...], ...], line: int) -> None:
    for group in required:
        if not set(group) & set(names):
            wanted = " or ".join(repr(name) for name in group)
            hint = next(filter(None, (nearest(name, names) for name in group)), "")
            raise InputError(source.path, f"no column {wanted}{hint} (found: {', '.join(names)[:300] or 'none'})",
                             "export the table with a header line that names its columns", line=line)
