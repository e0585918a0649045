"""FreeRADIUS detail files: the real one of the sample, and records as literals."""

# ruff: noqa: E501 -- times in the lake are naive UTC; records are long

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b.readers import choose
from op25b.readers.base import Source
from op25b.readers.leases import freeradius
from op25b.readers.text import blocks
from tests.conftest import SAMPLE
from tests.readers.reading import Result, collect, read_bytes
from tests.readers.test_properties import DETAIL, damaged

Read = Callable[..., Result]
HEADER = "Tue Nov 24 15:03:43 2026"  # Asia/Tokyo
FIRST = {"User-Name": '"u1@isp.example"', "Acct-Status-Type": "Start", "Acct-Session-Id": '"0A96B678"',
         "NAS-IP-Address": "203.0.113.20", "Framed-IP-Address": "198.18.1.60", "Timestamp": "1795500223"}
KEY = "00000000000000000000ffffc612013c"
ROW = {"event": "start", "kind": "radius", "access_server": "203.0.113.20", "subscriber": "u1@isp.example",
       "session": "0A96B678", "ip_first": KEY, "ip_last": KEY, "port_first": 0, "port_last": 65535}
AT = datetime(2026, 11, 24, 6, 3, 43)


def record(header: str = HEADER, **changes: str | None) -> str:
    """A Start record with some attributes changed, added or (None) left out; `_` in a name stands for `-`."""
    attributes = FIRST | {name.replace("_", "-"): value for name, value in changes.items()}
    return header + "\n" + "".join(f"\t{name} = {value}\n" for name, value in attributes.items() if value is not None) + "\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return lambda *records, **settings: read_bytes(freeradius.FORMAT, tmp_path / "detail", "".join(records),
                                                   timezone="Asia/Tokyo", **settings)


def only(result: Result) -> dict[str, Any]:
    (row,) = result.facts()
    return row


def test_the_sample() -> None:
    (path,) = (SAMPLE / "raw/radius").iterdir()
    assert choose(path, "leases")[0] is freeradius.FORMAT
    result = collect(freeradius.read(Source(path, "Asia/Tokyo")), freeradius.FORMAT)
    text = path.read_text()
    assert result.read == text.count("\n\n") == text.count("Acct-Status-Type = ")
    assert (result.kept, result.rejected) == (result.read, [])
    events = Counter(session for session in set(result.rows("event", "session", "at")))
    for status, event in (("Start", "start"), ("Stop", "stop"), ("Interim-Update", "interim")):
        assert {e for e, _, _ in events} >= {event}
        assert sum(e == event for e, _, _ in events) <= text.count(f"Acct-Status-Type = {status}\n")


def test_a_start(read: Read) -> None:
    assert only(read(record())) == ROW | {"at": AT, "start": AT}


def test_a_stop_and_an_interim_tell_the_start(read: Read) -> None:
    began = datetime(2026, 11, 24, 5, 3, 43)
    stop = only(read(record(Acct_Status_Type="Stop", Acct_Session_Time="3600")))
    assert stop == ROW | {"event": "stop", "at": AT, "start": began, "end": AT}
    interim = only(read(record(Acct_Status_Type="Interim-Update", Acct_Session_Time="3600")))
    assert interim == ROW | {"event": "interim", "at": AT, "start": began}
    assert "start" not in only(read(record(Acct_Status_Type="Alive")))


def test_delay_time(read: Read) -> None:
    held = only(read(record(Acct_Status_Type="Stop", Acct_Session_Time="60", Acct_Delay_Time="43")))
    assert (held["at"], held["start"], held["end"]) == (
        datetime(2026, 11, 24, 6, 3), datetime(2026, 11, 24, 6, 2), datetime(2026, 11, 24, 6, 3))


@pytest.mark.parametrize("status", ["Accounting-On", "Accounting-Off", "7", "8"])
def test_an_access_server_that_restarts(read: Read, status: str) -> None:
    reset = read(record(Acct_Status_Type=status, User_Name=None, Acct_Session_Id=None, Framed_IP_Address=None))
    assert only(reset) == {"at": AT, "event": "reset", "kind": "radius", "access_server": "203.0.113.20", "port_first": 0,
                           "port_last": 65535}


