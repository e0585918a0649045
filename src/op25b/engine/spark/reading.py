"""Reads input files on Spark: a task per file, in which the reader runs as it does otherwise and writes Parquet files.

A task tells this process what it has read: the accounting, the rows it could not read, and the files with the others.
Only files of which it was told become part of a table, so attempts that failed or ran twice leave no row. The journal
and the three commits of a group are the same as without Spark. The key of the pseudonyms is read where it is needed: it
never passes through Spark.
"""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from op25b import durable, schema
from op25b.engine.spark.session import require, session, staging
from op25b.errors import EngineError, Op25bError, StoppedError
from op25b.ingest import Writing
from op25b.ingest.files import FileResult, NewFile
from op25b.ingest.reading import Job
from op25b.lake import Part
from op25b.names import escaped
from op25b.parts import DayFiles
from op25b.pseudonyms import Pseudonyms
from op25b.readers.base import TABLE_OF
from op25b.readers.content import Content

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    from pyspark.sql import SparkSession

# What is committed together is read again after a crash, but a cluster needs much to do at a time.
GROUP_FILES = 2000
GROUP_BYTES = 2**36
_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class _Setting:
    """What all tasks of a group share."""

    table: schema.Table
    timezone: str
    key: Path
    lake: Path
    scratch: Path
    target: Path
    expired: date | None  # the last day of which the lake keeps nothing any more


@dataclass(frozen=True)
class _Told:
    """What a task tells of its file; `content` where it was the task that hashed it.

    `full` where no room was left; `problem` is an error that is not the file's own, such as a key that is not there.
    """

    result: FileResult
    rejected: list[pl.DataFrame] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    content: Content | None = None
    full: bool = False
    problem: str = ""


class SparkWriting(Writing):
    """Reads groups of files on Spark and commits them here, one group after the other."""

    def write(self, files: list[NewFile]) -> None:
        """Write all files, group by group."""
        require()
        if not files:
            return
        shutil.rmtree(staging(self._lake.root), ignore_errors=True)  # what a killed run left
        try:
            with session(self._workspace, "ingest") as spark:
                for group in _groups(files):
                    self._read(spark, group)
        finally:
            for directory in (staging(self._lake.root), self._workspace.scratch_path):
                shutil.rmtree(directory, ignore_errors=True)  # also what tasks of a lost worker left

    def _read(self, spark: SparkSession, group: list[NewFile]) -> None:
        table = schema.raw_table(TABLE_OF[group[0].format.kind])
        setting = _Setting(table, self._workspace.config.site.timezone, self._workspace.key_path, self._lake.root,
                           self._workspace.scratch_path, staging(self._lake.root) / str(uuid4()),
                           self._lake.horizons().get(table.name))
        answers = self._told(spark, setting, group)
        jobs = []
        for file, each in zip(group, answers, strict=True):
            if each.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(setting.target))
            if each.problem:
                msg = f"on a worker of Spark: {each.problem}"
                raise EngineError(msg)
            for told in fields(FileResult):
                setattr(file.result, told.name, getattr(each.result, told.name))
            if each.content is not None and file.hashed is not None:
                try:
                    file.hashed(each.content)
                except StoppedError as error:
                    file.result.state, file.result.error = "failed", str(error)
            if file.result.state == "new":
                jobs.append(Job(file, setting.scratch, rejected=each.rejected))
        if jobs:
            self._put(table, jobs, {file.transaction: each.parts for file, each in zip(group, answers, strict=True)})
        shutil.rmtree(setting.target, ignore_errors=True)
        self._finished += sum(file.result.bytes for file in group)
        self._state.bytes_done = self._finished
        self._state.files_done += len(group)
        self._state.rows_read += sum(job.result.rows_read for job in jobs)
        self._progress(self._state)

    def _put(self, table: schema.Table, jobs: list[Job], parts: dict[str, list[Part]]) -> None:
        """Commit the rows, the rejected rows and the accounting of a group."""
        names = [job.file.transaction for job in jobs]
        there = self._lake.holds(table.name, names)
        missing = [name for name in names if name not in there]
        moved = [replace(part, path=part.path.rename(self._lake.part_path(table.name, part.day)))
                 for name in missing for part in parts[name]]
        self._note(table, jobs)
        if missing:
            self._lake.add(table.name, table.empty().to_arrow().schema, moved, missing)
        self._journal.finish()

    def _told(self, spark: SparkSession, setting: _Setting, group: list[NewFile]) -> list[_Told]:
        """What the tasks tell, in the order of the files."""
        tasks = [(replace(file, hashed=None), file.hashed is not None) for file in group]
        numbers = spark.range(0, len(tasks), 1, len(tasks))  # as many tasks as files
        rows = numbers.mapInArrow(_reader(setting, tasks), "number BIGINT, told BINARY")
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(rows.toArrow)
            try:
                while not wait([found], _SECONDS_BETWEEN_LOOKS).done:
                    self._look(spark, group)
            except BaseException:
                spark.sparkContext.cancelAllJobs()
                raise
            table: pa.Table = found.result()
        by_number = dict(zip(table["number"].to_pylist(), table["told"].to_pylist(), strict=True))
        return [pickle.loads(by_number[number] or b"") for number in range(len(tasks))]  # noqa: S301  # of our own tasks

    def _look(self, spark: SparkSession, group: list[NewFile]) -> None:
        """Report how many of the group's tasks are done."""
        tracker = spark.sparkContext.statusTracker()
        stages = map(tracker.getStageInfo, tracker.getActiveStageIds())
        done = sum(stage.numCompletedTasks for stage in stages if stage is not None)
        self._state.now = self._workspace.shown(group[min(done, len(group) - 1)].result.path)
        self._state.bytes_done = self._finished + sum(file.result.bytes for file in group) * done // len(group)
        self._progress(self._state)


