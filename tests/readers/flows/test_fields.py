"""Times, flags and numbers from text."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from op25b.readers.base import canonical_ips, ip_key, parse_ip
from op25b.readers.flows import fields, jsonlines
from op25b.settings import MAIL_PORTS


def utc(text: str, zone: str = "Asia/Tokyo", unit: str | None = "s") -> str | None:
    (value,) = fields.times(pl.Series("t", [text]), zone, unit)
    return None if value is None else f"{value:%F %T.%f}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31 21:00:00", "2026-01-31 12:00:00.000000"),
        ("2026/01/31 21:00:00.5", "2026-01-31 12:00:00.500000"),
        ("2026-01-31T21:00:00,123456789", "2026-01-31 12:00:00.123456"),
        ("2026-01-31T12:00:00Z", "2026-01-31 12:00:00.000000"),
        ("2026-01-31T12:00:00.25+00:00", "2026-01-31 12:00:00.250000"),
        ("2026-01-31 06:30:00-0530", "2026-01-31 12:00:00.000000"),
        (" 1769860800.000001 ", "2026-01-31 12:00:00.000001"),
        ("1769860800", "2026-01-31 12:00:00.000000"),
        ("0", None),
        ("-1", None),
        ("1e9", None),
        ("", None),
        ("2026-01-31", None),
        ("2026-02-30 00:00:00", None),
        ("0000-00-00 00:00:00", None),
        ("9999-12-31 00:00:00", None),
        ("99999999999", None),
    ],
)
def test_times(text: str, expected: str | None) -> None:
    assert utc(text) == expected


def test_local_times_around_the_change_of_the_clocks() -> None:
    assert utc("2011-10-30 02:30:00", "Europe/Prague") == "2011-10-30 00:30:00.000000"
    assert utc("2011-03-27 02:30:00", "Europe/Prague") is None


def test_a_series_of_mixed_forms_keeps_its_order() -> None:
    texts = ["2026-01-31T12:00:00Z", None, "1769860801", "x", "2026-01-31 21:00:02"]
    shown = [None if value is None else value.second for value in fields.times(pl.Series("t", texts), "Asia/Tokyo")]
    assert shown == [0, None, 1, None, 2]


@pytest.mark.parametrize(
    ("unit", "count"), [("ms", "1769860800001"), ("us", "1769860800001000"), ("ns", "1769860800001000999")]
)
def test_counts_of_other_units(unit: str, count: str) -> None:
    assert utc(count, unit=unit) == "2026-01-31 12:00:00.001000"


@given(st.text(alphabet="0123456789-/:T .+Z,e", max_size=40), st.sampled_from(["s", "ms", "us", "ns", None]))
def test_no_text_raises(text: str, unit: str | None) -> None:
    utc(text, "Europe/Prague", unit)


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("...AP.SF", 27),
        ("27", 27),
        ("0x1b", 27),
        ("FS PA   ", 27),
        ("0", None),
        ("0x", None),
        ("99999999", None),
        ("", None),
        ("........", None),
    ],
)
def test_flags(text: str, bits: int | None) -> None:
    frame = pl.DataFrame({"flags": [text]})
    assert frame.select(fields.flags(frame["flags"])).item() == bits


def test_the_expression_of_other_ports_matches_all_numbers_but_ours() -> None:
    wrong = [number for number in range(70_000)
             if (re.fullmatch(jsonlines.OTHER_PORT, str(number)) is None) != (number in MAIL_PORTS)]
    assert wrong == []
    assert re.fullmatch(jsonlines.OTHER_PORT, "025") is None


@given(st.one_of(st.ip_addresses(v=6).map(str), st.ip_addresses(v=6).map(lambda ip: ip.exploded),
                 st.text("0123456789abcdefABCDEF:.%/ ", max_size=20),
                 st.ip_addresses(v=4).map(lambda ip: f"::ffff:{ip}"), st.ip_addresses(v=4).map(lambda ip: f"::{ip}")))
def test_addresses_of_columns_are_those_of_single_texts(text: str) -> None:
    frame = canonical_ips(pl.DataFrame({"ip": [text]}), {"ip": "key"})
    parsed = parse_ip(text)
    assert frame.row(0) == ((None, None) if parsed is None else (str(parsed), ip_key(text)))
