"""IPFIX NAT events as CSV: names of IANA's registry, codes of RFC 8158 (16, 17) and of the drafts before (14, 15)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.errors import InputError
from op25b.readers.leases import nat_events
from tests.readers.leases.facts import leases, reasons
from tests.readers.reading import Result, read_bytes

HEADER = "observationTimeMilliseconds,natEvent,sourceIPv4Address,postNATSourceIPv4Address,portRangeStart,portRangeEnd"
SAMPLE = f"""{HEADER}
1184025600000,16,100.64.0.7,203.0.113.50,1024,1151
1184025600500,4,100.64.0.7,203.0.113.50,,
1184029200000,17,100.64.0.7,203.0.113.50,1024,1151
"""
Read = Callable[..., Result]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(data: str) -> Result:
        return read_bytes(nat_events.FORMAT, tmp_path / "nat.csv", data, timezone="Asia/Tokyo")

    return run


def test_allocation_and_release(read: Read) -> None:
    result = read(SAMPLE)
    common = {"kind": "cgnat", "subscriber": "100.64.0.7", "inside": "100.64.0.7", "ip": "203.0.113.50",
              "ports": (1024, 1151), "start": "2007-07-10 00:00:00"}
    assert leases(result) == [
        common | {"at": "2007-07-10 00:00:00", "event": "start"},
        common | {"at": "2007-07-10 01:00:00", "event": "stop", "end": "2007-07-10 01:00:00"},
    ]
    assert result.frame["session"].n_unique() == 1
    assert (result.read, result.kept, result.filtered, result.rejected) == (3, 2, 1, [])


def test_codes_of_the_drafts_and_address_bindings(read: Read) -> None:
    result = read(f"{HEADER}\n1184025600000,14,100.64.0.7,203.0.113.50,1024,1151\n"
                  "1184025600000,14,100.64.0.8,203.0.113.50,,\n1184029200000,15,100.64.0.7,203.0.113.50,1024,1151\n")
    assert [(row["event"], row["subscriber"]) for row in leases(result)] == [
        ("start", "100.64.0.7"), ("stop", "100.64.0.7")]
    assert result.filtered == 1


def test_a_release_alone_states_the_end_only(read: Read) -> None:
    result = read(f"{HEADER}\n1184029200000,17,100.64.0.7,203.0.113.50,1024,1151\n")
    (row,) = leases(result)
    assert ("start" in row, row["end"]) == (False, "2007-07-10 01:00:00")
    assert result.frame["session"].to_list() == [None]


def test_a_lost_release_shows_when_the_block_goes_to_somebody_else(read: Read) -> None:
    result = read(f"{HEADER}\n1184025600000,16,100.64.0.7,203.0.113.50,1024,1151\n"
                  "1184029200000,16,100.64.0.8,203.0.113.50,1024,1151\n")
    assert [(row["subscriber"], row["event"], row.get("end", "")[11:]) for row in leases(result)] == [
        ("100.64.0.7", "start", ""), ("100.64.0.7", "stop", "01:00:00"), ("100.64.0.8", "start", "")]


def test_a_repeated_allocation_changes_nothing(read: Read) -> None:
    line = "1184025600000,16,100.64.0.7,203.0.113.50,1024,1151\n"
    assert [row["event"] for row in leases(read(f"{HEADER}\n{line}{line}"))] == ["start", "start"]


def test_ds_lite_names_steps_counts_and_other_time_elements(read: Read) -> None:
    data = "\n".join([
        ("OBSERVATIONTIMESECONDS;natEvent;sourceIPv6Address;sourceIPv4Address;postNATSourceIPv4Address;portRangeStart;"
         "portRangeEnd;portRangeStepSize;portRangeNumPorts;userName;natInstanceID;whatever"),
        "1184025600;Port block allocation;2001:DB8:100::7;192.168.1.9;203.0.113.50;2048;0;1;64;;3;x",
        "2007-07-10 09:00:00;16;::;100.64.0.9;203.0.113.50;4096;4100;2;;line9;3;x",
    ])
    common = {"at": "2007-07-10 00:00:00", "start": "2007-07-10 00:00:00", "event": "start", "kind": "cgnat",
              "ip": "203.0.113.50", "access_server": "3"}
    assert leases(read(data)) == [
        common | {"subscriber": "2001:db8:100::7", "inside": "2001:db8:100::7", "ports": (2048, 2111)}] + [
        common | {"subscriber": "line9", "ports": (port, port)} for port in (4096, 4098, 4100)]


def test_what_cannot_be_is_rejected(read: Read) -> None:
    result = read("\n".join([
        HEADER,
        "1184025600000,,100.64.0.7,203.0.113.50,1024,1151",
        "1184025600000,99,100.64.0.7,203.0.113.50,1024,1151",
        ",16,100.64.0.7,203.0.113.50,1024,1151",
        "99999999999999999999,16,100.64.0.7,203.0.113.50,1024,1151",
        "1184025600000,16,,203.0.113.50,1024,1151",
        "1184025600000,16,100.64.0.777,203.0.113.50,1024,1151",
        "1184025600000,16,100.64.0.7,203.0.113,1024,1151",
        "1184025600000,16,100.64.0.7,203.0.113.50,,",
        "1184025600000,16,100.64.0.7,203.0.113.50,1024,1000",
        "1184025600000,16,100.64.0.7,203.0.113.50,1024,70000",
    ]))
    assert reasons(result) == [
        (2, "no natEvent"), (3, "natEvent is no number from 1 to 18"), (4, "no observation time"),
        (5, "impossible time"), (6, "no source address"), (7, "the source address is none"),
        (8, "the postNATSource address is none"), (9, "first port is no number from 0 to 65535"),
        (10, "the port range ends before it begins"), (11, "last port is no number from 0 to 65535"),
    ]


def test_a_missing_column_names_the_nearest(read: Read) -> None:
    with pytest.raises(InputError, match=r"no column 'portrangestart'; did you mean 'portrangebegin'\?"):
        read("observationTimeMilliseconds,natEvent,sourceIPv4Address,postNATSourceIPv4Address,portRangeBegin\n")
