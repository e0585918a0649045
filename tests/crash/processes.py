"""Runs of `op25b` that are killed: real processes, most of them forked from a server that has imported op25b."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
# Imported, not used: the threads of these libraries do not survive a fork.
CONTEXT.set_forkserver_preload(["op25b.cli", "op25b.api", "op25b.ingest", "op25b.engine.build", "deltalake", "duckdb",
                                "pyarrow", "arro3.core", "tests.crash.world"])
KILLED = -signal.SIGKILL


def command_line(root: Path, command: str) -> list[str]:
    """The command as a user types it."""
    return [sys.executable, "-m", "op25b.cli", "-w", str(root), command, "--format", "json"]


def _as_command(root: Path, command: str) -> None:
    from op25b import cli

    with contextlib.suppress(PermissionError):  # already the leader of a group
        os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    sys.argv = command_line(root, command)[2:]
    cli.main()


def _dying(root: Path, command: str, point: int) -> None:
    """The command, killed at a point: just before something makes a file, a name or a commit come or go."""
    import deltalake
    import deltalake.transaction

    passed = itertools.count(1)

    def pass_by() -> None:
        if next(passed) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            pass_by()
            return call(*arguments, **named)

        return called

    for holder, name in ((os, "replace"), (os, "rename"), (os, "unlink"), (deltalake, "write_deltalake"),
                         (deltalake.DeltaTable, "create_write_transaction"),
                         (deltalake.transaction, "create_table_with_add_actions")):
        setattr(holder, name, around(getattr(holder, name)))
    _as_command(root, command)


def dies_at(root: Path, command: str, point: int) -> bool:
    """Run a command that is killed at its so many-th point; whether it has so many."""
    process = start(_dying, root, command, point)
    process.join(300)
    assert process.exitcode in {0, KILLED}, f"op25b {command}, killed at point {point}: exit status {process.exitcode}"
    return process.exitcode == KILLED


class Run:
    """One run of a command, as a process group of its own."""

    def __init__(self, root: Path, command: str, *, real: bool = False) -> None:
        self.began = time.monotonic()
        self._process: subprocess.Popen[bytes] | BaseProcess
        if real:
            self._process = subprocess.Popen(command_line(root, command), stdout=subprocess.DEVNULL,
                                             start_new_session=True)
        else:
            self._process = start(_as_command, root, command)

    def kill(self) -> bool:
        """Kill the whole group; whether it was still running."""
        assert self._process.pid is not None
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:  # not the leader of its group yet, or done
            self._process.kill()
        return self.wait() == KILLED

    def wait(self, seconds: float = 300) -> int | None:
        """The exit status; negative for the signal that ended it; None while it runs."""
        if isinstance(self._process, subprocess.Popen):
            try:
                return self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
        self._process.join(seconds)
        return self._process.exitcode


def start(target: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Start a function in a process forked from the server."""
    process = CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def run(root: Path, command: str) -> float:
    """Run a command undisturbed; its seconds."""
    began = time.monotonic()
    status = Run(root, command).wait()
    assert status == 0, f"op25b {command}: exit status {status}"
    return time.monotonic() - began
