"""Static assignments; the format is ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.errors import InputError
from op25b.readers.leases import static
from tests.readers.leases.facts import leases, reasons
from tests.readers.reading import Result, read_bytes

SAMPLE = """subscriber,address,prefix,first,last,start,end
line1,198.18.0.7,,,,,
line2,,198.18.8.0/29,,,2007-07-01,
line2,,2001:db8:100:200::/56,,,2007-07-01,2007-07-11
line3,,,198.18.9.16,198.18.9.18,2007-07-01T00:00:00+09:00,
"""
Read = Callable[..., Result]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(data: str) -> Result:
        return read_bytes(static.FORMAT, tmp_path / "static.csv", data, timezone="Asia/Tokyo")

    return run


def test_addresses_prefixes_and_ranges(read: Read) -> None:
    result = read(SAMPLE)
    assert leases(result) == [
        {"kind": "static", "event": "start", "subscriber": "line1", "ip": "198.18.0.7"},  # has always been there
        {"kind": "static", "event": "start", "at": "2007-06-30 15:00:00", "start": "2007-06-30 15:00:00",
         "subscriber": "line2", "ip": "198.18.8.0-198.18.8.7"},
        {"kind": "static", "event": "stop", "at": "2007-07-10 15:00:00", "start": "2007-06-30 15:00:00",
         "end": "2007-07-10 15:00:00", "subscriber": "line2",
         "ip": "2001:db8:100:200::-2001:db8:100:2ff:ffff:ffff:ffff:ffff"},
        {"kind": "static", "event": "start", "at": "2007-06-30 15:00:00", "start": "2007-06-30 15:00:00",
         "subscriber": "line3", "ip": "198.18.9.16-198.18.9.18"},
    ]
    assert result.frame["session"].n_unique() == 4
    assert (result.read, result.kept, result.rejected) == (4, 4, [])


def test_the_session_stays_when_an_end_is_added(read: Read) -> None:
    before = read("subscriber,address,start\nl,198.18.0.7,2007-07-01\n")
    after = read("subscriber,address,start,end\nl,198.18.0.7,2007-07-01,2007-08-01\n")
    assert before.frame["session"].to_list() == after.frame["session"].to_list()


def test_a_part_of_a_shared_address(read: Read) -> None:
    (row,) = leases(read("subscriber;address;port_first;port_last\nl;198.18.0.7;1024;2047\n"))
    assert row["ports"] == (1024, 2047)


def test_what_cannot_be_is_rejected(read: Read) -> None:
    result = read("\n".join([
        "subscriber,address,prefix,first,last,start,end,port_first,port_last",
        ",198.18.0.7,,,,,,,",
        "l,198.18.0.7,198.18.0.0/24,,,,,,",
        "l,,,198.18.0.7,,,,,",
        "l,,,198.18.0.7,198.18.0.6,,,,",
        "l,,,198.18.0.7,2001:db8::1,,,,",
        "l,,198.18.0.0/33,,,,,,",
        "l,198.18.0.7,,,,2007-07-02,2007-07-01,,",
        "l,198.18.0.7,,,,,,2000,1000",
        "l,198.18.0.7,,,,,,1,65536",
    ]))
    assert reasons(result) == [
        (2, "no subscriber"),
        (3, "exactly one of address, prefix, and first with last must be given"),
        (4, "exactly one of address, prefix, and first with last must be given"),
        (5, "first and last are no range of addresses"),
        (6, "first and last are no range of addresses"),
        (7, "prefix is no address or prefix"),
        (8, "the end is before the start"),
        (9, "the port range ends before it begins"),
        (10, "last port is no number from 0 to 65535"),
    ]


def test_a_missing_column_names_the_nearest(read: Read) -> None:
    with pytest.raises(InputError, match=r"no column 'subscriber'; did you mean 'subscribers'\?"):
        read("subscribers,address\nl,198.18.0.7\n")
