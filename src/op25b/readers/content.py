"""What a file holds, whatever its name and compression: its hash, how much of it was read before, and its new end.

A log that is still being written is read up to its last whole record; when it has grown, or was rotated and compressed
meanwhile, its beginning is recognised by its hash and only the rest is read.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from op25b.errors import Op25bError
from op25b.readers.text import DAMAGE, compression, ending, failing, opened, readable

_PIECE = 2**20
# Files whose first bytes, so many, are the same may be the same; of others that is ruled out at once.
HEAD_BYTES = 2**16
# Of a mark so many hex digits are noted: what they find is compared whole.
_MARK_DIGITS = 16
# Sessions and messages that are under way are begun within so much log before, or are long ones.
CONTEXT_BYTES = 2**20


@dataclass(frozen=True)
class Known:
    """Content that is in the lake: hash and length (decompressed), whether it held any row, its last event's time.

    `head` is the hash of its first `HEAD_BYTES` where it has so many; an older op25b did not note it.
    """

    sha256: str
    length: int
    held_rows: bool
    last: datetime | None
    head: str | None = None


@dataclass(frozen=True)
class Content:
    """What there is to read of a file: all of it, or what follows `before`.

    `sha256` and `length` are of everything up to the end of the last whole record (of a damaged file, the last one
    that can be read); `held_back` bytes after it are left for the next time. `damaged`: it breaks off.
    """

    sha256: str
    length: int
    held_back: int
    before: Known | None
    first_line: int = 1  # the number of the line that follows `before`
    damaged: bool = False


def start_of(path: Path) -> bytes:
    """The first `HEAD_BYTES` of a file's decompressed content; of a shorter or damaged file what there is."""
    held, length = memoryview(bytearray(HEAD_BYTES)), 0
    with opened(path, watched=False) as stream:
        try:
            while length < HEAD_BYTES and (size := _read(stream, held[length:])):
                length += size
        except DAMAGE:
            pass
    return bytes(held[:length])


def marks_of(start: bytes) -> tuple[bytes, ...]:
    """Hashes of the first 1, 2, 4, ... bytes of a file's start: what begins with another file has the other's last."""
    digest, length, made = hashlib.sha256(), 0, []
    while max(2 * length, 1) <= len(start):
        digest.update(start[length:max(2 * length, 1)])
        length = max(2 * length, 1)
        made.append(digest.digest())
    return tuple(made)


def note_of(marks: Sequence[bytes], length: int) -> str:
    """The marks of content so long, as `source_file` notes them; the note of what it begins with begins this one."""
    return "".join(mark.hex()[:_MARK_DIGITS] for mark in marks[: length.bit_length()])


def may_be_known(start: bytes, known: Sequence[Known]) -> bool:
    """Whether a file with this start may begin with content that is known."""
    lengths = sorted({entry.length for entry in known if 0 < entry.length < HEAD_BYTES})
    digest, done, short = hashlib.sha256(), 0, set()
    for length in lengths:
        digest.update(start[done:length])
        done = length
        short.add(digest.hexdigest())
    head = hashlib.sha256(start).hexdigest()
    return any(entry.sha256 in short if entry.length < HEAD_BYTES else entry.head in {None, head}
               for entry in known if entry.length)


def end_of_records(path: Path, size: int, boundary: bytes | None) -> int | None:
    """Where the last whole record of the first `size` bytes of a plain file ends; None where that is far from the end.

    Without `boundary` (what ends a record) the file is finished, and they end at its end.
    """
    if boundary is None:
        return size
    with opened(path, size, watched=False) as stream:
        begin = max(size - _PIECE, 0)
        stream.seek(begin)
        found = stream.read(size - begin).rfind(boundary)
    return begin + found + len(boundary) if found >= 0 else None


def examine(path: Path, known: Sequence[Known], boundary: bytes | None = None, end: int | None = None,
            record_end: bytes = b"\n") -> Content:
    """Hash a file's decompressed content once, looking for known content at its beginning.

    With `boundary` (what ends a record) the content ends after its last occurrence, without it at `end` or the end of
    the file. Compressed files are finished, so neither is given for them. That of a damaged file ends after the last
    `record_end`: the rest of a record is of no use without its beginning when the file comes again whole.
    """
    sizes: dict[int, list[Known]] = {}
    for entry in known:
        if entry.length:
            sizes.setdefault(entry.length, []).append(entry)
    marks = sorted(sizes)
    digest = hashlib.sha256()
    ended, ended_at, position, previous = digest.copy(), 0, 0, b""
    before: Known | None = None
    damaged = False
    newlines, first_line = 0, 1
    # Read into the same memory again and again: fresh memory for each piece takes as long as the hash.
    held = bytearray(_PIECE)
    with opened(path, end, watched=False) as stream:
        while not damaged:
            try:
                size = _read(stream, held)
            except DAMAGE:
                damaged = True
                break
            if not size:
                break
            piece = memoryview(held)[:size]
            reached = position + len(piece)
            cuts = {mark for mark in marks if position < mark <= reached}
            last = _after_last(boundary or record_end, previous, held, size)
            start = 0
            for stop in sorted({*(mark - position for mark in cuts), *([last] if last else []), len(piece)}):
                digest.update(piece[start:stop])
                if marks:  # else nobody asks for the number of a line
                    newlines += held.count(b"\n", start, stop)
                start = stop
                if position + stop in cuts:
                    text = digest.hexdigest()
                    found = next((entry for entry in sizes[position + stop] if entry.sha256 == text), None)
                    if found is not None:
                        before, first_line = found, newlines + 1
                if stop == last:
                    ended, ended_at = digest.copy(), position + stop
            position, previous = reached, bytes(piece[-8:])
            marks = [mark for mark in marks if mark > reached]
    if boundary is None and not damaged:
        ended, ended_at = digest, position
    if before is not None and before.length > ended_at:
        return Content(before.sha256, before.length, position - before.length, before, first_line, damaged)
    return Content(ended.hexdigest(), ended_at, position - ended_at, before, first_line, damaged)


