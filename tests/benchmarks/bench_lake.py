"""What the lake costs to use: a question to it beside nfdump, runs with nothing new, and how `build` grows.

Run `python -m tests.benchmarks.bench_lake [--only question|nothing|growth] [--flows N] [--files N] [--large]`.

question: "the top 100 senders to external port 25 in 30 days", by `op25b sql` on the built lake (a process from its
start) and by `ws.sql` in a notebook, beside `nfdump -R` over the nfcapd files of the same 30 days; 6 % of their flows
are on mail ports. Each day's file holds distinct flows several times, so that a real nfcapd need not be sent them all.
nothing: `ingest` and `build` with nothing new, on a lake of many small files over 30 days.
growth: CPU seconds of `build` for 1 and 10 (with --large: 100) million flow records, per million.
"""

# ruff: noqa: T201 -- it prints the result

from __future__ import annotations

import argparse
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from op25b.lake import Lake
from op25b.pseudonyms import Pseudonyms
from tests.benchmarks import bench_build
from tests.benchmarks.bench_flows import START, csv10, records
from tests.benchmarks.bench_simulate import COMMAND
from tests.benchmarks.measuring import Run, compile_as_installed, measured
from tests.support.ipfix import messages

DAYS = 30
DISTINCT = 50_000  # flows of a day that are sent to nfcapd
DAY = 86_400_000
SETTINGS = """
[site]
timezone = "UTC"
[networks]
subscribers = ["198.18.0.0/16"]
relays = ["203.0.0.0/28"]
[reference]
builtin = false
[[inputs.flows]]
path = "{path}"
{extra}
"""
TOP = ("SELECT subscriber, sum(flows) AS flows FROM sender_day WHERE port = 25 AND destination_group <> 'own-relay' "
       "GROUP BY subscriber ORDER BY flows DESC, subscriber LIMIT 100")
FILTER = "proto tcp and dst port 25 and src net 198.18.0.0/16 and not dst net 203.0.0.0/28"
NOTEBOOK = """
import sys, time
import op25b
ws = op25b.open(sys.argv[1])
ws.sql("SELECT 1")
began, cpu = time.perf_counter(), time.process_time()
ws.sql(sys.argv[2])
print(time.perf_counter() - began, time.process_time() - cpu)
"""


def workspace(root: Path, path: str, extra: str) -> Path:
    """A workspace that reads flows from `path`."""
    root.mkdir(parents=True, exist_ok=True)
    Pseudonyms.create(root / "op25b.key")
    (root / "op25b.toml").write_text(SETTINGS.format(path=path, extra=extra), encoding="utf-8")
    return root


def op25b(root: Path, *words: str) -> Run:
    """One command as a process from its start."""
    return measured(sys.executable, "-c", COMMAND, str(root), *words)


def question(directory: Path, flows: int) -> None:
    """The top senders, asked of the lake and of nfdump."""
    raw = directory / "raw"
    capture(directory, raw, flows)
    root = workspace(directory / "workspace", f"{raw}/*", "sampling_interval = 1")
    print(f"ingest {op25b(root, 'ingest')}, build {op25b(root, 'build')}", flush=True)
    theirs = measured("nfdump", "-q", "-R", str(raw), "-n", "100", "-s", "srcip/flows", FILTER)
    ours = min((op25b(root, "sql", TOP) for _ in range(3)), key=lambda run: run.cpu)
    notebook = subprocess.run([sys.executable, "-c", NOTEBOOK, str(root), TOP], capture_output=True, text=True,
                              check=True)
    seconds, cpu = map(float, notebook.stdout.split())
    agree(root, raw)
    size = sum(path.stat().st_size for path in raw.iterdir()) / 2**30
    print(f"top 100 senders to external 25, {flows:,} flows in {DAYS} days ({size:.1f} GiB): nfdump {theirs}; "
          f"op25b sql {ours}, {shown(theirs.seconds, ours.seconds)} (CPU {shown(theirs.cpu, ours.cpu)}; budget 1/50); "
          f"in a notebook {seconds:.2f} s ({cpu:.2f} s CPU), {shown(theirs.seconds, seconds)} "
          f"(CPU {shown(theirs.cpu, cpu)})")
    # The answer comes from sums per day and subscriber: more flows of the same lines leave it as quick as it is.
    print(f"CPU 1/50 from {flows * 50 * ours.cpu / theirs.cpu / 1e6:,.0f} M flows on as a process, from "
          f"{flows * 50 * cpu / theirs.cpu / 1e6:,.0f} M on in a notebook", flush=True)


def shown(theirs: float, ours: float) -> str:
    """How many times quicker we are, as a share of their time."""
    return f"1/{theirs / ours:.1f}"


def agree(root: Path, raw: Path) -> None:
    """Both sides must count the same: the flow records of the first, and of the hundredth."""
    import op25b as package

    found = package.open(root).sql(TOP)["flows"].cast(pl.Int64).to_list()
    said = subprocess.run(["nfdump", "-q", "-N", "-R", str(raw), "-n", "100", "-s", "srcip/flows", "-o", "csv", FILTER],
                          capture_output=True, text=True, check=True).stdout
    rows = [line.split(",") for line in said.splitlines() if line.count(",") > 5]
    column = rows[0].index("fl")
    counts = [int(row[column]) for row in rows[1:] if len(row) > column and row[column].isdigit()]
    if counts[:100] != found:
        raise SystemExit(f"nfdump counts {counts[:3]}..., op25b {found[:3]}...")


