"""Juniper port-block messages.

Forms: SRX text (also MX-SPC3) as a public parser quotes them, SRX structured data as Juniper's "SRX4600 CGN
configuration breakdown" prints them, MS-DPC as Juniper's own test framework quotes them; addresses and names are
replaced by documentation ones. The `0x` at the end of MS-MPC messages is from memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from op25b.readers.leases import juniper
from tests.readers.leases.facts import leases, reasons
from tests.readers.reading import Result, read_bytes

# 0x6a44007a is 2026-06-30 17:44:26 UTC; the router's clock shows local time, UTC+5.
SAMPLE = """<14>Jun 30 22:44:25 bng1 RT_NAT: RT_SRC_NAT_PBA_ALLOC: Subscriber 100.64.60.74 used/maximum [10/15] \
blocks, allocates port block [24064-24191] from 203.0.113.100 in source pool POOL lsys_id: 0 epoch 0x6a44007a
<14>Jun 30 22:50:00 bng1 RT_FLOW: RT_FLOW_SESSION_CREATE: session created 100.64.60.74/1024->198.51.100.1/25
<14>Jun 30 23:44:26 bng1 RT_NAT: RT_SRC_NAT_PBA_INTERIM: Subscriber 100.64.60.74 used/maximum [10/15] blocks, \
port block [24064-24191] from 203.0.113.100 in source pool POOL lsys_id: 0 epoch 0x6a44007a
<14>Jun 30 23:59:59 bng1 RT_NAT: RT_SRC_NAT_PBA_RELEASE: Subscriber 100.64.60.74 used/maximum [9/15] blocks, \
releases port block [24064-24191] from 203.0.113.100 in source pool POOL lsys_id: 0 epoch 0x6a44122f
"""
Read = Callable[..., Result]
PBA = (
    'RT_NAT - RT_SRC_NAT_PBA_{} [{}internal-ip="10.0.10.10" block-used="1" block-max-per-host="4" '
    'block-port-low="48640" block-port-high="48895" reflexive-ip="203.0.113.172" nat-pool-name="guest" '
    'logical-system-id="0" epoch-time-64="{}"]'
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(data: str, **settings: Any) -> Result:
        return read_bytes(juniper.FORMAT, tmp_path / "nat.log", data, **({"timezone": "Asia/Karachi"} | settings))

    return run


def test_srx_text_allocation_interim_and_release(read: Read) -> None:
    result = read(SAMPLE, year=2026)
    common = {"kind": "cgnat", "access_server": "bng1", "subscriber": "100.64.60.74",
              "inside": "100.64.60.74", "ip": "203.0.113.100", "ports": (24064, 24191), "start": "2026-06-30 17:44:26"}
    assert leases(result) == [
        common | {"at": "2026-06-30 17:44:26", "event": "start"},
        common | {"at": "2026-06-30 18:44:26", "event": "interim"},
        common | {"at": "2026-06-30 18:59:59", "event": "stop", "end": "2026-06-30 18:59:59"},
    ]
    assert result.frame["session"].n_unique() == 1
    assert (result.read, result.kept, result.filtered, result.rejected) == (4, 3, 1, [])


def test_a_wrong_time_zone_shows(read: Read) -> None:
    assert reasons(read(SAMPLE, year=2026, timezone="Asia/Tokyo")) == [
        (3, "earlier than the allocation it tells of: is the input's timezone the router's?")]


@pytest.mark.parametrize("header", ["", "<14>1 2022-04-04T16:45:38.269+02:00 srx "])
def test_srx_structured_data_needs_no_header(read: Read, header: str) -> None:
    junos = "junos@2636.1.1.1.2.25 " if header else ""
    lines = [header + PBA.format("ALLOC", junos, "624b0492"), header + PBA.format("RELEASE", junos, "624b0cc7")]
    found = leases(read("\n".join(lines)))
    assert [(row["event"], row["start"], row.get("end"), row["ports"]) for row in found] == [
        ("start", "2022-04-04 14:45:38", None, (48640, 48895)),
        ("stop", "2022-04-04 14:45:38", "2022-04-04 15:20:39", (48640, 48895)),
    ]


def test_ms_dpc_ds_lite_header_in_the_inputs_zone(read: Read) -> None:
    data = """Oct 30 21:46:04  mx (FPC Slot 2, PIC Slot 0) 2011-10-31 04:46:04 [FWNAT]:ASP_NAT_PORT_BLOCK_ALLOC: \
