"""The subscriber list as CSV with a header line; `[inputs.subscribers.columns]` maps our names to the file's.

The delimiter is the one that splits the header into most fields, the encoding UTF-8 or what Excel writes in Japan.
`radius_user` is the name of the line in the lease logs: of DHCP logs what `identify_by` says, for example a hardware
address (`radius_user = "MAC"`). It is written as the lease readers write it, whatever way the list spells it.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from op25b.errors import InputError, nearest
from op25b.readers.base import Batch, Format, Head, Reject, Source, rejects
from op25b.readers.leases.common import BadRow
from op25b.readers.leases.identity import line_name
from op25b.readers.leases.table import delimiter
from op25b.readers.text import opened, readable

if TYPE_CHECKING:
    from _csv import Reader

_TRUE = {"true", "t", "yes", "y", "1", "はい", "有", "あり", "○"}
_FALSE = {"false", "f", "no", "n", "0", "いいえ", "無", "なし", "×"}
_NAMES = ("subscriber", "radius_user", "auth_user")
_BARE_MAC = re.compile(r"^[0-9A-Fa-f]{12}$")
_HALFWIDTH = re.compile("[\uff61-\uff9f]")


def recognise(head: Head) -> str | None:
    """Any text; the column names are checked when it is read."""
    first = _text(head.data).partition("\n")[0].strip()
    return "CSV with a header line" if first and "\0" not in first else None


def read(source: Source) -> Iterator[Batch]:
    """Yield one row a line of the file; rows without a subscriber or with a doubtful fixed_ip are rejected."""
    with opened(source.path) as stream, readable(source.path):
        text = _text(stream.read())
    if not text.strip():
        raise InputError(source.path, "the subscriber list is empty",
                         "export it again, with a header line that names its columns")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text.partition("\n")[0]))
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise InputError(source.path, f"no CSV: {error}", "check that the file is CSV with a header line",
                         line=1) from None
    position = _positions(source, header)
    rows: list[dict[str, object]] = []
    bad: list[Reject] = []
    seen: dict[str, int] = {}
    for line, fields in _records(reader):
        try:
            row = _row(fields, header, position)
            if (before := seen.setdefault(str(row["subscriber"]), line)) != line:
                msg = f"the same subscriber as in line {before}"
                raise BadRow(msg)
            rows.append(row)
        except BadRow as problem:
            bad.append((line, None, str(problem), None))
    _spell_bare_macs(rows)
    schema = {name: dtype for name, dtype in FORMAT.table.schema.items() if name != "source"}
    yield Batch(pl.DataFrame(rows, schema=schema), len(rows) + len(bad), len(rows), rejects(bad))


def _text(data: bytes) -> str:
    """UTF-8, UTF-16 with its mark (Excel), Shift_JIS as Windows writes it or EUC-JP; what is none becomes U+FFFD."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if (text := _decoded(data, "utf-8-sig")) is not None:
        return text
    # Most EUC-JP is possible Shift_JIS too, but only as strings of half-width katakana.
    japanese = [text for text in (_decoded(data, "cp932"), _decoded(data, "euc_jp")) if text is not None]
    if japanese:
        return min(japanese, key=lambda text: len(_HALFWIDTH.findall(text)))
    return data.decode("utf-8-sig", "replace")


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _positions(source: Source, header: list[str]) -> dict[str, int]:
    """Our column name → place in the file; every column that is mapped, and `subscriber`, must be there."""
    names = [name for name in FORMAT.table.schema if name != "source"]
    unknown = sorted(set(source.columns) - set(names))
    if unknown:
        problem = f"column mapping names no column of ours: {unknown[0]!r}{nearest(unknown[0], names)}"
        raise InputError(source.path, problem, f"known: {', '.join(names)}")
    position = {}
    lowered = [name.lower() for name in header]
    for name in names:
        wanted = source.columns.get(name, name)
        if wanted not in header and name not in source.columns and name in lowered:
            wanted = header[lowered.index(name)]
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
        raise BadRow("no CSV" if fields is None else f"{len(fields)} fields where the header has {len(header)}")
    row: dict[str, object] = {name: fields[at].strip() or None for name, at in position.items()}
    if row["subscriber"] is None:
        msg = "no subscriber"
        raise BadRow(msg)
    broken = next((name for name in _NAMES if "\ufffd" in str(row.get(name))), None)
    if broken is not None:  # two names that differ in their broken bytes alone must not become one
        msg = f"{broken} has broken characters: save the file as UTF-8"
        raise BadRow(msg)
    given = row.get("radius_user")
    name = line_name(str(given or row["subscriber"]))
    if given or name != row["subscriber"]:
        row["radius_user"] = name
    fixed = str(row.get("fixed_ip") or "").lower()
    if fixed and fixed not in _TRUE | _FALSE:
        msg = "fixed_ip is neither true nor false"
        raise BadRow(msg)
    return row | {"fixed_ip": fixed in _TRUE if fixed else None}


def _spell_bare_macs(rows: list[dict[str, object]]) -> None:
    """`001a2b3c4d5e` → `00:1a:…` where all lease names of the list look so; a single one may be a contract number."""
    names = [str(row["radius_user"]) for row in rows if row.get("radius_user")]
    if all(map(_BARE_MAC.match, names)) and not all(map(str.isdigit, names)):
        for row in rows:
            if row.get("radius_user"):
                row["radius_user"] = bytes.fromhex(str(row["radius_user"])).hex(":")


FORMAT = Format("csv", "subscribers", recognise, read, growth="again")
