"""Fits the two numbers of each class in `op25b.senders.probability`: from the score to a probability.

Run `python -m tests.evaluation.calibrate [--seeds 1 2 3 ...] [--subscribers N] [--days N] [--samplings 1 100]`. It
makes worlds by `op25b synth` with the parameters as they come and seeds 1 to 9 (those of `make eval` begin at 101), takes
them through `ingest`, `build` and the classification, and prints the table for the file.

Per class the logistic curve is fitted to every line in the findings, whether it truly is of the class on external port
25, by Newton's method with a weak prior (intercept around 0, slope around 1, standard deviation 1): where no line lies
on the wrong side the likelihood alone would make the slope infinite. The prior draws toward the weights as they are.
"""

# ruff: noqa: T201 -- it prints the result

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import op25b
from op25b.engine import duckdb as engine
from op25b.senders import senders
from op25b.senders.evidence import PRIOR
from tests.evaluation.running import synthesise
from tests.evaluation.worlds import World


def scored(home: Path) -> pl.DataFrame:
    """One row per line in the findings of a made world × class: class, score, holds."""
    opened = op25b.open(home)
    opened.ingest()
    opened.build()
    truth = pl.read_csv(home / "truth.csv", infer_schema_length=None, schema_overrides={"subscriber": pl.String})
    truth = truth.filter((pl.col("destination_group") != "own-relay") & (pl.col("sessions") > 0))
    names = {name: opened.pseudonym(name) for name in truth["subscriber"].unique()}
    true = truth.select(pl.col("subscriber").replace_strict(names, return_dtype=pl.String), "class",
                        pl.lit(value=True).alias("holds")).unique()
    connection = engine.session(opened.workspace)
    found = senders(opened.workspace, connection).rename({f"score {name}": name for name in PRIOR})
    connection.close()
    long = found.select("subscriber", *PRIOR).unpivot(index="subscriber", variable_name="class", value_name="score")
    return long.join(true, on=["subscriber", "class"], how="left").select(
        "class", "score", pl.col("holds").fill_null(value=False))


def fit(score: np.ndarray, holds: np.ndarray, *, spread: float = 1.0, rounds: int = 50) -> tuple[float, float]:
    """Intercept and slope with the highest posterior: logistic likelihood, normal priors around 0 and 1."""
    design = np.column_stack([np.ones(len(score)), np.clip(score, -12, 12)])
    middle, precision = np.array([0.0, 1.0]), np.eye(2) / spread**2
    curve = middle.copy()
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-design @ curve))
        gradient = design.T @ (holds - p) - precision @ (curve - middle)
        step = np.linalg.solve((design * (p * (1 - p))[:, None]).T @ design + precision, gradient)
        curve = curve + step
        if np.abs(step).max() < 1e-9:
            break
    return float(curve[0]), float(curve[1])


def main() -> None:
    """Make the worlds one after the other, fit, and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    arguments.add_argument("--subscribers", type=int, default=4000)
    arguments.add_argument("--days", type=int, nargs="+", default=[3, 14])
    arguments.add_argument("--samplings", type=int, nargs="+", default=[1, 100])
    chosen = arguments.parse_args()
    frames = []
    for number, seed in enumerate(chosen.seeds):
        sampling = chosen.samplings[number % len(chosen.samplings)]
        days = chosen.days[number // len(chosen.samplings) % len(chosen.days)]
        with tempfile.TemporaryDirectory(prefix="op25b-calibrate-") as directory:
            home = Path(directory) / "world"
            synthesise(World(f"seed {seed}", "", seed, chosen.subscribers, days), sampling, home)
            frames.append(scored(home))
        print(f"seed {seed}: {chosen.subscribers} lines, {days} days, 1:{sampling}: "
              f"{frames[-1].height // len(PRIOR)} lines found", flush=True)
    rows = pl.concat(frames)
    for name in PRIOR:
        part = rows.filter(pl.col("class") == name)
        intercept, slope = fit(part["score"].to_numpy(), part["holds"].cast(pl.Float64).to_numpy())
        print(f'    "{name}": ({intercept:.2f}, {slope:.2f}),  # {part["holds"].sum()} of {part.height}')


if __name__ == "__main__":
    main()
