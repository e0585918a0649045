"""What holds for every flow format: recognition, accounting, compression, damage."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from op25b.errors import InputError, Op25bError
from op25b.readers import FORMATS, choose
from op25b.readers.base import Head, Source
from op25b.readers.flows import delimited, jsonlines
from tests.readers.flows import samples
from tests.readers.flows.reading import FORMS, read
from tests.readers.test_properties import damaged
from tests.readers.test_text import COMPRESS

FLOWS = [form for form in FORMATS if form.kind == "flows"]


@pytest.mark.parametrize("name", samples.TEXT)
def test_each_sample_is_recognised_by_its_own_format_only(name: str) -> None:
    own, text = samples.TEXT[name]
    head = Head(Path("x"), text.encode())
    assert [form.name for form in FLOWS if form.recognise(head) is not None] == [own]


def test_parquet_is_recognised_by_its_magic_only() -> None:
    head = Head(Path("x"), samples.parquet({"a": [1]}))
    assert [form.name for form in FLOWS if form.recognise(head) is not None] == ["parquet"]


@pytest.mark.parametrize("pack", COMPRESS)
@pytest.mark.parametrize("name", samples.TEXT)
def test_compression_changes_nothing(tmp_path: Path, name: str, pack: str) -> None:
    own, text = samples.TEXT[name]
    path = tmp_path / "input"
    path.write_bytes(COMPRESS[pack](text.encode()))
    assert choose(path, "flows")[0].name == own
    one, other = read(own, tmp_path, text), read(own, tmp_path, COMPRESS[pack](text.encode()))
    assert one.frame.equals(other.frame)
    assert (one.read, one.kept, one.rejected) == (other.read, other.kept, other.rejected)


@pytest.mark.parametrize("name", samples.TEXT)
def test_line_ends_of_windows_change_nothing(tmp_path: Path, name: str) -> None:
    own, text = samples.TEXT[name]
    one, other = read(own, tmp_path, text), read(own, tmp_path, text.replace("\n", "\r\n"))
    assert one.frame.equals(other.frame)
    assert (one.read, one.kept, one.filtered) == (other.read, other.kept, other.filtered)


@pytest.mark.parametrize("size", [200, 700, 1500])
@pytest.mark.parametrize("name", samples.TEXT)
def test_any_block_size_gives_the_same_rows(
    tmp_path: Path, name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, text = samples.TEXT[name]
    one = read(own, tmp_path, text)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", size)
    monkeypatch.setattr(jsonlines, "BLOCK_BYTES", size)
    other = read(own, tmp_path, text)
    assert one.frame.equals(other.frame)
    assert (one.read, one.kept, one.rejected) == (other.read, other.kept, other.rejected)


@pytest.mark.parametrize("name", samples.TEXT)
def test_a_file_put_twice_end_to_end_has_every_row_twice(tmp_path: Path, name: str) -> None:
    own, text = samples.TEXT[name]
    one, both = read(own, tmp_path, text), read(own, tmp_path, text + text)
    assert both.frame.equals(one.frame.vstack(one.frame))
    assert (both.read, both.kept, both.filtered) == (2 * one.read, 2 * one.kept, 2 * one.filtered)


@pytest.mark.parametrize("name", ["nfdump-csv 48", "goflow2", "zeek"])
def test_what_comes_before_damage_is_kept(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own, text = samples.TEXT[name]
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(jsonlines, "BLOCK_BYTES", 4096)
    path = tmp_path / "input.gz"
    path.write_bytes(gzip.compress(text.encode() * 500)[:-100])
    kept: list[int] = []
    with pytest.raises(InputError, match="cannot be read to its end"):
        kept.extend(batch.rows_kept for batch in FORMS[own].read(Source(path, "Asia/Tokyo")))
    assert sum(kept) > 100 * read(own, tmp_path, text).kept


# In nfdump's pretty-printed array a line is no record.
LINES = [name for name, (own, text) in samples.TEXT.items() if not (own == "nfdump-json" and text.startswith("["))]


@pytest.mark.parametrize("name", LINES)
def test_garbage_between_rows_is_rejected_with_its_line(tmp_path: Path, name: str) -> None:
    own, text = samples.TEXT[name]
    one, other = read(own, tmp_path, text), read(own, tmp_path, text + "garbage \udcff\n".replace("\udcff", "\xff"))
    assert one.frame.equals(other.frame)
    assert other.rejected[: len(one.rejected)] == one.rejected
    (rejected,) = other.rejected[len(one.rejected) :]
    assert rejected[0] == text.count("\n") + 1
    assert rejected[3] == "… …"


@pytest.mark.parametrize("name", samples.TEXT)
def test_damage_never_raises_and_the_accounting_adds_up(tmp_path: Path, name: str) -> None:
    own, text = samples.TEXT[name]
    form = FORMS[own]

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, 2**32), st.booleans())
    def check(seed: int, keep_head: bool) -> None:
        path = tmp_path / "input"
        path.write_bytes((text.encode() if keep_head else b"") + damaged(text.encode(), seed))
        for known in FLOWS:
            known.recognise(Head(path, path.read_bytes()))
        try:
            for batch in form.read(Source(path, "Asia/Tokyo", sampling_interval=1)):
                assert batch.rows_read - batch.rows_kept - batch.rejected.height >= 0
                assert batch.rows_kept == batch.rows.height
                assert batch.rows["src_port"].is_between(0, 65535).all()
        except Op25bError:
            pass

    check()