def _groups(files: list[NewFile]) -> Iterator[list[NewFile]]:
    """Files of one kind that are committed together."""
    group: list[NewFile] = []
    for file in files:
        full = len(group) >= GROUP_FILES or sum(other.weight for other in group) + file.weight > GROUP_BYTES
        if group and (full or group[0].format.kind != file.format.kind):
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def _reader(setting: _Setting, tasks: list[tuple[NewFile, bool]]
            ) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What a task does with the numbers of its files."""
    def read(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        for batch in batches:
            for number in batch["id"].to_pylist():
                told = pickle.dumps(_tell(setting, *tasks[number]))
                yield pyarrow.RecordBatch.from_pylist([{"number": number, "told": told}])

    return read


def _tell(setting: _Setting, file: NewFile, hashes: bool) -> _Told:
    """Read one file, in a task; an error that is not the file's own names no more than its kind and the file."""
    try:
        return _read_file(setting, file, hashes)
    except Op25bError as error:
        return _Told(file.result, problem=str(error))
    except Exception as error:  # noqa: BLE001  # what it says may be from the file, and would come into Spark's logs
        if durable.is_full(error):
            return _Told(file.result, full=True)
        msg = f"{type(error).__name__} while {escaped(str(file.result.path))} was read"
        raise RuntimeError(msg) from None


def _read_file(setting: _Setting, file: NewFile, hashes: bool) -> _Told:
    contents: list[Content] = []

    def hashed(content: Content) -> None:
        file.result.sha256, file.result.content_bytes = content.sha256, content.length
        contents.append(content)

    job = Job(replace(file, hashed=hashed if hashes else None), setting.scratch)
    job.start()
    parts: list[Part] = []
    if job.result.state == "new":
        pseudonyms = Pseudonyms.load(setting.key, setting.lake)
        setting.target.mkdir(parents=True, exist_ok=True)
        writer = DayFiles(lambda _day: setting.target / f"{uuid4()}.parquet")
        for frame in job.frames(pseudonyms, setting.table, setting.timezone, setting.expired):
            writer.write(frame)
        parts = writer.close()
    return _Told(job.result, job.rejected, parts, contents[0] if contents else None)
