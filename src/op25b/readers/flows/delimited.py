"""Delimited text with a header line → pieces of text columns under our names, block by block.

Of most lines only the ports are looked at; the few that these do not rule out are split into columns. Field counts
are checked on the few suspicious lines only (last field empty, or one too many), where blank lines, repeated headers
and a format's own noise (summaries, comments) are told from broken rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from op25b.errors import InputError
from op25b.readers.base import Source
from op25b.readers.flows.records import LEFT_AHEAD, Left, Parse, Piece, left, parsed
from op25b.readers.text import ahead, chunks, in_pairs, lines_of, opened, readable
from op25b.settings import MAIL_PORTS

# Larger blocks are slower: memory for them is taken from, and given back to, the system each time.
BLOCK_BYTES = 8 * 2**20
_DELIMITERS = ",\t|;"


@dataclass(frozen=True)
class Layout:
    """What a header line says: the file's column names in order, and our name → the file's name."""

    separator: str
    names: list[str]
    columns: dict[str, str]
    header: str = ""
    spare: bool = False  # rows may have more fields than names (free text with delimiters at the end)


@dataclass(frozen=True)
class Syntax:
    """How a format's files look: `layout` reads a header line (None: it is none)."""

    layout: Callable[[str], Layout | None]
    missing: str  # what to do when the file has no header line
    noise: str | None = None  # a regular expression of lines that are no rows
    marker: bytes | None = None  # starts header lines that may occur again with other columns
    quoted: bool = False
    padded: bool = False  # numbers may have blanks around them


def separator_of(header: str) -> str:
    """The delimiter that occurs most often in a header line."""
    return max(_DELIMITERS, key=header.count)


def names_of(header: str, separator: str | None = None) -> list[str]:
    """The column names of a header line, without padding, quotes and the delimiter that may end it."""
    separator = separator or separator_of(header)
    names = [name.strip().strip('"') for name in header.lstrip("\ufeff").rstrip("\r\n").split(separator)]
    return names[:-1] if names and not names[-1] else names


@dataclass(frozen=True)
class _Part:
    """Consecutive lines with one layout; `skipped` counts the lines before the header line of the file."""

    data: bytes
    layout: Layout
    parse: Parse
    skipped: int


def pieces(source: Source, syntax: Syntax) -> Iterator[Piece]:
    """Read the file; an `InputError` says when it has no header line."""
    # Reading, looking at the ports and (in the caller) converting overlap.
    return parsed(ahead(_numbered(in_pairs(ahead(_parts(source, syntax)), partial(_left, syntax))), LEFT_AHEAD))


def _numbered(parts: Iterable[tuple[Left, int]]) -> Generator[Left, None, None]:
    """Count the lines, which `_left` does within each part."""
    first = 1
    for part, height in parts:
        yield replace(part, records=part.records + first)
        first += height


def _parts(source: Source, syntax: Syntax) -> Generator[_Part, None, None]:
    layout: Layout | None = None
    parse: Parse = _no_columns
    skipped = 0
    with opened(source.path) as stream, readable(source.path):
        for data in chunks(stream, BLOCK_BYTES):
            for part in _segments(_unified(data), syntax.marker):
                new = _header(part, syntax) if layout is None or _starts(part, syntax.marker) else None
                if new is not None and new != layout:
                    layout = new
                    parse = partial(_columns, layout, syntax)
                if layout is not None:
                    yield _Part(part, layout, parse, skipped)
                    skipped = 0
                elif not _only_noise(part, syntax):
                    raise InputError(source.path, "no header line with column names at its start", syntax.missing, 1)
                else:
                    skipped += part.count(b"\n")


def _left(syntax: Syntax, part: _Part) -> tuple[Left, int]:
    """What is left of a part, and how many lines it has."""
    lines = lines_of(part.data)
    kept = _not_ruled_out(part.data, lines, part.layout, syntax)
    records = kept.cast(pl.Int64) + part.skipped
    return left(records, lines.gather(kept), lines.len() - kept.len(), part.parse), part.skipped + lines.len()


def _no_columns(_records: pl.Series, _data: bytes) -> pl.DataFrame:
    raise AssertionError


