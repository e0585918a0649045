"""One world through everything: `op25b synth`, `ingest`, `build`, `findings`, as an analyst would run them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import polars as pl

import op25b
from op25b.api import OpenWorkspace
from op25b.readers.base import address_of
from op25b.workspace import SETTINGS_FILE
from tests.evaluation.calibration import MAIN
from tests.evaluation.worlds import World

SYNTH = "import sys; from op25b.cli import main; sys.argv = ['op25b', 'synth', *sys.argv[1:]]; main()"


@dataclass(frozen=True)
class Result:
    """What a run gave: truth (subscriber as pseudonym, class, kind, ...), found (`findings`), and both with `world`."""

    truth: pl.DataFrame
    found: pl.DataFrame
    probabilities: pl.DataFrame


def run(world: World, sampling: int, directory: Path, *, keep: bool = False) -> Result:
    """Make the world below `directory`, take it in, and ask.

    The files are deleted afterwards. With `keep` they stay, and a workspace that was kept of the same world is used
    again: then only what changed of the pipelines is built anew.
    """
    home = directory / f"{world.name.replace(' ', '-')}-{sampling}"
    made = home / "made-of.txt"
    if not (keep and made.exists() and made.read_text(encoding="utf-8") == repr(world)):
        shutil.rmtree(home, ignore_errors=True)
        synthesise(world, sampling, home)
    opened = op25b.open(home)
    opened.ingest()
    opened.build()
    truth = pl.read_csv(home / "truth.csv", infer_schema_length=None, schema_overrides={"subscriber": pl.String})
    names = {name: opened.pseudonym(name) for name in truth["subscriber"].unique()}
    truth = truth.with_columns(pl.col("subscriber").replace_strict(names, return_dtype=pl.String))
    if world.flows_only:
        addresses = only_address(opened.sql("SELECT DISTINCT subscriber, ip_first FROM lease"))
        opened = without_everything_but_flows(home)
        found, truth = opened.findings(), truth.with_columns(
            pl.col("subscriber").replace_strict(addresses, default=None)).drop_nulls("subscriber")
        found = found.filter(pl.col("subscriber").is_in([*addresses.values()]))
    else:
        found = opened.findings()
    if not keep:
        shutil.rmtree(home)
    elif not world.flows_only:  # its settings were changed
        made.write_text(repr(world), encoding="utf-8")
    label = [pl.lit(world.name).alias("world"), pl.lit(sampling).alias("sampling")]
    return Result(truth.with_columns(label), found.with_columns(label), long(found).with_columns(label))


def only_address(leases: pl.DataFrame) -> dict[str, str]:
    """The address of each line that had one only, and alone; leases: subscriber, ip_first."""
    alone = leases.filter((pl.len().over("subscriber") == 1) & (pl.len().over("ip_first") == 1))
    return {line: address_of(key) for line, key in alone.select("subscriber", "ip_first").iter_rows()}


def without_everything_but_flows(home: Path) -> OpenWorkspace:
    """The same workspace, its lake made anew from the flows alone."""
    settings = home / SETTINGS_FILE
    parts = settings.read_text(encoding="utf-8").split("\n\n")
    dropped = ("[[inputs.mail]]", "[[inputs.leases]]", "[[inputs.subscribers]]")
    settings.write_text("\n\n".join(part for part in parts if not part.startswith(dropped)), encoding="utf-8")
    opened = op25b.open(home)
    shutil.rmtree(opened.workspace.lake_path)
    opened.ingest()
    opened.build()
    return opened


def synthesise(world: World, sampling: int, home: Path) -> None:
    """`op25b synth` with the world's size, seed and parameters."""
    home.parent.mkdir(parents=True, exist_ok=True)
    parameters = home.with_suffix(".toml")
    parameters.write_text(world.toml(), encoding="utf-8")
    words = [str(home), "--subscribers", world.subscribers, "--days", world.days, "--seed", world.seed,
             "--sampling", sampling, "--parameters", str(parameters)]
    done = subprocess.run([sys.executable, "-c", SYNTH, *map(str, words)], capture_output=True, text=True, check=False)
    parameters.unlink()
    if done.returncode:
        raise SystemExit(f"{world.name}: op25b synth failed\n{done.stderr}")


def long(found: pl.DataFrame) -> pl.DataFrame:
    """One row per listed line and class, and one for the class given (`MAIN`): subscriber, class, probability."""
    given = found.filter(pl.col("class") != "unclear").select(
        "subscriber", pl.lit(MAIN).alias("class"), pl.col("probability").cast(pl.Float64))
    each = found.select("subscriber", "probabilities").explode("probabilities").drop_nulls().unnest("probabilities")
    return pl.concat([given, each.select("subscriber", "class", pl.col("probability").cast(pl.Float64))])


def run_all(jobs: list[tuple[World, int]], directory: Path, workers: int, *, keep: bool = False,
            ) -> Iterator[tuple[World, int, Result]]:
    """Each job in a process of its own, `workers` at a time; as they end."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = {pool.submit(run, world, sampling, directory, keep=keep): (world, sampling)
                   for world, sampling in jobs}
        for future in as_completed(waiting):
            if future.exception():
                pool.shutdown(cancel_futures=True)
            yield (*waiting[future], future.result())
