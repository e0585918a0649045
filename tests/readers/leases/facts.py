"""What lease tests compare: rows as short dictionaries with readable addresses and times."""

from __future__ import annotations

import ipaddress
from typing import Any

from tests.readers.reading import Result

V4 = "0" * 20 + "ffff"


def address(key: str) -> str:
    """The address of an ip_key."""
    if key.startswith(V4):
        return str(ipaddress.IPv4Address(int(key[24:], 16)))
    return str(ipaddress.IPv6Address(int(key, 16)))


def ranges(first: str, last: str) -> str:
    return address(first) if first == last else f"{address(first)}-{address(last)}"


def leases(result: Result) -> list[dict[str, Any]]:
    """Each row without empty columns, session, and the ports of an address that is not shared; keys as addresses."""
    found = [{name: f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "hour") else value for name, value in row.items()}
             for row in result.facts("session", "ip_first", "ip_last", "port_first", "port_last", "inner_key")]
    for row, full in zip(found, result.frame.to_dicts(), strict=True):
        if full["ip_first"] is not None:
            row["ip"] = ranges(full["ip_first"], full["ip_last"])
        if full["inner_key"] is not None:
            row["inside"] = address(full["inner_key"])
        if (full["port_first"], full["port_last"]) != (0, 65535):
            row["ports"] = (full["port_first"], full["port_last"])
    return found


def reasons(result: Result) -> list[tuple[int | None, str]]:
    """Line and reason of the rejected rows."""
    return [(line, reason) for line, _, reason, _ in result.rejected]
