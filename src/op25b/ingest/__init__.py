"""Input files → reader → lake, each file exactly once, with an accounting row per file.

Files are told apart by their kind and the SHA-256 of their content, decompressed; of a log that has grown only the new
end is read. The rows of a group of files are one commit, and those that could not be read and the accounting follow in
two more, each carrying the files' names as transactions. A journal (`ingest.journal`), written before the first of the
three, has what the other two say: after a crash at any point the next run first finishes what was begun, whatever
became of the files since, and only then looks for what is new.

Several files are read at a time, and reading, parsing and writing overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from arro3.core import RecordBatchReader, Table

from op25b import lake_zone, leftovers, parts, schema
from op25b.ingest.files import FileResult, Hashes, NewFile, find, plan, source_of
from op25b.ingest.journal import Journal
from op25b.ingest.reading import HELD_BYTES, WORKERS, Job, together
from op25b.lake import Lake
from op25b.pseudonyms import Pseudonyms
from op25b.readers.base import TABLE_OF
from op25b.readers.text import BLOCK_BYTES, ahead
from op25b.workspace import Workspace

__all__ = ["FileResult", "Progress", "Writing", "ingest", "source_of"]

GROUP_FILES = 200
# Of each file of a group the first block is in memory at the same time.
GROUP_FIRST_BYTES = 256 * 2**20
GROUP_BYTES = 2**31
# The writer holds several batches, so they are small.
BATCH_ROWS = 2**16


@dataclass
class Progress:
    """How far an ingestion is: files and their bytes on disk, of how many; input rows read."""

    files: int
    bytes: int
    files_done: int = 0
    bytes_done: int = 0
    rows_read: int = 0
    now: str = ""


def ingest(workspace: Workspace, progress: Callable[[Progress], None] = lambda _: None,
           writing: type[Writing] | None = None) -> list[FileResult]:
    """Read every new input file of the settings into the lake; one result per file, in the settings' order.

    `progress` is called after each batch of rows. An unreadable file fails alone: its result says why. `writing` reads
    and commits the files, in this process by default.
    """
    lake = Lake(workspace.lake_path)
    with lake.writing("ingest"):
        pseudonyms = Pseudonyms.load(workspace.key_path, lake.root, writes=True)
        if lake_zone.noted(lake.root) is None or not {"flow", "mail_event"} & set(lake.tables()):
            lake_zone.note(workspace)  # nothing was put to days by it yet
        lake_zone.refuse_others(workspace)
        leftovers.remove(workspace)
        Journal(lake).finish()
        hashes = Hashes(workspace.lake_path / ".hashes.json")
        results, named = find(workspace)
        state = Progress(0, 0)
        writer = (writing or Writing)(workspace, lake, pseudonyms, state, progress)
        try:
            while named:
                new, named = plan(workspace, lake, hashes, named)
                state.files += len(new)
                state.bytes += sum(file.result.bytes for file in new)
                progress(state)
                writer.write(new)
        finally:
            hashes.save()
    return results


def _groups(files: list[NewFile]) -> Iterator[list[NewFile]]:
    """Files of one kind that are committed together: many small ones, or a few large ones."""
    group: list[NewFile] = []
    for file in files:
        after = [*group, file]
        full = len(after) > GROUP_FILES or sum(other.weight for other in after) > GROUP_BYTES or sum(
            min(other.weight, BLOCK_BYTES) for other in after) > GROUP_FIRST_BYTES
        if group and (full or group[0].format.kind != file.format.kind):
            yield group
            group = []
        group.append(file)
    if group:
        yield group


class Writing:
    """Writes groups of files; while one group is written, the first rows of the next one are read."""

    def __init__(self, workspace: Workspace, lake: Lake, pseudonyms: Pseudonyms, state: Progress,
                 progress: Callable[[Progress], None]) -> None:
        self._workspace, self._lake, self._pseudonyms = workspace, lake, pseudonyms
        self._journal, self._state, self._progress = Journal(lake), state, progress
        self._finished = 0

    def write(self, files: list[NewFile]) -> None:
        """Write all files, group by group."""
        scratch = self._workspace.scratch_path
        with ThreadPoolExecutor(WORKERS) as pool:
            def started(group: list[NewFile]) -> list[tuple[Job, Future[None]]]:
                jobs = [Job(file, scratch, HELD_BYTES // len(group)) for file in group]
                return [(job, pool.submit(job.start)) for job in jobs]

            groups = _groups(files)
            coming = started(next(groups, []))
            parts.load()
            while coming:
                jobs = []
                for job, start in coming:
                    start.result()
                    jobs.append(job)
                coming = started(next(groups, []))
                self._group(jobs)

    def _group(self, jobs: list[Job]) -> None:
        failed = [job for job in jobs if job.result.state != "new"]
        jobs = [job for job in jobs if job.result.state == "new"]
        if jobs:
            self._commit(jobs)
        self._finished += sum(job.result.bytes for job in [*jobs, *failed])
        self._state.files_done += len(jobs) + len(failed)
        self._state.bytes_done = self._finished
        self._progress(self._state)

    def _commit(self, jobs: list[Job]) -> None:
        table = schema.raw_table(TABLE_OF[jobs[0].file.format.kind])
        names = [job.file.transaction for job in jobs]
        there = self._lake.holds(table.name, names)
        missing = [name for name in names if name not in there]
        failure: list[BaseException] = []

        def rows() -> Iterator[Any]:
            try:
                for frame in ahead(self._frames(jobs, table, there)):
                    for part in frame.iter_slices(BATCH_ROWS):
                        yield from Table(part).to_batches()
                self._note(table, jobs)  # nothing is committed before this ends
            except (Exception, KeyboardInterrupt) as error:
                failure.append(error)
                raise

        if missing:
            # Arrow by arro3, which deltalake brings along: importing pyarrow takes as long as reading 100,000 lines.
            batches = RecordBatchReader.from_batches(Table(table.empty()).schema, rows())
            try:
                self._lake.append(table.name, batches, missing)
            except Exception as error:
                if failure:  # of which deltalake tells the words only
                    raise failure[0] from error
                raise
        else:  # the rows are there, but neither their accounting nor a journal: read again for the counts alone
            for _ in rows():
                pass
        self._journal.finish()

    def _note(self, table: schema.Table, jobs: list[Job]) -> None:
        """Write the journal, when all is read and counted and nothing is committed yet."""
        now = datetime.now(UTC).replace(tzinfo=None)
        self._journal.write(table.name, [
            (job.file.transaction, _account(self._workspace, job.result, now), job.rejected_rows) for job in jobs
        ])

    def _frames(self, jobs: list[Job], table: schema.Table, there: set[str]) -> Generator[pl.DataFrame, None, None]:
        """The rows that are not in the lake yet."""
        timezone, expired = self._workspace.config.site.timezone, self._lake.horizons().get(table.name)
        rows_before = self._state.rows_read
        for job, frame in together(jobs, lambda job: job.frames(self._pseudonyms, table, timezone, expired)):
            self._state.now = self._workspace.shown(job.result.path)
            self._state.bytes_done = self._finished + sum(each.bytes_done for each in jobs)
            self._state.rows_read = rows_before + sum(each.result.rows_read for each in jobs)
            self._progress(self._state)
            if job.file.transaction not in there:
                yield frame
        self._state.rows_read = rows_before + sum(each.result.rows_read for each in jobs)


def _account(workspace: Workspace, result: FileResult, now: datetime) -> dict[str, Any]:
    return {
        **{name: getattr(result, name) for name in schema.SOURCE_FILE.schema if name not in {"path", "at"}},
        "path": workspace.shown(result.path), "at": now,
    }
