"""How long `coverage` takes, as a process from its start, on a lake of many subscribers and days.

Run `python -m tests.benchmarks.bench_coverage [--subscribers N] [--days N] [--lake DIR]`. The tables it reads are made
straight in the lake: each line has one to four connections a day; one address in five changes hands every day. There
is no budget but that it stays within tens of seconds and the workspace's memory limit. The lake is kept in `--lake`.
"""

# ruff: noqa: T201 -- it prints the result

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from op25b import schema
from op25b.lake import Lake
from op25b.pseudonyms import Pseudonyms
from tests.benchmarks.bench_simulate import COMMAND
from tests.benchmarks.measuring import compile_as_installed, measured
from tests.conftest import SETTINGS

FIRST_DAY = date(2007, 6, 1)
MEMORY = '[engine.duckdb]\nmemory_limit = "2GB"\n'
# Which line holds address n on the day number $day, and when it changed hands that day (one address in five does).
LINE = "(n + CASE WHEN n % 5 = 0 THEN {day} ELSE 0 END) % $lines"
NAME = "'p' || left(md5(({line})::VARCHAR), 20)"
ADDRESS = "'100.' || (64 + n // 65536) || '.' || (n // 256 % 256) || '.' || (n % 256)"
KEY = "lpad(lower(to_hex(281474976710656 - 4294967296 + 1681915904 + n)), 32, '0')"
CHANGED = "to_seconds((hash(n, $day) % 86000)::BIGINT)"
CONNECTION = f"""
    SELECT $date::DATE AS day, 'out' AS direction,
        (1 + CASE WHEN n % 5 > 0 OR second >= (hash(n, $day) % 86000) THEN {LINE.format(day="$day")}
        ELSE {LINE.format(day="($day - 1)")} END)::INTEGER AS holder,
        (n + 1)::INTEGER AS client, ($lines + CASE WHEN n % 20 > 0 THEN 1 ELSE 2 END)::INTEGER AS server,
        (1024 + hash(n, second) % 60000)::INTEGER AS client_port, 25 AS server_port,
        $date::TIMESTAMP - INTERVAL 9 HOUR + to_seconds(second) AS first_seen, first_seen AS last_seen, 2 AS records,
        9::BIGINT AS client_packets, 900::BIGINT AS client_bytes, 9::BIGINT AS server_packets,
        900::BIGINT AS server_bytes, 0 AS futile, 1 AS sampling_interval, NULL::SMALLINT AS forwarding_status,
        'nas1' AS exporter, 'established' AS outcome
    FROM (
        SELECT n, (hash(n, $day, nth) % 86400)::BIGINT AS second
        FROM (SELECT range AS n, unnest(range((1 + hash(range, $day) % 4)::BIGINT)) AS nth FROM range($lines))
    )
"""
ADDRESSES = f"""
    SELECT $date::DATE AS day, (n + 1)::INTEGER AS number, {KEY} AS ip_key, {ADDRESS} AS ip, false AS is_server,
        true AS is_line
    FROM (SELECT range AS n FROM range($lines))
    UNION ALL SELECT $date::DATE, ($lines + 1)::INTEGER, '00000000000000000000ffffcb007101', '203.0.113.1', true, false
    UNION ALL SELECT $date::DATE, ($lines + 2)::INTEGER, '00000000000000000000ffffc0000219', '192.0.2.25', true, false
"""
HOLDERS = f"""
    SELECT $date::DATE AS day, (n + 1)::INTEGER AS number, {NAME.format(line="n")} AS subscriber,
        'attributed' AS attribution
    FROM (SELECT range AS n FROM range($lines))
"""
PEER_DAY = f"""
    SELECT $date::DATE AS day, {NAME.format(line="n")} AS subscriber, 'attributed' AS attribution, 'out' AS direction,
        (1 + hash(n, $day) % 4)::BIGINT AS sessions, (2 + 2 * (hash(n, $day) % 4))::BIGINT AS flows
    FROM (SELECT range AS n FROM range($lines))
"""
DESTINATION = """
    SELECT $date::DATE AS day, '203.0.113.1' AS dst_ip, 'own-relay' AS destination_group
    UNION ALL SELECT $date::DATE, '192.0.2.25', 'other'
"""
LEASE = f"""
    SELECT {KEY} AS ip_first, {KEY} AS ip_last, 0 AS port_first, 65535 AS port_last,
        {NAME.format(line=LINE.format(day="$day"))} AS subscriber,
        $date::TIMESTAMP - INTERVAL 9 HOUR + {CHANGED} AS start,
        CASE WHEN n % 5 = 0 THEN $date::TIMESTAMP + INTERVAL 15 HOUR
            + to_seconds((hash(n, $day + 1) % 86000)::BIGINT) END AS "end",
        'radius' AS kind, 'nas' || n % 40 AS access_server, 's' || n || ' ' || $day AS session, 'leases' AS source
    FROM (SELECT range AS n FROM range($lines)) WHERE n % 5 = 0 OR $day = -1
"""
SUBSCRIBER = """
    SELECT 'p' || left(md5(range::VARCHAR), 20) AS subscriber, 'node-' || range % 40 AS access_node, 'home' AS plan
    FROM range($lines)
"""
SENDER = """
    SELECT 'p' || left(md5(range::VARCHAR), 20) AS subscriber, 60::BIGINT AS sessions FROM range($lines)
    WHERE range % 20 = 0
"""
DAYS = {"connection": CONNECTION, "address": ADDRESSES, "holder": HOLDERS, "peer_day": PEER_DAY,
        "destination": DESTINATION}


