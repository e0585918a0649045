"""The flows of a file that nfdump wrote itself, as columns, without having nfdump print each of them.

nfdump's header files say the layout (nffileV2.h, nfxV3.h of 1.7): a file header, blocks, an appendix. A block is a
header and records one after the other; a record of type 11 is a flow: a header, then elements, each with its type and
length. Few of these are needed: the flow itself, its IPv4 or IPv6 addresses, the counters of its other direction, and
the address of its exporter. Numbers are little endian. A file with anything that this does not explain raises
`UnknownError`, and is to be printed.
"""

from __future__ import annotations

import functools
import mmap
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import polars as pl

from op25b.readers.base import numbered_ips

_FILE = struct.Struct("<HHIQBBHIQII")  # magic, layout, …, compression, encryption, …, number of blocks
_BLOCK = struct.Struct("<IIHH")  # records, bytes, type, flags
_RECORD = np.dtype([("type", "<u2"), ("size", "<u2"), ("elements", "<u2"), ("engine", "<u2"), ("exporter", "<u2"),
                    ("flags", "u1"), ("netflow", "u1")])
_ELEMENT = np.dtype([("type", "<u2"), ("length", "<u2")])
_FLOW = np.dtype([("first", "<u8"), ("last", "<u8"), ("received", "<u8"), ("packets", "<u8"), ("bytes", "<u8"),
                  ("src_port", "<u2"), ("dst_port", "<u2"), ("protocol", "u1"), ("tcp_flags", "u1"),
                  ("forwarding_status", "u1"), ("tos", "u1")])
_IPV4 = np.dtype([("src", "<u4"), ("dst", "<u4")])
_IPV6 = np.dtype([("src_high", "<u8"), ("src_low", "<u8"), ("dst_high", "<u8"), ("dst_low", "<u8")])
_REPLY = np.dtype([("flows", "<u8"), ("packets", "<u8"), ("bytes", "<u8")])
_EXPORTER4, _EXPORTER6 = np.dtype([("ip", "<u4")]), np.dtype([("ip_high", "<u8"), ("ip_low", "<u8")])
_ELEMENTS = {1: _FLOW, 2: _IPV4, 3: _IPV6, 5: _REPLY, 12: _EXPORTER4, 13: _EXPORTER6}
_MAGIC, _LAYOUT, _RECORDS_BLOCK, _FLOW_RECORD, _EVENT = 0xA50C, 2, 3, 11, 1
_ROWS = 2**16
_MAPPED = 0xFFFF << 32
# What is above is no time or count of a flow; printed, such a record is rejected.
_MOST = {"first": 2**53, "last": 2**53, "received": 2**53, "packets": 2**63 - 1, "bytes": 2**63 - 1}


class UnknownError(Exception):
    """The file is not laid out as this module knows it."""


@dataclass(frozen=True)
class _Flows:
    """The flows of a block: header and flow of each, and where its other elements are in `data`, or 0."""

    data: np.ndarray
    header: np.ndarray
    flow: np.ndarray
    ipv4: np.ndarray
    ipv6: np.ndarray
    reply: np.ndarray
    exporter4: np.ndarray
    exporter6: np.ndarray

    def at(self, kind: np.dtype, places: np.ndarray) -> np.ndarray:
        """The elements of the flows that have one."""
        return _at(self.data, kind, places[places > 0])


def totals(file: IO[bytes]) -> tuple[int, int, int]:
    """Count flows, and packets and bytes both ways. Raises `UnknownError`, after which `flows` does not."""
    found = [(len(block.flow), *(int(block.flow[name].sum() + block.at(_REPLY, block.reply)[name].sum())
                                 for name in ("packets", "bytes"))) for block in _read(file)]
    number, packets, octets = map(sum, zip((0, 0, 0), *found, strict=True))
    return number, packets, octets


