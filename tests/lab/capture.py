"""One capture: build the ISP, play the cast, keep the logs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import addresses
from tests.lab.cast import CUSTOMER_SERVERS, SECONDS, cast, outside_steps
from tests.lab.daemons import HERE, Daemons
from tests.lab.errors import LabError
from tests.lab.mailhosts import mail_servers
from tests.lab.mailserver import RunningMailServer
from tests.lab.net import Namespaces
from tests.lab.output import write_output
from tests.lab.people import Member, Step, browse
from tests.lab.selfcheck import check_facts
from tests.lab.sessions import AccessNode, timeline
from tests.lab.tools import require_tools
from tests.lab.topology import build

if TYPE_CHECKING:
    from collections.abc import Sequence

START_DELAY = 3.0
GRACE_SECONDS = 12.0


def capture(out_dir: Path | str, ruleset: str | None = None, keep: Path | str | None = None) -> Path:
    """Runs the whole lab once and leaves its logs in a directory.

    Args:
        out_dir: Where ``raw/`` and the tables go; what an earlier capture left there is replaced.
        ruleset: nftables rules for the edge router, instead of today's policy.
        keep: A new directory for every program's own log and settings, to look into a failure.

    Returns:
        The directory.

    Raises:
        LabError: A server failed or an expected fact is missing from the logs.
    """
    require_tools()
    out = Path(out_dir)
    members = cast()
    with tempfile.TemporaryDirectory(prefix="op25b-lab-") as name:
        work = Path(name)
        work.chmod(0o755)
        try:
            began = run_lab(work, members, ruleset or addresses.TODAY)
        finally:
            if keep is not None:
                shutil.copytree(work, keep, symlinks=True, ignore=only_files)
        staged = work / "out"
        write_output(staged, work, members, began)
        check_facts(staged, members, today=ruleset is None)
        install(staged, out)
    return out


def run_lab(work: Path, members: Sequence[Member], ruleset: str) -> float:
    """Builds the lab, plays the cast, takes the lab down; returns when the cast began (Unix time)."""
    with Namespaces(work) as spaces:
        build(spaces, members, ruleset)
        daemons = Daemons(spaces)
        start_servers(spaces, daemons, members)
        began = play(spaces, daemons, members)
        daemons.check_all()
        reader = next(member for member in members if member.role == "no-mail")
        daemons.finish_flows(lambda: read_news(spaces, reader))
        daemons.stop("rsyslogd")
        daemons.stop("freeradius")
    return began


def only_files(folder: str, names: list[str]) -> list[str]:
    """The names in a folder that are sockets or pipes, which cannot be copied."""
    paths = ((name, Path(folder, name)) for name in names)
    return [name for name, path in paths if not (path.is_file() or path.is_dir())]


def start_servers(spaces: Namespaces, daemons: Daemons, members: Sequence[Member]) -> None:
    """Starts every server, names and logs first."""
    zone = addresses.zone(CUSTOMER_SERVERS)
    for member in members:
        for session in member.sessions:
            name = addresses.access_name(session.address)
            reverse = ".".join(reversed(session.address.split("."))) + ".in-addr.arpa"
            if name is not None:
                zone.setdefault(reverse, [("PTR", name)])
                zone[name] = [("A", session.address)]
    daemons.start_flows()
    daemons.start_names(zone)
    daemons.start_syslog()
    servers = [
        RunningMailServer(spaces, server, resolver(spaces.work), daemons.log_socket) for server in mail_servers(members)
    ]
    with ThreadPoolExecutor(3) as pool:
        tasks = [pool.submit(server.start) for server in servers]
        daemons.start_radius()
        daemons.start_web()
        daemons.start_sinks()
        for task in tasks:
            task.result()
    daemons.check_all()


def resolver(work: Path) -> dict[str, Path]:
    """The files through which a program finds names in the lab's own name server."""
    etc = work / "etc"
    etc.mkdir(exist_ok=True)
    files = {
        "/etc/resolv.conf": f"nameserver {addresses.NAMESERVER}\n",
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
    }
    binds = {target: etc / Path(target).name for target in files}
    for target, path in binds.items():
        if not path.exists():
            path.write_text(files[target])
    return binds


def play(spaces: Namespaces, daemons: Daemons, members: Sequence[Member]) -> float:
    """Lets everybody do what they do; returns when the cast began (Unix time)."""
    node = AccessNode(spaces)
    events = timeline(members, SECONDS)
    for event in (event for event in events if event.at < 0):
        node.play(event)
    began = time.time() + START_DELAY
    scripts: dict[str, list[tuple[str, Sequence[Step]]]] = {}
    for member in members:
        place = member.namespace if member.sessions else "otherisp"
        scripts.setdefault(place, []).append((member.subscriber, member.steps))
    for place, steps in outside_steps().items():
        scripts.setdefault(place, []).append((place, steps))
    people = [
        start_person(spaces, place, name, steps, began)
        for place, some in scripts.items()
        for name, steps in some
        if steps
    ]
    for event in (event for event in events if event.at >= 0):
        time.sleep(max(0.0, began + event.at - time.time()))
        node.play(event)
        daemons.check_all()
    time.sleep(max(0.0, began + SECONDS - time.time()))
    until = time.monotonic() + GRACE_SECONDS
    for person in people:
        try:
            person.wait(timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue  # ended with its namespace
    return began


def read_news(spaces: Namespaces, member: Member) -> None:
    """One customer reads a large page, now."""
    steps = browse([0], "/news")
    start_person(spaces, member.namespace, "last", steps, time.time()).wait(timeout=15)


def start_person(
    spaces: Namespaces,
    place: str,
    name: str,
    steps: Sequence[Step],
    began: float,
) -> subprocess.Popen[bytes]:
    """Starts one person's computer."""
    for step in steps:
        # A roamer shares a namespace with strangers; everybody there has an address of his own.
        if place == "otherisp" and not step.get("source"):
            step["source"] = addresses.ROAMER
    script = {"start": began, "deadline": began + SECONDS, "steps": list(steps)}
    argv = spaces.command(place, [sys.executable, "-I", str(HERE / "client.py")], resolver(spaces.work))
    log = spaces.work / f"person-{name}.log"
    return spaces.spawn(argv, log, stdin=json.dumps(script))


def install(staged: Path, out: Path) -> None:
    """Moves a complete capture to where it belongs; other files there are left alone."""
    out.mkdir(parents=True, exist_ok=True)
    for kind in ("flows", "mail", "radius"):
        target = out / "raw" / kind
        if target.exists():
            shutil.rmtree(target)
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(staged / "raw" / kind, target)
    for path in staged.iterdir():
        if path.is_file():
            shutil.copyfile(path, out / path.name)


__all__ = ["LabError", "capture"]
