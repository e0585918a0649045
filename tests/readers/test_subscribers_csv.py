"""Subscriber lists as CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.errors import InputError
from op25b.readers import choose
from op25b.readers.base import Head, Source
from op25b.readers.subscribers import csv
from tests.readers.reading import Result, collect, read_bytes

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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16", "euc_jp"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_delimiters_with_japanese_names(tmp_path: Path, encoding: str, separator: str) -> None:
    lines = ["回線番号,プラン,地域,固定IP", "ME1,メガ・エッグ 光ネット,広島市,あり", "ME2,IP8,呉市,なし"]
    path = tmp_path / "加入者.csv"
    path.write_bytes("\r\n".join(lines).replace(",", separator).encode(encoding))
    form, _ = choose(path, "subscribers")
    columns = {"subscriber": "回線番号", "plan": "プラン", "area": "地域", "fixed_ip": "固定IP"}
    result = collect(form.read(Source(path, "Asia/Tokyo", columns=columns)), form)
    assert result.rows(*columns) == [("ME1", "メガ・エッグ 光ネット", "広島市", True), ("ME2", "IP8", "呉市", False)]


@pytest.mark.parametrize(("names", "expected"), [
    (["00-00-5E-00-53-0A", "0000.5e00.530b", "0:0:5e:0:53:c"], ["00:00:5e:00:53:0a", "00:00:5e:00:53:0b",
                                                               "00:00:5e:00:53:0c"]),
    (["00005E00530A", "000000000001"], ["00:00:5e:00:53:0a", "00:00:00:00:00:01"]),
    (["200707100001", "200707100002"], ["200707100001", "200707100002"]),
    (["0x47452f31", "0x00040064"], ["GE/1", "00:04:00:64"]),
    (["u1@isp.example", "00005E00530A"], ["u1@isp.example", "00005E00530A"]),
], ids=["hardware addresses", "without delimiters", "numbers of contracts", "circuits in hexadecimal", "user names"])
def test_names_in_the_lease_logs_are_spelt_as_those_readers_spell_them(
        read: Read, names: list[str], expected: list[str]) -> None:
    result = read("subscriber,MAC\n" + "".join(f"ME{n},{name}\n" for n, name in enumerate(names)),
                  columns={"radius_user": "MAC"})
    assert [name for (name,) in result.rows("radius_user")] == expected


def test_a_line_that_is_named_by_its_hardware_address(read: Read) -> None:
    assert read("subscriber\n00-00-5E-00-53-0A\n").facts() == [
        {"subscriber": "00-00-5E-00-53-0A", "radius_user": "00:00:5e:00:53:0a"}]


def test_broken_characters_in_a_name_do_not_make_two_lines_one(read: Read) -> None:
    result = read("subscriber,area\nＭ1,広\n".encode() + b"M\xff\xfe,x\nM\xff\xff,x\nM2,\xff\xff\n")
    assert result.rows("subscriber") == [("Ｍ1",), ("M2",)]
    assert [row[:3] for row in result.rejected] == [
        (line, None, "subscriber has broken characters: save the file as UTF-8") for line in (3, 4)]


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
    ("Subscriber;Plan\nME1;x\n", {"plan": "プラン"}, r"no column 'プラン' \(found: Subscriber, Plan\)\n  map it"),
    ("", {}, r"subscribers\.csv: the subscriber list is empty\n  export it again"),
    (" \n\n", {}, "the subscriber list is empty"),
])
def test_wrong_headers(read: Read, data: str, columns: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read(data, columns=columns)


@pytest.mark.parametrize(("data", "known"), [(b"subscriber,plan\n", True), (b"", False), (b"\x00,\x00", False),
                                             (b"ID\nME1\n", True), (b"a;b\n", True)])
def test_recognise(data: bytes, known: bool) -> None:
    assert (csv.recognise(Head(Path("x"), data)) is not None) is known
