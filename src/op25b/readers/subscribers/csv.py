"""The subscriber list as CSV with a header line; `[inputs.subscribers.columns]` maps our names to the file's."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import polars as pl

from op25b.errors import InputError, nearest
from op25b.readers.base import Batch, Format, Head, Source, rejects
from op25b.readers.text import opened

_TRUE = {"true", "t", "yes", "y", "1"}
_FALSE = {"false", "f", "no", "n", "0"}


def recognise(head: Head) -> str | None:
    """Any text whose first line has commas; the column names are checked when it is read."""
    first = head.lines[0] if head.lines else ""
    return "CSV with a header line" if "," in first and "\0" not in first else None


def read(source: Source) -> Iterator[Batch]:
    """Yield one row a line of the file; rows without a subscriber or with a doubtful fixed_ip are rejected."""
    names = [name for name in FORMAT.table.schema if name != "source"]
    with opened(source.path) as stream:
        text = stream.read().decode("utf-8-sig", "replace")
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    unknown = set(source.columns) - set(names)
    if unknown:
        name = sorted(unknown)[0]
        raise InputError(source.path, f"column mapping names no column of ours: {name!r}{nearest(name, names)}",
                         f"known: {', '.join(names)}")
    position = {}
    for name in names:
        wanted = source.columns.get(name, name)
        if wanted in header:
            position[name] = header.index(wanted)
        elif name in source.columns or name == "subscriber":
            raise InputError(source.path, f"no column {wanted!r}{nearest(wanted, header)} (found: {', '.join(header)})",
                             f"map it in op25b.toml: [inputs.subscribers.columns] {name} = \"...\"", line=1)
    rows: list[dict[str, object]] = []
    bad: list[tuple[int | None, int | None, str, str | None]] = []
    seen: dict[str, int] = {}
    count = 0
    for fields in reader:
        if not any(field.strip() for field in fields):
            continue
        count += 1
        line = reader.line_num
        if len(fields) != len(header):
            bad.append((line, None, f"{len(fields)} fields where the header has {len(header)}", None))
            continue
        row: dict[str, object] = {name: fields[at].strip() or None for name, at in position.items()}
        fixed = str(row.get("fixed_ip") or "").lower()
        subscriber = row["subscriber"]
        if fixed and fixed not in _TRUE | _FALSE:
            bad.append((line, None, "fixed_ip is neither true nor false", None))
        elif subscriber is None:
            bad.append((line, None, "no subscriber", None))
        elif str(subscriber) in seen:
            bad.append((line, None, f"the same subscriber as in line {seen[str(subscriber)]}", None))
        else:
            seen[str(subscriber)] = line
            rows.append(row | {"fixed_ip": None if not fixed else fixed in _TRUE})
    schema = {name: dtype for name, dtype in FORMAT.table.schema.items() if name != "source"}
    yield Batch(pl.DataFrame(rows, schema=schema), count, len(rows), rejects(bad))


FORMAT = Format("csv", "subscribers", recognise, read)
