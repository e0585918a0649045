"""ISC dhcpd lease files.

The files in `real/` are what isc-dhcp-server 4.4.3-P1 (Debian 4.4.3-P1-2) wrote while dhclient and perfdhcp (as a relay
with option 82) took, renewed, released and dropped leases of 30 and 40 s. The rest is literal, in the form of
dhcpd.leases(5).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from op25b.readers.leases import isc_dhcpd
from tests.readers.leases.facts import leases, reasons
from tests.readers.reading import Result, read_bytes

REAL4 = (Path(__file__).parent / "real" / "dhcpd.leases").read_text()
REAL6 = (Path(__file__).parent / "real" / "dhcpd6.leases").read_text()
Read = Callable[..., Result]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(data: str, **settings: Any) -> Result:
        return read_bytes(isc_dhcpd.FORMAT, tmp_path / "dhcpd.leases", data, timezone="Asia/Tokyo", **settings)

    return run


def lease(address: str, starts: str, ends: str, state: str = "active", client: int = 1, more: str = "") -> str:
    """A block of 2007-07-10 as dhcpd writes it."""
    when = [f"  {name} {'2 2007/07/10 ' + time if time[0].isdigit() else time};\n"
            for name, time in (("starts", starts), ("ends", ends))]
    return (f"lease {address} {{\n{''.join(when)}  binding state {state};\n"
            f"  hardware ethernet 00:00:5e:00:53:{client:02x};\n{more}}}\n")


def spans(result: Result) -> list[tuple[Any, ...]]:
    return [(row["subscriber"][-2:], row["event"], row["start"][11:], row.get("end", "never")[11:])
            for row in leases(result)]


def test_real_dhcpv4(read: Read) -> None:
    result = read(REAL4)
    assert leases(result) == [
        {"at": "2026-11-24 06:23:17", "event": "stop", "kind": "dhcp", "subscriber": "00:0c:01:02:03:04",
         "start": "2026-11-24 06:22:47", "end": "2026-11-24 06:23:17", "ip": "198.18.0.11"},
        {"at": "2026-11-24 06:23:24", "event": "stop", "kind": "dhcp", "subscriber": "d2:d1:e1:51:32:62",
         "start": "2026-11-24 06:22:42", "end": "2026-11-24 06:23:24", "ip": "198.18.0.10"},
        {"at": "2026-11-24 06:24:30", "event": "stop", "kind": "dhcp", "subscriber": "d2:d1:e1:51:32:62",
         "start": "2026-11-24 06:23:46", "end": "2026-11-24 06:24:30", "ip": "198.18.0.11"},
    ]
    # Two statements say nothing of leases: authoring-byte-order and server-duid.
    assert (result.read, result.kept, result.filtered, result.rejected) == (11, 9, 2, [])


def test_real_dhcpv6_address_and_delegated_prefix(read: Read) -> None:
    common = {"at": "2026-11-24 06:23:25", "event": "stop", "kind": "dhcp", "subscriber": "d2:d1:e1:51:32:62",
              "start": "2026-11-24 06:22:43", "end": "2026-11-24 06:23:25"}
    assert leases(read(REAL6)) == [
        common | {"ip": "2001:db8:100::110"},
        common | {"ip": "2001:db8:101:300::-2001:db8:101:3ff:ffff:ffff:ffff:ffff"},
    ]


@pytest.mark.parametrize(("identify_by", "found", "rejected"), [
    ("uid", ["01:00:0c:01:02:03:04", "line-0001"], 2),  # the third client sent no identifier
    ("circuit-id", ["GE11"], 5),
    ("remote-id", ["00:11:22:33:44:55"], 5),
])
def test_real_identifiers(read: Read, identify_by: str, found: list[str], rejected: int) -> None:
    result = read(REAL4, identify_by=identify_by)
    assert [row["subscriber"] for row in leases(result)] == found
    assert len(result.rejected) == rejected
    assert {reason for _, reason in reasons(result)} == {
        f"no {identify_by} to name the subscriber by (setting identify_by)"}


def test_a_lease_known_by_its_circuit_ends_though_the_last_block_does_not_name_the_circuit(read: Read) -> None:
    (row,) = leases(read(REAL4, identify_by="circuit-id"))
    assert (row["start"], row["end"]) == ("2026-11-24 06:22:47", "2026-11-24 06:23:17")


def test_the_duid_names_the_line_in_dhcpv6(read: Read) -> None:
    assert {row["subscriber"] for row in leases(read(REAL6, identify_by="uid"))} == {
        "00:01:00:01:32:97:e9:b1:d2:d1:e1:51:32:62"}
    assert len(read(REAL6, identify_by="circuit-id").rejected) == 8


def test_renewals_extend_a_gap_divides(read: Read) -> None:
    result = read(lease("198.18.0.5", "00:00:00", "01:00:00") + lease("198.18.0.5", "00:30:00", "01:30:00")
                  + lease("198.18.0.5", "01:30:00", "02:30:00") + lease("198.18.0.5", "05:00:00", "06:00:00"))
    assert spans(result) == [("01", "stop", "00:00:00", "02:30:00"), ("01", "interim", "05:00:00", "06:00:00")]


def test_reassignment_ends_the_lease_before_its_time(read: Read) -> None:
    result = read(lease("198.18.0.5", "00:00:00", "01:00:00") + lease("198.18.0.5", "00:20:00", "01:20:00", client=2))
    assert spans(result) == [("01", "stop", "00:00:00", "00:20:00"), ("02", "interim", "00:20:00", "01:20:00")]


@pytest.mark.parametrize("state", ["free", "expired", "released", "backup", "reset"])
def test_release_and_expiry_end_it(read: Read, state: str) -> None:
    result = read(lease("198.18.0.5", "00:00:00", "01:00:00") + lease("198.18.0.5", "00:00:00", "00:10:00", state))
    assert spans(result) == [("01", "stop", "00:00:00", "00:10:00")]


def test_an_abandoned_address_is_nobodys(read: Read) -> None:
    result = read(lease("198.18.0.5", "00:00:00", "01:00:00")
                  + lease("198.18.0.5", "00:10:00", "02:00:00", "abandoned"))
    assert spans(result) == [("01", "stop", "00:00:00", "00:10:00")]


def test_that_nobody_holds_an_address_of_which_no_holder_is_known_says_nothing(read: Read) -> None:
    result = read(lease("198.18.0.5", "00:10:00", "02:00:00", "abandoned"))
    assert (result.read, result.kept, result.filtered, result.rejected) == (1, 0, 1, [])


def test_a_clean_lease_file_holds_only_the_last_state_of_each_address(read: Read) -> None:
    result = read(lease("198.18.0.5", "00:00:00", "00:10:00", "free") + lease("198.18.0.6", "00:00:00", "never"))
    assert spans(result) == [("01", "stop", "00:00:00", "00:10:00"), ("01", "interim", "00:00:00", "")]


def test_times_as_seconds_with_a_comment(read: Read) -> None:
    text = ("lease 198.18.0.5 {\n  starts epoch 1184025600; # Tue Jul 10 00:00:00 2007\n"
            "  ends epoch 1184029200; # Tue Jul 10 01:00:00 2007 }\n  binding state active;\n"
            "  hardware ethernet 0:0:5e:0:53:1;\n}\n")
    assert spans(read(text)) == [("01", "interim", "00:00:00", "01:00:00")]


def test_braces_semicolons_and_quotes_inside_strings(read: Read) -> None:
    text = lease("198.18.0.5", "00:00:00", "01:00:00", more='  client-hostname "a;}\\"{b";\n  uid "\\001a\\"";\n')
    assert spans(read(text)) == [("01", "interim", "00:00:00", "01:00:00")]
    assert leases(read(text, identify_by="uid"))[0]["subscriber"] == "01:61:22"


def test_failover_and_other_blocks_say_nothing(read: Read) -> None:
    text = '''failover peer "p" state {
  my state normal at 2 2007/07/10 00:00:00;
  partner state normal at 2 2007/07/10 00:00:00;
}
'''
    more = "  atsfp 2 2007/07/10 00:30:00;\n  next binding state expired;\n"
    result = read(text + lease("198.18.0.5", "00:00:00", "01:00:00", more=more))
    assert (result.read, result.kept, result.filtered) == (2, 1, 1)


def test_a_cut_last_block_is_kept_out(read: Read) -> None:
    whole = lease("198.18.0.5", "00:00:00", "01:00:00")
    result = read(whole + whole[:60])
    assert spans(result) == [("01", "interim", "00:00:00", "01:00:00")]
    assert reasons(result) == [(7, "cut off: the block does not end")]


def test_a_block_cut_by_a_crash_costs_itself_alone(read: Read) -> None:
    one = lease("198.18.0.5", "00:00:00", "01:00:00")
    result = read(one[:60] + "\n" + lease("198.18.0.6", "00:00:00", "01:00:00", client=2))
    assert spans(result) == [("02", "interim", "00:00:00", "01:00:00")]
    assert reasons(result) == [(1, "cut off: the block does not end")]


def test_what_cannot_be_is_rejected_with_the_line_of_its_block(read: Read) -> None:
    result = read(lease("198.18.0.555", "00:00:00", "01:00:00") + lease("198.18.0.5", "00:00:99", "01:00:00")
                  + lease("198.18.0.5", "02:00:00", "01:00:00") + lease("198.18.0.5", "00:00:00", "01:00:00", "lent")
                  + lease("198.18.0.5", "never", "01:00:00") + "} stray;\n")
    assert reasons(result) == [
        (1, "lease is no address or prefix"),
        (7, "starts is no time"),
        (13, "the end is before the start"),
        (19, "unknown binding state 'lent'"),
        (25, "no starts"),
        (31, "cut off: the block does not end"),
    ]
    assert result.kept == 0