def capture(directory: Path, raw: Path, flows: int) -> None:
    """A file a day: what one real nfcapd got of all days, parted by nfdump, as often as needed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    got = directory / "got"
    got.mkdir()
    raw.mkdir()
    with subprocess.Popen(["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(got), "-t", "3600"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(DAYS):
                for datagram in datagrams(number):
                    sender.sendto(datagram, ("127.0.0.1", port))
                    time.sleep(0.004)
        time.sleep(2)
        process.terminate()
        process.wait()
    first = datetime.fromtimestamp(START / 1000, UTC).replace(tzinfo=None)
    copies = max(1, flows // DAYS // DISTINCT)
    for number in range(DAYS):
        since, until = (f"{first + timedelta(days=number, minutes=minute):%Y/%m/%d.%H:%M:%S}" for minute in (0, 30))
        part, day = directory / "part", directory / "day"
        day.mkdir()
        subprocess.run(["nfdump", "-q", "-R", str(got), "-t", f"{since}-{until}", "-w", str(part)], check=True,
                       stdout=subprocess.DEVNULL, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"})
        for copy in range(copies):
            (day / f"nfcapd.{copy:04}").hardlink_to(part)
        subprocess.run(["nfdump", "-q", "-z", "-R", str(day), "-w", str(raw / f"nfcapd.{number:02}")], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.rmtree(day)
        part.unlink()
    shutil.rmtree(got)


def datagrams(day: int) -> list[bytes]:
    """IPFIX messages with the flows of a day."""
    flows = records(DISTINCT, day)
    for name in ("first", "last"):
        flows[name] += np.uint64(day * DAY - day * 60_000)
    head = list(messages([], int(time.time()))) if day == 0 else []
    sent = []
    for start in range(0, len(flows), 1000):
        body = flows[start : start + 1000].tobytes()
        header = struct.pack("!HHIII", 10, 16 + 4 + len(body), int(time.time()), start, 1)
        sent.append(header + struct.pack("!HH", 300, 4 + len(body)) + body)
    return head + sent


def nothing(directory: Path, files: int) -> None:
    """Runs with nothing new over many small files."""
    raw = directory / "raw"
    raw.mkdir()
    for number in range(files):
        flows = records(200, number)
        frame = pl.DataFrame({name: flows[name].astype(np.int64) for name in flows.dtype.names or ()})
        later = number * (DAYS * DAY // files) - number * 60_000
        octets = [(pl.col("src") // (1 << shift) % 256).cast(pl.String) for shift in (24, 16, 8, 0)]
        to = [(pl.col("dst") // (1 << shift) % 256).cast(pl.String) for shift in (24, 16, 8, 0)]
        frame = frame.with_columns(pl.col("first", "last") + later, src=pl.concat_str(octets, separator="."),
                                   dst=pl.concat_str(to, separator="."))
        csv10(frame).write_csv(raw / f"flows.{number:05}.csv", quote_style="never")
    root = workspace(directory / "workspace", f"{raw}/*", 'timezone = "UTC"\nsampling_interval = 1')
    first = f"ingest {op25b(root, 'ingest')}, build {op25b(root, 'build')}"
    ingest, build = op25b(root, "ingest"), op25b(root, "build")
    kept = Lake(root / "lake").rows("flow")
    print(f"nothing new, {files:,} files, {kept:,} records of {DAYS} days: ingest {ingest} + build {build} = "
          f"{ingest.seconds + build.seconds:.1f} s, {ingest.cpu + build.cpu:.1f} s CPU (budget 2 s); at first: {first}",
          flush=True)


def growth(directory: Path, large: bool) -> None:
    """CPU seconds of a build per million flow records; 10 % more per record than before is out of budget."""
    before = None
    for millions in (1, 10, 100) if large else (1, 10):
        root = directory / f"{millions}"
        # As many days as keep a day alike: what grows is the number of days, as it does in a lake.
        bench_build.make_lake(root, millions * 1_000_000, millions * 50_000, millions, "2GB")
        _, seconds, cpu, peak = bench_build.measure(bench_build.run_build, root)
        each = cpu / millions
        told = "" if before is None else f", {each / before - 1:+.0%} per record (budget +10 %)"
        print(f"build of {millions} M flow records: {seconds:.1f} s, {cpu:.1f} s CPU, {peak:.2f} GiB: {each:.2f} s CPU "
              f"per million{told}", flush=True)
        before = each
        shutil.rmtree(root)


def main() -> None:
    """Generate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["question", "nothing", "growth"])
    parser.add_argument("--flows", type=int, default=60_000_000)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--large", action="store_true", help="growth up to 100 M records")
    options = parser.parse_args()
    compile_as_installed()
    parts: dict[str, Callable[[Path], None]] = {
        "question": lambda below: question(below, options.flows),
        "nothing": lambda below: nothing(below, options.files),
        "growth": lambda below: growth(below, options.large),
    }
    for name, part in parts.items():
        if options.only in {None, name}:
            with tempfile.TemporaryDirectory(prefix="op25b-bench-") as directory:
                part(Path(directory))


if __name__ == "__main__":
    main()
