"""The subscribers of a wave: CSV files of pseudonyms that a rule names."""

from __future__ import annotations

import csv
from pathlib import Path

from op25b.errors import InputError, SettingsError
from op25b.pseudonyms import is_pseudonym
from op25b.readers.base import parse_ip
from op25b.workspace import Workspace

COLUMN = "subscriber"
_REMEDY = "a wave file has a header line and a column 'subscriber' of pseudonyms, as the other tables show them"


def read_wave(workspace: Workspace | None, pattern: str) -> frozenset[str]:
    """The pseudonyms in the file, or files, that a path or glob of the settings names.

    An address may stand for a subscriber, as it does in a lake without leases. Real identifiers are refused: they would
    match nobody.
    """
    if workspace is None:
        msg = f"subscribers = {pattern!r}: a policy with files can be looked up in a workspace only"
        raise SettingsError(msg)
    paths = workspace.expand(pattern)
    if not paths:
        raise InputError(pattern, "no such file", "check 'subscribers' of the policies in op25b.toml")
    return frozenset[str]().union(*(_read(path) for path in paths))


def _read(path: Path) -> frozenset[str]:
    members = set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if COLUMN not in (reader.fieldnames or ()):
                raise InputError(path, f"no column {COLUMN!r}", _REMEDY, line=1)
            for row in reader:
                name = (row[COLUMN] or "").strip()
                address = parse_ip(name)
                if address is None and not is_pseudonym(name):
                    raise InputError(path, "not a pseudonym (p and 20 hex digits)", _REMEDY, line=reader.line_num)
                members.add(name if address is None else str(address))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"not a CSV file: {error}", _REMEDY) from None
    return frozenset(members)
