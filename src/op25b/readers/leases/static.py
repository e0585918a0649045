"""Static assignments as CSV: `subscriber`, and `address`, `prefix`, or `first` and `last`.

Optional columns: `start` and `end` (in the input's time zone where they name none; an assignment without a start has
always been there), `port_first` and `port_last` (for a part of a shared address).
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.leases import table
from op25b.readers.leases.common import (
    ALL_PORTS,
    BadRow,
    Row,
    batches,
    in_order,
    ip_range,
    port_range,
    since,
    utc,
)
from op25b.readers.leases.identity import line_name

_REQUIRED = (("subscriber",), ("address", "prefix", "first"))
_LIKE = 0.8  # a letter or two amiss


def recognise(head: Head) -> str | None:
    """A header line with `subscriber` and `address`, `prefix` or `first`, or nearly so: reading names what is wrong."""
    names = table.header(head)
    if all(any(get_close_matches(name, names, 1, _LIKE) for name in group) for group in _REQUIRED):
        return "CSV of subscribers and their addresses"
    return None


def read(source: Source) -> Iterator[Batch]:
    """Yield a row per assignment."""
    return batches(table.outcomes(source, _REQUIRED, lambda record: [_row(record, source.timezone)]))


def _row(record: table.Record, timezone: str) -> Row:
    if "subscriber" not in record:
        msg = "no subscriber"
        raise BadRow(msg)
    first, last = _range(record)
    start = utc(record["start"], timezone) if "start" in record else None
    end = utc(record["end"], timezone) if "end" in record else None
    in_order(start, end)
    ports = ALL_PORTS
    if "port_first" in record or "port_last" in record:
        ports = port_range(record.get("port_first", "0"), record.get("port_last", "65535"))
    return {
        "at": end or start, "event": "stop" if end else "start", "start": start, "end": end, "kind": "static",
        "subscriber": line_name(record["subscriber"]), "ip_first": first, "ip_last": last,
        "port_first": ports[0], "port_last": ports[1],
        # Tells apart the assignments of one line; the same in the next version of the list.
        "session": f"{first}-{last}:{ports[0]}-{ports[1]}@{since(start)}",
    }


def _range(record: table.Record) -> tuple[str, str]:
    given = [name for name in ("address", "prefix") if name in record]
    both_ends = "first" in record and "last" in record
    if len(given) + both_ends != 1 or ("first" in record) != ("last" in record):
        msg = "exactly one of address, prefix, and first with last must be given"
        raise BadRow(msg)
    if given:
        return ip_range(record[given[0]], given[0])
    first, last = ip_range(record["first"], "first"), ip_range(record["last"], "last")
    if "/" in record["first"] + record["last"] or first[0] > last[1] or _is_v4(first[0]) != _is_v4(last[1]):
        msg = "first and last are no range of addresses"
        raise BadRow(msg)
    return first[0], last[1]


def _is_v4(key: str) -> bool:
    return key.startswith("0" * 20 + "ffff")


FORMAT = Format("static-csv", "leases", recognise, read, growth="again")
