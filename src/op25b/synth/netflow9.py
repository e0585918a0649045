"""Flow records → NetFlow v9 datagrams (RFC 3954), as an access node's exporter sends them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from op25b.synth.export import Records

# IANA elements: number, bytes. The last one only where forwarding status is exported; 0 means "unknown" (RFC 7270).
_FIELDS = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 8), (1, 8), (22, 4), (21, 4), (89, 1))
_RECORD = np.dtype([("src", ">u4"), ("dst", ">u4"), ("sport", ">u2"), ("dport", ">u2"), ("protocol", "u1"),
                    ("flags", "u1"), ("packets", ">u8"), ("bytes", ">u8"), ("first", ">u4"), ("last", ">u4"),
                    ("status", "u1")])
_TEMPLATE = 260
_A_DATAGRAM = 34  # records, so that a datagram fits into an Ethernet frame
_TCP = 6
_UPTIME = 86_400_000  # milliseconds since the exporter was started, when its first record of the day begins


def datagrams(records: Records) -> Iterator[bytes]:
    """The datagrams of one exporter's day: the template first, then all records in their order.

    How much is sampled they do not say: nfcapd is told. Times are milliseconds since the exporter was started, which is
    the header's time less its uptime: 32 bits last 49 days, so each day has a start of its own.
    """
    if not len(records):
        return
    boot = int(records["first"].min()) // 1000 * 1000 - _UPTIME
    moment = int(records["received"][0]) // 1000
    fields = b"".join(struct.pack("!HH", *field) for field in _FIELDS)
    yield _datagram(_set(0, struct.pack("!HH", _TEMPLATE, len(_FIELDS)) + fields), 1, moment, boot, 0)
    for number, start in enumerate(range(0, len(records), _A_DATAGRAM), start=1):
        part = records[start : start + _A_DATAGRAM]
        out = np.zeros(len(part), dtype=_RECORD)
        for name in ("src", "dst", "sport", "dport", "flags", "packets", "bytes", "status"):
            out[name] = part[name]
        out["protocol"] = _TCP
        out["first"], out["last"] = part["first"] - boot, part["last"] - boot
        # An exporter does not speak of the future, by its own clock.
        moment = max(moment, int(max(part["received"].max(), part["last"].max())) // 1000 + 1)
        yield _datagram(_set(_TEMPLATE, out.tobytes()), len(part), moment, boot, number)


def _set(number: int, content: bytes) -> bytes:
    """A FlowSet, filled up to a multiple of 4 bytes."""
    padding = -len(content) % 4
    return struct.pack("!HH", number, 4 + len(content) + padding) + content + bytes(padding)


def _datagram(sets: bytes, count: int, moment: int, boot: int, sequence: int) -> bytes:
    return struct.pack("!HHIIII", 9, count, moment * 1000 - boot, moment, sequence, 1) + sets
