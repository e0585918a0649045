"""Fits the two numbers of each class in `op25b.senders.probability`: from the score to a probability.

Run `python -m tests.evaluation.calibrate [--made DIR ...]`. It makes the worlds of TRAINING by `op25b synth` (seeds 1
to 9; those of `make eval` begin at 101), takes them through `ingest`, `build` and the classification, and prints the
table for the file; or it takes workspaces that are made and built already.

Per class the logistic curve is fitted to every line in the findings, whether it truly is of the class on external port
25, by Newton's method with a weak prior (intercept around 0, slope around 1, standard deviation 1): where no line lies
on the wrong side the likelihood alone would make the slope infinite. The prior draws toward the weights as they are.
`mobile-sender` is not fitted: whether a line tries to reach a carrier is seen, not inferred.
"""

# ruff: noqa: T201 -- it prints the result

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

import op25b
from op25b.engine import duckdb as engine
from op25b.senders import senders
from op25b.senders.evidence import PRIOR
from tests.evaluation.running import synthesise
from tests.evaluation.worlds import World

TRAINING = (
    (World("usual", "as it comes", 1, 4000, 14), 1), (World("usual again", "as it comes", 2, 4000, 14), 1),
    (World("sampled", "as it comes", 3, 4000, 14), 100), (World("sampled thinly", "as it comes", 4, 4000, 14), 1000),
    (World("rough", "servers that only send, lists, greylisting; bots with good lists", 8, 2500, 10, {
        "servers": {"home_share": 0.03, "office_dynamic_share": 0.2, "mailing_list_share": 0.3, "dead_share": 0.12,
                    "greylist_share": 0.3, "outbound_only_share": 0.4, "list_gap_seconds": 0.3},
        "bots": {"share": 0.02, "dead_share": 0.10, "refused_share": 0.03, "rejected_share": 0.30, "slow_share": 0.6,
                 "fast_share": 0.3, "relay_share": 0.1}}), 1),
)


def scored(home: Path) -> pl.DataFrame:
    """One row per line in the findings of a built world × class: class, score, holds."""
    opened = op25b.open(home)
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


def fit(score: np.ndarray, holds: np.ndarray, *, spread: float = 1.0, rounds: int = 100) -> tuple[float, float]:
    """Intercept and slope with the highest posterior: logistic likelihood, normal priors around 0 and 1."""
    design = np.column_stack([np.ones(len(score)), np.clip(score, -12, 12)])
    middle, precision = np.array([0.0, 1.0]), np.eye(2) / spread**2

    def posterior(curve: np.ndarray) -> float:
        level = design @ curve
        away = curve - middle
        return float((holds * level - np.logaddexp(0, level)).sum() - away @ precision @ away / 2)

    curve = middle.copy()
    for _ in range(rounds):
        p = np.exp(-np.logaddexp(0, -(design @ curve)))
        gradient = design.T @ (holds - p) - precision @ (curve - middle)
        step = np.linalg.solve((design * (p * (1 - p))[:, None]).T @ design + precision, gradient)
        while posterior(curve + step) < posterior(curve) and np.abs(step).max() > 1e-9:
            step = step / 2  # Newton's step may go too far
        curve = curve + step
        if np.abs(step).max() < 1e-9:
            break
    return float(curve[0]), float(curve[1])


def made(directory: Path) -> Iterator[Path]:
    """The worlds of TRAINING one after the other, taken in and built; each is deleted when the next is asked for."""
    for world, sampling in TRAINING:
        with tempfile.TemporaryDirectory(prefix="world-", dir=directory) as temporary:
            home = Path(temporary) / "world"
            synthesise(world, sampling, home)
            opened = op25b.open(home)
            opened.ingest()
            opened.build()
            yield home


def main() -> None:
    """Score the worlds, fit, and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--made", type=Path, nargs="+", help="workspaces of op25b synth, built")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="op25b-calibrate-") as directory:
        rows = pl.concat([scored(home) for home in chosen.made or made(Path(directory))])
    for name in (name for name in PRIOR if name != "mobile-sender"):
        part = rows.filter(pl.col("class") == name)
        intercept, slope = fit(part["score"].to_numpy(), part["holds"].cast(pl.Float64).to_numpy())
        print(f'    "{name}": ({intercept:.2f}, {slope:.2f}),  # {part["holds"].sum()} of {part.height} lines')


if __name__ == "__main__":
    main()
