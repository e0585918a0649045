"""Which networks are whose mail servers: the dated tables in `data/reference/`, the workspace's own, and its relays."""

from __future__ import annotations

import ipaddress
from datetime import date
from pathlib import Path

import polars as pl

from op25b.assets import directory
from op25b.errors import InputError
from op25b.readers.base import ip_key
from op25b.workspace import Workspace

GROUPS = ("own-relay", "mobile-carrier", "known-provider")
_SCHEMA = {"name": pl.String, "destination_group": pl.String, "key_first": pl.String, "key_last": pl.String,
           "valid_from": pl.Date, "valid_until": pl.Date, "submission": pl.String, "pop": pl.String}


def destination_networks(workspace: Workspace) -> pl.DataFrame:
    """One row a network of mail servers: name, destination_group, key range, validity, submission and POP ports."""
    config = workspace.config
    rows = [_row("own relay", "own-relay", network, (None, None), ("", "")) for network in config.networks.relays]
    for entry in config.destinations:
        ports, pop = " ".join(map(str, entry.submission)), " ".join(map(str, entry.pop))
        valid = entry.valid_from, entry.valid_until
        rows += [_row(entry.name, entry.group, network, valid, (ports, pop))
                 for network in entry.networks]
    for pattern in config.reference.networks:
        paths = workspace.expand(pattern)
        if not paths:
            raise InputError(pattern, "no such file", "check [reference] networks in op25b.toml")
        for path in paths:
            rows += _read(path)
    if config.reference.builtin:
        rows += _read(directory("reference") / "networks.csv")
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _row(name: str, group: str, network: str, valid: tuple[date | None, date | None],
         ports: tuple[str, str]) -> tuple[object, ...]:
    parsed = ipaddress.ip_network(network)
    return (name, group, ip_key(str(parsed[0])), ip_key(str(parsed[-1])), *valid, *(port or None for port in ports))


def _read(path: Path) -> list[tuple[object, ...]]:
    import csv

    rows = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"name", "group", "network"} - set(reader.fieldnames or [])
        if missing:
            raise InputError(path, f"no column {', '.join(sorted(missing))}", "see data/reference/README.md", line=1)
        for row in reader:
            try:
                if row["group"] not in GROUPS:
                    msg = f"group {row['group']!r} is none of {', '.join(GROUPS)}"
                    raise ValueError(msg)
                first, last = (date.fromisoformat(text) if (text := row.get(key)) else None
                               for key in ("valid_from", "valid_until"))
                ports = row.get("submission") or "", row.get("pop") or ""
                rows.append(_row(row["name"], row["group"], row["network"], (first, last), ports))
            except ValueError as error:
                raise InputError(path, str(error), "correct the row", line=reader.line_num) from None
    return rows
