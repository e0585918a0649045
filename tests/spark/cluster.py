"""A real Spark cluster on the loopback: a standalone master and workers, each a process with executors below it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pyspark

HOST = "127.0.0.1"
# Small Java processes that start soon: the compiler of the second stage never pays off within a minute.
JAVA = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
EXECUTOR_MEGABYTES, WORKER_MEGABYTES = 600, 1000
_MARK = "OP25B_TEST_CLUSTER"
_PATIENCE = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < until, f"{what} did not come true in {_PATIENCE} s"
        time.sleep(0.2)


class Cluster:
    """One master and its workers; `ensure` brings a killed worker back."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mark = uuid4().hex
        self._home = Path(pyspark.__file__).parent
        self._workers: list[subprocess.Popen[bytes]] = []
        port, self._web = free_port(), free_port()
        self.master = f"spark://{HOST}:{port}"
        self._environment = {
            **os.environ, "SPARK_HOME": str(self._home), "SPARK_LOCAL_IP": HOST, _MARK: self._mark,
            "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": JAVA, "SPARK_LOCAL_DIRS": str(root / "local"),
        }
        self._master = self._start("master.Master", "--host", HOST, "--port", str(port), "--webui-port", str(self._web))

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A process in a group of its own, so that it can be killed with its executors."""
        log = (self._root / f"{name}-{uuid4()}.log").open("wb")
        with log:
            return subprocess.Popen(
                [self._home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}", *arguments],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def alive(self) -> int:
        """How many workers the master counts."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self._web}/json/", timeout=5) as answer:
                return int(json.load(answer)["aliveworkers"])
        except OSError:
            return 0

    def ensure(self, workers: int) -> None:
        """Wait until there are so many workers, started anew where they are missing."""
        wait_until(lambda: _answers(self._web), "the master")
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        for _ in range(workers - len(self._workers)):
            self._workers.append(self._start(
                "worker.Worker", "--host", HOST, "--cores", "1", "--memory", f"{WORKER_MEGABYTES}m",
                "--webui-port", str(free_port()), "--work-dir", str(self._root / "work"), self.master))
        wait_until(lambda: self.alive() == workers, f"{workers} workers")

    def kill_worker(self) -> None:
        """SIGKILL one worker and its executors."""
        _kill(self._workers.pop())

    def stop(self) -> list[str]:
        """Stop all; what is left of the cluster's processes after that, which should be nothing."""
        for process in [*self._workers, self._master]:
            _kill(process)
        until = time.monotonic() + 20
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(0.2)
        return left

    def _left(self) -> list[str]:
        """Command lines of processes that were started in this cluster, executors and Python workers too."""
        found = []
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit():
                try:
                    if f"{_MARK}={self._mark}".encode() in (directory / "environ").read_bytes().split(b"\0"):
                        found.append((directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
                except OSError:
                    continue
        return found

    def settings(self) -> str:
        """The lines of op25b.toml that name the cluster."""
        properties = {
            "spark.executor.memory": f"{EXECUTOR_MEGABYTES}m", "spark.executor.cores": 1, "spark.driver.memory": "600m",
            "spark.driver.host": HOST, "spark.driver.bindAddress": HOST, "spark.sql.shuffle.partitions": 2,
            "spark.executor.extraJavaOptions": JAVA, "spark.driver.extraJavaOptions": JAVA,
            "spark.local.dir": str(self._root / "local"), "spark.locality.wait": "0s",
            "spark.shuffle.io.maxRetries": 1, "spark.shuffle.io.retryWait": "1s",
            # What is computed here is tiny: to compile code for it takes far longer than to interpret it.
            "spark.sql.codegen.wholeStage": False, "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        }
        lines = "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in properties.items())
        return f'\n[engine.spark]\nmaster = "{self.master}"\n[engine.spark.properties]\n{lines}'


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