def test_names_of_attributes(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of dictionaries of vendors (H3C, Nokia, ...), with tags, and unknown ones; both readers know them all."""
    lines = ("\tH3C-Connect_Id = 77\n\tAlc-Acct-I-High-Octets-Offer_64 = 0x00\n\tTunnel-Type:0 = VLAN\n"
             "\tCharging/Rule.1 = 1\n\tAttr-26.2352.1 = 0x01\n\tX_Y:12 += a\n\n")
    text = record().rstrip("\n") + "\n" + lines
    assert only(read(text)) == ROW | {"at": AT, "start": AT}
    monkeypatch.setattr(freeradius, "starts", lambda lines: pl.repeat(value=False, n=lines.len(), eager=True))
    assert only(read(text)) == ROW | {"at": AT, "start": AT}


@pytest.mark.parametrize("name", ["A:B", "A B", "A#", "É", "Tunnel-Type:0:1"])
def test_names_that_are_none(read: Read, name: str) -> None:
    result = read(record().rstrip("\n") + f"\n\t{name} = 1\n\n")
    assert result.rejected == [(1, None, "a line that is no attribute", HEADER)]


@pytest.mark.parametrize(("status", "event"), [("1", "start"), ("2", "stop"), ("3", "interim"), ("START", "start"),
                                               ("Tunnel-Start", None), ("Failed", None), ("15", None)])
def test_status_types(read: Read, status: str, event: str | None) -> None:
    result = read(record(Acct_Status_Type=status))
    assert [row["event"] for row in result.facts()] == ([] if event is None else [event])
    assert (result.kept, result.filtered) == ((0, 1) if event is None else (1, 0))


def test_ipv6_prefixes_and_addresses(read: Read) -> None:
    result = read(record(Framed_IPv6_Prefix="2001:db8:100:1::/64", Delegated_IPv6_Prefix="2001:db8:100:ff00::/56",
                         Framed_IPv6_Address="2001:db8:100:1::5"))
    assert result.rows("ip_first", "ip_last") == [
        (KEY, KEY),
        ("20010db8010000010000000000000000", "20010db801000001ffffffffffffffff"),
        ("20010db80100ff000000000000000000", "20010db80100ffffffffffffffffffff"),
        ("20010db8010000010000000000000005", "20010db8010000010000000000000005"),
    ]
    assert (result.read, result.kept) == (1, 1)


def test_several_prefixes_and_the_same_address_twice(read: Read) -> None:
    lines = ("\tDelegated-IPv6-Prefix = 2001:db8:1::/48\n\tDelegated-IPv6-Prefix += 2001:db8:2::/48\n"
             "\tFramed-IP-Address:0 := 198.18.1.60\n\n")
    result = read(record().rstrip("\n") + "\n" + lines)
    assert [first[:12] for (first,) in result.rows("ip_first")] == ["000000000000", "20010db80001", "20010db80002"]


@pytest.mark.parametrize("address", [None, "0.0.0.0", "255.255.255.254", "255.255.255.255"])
def test_a_session_without_an_address_yet(read: Read, address: str | None) -> None:
    row = only(read(record(Framed_IP_Address=address)))
    assert (row["event"], "ip_first" in row) == ("start", False)


@pytest.mark.parametrize(("header", "at"), [
    (HEADER, AT), ("Thu Jan  1 08:59:59 2026", datetime(2025, 12, 31, 23, 59, 59)),
])
def test_without_timestamp_the_header_tells_the_local_time(read: Read, header: str, at: datetime) -> None:
    assert only(read(record(header, Timestamp=None)))["at"] == at


@pytest.mark.parametrize(("value", "user"), [
    ('"u1"', "u1"), ("u1", "u1"), ("'u1'", "u1"), (r'"a \"b\" c"', 'a "b" c'), (r'"back\\slash"', "back\\slash"),
    ('" lead"', "lead"), ("'trail  '", "trail"), (r'"\tesc aped\n"', "esc aped"), ('" 佐藤\u3000"', "佐藤"),
    ('" 00-1A-2B-3C-4D-5E "', "00:1a:2b:3c:4d:5e"), (r'"\344\275\220 = 1"', "佐 = 1"), ('"佐藤"', "佐藤"), (r'"tab\there"', "tab\there"), ('"a" ', "a"), ('"', '"'),
])
def test_values(read: Read, value: str, user: str) -> None:
    assert only(read(record(User_Name=value)))["subscriber"] == user


@pytest.mark.parametrize(("changes", "reason"), [
    ({"User_Name": None}, "no User-Name"), ({"User_Name": '""'}, "no User-Name"),
    ({"User_Name": '"  "'}, "the line's name is blank"), ({"Acct_Session_Id": None}, "no Acct-Session-Id"),
    ({"Acct_Status_Type": None}, "no Acct-Status-Type"),
    ({"Framed_IP_Address": "198.18.1.600"}, "Framed-IP-Address is no address or prefix"),
    ({"Framed_IPv6_Prefix": "2001:db8::/129"}, "Framed-IPv6-Prefix is no address or prefix"),
    ({"Acct_Delay_Time": "-1"}, "Acct-Delay-Time is no number from 0 to 4294967295"),
    ({"Acct_Session_Time": "²", "Acct_Status_Type": "Stop"}, "Acct-Session-Time is no number from 0 to 4294967295"),
    ({"Timestamp": "9" * 30}, "Timestamp is no number from 1 to 8589934592"),
    ({"header": "Tue Feb 30 15:03:43 2026", "Timestamp": None}, "impossible time in the header"),
])
def test_bad_records(read: Read, changes: dict[str, str | None], reason: str) -> None:
    result = read(record(), record(**changes), record())
    header = changes.get("header", HEADER)
    assert result.rejected == [(9, None, reason, header)]
    assert (result.read, result.kept) == (3, 2)


def test_lines_that_belong_to_no_record(read: Read) -> None:
    stray = "stray u1@isp.example\n\tUser-Name = \"u1\"\n\n"
    broken = record().replace("\tAcct-Session-Id", "torn u1\n\tAcct-Session-Id")
    result = read(stray, record(), broken, record())
    assert result.rejected == [(1, None, "a line outside of any record", None), (12, None, "a line that is no attribute", HEADER)]
    assert (result.read, result.kept) == (4, 2)


def test_records_without_a_blank_line_between(read: Read) -> None:
    assert (read(record().rstrip("\n") + "\n", record()).kept) == 2


@pytest.mark.parametrize("cut", ["\tTimestamp = 17955", "\tFramed-IP-Add", '\tUser-Name = "u'])
def test_a_last_record_that_is_cut(read: Read, cut: str) -> None:
    whole = record()
    result = read(record(), whole[: whole.index(cut) + len(cut)])
    assert [row[0] for row in result.rejected] == [9]
    assert result.rejected[0][2] in {"the file ends within the record", "a line that is no attribute"}
    assert (result.read, result.kept) == (2, 1)


def test_line_ends_and_empty_file(read: Read) -> None:
    assert only(read(record().replace("\n", "\r\n"))) == ROW | {"at": AT, "start": AT}
    assert read("").read == 0
    assert read("\n\n").read == 0


def test_records_read_together_are_those_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with some of them, and wherever a block ends."""
    text = "".join([record(), record(Acct_Status_Type="Stop", Acct_Session_Time="60", User_Name="'u 2'"),
                    record(Acct_Status_Type="Accounting-On"), record(Delegated_IPv6_Prefix="2001:db8:2::/56"),
                    record(Timestamp=None), record(User_Name='"a\\303\\244"'), record(Framed_IP_Address="0.0.0.0")] * 9)
    path = tmp_path / "detail"
    for seed in range(120):
        path.write_bytes(damaged(text.encode() if seed % 2 else DETAIL, seed))
        with monkeypatch.context() as patched:
            patched.setattr(freeradius, "blocks", lambda path, size=seed * 90 + 1: blocks(path, size))
            together = collect(freeradius.read(Source(path, "Asia/Tokyo")), freeradius.FORMAT)
            patched.setattr(freeradius, "starts", lambda lines: pl.repeat(value=False, n=lines.len(), eager=True))
            alone = collect(freeradius.read(Source(path, "Asia/Tokyo")), freeradius.FORMAT)
        assert together.frame.equals(alone.frame), seed
        assert (together.read, together.kept, together.rejected) == (alone.read, alone.kept, alone.rejected), seed
