"""Input files → reader → lake, each file exactly once, with an accounting row per file.

Files are told apart by the SHA-256 of their content. Within one group of files the rows are written first, the
rejected rows next and the accounting last, each commit carrying the files' hashes: after a crash at any point the
next run finds which of the three a file still lacks.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from op25b import schema
from op25b.errors import InputError, Op25bError
from op25b.lake import Lake
from op25b.pseudonyms import Pseudonyms
from op25b.readers import Batch, Format, Kind, Source, choose
from op25b.readers.base import TABLE_OF, rejects
from op25b.workspace import FlowInput, Input, LeaseInput, MailInput, SubscriberInput, Workspace

GROUP_FILES = 200
GROUP_BYTES = 256 * 2**20
_TIME_OF = {"flow": "first_seen", "mail_event": "at", "lease_record": "at", "subscriber_record": None}
Progress = Callable[[str, int], None]


@dataclass
class FileResult:
    """What became of one input file.

    `new`: read now; `known`: its content was read before; `open`: nfcapd is still writing it; `failed`: see `error`.
    """

    path: Path
    kind: Kind
    state: str
    sha256: str = ""
    format: str = ""
    bytes: int = 0
    rows_read: int = 0
    rows_kept: int = 0
    rows_rejected: int = 0
    first: datetime | None = None
    last: datetime | None = None
    error: str = ""

    @property
    def rows_filtered(self) -> int:
        """Good rows that are none of our business."""
        return self.rows_read - self.rows_kept - self.rows_rejected


@dataclass
class _Job:
    """A file to be read now."""

    result: FileResult
    source: Source
    format: Format
    batches: Iterator[Batch] = field(default_factory=lambda: iter(()))
    rejected: list[pl.DataFrame] = field(default_factory=list)

    def start(self) -> bool:
        """Read the first batch; a file that fails before it is not part of any commit, so the next run tries again."""
        self.batches = self.format.read(self.source)
        try:
            first = next(self.batches, None)
        except InputError as error:
            self.result.state, self.result.error = "failed", str(error)
            return False
        if first is not None:
            self.batches = itertools.chain([first], self.batches)
        return True


def ingest(workspace: Workspace, progress: Progress = lambda _path, _bytes: None) -> list[FileResult]:
    """Read every new input file of the settings into the lake; one result per file, in the settings' order.

    `progress` is called with (path, bytes) after each file. An unreadable file fails alone: its result says why.
    """
    lake = Lake(workspace.lake_path)
    pseudonyms = Pseudonyms.load(workspace.key_path)
    with lake.writing("ingest"):
        results, jobs = _plan(workspace, lake)
        for group in _groups(jobs):
            _read_group(workspace, lake, pseudonyms, group, progress)
    return results


def _plan(workspace: Workspace, lake: Lake) -> tuple[list[FileResult], list[_Job]]:
    known = _known(lake)
    hashes = _Hashes(workspace.lake_path / ".hashes.json")
    results: list[FileResult] = []
    jobs: list[_Job] = []
    for kind, settings in _inputs(workspace):
        paths = workspace.expand(settings.path)
        if not paths:
            results.append(FileResult(workspace.root / settings.path, kind, "failed", error=(
                f"{settings.path}: no such file\n  check the path under [[inputs.{kind}]] in op25b.toml")))
        for path in paths:
            if any(result.path == path for result in results if result.kind == kind):
                continue
            result = FileResult(path, kind, "new", bytes=path.stat().st_size)
            results.append(result)
            if path.name.startswith("nfcapd.current"):
                result.state = "open"
                continue
            result.sha256 = hashes.of(path)
            if result.sha256 in known:
                result.state = "known"
                continue
            known.add(result.sha256)  # the same content under a second name in this run
            try:
                form, _ = choose(path, kind, settings.format)
            except Op25bError as error:
                result.state, result.error = "failed", str(error)
                continue
            result.format = form.name
            jobs.append(_Job(result, _source(workspace, path, settings), form))
    hashes.save()
    return results, jobs


def _known(lake: Lake) -> set[str]:
    files = lake.files("source_file")
    return set(pl.read_parquet(files, columns=["sha256"])["sha256"]) if files else set()


def _inputs(workspace: Workspace) -> Iterator[tuple[Kind, Input]]:
    inputs = workspace.config.inputs
    for kind in ("subscribers", "leases", "mail", "flows"):
        for settings in getattr(inputs, kind):
            yield kind, settings


def _source(workspace: Workspace, path: Path, settings: Input) -> Source:
    site = workspace.config.site.timezone
    match settings:
        case FlowInput():
            return Source(path, settings.timezone or site, sampling_interval=settings.sampling_interval)
        case MailInput():
            return Source(path, settings.timezone or site, year=settings.year)
        case LeaseInput():
            return Source(path, settings.timezone or site)
        case SubscriberInput():
            return Source(path, site, columns=settings.columns)
    msg = f"no such kind of input: {type(settings).__name__}"
    raise TypeError(msg)


def _groups(jobs: list[_Job]) -> Iterator[list[_Job]]:
    """Files of one kind that are committed together: many small ones, or one large one."""
    group: list[_Job] = []
    for job in jobs:
        full = len(group) >= GROUP_FILES or sum(j.result.bytes for j in group) + job.result.bytes > GROUP_BYTES
        if group and (full or group[0].format.kind != job.format.kind):
            yield group
            group = []
        group.append(job)
    if group:
        yield group


def _read_group(workspace: Workspace, lake: Lake, pseudonyms: Pseudonyms, group: list[_Job],
                progress: Progress) -> None:
    table = schema.raw_table(TABLE_OF[group[0].format.kind])
    group = [job for job in group if job.start()]
    if not group:
        return
    hashes = [job.result.sha256 for job in group]
    there = lake.holds(table.name, hashes)

    def rows() -> Iterator[pa.RecordBatch]:
        for job in group:
            for frame in _frames(workspace, pseudonyms, table, job):
                if job.result.sha256 not in there:
                    yield from frame.to_arrow().to_batches()
            progress(workspace.shown(job.result.path), job.result.bytes)

    reader = pa.RecordBatchReader.from_batches(table.empty().to_arrow().schema, rows())
    missing = [name for name in hashes if name not in there]
    if missing:
        lake.append(table.name, reader, missing)
    else:  # an earlier run wrote the rows and died before the accounting: read again for the counts alone
        for _ in reader:
            pass
    rejected = [pl.concat(job.rejected).with_columns(source=pl.lit(job.result.sha256)) for job in group if job.rejected]
    _append(lake, schema.REJECTED, rejected, hashes)
    now = datetime.now(UTC).replace(tzinfo=None)
    accounts = pl.DataFrame([_account(workspace, job.result, now) for job in group], schema=schema.SOURCE_FILE.schema)
    _append(lake, schema.SOURCE_FILE, [accounts], hashes)


def _append(lake: Lake, table: schema.Table, frames: list[pl.DataFrame], transactions: list[str]) -> None:
    there = lake.holds(table.name, transactions)
    key = "sha256" if table is schema.SOURCE_FILE else "source"
    if frames and (missing := [name for name in transactions if name not in there]):
        rows = table.conform(pl.concat(frames)).filter(pl.col(key).is_in(missing))
        lake.append(table.name, rows.to_arrow(), missing)


def _account(workspace: Workspace, result: FileResult, now: datetime) -> dict[str, Any]:
    return {
        **{name: getattr(result, name) for name in schema.SOURCE_FILE.schema if name not in {"path", "at"}},
        "path": workspace.shown(result.path), "at": now,
    }


def _frames(workspace: Workspace, pseudonyms: Pseudonyms, table: schema.Table, job: _Job) -> Iterator[pl.DataFrame]:
    """The rows of one file, ready for the lake; fills in the job's accounting on the way."""
    result = job.result
    time = _TIME_OF[table.name]
    try:
        for batch in job.batches:
            result.rows_read += batch.rows_read
            result.rows_kept += batch.rows_kept
            result.rows_rejected += batch.rejected.height
            if batch.rejected.height:
                job.rejected.append(batch.rejected)
            if batch.rows.is_empty():
                continue
            frame = pseudonyms.replace(batch.rows, table.pseudonyms).with_columns(source=pl.lit(result.sha256))
            if time is not None:
                first, last = frame.select(pl.col(time).min().alias("a"), pl.col(time).max().alias("b")).row(0)
                result.first = min(filter(None, (result.first, first)), default=None)
                result.last = max(filter(None, (result.last, last)), default=None)
            if table.partitioned and time is not None:
                local = pl.col(time).dt.replace_time_zone("UTC").dt.convert_time_zone(workspace.config.site.timezone)
                frame = frame.with_columns(local.dt.date().alias("day"))
            yield table.conform(frame)
    except InputError as error:  # what came before is whole and kept; the rest counts as one rejected row
        result.error = str(error)
        result.rows_read += 1
        result.rows_rejected += 1
        job.rejected.append(rejects([(None, None, str(error), None)]))


class _Hashes:
    """SHA-256 of files; remembered by path, size and modification time, so that a run with nothing new is quick."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        try:
            self._known: dict[str, list[Any]] = json.loads(cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}
        self._used: dict[str, list[Any]] = {}

    def of(self, path: Path) -> str:
        """The file's hash."""
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        entry = self._known.get(str(path))
        if entry is None or entry[:2] != stamp:
            with path.open("rb") as file:
                entry = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()]
        self._used[str(path)] = entry
        return str(entry[2])

    def save(self) -> None:
        """Remember what was asked for in this run."""
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._cache.with_suffix(".new")
        temporary.write_text(json.dumps(self._used), encoding="utf-8")
        temporary.replace(self._cache)
