"""Which input files there are, and what of each is new: told by the SHA-256 of its content, decompressed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from op25b.errors import InputError, Op25bError, StoppedError
from op25b.ingest.accounted import Accounted
from op25b.lake import Lake
from op25b.names import unescaped
from op25b.readers import Format, Kind, Source, choose
from op25b.readers.base import BOUNDARY
from op25b.readers.content import (
    HEAD_BYTES,
    Content,
    Known,
    end_of_records,
    examine,
    marks_of,
    may_be_known,
    note_of,
    shown_whole,
    start_of,
)
from op25b.readers.text import compression
from op25b.settings import FlowInput, Input, LeaseInput, MailInput, SubscriberInput
from op25b.workspace import Workspace

# A log written to this recently may end in half a record, which is left for the next time.
RECENT_SECONDS = 300
# Files larger than this are read while they are hashed, where their start says that they are new.
LARGE_BYTES = 4 * 2**20
# How much larger a compressed log is when it is unpacked, about.
_UNPACKED = 8


@dataclass
class FileResult:
    """What became of one input file.

    `new`: read now; `known`: its content was read before; `open`: it is still being written; `failed`: see `error`.
    `reasons` counts why rows were rejected.
    """

    path: Path
    kind: Kind
    state: str
    sha256: str = ""
    head: str | None = None
    marks: str | None = None
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
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def rows_filtered(self) -> int:
        """Good rows that are none of our business."""
        return self.rows_read - self.rows_kept - self.rows_rejected


@dataclass(frozen=True)
class NewFile:
    """A file with new content; `weight` is about how many bytes of it are to be read when it is unpacked.

    A file that was not hashed yet, up to `end`, is to be before its rows are written: `hashed` takes what was found.
    Of one that was, it is known whether it is `damaged`.
    """

    result: FileResult
    source: Source
    format: Format
    weight: int
    status: os.stat_result
    end: int | None = None
    hashed: Callable[[Content], None] | None = None
    damaged: bool = False

    def hash(self) -> None:
        """Hash the file where that is still to be done."""
        if self.hashed is not None:
            self.hashed(examine(self.result.path, (), end=self.end, record_end=_record_end(self.format)))

    def refuse_replaced(self) -> None:
        """`StoppedError` where the name is another file's by now, as when a log was rotated while it was read."""
        try:
            now = self.result.path.stat()
            # Another machine may have other numbers for devices, on some file systems for files too.
            same = (now.st_ino == self.status.st_ino and now.st_size >= self.status.st_size) or (
                now.st_size, now.st_mtime_ns) == (self.status.st_size, self.status.st_mtime_ns)
        except FileNotFoundError:
            same = False
        if not same:
            msg = (f"{self.result.path}: was replaced while it was read, perhaps rotated\n"
                   "  run the same command again: nothing of it was kept")
            raise StoppedError(msg)

    @property
    def transaction(self) -> str:
        """What the lake's commits remember the file by."""
        return f"{self.format.kind}/{self.result.sha256}"


@dataclass(frozen=True)
class _Found:
    """What a file is, before its content is hashed: `end` is where its last whole record ends.

    A file that `is_new` begins with no content that is known, by the hash of its first bytes, `head`. One that is
    `just_packed` may still be on the way: `gzip` keeps the log until its copy is whole, so both are there meanwhile.
    With a `problem` its format is only that of known content that it may be the beginning of.
    """

    form: Format
    status: os.stat_result
    boundary: bytes | None
    end: int | None
    head: str
    marks: tuple[bytes, ...]
    is_new: bool
    just_packed: bool
    problem: str


Named = tuple[FileResult, Input]


def _record_end(form: Format) -> bytes:
    """What ends a record of a format in any case."""
    return BOUNDARY.get(form.growth, b"\n")


def find(workspace: Workspace) -> tuple[list[FileResult], list[Named]]:
    """One result per input file, in the settings' order, and those files that are there, with their settings."""
    results: dict[tuple[Kind, Path], FileResult] = {}
    named: list[Named] = []
    for kind, settings in _inputs(workspace):
        paths = workspace.expand(settings.path)
        if not paths:
            path = workspace.root / Path(settings.path).expanduser()
            inside = f'is a directory\n  name the files in it: path = "{settings.path.rstrip("/")}/*"'
            problem = inside if path.is_dir() else "no such file\n  check the path"
            results.setdefault((kind, path), FileResult(path, kind, "failed", error=(
                f"{settings.path}: {problem} under [[inputs.{kind}]] in op25b.toml")))
        for path in paths:
            if (kind, path) not in results:
                result = results[kind, path] = FileResult(path, kind, "new")
                named.append((result, settings))
    return list(results.values()), named