def flows(file: IO[bytes]) -> Iterator[pl.DataFrame]:
    """Yield the flows in file order: exporter_id, first, last and received (ms since 1970), packets, bytes, ports, ….

    Counters of the other direction are 0 where there are none. Addresses are canonical text and their numbers, as
    `numbered_ips` gives them. Raises `UnknownError`.
    """
    waiting: list[pl.DataFrame] = []
    for block in _read(file):
        waiting.append(_frame(block))
        if sum(frame.height for frame in waiting) >= _ROWS:
            yield pl.concat(waiting)
            waiting = []
    if waiting:
        yield pl.concat(waiting)


def _read(file: IO[bytes]) -> Iterator[_Flows]:
    if not os.fstat(file.fileno()).st_size:  # nothing can be mapped
        raise UnknownError
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for block, count in _blocks(data):
            yield _flows(block, count)


def _blocks(data: mmap.mmap) -> Iterator[tuple[np.ndarray, int]]:
    """The bytes of each block, and how many records it has."""
    if len(data) < _FILE.size:
        raise UnknownError
    magic, layout, *_, compression, encryption, _, _, _, _, blocks = _FILE.unpack_from(data)
    if (magic, layout, compression, encryption) != (_MAGIC, _LAYOUT, 0, 0):
        raise UnknownError
    at = _FILE.size
    for _ in range(blocks):
        if at + _BLOCK.size > len(data):
            raise UnknownError
        records, size, kind, _ = _BLOCK.unpack_from(data, at)
        at += _BLOCK.size
        if kind != _RECORDS_BLOCK or at + size > len(data):
            raise UnknownError
        # A copy, as a view would keep the file mapped.
        yield np.frombuffer(data[at : at + size], np.uint8), records
        at += size


def _at(data: np.ndarray, kind: np.dtype, places: np.ndarray) -> np.ndarray:
    """What stands at these places, which may be any."""
    last = len(data) - kind.itemsize
    if places.size and (last < 0 or places.max() > last):
        raise UnknownError
    # Taken as bytes, since to take structures is several times as slow.
    everywhere: np.ndarray = np.ndarray(max(last + 1, 0), f"V{kind.itemsize}", data.data, strides=(1,))
    found: np.ndarray = everywhere[places].view(kind)
    return found


