"""RADIUS accounting as exported from an SQL table (FreeRADIUS `radacct`): one row, one session.

Column names are those of FreeRADIUS' schemas, in any case and order. A row with a stop time is a finished session;
one without is still open, or its Stop was lost, which `lease.sql` decides. Times without a zone are in the input's
time zone: MySQL exports local times, PostgreSQL writes the offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.leases import table
from op25b.readers.leases.common import ALL_PORTS, NO_ADDRESS, BadRow, Row, batches, in_order, ip_range, number, utc
from op25b.readers.leases.identity import line_name

_ADDRESSES = ("framedipaddress", "framedipv6prefix", "delegatedipv6prefix", "framedipv6address")
_REQUIRED = (("acctsessionid",), ("username",), ("acctstarttime",), _ADDRESSES)
_KNOWN = {"radacctid", "acctuniqueid", "nasipaddress", "acctstoptime", "acctsessiontime", "acctupdatetime",
          *(name for group in _REQUIRED for name in group)}
_LONGEST_SESSION = 20 * 366 * 86400


def recognise(head: Head) -> str | None:
    """A header line with several column names of `radacct`."""
    found = table.header(head) & _KNOWN
    return "CSV with columns of a RADIUS accounting table" if len(found) >= 3 else None


def read(source: Source) -> Iterator[Batch]:
    """Yield a row per address of each session."""
    return batches(table.outcomes(source, _REQUIRED, lambda record: _rows(record, source.timezone)))


def _rows(record: table.Record, timezone: str) -> list[Row]:
    session, user = record.get("acctsessionid"), record.get("username")
    if session is None or user is None:
        msg = f"no {'acctsessionid' if session is None else 'username'}"
        raise BadRow(msg)
    start, stop = _time(record, "acctstarttime", timezone), _time(record, "acctstoptime", timezone)
    update = _time(record, "acctupdatetime", timezone)
    if start is None and stop is not None and "acctsessiontime" in record:
        start = stop - timedelta(seconds=number(record["acctsessiontime"], "acctsessiontime", 0, _LONGEST_SESSION))
    at = stop or update or start
    if at is None or start is None:
        msg = "no acctstarttime"
        raise BadRow(msg)
    in_order(start, stop)
    common: Row = {
        "at": at, "start": start, "end": stop, "event": "stop" if stop else "start" if at == start else "interim",
        "kind": "radius", "subscriber": line_name(user), "session": session,
        "access_server": record.get("nasipaddress"), "port_first": ALL_PORTS[0], "port_last": ALL_PORTS[1],
    }
    ranges = [ip_range(text, name) for name in _ADDRESSES
              for text in record.get(name, "").split(",") if text and text not in NO_ADDRESS]
    # A session may have no address (yet); it still marks start and end.
    return [common | {"ip_first": first, "ip_last": last} for first, last in dict.fromkeys(ranges)] or [common]


def _time(record: table.Record, name: str, timezone: str) -> datetime | None:
    text = record.get(name)
    try:
        return None if text is None else utc(text, timezone)
    except BadRow:
        msg = f"{name} is no time"
        raise BadRow(msg) from None


FORMAT = Format("radius-csv", "leases", recognise, read, growth="again")
