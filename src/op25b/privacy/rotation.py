"""Rotation of the key: every stored pseudonym becomes a pseudonym of itself under a new key.

Pseudonyms cannot be turned back and many names are on no list, so that the new one is HMAC(new key, old one): equal
names stay equal in all tables, and what is read later gets all keys in turn. Whoever has an old export, or had the old
key file, can tie neither to the lake.

Killed at any point, the command goes on where it was when it is run again; until then nothing else reads or writes:

1. the key file gets the new key as coming (`keyfile.finished` refuses it from here on), the lake its mark;
2. the derived tables go (`build` makes them anew);
3. each raw table with pseudonyms is rewritten in one commit that carries the new key's name, so that a table is never
   rewritten twice, and its old versions go: data files, and the statistics in its log;
4. the files of waves, which name lines by pseudonyms, likewise, told apart by their hashes in the mark;
5. the lake notes the new key's name, the key file is replaced, earlier lake versions are forgotten, the mark removed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from op25b import keyfile, schema
from op25b.errors import LakeError
from op25b.keyfile import ROTATING, Keys
from op25b.lake import Lake
from op25b.privacy.audit import record
from op25b.privacy.members import map_members, wave_files, write
from op25b.pseudonyms import Pseudonyms
from op25b.upkeep import forget_versions
from op25b.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

Done = tuple[str, str, int | None]
_SCHEMA = {"what": pl.String, "name": pl.String, "rows": pl.Int64}


@dataclass(frozen=True)
class Mark:
    """What the lake remembers of a rotation under way: the new key's name; the waves' files and their hashes before."""

    key: str
    waves: dict[str, str]


def rotate(workspace: Workspace, progress: Callable[[str], None] = lambda _: None) -> pl.DataFrame:
    """Make a new key and map all that is stored to it; one row per table or file: what became of it, name, rows.

    `what` is `rotated` (a raw table), `dropped` (a derived table, to be built anew) or `wave` (a file of a wave; rows
    are NULL where it changed since the rotation began and was left alone). `progress` is called with what comes next.
    """
    lake, path = Lake(workspace.lake_path), workspace.key_path
    with lake.writing(keyfile.COMMAND):
        keys, mark = keyfile.read(path), _mark(lake.root)
        if mark is not None and mark.key != keys.rotated.name:
            msg = (f"{path}: not the key of the rotation that was begun ({lake.root / ROTATING} names {mark.key})\n"
                   "  restore the key file as that rotation left it")
            raise LakeError(msg)
        if mark is None or keys.coming is not None:
            _refuse_others(lake.root, keys, path)
            waves = wave_files(workspace) if mark is None else {}
            state = "begun" if mark is None else "resumed"
            record(workspace.audit_path, keyfile.COMMAND, {"from": keys.name, "state": state})
            if keys.coming is None:
                keys = Keys(keys.chain, keyfile.new_key())
                keyfile.replace(path, keys)
            if mark is None:
                mark = Mark(keys.rotated.name, {str(file): digest for file, digest in waves.items()})
                write(lake.root / ROTATING, json.dumps({"key": mark.key, "waves": mark.waves}))
            done = _carry_out(workspace, lake, keys, mark, progress)
        else:  # killed just before the end
            done = []
        record(workspace.audit_path, keyfile.COMMAND, {"to": mark.key, "state": "done"})
        lake.start_anew(keyfile.COMMAND)
        (lake.root / ROTATING).unlink()
        keyfile.sync_directory(lake.root)
    return pl.DataFrame(done, schema=_SCHEMA, orient="row")


def _mark(root: Path) -> Mark | None:
    try:
        return Mark(**json.loads((root / ROTATING).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def _refuse_others(root: Path, keys: Keys, path: Path) -> None:
    """The keys must be those of the lake, which has the new name where a rotation was killed after step 5 began."""
    if keyfile.noted(root) != keys.rotated.name:
        keyfile.refuse_others(root, keys, path)


def _carry_out(workspace: Workspace, lake: Lake, keys: Keys, mark: Mark, progress: Callable[[str], None]) -> list[Done]:
    """Steps 2 to 5; each does nothing where it was done."""
    step = Pseudonyms(keys.rotated.chain[-1])
    done: list[Done] = []
    for name in lake.tables():
        if name not in schema.RAW:
            progress(name)
            _drop(lake, name)
            done.append(("dropped", name, None))
    # Beside the tables: rows of a killed rotation, ingestion or query.
    for left in (lake.root / ".dropped", workspace.scratch_path, workspace.spill_path):
        shutil.rmtree(left, ignore_errors=True)
    (lake.root / ".built.json").unlink(missing_ok=True)
    for table in schema.RAW.values():
        if table.pseudonyms and lake.delta(table.name) is not None:
            progress(table.name)
            _rewrite(lake, table, step, f"rotate/{mark.key}")
            done.append(("rotated", table.name, lake.rows(table.name)))
    for name, before in mark.waves.items():
        progress(name)
        done.append(("wave", workspace.shown(Path(name)), map_members(Path(name), before, step)))
    keyfile.note(lake.root, keys.rotated)
    keyfile.replace(workspace.key_path, keys.rotated)
    return done


def _drop(lake: Lake, table: str) -> None:
    """Take a table out of sight in one step; where it goes is removed as a whole."""
    away = lake.root / ".dropped" / table
    shutil.rmtree(away, ignore_errors=True)
    away.parent.mkdir(exist_ok=True)
    (lake.root / table).rename(away)


def _rewrite(lake: Lake, table: schema.Table, step: Pseudonyms, transaction: str) -> None:
    import pyarrow as pa

    delta = lake.delta(table.name)
    if delta is not None and not lake.holds(table.name, [transaction]):
        dataset = delta.to_pyarrow_dataset()
        columns = [name for name in table.pseudonyms if name in dataset.schema.names]
        rows = pa.RecordBatchReader.from_batches(dataset.schema, _mapped(dataset.to_batches(), columns, step))
        lake.rewrite(table.name, rows, transaction)
    forget_versions(lake, table.name)


def _mapped(batches: Iterable[pa.RecordBatch], columns: list[str], step: Pseudonyms) -> Iterator[pa.RecordBatch]:
    """The batches with the pseudonyms in `columns` mapped, everything else as it was."""
    for batch in batches:
        frame = step.replace(pl.DataFrame({name: pl.Series(batch.column(name)) for name in columns}), columns)
        made = batch
        for name in columns:
            place = batch.schema.get_field_index(name)
            field = batch.schema.field(place)
            made = made.set_column(place, field, frame[name].to_arrow().cast(field.type))
        yield made
