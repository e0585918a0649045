"""`python -m tests.evaluation` (`make eval`): `findings` on held-out worlds, or on a labelled binetflow file."""

# ruff: noqa: T201 -- it prints the result

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import polars as pl

from tests.evaluation import calibration, charts, ctu, outcomes, running
from tests.evaluation.ctu_page import ctu_page
from tests.evaluation.page import Measured, judged, page
from tests.evaluation.worlds import SAMPLINGS, WORLDS, World

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "evaluation.md"


def main(arguments: list[str]) -> int:
    """Exit status: 0 all budgets at 1:1 met, 1 one missed, 2 wrong use."""
    options = _options().parse_args(arguments)
    if options.binetflow:
        return _binetflow(options)
    chosen = [world for world in WORLDS if not options.world or world.name in options.world]
    if options.write_docs and (len(chosen) < len(WORLDS) or set(options.sampling) != set(SAMPLINGS)):
        print("--write-docs needs all worlds and samplings", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="op25b-eval-") as scratch:
        measured = measure(chosen, options.sampling, options.keep or Path(scratch), options.workers,
                           keep=options.keep is not None)
    words = page(measured, chosen)
    print(words)
    _write(measured, options.out, words)
    if options.write_docs:
        DOCS.write_text(words, encoding="utf-8")
    elif DOCS.exists() and len(chosen) == len(WORLDS) and DOCS.read_text(encoding="utf-8") != words:
        print(f"{DOCS.relative_to(ROOT)} says something else: python -m tests.evaluation --write-docs", file=sys.stderr)
    kept = 1 not in options.sampling or all(frame["met"].all() for frame in judged(measured, chosen).values())
    return 0 if kept else 1


def measure(worlds: list[World], samplings: list[int], directory: Path, workers: int, *, keep: bool = False,
            ) -> Measured:
    """Every world at every sampling, the longest first."""
    jobs = sorted(((world, sampling) for world in worlds for sampling in samplings),
                  key=lambda job: (job[1], -job[0].subscribers * job[0].days))
    lines, truths, cases, founds = [], [], [], []
    for number, (world, sampling, result) in enumerate(running.run_all(jobs, directory, workers, keep=keep), 1):
        print(f"{number}/{len(jobs)}: {world.name}, 1:{sampling}: {result.found.height:,} lines listed",
              file=sys.stderr, flush=True)
        label = [pl.lit(world.name).alias("world"), pl.lit(sampling).alias("sampling")]
        made = outcomes.outcomes(result.truth, result.found).with_columns(label)
        lines.append(made)
        truths.append(result.truth)
        founds.append(result.found)
        cases.append(calibration.cases(made, result.probabilities))
    # In the order of the worlds, whichever run ended first.
    order = pl.col("world").cast(pl.Enum([world.name for world in worlds]))
    return Measured(pl.concat(lines).sort("sampling", order, "subscriber"),
                    pl.concat(truths).sort("sampling", order, "subscriber", "class"),
                    pl.concat(cases).sort("sampling", order, "subscriber", "class"),
                    pl.concat(founds).sort("sampling", order, "subscriber"))


def _write(measured: Measured, out: Path, words: str) -> None:
    """The page, every line with its answer, and the charts."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.md").write_text(words, encoding="utf-8")
    measured.lines.write_parquet(out / "lines.parquet")
    measured.truth.write_parquet(out / "truth.parquet")
    measured.found.write_parquet(out / "findings.parquet")
    for sampling in sorted(measured.lines["sampling"].unique()):
        part = measured.at(sampling)
        scores = calibration.scores(part.cases)
        made = charts.reliability(calibration.bins(part.cases), scores, f"Calibration at 1:{sampling}, all worlds")
        matrix = charts.confusion(outcomes.confusion(part.lines), f"Lines by truth and answer at 1:{sampling}")
        for name, chart in (("calibration", made), ("confusion", matrix)):
            for kind in ("png", "svg", "html"):
                chart.save(str(out / f"{name}-{sampling}.{kind}"), inline=kind == "html")
    print(f"charts, page and lines: {out}", file=sys.stderr)


def _binetflow(options: argparse.Namespace) -> int:
    if not options.subscribers:
        print("--binetflow needs --subscribers NETWORK: whose addresses are judged", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="op25b-eval-") as scratch:
        found = ctu.findings(options.binetflow, options.subscribers, options.timezone, Path(scratch) / "workspace")
    print(ctu_page(ctu.beside(ctu.truth(options.binetflow, options.subscribers), found), options.binetflow.name))
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation", description=__doc__)
    parser.add_argument("--world", action="append", choices=[world.name for world in WORLDS],
                        help="only this world; may stand several times")
    parser.add_argument("--sampling", type=int, nargs="+", default=list(SAMPLINGS), metavar="K", help="one packet in K")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="worlds at a time")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the workspaces there, and use them again")
    parser.add_argument("--out", type=Path, default=ROOT / "eval", help="where charts and page go")
    parser.add_argument("--write-docs", action="store_true", help="write docs/evaluation.md")
    parser.add_argument("--binetflow", type=Path, metavar="FILE", help="judge this labelled Argus file instead")
    parser.add_argument("--subscribers", action="append", metavar="NETWORK", help="of the file: such as 147.32.0.0/16")
    parser.add_argument("--timezone", default="Europe/Prague", help="of the file's times")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
