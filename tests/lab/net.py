"""Network namespaces, the links between them, and processes inside them."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType


def run(argv: Sequence[str], what: str, *, stdin: str | None = None) -> str:
    """Runs a short command and returns its output.

    Raises:
        LabError: It failed; the message holds what it printed.
    """
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"lab: {what}: `{shlex.join(argv)}` failed ({done.returncode}):\n{done.stderr}{done.stdout}"
        raise LabError(msg)
    return done.stdout


def adopt_orphans(wanted: bool) -> None:
    """Makes this process the parent of daemons whose parent ended, so that it can see them end."""
    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, int(wanted), 0, 0, 0)


class Namespaces:
    """The namespaces of one run; leaving the context ends every process in them and removes them."""

    def __init__(self, work: Path) -> None:
        self.prefix = f"op25b-{os.getpid()}-"
        self.work = work
        self._names: list[str] = []
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        adopt_orphans(True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        main = threading.current_thread() is threading.main_thread()
        signals = (signal.SIGINT, signal.SIGTERM) if main else ()
        before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
        try:
            self.close()
        finally:
            adopt_orphans(False)
            for number, handler in before.items():
                signal.signal(number, handler)

    def full(self, name: str) -> str:
        """The system-wide name of one of our namespaces."""
        return self.prefix + name

    def add(self, names: Sequence[str]) -> None:
        """Creates namespaces with a loopback interface and without duplicate address detection."""
        self._names += names
        self.ip([f"netns add {self.full(name)}" for name in names])
        settings = "\n".join(("net.ipv6.conf.default.accept_dad = 0", "net.ipv6.conf.all.accept_ra = 0"))
        for name in names:
            run(
                ["ip", "netns", "exec", self.full(name), "sysctl", "-q", "-p", "-"],
                f"settings of {name}",
                stdin=settings,
            )
            self.ip(["link set lo up"], inside=name)

    def link(self, name: str, interface: str, peer: str, peer_interface: str) -> None:
        """Joins two namespaces with a virtual cable; neither end ever exists outside them."""
        self.ip(
            [
                (
                    f"link add {interface} netns {self.full(name)} type veth"
                    f" peer name {peer_interface} netns {self.full(peer)}"
                )
            ]
        )
        self.ip([f"link set {interface} up"], inside=name)
        self.ip([f"link set {peer_interface} up"], inside=peer)

    def ip(self, commands: Sequence[str], *, inside: str | None = None) -> None:
        """Runs a batch of ``ip`` commands, inside one namespace where a name is given."""
        where = ["-n", self.full(inside)] if inside else []
        batch = "\n".join(commands) + "\n"
        run(["ip", *where, "-batch", "-"], f"ip commands in {inside or 'the host'}", stdin=batch)

    def command(
        self,
        name: str,
        argv: Sequence[str],
        binds: Mapping[str, Path] | None = None,
        log_socket: Path | None = None,
    ) -> list[str]:
        """The command line that runs ``argv`` in a namespace, with private files.

        Args:
            name: The namespace.
            argv: The program and its arguments.
            binds: Path as the program sees it -> the directory or file of ours that stands there.
            log_socket: A socket that stands at /dev/log.
        """
        steps = ["set -e"]
        if log_socket is not None:
            dev = shlex.quote(str(self.work / "dev"))
            steps += [
                f"mkdir -p {dev}",
                f"mount -t tmpfs -o mode=755 tmpfs {dev}",
                f"cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty {dev}/",
                f"ln -s /proc/self/fd {dev}/fd",
                f"ln -s {shlex.quote(str(log_socket))} {dev}/log",
                f"mount --bind {dev} /dev",
            ]
        steps += [
            f"mount --bind {shlex.quote(str(source))} {shlex.quote(target)}" for target, source in (binds or {}).items()
        ]
        steps.append('exec "$@"')
        # `ip netns exec` gives each command a mount namespace of its own, so these mounts end with it.
        exec_in = ["ip", "netns", "exec", self.full(name)]
        return [*exec_in, "sh", "-c", "\n".join(steps), "lab", *argv]

    def spawn(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts a long-lived command with its output in a log file."""
        with log.open("ab") as out:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self._children.append(child)
        if stdin is not None and child.stdin is not None:
            child.stdin.write(stdin.encode())
            child.stdin.close()
        return child

    def processes(self) -> list[int]:
        """The processes whose network is one of our namespaces."""
        inodes = set()
        for name in self._names:
            path = Path("/run/netns", self.full(name))
            if path.exists():
                inodes.add(path.stat().st_ino)
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (entry / "ns/net").stat().st_ino in inodes:
                        found.append(int(entry.name))
                except OSError:
                    continue  # it ended meanwhile
        return found

    def close(self) -> None:
        """Ends what still runs in the namespaces, then removes them."""
        ended: set[int] = set()
        for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            until = time.monotonic() + patience
            for pid in self.processes():
                ended.add(pid)
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            while self.processes() and time.monotonic() < until:
                time.sleep(0.1)
        for child in self._children:
            try:
                child.wait(timeout=2)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for pid in ended - {child.pid for child in self._children}:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue  # its own parent has seen to it
        for name in self._names:
            if Path("/run/netns", self.full(name)).exists():
                subprocess.run(["ip", "netns", "del", self.full(name)], capture_output=True, check=False)
        self._names.clear()
        self._children.clear()
