"""`ingest` and `build` killed between any two things that make a file, a name or a commit come or go."""

from __future__ import annotations

import itertools
import random
import shutil
from pathlib import Path

from op25b.api import open_workspace
from op25b.schema import RAW
from tests.crash.processes import dies_at, run
from tests.crash.world import World, contents, differences, lies

# Points between one table's commit and the next one's, about.
NEAR = 5


def test_ingest_is_killed_at_each_point_and_all_logs_grow_before_the_next_run(tmp_path: Path) -> None:
    """The rows of a group are in and their accounting is not, and then the files are others, elsewhere, or gone."""
    world = World(tmp_path / "before", 7)
    run(world.root, "ingest")
    for _ in range(2):
        world.grow()
    shutil.copytree(world.root, tmp_path / "after", ignore=shutil.ignore_patterns("lake"))
    later = World.__new__(World)
    later.__dict__ = {**world.__dict__, "root": tmp_path / "after"}
    for _ in range(2):
        later.grow()
    later.rotate_all()
    later.end()
    reference = contents(later.undisturbed(tmp_path / "undisturbed", build=False), RAW)
    for point in itertools.count(1):
        killed = tmp_path / f"killed-{point}"
        shutil.copytree(world.root, killed)
        died = dies_at(killed, "ingest", point)
        shutil.rmtree(killed / "raw")
        shutil.copytree(tmp_path / "after" / "raw", killed / "raw")
        run(killed, "ingest")
        opened = open_workspace(killed)
        assert lies(opened) == [], f"killed at point {point}"
        assert differences(contents(opened, RAW), reference) == {}, f"killed at point {point}"
        shutil.rmtree(killed)
        if not died:
            break
    # Of three kinds of files a journal, rows, accounting and the journal's end, of two of them rejected rows.
    assert point > 3 * 4 + 2


def test_build_is_killed_again_and_again_and_goes_on(tmp_path: Path) -> None:
    chance = random.Random(3)
    world = World(tmp_path / "isp", 3)
    world.end()
    run(world.root, "ingest")
    kills = 0
    while kills < 24 and dies_at(world.root, "build", chance.randint(1, NEAR)):
        kills += 1
        assert lies(open_workspace(world.root)) == [], f"killed {kills} times"
    assert kills == 24
    run(world.root, "build")
    undisturbed = world.undisturbed(tmp_path / "undisturbed")
    assert differences(contents(open_workspace(world.root)), contents(undisturbed)) == {}
    assert open_workspace(world.root).build().is_empty()
