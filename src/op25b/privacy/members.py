"""The files of waves under a new key: rules name them, and they name lines by pseudonyms."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path

from op25b import keyfile
from op25b.errors import InputError
from op25b.pseudonyms import Pseudonyms, is_pseudonym
from op25b.workspace import Workspace

_COLUMN = "subscriber"


def wave_files(workspace: Workspace) -> dict[Path, str]:
    """The CSV files that rules name, each with the hash of its content; `InputError` for one that cannot be read."""
    patterns = {pattern for policy in workspace.config.policy.values() for rule in policy.rules
                for pattern in rule.subscribers}
    files = sorted({path.resolve() for pattern in patterns for path in workspace.expand(pattern)})
    for path in files:
        _rows(path)
    return {path: digest(path) for path in files}


def map_members(path: Path, before: str, step: Pseudonyms) -> int | None:
    """Map the pseudonyms of a file that is still what it was (`before`, its hash): how many; None where it is not.

    Addresses, other columns and the order stay.
    """
    if not path.is_file() or digest(path) != before:
        return None
    rows = _rows(path)
    place = rows[0].index(_COLUMN) if rows and _COLUMN in rows[0] else None
    mapped = 0
    for row in rows[1:]:
        if place is not None and len(row) > place and is_pseudonym(row[place].strip()):
            row[place] = step.of(row[place].strip())
            mapped += 1
    if mapped:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(rows)
        write(path, out.getvalue(), path.stat().st_mode & 0o777)
    return mapped


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file in one step, and for good."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    keyfile.sync_directory(path.parent)


def _rows(path: Path) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"not a CSV file: {error}", "mend it, or take it out of the policies") from None