def plan(workspace: Workspace, lake: Lake, hashes: Hashes, named: Sequence[Named]) -> tuple[
        list[NewFile], list[Named]]:
    """What there is to read of these files, and those to be planned again when that is in the lake.

    A file that begins with another one, as where a log and a copy of its beginning are both there, waits for that one:
    then its beginning is known, and only the rest is read. Of a copy of the beginning of what is known nothing is read.
    """
    look = _Look(workspace, hashes, Accounted(lake))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda file: look.first(*file), named))
        # What begins like another file of this run may be the same or begin with it, so both are hashed first.
        begins = _beginnings([(file.kind, each) for (file, _), each in zip(named, found, strict=True)])
        shared = {place for places in begins for place in places}
        alone = [not places and place not in shared for place, places in enumerate(begins)]
        contents = list(pool.map(lambda file, *each: look.second(file[0], *each), named, found, alone))
        results = [file for file, _ in named]
        lie = _places(results, contents)
        wholes = list(pool.map(partial(look.whole, lie), results, found, contents))
        others = [[contents[place] for place in places if wholes[place] is None] for places in begins]
        waits = list(pool.map(look.waits, results, found, contents, wholes, others))
    each = zip(named, found, contents, wholes, waits, strict=True)
    new = [look.at(*file, what, content, whole) for file, what, content, whole, wait in each if not wait]
    return [file for file in new if file], [file for file, wait in zip(named, waits, strict=True) if wait]


def _beginnings(found: Sequence[tuple[Kind, _Found | None]]) -> list[list[int]]:
    """For each file the places of the others of its kind that it may begin with, by their marks."""
    ends: dict[tuple[Kind, int, bytes], list[int]] = {}
    for place, (kind, each) in enumerate(found):
        if each and each.marks:
            ends.setdefault((kind, len(each.marks), each.marks[-1]), []).append(place)
    return [[place for length, mark in enumerate(each.marks if each else (), 1)
             for place in ends.get((kind, length, mark), ()) if place != own] for own, (kind, each) in enumerate(found)]


def _places(results: Sequence[FileResult], contents: Sequence[Content | None]) -> dict[tuple[Kind, str], list[Path]]:
    """Where content that was hashed, in this run or before, lies now: by kind and hash."""
    places: dict[tuple[Kind, str], list[Path]] = {}
    for result, content in zip(results, contents, strict=True):
        if sha256 := content.sha256 if content else result.sha256:
            places.setdefault((result.kind, sha256), []).append(result.path)
    return places


