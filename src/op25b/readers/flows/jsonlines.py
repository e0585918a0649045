"""JSON records → pieces of text columns under our names: one object a line, or nfdump's pretty-printed array.

The ports are taken from every line by a regular expression; only the objects that these do not rule out are decoded.
Numbers and strings become text alike, so a field may be rendered either way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from op25b.readers.base import Head, Source
from op25b.readers.flows import fields
from op25b.readers.flows.delimited import BLOCK_BYTES
from op25b.readers.flows.records import LEFT_AHEAD, Left, Parse, Piece, left, parsed
from op25b.readers.text import ahead, chunks, lines_of, opened, readable
from op25b.settings import MAIL_PORTS


def _other(ports: Sequence[int], begun: str = "") -> str:
    """A regular expression for how a number may go on after the digits `begun` that is none of these ports."""
    longer = [str(port) for port in ports if str(port).startswith(begun) and str(port) != begun]
    following = sorted({number[len(begun)] for number in longer})
    free = "".join(digit for digit in "0123456789" if digit not in following and (begun or digit != "0"))
    ways = [f"[{free}][0-9]*", *(digit + _other(ports, begun + digit) for digit in following)]
    if not begun:  # no other number begins with 0
        return f"(?:{'|'.join(ways)}|0)"
    return f"(?:{'|'.join(ways)})" + ("" if begun in map(str, ports) else "?")


OTHER_PORT = _other(MAIL_PORTS)
_AROUND = " \t\r,[]\ufeff"  # what stands around the objects of an array
_SAMPLE = 100
_FEW = 4


@dataclass(frozen=True)
class Keys:
    """Our name → the names a format may have for it; `required` ones must be in some of a file's first objects."""

    known: Mapping[str, Sequence[str]]
    required: tuple[str, ...]
    remedy: str
    noise: str | None = None  # how lines begin that are no records


def first_keys(head: Head) -> list[str]:
    """The keys of the first object of a file, empty where its start is no JSON."""
    text = head.data.decode("utf-8", "replace").lstrip(_AROUND + "\n")
    if not text.startswith("{"):
        return []
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return next((keys for line in text.split("\n")[1:20] if (keys := list(_loaded(line) or ()))), [])
    return list(value)


def is_json(source: Source) -> bool:
    """Whether a file starts like JSON."""
    with opened(source.path) as stream, readable(source.path):
        return next(chunks(stream, 4096), b"").lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}


def objects(source: Source, keys: Keys) -> Iterator[Piece]:
    """Read the file; an `InputError` names a required field that its first objects lack."""
    return parsed(ahead(_blocks(source, keys), LEFT_AHEAD))


def _blocks(source: Source, keys: Keys) -> Generator[Left, None, None]:
    names: dict[str, str] = {}
    parse: Parse = partial(_decoded, names)
    with opened(source.path) as stream, readable(source.path):
        # Reading, finding the ports and (in the caller) converting overlap.
        for block in ahead(_records(chunks(stream, BLOCK_BYTES))):
            lines = block.filter(~pl.col("text").str.starts_with(keys.noise)) if keys.noise else block
            if not names:
                names = _names(source, keys, lines["text"].head(_SAMPLE))
                parse = partial(_decoded, names)
            if lines.height:
                kept = _not_ruled_out(lines, names)
                texts = kept["text"].str.strip_chars(_AROUND)
                yield left(kept["record"], texts, lines.height - kept.height, parse)


def _names(source: Source, keys: Keys, texts: pl.Series) -> dict[str, str]:
    seen = dict.fromkeys(key for text in texts for key in _loaded(text) or ())
    there = fields.found(source.path, list(seen), keys.known, keys.required, keys.remedy) if seen else {}
    return {ours: there.get(ours, theirs[0]) for ours, theirs in keys.known.items()}


