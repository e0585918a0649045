"""How fast `build` attributes and aggregates, beside hand-written DuckDB and Polars queries for the same sums.

Run `python -m tests.benchmarks.bench_build [--flows N] [--leases N] [--days N] [--memory 2GB]`. Each contender runs in
a process of its own, so that its peak memory is its own. The lake is made once and kept in `--lake` where given.

The hand-written queries join the records of a five-tuple into sessions, attribute them to leases and sum them per
subscriber, day, destination group and port, bursts included; day by day, as all days at once do not fit into the memory
that `build` gets. They know nothing of five-tuples used again, of overlapping leases, of sessions over midnight or of
connections from outside, and write `sender_day` alone. The time of `build` is shown up to `sender_day` and in all, then
that of a build with nothing new, and of one after a late file of a day, with five minutes at noon.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from op25b import schema
from op25b.engine import duckdb as engine
from op25b.engine.build import build
from op25b.engine.pipelines import pipelines
from op25b.lake import Lake
from op25b.workspace import Workspace

FIRST_DAY = date(2007, 6, 1)
SETTINGS = """
[site]
timezone = "UTC"
[networks]
subscribers = ["100.64.0.0/10"]
relays = ["203.0.113.0/28"]
[reference]
builtin = false
[engine.duckdb]
memory_limit = "{memory}"
"""
SERVERS = 20_000
# Flow records a line has a day: about as many as in a week of `op25b synth`.
RECORDS_A_LINE = 10
RELAYS, PROVIDERS = 16, 200
SYN, ACK, PSH, FIN = 2, 16, 8, 1


Count = Callable[[], int]
"""Counts, after the time is taken, the flow records of what was made."""


def _addresses(base: int, count: int) -> tuple[pl.Series, pl.Series]:
    """Canonical text and number (flow.src_low) of `count` IPv4 addresses from `base` on."""
    numbers = range(base, base + count)
    text = [f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in numbers]
    return pl.Series(text), pl.Series([0xFFFF00000000 | n for n in numbers], dtype=pl.Int64)


def make_lake(root: Path, flows: int, leases: int, days: int, memory: str) -> None:
    """Write a lake: half of the records go out, half come back; a lease lasts as long as its neighbours on average."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "op25b.toml").write_text(SETTINGS.format(memory=memory), encoding="utf-8")
    lake = Lake(root / "lake")
    random = np.random.default_rng(25)
    lines = max(flows // days // RECORDS_A_LINE, 1)
    addresses, servers = _addresses(0x64400000, lines), _addresses(0xC6120000, SERVERS)
    relays = _addresses(0xCB007100, RELAYS)
    servers = (pl.concat([relays[0], servers[0]]), pl.concat([relays[1], servers[1]]))
    lake.append("lease_record", _leases(random, [f"{n:032x}" for n in addresses[1]], leases, days).to_arrow(), [])
    sources = []
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        frame = _flows(random, day, flows // days // 2, addresses, servers)
        lake.append("flow", frame.to_arrow(), [])
        sources.append(_source(f"flows-{day}", "flows", frame.height, day))
    sources.append(_source("leases", "leases", leases, FIRST_DAY))
    lake.append("source_file", schema.SOURCE_FILE.conform(pl.DataFrame(sources)).to_arrow(), [])


def _source(name: str, kind: str, rows: int, day: date) -> dict[str, object]:
    first = datetime(day.year, day.month, day.day)  # the lake's times are naive UTC
    return {"sha256": name, "path": name, "kind": kind, "format": "bench", "bytes": 0, "rows_read": rows,
            "rows_kept": rows, "rows_filtered": 0, "rows_rejected": 0, "first": first,
            "last": first + timedelta(hours=23), "at": first}


def _leases(random: np.random.Generator, keys: list[str], count: int, days: int) -> pl.DataFrame:
    """Each address is held without a gap, from the day before on, by one line after the other."""
    later = max(count - len(keys), 0)
    holder = np.concatenate([np.arange(count - later), random.integers(0, len(keys), later)])
    start = pl.Series(np.concatenate([np.full(count - later, -86_400), random.integers(-86_399, days * 86_400, later)]))
    origin = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day)
    frame = pl.DataFrame({"ip_first": pl.Series(keys).gather(holder), "second": start}).sort("ip_first", "second")
    start_at = pl.lit(origin) + pl.duration(seconds=pl.col("second"))
    frame = frame.with_columns(start_at.cast(schema.TIME).alias("start"), pl.int_range(pl.len()).alias("n"))
    frame = frame.with_columns(
        pl.col("start").shift(-1).over("ip_first").alias("end"), pl.col("ip_first").alias("ip_last"),
        pl.format("p{}", pl.Series(random.integers(0, len(keys), count))).alias("subscriber"),
        pl.format("s{}", "n").alias("session"),
        at=pl.col("start"), port_first=0, port_last=65535, event=pl.lit("stop"), kind=pl.lit("radius"),
        access_server=pl.lit("192.0.2.1"), source=pl.lit("leases"),
    )
    return schema.LEASE_RECORD.conform(frame)


def _flows(random: np.random.Generator, day: date, pairs: int, lines: tuple[pl.Series, pl.Series],
           servers: tuple[pl.Series, pl.Series]) -> pl.DataFrame:
    """Pairs of records; one in five attempts is never answered and comes as two records of bare SYNs instead.

    As mail programs do, a line comes again to the same servers: three sessions in four go to one of the own servers,
    most others to the line's one other provider, and one in a hundred to a server drawn at random.
    """
    line = random.integers(0, len(lines[0]), pairs)
    own, other, anybody = line % RELAYS, RELAYS + line * 7919 % PROVIDERS, random.integers(0, len(servers[0]), pairs)
    kind = np.searchsorted([0.75, 0.99], random.random(pairs))
    server = np.choose(kind, [own, other, anybody])
    ports = np.array([[25, 110, 995, 110, 587], [25, 110, 25, 995, 110], [25, 25, 25, 25, 25]])
    base = pl.DataFrame({
        "line": line, "server": server, "client_port": pl.Series(random.integers(1024, 65536, pairs), dtype=pl.Int32),
        "server_port": pl.Series(ports[kind, random.integers(0, 5, pairs)], dtype=pl.Int32),
        "second": np.sort(random.integers(0, 86_000, pairs)), "answered": random.random(pairs) < 0.8,
        "packets": random.integers(8, 40, pairs),
    })
    origin = datetime(day.year, day.month, day.day)
    base = base.select(
        pl.all(), (pl.lit(origin) + pl.duration(seconds=pl.col("second"))).cast(schema.TIME).alias("at"),
        line_ip=lines[0].gather(line), line_low=lines[1].gather(line),
        server_ip=servers[0].gather(server), server_low=servers[1].gather(server),
    )
    out = base.select(
        day=pl.lit(day), first_seen="at", last_seen=pl.col("at") + pl.duration(seconds=8), src_ip="line_ip",
        dst_ip="server_ip", src_high=0, src_low="line_low", dst_high=0, dst_low="server_low", src_port="client_port",
        dst_port="server_port", protocol=6, packets=pl.when("answered").then("packets").otherwise(2),
        bytes=pl.col("packets") * 300, tcp_flags=pl.when("answered").then(SYN | ACK | PSH | FIN).otherwise(SYN),
        established="answered", sampling_interval=1, exporter=pl.lit("192.0.2.9"), source=pl.lit(f"flows-{day}"),
    )
    later = pl.col("at") + pl.duration(seconds=pl.when("answered").then(0).otherwise(21))

    def side(answered: str, otherwise: str) -> pl.Expr:
        return pl.when("answered").then(answered).otherwise(otherwise)

    back = base.select(
        day=pl.lit(day), first_seen=later, last_seen=later + pl.duration(seconds=8),
        src_ip=side("server_ip", "line_ip"), dst_ip=side("line_ip", "server_ip"),
        src_high=0, src_low=side("server_low", "line_low"), dst_high=0, dst_low=side("line_low", "server_low"),
        src_port=side("server_port", "client_port"), dst_port=side("client_port", "server_port"),
        protocol=6, packets=pl.when("answered").then("packets").otherwise(1),
        bytes=pl.when("answered").then(pl.col("packets") * 90).otherwise(60),
        tcp_flags=pl.when("answered").then(SYN | ACK | PSH | FIN).otherwise(SYN), established="answered",
        sampling_interval=1, exporter=pl.lit("192.0.2.9"), source=pl.lit(f"flows-{day}"),
    )
    return schema.FLOW.conform(pl.concat([out, back], how="vertical_relaxed").sort("first_seen"))


def run_build(root: Path) -> Count:
    """Build what is out of date; prints seconds by the clock and of all cores per table, and up to `sender_day`."""
    shown: dict[str, tuple[float, float]] = {}
    last: list[tuple[str, float, float]] = []

    def progress(table: str, _done: int, _all: int) -> None:
        now, cpu = time.perf_counter(), _cpu()
        if last:
            name, then, before = last[0]
            wall, used = shown.get(name, (0.0, 0.0))
            shown[name] = (wall + now - then, used + cpu - before)
        last[:] = [(table.partition(" ")[0], now, cpu)]

    build(Workspace.load(root), progress=progress)
    needed = [shown[name] for name in _needed("sender_day") & set(shown)]
    wall, cpu = (sum(times) for times in zip(*needed, strict=True))
    tables = ", ".join(f"{name} {wall:.1f}/{cpu:.1f}" for name, (wall, cpu) in shown.items() if cpu >= 0.1)
    sys.stdout.write(f"  s/CPU s: {tables}\n  up to sender_day: {wall:.2f} s, {cpu:.2f} s CPU\n")
    sys.stdout.flush()
    attributed = "SELECT sum(flows)::BIGINT FROM peer_day WHERE attribution = 'attributed' AND direction = 'out'"
    return lambda: _sum(root, attributed)


def _needed(table: str) -> set[str]:
    """A derived table and those it is made from."""
    return {table}.union(*(_needed(name) for name in pipelines()[table].reads & set(pipelines())))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _sum(root: Path, query: str) -> int:
    connection = engine.session(Workspace.load(root))
    found = connection.sql(query).fetchall()
    connection.close()
    return int(found[0][0] or 0)


# Line and server, their ports and the sums of one five-tuple are one session; bursts are the most servers in 5 minutes.
HAND_WRITTEN = """
WITH turned AS (
    SELECT day, first_seen, last_seen, established, tcp_flags, back,
        CASE WHEN back THEN dst_low ELSE src_low END AS line, CASE WHEN back THEN src_low ELSE dst_low END AS server,
        CASE WHEN back THEN dst_port ELSE src_port END AS line_port,
        CASE WHEN back THEN src_port ELSE dst_port END AS port,
        CASE WHEN back THEN 0 ELSE packets END AS sent_packets, CASE WHEN back THEN 0 ELSE bytes END AS sent_bytes,
        CASE WHEN back THEN packets ELSE 0 END AS got_packets, CASE WHEN back THEN bytes ELSE 0 END AS got_bytes
    FROM (SELECT *, NOT (dst_port IN (25, 110, 143, 465, 587, 993, 995)) AS back FROM flow WHERE day = $day)
),
session AS (
    SELECT day, line, server, line_port, port, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
        count(*) AS flows, max(established) AS established, sum(sent_packets) AS sent_packets,
        sum(sent_bytes) AS sent_bytes, sum(got_packets) AS got_packets, sum(got_bytes) AS got_bytes
    FROM turned
    GROUP BY ALL
),
held AS (
    SELECT ('0x' || right(ip_first, 16))::BIGINT AS line, start, "end", subscriber
    FROM lease_record
    WHERE start < $day + INTERVAL 1 DAY AND ("end" IS NULL OR "end" > $day)
),
attributed AS (
    SELECT s.*, h.subscriber, s.server BETWEEN 281474087547136 AND 281474087547151 AS relay,
        epoch(s.first_seen)::BIGINT // 300 AS slot
    FROM session AS s
    JOIN held AS h ON h.line = s.line AND h.start <= s.first_seen AND (h."end" IS NULL OR s.first_seen < h."end")
),
slotted AS (
    SELECT day, subscriber, relay, port, slot, count(DISTINCT server) AS servers, count(*) AS sessions
    FROM attributed
    GROUP BY ALL
),
burst AS (
    SELECT day, subscriber, relay, port, max(servers) AS destinations_5min, max(sessions) AS sessions_5min
    FROM slotted
    GROUP BY ALL
)
SELECT a.day, a.subscriber, a.relay, a.port, count(*) AS sessions, sum(flows) AS flows,
    count(*) FILTER (established) AS established, count(*) FILTER (NOT established AND got_packets > 0) AS refused,
    count(*) FILTER (NOT established AND got_packets = 0) AS no_answer, count(DISTINCT server) AS destinations,
    max(b.destinations_5min) AS destinations_5min, max(b.sessions_5min) AS sessions_5min,
    sum(sent_packets) AS sent_packets, sum(sent_bytes) AS sent_bytes, sum(got_packets) AS got_packets,
    sum(got_bytes) AS got_bytes, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM attributed AS a
JOIN burst AS b USING (day, subscriber, relay, port)
GROUP BY ALL
"""


def run_by_hand(root: Path) -> Count:
    """`sender_day` by one query a day over the same files, written as Parquet files."""
    made = _by_hand(root)
    connection = engine.session(Workspace.load(root))
    for day in Lake(root / "lake").days("flow"):
        file = engine.quoted(str(made / f"{day}.parquet"))
        query = HAND_WRITTEN.replace("$day", f"DATE '{day}'")
        connection.execute(f"COPY ({query}) TO {file} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
    connection.close()
    return lambda: _flows_in(made)


def _by_hand(root: Path) -> Path:
    """Where `sender_day` is made by hand."""
    made = root / "by_hand"
    made.mkdir()
    return made


def _flows_in(made: Path) -> int:
    """Flow records in a `sender_day` made by hand, which is then removed."""
    flows = int(pl.read_parquet(made / "*.parquet", columns=["flows"])["flows"].sum())
    shutil.rmtree(made)
    return flows


def run_by_polars(root: Path) -> Count:
    """The same as lazy Polars queries on its streaming engine."""
    lake, made = Lake(root / "lake"), _by_hand(root)
    for day in lake.days("flow"):
        _sums_by_polars(lake, day).sink_parquet(
            made / f"{day}.parquet", compression="zstd", compression_level=1, engine="streaming")
    return lambda: _flows_in(made)


def _sums_by_polars(lake: Lake, day: date) -> pl.LazyFrame:
    mail = pl.col("dst_port").is_in([25, 110, 143, 465, 587, 993, 995])

    def side(out: str, back: str) -> pl.Expr:
        return pl.when(mail).then(out).otherwise(back)

    turned = pl.scan_parquet(lake.files("flow", [day]), hive_partitioning=True).select(
        "day", "first_seen", "last_seen", "established", line=side("src_low", "dst_low"),
        server=side("dst_low", "src_low"), line_port=side("src_port", "dst_port"), port=side("dst_port", "src_port"),
        sent_packets=pl.when(mail).then("packets").otherwise(0), sent_bytes=pl.when(mail).then("bytes").otherwise(0),
        got_packets=pl.when(mail).then(0).otherwise("packets"), got_bytes=pl.when(mail).then(0).otherwise("bytes"))
    volumes = ["sent_packets", "sent_bytes", "got_packets", "got_bytes"]
    sessions = turned.group_by("day", "line", "server", "line_port", "port").agg(
        pl.col("first_seen").min(), pl.col("last_seen").max(), pl.len().alias("flows"), pl.col("established").any(),
        *[pl.col(name).sum() for name in volumes])
    today = (pl.col("start") < day + timedelta(days=1)) & ~(pl.col("end") <= day).fill_null(value=False)
    leases = pl.scan_parquet(lake.files("lease_record")).filter(today).select(
        pl.col("ip_first").str.tail(16).str.to_integer(base=16, dtype=pl.Int64).alias("line"),
        "subscriber", "start", "end")
    begun, gone = pl.col("first_seen") >= pl.col("start"), pl.col("first_seen") >= pl.col("end")
    attributed = sessions.join(leases, on="line").filter(begun & ~gone.fill_null(value=False)).with_columns(
        relay=pl.col("server").is_between(281474087547136, 281474087547151),
        slot=pl.col("first_seen").dt.truncate("5m"))
    keys = ["day", "subscriber", "relay", "port"]
    burst = attributed.group_by(*keys, "slot").agg(servers=pl.col("server").n_unique(), sessions=pl.len()).group_by(
        keys).agg(destinations_5min=pl.col("servers").max(), sessions_5min=pl.col("sessions").max())
    answered = pl.col("got_packets") > 0
    return attributed.group_by(keys).agg(
        pl.len().alias("sessions"), pl.col("flows").sum(), *[pl.col(name).sum() for name in volumes],
        pl.col("first_seen").min(), pl.col("last_seen").max(), pl.col("established").sum().alias("worked"),
        refused=(~pl.col("established") & answered).sum(), no_answer=(~pl.col("established") & ~answered).sum(),
        destinations=pl.col("server").n_unique()).join(burst, on=keys)


def late_file(root: Path) -> None:
    """A thousand records of the last day come late, of five minutes at noon."""
    lake = Lake(root / "lake")
    day = lake.days("flow")[-1]
    noon = datetime(day.year, day.month, day.day, 12)
    late = pl.scan_parquet(lake.files("flow", [day]), hive_partitioning=True).filter(
        pl.col("first_seen").is_between(noon, noon + timedelta(minutes=5))).head(1000).collect()
    lake.append("flow", schema.FLOW.conform(late).to_arrow(), [])
    source = pl.DataFrame([_source("late", "flows", late.height, day) | {
        "first": noon, "last": noon + timedelta(minutes=5)}])
    lake.append("source_file", schema.SOURCE_FILE.conform(source).to_arrow(), [])


def _measured(function: Callable[[Path], Count], root: Path) -> tuple[int, float, float, float]:
    started, cpu = time.perf_counter(), _cpu()
    count = function(root)
    seconds, cpu, peak = time.perf_counter() - started, _cpu() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return count(), seconds, cpu, peak / 2**20


def measure(function: Callable[[Path], Count], root: Path) -> tuple[int, float, float, float]:
    """(flow records attributed, seconds, CPU seconds, peak memory in GiB) of a function in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, function, root).result()


def main() -> None:
    """Make a lake, run all, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=10_000_000)
    parser.add_argument("--leases", type=int, default=500_000)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--lake", type=Path, help="keep the generated lake here and use it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = options.lake or Path(temporary)
        if not (root / "lake" / "flow").is_dir():
            arguments = (root, options.flows, options.leases, options.days, options.memory)
            # In a process of its own, so that its memory is not taken for that of what is measured.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                pool.submit(make_lake, *arguments).result()
        for path in (root / "lake").glob("*"):  # a build from nothing
            if path.is_dir() and path.name not in schema.RAW:
                shutil.rmtree(path)
        rows = Lake(root / "lake").rows("flow")
        sys.stdout.write(f"{rows:,} flow records, {datetime.now(UTC):%Y-%m-%d}\n")
        best = float("inf")
        for name, function in (("duckdb", run_by_hand), ("polars", run_by_polars), ("build", run_build)):
            flows, seconds, cpu, peak = measure(function, root)
            sys.stdout.write(f"{name:7} {flows:>12,} attributed {seconds:7.2f} s {cpu:7.2f} s CPU "
                             f"{rows / seconds / 1e6:6.2f} M flows/s {peak:5.2f} GiB peak")
            sys.stdout.write(f" {seconds / best:5.1f} x\n" if name == "build" else "\n")
            sys.stdout.flush()
            best = min(best, seconds)
        full = seconds
        _, nothing, *_ = measure(run_nothing, root)
        late_file(root)
        _, day, *_ = measure(run_build, root)
        sys.stdout.write(f"nothing new {nothing:.2f} s; a late file of one day of {options.days} {day:.2f} s, "
                         f"{day / full:.3f} of the whole\n")


def run_nothing(root: Path) -> Count:
    """A build with nothing to do."""
    built = build(Workspace.load(root))
    return lambda: len(built)


if __name__ == "__main__":
    main()
