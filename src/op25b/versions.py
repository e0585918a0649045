"""Lake versions: which versions of all tables belong together, noted after every command that wrote.

A commit of Delta is one of one table, but an answer reads several. So whoever holds the lake notes, when it is done,
the version of every table in one small file, `lake/.versions/NUMBER.json`. The file appears in one step, and readers
open every table at the versions of the newest one: they never see a build or an ingestion that is not finished, and two
tables of one answer are always of the same moment. What a killed command committed comes with the next one's version.

(The numbers could have been taken from the commits' times, but clocks go back and `rotate-key` drops tables; a Delta
table of versions would need a version itself.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from op25b import durable
from op25b.errors import LakeError

DIRECTORY = ".versions"
_TRIES = 5


@dataclass(frozen=True)
class Version:
    """One lake version: its number (1, 2, ...), when (UTC) and by which command it was made, its tables' versions."""

    number: int
    at: datetime
    by: str
    tables: Mapping[str, int]


def numbers(root: Path) -> list[int]:
    """The numbers of the lake versions that are kept, sorted."""
    return sorted(int(path.stem) for path in (root / DIRECTORY).glob("*.json"))


def newest(root: Path) -> Version | None:
    """The newest lake version; None of a lake that no command has written to since there are versions."""
    for _ in range(_TRIES):  # what is listed may be forgotten before it is read, when newer ones came
        kept = numbers(root)
        if not kept:
            return None
        try:
            return _read(root, kept[-1])
        except FileNotFoundError:
            continue
    msg = f"{root / DIRECTORY}: versions come and go too quickly to be read\n  try again"
    raise LakeError(msg)


def load(root: Path, number: int) -> Version:
    """A lake version by its number; a `LakeError` says which there are."""
    try:
        return _read(root, number)
    except FileNotFoundError:
        kept = numbers(root)
    if not kept:
        msg = f"{root}: there is no lake version {number}, nor any other\n  run 'op25b ingest' and 'op25b build' first"
    elif number > kept[-1]:
        msg = f"{root}: there is no lake version {number} yet\n  the newest is {kept[-1]}"
    else:
        msg = (f"{root}: lake version {number} is not kept any more ('op25b compact' removes old ones after "
               f"[retention] versions days, rotate-key at once)\n  the oldest that is kept is {kept[0]}; see "
               "'op25b status'")
    raise LakeError(msg)


def note(root: Path, by: str, tables: Mapping[str, int]) -> Version:
    """Make the next lake version; only for whoever holds the lake."""
    version = Version((numbers(root) or [0])[-1] + 1, datetime.now(UTC).replace(tzinfo=None), by, dict(tables))
    path = _path(root, version.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(version) | {"at": version.at.isoformat()}), encoding="utf-8")
    durable.put_in_place(temporary, path)
    return version


def forget(root: Path, before: datetime | None = None) -> list[Version]:
    """Forget the lake versions that a newer one replaced, before a moment (UTC) or at all; returns those kept, sorted.

    Their files may only be removed afterwards: a version that is noted can be read.
    """
    found = [_read(root, number) for number in numbers(root)]
    kept = [version for version, after in zip(found, [*found[1:], None], strict=True)
            if after is None or (before is not None and after.at >= before)]
    for version in found:
        if version not in kept:
            _path(root, version.number).unlink()
    return kept


def _path(root: Path, number: int) -> Path:
    return root / DIRECTORY / f"{number:08}.json"


def _read(root: Path, number: int) -> Version:
    data = json.loads(_path(root, number).read_text(encoding="utf-8"))
    return Version(**data | {"at": datetime.fromisoformat(data["at"])})