def _unified(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def _starts(part: bytes, marker: bytes | None) -> bool:
    return marker is not None and part.startswith(marker)


def _segments(data: bytes, marker: bytes | None) -> Iterator[bytes]:
    """Cut a block before each header line after its first line."""
    if marker is not None and marker[:1] in data:  # one byte is found ten times as fast
        while (at := data.find(b"\n" + marker)) >= 0:
            yield data[: at + 1]
            data = data[at + 1 :]
    yield data


def _only_noise(part: bytes, syntax: Syntax) -> bool:
    lines = part[:65536].decode("utf-8", "replace").strip().split("\n")
    return syntax.noise is not None and all(re.search(syntax.noise, line.strip()) for line in lines)


def _header(part: bytes, syntax: Syntax) -> Layout | None:
    """The layout of the first line of a part that is a header; it is within the first few lines of a file."""
    for line in part[:65536].decode("utf-8", "replace").split("\n")[:50]:
        if (layout := syntax.layout(line)) is not None:
            return layout
    return None


def _not_ruled_out(data: bytes, lines: pl.Series, layout: Layout, syntax: Syntax) -> pl.Series:
    """Places of the lines that are not whole rows with two ports none of which is ours."""
    width = len(layout.names)
    ports = [layout.names.index(layout.columns[name]) for name in ("src_port", "dst_port")]
    table = _read(data, layout.separator, width, sorted({*ports, width - 1, width}), quote=None)
    if table.height != lines.len():
        return pl.int_range(lines.len(), eager=True)
    numbers = [pl.col(f"c{at}").str.strip_chars() if syntax.padded else pl.col(f"c{at}") for at in ports]
    foreign = [~number.cast(pl.UInt16, strict=False).is_in(MAIL_PORTS) for number in numbers]
    others = pl.all_horizontal(*foreign, pl.col(f"c{width - 1}") != "", pl.col(f"c{width}") == "")
    is_other = table.select(others.fill_null(value=False)).to_series()
    if syntax.quoted and b'"' in data:  # what is quoted may hold separators
        is_other &= ~lines.str.contains('"', literal=True)
    return (~is_other).arg_true()


def _columns(layout: Layout, syntax: Syntax, records: pl.Series, data: bytes) -> pl.DataFrame:
    """The columns of these lines, with record and problem; lines that are no rows are left out."""
    frame = _cells(data, layout, syntax)
    width = len(layout.names)
    names = {name: f"c{at}" for at, name in reversed(list(enumerate(layout.names)))}
    frame = frame.with_columns(records, pl.lit(None, pl.String).alias("problem"))
    header = layout.header.strip()
    odd = (pl.col(f"c{width - 1}") == "") | (pl.col(f"c{width}") != "") | pl.col("c0").str.ends_with(layout.names[0])
    places = frame.select(odd.arg_true()).to_series()
    if places.len():
        verdict = _verdicts(lines_of(data).gather(places), records.gather(places), layout,
                            re.compile(syntax.noise or r"(?!)"), header)
        frame = frame.update(verdict.drop("row"), on="record").filter(
            ~pl.col("record").is_in(verdict.filter(~pl.col("row"))["record"].implode()))
    selected = [pl.col(names[theirs]).alias(ours) for ours, theirs in layout.columns.items()]
    return frame.select("record", "problem", *selected)


def _cells(data: bytes, layout: Layout, syntax: Syntax) -> pl.DataFrame:
    """The columns we need, c0, the last one, and one past it, as text; a missing field is empty text."""
    width = len(layout.names)
    wanted = sorted({layout.names.index(name) for name in layout.columns.values()} | {0, width - 1, width})
    if not (syntax.quoted and b'"' in data):
        return _read(data, layout.separator, width, wanted, quote=None)
    try:
        frame = _read(data, layout.separator, width, wanted, quote='"')
        if frame.height == data.count(b"\n") + (not data.endswith(b"\n")):
            return frame
    except pl.exceptions.PolarsError:
        pass
    # A quote that does not end on its line would swallow the lines after it.
    return _read(data, layout.separator, width, wanted, quote=None).with_columns(pl.all().str.strip_chars('"'))


def _read(data: bytes, separator: str, width: int, wanted: list[int], *, quote: str | None) -> pl.DataFrame:
    def parse(text: bytes) -> pl.DataFrame:
        return pl.read_csv(
            text, has_header=False, separator=separator, quote_char=quote, columns=wanted,
            schema={f"c{at}": pl.String for at in range(width + 1)}, missing_columns="insert",
            extra_columns="ignore", empty_string_is_null=False,
        ).with_columns(pl.col(f"c{width - 1}", f"c{width}").fill_null(""))

    try:
        return parse(data)
    except pl.exceptions.PolarsError:
        return parse(data.decode("utf-8", "replace").encode())


def _verdicts(texts: pl.Series, records: pl.Series, layout: Layout, noise: re.Pattern[str],
              header: str) -> pl.DataFrame:
    """record, problem, row (whether the line is a row at all) of suspicious lines."""
    extra = 1 if header.endswith(layout.separator) and layout.separator != "\t" else 0
    expected = len(layout.names)
    rows: list[tuple[int, str | None, bool]] = []
    for record, text in zip(records, texts, strict=True):
        stripped = text.strip()
        if not stripped or stripped == header or noise.search(stripped):
            rows.append((record, None, False))
            continue
        count = _fields(text, layout.separator) - extra
        good = count == expected or (layout.spare and count > expected)
        rows.append((record, None if good else f"has {count} fields where the header has {expected}", True))
    return pl.DataFrame(rows, schema={"record": pl.Int64, "problem": pl.String, "row": pl.Boolean}, orient="row")


def _fields(text: str, separator: str) -> int:
    if '"' not in text:
        return text.count(separator) + 1
    try:
        return len(next(csv.reader([text], delimiter=separator)))
    except (csv.Error, StopIteration):
        return 0
