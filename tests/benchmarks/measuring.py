"""What the benchmarks of reading share: a process measured from its start to its end, and the line that is printed."""

# ruff: noqa: T201 -- it prints the result

from __future__ import annotations

import compileall
import functools
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import op25b
from op25b.pseudonyms import Pseudonyms

INGEST = "import sys; from op25b.cli import main; sys.argv = ['op25b', '-w', sys.argv[1], 'ingest']; main()"

# Started from a small process: a child's peak memory begins with that of the process it was forked from.
LAUNCH = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - began
print(os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


ROUNDS = 3


@dataclass(frozen=True)
class Run:
    """One measured process: seconds by the clock and of all cores, and peak memory in MiB."""

    seconds: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu:.1f} s CPU, {self.memory:.0f} MiB)"


def measured(*command: str, shell: bool = False) -> Run:
    """Run a command to its end with its output thrown away."""
    words = ["/bin/sh", "-c", command[0]] if shell else list(command)
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCH, *words], capture_output=True, text=True, check=True)
    status, seconds, cpu, memory = done.stdout.split()
    if int(status):
        raise SystemExit(f"{command[0]} failed: exit status {status}")
    return Run(float(seconds), float(cpu), float(memory))


def in_turns(*sides: Callable[[], Run]) -> list[Run]:
    """The quickest of some runs of each side, which take turns: what else a machine does makes a run only slower."""
    rounds = [[side() for side in sides] for _ in range(ROUNDS)]
    return [min(runs, key=lambda run: run.seconds) for runs in zip(*rounds, strict=True)]


@functools.cache
def compile_as_installed() -> None:
    """Compile op25b's modules once, as pip does: where Python is told to keep no bytecode, each start would do it."""
    compileall.compile_dir(Path(op25b.__file__).parent, quiet=2)


def ingested(directory: Path, kind: str, path: Path, extra: str) -> Run:
    """`op25b ingest` of one file into a new workspace below `directory`."""
    compile_as_installed()
    workspace = directory / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    Pseudonyms.create(workspace / "op25b.key")
    (workspace / "op25b.toml").write_text(f'[[inputs.{kind}]]\npath = "{path}"\n{extra}\n')
    return measured(sys.executable, "-c", INGEST, str(workspace))


def show(work: str, peer: str, ours: Run, theirs: Run, ratio: float, budget: str) -> None:
    """Print one line of the result."""
    print(f"{work}: op25b {ours}; {peer} {theirs}; ratio {ratio:.2f} (budget {budget})", flush=True)
