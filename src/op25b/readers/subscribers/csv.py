"""The subscriber list as CSV with a header line; `[inputs.subscribers.columns]` maps our names to the file's."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from op25b.errors import InputError, nearest
from op25b.readers.base import Batch, Format, Head, Reject, Source, rejects
from op25b.readers.text import opened, readable

if TYPE_CHECKING:
    from _csv import Reader

_TRUE = {"true", "t", "yes", "y", "1", "はい", "有", "あり", "○"}
_FALSE = {"false", "f", "no", "n", "0", "いいえ", "無", "なし", "×"}


def recognise(head: Head) -> str | None:
    """Any text whose first line has commas; the column names are checked when it is read."""
    first = head.lines[0] if head.lines else ""
    return "CSV with a header line" if "," in first and "\0" not in first else None


def read(source: Source) -> Iterator[Batch]:
    """Yield one row a line of the file; rows without a subscriber or with a doubtful fixed_ip are rejected."""
    with opened(source.path) as stream, readable(source.path):
        text = _text(stream.read())
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise InputError(source.path, f"no CSV: {error}", "check that the file is CSV with commas", line=1) from None
    position = _positions(source, header)
    rows: list[dict[str, object]] = []
    bad: list[Reject] = []
    seen: dict[str, int] = {}
    for line, fields in _records(reader):
        try:
            row = _row(fields, header, position)
            if (before := seen.setdefault(str(row["subscriber"]), line)) != line:
                msg = f"the same subscriber as in line {before}"
                raise _BadRow(msg)
            rows.append(row)
        except _BadRow as problem:
            bad.append((line, None, str(problem), None))
    schema = {name: dtype for name, dtype in FORMAT.table.schema.items() if name != "source"}
    yield Batch(pl.DataFrame(rows, schema=schema), len(rows) + len(bad), len(rows), rejects(bad))


class _BadRow(Exception):  # noqa: N818 -- a finding about the input, not an error of the program
    """Why a row cannot be used."""


def _text(data: bytes) -> str:
    """UTF-8, UTF-16 with its mark (Excel), else Shift_JIS as Windows writes it; what is none of them becomes U+FFFD."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8-sig", "replace")


def _positions(source: Source, header: list[str]) -> dict[str, int]:
    """Our column name → place in the file; every column that is mapped, and `subscriber`, must be there."""
    names = [name for name in FORMAT.table.schema if name != "source"]
    unknown = sorted(set(source.columns) - set(names))
    if unknown:
        problem = f"column mapping names no column of ours: {unknown[0]!r}{nearest(unknown[0], names)}"
        raise InputError(source.path, problem, f"known: {', '.join(names)}")
    position = {}
    for name in names:
        wanted = source.columns.get(name, name)
        if header.count(wanted) > 1:
            raise InputError(source.path, f"two columns are named {wanted!r}", "give one of them another name", line=1)
        if wanted in header:
            position[name] = header.index(wanted)
        elif name in source.columns or name == "subscriber":
            raise InputError(source.path, f"no column {wanted!r}{nearest(wanted, header)} (found: {', '.join(header)})",
                             f"map it in op25b.toml: [inputs.subscribers.columns] {name} = \"...\"", line=1)
    return position


def _records(reader: Reader) -> Iterator[tuple[int, list[str] | None]]:
    """Number of its last line and fields of each record that is not blank; None where the line is no CSV."""
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num, None
            continue
        if any(field.strip() for field in fields):
            yield reader.line_num, fields


def _row(fields: list[str] | None, header: list[str], position: dict[str, int]) -> dict[str, object]:
    if fields is None or len(fields) != len(header):
        raise _BadRow("no CSV" if fields is None else f"{len(fields)} fields where the header has {len(header)}")
    row: dict[str, object] = {name: fields[at].strip() or None for name, at in position.items()}
    if row["subscriber"] is None:
        msg = "no subscriber"
        raise _BadRow(msg)
    fixed = str(row.get("fixed_ip") or "").lower()
    if fixed and fixed not in _TRUE | _FALSE:
        msg = "fixed_ip is neither true nor false"
        raise _BadRow(msg)
    return row | {"fixed_ip": fixed in _TRUE if fixed else None}


FORMAT = Format("csv", "subscribers", recognise, read, growth="again")