2001:db8:0:0:0:0:0:1 -> 203.0.113.3:1050-1099
Oct 30 21:48:35  mx (FPC Slot 2, PIC Slot 0) 2011-10-31 04:48:34 [FWNAT]:ASP_NAT_PORT_BLOCK_RELEASE: \
2001:db8:0:0:0:0:0:1 -> 203.0.113.3:1050-1099
"""
    result = read(data, timezone="America/Los_Angeles", year=2011)
    common = {"kind": "cgnat", "access_server": "mx", "subscriber": "2001:db8::1",
              "inside": "2001:db8::1", "ip": "203.0.113.3", "ports": (1050, 1099), "start": "2011-10-31 04:46:04"}
    assert leases(result) == [
        common | {"at": "2011-10-31 04:46:04", "event": "start"},
        common | {"at": "2011-10-31 04:48:35", "event": "stop", "end": "2011-10-31 04:48:35"},
    ]


def test_ms_mpc_with_the_time_of_the_allocation(read: Read) -> None:
    # 0x4eae2a5c is 2011-10-31 04:55:56 UTC
    data = "\n".join(f"2011-10-31 {time}: mx{{CGN}}[jservices-nat]: JSERVICES_NAT_PORT_BLOCK_{what}" for time, what in [
        ("14:00:00", "ACTIVE: 10.0.0.5 -> 203.0.113.3:1024-1151 0x4eae2a5c"),
        ("15:00:00", "RELEASE: 10.0.0.5 -> 203.0.113.3:1024-1151 0x4eae2a5c"),
        ("16:00:00", "RELEASE: 10.0.0.6 -> 203.0.113.3:1152-1279 0x4eae474f"),
    ])
    found = leases(read(data, timezone="Asia/Tokyo"))
    assert [(row["event"], row["at"], row.get("start")) for row in found] == [
        ("interim", "2011-10-31 05:00:00", "2011-10-31 04:55:56"),
        ("stop", "2011-10-31 06:00:00", "2011-10-31 04:55:56"),
        ("stop", "2011-10-31 07:00:00", None),  # may be the time of the release itself
    ]
    assert {row["access_server"] for row in found} == {"mx"}


def test_the_year_turns_with_the_log(read: Read) -> None:
    data = (
        "Dec 31 23:59:59 mx x: NAT_PORT_BLOCK_ALLOC: 10.0.0.5 -> 203.0.113.3:1024-1151\n"
        "Jan  1 00:00:01 mx x: NAT_PORT_BLOCK_RELEASE: 10.0.0.5 -> 203.0.113.3:1024-1151\n"
    )
    (start, stop) = leases(read(data, timezone="UTC", year=2007))
    assert (start["at"], stop["at"]) == ("2007-12-31 23:59:59", "2008-01-01 00:00:01")


def test_a_subscriber_name_is_preferred(read: Read) -> None:
    line = PBA.format("ALLOC", "", "624b0492").replace("block-used", 'username="line7" block-used')
    release = PBA.format("RELEASE", "", "624b0cc7")  # names the address alone: the same block is the same line's
    found = leases(read(f"{line}\n{release}"))
    assert [(row["event"], row["subscriber"], "inside" in row) for row in found] == [
        ("start", "line7", False), ("stop", "line7", False)]


@pytest.mark.parametrize(("name", "subscriber"), [(" line7 ", "line7"), ("  ", "10.0.10.10"), (" N/A", "10.0.10.10")])
def test_blanks_are_no_part_of_a_name(read: Read, name: str, subscriber: str) -> None:
    line = PBA.format("ALLOC", "", "624b0492").replace("block-used", f'username="{name}" block-used')
    assert [row["subscriber"] for row in leases(read(line))] == [subscriber]


def test_what_cannot_be_is_rejected(read: Read) -> None:
    result = read("\n".join([
        "Jun 30 22:44:25 mx x: NAT_PORT_BLOCK_ALLOC: 10.0.0.5 203.0.113.3:1024-1151",
        "Jun 30 22:44:25 mx x: NAT_PORT_BLOCK_ALLOC: 10.0.0.555 -> 203.0.113.3:1024-1151",
        "Jun 30 22:44:25 mx x: NAT_PORT_BLOCK_ALLOC: 10.0.0.5 -> 203.0.113:1024-1151",
        "Jun 30 22:44:25 mx x: NAT_PORT_BLOCK_ALLOC: 10.0.0.5 -> 203.0.113.3:1151-1024",
        "Jun 30 22:44:25 mx x: NAT_PORT_BLOCK_ALLOC: 10.0.0.5 -> 203.0.113.3:1024-65536",
        "x: NAT_PORT_BLOCK_ALLOC: 10.0.0.5 -> 203.0.113.3:1024-1151",
        PBA.format("ALLOC", "", "ffffffffffffffff"),
        PBA.format("ALLOC", "", "zz"),
    ]), year=2026)
    assert reasons(result) == [
        (1, "a port-block message in no known form"),
        (2, "the subscriber address is none"),
        (3, "the public address is none"),
        (4, "the port range ends before it begins"),
        (5, "last port is no number from 0 to 65535"),
        (6, "no time"),
        (7, "impossible time"),
        (8, "the hexadecimal time is none"),
    ]
