"""A small ISP for router tests: lines with fixed and with changing addresses, known only by literal rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from op25b.api import OpenWorkspace, open_workspace
from op25b.policy import Connection
from op25b.policy.destinations import Destinations
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
# Addresses of lines that no lease knows.
UNKNOWN = ["198.18.77.7", "2001:db8:1ff::9"]
# One server of each group and family, an own relay that is no line among them.
PEERS = ["203.0.113.2", "198.51.100.1", "198.51.100.10", "198.51.100.70", "192.0.2.25", "2001:db8:1::2",
         "2001:db8:200::10", "2001:db8:900::1"]
BOTH = SETTINGS.replace('"203.0.113.0/28"', '"203.0.113.0/28", "2001:db8:1::/64"').replace(
    '"198.51.100.0/26"', '"198.51.100.0/26", "2001:db8:200::/64"') + """
[sets]
pool = ["198.18.200.0/24", "2001:db8:100:a::/64"]
far = ["192.0.2.0/24", "2001:db8:900::/48"]
"""


def isp(root: Path, extra: str = "", settings: str = SETTINGS, lines: list[Any] | None = None) -> OpenWorkspace:
    """A workspace with these lines in its lake, and the file of a wave: a and f."""
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
    (root / "wave.csv").write_text(f"subscriber\n{pseudonym('a')}\n{pseudonym('f')}\n", encoding="utf-8")
    return opened


def packets(ends: Destinations, ports: list[tuple[int, int]], peers: list[str] | None = None) -> list[Connection]:
    """Every connection there can be from a line to a server, with what is known of the line; ports: own, server's."""
    lines: list[tuple[str, str | None, str | None, str | None]] = [
        (address, pseudonym(name), plan, node) for name, plan, node, _, held in LINES for address, _ in held]
    lines += [(address, None, None, None) for address in UNKNOWN]
    return [
        Connection(ends.group(peer), port, plan=plan, access_node=node, source_port=own, subscriber=subscriber,
                   line=line, peer=peer)
        for line, subscriber, plan, node in lines for peer in peers or PEERS if (":" in line) == (":" in peer)
        for own, port in ports]
