"""Rotation of the key: every stored pseudonym becomes a pseudonym of itself under a new key.

Pseudonyms cannot be turned back and many names are on no list, so that the new one is HMAC(new key, old one): equal
names stay equal in all tables, and what is read later gets all keys in turn. Whoever has an old export, or had the old
key file, can tie neither to the lake.

Killed at any point, the command goes on where it was when it is run again; until then nothing else reads or writes:

1. the key file gets the new key as coming (`keyfile.finished` refuses it from here on), the lake its mark;
2. the derived tables go (`build` makes them anew); where rows have expired, so that some days cannot be made anew, the
   tables of days stay and are treated as raw ones in step 3, and `build` makes anew the days that can be;
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
from op25b.pseudonyms import FORM, Pseudonyms
from op25b.upkeep import forget_versions
from op25b.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

_BUILT = "built"
_DERIVED = ["subscriber", "auth_user"]  # the columns of derived tables of days that hold pseudonyms
Done = tuple[str, str, int | None]
_SCHEMA = {"what": pl.String, "name": pl.String, "rows": pl.Int64}


@dataclass(frozen=True)
class Mark:
    """What the lake remembers of a rotation under way: the new key's name; the waves' files and their hashes before."""

    key: str
    waves: dict[str, str]


def rotate(workspace: Workspace, progress: Callable[[str], None] = lambda _: None) -> pl.DataFrame:
    """Make a new key and map all that is stored to it; one row per table or file: what became of it, name, rows.

    `what` is `rotated` (a raw table, or one of days that cannot all be made anew), `dropped` (a derived table, to be
    built anew) or `wave` (a file of a wave; rows are NULL where it changed since then and was left alone).
    `progress` is called with what comes next.
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
    transaction, have_expired = f"rotate/{mark.key}", bool(lake.horizons())
    for name in lake.tables():
        if name in schema.RAW:
            continue
        progress(name)
        if have_expired and lake.partitioned(name):
            if _rewrite(lake, name, _DERIVED, step, transaction):
                done.append(("rotated", name, lake.rows(name)))
        elif have_expired and name == _BUILT:
            _forget_wholes(lake)
        else:
            _drop(lake, name)
            done.append(("dropped", name, None))
    # Beside the tables: rows of a killed rotation, ingestion or query.
    for left in (lake.root / ".dropped", workspace.scratch_path, workspace.spill_path):
        shutil.rmtree(left, ignore_errors=True)
    for noted in (".built.json", ".noted.json"):
        (lake.root / noted).unlink(missing_ok=True)
    for table in schema.RAW.values():
        if table.pseudonyms and lake.delta(table.name) is not None:
            progress(table.name)
            _rewrite(lake, table.name, table.pseudonyms, step, transaction)
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


def _forget_wholes(lake: Lake) -> None:
    """Of what derived tables were made from, keep what is known of days; the tables made as a whole are gone."""
    made = pl.read_parquet(lake.files(_BUILT), glob=False)
    lake.replace(_BUILT, made.filter(pl.col("part").str.contains(r"^\d{4}-\d\d-\d\d$")).to_arrow())
    forget_versions(lake, _BUILT)


def _rewrite(lake: Lake, table: str, pseudonyms: list[str], step: Pseudonyms, transaction: str) -> bool:
    """Map those of the columns that a table has; whether it has any."""
    import pyarrow as pa

    delta = lake.delta(table)
    have = set() if delta is None else {field.name for field in delta.schema().fields}
    columns = [name for name in pseudonyms if name in have]
    if delta is None or not columns:
        return False
    if not lake.holds(table, [transaction]):
        dataset = delta.to_pyarrow_dataset()
        rows = pa.RecordBatchReader.from_batches(dataset.schema, _mapped(dataset.to_batches(), columns, step))
        lake.rewrite(table, rows, transaction)
    forget_versions(lake, table)
    return True


def _mapped(batches: Iterable[pa.RecordBatch], columns: list[str], step: Pseudonyms) -> Iterator[pa.RecordBatch]:
    """The batches with the pseudonyms in `columns` mapped, everything else as it was."""
    for batch in batches:
        frame = pl.DataFrame({name: pl.Series(batch.column(name)) for name in columns})
        mapped = step.replace(frame, columns)
        made = batch
        for name in columns:
            # In a lake without leases an address stands for a line in derived tables.
            is_one = pl.col(name).str.contains(FORM)
            column = frame.select(pl.when(is_one).then(mapped[name]).otherwise(name).alias(name))
            place = batch.schema.get_field_index(name)
            field = batch.schema.field(place)
            made = made.set_column(place, field, column[name].to_arrow().cast(field.type))
        yield made
