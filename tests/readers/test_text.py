"""Blocks of whole lines, compressed or not, and files that end too early."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable, Generator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from op25b.errors import InputError
from op25b.readers import text
from op25b.readers.content import examine
from op25b.readers.text import ahead, blocks, compression, opened


def zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd}


def lines(path: Path, size: int = 2**20) -> list[str]:
    return [line for block in blocks(path, size) for line in block.lines]


@pytest.mark.parametrize("name", COMPRESS)
def test_compressed_files_are_known_by_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(COMPRESS[name](b"one\ntwo\n"))
    assert compression(path) == name
    assert lines(path) == ["one", "two"]


@pytest.mark.parametrize("name", COMPRESS)
def test_members_one_after_the_other(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(COMPRESS[name](b"one\ntw") + COMPRESS[name](b"o\nthree\n"))
    assert lines(path) == ["one", "two", "three"]


def cut_short(directory: Path, name: str) -> tuple[Path, bytes]:
    """A packed log of lines of 16 digits, three quarters of it, and what was packed."""
    source = random.Random(1)
    whole = "".join(f"{source.getrandbits(64):016x}\n" for _ in range(200_000)).encode()
    packed = COMPRESS[name](whole)
    (directory / "mail.log").write_bytes(packed[: len(packed) * 3 // 4])
    return directory / "mail.log", whole


@pytest.mark.parametrize("name", COMPRESS)
def test_a_file_cut_short_gives_what_is_whole(tmp_path: Path, name: str) -> None:
    path, whole = cut_short(tmp_path, name)
    got: list[str] = []
    with pytest.raises(InputError, match=r"mail\.log: cannot be read to its end"):  # noqa: PT012
        for block in blocks(path, 2**16):
            got.extend(block.lines)
    assert len(got) > 10_000
    assert whole.startswith("".join(f"{line}\n" for line in got).encode())


@pytest.mark.parametrize("name", COMPRESS)
def test_before_damage_all_that_read_find_the_same(tmp_path: Path, name: str) -> None:
    """Else what one of them did not get would be taken for read when the file comes again whole."""
    path, _ = cut_short(tmp_path, name)
    found = set()
    for size in (2**14, text.BLOCK_BYTES):
        length = 0
        with pytest.raises(InputError):  # noqa: PT012
            for block in blocks(path, size):
                length += 17 * len(block.lines)
        found.add(length)
    assert found == {examine(path, ()).length}


def test_block_numbers_and_broken_bytes(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(b"a\nb\xff\n\nd\r\ne")
    got = [(block.first_line, list(block.lines)) for block in blocks(path, 3)]
    assert [number for number, part in got] == [1 + sum(len(p) for _, p in got[:at]) for at in range(len(got))]
    assert [line for _, part in got for line in part] == ["a", "b�", "", "d", "e"]
    assert [block.whole for block in blocks(path)] == [False]


def test_empty_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert lines(tmp_path / "empty") == []
    with pytest.raises(InputError, match="No such file"):
        lines(tmp_path / "none")


def test_a_line_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "mail.log"
    path.write_bytes(b"first\n" + b"x" * 5000 + b"\nlast\n")
    first, middle, last = lines(path, 100)
    assert (first, last) == ("first", "last")
    assert 1000 <= len(middle) < 1200


LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=9)


@given(st.lists(LINE), st.integers(1, 20))
def test_any_block_size_gives_the_same_lines(tmp_path_factory: pytest.TempPathFactory, content: list[str],
                                             size: int) -> None:
    path = tmp_path_factory.mktemp("text") / "x"
    path.write_text("".join(f"{line}\n" for line in content), encoding="utf-8", newline="")
    if compression(path) is None and not path.read_bytes().startswith(b"\xef\xbb\xbf"):
        assert lines(path, size) == content


def test_ahead_passes_on_errors_and_closes() -> None:
    closed = []

    def numbers():
        try:
            yield 1
            yield 2
            raise InputError("x", "broken", "mend it")
        finally:
            closed.append(True)

    seen = []
    with pytest.raises(InputError, match="broken"):  # noqa: PT012
        for number in ahead(numbers()):
            seen.append(number)  # noqa: PERF402
    assert (seen, closed) == ([1, 2], [True])
    some = ahead(numbers())
    assert next(some) == 1
    some.close()
    assert closed == [True, True]


def test_opened_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(zstd(b"one\n"))
    with opened(path) as stream:
        assert stream.read() == b"one\n"


@given(parts=st.lists(st.sampled_from([b"\n", b"a", b"b" * 40, b"\r\n", b"c" * 200]), max_size=40),
       size=st.integers(1, 300), cut=st.integers(0, 400))
def test_a_plain_file_is_cut_like_a_stream(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], size: int,
                                           cut: int) -> None:
    content = b"".join(parts)
    path = tmp_path_factory.mktemp("plain") / "mail.log"
    path.write_bytes(content)
    end = min(cut, len(content))
    with opened(path, end) as stream:
        pieces = list(text.chunks(stream, size))
    assert pieces == list(text.chunks(io.BytesIO(content[:end]), size))
    assert b"".join(pieces) == content[:end]
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])


def test_a_file_whose_end_moves_back_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(b"one\ntwo\nthree\nfour\n")
    with opened(path) as stream:
        pieces = text.chunks(stream, 5)
        assert next(pieces) == b"one\n"
        path.write_bytes(b"one\ntwo\n")
        assert list(pieces) == [b"two\n"]


def test_what_is_made_ahead_comes_in_order_and_then_the_error() -> None:
    def items() -> Generator[int, None, None]:
        yield from range(10)
        raise InputError(Path("x"), "ends here", "copy it again")

    got: list[int] = []
    with pytest.raises(InputError, match="ends here"):
        got.extend(ahead(items(), 3))
    assert got == list(range(10))
