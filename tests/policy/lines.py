"""A small ISP for router tests: lines with fixed and with changing addresses, known only by literal rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from op25b.api import OpenWorkspace, open_workspace
from tests.conftest import SETTINGS
from tests.pipelines.rows import lease, load, new_workspace


def pseudonym(letter: str) -> str:
    return "p" + letter * 20


# name, plan, node, fixed_ip, and its addresses with the kind of each lease.
LINES: list[tuple[str, str, str, bool, list[tuple[str, str]]]] = [
    ("a", "IP1", "n1", True, [("198.18.200.1", "static"), ("2001:db8:100:a::1", "static")]),
    ("b", "IP8", "n2", True, [("198.18.200.2", "radius")]),
    ("c", "home", "n1", False, [("198.18.1.3", "radius")]),
    ("d", "home", "n2", False, [("198.18.2.4", "radius")]),
    ("e", "IP1", "n1", True, [("198.18.200.3", "static")]),
    ("f", "home", "n2", True, [("198.18.2.200", "static"), ("2001:db8:100:f::1", "static")]),
]


def isp(root: Path, extra: str = "", settings: str = SETTINGS, lines: list[Any] | None = None) -> OpenWorkspace:
    """A workspace with these lines in its lake."""
    new_workspace(root, settings + extra)
    opened = open_workspace(root)
    chosen = LINES if lines is None else lines
    if chosen:
        load(opened, "subscriber_record", [
            {"subscriber": pseudonym(name), "plan": plan, "access_node": node, "fixed_ip": fixed}
            for name, plan, node, fixed, _ in chosen])
        load(opened, "lease_record", [lease(address, pseudonym(name), "08:00", kind=kind)
                                      for name, _, _, _, held in chosen for address, kind in held])
    opened.build()
    return opened