def shown_whole(path: Path, begin: Content, known: Sequence[Known]) -> Known | None:
    """Of the known contents, all longer than `begin`, one that the file begins with, where it also begins with `begin`.

    Then `begin` is in the lake, as part of it. None where the file is gone, is another by now, or cannot be read.
    """
    digest, position = hashlib.sha256(), 0
    held = memoryview(bytearray(_PIECE))
    try:
        if not path.is_file():  # a pipe might never answer
            return None
        with opened(path, watched=False) as stream:
            contents: list[Content | Known] = [begin, *sorted(known, key=lambda entry: entry.length)]
            for content in contents:
                while position < content.length:
                    size = _read(stream, held[: content.length - position])
                    if not size:
                        return None
                    digest.update(held[:size])
                    position += size
                same = digest.hexdigest() == content.sha256
                if isinstance(content, Known) and same:
                    return content
                if content is begin and not same:
                    return None
    except (Op25bError, *DAMAGE):
        pass
    return None


def _read(stream: IO[bytes], held: bytearray | memoryview) -> int:
    """Fill `held` with what comes next, perhaps not to its end; 0 at the end of the stream."""
    if isinstance(stream, io.BufferedReader):
        return stream.readinto(held)
    # As when the lines are read: read1 hands over what a decompressor has got before the damage.
    read = getattr(stream, "read1", stream.read)
    piece: bytes = read(len(held))
    held[: len(piece)] = piece
    return len(piece)


def _after_last(boundary: bytes, previous: bytes, held: bytearray, size: int) -> int | None:
    """Position in the piece after the last boundary that ends in it, also one that began in the piece before."""
    found = held.rfind(boundary, 0, size)
    if found >= 0:
        return found + len(boundary)
    tail = previous[-(len(boundary) - 1):] if len(boundary) > 1 else b""
    found = (tail + held[: min(size, len(boundary) - 1)]).rfind(boundary)
    return found + len(boundary) - len(tail) if found >= 0 else None


@contextmanager
def part(path: Path, start: int, end: int, below: Path, *, context: bool = False,
         damaged: bool = False) -> Iterator[tuple[Path, int]]:
    """Bytes `start` to `end` of a file's decompressed content as a file of the same name and time below a directory.

    Without anything to leave out it is the file itself. With `context` some whole lines before `start` come first; how
    many is the second value. The part of a `damaged` file ends in the same error as the file.
    """
    if start == 0 and (damaged or compression(path) is not None):
        yield path, 0
        return
    if start == 0 and end == path.stat().st_size:
        with ending(path, end):
            yield path, 0
        return
    below.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=below) as directory:
        copy = Path(directory) / path.name
        with opened(path) as stream, readable(path), copy.open("wb") as out:
            before = b""
            if context:
                begin = max(start - CONTEXT_BYTES, 0)
                _skip(stream, begin)
                before = _exactly(stream, start - begin)
                before = before[before.find(b"\n") + 1 if begin else 0 :]
                out.write(before)
            else:
                _skip(stream, start)
            left = end - start
            while left and (piece := stream.read(min(left, _PIECE))):
                out.write(piece)
                left -= len(piece)
            failure = _failure(stream) if damaged else None
        status = path.stat()
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
        with failing(copy, failure) if failure else nullcontext():
            yield copy, before.count(b"\n")


def _failure(stream: IO[bytes]) -> Exception | None:
    """What reading on to the end of a stream raises."""
    held = bytearray(_PIECE)
    try:
        while _read(stream, held):
            pass
    except DAMAGE as error:
        return error
    return None


def _exactly(stream: IO[bytes], count: int) -> bytes:
    held = []
    while count and (piece := stream.read(count)):
        held.append(piece)
        count -= len(piece)
    return b"".join(held)


def _skip(stream: IO[bytes], count: int) -> None:
    if isinstance(stream, io.BufferedReader):
        stream.seek(count)
        return
    while count and (piece := stream.read(min(count, _PIECE))):
        count -= len(piece)
