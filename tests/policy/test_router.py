"""A real router: nftables in a network namespace, and real TCP connections through it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings

from op25b.api import OpenWorkspace
from op25b.policy import Connection, decide_session, resolve
from op25b.policy.acl import access_list
from op25b.policy.destinations import destinations
from op25b.policy.routers import TARGETS, render
from op25b.settings import Policy
from tests.conftest import require
from tests.policy.lines import BOTH, PEERS, isp, packets
from tests.policy.strategies import router_policies

pytestmark = pytest.mark.lab
PORTS = [(4000, 25), (5000, 25), (4000, 587), (5000, 465)]

SERVER = """
import socket, selectors
chosen = selectors.DefaultSelector()
for port in (25, 465, 587):
    for family in (socket.AF_INET, socket.AF_INET6):
        made = socket.socket(family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(("", port)); made.listen(200); chosen.register(made, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        key.fileobj.accept()[0].close()
"""
# Connects all at once; what has no answer after 1.6 seconds, in which every SYN is sent twice, is blocked.
CLIENT = """
import json, selectors, socket, struct, sys, time
chosen, answer = selectors.DefaultSelector(), {}
for number, (line, own, peer, port) in enumerate(json.load(sys.stdin)):
    made = socket.socket(socket.AF_INET6 if ":" in line else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.bind((line, own)); made.setblocking(False)
    made.connect_ex((peer, port)); chosen.register(made, selectors.EVENT_WRITE, number)
until = time.monotonic() + 1.6
while chosen.get_map() and time.monotonic() < until:
    for key, _ in chosen.select(0.1):
        answer[key.data] = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        chosen.unregister(key.fileobj); key.fileobj.close()
for key in list(chosen.get_map().values()):
    key.fileobj.close()
json.dump(answer, sys.stdout)
"""


class Router:
    """Lines on one side, servers on the other, and a router between them."""

    def __init__(self, spaces: object) -> None:
        from tests.lab.net import Namespaces, run

        assert isinstance(spaces, Namespaces)
        self._spaces, self._run = spaces, run

    def load(self, ruleset: str) -> None:
        self._run(["ip", "netns", "exec", self._spaces.full("router"), "nft", "-f", "-"], "rules", stdin=ruleset)

    def connect(self, some: list[Connection]) -> list[str]:
        """Try connections, with a server of its own: half-open ones of the last time would answer otherwise."""
        serve = ["ip", "netns", "exec", self._spaces.full("servers"), sys.executable, "-I", "-c", SERVER]
        with subprocess.Popen(serve, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == b"ready\n"
                return self._connect(some)
            finally:
                server.kill()

    def _connect(self, some: list[Connection]) -> list[str]:
        wanted = json.dumps([(c.line, c.source_port, c.peer, c.port) for c in some])
        argv = ["ip", "netns", "exec", self._spaces.full("lines"), sys.executable, "-I", "-c", CLIENT]
        answer = json.loads(self._run(argv, "connections", stdin=wanted))
        assert set(answer.values()) <= {0}
        return ["allow" if str(number) in answer else "block" for number in range(len(some))]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    return isp(tmp_path_factory.mktemp("router"), settings=BOTH)


@pytest.fixture(scope="module")
def some(opened: OpenWorkspace) -> list[Connection]:
    return packets(destinations(opened.workspace, date(2007, 7, 10)), PORTS)


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory, some: list[Connection]) -> Generator[Router]:
    require(os.geteuid() == 0, "network namespaces need root")
    missing = [tool for tool in ("ip", "nft", "sysctl") if shutil.which(tool) is None]
    require(not missing, f"missing: {', '.join(missing)}")
    from tests.lab.net import Namespaces, run
    from tests.lab.topology import FORWARDING

    with Namespaces(tmp_path_factory.mktemp("spaces")) as spaces:
        spaces.add(["router", "lines", "servers"])
        run(["ip", "netns", "exec", spaces.full("router"), "sysctl", "-q", "-p", "-"], "forwarding", stdin=FORWARDING)
        lines = sorted({str(c.line) for c in some})
        for name, addresses in (("lines", lines), ("servers", PEERS)):
            spaces.link("router", name, name, "eth0")
            spaces.ip(["address add 169.254.1.1/32 dev " + name, f"address add fe80::1/64 dev {name} nodad"],
                      inside="router")
            spaces.ip([*(f"address add {a}/{128 if ':' in a else 32} dev eth0 {'nodad' if ':' in a else ''}"
                         for a in addresses),
                       "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1 dev eth0",
                       "route add default via fe80::1 dev eth0"], inside=name)
            spaces.ip([f"route add {a} dev {name}" for a in addresses], inside="router")
        yield Router(spaces)


def test_without_rules_everything_passes(router: Router, some: list[Connection]) -> None:
    router.load("flush ruleset")
    assert set(router.connect(some)) == {"allow"}


@pytest.mark.parametrize("name", ["current", "proposed"])
def test_the_examples(router: Router, opened: OpenWorkspace, some: list[Connection], name: str) -> None:
    made = opened.acl(name, "nftables")
    router.load(made.text)
    resolved = resolve(opened.config.policy[name], opened.workspace)
    expected = [decide_session(resolved, c).action for c in some]
    assert router.connect(some) == expected
    assert set(expected) == {"allow", "block"}
    router.load(made.text)  # once more: it takes the place of what is loaded
    router.load(made.rollback)
    back = resolve(opened.config.policy["current"], opened.workspace)
    assert router.connect(some) == [
        "allow" if name == "current" else decide_session(back, c).action for c in some]


def test_any_policy(router: Router, opened: OpenWorkspace, some: list[Connection]) -> None:
    @settings(max_examples=10, deadline=None)
    @given(router_policies)
    def check(chosen: Policy) -> None:
        resolved = resolve(chosen, opened.workspace)
        router.load(render(access_list(opened.workspace, resolved), TARGETS["nftables"], ["a test"]))
        assert router.connect(some) == [decide_session(resolved, c).action for c in some]

    check()


def test_drops_are_counted(router: Router, opened: OpenWorkspace, some: list[Connection], tmp_path: Path) -> None:
    made = opened.acl("proposed", "nftables")
    router.load(made.text)
    router.connect(some)
    listed = subprocess.run(["ip", "netns", "exec", router._spaces.full("router"), "nft", "-j", "list", "ruleset"],
                            capture_output=True, text=True, check=True).stdout
    counters = [part["counter"]["packets"] for item in json.loads(listed)["nftables"] if "rule" in item
                for part in item["rule"]["expr"] if "counter" in part]
    assert len(counters) == 4
    assert all(count > 0 for count in counters)
