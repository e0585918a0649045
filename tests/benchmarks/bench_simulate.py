"""How long `simulate` and `findings` take, as processes from their start, on a lake of many subscribers and days.

Run `python -m tests.benchmarks.bench_simulate [--subscribers N] [--days N] [--lake DIR]`. The derived tables are made
straight in the lake, no logs are read: every subscriber has one row of `sender_day` on every day, most of them toward
the own relay; of a hundred lines five use another provider on port 25, one runs a mail server and one has a bot. Of
single connections (`session`) only those past the own relay are there. The lake is kept in `--lake` where given.
"""

# ruff: noqa: T201 -- it prints the result

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from op25b import schema
from op25b.engine import duckdb as engine
from op25b.engine.pipelines import pipelines
from op25b.lake import Lake
from op25b.pseudonyms import Pseudonyms
from op25b.workspace import Workspace
from tests.benchmarks.measuring import measured
from tests.conftest import SETTINGS

FIRST_DAY = date(2007, 6, 1)
BUDGET = 5.0
COMMAND = "import sys; from op25b.cli import main; sys.argv = ['op25b', '-w', *sys.argv[1:]]; main()"
SCENARIOS = """
[policy.no-exemption]
rules = [{ name = "own", action = "allow", destination = "own-relay" }, { name = "rest", action = "block" }]
[policy.wave]
rules = [{ name = "wave", action = "block", access_nodes = ["node-1", "node-2"], destination = "other" }]
"""
# Where a line of each kind sends: of a hundred lines, so many (up to `below`).
KINDS = """
    SELECT * FROM (VALUES
        (85, 'relay', 'own-relay', 25), (92, 'submission', 'own-relay', 587),
        (97, 'mail-program', 'known-provider', 25),
        (98, 'own-server', 'other', 25), (99, 'bot', 'other', 25), (100, 'mobile-sender', 'mobile-carrier', 25)
    ) AS kind(below, kind, destination_group, port)
"""
LINE = f"""
    CREATE TABLE line AS
    WITH numbered AS (
        SELECT range AS n, 'p' || left(md5(range::VARCHAR), 20) AS subscriber, (hash(range, 1) % 100)::INTEGER AS place
        FROM range($lines)
    )
    SELECT n, subscriber, k.kind, k.destination_group, k.port, CASE WHEN hash(n, 2) % 50 = 0 THEN 'IP8' ELSE 'home' END
        AS plan
    FROM numbered
    JOIN ({KINDS}) AS k ON place < k.below AND place >= (SELECT coalesce(max(o.below), 0) FROM ({KINDS}) AS o
        WHERE o.below < k.below)
"""
COUNTED = """
    SELECT $day::DATE AS day, subscriber, 'attributed' AS attribution, destination_group, port, kind, n,
        CASE WHEN kind = 'bot' THEN 200 ELSE 1 + hash(n, $day) % 4 END AS sessions,
        CASE kind WHEN 'bot' THEN 40 WHEN 'mobile-sender' THEN 0 ELSE 1 + hash(n, $day) % 4 END AS established,
        $day::TIMESTAMP + to_seconds((hash(n, $day, 3) % 86000)::BIGINT) AS first_seen
    FROM line
"""
SENDER_DAY = f"""
    SELECT day, subscriber, attribution, destination_group, port::INTEGER AS port, sessions::BIGINT AS sessions,
        sessions::BIGINT AS flows, established::BIGINT AS established, 0::BIGINT AS refused,
        (sessions - established)::BIGINT AS no_answer, 0::BIGINT AS unknown, 1::BIGINT AS destinations,
        CASE WHEN kind = 'bot' THEN 20 ELSE 1 END::BIGINT AS destinations_5min,
        CASE WHEN kind = 'bot' THEN 30 ELSE 2 END::BIGINT AS sessions_5min,
        (sessions * 10)::BIGINT AS client_packets, (sessions * 4000)::BIGINT AS client_bytes,
        (sessions * 9)::BIGINT AS server_packets, (sessions * 900)::BIGINT AS server_bytes, first_seen,
        first_seen + INTERVAL 3 SECOND AS last_seen
    FROM ({COUNTED})
"""
SAMPLED_DAY = f"""
    SELECT day, subscriber, 'nas1' AS exporter, 1 AS sampling_interval, destination_group, port::INTEGER AS port,
        sessions::BIGINT AS sessions, established::BIGINT AS established, (sessions * 10)::BIGINT AS client_packets,
        (sessions * 9)::BIGINT AS server_packets, (sessions * 4900)::BIGINT AS bytes,
        (sessions * 1264000)::DOUBLE AS squared_bytes
    FROM ({COUNTED}) WHERE destination_group <> 'own-relay'
"""
PEER_DAY = f"""
    SELECT day, subscriber, attribution, 'out' AS direction,
        '198.51.100.' || (CASE destination_group WHEN 'mobile-carrier' THEN 1 ELSE 64 + n % 32 END) AS peer_ip,
        port::INTEGER AS port, destination_group, 'organisation ' || (n % 97) AS organisation,
        CASE destination_group WHEN 'known-provider' THEN 'Provider' END AS name,
        CASE destination_group WHEN 'known-provider' THEN '587' END AS submission,
        sessions::BIGINT AS sessions, sessions::BIGINT AS flows, established::BIGINT AS established,
        0::BIGINT AS refused, (sessions - established)::BIGINT AS no_answer, 0::BIGINT AS unknown,
        (sessions * 10)::BIGINT AS client_packets,
        (sessions * 4000)::BIGINT AS client_bytes, (sessions * 9)::BIGINT AS server_packets,
        (sessions * 900)::BIGINT AS server_bytes, first_seen, first_seen + INTERVAL 3 SECOND AS last_seen
    FROM ({COUNTED})
"""
CONNECTION = f"""
    SELECT day, 'out' AS direction, n::INTEGER AS holder, 0 AS client,
        (1024 + n % 60000)::INTEGER AS client_port, k.number AS server, port::INTEGER AS server_port,
        first_seen + to_seconds(nth * 60) AS first_seen,
        first_seen + to_seconds(nth * 60 + 3) AS last_seen, 1 AS records, 10::BIGINT AS client_packets,
        4000::BIGINT AS client_bytes, 9::BIGINT AS server_packets, 900::BIGINT AS server_bytes,
        0 AS futile, 1 AS sampling_interval, NULL::SMALLINT AS forwarding_status, 'nas1' AS exporter,
        CASE WHEN nth < established THEN 'established' ELSE 'no-answer' END AS outcome
    FROM (SELECT *, unnest(range(least(sessions, 4)::BIGINT)) AS nth FROM ({COUNTED})
          WHERE destination_group <> 'own-relay')
    JOIN server AS k USING (destination_group)
"""
HOLDER = "SELECT $day::DATE AS day, n::INTEGER AS number, subscriber, 'attributed' AS attribution FROM line"
ADDRESS = """
    SELECT $day::DATE AS day, number, key AS ip_key, ip, 0::BIGINT AS high, 0::BIGINT AS low, true AS is_v4,
        true AS is_server, false AS is_line
    FROM server
    UNION ALL
    SELECT $day::DATE, 0, '00000000000000000000ffffc6120001', '198.18.0.1', 0, 0, true, false, true
"""
SERVER = """
    CREATE TABLE server AS SELECT * FROM (VALUES
        ('own-relay', '203.0.113.1', '00000000000000000000ffffcb007101', NULL, 4),
        ('known-provider', '198.51.100.70', '00000000000000000000ffffc6336446', '587', 3),
        ('mobile-carrier', '198.51.100.1', '00000000000000000000ffffc6336401', NULL, 2),
        ('other', '192.0.2.25', '00000000000000000000ffffc0000219', NULL, 1)
    ) AS s(destination_group, ip, key, submission, number)
"""
DESTINATION = """
    SELECT $day::DATE AS day, ip AS dst_ip, key AS dst_key, destination_group, destination_group AS name,
        destination_group AS organisation, submission, NULL::VARCHAR AS pop, number,
        number AS organisation_number
    FROM server
"""
FLOW = """
    SELECT $day::DATE AS day, $day::TIMESTAMP AS first_seen, $day::TIMESTAMP AS last_seen, '198.18.0.1' AS src_ip,
        '203.0.113.1' AS dst_ip, 0::BIGINT AS src_high,
        281474004811777 AS src_low, 0::BIGINT AS dst_high, 281474087547137 AS dst_low,
        4000 AS src_port, 25 AS dst_port, 6::SMALLINT AS protocol,
        10::BIGINT AS packets, 900::BIGINT AS bytes, NULL::BIGINT AS reply_packets, NULL::BIGINT AS reply_bytes,
        27::SMALLINT AS tcp_flags, true AS established, 1 AS sampling_interval, NULL::VARCHAR AS exporter,
        NULL::SMALLINT AS forwarding_status, NULL::TIMESTAMP AS received, 'flows' AS source
    FROM line
"""
RELAY_DAY = f"""
    SELECT day, subscriber, port::INTEGER AS listener_port, true AS own_line, established::BIGINT AS messages,
        established::BIGINT AS sent, 0::BIGINT AS deferred, 0::BIGINT AS bounced, 0::BIGINT AS rejected,
        NULL::VARCHAR AS auth_mechanism, first_seen AS last_at
    FROM ({COUNTED}) WHERE destination_group = 'own-relay' AND n % 10 = 0
"""
MESSAGE = f"""
    SELECT day, 'mx' AS mta_host, n::VARCHAR AS queue_id, first_seen AS first_at, first_seen AS last_at,
        first_seen AS accepted_at, '198.18.0.1' AS client_ip, port::INTEGER AS listener_port,
        NULL::VARCHAR AS auth_mechanism, NULL::VARCHAR AS auth_user, 'example.jp' AS sender_domain,
        1000::BIGINT AS size_bytes, 1 AS recipients, 1::BIGINT AS sent, 0::BIGINT AS deferred, 0::BIGINT AS bounced,
        0::BIGINT AS expired, 0::BIGINT AS rejected, 0::BIGINT AS policy, true AS removed, true AS own_line, subscriber
    FROM (SELECT *, unnest(range(established::BIGINT)) FROM ({COUNTED})
          WHERE destination_group = 'own-relay' AND n % 10 = 0)
"""
SUBSCRIBER = """
    SELECT subscriber, plan, plan = 'IP8' AS fixed_ip, 'node-' || (n % 40) AS access_node, 'area-' || (n % 20) AS area,
        CASE n % 3 WHEN 0 THEN 'house' WHEN 1 THEN 'apartment' ELSE 'office' END AS dwelling,
        CASE n % 2 WHEN 0 THEN 'mail' ELSE 'letter' END AS notice_channel, 'ja' AS language,
        NULL::VARCHAR AS radius_user, NULL::VARCHAR AS auth_user, 'subscribers' AS source
    FROM line
"""
LEASE = """
    SELECT lpad(lower(to_hex(281474976710656 + 2886729728 + n)), 32, '0') AS ip_first, ip_first AS ip_last,
        0 AS port_first, 65535 AS port_last, subscriber, TIMESTAMP '2007-05-01' AS start,
        NULL::TIMESTAMP AS "end", 'radius' AS kind,
        'nas1' AS access_server, 's' || n AS session, 'leases' AS source
    FROM line
"""
SENDING = """
    SELECT *, CASE kind WHEN 'bot' THEN 200 ELSE 2 END::BIGINT * $days AS s,
        CASE kind WHEN 'bot' THEN 40 WHEN 'mobile-sender' THEN 0 ELSE 2 END::BIGINT * $days AS e
    FROM line WHERE destination_group <> 'own-relay'
"""
SENDER = f"""
    SELECT subscriber, 'attributed' AS attribution, $day::TIMESTAMP AS first_seen, $day::TIMESTAMP AS last_seen,
        $days::BIGINT AS days_active, s AS sessions, s AS flows, e AS established,
        0::BIGINT AS refused, s - e AS no_answer, 0::BIGINT AS unknown, 0::BIGINT AS tiny, e AS mail_sized,
        CASE kind WHEN 'bot' THEN 400 ELSE 2 END::BIGINT AS destinations,
        CASE kind WHEN 'bot' THEN 300 ELSE 1 END::BIGINT AS organisations, s AS top_sessions, s AS top3_sessions,
        2::BIGINT AS top_destinations, CASE kind WHEN 'bot' THEN 20 ELSE 1 END::BIGINT AS destinations_5min,
        CASE kind WHEN 'bot' THEN 30 ELSE 2 END::BIGINT AS sessions_5min,
        CASE kind WHEN 'mobile-sender' THEN s ELSE 0 END AS mobile_carrier_sessions,
        CASE kind WHEN 'mail-program' THEN s ELSE 0 END AS known_provider_sessions,
        CASE WHEN kind IN ('bot', 'own-server') THEN s ELSE 0 END AS other_sessions,
        0::BIGINT AS mobile_carrier_established,
        CASE kind WHEN 'mail-program' THEN e ELSE 0 END AS known_provider_established,
        CASE WHEN kind IN ('bot', 'own-server') THEN e ELSE 0 END AS other_established,
        0::BIGINT AS mobile_carrier_unknown, 1000::BIGINT AS client_bytes, 1000::BIGINT AS server_bytes,
        65280 AS hours, 0::BIGINT AS night_sessions,
        CASE kind WHEN 'mail-program' THEN 9 ELSE 0 END::BIGINT AS pop_same_organisation,
        0::BIGINT AS submission_same_organisation, 0::BIGINT AS submission_sessions,
        CASE kind WHEN 'own-server' THEN 9 ELSE 0 END::BIGINT AS answered_inbound,
        CASE kind WHEN 'own-server' THEN 4 ELSE 0 END::BIGINT AS inbound_peers,
        CASE kind WHEN 'own-server' THEN 4 ELSE 0 END::BIGINT AS inbound_days, true AS inbound_visible,
        0::BIGINT AS relay_messages, 0::BIGINT AS relay_bounced, 0::BIGINT AS relay_rejected,
        NULL::VARCHAR AS relay_sprt, CASE kind WHEN 'bot' THEN 'bot' ELSE 'open' END AS sprt,
        CASE kind WHEN 'bot' THEN 300 ELSE 1 END::BIGINT AS sprt_n,
        CASE kind WHEN 'bot' THEN 240 ELSE 0 END::BIGINT AS sprt_failed, 1 AS sampling_interval,
        CASE kind WHEN 'mail-program' THEN 'Provider' END AS provider,
        CASE kind WHEN 'mail-program' THEN '587' END AS submission
    FROM ({SENDING})
"""
# A bot has five organisations of its own and the others in one row, as pipelines/sender_destination.sql makes them.
SENDER_DESTINATION = f"""
    SELECT subscriber, destination_group,
        CASE WHEN place <= 5 AND kind <> 'mobile-sender' THEN 'organisation ' || place END AS organisation,
        CASE destination_group WHEN 'known-provider' THEN 'Provider' END AS name,
        CASE WHEN place > 5 THEN 295 ELSE 1 END::BIGINT AS organisations,
        CASE WHEN place > 5 THEN 390 ELSE 2 END::BIGINT AS destinations, $days::BIGINT AS days,
        (s // places) AS sessions, (e // places) AS established, 0::BIGINT AS refused,
        (s // places) - (e // places) AS no_answer, 0::BIGINT AS unknown, 0::BIGINT AS in_vain, 0::BIGINT AS carried,
        0::BIGINT AS tiny, (e // places) AS mail_sized, (e // places) * 4000 AS mail_bytes,
        (e // places) * 4000.0 * 5000 AS mail_bytes_squares, 65280 AS hours, 0::BIGINT AS night_sessions,
        $days::BIGINT AS gaps, $days::BIGINT * 9000 AS gap_seconds, $days * 9000.0 * 18000 AS gap_squares,
        $days::BIGINT * 700 AS day_minutes, $days * 700.0 * 800 AS day_minutes_squares,
        CASE kind WHEN 'mail-program' THEN 9 ELSE 0 END::BIGINT AS reading, 0::BIGINT AS submitting,
        1 AS sampling_interval, $day::TIMESTAMP AS first_seen, $day::TIMESTAMP AS last_seen
    FROM (SELECT *, CASE kind WHEN 'bot' THEN 6 WHEN 'own-server' THEN 4 ELSE 1 END AS places,
              unnest(range(1, places + 1)) AS place FROM ({SENDING}))
"""
PER_DAY = {"flow": FLOW, "destination": DESTINATION, "address": ADDRESS, "holder": HOLDER,
           "connection": CONNECTION, "peer_day": PEER_DAY, "sender_day": SENDER_DAY,
           "sampled_day": SAMPLED_DAY, "message": MESSAGE, "relay_day": RELAY_DAY}
