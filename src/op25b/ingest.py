"""Input files → reader → lake, each file exactly once, with an accounting row per file.

Files are told apart by their kind and the SHA-256 of their content, decompressed; of a log that has grown only the new
end is read. Within one group of files the rows are written
first, the rejected rows next and the accounting last, each commit carrying the files' names as transactions: after a
crash at any point the next run finds which of the three a file still lacks.

Reading, parsing and writing overlap: a thread reads blocks, one makes rows of them, and the lake's writer takes these.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
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
from op25b.readers.base import BOUNDARY, TABLE_OF, rejects
from op25b.readers.content import Known, examine, part
from op25b.readers.text import ahead, compression
from op25b.workspace import FlowInput, Input, LeaseInput, MailInput, SubscriberInput, Workspace

GROUP_FILES = 200
GROUP_BYTES = 256 * 2**20
SMALL_BYTES = 4 * 2**20
# A log written to this recently may end in half a record, which is left for the next time.
RECENT_SECONDS = 300
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
    content_bytes: int = 0
    offset: int = 0
    first_line: int = 1

    @property
    def rows_filtered(self) -> int:
        """Good rows that are none of our business."""
        return self.rows_read - self.rows_kept - self.rows_rejected


@dataclass
class _Job:
    """A file to be read now; `weight` is about how many bytes it has when it is unpacked."""

    result: FileResult
    source: Source
    format: Format
    weight: int
    scratch: Path
    batches: Iterator[Batch] = field(default_factory=lambda: iter(()))
    rejected: list[pl.DataFrame] = field(default_factory=list)

    @property
    def transaction(self) -> str:
        """What the lake's commits remember the file by."""
        return f"{self.format.kind}/{self.result.sha256}"

    def start(self) -> None:
        """Read the first batch (of a small file all), so that a file that fails before it is part of no commit."""
        self.batches = self._read()
        first: list[Batch] = []
        try:
            for batch in self.batches:
                first.append(batch)
                if self.weight > SMALL_BYTES:
                    break
        except (Op25bError, OSError) as error:
            if not first:
                self.result.state, self.result.error = "failed", str(error)
            self.batches = _raising(error)
        self.batches = itertools.chain(first, self.batches)

    def _read(self) -> Iterator[Batch]:
        """The batches of the part of the file that is to be read, its lines counted from the file's beginning."""
        result = self.result
        with part(result.path, result.offset, result.content_bytes, self.scratch) as path:
            try:
                for batch in self.format.read(replace(self.source, path=path)):
                    rejected = batch.rejected.with_columns(pl.col("line") + (result.first_line - 1))
                    yield replace(batch, rejected=rejected)
            except Op25bError as error:
                if path == result.path:
                    raise
                raise Op25bError(str(error).replace(str(path), str(result.path))) from error


def _raising(error: Exception) -> Iterator[Batch]:
    raise error
    yield


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
    known = _Known(lake)
    hashes = _Hashes(workspace.lake_path / ".hashes.json")
    results: dict[tuple[Kind, Path], FileResult] = {}
    jobs: list[_Job] = []
    for kind, settings in _inputs(workspace):
        paths = workspace.expand(settings.path)
        if not paths:
            path = workspace.root / settings.path
            results.setdefault((kind, path), FileResult(path, kind, "failed", error=(
                f"{settings.path}: no such file\n  check the path under [[inputs.{kind}]] in op25b.toml")))
        for path in paths:
            if (kind, path) not in results:
                result = results[kind, path] = FileResult(path, kind, "new")
                try:
                    job = _job(workspace, settings, result, hashes, known)
                except (Op25bError, OSError) as error:
                    result.state, result.error = "failed", str(error)
                else:
                    jobs += [job] if job else []
    hashes.save()
    return list(results.values()), jobs


