"""Literal flows → a real nfcapd file: an IPFIX exporter of a few lines talking to a real nfcapd on loopback."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# IANA information elements: (id, struct code)
_COMMON = [(152, "Q"), (153, "Q"), (7, "H"), (11, "H"), (4, "B"), (6, "B"), (2, "Q"), (1, "Q"), (89, "B")]
_ADDRESSES = {4: [(8, "4s"), (12, "4s")], 6: [(27, "16s"), (28, "16s")]}
_TEMPLATE_ID = {4: 300, 6: 301}
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}


@dataclass(frozen=True)
class Flow:
    """One unidirectional flow, times in UTC (`2026-01-31 12:00:00.5`), flags as letters."""

    first: str
    last: str
    src: str
    sport: int
    dst: str
    dport: int
    flags: str = "SAPF"
    packets: int = 10
    bytes: int = 1000
    protocol: int = 6
    forwarding: int = 64


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _record(flow: Flow, version: int) -> bytes:
    bits = sum(FLAGS[letter] for letter in flow.flags)
    common = (_ms(flow.first), _ms(flow.last), flow.sport, flow.dport, flow.protocol, bits, flow.packets, flow.bytes,
              flow.forwarding)
    codes = "".join(code for _, code in _COMMON + _ADDRESSES[version])
    addresses = [ipaddress.ip_address(text).packed for text in (flow.src, flow.dst)]
    return struct.pack("!" + codes, *common, *addresses)


def _template(version: int) -> bytes:
    fields = _COMMON + _ADDRESSES[version]
    body = struct.pack("!HH", _TEMPLATE_ID[version], len(fields))
    return body + b"".join(struct.pack("!HH", element, struct.calcsize("!" + code)) for element, code in fields)


def messages(flows: Sequence[Flow], export_time: int) -> Iterable[bytes]:
    """IPFIX messages (RFC 7011): the templates, then the records, 15 a message."""
    def message(sequence: int, sets: bytes) -> bytes:
        return struct.pack("!HHIII", 10, 16 + len(sets), export_time, sequence, 1) + sets

    templates = _template(4) + _template(6)
    yield message(0, struct.pack("!HH", 2, 4 + len(templates)) + templates)
    sent = 0
    for version in (4, 6):
        mine = [f for f in flows if ipaddress.ip_address(f.src).version == version]
        for start in range(0, len(mine), 15):
            part = b"".join(_record(flow, version) for flow in mine[start : start + 15])
            yield message(sent, struct.pack("!HH", _TEMPLATE_ID[version], 4 + len(part)) + part)
            sent += len(mine[start : start + 15])


def write_nfcapd(directory: Path, flows: Sequence[Flow], extra: Sequence[str] = (),
                 exporters: Sequence[str] = ("127.0.0.1",)) -> Path:
    """Send `flows` to a real nfcapd and return the file it wrote; `extra` are more nfcapd options (such as -z).

    Each of the `exporters`, loopback addresses, sends them all.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nfcapd = shutil.which("nfcapd") or "/usr/bin/nfcapd"
    command = [nfcapd, "-b", "127.0.0.1", "-p", str(port), "-w", str(directory), "-t", "3600", *extra]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(0.4)
        for exporter in exporters:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((exporter, 0))
                for packet in messages(flows, int(time.time())):
                    sender.sendto(packet, ("127.0.0.1", port))
                    time.sleep(0.002)
        time.sleep(0.4)
        process.terminate()
        _, log = process.communicate(timeout=10)
    files = [path for path in directory.glob("nfcapd.*") if "current" not in path.name]
    if len(files) != 1:
        msg = f"nfcapd wrote {files}:\n{log}"
        raise RuntimeError(msg)
    return files[0]
