"""`ingest` and `build` killed at random moments, a hundred times, while logs grow and a reader looks on."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from op25b.api import open_workspace
from tests.crash.processes import CONTEXT, Run, run, start
from tests.crash.world import World, contents, differences, lies

KILLS = int(os.environ.get("OP25B_KILLS", "100"))
# Every so many runs one goes through the real command line, whose start takes longer than its work.
REAL_EVERY = 10
# More runs are not tried; a run that ends before its kill is no kill.
MOST_RUNS = 4 * KILLS


def _look_on(root: Path, stop: Event, answers: Any) -> None:
    """Query until told to stop; sends how often, and every lie that was seen."""
    looks, seen = 0, Counter[str]()
    while not stop.wait(0.3):
        try:
            seen.update(lies(open_workspace(root)))
        except Exception as error:  # noqa: BLE001  # a reader is never disturbed either
            seen[f"{type(error).__name__}: {error}"] += 1
        looks += 1
    answers.send((looks, seen))


def test_a_lake_that_was_killed_a_hundred_times_is_that_of_an_undisturbed_run(tmp_path: Path) -> None:
    seed = int(os.environ.get("OP25B_SEED", "25"))
    sys.stdout.write(f"seed {seed} (OP25B_SEED), {KILLS} kills (OP25B_KILLS)\n")
    chance = random.Random(seed)
    world = World(tmp_path / "isp", seed)
    takes = {command: run(world.root, command) for command in ("ingest", "build")}
    stop = CONTEXT.Event()
    answers, theirs = CONTEXT.Pipe(duplex=False)
    reader = start(_look_on, world.root, stop, theirs)
    kills: Counter[str] = Counter()
    runs = 0
    try:
        while kills.total() < KILLS:
            assert runs < MOST_RUNS, f"only {kills.total()} of {runs} runs were killed before their end: {takes}"
            runs += 1
            world.grow()
            command, real = "ingest" if chance.random() < 0.7 else "build", runs % REAL_EVERY == 0
            delay = chance.random() * (takes[command] + (1.0 if real else 0.0))
            disturbed = Run(world.root, command, real=real)
            status = disturbed.wait(delay)
            assert status in {0, None}, f"op25b {command}: exit status {status}"
            kills[command] += status is None and disturbed.kill()
            if chance.random() < 0.15:  # one that ends, so that there is something to build
                command = chance.choice(["ingest", "build"])
                takes[command] = run(world.root, command)
        world.end()
        for command in ("ingest", "build"):
            run(world.root, command)
    finally:
        stop.set()
        assert answers.poll(120), "the reader does not answer"
        looks, seen = answers.recv()
        reader.join()
    sys.stdout.write(f"{runs} runs, kills: {dict(kills)}, {looks} looks of the reader\n")
    assert not seen
    assert looks > 5
    assert min(kills["ingest"], kills["build"]) >= KILLS // 5
    opened = open_workspace(world.root)
    assert lies(opened) == []
    assert differences(contents(opened), contents(world.undisturbed(tmp_path / "undisturbed"))) == {}
    again = {row["state"] for row in opened.ingest().to_dicts()}
    assert again == {"known"}
    assert not (opened.workspace.lake_path / ".journal.parquet").exists()
