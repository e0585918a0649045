"""What a customer line costs a day: rows, CPU time and disk, and from them the machine for 100 k, 1 M and 10 M lines.

Run `python -m tests.benchmarks.bench_sizes [--write-docs]`. Two simulated ISPs (`op25b synth`, unsampled, nfcapd files)
of SMALL and LARGE lines over DAYS days are ingested and built, each step as a process of its own. What LARGE needs more
than SMALL, divided by the lines and days it has more, is the cost of a line and day: what a run costs however little
there is to do is not in it. `--write-docs` puts the tables into docs/sizes.md.
"""

# ruff: noqa: T201 -- it prints the result

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from op25b.lake import Lake
from tests.benchmarks.bench_simulate import COMMAND
from tests.benchmarks.measuring import compile_as_installed, measured

SMALL, LARGE, DAYS = 5_000, 20_000, 7
LINES = (100_000, 1_000_000, 10_000_000)
KEPT_DAYS = 60
PAGE = Path(__file__).resolve().parents[2] / "docs" / "sizes.md"
_BEGIN, _END = "<!-- measured: made by tests/benchmarks/bench_sizes.py -->\n", "<!-- end of measured -->"


@dataclass(frozen=True)
class Cost:
    """What a simulated ISP, or a line a day, makes and needs: rows, CPU seconds, bytes on disk."""

    flows: float
    mail: float
    leases: float
    ingest: float
    build: float
    raw_bytes: float
    lake_bytes: float

    def less(self, other: Cost, by: float) -> Cost:
        """The difference to another, divided by a number."""
        return Cost(*((getattr(self, f.name) - getattr(other, f.name)) / by for f in fields(self)))


def simulated(lines: int, directory: Path) -> tuple[Cost, float]:
    """What an ISP of so many lines costs, and the greatest memory of the two steps in MiB."""
    root = directory / f"isp{lines}"
    options = ["--subscribers", str(lines), "--days", str(DAYS), "--format", "nfcapd"]
    subprocess.run([sys.executable, "-m", "op25b.cli", "synth", str(root), *options], check=True, capture_output=True)
    compile_as_installed()
    ingest, build = (measured(sys.executable, "-c", COMMAND, str(root), step) for step in ("ingest", "build"))
    lake = Lake(root / "lake")
    cost = Cost(lake.rows("flow"), lake.rows("mail_event"), lake.rows("lease_record"), ingest.cpu, build.cpu,
                _bytes(root / "raw"), _bytes(root / "lake"))
    print(f"{lines:,} lines, {DAYS} days: ingest {ingest}; build {build}", flush=True)
    return cost, max(ingest.memory, build.memory)


def _bytes(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def section(line: Cost, memory: float) -> str:
    """The measured part of the page: what a line and day costs, and what follows for larger ISPs."""
    per_line = [
        ("flow records on mail ports", f"{line.flows:.1f}"), ("events of the mail log", f"{line.mail:.1f}"),
        ("records of the lease log", f"{line.leases:.1f}"), ("CPU time of `ingest`", f"{line.ingest * 1e6:.0f} µs"),
        ("CPU time of `build`", f"{line.build * 1e6:.0f} µs"), ("raw files", f"{line.raw_bytes:.0f} bytes"),
        ("lake", f"{line.lake_bytes:.0f} bytes"),
    ]
    rows = [f"| {what} | {value} |" for what, value in per_line]
    larger = []
    for lines in LINES:
        ingest, build, disk = (cost * lines for cost in (line.ingest, line.build, line.lake_bytes * KEPT_DAYS / 2**30))
        clock, first_load = (ingest + build) / 2 / 60, (ingest + build) * KEPT_DAYS / 3600
        larger.append(f"| {lines:,} | {line.flows * lines / 1e6:.1f} M | {ingest:.0f} s | {build:.0f} s "
                      f"| {clock:.1f} min | {first_load:.1f} h | {disk:.0f} GiB |")
    how = (f"Measured on {datetime.now(UTC).date()}, {os.cpu_count()} cores, {SMALL:,} and {LARGE:,} simulated lines "
           f"over {DAYS} days; most memory at a time: {memory:.0f} MiB.")
    head = ("| lines | flow records a day | CPU of `ingest`, a day | of `build`, a day | both on two cores, a day "
            f"| CPU for {KEPT_DAYS} days at once | lake of {KEPT_DAYS} days |")
    return "\n".join([how, "", "| of one line, a day | |", "|---|---|", *rows, "",
                      head, "|---|---|---|---|---|---|---|", *larger, ""])


def main() -> None:
    """Measure both, print the section, write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        small, _ = simulated(SMALL, Path(temporary))
        large, memory = simulated(LARGE, Path(temporary))
    text = section(large.less(small, (LARGE - SMALL) * DAYS), memory)
    print(text)
    if options.write_docs:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(re.sub(f"(?<={_BEGIN}).*(?={_END})", lambda _: text, page, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