WHOLE = {"subscriber": SUBSCRIBER, "lease": LEASE, "sender": SENDER, "sender_destination": SENDER_DESTINATION}


def make_lake(root: Path, subscribers: int, days: int) -> None:
    """Write the settings and every table, a day at a time; the lake counts as built."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "op25b.toml").write_text(SETTINGS + SCENARIOS, encoding="utf-8")
    Pseudonyms.create(root / "op25b.key")
    lake, connection = Lake(root / "lake"), duckdb.connect()
    connection.execute(LINE, {"lines": subscribers})
    connection.execute(SERVER)
    account = {"sha256": "flows", "path": "flows", "kind": "flows", "format": "bench", "bytes": 0, "rows_read": 0,
               "rows_kept": 0, "rows_filtered": 0, "rows_rejected": 0, "at": datetime(2007, 7, 1)}
    lake.append("source_file", schema.SOURCE_FILE.conform(pl.DataFrame([account])).to_arrow(), [])
    for table, query in WHOLE.items():
        values = {"day": str(FIRST_DAY), "days": days} if "$days" in query else None
        lake.replace(table, _plain(connection.sql(query, params=values)))
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        for table, query in PER_DAY.items():
            rows = _plain(connection.sql(query, params={"day": str(day)} if "$day" in query else None))
            lake.append(table, rows, [])
    connection.close()
    months = engine.session(Workspace.load(root))
    lake.replace("sender_month", _plain(months.sql(pipelines()["sender_month"].sql)))
    months.close()
    (root / "lake" / ".built.json").write_text(f'{{"source_file": {lake.rows("source_file")}}}')


def _plain(result: duckdb.DuckDBPyRelation) -> pa.RecordBatchReader:
    """A stream of record batches with plain 64-bit integers."""
    reader = result.to_arrow_reader()
    fields = [pa.field(f.name, pa.int64()) if pa.types.is_decimal(f.type) or pa.types.is_uint64(f.type) else f
              for f in reader.schema]
    plain = pa.schema(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            yield batch.cast(plain)

    return pa.RecordBatchReader.from_batches(plain, batches())


ASKED = {
    "simulate": ["simulate"], "simulate --per total --format json": ["simulate", "--per", "total", "--format", "json"],
    "simulate, its last week": ["simulate", "--since", "2007-06-24"],
    "simulate --by plan": ["simulate", "--by", "plan"],
    "simulate, three scenarios": ["simulate", "--to", "proposed", "--to", "no-exemption", "--to", "wave"],
    "simulate --per example": ["simulate", "--per", "example"], "simulate --per load": ["simulate", "--per", "load"],
    "simulate --per unseen": ["simulate", "--per", "unseen"],
    "simulate --format csv": ["simulate", "--format", "csv"], "findings": ["findings"],
}


def main() -> int:
    """Make the lake where it is not there, then time each command; 1 where `simulate` is over its budget."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--subscribers", type=int, default=1_000_000)
    arguments.add_argument("--days", type=int, default=30)
    arguments.add_argument("--lake", type=Path)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="op25b-bench-") as temporary:
        root = chosen.lake or Path(temporary)
        if not (root / "lake" / ".built.json").exists():
            make_lake(root, chosen.subscribers, chosen.days)
        seconds = 0.0
        for name, words in ASKED.items():
            run = measured(sys.executable, "-c", COMMAND, str(root), *words)
            budget = f" (budget {BUDGET:g} s)" if name in {"simulate", "findings"} else ""
            print(f"{name}: {run}{budget}", flush=True)
            seconds = run.seconds if name == "simulate" else seconds
    return int(seconds > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
