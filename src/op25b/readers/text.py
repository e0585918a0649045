"""Text files as blocks of whole lines: decompressed while reading, bounded in memory, tolerant of broken bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import polars as pl

BLOCK_BYTES = 32 * 2**20
MAX_LINE_BYTES = 2**20
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class Block:
    """Consecutive whole lines of a file; `first_line` is the number of the first one, from 1."""

    lines: pl.Series
    first_line: int


def compression(path: Path) -> str | None:
    """How the file is compressed, by its content: gzip, bzip2, xz, zstd or None."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def opened(path: Path) -> IO[bytes]:
    """Open a plain or compressed file for reading its decompressed bytes."""
    match compression(path):
        case "gzip":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        case "bzip2":
            return cast("IO[bytes]", bz2.open(path, "rb"))
        case "xz":
            return cast("IO[bytes]", lzma.open(path, "rb"))
        case "zstd":
            import pyarrow as pa

            return cast("IO[bytes]", pa.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def chunks(stream: IO[bytes], size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Cut a stream into pieces that end at line ends; the last one may not."""
    rest = b""
    while piece := stream.read(size):
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield rest + piece[:cut]
            rest = piece[cut:]
        else:
            rest += piece
    if rest:
        yield rest


def lines_of(data: bytes, name: str = "line") -> pl.Series:
    """The lines of a block as a string column; broken UTF-8 becomes U+FFFD, NUL bytes stay."""
    try:
        return pl.read_lines(data, name=name)[name]
    except pl.exceptions.ComputeError:
        return pl.read_lines(data.decode("utf-8", "replace").encode(), name=name)[name]


def blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read a text file as blocks of whole lines."""
    first = 1
    with opened(path) as stream:
        for data in chunks(stream, size):
            lines = lines_of(data)
            yield Block(lines, first)
            first += lines.len()