class _Look:
    """Looks at files: at each alone (any number at a time), then at one after the other."""

    def __init__(self, workspace: Workspace, hashes: Hashes, known: Accounted) -> None:
        self._workspace, self._hashes, self._known = workspace, hashes, known

    def first(self, result: FileResult, settings: Input) -> _Found | None:
        """What the file is; None of one still being written, unchanged since it was read, or unreadable."""
        path = result.path
        try:
            result.bytes = path.stat().st_size
            if path.name.startswith("nfcapd.current"):
                result.state = "open"
                return None
            result.sha256 = self._hashes.of(path) or ""
            if result.sha256 and self._known.holds(result.kind, result.sha256):
                result.state = "known"
                return None
            start = start_of(path)
            marks = marks_of(start)
            form, problem = self._form(result, settings, note_of(marks, len(start)))
            status, packed = path.stat(), compression(path) is not None
            recent = time.time() - status.st_mtime < RECENT_SECONDS
            boundary = BOUNDARY.get(form.growth) if recent and not packed else None
            end = None if packed else end_of_records(path, status.st_size, boundary)
            is_new = not problem and status.st_size > LARGE_BYTES and (packed or end is not None) and not may_be_known(
                start, self._known.of(result.kind))
            return _Found(form, status, boundary, end, hashlib.sha256(start).hexdigest(), marks, is_new,
                          recent and packed, problem)
        except (Op25bError, OSError) as error:
            result.state, result.error = "failed", str(error)
            return None

    def _form(self, result: FileResult, settings: Input, note: str) -> tuple[Format, str]:
        """A file's format, and what is wrong; so little of a log that it could be anything is of the log's."""
        try:
            return choose(result.path, result.kind, settings.format)[0], ""
        except InputError as error:
            begun = self._known.begun(result.kind, note, 0)
            if not begun:
                raise
            return choose(result.path, result.kind, begun[0][2])[0], str(error)

    def second(self, result: FileResult, found: _Found | None, alone: bool) -> Content | None:
        """The content of a file that may be known, or that is not `alone` in how it begins; None of others."""
        if found is None or (found.is_new and alone):
            return None
        try:
            return examine(result.path, self._known.of(result.kind), found.boundary,
                           record_end=_record_end(found.form))
        except (Op25bError, OSError) as error:
            result.state, result.error = "failed", str(error)
            return None

    def whole(self, places: dict[tuple[Kind, str], list[Path]], result: FileResult, found: _Found | None,
              content: Content | None) -> Known | None:
        """The known content that a file is a copy of the beginning of, where a file shows that: it has both.

        That is looked for where the content was read, and where it lies now.
        """
        if not found or not content or not content.length or self._known.holds(result.kind, content.sha256):
            return None
        begun: dict[Path, list[Known]] = {}
        for path, known, _ in self._known.begun(result.kind, note_of(found.marks, content.length), content.length):
            there = {self._workspace.root / path, self._workspace.root / unescaped(path)}
            for place in {*there, *places.get((result.kind, known.sha256), ())}:
                begun.setdefault(place, []).append(known)
        shown = (shown_whole(place, content, known) for place, known in begun.items())
        whole = next(filter(None, shown), None)
        if whole is None and found.problem:
            result.state, result.error = "failed", found.problem
        return whole

    def waits(self, result: FileResult, found: _Found | None, content: Content | None, whole: Known | None,
              others: Sequence[Content | None]) -> bool:
        """Whether a file begins with the shorter content of one of the others, so far as that is not known already."""
        if found is None or content is None or whole or result.state == "failed" or self._known.holds(
                result.kind, content.sha256):
            return False
        shorter = [Known(other.sha256, other.length, held_rows=True, last=None) for other in others
                   if other and other.length < content.length and not self._known.holds(result.kind, other.sha256)]
        if not shorter:
            return False
        try:
            begun = examine(result.path, [*self._known.of(result.kind), *shorter], found.boundary,
                            record_end=_record_end(found.form))
        except (Op25bError, OSError):
            return False  # it will fail alone
        return begun.before in shorter

    def at(self, result: FileResult, settings: Input, found: _Found | None, content: Content | None,
           whole: Known | None) -> NewFile | None:
        """What there is to read of a file; None when all of its content is known, also from a file before it."""
        if found is None or result.state == "failed":
            return None
        form, result.format = found.form, found.form.name
        if content is None:
            weight = result.content_bytes = result.bytes * _UNPACKED if found.end is None else found.end
            source = source_of(self._workspace, result.path, settings)
            return NewFile(result, source, form, weight, found.status, found.end, partial(self._hashed, result, found))
        if self._left(result, found, content, whole):
            return None
        source = source_of(self._workspace, result.path, settings)
        if content.before is not None and content.before.held_rows and form.growth != "again":
            if form.growth == "refused":
                problem = "has grown since it was read, and its format cannot be read on from there"
                remedy = "name finished files only under its input's path, for example rotated ones"
                result.state, result.error = "failed", str(InputError(result.path, problem, remedy))
                return None
            result.offset, result.first_line = content.before.length, content.first_line
            source = replace(source, resume=content.before.last)
        # The same content may have a second name in this run.
        self._known.add(result.kind, content.sha256, result.bytes)
        return NewFile(result, source, form, result.content_bytes - result.offset, found.status,
                       damaged=content.damaged)

    def _left(self, result: FileResult, found: _Found, content: Content, whole: Known | None) -> bool:
        """Whether there is nothing to read of a file now; its state says why."""
        if content.damaged and found.just_packed:
            result.state = "open"
            return True
        nothing_new = self._known.holds(result.kind, content.sha256) or (content.length == 0 and content.held_back)
        if content.damaged and nothing_new and not self._known.told(result.kind, content.sha256, result.bytes):
            result.state, result.error = "failed", str(InputError(
                result.path, "cannot be read to its end, and what can be read of it is nothing new",
                "the file may be damaged; copy it again"))
            return True
        self._hashed(result, found, content, whole)
        if whole or nothing_new:
            result.state = "known" if content.length else "open"
            return True
        return False

    def _hashed(self, result: FileResult, found: _Found, content: Content, whole: Known | None = None) -> None:
        if content.damaged and found.just_packed:
            msg = (f"{result.path}: breaks off, and was written to just now\n"
                   "  run the same command again when it is whole; what can be read of a damaged one is, a bit later")
            raise StoppedError(msg)
        result.sha256, result.content_bytes = content.sha256, content.length
        result.head = found.head if content.length >= HEAD_BYTES else None
        result.marks = note_of(found.marks, content.length) if found.form.growth in BOUNDARY else None
        if not content.held_back and found.end in {None, found.status.st_size}:
            self._hashes.remember(result.path, found.status, (whole or content).sha256)


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


class Hashes:
    """SHA-256 of files; remembered by path, size and modification time, so that a run with nothing new is quick.

    Of a copy of the beginning of what is known it is that of the whole.
    """

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

    def remember(self, path: Path, status: os.stat_result, sha256: str) -> None:
        """The hash of the whole content of a file as it was when this was its status."""
        self._used[str(path)] = [status.st_size, status.st_mtime_ns, sha256]

    def save(self) -> None:
        """Remember what was asked for in this run."""
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._cache.with_suffix(".new")
        temporary.write_text(json.dumps(self._used), encoding="utf-8")
        temporary.replace(self._cache)