def _records(blocks: Iterable[bytes]) -> Generator[pl.DataFrame, None, None]:
    """Frames of record (the line it starts on) and text."""
    line, rest, pretty = 1, b"", None
    for data in blocks:
        block = rest + data
        if pretty is None and not block.strip(b"\xef\xbb\xbf \t\r\n,["):  # the first object is yet to come
            rest = block
            continue
        if pretty is None:
            pretty = re.match(rb"[\xef\xbb\xbf\s,\[]*\{[ \t\r]*\n", block) is not None
        # A pretty-printed record ends with a brace at the start of a line.
        end = block.rfind(b"\n}") if pretty else len(block) - 1
        cut = block.find(b"\n", end + 1) + 1 if pretty and end >= 0 else end + 1
        rest, block = block[cut:], block[:cut]
        if pretty and block:
            yield _gathered(block, line)
            line += block.count(b"\n")
        elif block:
            lines = _lines(block, line)
            line += lines.height
            yield lines
    if rest.strip(b" \t\r\n]"):
        yield _gathered(rest, line)


def _lines(block: bytes, first: int) -> pl.DataFrame:
    texts = lines_of(block, "text")
    return pl.DataFrame([pl.int_range(first, first + texts.len(), eager=True).alias("record"), texts])


def _gathered(block: bytes, first: int) -> pl.DataFrame:
    """Join the lines of each object, and those between two objects, unless they only enclose or separate objects."""
    text = pl.col("text")
    follows = text.shift(1).str.starts_with("}").fill_null(value=False)
    starts = follows | (text.str.strip_chars(_AROUND) == "{")
    return (
        _lines(block, first).with_columns(starts.cum_sum().alias("number"))
        .group_by("number", maintain_order=True).agg(pl.col("record").first(), text.str.join(" "))
        .filter(text.str.strip_chars(_AROUND) != "").drop("number")
    )


def _not_ruled_out(lines: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Objects that are not ruled out by their ports."""
    source, destination = names["src_port"], names["dst_port"]
    # What most lines look like is looked for first, as taking out the numbers takes longer. Where few are left they are
    # mostly ours, and to decode the others too costs less.
    usual = _member(source) + r"[ \t]*,.*" + _member(destination) + r"[ \t]*[,}]"
    rest = lines.filter(~pl.col("text").str.contains(usual))
    if rest.height < lines.height // _FEW:
        return rest
    # NULL, where a line has no such field, rules nothing out.
    other = ~_number(source).is_in(MAIL_PORTS) & ~_number(destination).is_in(MAIL_PORTS)
    return rest.filter(~other.fill_null(value=False))


def _member(key: str) -> str:
    return rf'"{re.escape(key)}"[ \t]*:[ \t]*"?{OTHER_PORT}"?'


def _number(key: str) -> pl.Expr:
    return pl.col("text").str.extract(rf'"{re.escape(key)}"[ \t]*:[ \t]*"?([0-9]+)').cast(pl.UInt16, strict=False)


def _decoded(names: dict[str, str], records: pl.Series, data: bytes) -> pl.DataFrame:
    schema = dict.fromkeys(names.values(), pl.String)
    height = records.len()
    try:
        values = pl.read_ndjson(data, schema=schema) if height else pl.DataFrame(schema=schema)
        if values.height != height or values.select(pl.all_horizontal(pl.all().is_null()).any()).item():
            raise pl.exceptions.ComputeError("lines that are not objects")
        problem = pl.Series("problem", [None], pl.String).new_from_index(0, height)
    except pl.exceptions.PolarsError:
        values, problem = _one_by_one(lines_of(data), list(schema))
    columns = [values[theirs].alias(ours) for ours, theirs in names.items()]
    return pl.DataFrame([records, problem, *columns])


def _one_by_one(texts: pl.Series, names: list[str]) -> tuple[pl.DataFrame, pl.Series]:
    loaded = [_loaded(text) for text in texts]
    rows = [{name: _as_text(value.get(name)) for name in names} for value in ({} if v is None else v for v in loaded)]
    problems = [None if value is not None else "is not a whole JSON object" for value in loaded]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String)), pl.Series("problem", problems, pl.String)


def _loaded(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text.strip(_AROUND))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        # A lone surrogate (\ud800) has no UTF-8.
        return None if value is None else value.encode("utf-8", "replace").decode()
    return json.dumps(value)
