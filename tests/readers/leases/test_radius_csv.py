"""RADIUS accounting tables as CSV; column names are those of FreeRADIUS' `schema.sql` for MySQL and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.errors import InputError
from op25b.readers.leases import radius_csv
from tests.readers.leases.facts import leases, reasons
from tests.readers.reading import Result, read_bytes

HEADER = (
    "radacctid,acctsessionid,acctuniqueid,username,nasipaddress,acctstarttime,acctupdatetime,acctstoptime,"
    "acctsessiontime,framedipaddress,framedipv6prefix,delegatedipv6prefix"
)
SAMPLE = f"""{HEADER}
1,S1,u1,line1,203.0.113.9,2007-07-10 00:00:00,\\N,2007-07-10 01:00:00,3600,198.18.0.7,,
2,S2,u2,line2,203.0.113.9,2007-07-10 00:30:00,NULL,NULL,0,198.18.0.8,,2001:db8:100:100::/56
"""
Read = Callable[..., Result]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(data: str, timezone: str = "Asia/Tokyo") -> Result:
        return read_bytes(radius_csv.FORMAT, tmp_path / "radacct.csv", data, timezone=timezone)

    return run


def test_a_finished_and_an_open_session_local_times(read: Read) -> None:
    result = read(SAMPLE)
    first = {"kind": "radius", "access_server": "203.0.113.9"}
    assert leases(result) == [
        first | {"at": "2007-07-09 16:00:00", "event": "stop", "subscriber": "line1", "ip": "198.18.0.7",
                 "start": "2007-07-09 15:00:00", "end": "2007-07-09 16:00:00"},
        first | {"at": "2007-07-09 15:30:00", "event": "start", "subscriber": "line2", "ip": "198.18.0.8",
                 "start": "2007-07-09 15:30:00"},
        first | {"at": "2007-07-09 15:30:00", "event": "start", "subscriber": "line2", "start": "2007-07-09 15:30:00",
                 "ip": "2001:db8:100:100::-2001:db8:100:1ff:ffff:ffff:ffff:ffff"},
    ]
    assert result.frame["session"].to_list() == ["S1", "S2", "S2"]
    assert (result.read, result.kept, result.filtered, result.rejected) == (2, 2, 0, [])


def test_times_with_a_zone_do_not_care_for_the_setting(read: Read) -> None:
    rows = (
        "acctsessionid;UserName;AcctStartTime;AcctStopTime;AcctUpdateTime;FramedIPAddress\n"
        "S1;l;2007-07-10 00:00:00+09;;2007-07-10T00:10:00+09:00;198.18.0.7\n"
        "S2;l;2007-07-09T15:00:00.5Z;1183996800;;198.18.0.7\n"
    )
    assert [(str(row["start"]), row["event"], str(row["at"])) for row in leases(read(rows))] == [
        ("2007-07-09 15:00:00", "interim", "2007-07-09 15:10:00"),
        ("2007-07-09 15:00:00", "stop", "2007-07-09 16:00:00"),
    ]


def test_mysql_dumps_tabs_and_the_zero_date_of_old_schemas(read: Read) -> None:
    rows = (
        "AcctSessionId\tUserName\tNASIPAddress\tAcctStartTime\tAcctStopTime\tFramedIPAddress\n"
        "S1\tl\t10.0.0.1\t2007-07-10 00:00:00\t0000-00-00 00:00:00\t198.18.0.7\n"
    )
    assert [(row["event"], "end" in row) for row in leases(read(rows))] == [("start", False)]


def test_a_lost_start_is_computed_from_the_session_time(read: Read) -> None:
    rows = f"{HEADER}\n1,S1,u,l,,,,2007-07-10 01:00:00,600,198.18.0.7,,\n"
    assert [row["start"] for row in leases(read(rows, "UTC"))] == ["2007-07-10 00:50:00"]


def test_a_session_without_address_still_states_start_and_end(read: Read) -> None:
    (row,) = leases(read(f"{HEADER}\n1,S1,u,l,,2007-07-10 00:00:00,,2007-07-10 01:00:00,3600,0.0.0.0,,\n"))
    assert "ip" not in row


def test_what_cannot_be_is_rejected_with_line_and_reason(read: Read) -> None:
    result = read("\n".join([
        HEADER,
        "1,S1,u,,,2007-07-10 00:00:00,,,0,198.18.0.7,,",
        "2,,u,l,,2007-07-10 00:00:00,,,0,198.18.0.7,,",
        "3,S3,u,l,,2007-02-30 00:00:00,,,0,198.18.0.7,,",
        "4,S4,u,l,,2007-07-10 02:00:00,,2007-07-10 01:00:00,0,198.18.0.7,,",
        "5,S5,u,l,,2007-07-10 00:00:00,,,0,198.18.0.777,,",
        "6,S6,u,l,,,,,0,198.18.0.7,,",
        "7,S7,u,l",
        '8,S8,u,"l,,2007-07-10 00:00:00,,,0,198.18.0.7,,',
        "9,S9,u,l,,,,2007-07-10 00:00:00,-5,198.18.0.7,,",
        "",
    ]))
    assert reasons(result) == [
        (2, "no username"),
        (3, "no acctsessionid"),
        (4, "acctstarttime is no time"),
        (5, "the end is before the start"),
        (6, "framedipaddress is no address or prefix"),
        (7, "no acctstarttime"),
        (8, "4 fields where the header has 12"),
        (9, "quotes that do not match"),
        (10, "acctsessiontime is no number from 0 to 632448000"),
    ]
    assert (result.read, result.kept) == (9, 0)
    assert all(excerpt is None for *_, excerpt in result.rejected)  # rows hold user names


def test_a_missing_column_names_the_nearest(read: Read) -> None:
    with pytest.raises(InputError, match=r"no column 'username'; did you mean 'user_name'\?"):
        read("acctsessionid,user_name,acctstarttime,framedipaddress\nS1,l,2007-07-10 00:00:00,198.18.0.7\n")
