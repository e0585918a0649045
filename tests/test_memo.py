"""What is made of texts that come again, made once."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from op25b import memo
from op25b.errors import Op25bError
from op25b.memo import Memo

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=20)


@given(st.lists(TEXTS, max_size=5))
def test_every_text_gets_what_is_made_of_it(columns: list[list[str | None]]) -> None:
    made: list[str] = []

    def sizes(texts: pl.Series) -> pl.DataFrame:
        made.extend(texts)
        return pl.DataFrame({"size": texts.str.len_bytes()}, schema={"size": pl.UInt32})

    known = Memo(sizes)
    for column in columns:
        rows = known.of(pl.Series(column, dtype=pl.String))["size"].to_list()
        assert rows == [None if text is None else len(text.encode()) for text in column]
    assert sorted(made) == sorted({text for column in columns for text in column if text is not None})


def test_it_forgets_what_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "_REMEMBERED", 3)
    calls: list[int] = []

    def same(texts: pl.Series) -> pl.DataFrame:
        calls.append(texts.len())
        return pl.DataFrame({"t": texts})

    known = Memo(same)
    for texts in (["a", "b"], ["c", "d"], ["a"], ["a"]):
        assert known.of(pl.Series(texts))["t"].to_list() == texts
    assert calls == [2, 2, 1]


def test_a_failure_is_made_good() -> None:
    def careful(texts: pl.Series) -> pl.DataFrame:
        if "bad" in texts and not fine:
            raise Op25bError("not yet")
        return pl.DataFrame({"t": texts})

    fine = False
    known = Memo(careful)
    known.of(pl.Series(["a"]))
    with pytest.raises(Op25bError):
        known.of(pl.Series(["bad"]))
    fine = True
    assert known.of(pl.Series(["b", "a", "bad"]))["t"].to_list() == ["b", "a", "bad"]