def make_lake(root: Path, lines: int, days: int) -> None:
    """Write the settings and the tables that `coverage` reads, a day at a time."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "op25b.toml").write_text(SETTINGS + MEMORY, encoding="utf-8")
    Pseudonyms.create(root / "op25b.key")
    lake, connection = Lake(root / "lake"), duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    account = {"sha256": "flows", "path": "flows", "kind": "flows", "format": "bench", "bytes": 0, "rows_read": 0,
               "rows_kept": 0, "rows_filtered": 0, "rows_rejected": 0, "at": datetime(2007, 7, 1)}
    lake.append("source_file", schema.SOURCE_FILE.conform(pl.DataFrame([account])).to_arrow(), [])
    for table, query in {"subscriber": SUBSCRIBER, "sender": SENDER}.items():
        lake.replace(table, connection.sql(query, params={"lines": lines}).to_arrow_reader())
    for number in range(-1, days):
        values = {"lines": lines, "day": number, "date": str(FIRST_DAY + timedelta(days=number))}
        lake.append("lease", connection.sql(LEASE, params=values).to_arrow_reader(), [])
        for table, query in DAYS.items() if number >= 0 else ():
            used = {name: value for name, value in values.items() if f"${name}" in query}
            lake.append(table, connection.sql(query, params=used).to_arrow_reader(), [])
    connection.close()


def main() -> None:
    """Make the lake where it is not there, then time the command."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--subscribers", type=int, default=200_000)
    arguments.add_argument("--days", type=int, default=30)
    arguments.add_argument("--lake", type=Path)
    chosen = arguments.parse_args()
    compile_as_installed()
    with tempfile.TemporaryDirectory(prefix="op25b-bench-") as temporary:
        root = chosen.lake or Path(temporary)
        if not (root / "lake" / "connection").exists():
            make_lake(root, chosen.subscribers, chosen.days)
        lake = Lake(root / "lake")
        print(f"{lake.rows('connection'):,} sessions, {lake.rows('lease'):,} leases, {chosen.subscribers:,} lines")
        for words in (["--shift", "0"], ["--per", "node"]):
            run = measured(sys.executable, "-c", COMMAND, str(root), "coverage", *words)
            print(f"coverage {' '.join(words)}: {run}", flush=True)


if __name__ == "__main__":
    main()
