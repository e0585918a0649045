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
# Events of an address translator (RFC 8158) have the time and kind of the event, and the address and port outside.
_EVENT = [(323, "Q"), (230, "B"), (8, "4s"), (225, "4s"), (12, "4s"), (4, "B"), (7, "H"), (227, "H"), (11, "H")]
_REPLY = [(24, "Q"), (23, "Q")]  # packets and bytes back
_TEMPLATES = {300: _COMMON + _ADDRESSES[4], 301: _COMMON + _ADDRESSES[6], 302: _EVENT,
              304: _COMMON + _ADDRESSES[4] + _REPLY, 305: _COMMON + _ADDRESSES[6] + _REPLY}
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}


@dataclass(frozen=True)
class Flow:
    """One flow, times in UTC (`2026-01-31 12:00:00.5`), flags as letters.

    With `reply` (packets and bytes back) it is one of both directions. With `event` (4: created, 5: deleted) it is
    an event of an address translator instead, at `first`.
    """

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
    event: int | None = None
    reply: tuple[int, int] | None = None


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _template_of(flow: Flow) -> int:
    if flow.event is not None:
        return 302
    number = 300 if ipaddress.ip_address(flow.src).version == 4 else 301
    return number if flow.reply is None else number + 4


def _record(flow: Flow) -> bytes:
    source, target = (ipaddress.ip_address(text).packed for text in (flow.src, flow.dst))
    back_packets, back_bytes = flow.reply or (0, 0)
    values = {
        152: _ms(flow.first), 153: _ms(flow.last), 7: flow.sport, 11: flow.dport, 4: flow.protocol,
        6: sum(FLAGS[letter] for letter in flow.flags), 2: flow.packets, 1: flow.bytes, 89: flow.forwarding,
        8: source, 12: target, 27: source, 28: target,
        323: _ms(flow.first), 230: flow.event, 225: b"\xcb\x00\x71\x01", 227: 1024,
        24: back_packets, 23: back_bytes,
    }
    template = _TEMPLATES[_template_of(flow)]
    return struct.pack("!" + "".join(code for _, code in template), *[values[element] for element, _ in template])


def _template(number: int) -> bytes:
    fields = _TEMPLATES[number]
    body = struct.pack("!HH", number, len(fields))
    return body + b"".join(struct.pack("!HH", element, struct.calcsize("!" + code)) for element, code in fields)


def messages(flows: Sequence[Flow], export_time: int) -> Iterable[bytes]:
    """IPFIX messages (RFC 7011): the templates, then the records, 15 a message."""
    def message(sequence: int, sets: bytes) -> bytes:
        return struct.pack("!HHIII", 10, 16 + len(sets), export_time, sequence, 1) + sets

    templates = b"".join(map(_template, _TEMPLATES))
    yield message(0, struct.pack("!HH", 2, 4 + len(templates)) + templates)
    sent = 0
    for number in _TEMPLATES:
        mine = [flow for flow in flows if _template_of(flow) == number]
        for start in range(0, len(mine), 15):
            part = b"".join(_record(flow) for flow in mine[start : start + 15])
            yield message(sent, struct.pack("!HH", number, 4 + len(part)) + part)
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
