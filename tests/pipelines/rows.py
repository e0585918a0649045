"""Literal raw rows in few words: times are local (Asia/Tokyo) on 2 June 2007 unless they say another date."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from op25b import schema
from op25b.api import OpenWorkspace, open_workspace
from op25b.engine import duckdb as engine
from op25b.engine.pipelines import pipelines
from op25b.lake import Lake
from op25b.pseudonyms import Pseudonyms
from op25b.readers.base import ip_key
from op25b.readers.flows.common import established
from tests.conftest import SETTINGS, numbers

DAY = date(2007, 6, 2)
JST = timedelta(hours=9)
Row = dict[str, Any]
BITS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}
SESSION, SYN, SYN_ACK, RST = "SAPF", "S", "SA", "RA"


def at(text: str) -> datetime:
    """`12:00`, `12:00:05` or `2007-06-01 23:59:00`, local, as naive UTC."""
    full = text if "-" in text else f"{DAY} {text}"
    return datetime.fromisoformat(full) - JST


def local(moment: datetime) -> str:
    """The inverse of `at`, for expected values."""
    return (moment + JST).strftime("%H:%M:%S")


def new_workspace(root: Path, settings: str = SETTINGS) -> OpenWorkspace:
    """An empty workspace."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "op25b.toml").write_text(settings, encoding="utf-8")
    if not (root / "op25b.key").exists():
        Pseudonyms.create(root / "op25b.key")
    return open_workspace(root)


def end(text: str) -> tuple[str, int]:
    """`198.18.0.1:40000` or `2001:db8::1#40000` → address, port."""
    address, _, port = text.rpartition("#" if "#" in text else ":")
    return address, int(port)


def flow(src: str, dst: str, first: str, last: str | None = None, flags: str | None = SESSION, **other: Any) -> Row:
    """One TCP record from `src` to `dst`; `flags` None: not exported."""
    (src_ip, src_port), (dst_ip, dst_port) = end(src), end(dst)
    packets = other.pop("packets", 10)
    return {
        "day": (at(first) + JST).date(), "first_seen": at(first), "last_seen": at(last or first), "src_ip": src_ip,
        "dst_ip": dst_ip, **numbers("src", src_ip), **numbers("dst", dst_ip), "src_port": src_port,
        "dst_port": dst_port, "protocol": 6, "packets": packets, "bytes": other.pop("bytes", packets * 100),
        "tcp_flags": None if flags is None else sum(BITS[letter] for letter in flags),
        "sampling_interval": other.pop("sampling", 1), **other,
    }


def both(client: str, server: str, first: str, last: str | None = None, back: str = SESSION) -> list[Row]:
    """A session's two records."""
    return [flow(client, server, first, last), flow(server, client, first, last, back)]


def lease(address: str, subscriber: str, start: str, stop: str | None = None, ports: tuple[int, int] = (0, 65535),
          **other: Any) -> Row:
    """A whole lease in one record; `address` may be a prefix."""
    return record("stop" if stop else "start", subscriber, stop or start, address=address, start=start, end=stop,
                  ports=ports, session=f"{subscriber} {address} {start}", **other)


def record(event: str, subscriber: str | None, when: str, address: str | None = None, start: str | None = None,
           end: str | None = None, ports: tuple[int, int] = (0, 65535), session: str | None = "S1",
           **other: Any) -> Row:
    """One accounting record."""
    import ipaddress

    network = ipaddress.ip_network(address) if address else None
    return {
        "at": at(when), "event": event, "subscriber": subscriber, "session": session,
        "ip_first": ip_key(str(network[0])) if network else None,
        "ip_last": ip_key(str(network[-1])) if network else None,
        "port_first": ports[0], "port_last": ports[1], "start": at(start) if start else None,
        "end": at(end) if end else None, "kind": "radius", "access_server": "nas1", **other,
    }


def event(kind: str, when: str, queue_id: str | None, **other: Any) -> Row:
    """One event of the relay's log."""
    client = other.get("client_ip")
    return {"day": (at(when) + JST).date(), "at": at(when), "mta_host": "mx", "event": kind, "queue_id": queue_id,
            "client_key": ip_key(client) if client else None, **other}


_KIND = {"flow": "flows", "mail_event": "mail", "lease_record": "leases", "subscriber_record": "subscribers"}
_TIME = {"flow": "first_seen", "mail_event": "at", "lease_record": "at", "subscriber_record": None}


def load(opened: OpenWorkspace, table: str, rows: list[Row], source: str | None = None,
         read_at: str = "2007-06-09 00:00:00") -> None:
    """Append rows as if one file with them had been ingested."""
    name = source or f"{table}-{read_at}"
    declared = schema.raw_table(table)
    names = [column for column in declared.schema if any(column in row for row in rows)]
    frame = pl.DataFrame([{c: row.get(c) for c in names} for row in rows],
                         schema={c: declared.schema[c] for c in names}).with_columns(source=pl.lit(name))
    if table == "flow" and "established" not in names:
        proof = established(pl.col("tcp_flags"), pl.col("src_port"), pl.col("sampling_interval"))
        frame = frame.with_columns(proof.alias("established"))
    lake = Lake(opened.workspace.lake_path)
    lake.append(table, declared.conform(frame).to_arrow(), [])
    time = _TIME[table]
    times = [row[time] for row in rows] if time else []
    account = {"sha256": name, "path": name, "kind": _KIND[table], "format": "literal", "bytes": 1,
               "rows_read": len(rows), "rows_kept": len(rows), "rows_filtered": 0, "rows_rejected": 0,
               "first": min(times, default=None), "last": max(times, default=None), "at": at(read_at)}
    lake.append("source_file", schema.SOURCE_FILE.conform(
        pl.DataFrame([account], schema_overrides={"first": schema.TIME, "last": schema.TIME})).to_arrow(), [])


def tables(opened: OpenWorkspace) -> dict[str, list[tuple[Any, ...]]]:
    """All stored derived tables, rows sorted, to compare two lakes."""
    connection = engine.session(opened.workspace)
    found = {name: sorted(connection.sql(f'SELECT * FROM "{name}"').fetchall(), key=repr)
             for name, pipeline in pipelines().items() if pipeline.stored}
    connection.close()
    return found


def from_nothing(opened: OpenWorkspace) -> dict[str, list[tuple[Any, ...]]]:
    """What a build of the same raw tables from nothing gives."""
    fresh = opened.workspace.root.parent / "fresh"
    shutil.copytree(opened.workspace.root, fresh)
    for path in (fresh / "lake").iterdir():
        if path.name in {"built", *pipelines()}:
            shutil.rmtree(path)
    other = new_workspace(fresh, (fresh / "op25b.toml").read_text(encoding="utf-8"))
    other.build()
    return tables(other)
