"""Kea's lease files (memfile CSV), DHCPv4 and DHCPv6, also the rotated ones (`.1`, `.2`, `.completed`).

The file is a journal: a row for every grant, renewal, release and reclaim, until the clean-up leaves the last of each.
Columns are found by name because they differ between versions. A row's lease began (or was renewed) at
`expire - valid_lifetime`, both in seconds; lifetime 4294967295 is for ever. States: 0 held; 1 declined, 2 expired and
reclaimed, 3 released, 4 registered (an address the client chose itself). A released or deleted lease is a row with
lifetime 0 whose `expire` is the last renewal: when it was released is not recorded, so that row says nothing, and the
end stated before it stands unless somebody else gets the address sooner.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.leases import identity, table
from op25b.readers.leases.common import (
    BadRow,
    Outcome,
    bad,
    batches,
    from_epoch,
    ip_range,
    number,
)
from op25b.readers.leases.holdings import Holdings, Statement

_FOREVER = 0xFFFFFFFF
_HELD, _DECLINED, _RECLAIMED, _RELEASED, _REGISTERED = range(5)
_PREFIX = {"2", "IA_PD"}
_TIMES = (("address",), ("valid_lifetime",), ("expire",), ("state",))
_ESCAPE = re.compile("&#x([0-9a-fA-F]{2});?")


def recognise(head: Head) -> str | None:
    """A header line that begins with `address` and has `valid_lifetime`, `expire` and `subnet_id`."""
    names = table.header(head)
    if {"address", "valid_lifetime", "expire", "subnet_id"} <= names and head.lines[0].startswith("address,"):
        return f"Kea lease file, DHCPv{6 if 'duid' in names else 4}"
    return None


def read(source: Source) -> Iterator[Batch]:
    """Yield a row per interval in which one client held an address or a prefix."""
    return batches(_outcomes(source))


def _outcomes(source: Source) -> Iterator[Outcome]:
    holdings = Holdings()
    identifier = (("duid", "hwaddr", "client_id"),)
    for line, record in table.records(source, _TIMES + identifier, _split):
        if isinstance(record, str):
            yield bad(line, record)
            continue
        try:
            yield holdings.outcome(_statement(record, source.identify_by))
        except BadRow as problem:
            yield bad(line, str(problem))
    yield Outcome(list(holdings.rest()), read=0)


def _split(line: str, _separator: str) -> list[str]:
    """Kea does not quote; it writes a comma inside a field as `&#x2c`, an ampersand as `&#x26`."""
    if "&#x" not in line:
        return line.split(",")
    return [_ESCAPE.sub(lambda match: chr(int(match[1], 16)), field) for field in line.split(",")]


def _statement(record: table.Record, identify_by: str) -> Statement | None:
    lifetime = number(record.get("valid_lifetime", ""), "valid_lifetime", 0, _FOREVER)
    expire = number(record.get("expire", ""), "expire", 0, 2**40)
    state = number(record.get("state", ""), "state", _HELD, _REGISTERED)
    if expire < lifetime:
        msg = "it expires before its lifetime is over"
        raise BadRow(msg)
    first, last = _range(record)
    start = from_epoch(expire - lifetime)
    if state == _DECLINED:  # nobody's: the client found the address in use
        return Statement(first, last, None, start, start, start)
    subscriber = _subscriber(record, identify_by)
    if lifetime == 0:
        return None
    end = None if lifetime == _FOREVER else from_epoch(expire)
    return Statement(first, last, subscriber, start, start, end, over=state in {_RECLAIMED, _RELEASED})


def _range(record: table.Record) -> tuple[str, str]:
    address = record.get("address", "")
    if record.get("lease_type", "0").upper() in _PREFIX and "prefix_len" in record:
        address += f"/{number(record['prefix_len'], 'prefix_len', 1, 128)}"
    return ip_range(address, "address")


def _subscriber(record: table.Record, identify_by: str) -> str:
    duid = identity.octets(record.get("duid", ""))
    found: str | None = None
    match identify_by:
        case "hardware" if "hwaddr" in record:
            found = identity.hardware(record["hwaddr"])
        case "hardware" if duid is not None:
            found = identity.hardware_of_duid(duid)
        case "uid":
            client = identity.octets(record.get("client_id", "")) if duid is None else duid
            found = None if client is None else identity.shown(client)
        case "circuit-id" | "remote-id":
            found = _of_agent(record, identify_by)
    if found is None:
        raise identity.missing(identify_by)
    return found


def _of_agent(record: table.Record, name: str) -> str | None:
    """What the relay said, from the `ISC` part of `user_context` (Kea's setting `store-extended-info`)."""
    try:
        context = json.loads(record.get("user_context", "null"))
    except (ValueError, RecursionError):
        msg = "user_context is no JSON"
        raise BadRow(msg) from None
    isc = context.get("ISC") if isinstance(context, dict) else None
    if not isinstance(isc, dict):
        return None
    version, texts = (6, _relays(isc)) if "duid" in record else (4, [_hex(isc.get("relay-agent-info"), "sub-options")])
    found = (identity.agent_option(bytes.fromhex(text), version, name) for text in texts)
    return next(filter(None, found), None)


def _relays(isc: dict[str, Any]) -> list[str]:
    """The options of every relay, the one next to the client first; a DHCPv6 message may pass several."""
    # Kea lists them as they are met from the server's side, in `relay-info` (2.2 and later) or `relays` (before).
    relays = isc.get("relay-info", isc.get("relays"))
    return [_hex(relay, "options") for relay in reversed(relays)] if isinstance(relays, list) else []


def _hex(value: object, key: str) -> str:
    """Hexadecimal digits from `"0x0104…"` or, as newer versions write it, an object that has it under `key`."""
    text = value.get(key) if isinstance(value, dict) else value
    digits = text.removeprefix("0x") if isinstance(text, str) else ""
    return digits if re.fullmatch("(?:[0-9a-fA-F]{2})*", digits) else ""


FORMAT = Format("kea-leases", "leases", recognise, read, growth="again", merges=True)
