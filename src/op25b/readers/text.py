"""Text files as blocks of whole lines: decompressed while reading, bounded in memory, tolerant of broken bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import polars as pl

from op25b.errors import InputError

BLOCK_BYTES = 16 * 2**20
MAX_LINE_BYTES = 64 * 2**20
_PIECE_BYTES = 2**20
# A line end is looked for in so many bytes before where a piece of a plain file is to end.
_TAIL_BYTES = 2**16
_STEP_BYTES = 2**16
# What reading a damaged or vanishing file raises.
DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Block:
    """Consecutive lines of a file; `first_line` is the number of the first one, from 1.

    `whole` is false where the last line does not end in a line feed, so it is the file's last and may be cut.
    """

    lines: pl.Series
    first_line: int
    whole: bool = True


def compression(path: Path) -> str | None:
    """How the file is compressed, by its content: gzip, bzip2, xz, zstd or None."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the operating system and the decompressors raise into an `InputError` about `path`."""
    try:
        yield
    except PermissionError as error:
        raise InputError(path, f"cannot be read: {error.strerror or 'Permission denied'}",
                         "give the user that runs op25b the right to read it") from None
    except IsADirectoryError:
        raise InputError(path, "is a directory", f"name the files in it, for example {path.name}/*") from None
    except DAMAGE as error:
        problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(path, f"cannot be read to its end: {problem or type(error).__name__}",
                         "the file may be damaged or still being written; copy it again") from error


_BYTES_READ: Counter[Path] = Counter()
_ENDS: dict[Path, int] = {}
_FAILURES: dict[Path, Exception] = {}


class _Metered(io.FileIO):
    """A file whose reading can be watched, and that ends where it is told to."""

    def __init__(self, path: Path, end: int | None, *, watched: bool) -> None:
        super().__init__(path)
        self._path, self._end, self._watched = path, end, watched

    def readinto(self, buffer: Any) -> int | None:
        if self._end is not None:
            buffer = memoryview(buffer)[: max(self._end - self.tell(), 0)]
        count = super().readinto(buffer)
        if not count and self._path in _FAILURES:
            raise _FAILURES[self._path]
        if self._watched:
            _BYTES_READ[self._path] += count or 0
        return count

    def whole_lines(self, start: int, size: int) -> bytes:
        """The lines that end in the `size` bytes from `start`; nothing near the end of the file and in long lines.

        Their end is looked for first, as to read into one place and copy from there takes three times as long.
        """
        tail = min(size, _TAIL_BYTES)
        if self._end is not None and start + size > self._end:
            return b""
        last = os.pread(self.fileno(), tail, start + size - tail)
        line_end = last.rfind(b"\n") + 1
        if len(last) < tail or not line_end:
            return b""
        length = size - tail + line_end
        found = os.pread(self.fileno(), length, start)
        if not found.endswith(b"\n") or len(found) < length:  # the file was changed meanwhile
            return b""
        if self._watched:
            _BYTES_READ[self._path] += length
        return found


@contextmanager
def ending(path: Path, end: int) -> Iterator[None]:
    """A plain file's end, for all that open it meanwhile: what a log grows by while it is read is for the next time."""
    _ENDS[path] = end
    try:
        yield
    finally:
        del _ENDS[path]


@contextmanager
def failing(path: Path, failure: Exception) -> Iterator[None]:
    """A plain file ends in an error, for all that open it meanwhile: it has what could be read of a damaged one."""
    _FAILURES[path] = failure
    try:
        yield
    finally:
        del _FAILURES[path]


def bytes_read(path: Path) -> int:
    """How many bytes of a file on disk the reader that is at it has read; 0 where it does not use `opened`."""
    return _BYTES_READ[path]


@contextmanager
def opened(path: Path, end: int | None = None, *, watched: bool = True) -> Iterator[IO[bytes]]:
    """Open a plain or compressed file for reading its decompressed bytes, a plain one up to `end` where one is given.

    With `watched`, `bytes_read` tells how far the reading is.
    """
    with readable(path):
        packed = compression(path)
        last = (_ENDS.get(path) if end is None else end) if packed is None else None
        raw = cast("IO[bytes]", io.BufferedReader(_Metered(path, last, watched=watched), _PIECE_BYTES))
    if watched:
        _BYTES_READ[path] = 0
    with raw, _unpacked(raw, packed) as stream:
        yield stream
    if watched:
        del _BYTES_READ[path]


