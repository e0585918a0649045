"""Reads a literal file with a flow format named by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from op25b.readers import FORMATS
from tests.readers.reading import Result, read_bytes

FORMS = {form.name: form for form in FORMATS if form.kind == "flows"}
SHOWN = (
    "first_seen",
    "last_seen",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "packets",
    "bytes",
    "tcp_flags",
    "established",
)

# The session and the IPv6 record that most samples begin with: first_seen to bytes.
SESSION = ("12:00:00.900000", "12:00:01.400000", "198.18.0.1", 51000, "198.51.100.1", 25, 10, 1000)
SIX = ("12:00:03.250000", "12:00:13.750000", "2001:db8:100::1", 51002, "2001:db8:ffff::1", 587, 5, 5000)
SYN = ("12:00:02.000000", "12:00:02.000000", "198.18.0.2", 51001, "198.51.100.1", 25, 1, 40)


def read(name: str, directory: Path, data: bytes | str, **settings: Any) -> Result:
    return read_bytes(FORMS[name], directory / "input", data, **{"timezone": "Asia/Tokyo", **settings})


def shown(result: Result, *more: str) -> list[tuple[Any, ...]]:
    """The main columns of each row, times as text."""
    return [(f"{row[0]:%H:%M:%S.%f}", f"{row[1]:%H:%M:%S.%f}", *row[2:]) for row in result.rows(*SHOWN, *more)]
