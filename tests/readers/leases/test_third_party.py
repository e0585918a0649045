# ruff: noqa: E501 (log lines are literal)
"""Line shapes of other projects' CGNAT logs: a collector's stamp before the router's, and messages without a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.readers.leases import juniper
from tests.readers.reading import read_bytes


@pytest.mark.parametrize(("header", "host"), [
    ("Oct 30 21:48:35 2024-10-30 21: 48:35: r1{NAT-SS}[jservices-nat]: JSERVICES_", "r1"),
    ("Oct 30 21:48:35 2024-10-30 21:48:35: r1{NAT-SS}[jservices-nat]: JSERVICES_", "r1"),
    ("Oct 30 21:48:35 r1 (FPC Slot 2, PIC Slot 0) 2024-10-30 21:48:35 {NAT-SS}[jservices-nat]: JSERVICES_", "r1"),
    ("Oct 30 21:48:35  r1 (FPC Slot 2, PIC Slot 0) 2024-10-31 04:48:35 [FWNAT]:ASP_", "r1"),
    ("2024-10-30 21:48:35 {NAT-SS}[jservices-nat]: JSERVICES_", None),
])
def test_the_router_and_its_time(tmp_path: Path, header: str, host: str | None) -> None:
    result = read_bytes(juniper.FORMAT, tmp_path / "nat.log", f"{header}NAT_PORT_BLOCK_RELEASE: 100.64.0.2 -> 203.0.113.4:2048-3071\n", timezone="UTC", year=2024)
    assert result.rejected == []
    assert result.rows("event", "access_server", "port_first", "port_last") == [("stop", host, 2048, 3071)]
    assert f"{result.frame['at'][0]:%F %T}" == "2024-10-30 21:48:35"
