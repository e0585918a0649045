"""Kea lease files.

REAL4, REAL4_1 and REAL6 are what kea-dhcp4 and kea-dhcp6 2.2.0 (Debian 2.2.0-6) wrote while dhclient and perfdhcp
(with option 82) took, renewed, released and dropped leases of 25 s. The rest is literal, with the columns of other
versions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from op25b.errors import InputError
from op25b.readers.leases import kea
from tests.readers.leases.facts import leases, reasons
from tests.readers.reading import Result, read_bytes

REAL4_1 = """address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
198.18.4.10,96:db:aa:38:4a:20,6c:69:6e:65:2d:30:30:30:31,25,1795501423,1,0,0,pc1,0,
198.18.4.11,00:0c:01:02:03:04,01:00:0c:01:02:03:04,25,1795501427,1,0,0,,0,{ "ISC": { "relay-agent-info": "0x0104474531310206001122334455" } }
198.18.4.10,96:db:aa:38:4a:20,6c:69:6e:65:2d:30:30:30:31,25,1795501430,1,0,0,pc1,0,
198.18.4.10,96:db:aa:38:4a:20,6c:69:6e:65:2d:30:30:30:31,25,1795501437,1,0,0,pc1,0,
198.18.4.10,96:db:aa:38:4a:20,6c:69:6e:65:2d:30:30:30:31,25,1795501445,1,0,0,pc1,0,
198.18.4.10,96:db:aa:38:4a:20,6c:69:6e:65:2d:30:30:30:31,25,1795501453,1,0,0,pc1,0,
198.18.4.11,00:0c:01:02:03:04,01:00:0c:01:02:03:04,25,1795501427,1,0,0,,2,{ "ISC": { "relay-agent-info": "0x0104474531310206001122334455" } }
198.18.4.10,96:db:aa:38:4a:20,6c:69:6e:65:2d:30:30:30:31,25,1795501459,1,0,0,pc1,0,
198.18.4.10,96:db:aa:38:4a:20,6c:69:6e:65:2d:30:30:30:31,0,1795501434,1,0,0,pc1,0,
"""  # noqa: E501
REAL4 = """address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
198.18.4.13,96:db:aa:38:4a:20,,25,1795501468,1,0,0,pc2x,0,
198.18.4.13,96:db:aa:38:4a:20,,25,1795501475,1,0,0,pc2x,0,
198.18.4.13,96:db:aa:38:4a:20,,25,1795501482,1,0,0,pc2x,0,
198.18.4.13,96:db:aa:38:4a:20,,25,1795501482,1,0,0,,2,
"""
REAL6 = """address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source
2001:db8:104::100,00:01:00:01:32:97:e9:d6:96:db:aa:38:4a:20,25,1795501599,1,20,0,2855815712,128,0,0,,96:db:aa:38:4a:20,0,,1,2
2001:db8:105::,00:01:00:01:32:97:e9:d6:96:db:aa:38:4a:20,25,1795501599,1,20,2,2855815712,56,0,0,,96:db:aa:38:4a:20,0,,1,2
2001:db8:104::100,00:01:00:01:32:97:e9:d6:96:db:aa:38:4a:20,25,1795501607,1,20,0,2855815712,128,0,0,,96:db:aa:38:4a:20,0,,1,2
2001:db8:105::,00:01:00:01:32:97:e9:d6:96:db:aa:38:4a:20,25,1795501607,1,20,2,2855815712,56,0,0,,96:db:aa:38:4a:20,0,,1,2
2001:db8:104::100,00:01:00:01:32:97:e9:d6:96:db:aa:38:4a:20,0,1795501582,1,0,0,2855815712,128,0,0,,96:db:aa:38:4a:20,0,,1,2
2001:db8:105::,00:01:00:01:32:97:e9:d6:96:db:aa:38:4a:20,0,1795501582,1,0,2,2855815712,56,0,0,,96:db:aa:38:4a:20,0,,1,2
"""  # noqa: E501
V2 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state"  # Kea 1.0
V3 = f"{V2},user_context,pool_id"  # Kea 2.4
SIX = (
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,"
    "hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id"
)
NOON = 1184065200  # 2007-07-10 11:00:00 UTC
Read = Callable[..., Result]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(data: str, **settings: Any) -> Result:
        return read_bytes(kea.FORMAT, tmp_path / "kea-leases4.csv", data, timezone="Asia/Tokyo", **settings)

    return run


def row(client: int, start: int, lifetime: int = 3600, state: int = 0, address: str = "198.18.0.5",
        more: str = "") -> str:
    """A line of Kea 1.0 (`more` adds later columns), `start` in seconds after 11:00."""
    return f"{address},00:00:5e:00:53:{client:02x},,{lifetime},{NOON + start + lifetime},1,0,0,,{state}{more}\n"


def spans(result: Result) -> list[tuple[Any, ...]]:
    return [(found["subscriber"][-2:], found["event"], found["start"][11:], found.get("end", "never")[11:])
            for found in leases(result)]


def test_real_dhcpv4_the_rotated_file(read: Read) -> None:
    result = read(REAL4_1)
    assert leases(result) == [
        {"at": "2026-11-24 06:23:47", "event": "stop", "kind": "dhcp", "subscriber": "00:0c:01:02:03:04",
         "start": "2026-11-24 06:23:22", "end": "2026-11-24 06:23:47", "ip": "198.18.4.11"},
        # Released, but Kea does not write when: the end last stated stands.
        {"at": "2026-11-24 06:23:54", "event": "interim", "kind": "dhcp", "subscriber": "96:db:aa:38:4a:20",
         "start": "2026-11-24 06:23:18", "end": "2026-11-24 06:24:19", "ip": "198.18.4.10"},
    ]
    assert (result.read, result.kept, result.filtered, result.rejected) == (9, 8, 1, [])


def test_real_dhcpv4_reclaimed_after_expiry(read: Read) -> None:
    (found,) = leases(read(REAL4))
    assert (found["event"], found["start"], found["end"]) == ("stop", "2026-11-24 06:24:03", "2026-11-24 06:24:42")


def test_real_dhcpv6_address_and_delegated_prefix(read: Read) -> None:
    common = {"at": "2026-11-24 06:26:22", "event": "interim", "kind": "dhcp", "subscriber": "96:db:aa:38:4a:20",
              "start": "2026-11-24 06:26:14", "end": "2026-11-24 06:26:47"}
    assert leases(read(REAL6)) == [
        common | {"ip": "2001:db8:104::100"},
        common | {"ip": "2001:db8:105::-2001:db8:105:ff:ffff:ffff:ffff:ffff"},
    ]


@pytest.mark.parametrize(("identify_by", "found"), [
    ("uid", ["01:00:0c:01:02:03:04", "line-0001"]), ("circuit-id", ["GE11"]), ("remote-id", ["00:11:22:33:44:55"]),
])
def test_real_identifiers(read: Read, identify_by: str, found: list[str]) -> None:
    assert [lease["subscriber"] for lease in leases(read(REAL4_1, identify_by=identify_by))] == found


@pytest.mark.parametrize("header", [V2, f"{V2},user_context", V3])
def test_columns_by_version(read: Read, header: str) -> None:
    more = "," * (header.count(",") - V2.count(","))
    assert spans(read(f"{header}\n{row(1, 0, more=more)}")) == [("01", "interim", "11:00:00", "12:00:00")]


def test_renewal_reassignment_and_for_ever(read: Read) -> None:
    data = f"{V2}\n" + row(1, 0) + row(1, 1800) + row(2, 2400) + row(3, 0, 0xFFFFFFFF, address="198.18.0.6")
    assert spans(read(data)) == [
        ("01", "stop", "11:00:00", "11:40:00"), ("02", "interim", "11:40:00", "12:40:00"),
        ("03", "interim", "11:00:00", ""),
    ]


def test_states(read: Read) -> None:
    header = f"{V2}\n"
    assert spans(read(header + row(1, 0, state=4))) == [("01", "interim", "11:00:00", "12:00:00")]
    assert spans(read(header + row(1, 0) + row(1, 0, state=2))) == [("01", "stop", "11:00:00", "12:00:00")]
    assert spans(read(header + row(1, 0) + row(1, 600, 300, 3))) == [("01", "stop", "11:00:00", "11:15:00")]
    assert spans(read(header + row(1, 0) + row(1, 0, 0, 3))) == [("01", "interim", "11:00:00", "12:00:00")]
    assert spans(read(header + row(1, 0) + row(1, 600, 86400, 1))) == [("01", "stop", "11:00:00", "11:10:00")]
    assert spans(read(header + row(1, 0, 86400, 1))) == []


def test_newer_relay_information_and_escaped_commas(read: Read) -> None:
    context = (
        '{ "ISC": { "client-id": "0x01"&#x2c "relay-agent-info": { "remote-id": "aabb"&#x2c '
        '"sub-options": "0x0104474531310202aabb" } }&#x2c "comment": "a&#x26#x2c;b" }'
    )
    data = f"{V3}\n" + row(1, 0, more=f",{context},0")
    assert leases(read(data, identify_by="circuit-id"))[0]["subscriber"] == "GE11"
    assert leases(read(data, identify_by="remote-id"))[0]["subscriber"] == "aa:bb"


def test_dhcpv6_relays_interface_and_remote_id(read: Read) -> None:
    # interface-id "ge1" (18) and remote-id of enterprise 2495 "ONU7" (37) by the relay next to the client
    context = (
        '{ "ISC": { "relay-info": [ { "hop": 1&#x2c "options": "0x"&#x2c "link": "::" }&#x2c '
        '{ "hop": 0&#x2c "options": "0x0012000367653100250008000009bf4f4e5537" } ] } }'
    )
    data = f"{SIX}\n2001:db8::,00:02:00:00:09:bf:01,3600,{NOON + 3600},1,1800,2,7,56,0,0,,,0,{context},,,0\n"
    assert leases(read(data, identify_by="circuit-id"))[0]["subscriber"] == "ge1"
    assert leases(read(data, identify_by="remote-id"))[0]["subscriber"] == "ONU7"
    assert leases(read(data, identify_by="uid"))[0]["subscriber"] == "00:02:00:00:09:bf:01"
    assert reasons(read(data)) == [(2, "no hardware to name the subscriber by (setting identify_by)")]


def test_what_cannot_be_is_rejected(read: Read) -> None:
    good = row(1, 0).strip().split(",")

    def but(**fields: str) -> str:
        names = V2.split(",")
        return ",".join(fields.get(name, value) for name, value in zip(names, good, strict=True))

    result = read("\n".join([
        V2, but(address="198.18.0.555"), but(expire=""), but(expire="99"), but(state="9"), but(hwaddr="zz"),
        but(hwaddr=""), but(valid_lifetime="4294967296"), "198.18.0.5,00:00:5e",
    ]))
    assert reasons(result) == [
        (2, "address is no address or prefix"),
        (3, "expire is no number from 0 to 1099511627776"),
        (4, "it expires before its lifetime is over"),
        (5, "state is no number from 0 to 4"),
        (6, "the hardware address is none"),
        (7, "no hardware to name the subscriber by (setting identify_by)"),
        (8, "valid_lifetime is no number from 0 to 4294967295"),
        (9, "2 fields where the header has 10"),
    ]


def test_a_missing_column_names_the_nearest(read: Read) -> None:
    with pytest.raises(InputError, match=r"no column 'expire'; did you mean 'expires'\?"):
        read("address,hwaddr,valid_lifetime,expires,subnet_id,state\n")
