"""Flow records → files of a real nfcapd: NetFlow v9 over loopback to Debian's collector, one run per exporter and day.

UDP may lose datagrams without a word. So no more is sent than the collector's socket has room for, and the records in
the file are counted; where some are missing, all are sent again, more slowly. nfcapd stamps each record with the
moment it came, which is the moment of the simulation.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from op25b.errors import InputError, MissingDependencyError
from op25b.synth.export import DTYPE, Records
from op25b.synth.netflow9 import datagrams

_PATIENCE = 20.0  # seconds nfcapd may take to start, to read what was sent, or to stop
_BURST = 32  # datagrams between two looks at the collector's socket
_ROOM = 32768  # bytes that may wait there
_PAUSES = (0.0, 0.002, 0.02)  # seconds after each burst, in the first try and those that follow


class Writer:
    """The file of one exporter and day."""

    def __init__(self, path: Path, interval: int) -> None:
        self._path, self._interval = path, interval
        path.parent.mkdir(parents=True, exist_ok=True)
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by close()

    def write(self, records: Records) -> None:
        """Append records."""
        self._spool.write(records.tobytes())

    def close(self) -> None:
        """Have nfcapd write the file."""
        self._spool.seek(0)
        records = np.frombuffer(self._spool.read(), dtype=DTYPE)
        self._spool.close()
        for pause in _PAUSES:
            _collected(self._path, self._interval, datagrams(records), pause)
            if _count(self._path) == len(records):
                return
        raise InputError(self._path, f"nfcapd got {_count(self._path):,} of {len(records):,} records",
                         "try again when the machine is less busy, or write --format nfdump-csv")


def _program(name: str) -> str:
    found = shutil.which(name) or (f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else None)
    if found is None:
        msg = f"{name} is not installed, and nfcapd files are written with it\n  apt-get install nfdump"
        raise MissingDependencyError(msg)
    return found


def _collected(path: Path, interval: int, sent: Iterable[bytes], pause: float) -> None:
    """Run nfcapd while the datagrams are sent, and move its file to `path`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        command = [_program("nfcapd"), "-b", "127.0.0.1", "-p", str(port), "-w", directory, "-t", "86400",
                   *(["-s", str(interval)] if interval > 1 else [])]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            try:
                _await(port, "start")
                _send(sent, port, pause)
                _await(port, "read")
            finally:
                process.terminate()
                _, said = process.communicate(timeout=_PATIENCE)
        files = [found for found in Path(directory).glob("nfcapd.*") if "current" not in found.name]
        if len(files) != 1:
            raise InputError(path, f"nfcapd wrote {len(files)} files: {said.strip()[-300:]}",
                             "write --format nfdump-csv, or look at the installed nfdump")
        files[0].replace(path)


def _send(sent: Iterable[bytes], port: int, pause: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number, datagram in enumerate(sent):
            sender.sendto(datagram, ("127.0.0.1", port))
            if number % _BURST == 0:
                time.sleep(pause)
                until = time.monotonic() + _PATIENCE
                while (_waiting(port) or 0) > _ROOM and time.monotonic() < until:
                    time.sleep(0.001)


def _await(port: int, what: str) -> None:
    """Wait until the collector listens (start), or has read all that waits in its socket (read)."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        waiting = _waiting(port)
        if (waiting is not None) if what == "start" else (not waiting):
            time.sleep(0.05)
            return
        time.sleep(0.01)


def _waiting(port: int) -> int | None:
    """Bytes that wait in the socket bound to a UDP port of loopback; None where there is no such socket."""
    for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}"):
            return int(fields[4].split(":")[1], 16)
    return None


def _count(path: Path) -> int:
    """Records in a file, by the statistics at its end."""
    done = subprocess.run([_program("nfdump"), "-I", "-r", str(path)], capture_output=True, text=True, check=False)
    found = re.search(r"^Flows: (\d+)$", done.stdout, re.MULTILINE)
    return int(found[1]) if found else -1