def _job(workspace: Workspace, settings: Input, result: FileResult, hashes: _Hashes, known: _Known) -> _Job | None:
    """What to do with one file; None when it is still being written or all of its content is known."""
    path = result.path
    result.bytes = path.stat().st_size
    if path.name.startswith("nfcapd.current"):
        result.state = "open"
        return None
    result.sha256 = hashes.of(path) or ""
    if result.sha256 and known.holds(result.kind, result.sha256):
        result.state = "known"
        return None
    form, _ = choose(path, result.kind, settings.format)
    packed = compression(path) is not None
    recent = not packed and time.time() - path.stat().st_mtime < RECENT_SECONDS
    content = examine(path, known.of(result.kind), BOUNDARY.get(form.growth) if recent else None)
    result.sha256, result.content_bytes, result.format = content.sha256, content.length, form.name
    if not content.held_back:
        hashes.remember(path, content.sha256)
    if known.holds(result.kind, content.sha256) or (content.length == 0 and content.held_back):
        result.state = "known" if content.length else "open"
        return None
    source = source_of(workspace, path, settings)
    if content.before is not None and content.before.held_rows and form.growth != "again":
        if form.growth == "refused":
            raise InputError(path, "has grown since it was read, and its format cannot be read on from there",
                             "name finished files only under its input's path, for example rotated ones")
        result.offset, result.first_line = content.before.length, content.first_line
        source = replace(source, resume=content.before.last)
    known.add(result.kind, content.sha256)  # the same content may have a second name in this run
    weight = result.content_bytes - result.offset
    return _Job(result, source, form, weight, workspace.lake_path / ".parts")


class _Known:
    """The content whose accounting is in the lake, by kind."""

    def __init__(self, lake: Lake) -> None:
        files = lake.files("source_file")
        parts = [pl.read_parquet(file, glob=False) for file in files]
        rows = pl.concat([schema.SOURCE_FILE.empty(), *parts], how="diagonal_relaxed")
        self._hashes: dict[str, set[str]] = {}
        self._contents: dict[str, list[Known]] = {}
        for row in rows.iter_rows(named=True):
            self.add(row["kind"], row["sha256"])
            if row["content_bytes"] is None:  # read by an op25b that knew whole files only
                continue
            held_rows = row["rows_read"] > 0 or row["offset"] > 0
            self._contents.setdefault(row["kind"], []).append(
                Known(row["sha256"], row["content_bytes"], held_rows, row["last"]))

    def add(self, kind: str, sha256: str) -> None:
        """Content that this run reads."""
        self._hashes.setdefault(kind, set()).add(sha256)

    def holds(self, kind: str, sha256: str) -> bool:
        """Whether the content is read already, or will be in this run."""
        return sha256 in self._hashes.get(kind, ())

    def of(self, kind: str) -> list[Known]:
        """What a file of this kind may begin with."""
        return self._contents.get(kind, [])


def _inputs(workspace: Workspace) -> Iterator[tuple[Kind, Input]]:
    inputs = workspace.config.inputs
    for kind in ("subscribers", "leases", "mail", "flows"):
        for settings in getattr(inputs, kind):
            yield kind, settings


def source_of(workspace: Workspace, path: Path, settings: Input) -> Source:
    """A file with what its input's settings say of it."""
    site = workspace.config.site.timezone
    match settings:
        case FlowInput():
            return Source(path, settings.timezone or site, sampling_interval=settings.sampling_interval,
                          columns=settings.columns, time_unit=settings.time_unit, stated_timezone=settings.timezone)
        case MailInput():
            return Source(path, settings.timezone or site, year=settings.year)
        case LeaseInput():
            return Source(path, settings.timezone or site, year=settings.year, identify_by=settings.identify_by,
                          map_e=settings.map_e)
        case SubscriberInput():
            return Source(path, site, columns=settings.columns)
    msg = f"no such kind of input: {type(settings).__name__}"
    raise TypeError(msg)


def _groups(jobs: list[_Job]) -> Iterator[list[_Job]]:
    """Files of one kind that are committed together: many small ones, or one large one."""
    group: list[_Job] = []
    weight = 0
    for job in jobs:
        full = len(group) >= GROUP_FILES or weight + job.weight > GROUP_BYTES
        if group and (full or group[0].format.kind != job.format.kind):
            yield group
            group, weight = [], 0
        group.append(job)
        weight += job.weight
    if group:
        yield group


