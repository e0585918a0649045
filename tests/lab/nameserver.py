"""A name server for the lab: answers A, AAAA, MX and PTR from a JSON file over UDP.

Run as a script inside a namespace: ``nameserver.py ZONE.json ADDRESS``.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import sys
from pathlib import Path

TYPES = {"A": 1, "PTR": 12, "MX": 15, "AAAA": 28}
NXDOMAIN = 3


def encode_name(name: str) -> bytes:
    """A domain name in wire format, uncompressed."""
    labels = [label.encode("ascii") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def encode_data(kind: str, value: str) -> bytes:
    """The data part of one record."""
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    return (struct.pack("!H", 10) if kind == "MX" else b"") + encode_name(value)


def answer(query: bytes, zone: dict[str, list[list[str]]]) -> bytes:
    """The reply to one query."""
    identifier, flags, _questions = struct.unpack("!HHH", query[:6])
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    (wanted,) = struct.unpack("!H", query[at + 1 : at + 3])
    records = zone.get(".".join(labels).lower())
    found = [(kind, value) for kind, value in records or [] if TYPES[kind] == wanted]
    code = 0 if records is not None else NXDOMAIN
    head = struct.pack("!HHHHHH", identifier, 0x8580 | (flags & 0x0100) | code, 1, len(found), 0, 0)
    body = query[12 : at + 5]
    for kind, value in found:
        data = encode_data(kind, value)
        body += struct.pack("!HHHIH", 0xC00C, TYPES[kind], 1, 300, len(data)) + data
    return head + body


def main() -> None:
    """Serves for ever."""
    zone = json.loads(Path(sys.argv[1]).read_text())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((sys.argv[2], 53))
        sys.stderr.write("ready\n")
        while True:
            query, client = server.recvfrom(4096)
            try:
                server.sendto(answer(query, zone), client)
            except (IndexError, OSError, struct.error) as error:
                sys.stderr.write(f"query from {client}: {error}\n")


if __name__ == "__main__":
    main()