def _starts(data: np.ndarray, count: int) -> np.ndarray:
    """Where the records begin."""
    if count * _ELEMENT.itemsize > len(data):
        raise UnknownError
    if count and len(data) % count == 0:  # all of one size, as flows of one template are
        starts = np.arange(count) * (len(data) // count)
        if (_at(data, _RECORD, starts)["size"] == len(data) // count).all():
            return starts
    starts, at = np.empty(count, np.int64), 0
    for number in range(count):
        starts[number] = at
        if at + 4 > len(data):
            raise UnknownError
        at += int.from_bytes(data[at + 2 : at + 4], "little")
    if at != len(data):
        raise UnknownError
    return starts


def _flows(data: np.ndarray, count: int) -> _Flows:
    starts = _starts(data, count)
    header = _at(data, _RECORD, starts)
    starts, header = (each[header["type"] == _FLOW_RECORD] for each in (starts, header))
    # Events of firewalls (NSEL) have other elements beside.
    if (header["flags"] & _EVENT).any():
        raise UnknownError
    flow, *others = _elements(data, starts, header)
    found = _Flows(data, header, _at(data, _FLOW, flow), *others)
    if (flow == 0).any() or ((found.ipv4 == 0) == (found.ipv6 == 0)).any():
        raise UnknownError
    if any((found.flow[name] > most).any() for name, most in _MOST.items()):
        raise UnknownError
    back = found.at(_REPLY, found.reply)
    if any((back[name] > _MOST[name]).any() for name in ("packets", "bytes")):
        raise UnknownError
    return found


def _frame(block: _Flows) -> pl.DataFrame:
    columns = {name: block.flow[name].astype(np.int64) for name in _FLOW.names or () if name != "tos"}
    rows = pl.DataFrame({"exporter_id": block.header["exporter"].astype(np.int64), **columns})
    rows = rows.with_columns(_exporters(block), *_replies(block)).with_row_index("number")
    six = pl.Series(block.ipv6 > 0)
    parts = [rows.filter(~six).hstack(_ipv4(block.at(_IPV4, block.ipv4)))]
    if six.any():
        parts.append(rows.filter(six).hstack(_ipv6(block.at(_IPV6, block.ipv6))))
    return pl.concat(parts).sort("number").drop("number")


def _replies(block: _Flows) -> Iterator[pl.Series]:
    back = block.at(_REPLY, block.reply)
    for name in ("packets", "bytes"):
        found = np.zeros(len(block.flow), np.int64)
        found[block.reply > 0] = back[name]
        yield pl.Series(f"reply_{name}", found)


def _exporters(block: _Flows) -> pl.Series:
    """The address of each flow's exporter; nfdump prints all zeros where there is none."""
    found = np.full(len(block.flow), "0.0.0.0", object)  # noqa: S104  # no address that is listened on
    numbers, which = np.unique(block.at(_EXPORTER4, block.exporter4)["ip"], return_inverse=True)
    texts = [socket.inet_ntop(socket.AF_INET, int(number).to_bytes(4)) for number in numbers]
    found[block.exporter4 > 0] = np.array(texts, object)[which]
    longer = block.at(_EXPORTER6, block.exporter6)
    found[block.exporter6 > 0] = np.array(_texts(longer, "ip"), object)
    return pl.Series("exporter", found, pl.String)


def _elements(data: np.ndarray, starts: np.ndarray, header: np.ndarray) -> list[np.ndarray]:
    """Where each record has its element of the kinds that are needed; 0 where it has none."""
    found = {number: np.zeros(len(starts), np.int64) for number in _ELEMENTS}
    place = starts + _RECORD.itemsize
    for number in range(header["elements"].max(initial=0)):
        there = number < header["elements"]
        element = _at(data, _ELEMENT, np.where(there, place, 0))
        for kind, layout in _ELEMENTS.items():
            mine = there & (element["type"] == kind)
            if (element["length"][mine] != _ELEMENT.itemsize + layout.itemsize).any():
                raise UnknownError
            found[kind] = np.where(mine, place + _ELEMENT.itemsize, found[kind])
        place += np.where(there, element["length"], 0)
    if (place != starts + header["size"]).any():
        raise UnknownError
    return list(found.values())


@functools.cache
def _halves() -> pl.Series:
    """Two octets as text, by their number."""
    return pl.Series([f"{upper}.{lower}" for upper in range(256) for lower in range(256)])


def _ipv4(addresses: np.ndarray) -> pl.DataFrame:
    numbers = pl.DataFrame({name: addresses[name].astype(np.int64) for name in ("src", "dst")})
    upper, lower = (numbers.select((pl.all() // 65_536) if first else (pl.all() % 65_536)) for first in (True, False))
    texts = {f"{name}_ip": pl.concat_str(_halves().gather(upper[name]), _halves().gather(lower[name]), separator=".")
             for name in numbers.columns}
    zero = pl.lit(0, pl.Int64)
    return numbers.select(
        **texts, src_high=zero, src_low=pl.col("src") + _MAPPED, dst_high=zero, dst_low=pl.col("dst") + _MAPPED)


def _ipv6(addresses: np.ndarray) -> pl.DataFrame:
    columns = {f"{name}_ip": pl.Series(_texts(addresses, name), dtype=pl.String) for name in ("src", "dst")}
    return numbered_ips(pl.DataFrame(columns), {"src_ip": "src", "dst_ip": "dst"})


def _texts(addresses: np.ndarray, name: str) -> list[str]:
    halves = (addresses[f"{name}_{half}"].tolist() for half in ("high", "low"))
    return [_text(address) for address in zip(*halves, strict=True)]


@functools.lru_cache(2**16)
def _text(address: tuple[int, int]) -> str:
    return socket.inet_ntop(socket.AF_INET6, b"".join(half.to_bytes(8) for half in address))