def _read_group(workspace: Workspace, lake: Lake, pseudonyms: Pseudonyms, group: list[_Job],
                progress: Progress) -> None:
    table = schema.raw_table(TABLE_OF[group[0].format.kind])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_Job.start, group))
    group = [job for job in group if job.result.state == "new"]
    if not group:
        return
    names = [job.transaction for job in group]
    there = lake.holds(table.name, names)

    def frames() -> Generator[pl.DataFrame, None, None]:
        for job in group:
            for frame in _frames(workspace, pseudonyms, table, job):
                if job.transaction not in there:
                    yield frame
            progress(workspace.shown(job.result.path), job.result.bytes)

    rows = (batch for frame in ahead(frames()) for batch in _arrow(frame).to_batches())
    missing = [name for name in names if name not in there]
    if missing:
        lake.append(table.name, pa.RecordBatchReader.from_batches(_arrow(table.empty()).schema, rows), missing)
    else:  # an earlier run wrote the rows and died before the accounting: read again for the counts alone
        for _ in rows:
            pass
    _append(lake, schema.REJECTED, {
        job.transaction: pl.concat(job.rejected).with_columns(source=pl.lit(job.result.sha256))
        for job in group if job.rejected
    })
    now = datetime.now(UTC).replace(tzinfo=None)
    _append(lake, schema.SOURCE_FILE, {
        job.transaction: pl.DataFrame([_account(workspace, job.result, now)], schema=schema.SOURCE_FILE.schema)
        for job in group
    })


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """The frame as Arrow, strings as views: nothing is copied."""
    return frame.to_arrow(compat_level=pl.CompatLevel.newest())


def _append(lake: Lake, table: schema.Table, frames: dict[str, pl.DataFrame]) -> None:
    """Append the frames of those transactions that the table does not hold yet."""
    there = lake.holds(table.name, frames)
    missing = [name for name in frames if name not in there]
    if missing:
        lake.append(table.name, table.conform(pl.concat([frames[name] for name in missing])).to_arrow(), missing)


def _account(workspace: Workspace, result: FileResult, now: datetime) -> dict[str, Any]:
    return {
        **{name: getattr(result, name) for name in schema.SOURCE_FILE.schema if name not in {"path", "at"}},
        "path": workspace.shown(result.path), "at": now,
    }


def _frames(workspace: Workspace, pseudonyms: Pseudonyms, table: schema.Table, job: _Job) -> Iterator[pl.DataFrame]:
    """The rows of one file, ready for the lake; fills in the job's accounting on the way."""
    result = job.result
    when = _TIME_OF[table.name]
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
            if when is not None:
                first, last = frame.select(pl.col(when).min().alias("a"), pl.col(when).max().alias("b")).row(0)
                result.first = min(filter(None, (result.first, first)), default=None)
                result.last = max(filter(None, (result.last, last)), default=None)
            if table.partitioned and when is not None:
                local = pl.col(when).dt.replace_time_zone("UTC").dt.convert_time_zone(workspace.config.site.timezone)
                frame = frame.with_columns(local.dt.date().alias("day"))
            yield table.conform(frame)
    except (Op25bError, OSError) as error:  # what came before is whole and kept; the rest counts as one rejected row
        result.error = str(error)
        result.rows_read += 1
        result.rows_rejected += 1
        job.rejected.append(rejects([(None, None, str(error), None)]))


class _Hashes:
    """SHA-256 of files; remembered by path, size and modification time, so that a run with nothing new is quick."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, list[Any]] = {}
        try:
            known = json.loads(cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = None
        if isinstance(known, dict):
            self._known = {path: entry for path, entry in known.items() if isinstance(entry, list) and len(entry) == 3}
        self._used: dict[str, list[Any]] = {}

    def of(self, path: Path) -> str | None:
        """The hash of the content, where the file has not changed since it was remembered."""
        status = path.stat()
        entry = self._known.get(str(path))
        if entry is None or entry[:2] != [status.st_size, status.st_mtime_ns]:
            return None
        self._used[str(path)] = entry
        return str(entry[2])

    def remember(self, path: Path, sha256: str) -> None:
        """The hash of the whole content of a file as it is now."""
        status = path.stat()
        self._used[str(path)] = [status.st_size, status.st_mtime_ns, sha256]

    def save(self) -> None:
        """Remember what was asked for in this run."""
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._cache.with_suffix(".new")
        temporary.write_text(json.dumps(self._used), encoding="utf-8")
        temporary.replace(self._cache)
