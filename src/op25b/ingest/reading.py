"""New files → rows ready for the lake: several files at a time, in batches, with bounded memory."""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import polars as pl

from op25b import durable, schema
from op25b.errors import Op25bError, StoppedError
from op25b.ingest.files import FileResult, NewFile
from op25b.names import escaped
from op25b.pseudonyms import Pseudonyms
from op25b.readers import Batch
from op25b.readers.base import rejects
from op25b.readers.content import part
from op25b.readers.text import bytes_read

SMALL_BYTES = 4 * 2**20
# Rows of a group's files that are read before it is known what the lake calls the files.
HELD_BYTES = 48 * 2**20
WORKERS = os.cpu_count() or 1
# When a row is of, which tells its day, and the column of its latest time, which tells the days that a row reaches.
_TIME_OF = {"flow": "first_seen", "mail_event": "at", "lease_record": "at", "subscriber_record": None}
_END_OF = {**_TIME_OF, "flow": "last_seen"}
# More minutes than this between the first and the last row are looked at one by one.
_MANY_MINUTES = 1_000_000


@dataclass
class Job:
    """A file being read; `rejected` collects its rejected rows."""

    file: NewFile
    scratch: Path
    held_bytes: int = HELD_BYTES
    batches: Iterator[Batch] = field(default_factory=lambda: iter(()))
    rejected: list[pl.DataFrame] = field(default_factory=list)
    done: bool = False
    _opened: Path | None = None

    @property
    def result(self) -> FileResult:
        """The file's accounting."""
        return self.file.result

    @property
    def rejected_rows(self) -> pl.DataFrame:
        """The rows of the file that could not be read, so far."""
        return pl.concat([schema.REJECTED.empty().drop("source"), *self.rejected]).with_columns(
            source=pl.lit(self.result.sha256))

    @property
    def bytes_done(self) -> int:
        """How many bytes of the file on disk are read, about."""
        size = self.result.bytes
        if self.done or self._opened is None:
            return size if self.done else 0
        whole = size if self._opened == self.result.path else self.file.weight
        return min(size, size * bytes_read(self._opened) // max(whole, 1))

    def start(self) -> None:
        """Read the first batch (of a small file all), so that a file that fails before it is part of no commit.

        A large file is hashed meanwhile, and its first batches are held until the hash is known.
        """
        self.batches = self._read()
        first: list[Batch] = []
        with ThreadPoolExecutor(1) as pool:
            hashed = pool.submit(self.file.hash)
            try:
                for batch in self.batches:
                    first.append(batch)
                    enough = hashed.done() or sum(held.rows.estimated_size() for held in first) > self.held_bytes
                    if self.file.weight > SMALL_BYTES and enough:
                        break
            except (Op25bError, OSError) as error:
                if durable.is_full(error):
                    raise
                if not first or isinstance(error, StoppedError):
                    self._fail(error)
                self.batches = _raising(error)
            try:
                hashed.result()
            except (Op25bError, OSError) as error:
                self._fail(error)
        self.batches = itertools.chain(first, self.batches)

    def _fail(self, error: Exception) -> None:
        self.result.state, self.result.error = "failed", str(error)

    def _read(self) -> Iterator[Batch]:
        """The batches of the part of the file that is to be read, its lines counted from the file's beginning."""
        result, form = self.result, self.file.format
        with part(result.path, result.offset, result.content_bytes, self.scratch,
                  context=form.remembers, damaged=self.file.damaged) as (path, known):
            self._opened = path
            try:
                for batch in form.read(replace(self.file.source, path=path, known_lines=known)):
                    rejected = batch.rejected.with_columns(pl.col("line") + (result.first_line - 1 - known))
                    yield replace(batch, rejected=rejected)
                self.file.refuse_replaced()
            except Op25bError as error:
                self.file.refuse_replaced()
                if isinstance(error, StoppedError):
                    where = f"{result.path}: " if escaped(str(result.path)) not in str(error) else ""
                    msg = f"{where}{error}"
                    raise StoppedError(msg) from error
                if path == result.path:
                    raise
                raise Op25bError(str(error).replace(escaped(str(path)), str(result.path))) from error

    def frames(self, pseudonyms: Pseudonyms, table: schema.Table, timezone: str,
               expired: date | None = None) -> Iterator[pl.DataFrame]:
        """The rows of the file, ready for the lake; fills in the file's accounting on the way.

        Of days up to `expired` the lake keeps nothing any more: their rows count as filtered.
        """
        result = self.result
        when, until = _TIME_OF[table.name], _END_OF[table.name]
        try:
            for batch in self.batches:
                result.rows_read += batch.rows_read
                result.rows_kept += batch.rows_kept
                result.rows_rejected += batch.rejected.height
                if batch.rejected.height:
                    self.rejected.append(batch.rejected)
                    result.reasons.update(batch.rejected["reason"])
                if batch.rows.is_empty():
                    continue
                frame = pseudonyms.replace(batch.rows, table.pseudonyms).with_columns(source=pl.lit(result.sha256))
                if table.partitioned and when is not None:
                    frame = frame.with_columns(local_days(frame[when], timezone).alias("day"))
                    if expired is not None:
                        recent = frame.filter(pl.col("day") > expired)
                        # Where an input row may give several, by their share; it gives them on one day.
                        result.rows_kept -= -(-batch.rows_kept * (frame.height - recent.height) // frame.height)
                        frame = recent
                if frame.is_empty():
                    continue
                if when is not None and until is not None:
                    first, last = frame.select(pl.col(when).min().alias("a"), pl.col(until).max().alias("b")).row(0)
                    result.first = min(filter(None, (result.first, first)), default=None)
                    result.last = max(filter(None, (result.last, last)), default=None)
                yield table.conform(frame)
        except (Op25bError, OSError) as error:  # what came before is whole and kept; the rest is one rejected row
            if isinstance(error, StoppedError) or durable.is_full(error):  # this says nothing about the input
                raise
            result.error = str(error)
            result.rows_read += 1
            result.rows_rejected += 1
            result.reasons[str(error)] += 1
            self.rejected.append(rejects([(None, None, str(error), None)]))
        self.done = True


def _raising(error: Exception) -> Iterator[Batch]:
    raise error
    yield


def local_days(times: pl.Series, timezone: str) -> pl.Series:
    """The local date of each time (UTC)."""
    minutes = times.dt.epoch("us") // 60_000_000
    first, last = minutes.min(), minutes.max()
    if not isinstance(first, int) or not isinstance(last, int) or last - first > _MANY_MINUTES:
        return _dates(times, timezone)
    # Clocks change at whole minutes, and there are few of these in a batch.
    each = (pl.int_range(first, last + 1, eager=True) * 60_000_000).cast(pl.Datetime("us"))
    return _dates(each, timezone).gather(minutes - first)


def _dates(times: pl.Series, timezone: str) -> pl.Series:
    return times.dt.replace_time_zone("UTC").dt.convert_time_zone(timezone).dt.date()


def together(jobs: Sequence[Job], frames: Callable[[Job], Iterator[pl.DataFrame]]) -> Generator[tuple[
        Job, pl.DataFrame], None, None]:
    """The frames of several jobs, read at the same time; those of one job come in their order."""
    coming: queue.Queue[tuple[Job, pl.DataFrame] | Job | BaseException] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def put(item: tuple[Job, pl.DataFrame] | Job | BaseException) -> bool:
        while not stopped.is_set():
            try:
                coming.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work(job: Job) -> None:
        try:
            for frame in frames(job):
                if not put((job, frame)):
                    return
            put(job)
        except BaseException as error:  # noqa: BLE001  # raised again where the frames are taken
            put(error)

    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for job in jobs:
                pool.submit(work, job)
            left = len(jobs)
            while left:
                match coming.get():
                    case BaseException() as error:
                        raise error
                    case Job():
                        left -= 1
                    case found:
                        yield found
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