class _InSteps(io.RawIOBase):
    """Reads a stream that gives all that is asked for or fails, so that before damage all readers find the same.

    The steps lie at the same places however much is asked for.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream, self._held = stream, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._held:
            self._held = memoryview(self._stream.read(_STEP_BYTES))
        count = min(len(buffer), len(self._held))
        buffer[:count], self._held = self._held[:count], self._held[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def _unpacked(raw: IO[bytes], packed: str | None) -> IO[bytes]:
    match packed:
        case "gzip":
            return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
        case "bzip2":
            return cast("IO[bytes]", bz2.open(raw))
        case "xz":
            return cast("IO[bytes]", lzma.open(raw))
        case "zstd":
            import pyarrow as pa

            return cast("IO[bytes]", _InSteps(pa.input_stream(cast("io.IOBase", raw), compression="zstd")))
    return raw


def chunks(stream: IO[bytes], size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Cut a stream into pieces of about `size` bytes that end at line ends; the last one may not.

    The whole lines read before the stream fails are yielded, then its error is raised. A line that is longer than
    `MAX_LINE_BYTES` is cut.
    """
    if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, _Metered):
        yield from _plain_chunks(stream, stream.raw, size)  # all but the last, which may not be whole
    yield from _copied_chunks(stream, size)


def _copied_chunks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    # readinto1 hands over what a decompressor has; readinto would lose it where the next bytes are damaged.
    fill: Any = getattr(stream, "readinto1", None) or getattr(stream, "readinto")  # noqa: B009  # IO does not have it
    buffer = bytearray(size)
    length, failure, skipping = 0, None, False
    while failure is None:
        if length == len(buffer):
            buffer.extend(bytes(min(length, max(MAX_LINE_BYTES - length, 0) + size)))
        try:
            with memoryview(buffer) as view, view[length:] as room:
                end = length + (fill(room) or 0)
        except DAMAGE as error:
            end, failure = length, error
        if end == length:
            break
        if skipping:
            line_end = buffer.find(b"\n", length, end)
            if line_end < 0:
                continue
            buffer[length : length + end - line_end] = buffer[line_end:end]
            end, skipping = length + end - line_end, False
        length = end
        if length < size:
            continue
        cut = buffer.rfind(b"\n", 0, length) + 1
        if cut:
            with memoryview(buffer) as view:
                piece = bytes(view[:cut])
            buffer[: length - cut] = buffer[cut:length]
            length -= cut
            yield piece
        elif length > MAX_LINE_BYTES:
            skipping = True
    rest = bytes(buffer[:length])
    if failure is not None:
        rest = rest[: rest.rfind(b"\n") + 1]
    if rest:
        yield rest
    if failure is not None:
        raise failure


def _plain_chunks(stream: IO[bytes], file: _Metered, size: int) -> Iterator[bytes]:
    position = stream.tell()
    try:
        while piece := file.whole_lines(position, size):
            yield piece
            position += len(piece)
    except OSError:  # comes again where the caller goes on reading, which keeps what is before the damage
        pass
    stream.seek(position)


def lines_of(data: bytes, name: str = "line") -> pl.Series:
    """The lines of a block as a string column; broken UTF-8 becomes U+FFFD, NUL bytes stay."""
    if not data:
        return pl.Series(name, [], pl.String)
    try:
        return pl.read_lines(data, name=name)[name]
    except pl.exceptions.ComputeError:
        return pl.read_lines(data.decode("utf-8", "replace").encode(), name=name)[name]


def blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read a text file as blocks of whole lines, each made while the one before it is used."""
    return ahead(_blocks(path, size))


def _blocks(path: Path, size: int) -> Generator[Block, None, None]:
    first = 1
    with opened(path) as stream, readable(path):
        for data in chunks(stream, size):
            lines = lines_of(data.removeprefix(b"\xef\xbb\xbf") if first == 1 else data)
            yield Block(lines, first, data.endswith(b"\n"))
            first += lines.len()


def ahead(items: Generator[T, None, None], most: int = 1) -> Iterator[T]:
    """Yield the items, made by a thread while those before are used; it is at `most` so many ahead."""
    end = object()
    coming: deque[Future[T | object]] = deque()
    try:
        with ThreadPoolExecutor(1) as pool:
            try:
                coming.extend(pool.submit(next, items, end) for _ in range(most))
                while (item := coming.popleft().result()) is not end:
                    coming.append(pool.submit(next, items, end))
                    yield cast("T", item)
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        items.close()


def in_pairs(items: Iterable[T], make: Callable[[T], R]) -> Generator[R, None, None]:
    """What is made of each item, two at a time, in order; it must not depend on the items before.

    Where the items end in an error, what was made of those before it comes first.
    """
    waiting: deque[Future[R]] = deque()
    failure: Exception | None = None
    with ThreadPoolExecutor(2) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > 2:
                    yield waiting.popleft().result()
        except Exception as error:  # noqa: BLE001  # raised again below
            failure = error
        while waiting:
            yield waiting.popleft().result()
    if failure is not None:
        raise failure
