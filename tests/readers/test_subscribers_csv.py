"""Subscriber lists as CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.errors import InputError
from op25b.readers.base import Head
from op25b.readers.subscribers import csv
from tests.readers.reading import Result, read_bytes

Read = Callable[..., Result]
HEADER = "subscriber,plan,fixed_ip,access_node,area,dwelling,notice_channel,language,radius_user,auth_user\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return lambda data, **settings: read_bytes(csv.FORMAT, tmp_path / "subscribers.csv", data, **settings)


def test_all_columns(read: Read) -> None:
    result = read(HEADER + "ME1,IP8,true,hiroshima-1,Hiroshima,office,letter,ja,u1@isp.example,pm1\nME2,,,,,,,,,\n")
    assert result.facts() == [
        {"subscriber": "ME1", "plan": "IP8", "fixed_ip": True, "access_node": "hiroshima-1", "area": "Hiroshima",
         "dwelling": "office", "notice_channel": "letter", "language": "ja", "radius_user": "u1@isp.example",
         "auth_user": "pm1"},
        {"subscriber": "ME2"},
    ]
    assert (result.read, result.kept, result.rejected) == (2, 2, [])


def test_other_names_order_blanks_and_quotes(read: Read) -> None:
    data = '\ufeffプラン, 回線 ,memo\r\n"IP8, new", ME1 ,"two\nlines"\r\n\r\n , ,\r\n'
    result = read(data, columns={"subscriber": "回線", "plan": "プラン"})
    assert result.facts() == [{"subscriber": "ME1", "plan": "IP8, new"}]
    assert (result.read, result.kept) == (1, 1)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("Yes", True), ("1", True), ("T", True), ("false", False),
                                             ("NO", False), ("0", False), ("", None), ("はい", True), ("なし", False)])
def test_fixed_ip(read: Read, text: str, value: bool | None) -> None:
    assert read(f"subscriber,fixed_ip\nME1,{text}\n").rows("fixed_ip") == [(value,)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
def test_encodings(read: Read, encoding: str) -> None:
    assert read("subscriber,area\nME1,広島市①\n".encode(encoding)).rows("subscriber", "area") == [("ME1", "広島市①")]


def test_bad_rows_are_rejected_without_an_excerpt(read: Read) -> None:
    result = read("subscriber,fixed_ip\nME1,true\n,true\nME2,perhaps\nME3\nME1,false\nME4,no\n")
    assert result.rows("subscriber") == [("ME1",), ("ME4",)]
    assert result.rejected == [
        (3, None, "no subscriber", None), (4, None, "fixed_ip is neither true nor false", None),
        (5, None, "1 fields where the header has 2", None), (6, None, "the same subscriber as in line 2", None),
    ]
    assert (result.read, result.kept) == (6, 2)


def test_a_field_beyond_all_limits(read: Read) -> None:
    result = read(f"subscriber,area\nME1,{'x' * 200_000}\nME2,y\n")
    assert (result.rows("subscriber"), result.rejected) == ([("ME2",)], [(2, None, "no CSV", None)])


@pytest.mark.parametrize(("data", "columns", "problem"), [
    ("subscribr,plan\nME1,x\n", {}, r"subscribers\.csv:1: no column 'subscriber'; did you mean 'subscribr'\?"),
    ("subscriber,plan\nME1,x\n", {"plan": "Plan"}, r"no column 'Plan'; did you mean 'plan'\?"),
    ("subscriber,plan\nME1,x\n", {"plna": "plan"}, r"names no column of ours: 'plna'; did you mean 'plan'\?"),
    ("subscriber,plan,plan\nME1,x,y\n", {}, "two columns are named 'plan'"),
    ("", {}, "no column 'subscriber'"),
])
def test_wrong_headers(read: Read, data: str, columns: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read(data, columns=columns)


@pytest.mark.parametrize(("data", "known"), [(b"subscriber,plan\n", True), (b"", False), (b"Nov 24 x y: z\n", False),
                                             (b"\x00,\x00", False)])
def test_recognise(data: bytes, known: bool) -> None:
    assert (csv.recognise(Head(Path("x"), data)) is not None) is known
