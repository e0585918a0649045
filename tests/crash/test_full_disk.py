"""A disk without room: the command says so and what to do, and goes on where it was when there is some."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from op25b.api import open_workspace
from op25b.schema import RAW
from tests.conftest import require
from tests.crash.processes import command_line, run
from tests.crash.world import World, contents, differences, lies

# A disk of so many KiB gets half as much again until there is room, first for `ingest`, then for `build`.
SCRIPT = """
set -e
root=$1; size=$2
mount -t tmpfs -o size=${size}k none "$root/lake"
for command in ingest build; do
    while :; do
        status=0
        "$3" -m op25b.cli -w "$root" $command --format json > "$root/out" 2> "$root/errors" || status=$?
        echo "$command $status $(grep -c 'no room is left on the disk' "$root/errors") $(grep -c Trace "$root/errors")"
        [ $status -ne 0 ] || break
        [ $status -eq 2 ] || { cat "$root/errors" >&2; exit 1; }
        size=$((size * 3 / 2)); mount -o remount,size=${size}k "$root/lake"
    done
done
cp -r "$root/lake" "$root/kept"
"""


def _grown(root: Path) -> World:
    world = World(root, 11)
    for _ in range(5):
        world.grow()
    world.end()
    return world


def test_a_disk_that_is_too_small_until_it_is_not(tmp_path: Path) -> None:
    require(os.geteuid() == 0 and shutil.which("unshare") is not None, "mounting a small disk needs root")
    world = _grown(tmp_path / "isp")
    (world.root / "lake").mkdir()
    done = subprocess.run(["unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(world.root), "48", sys.executable],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    runs = [line.split() for line in done.stdout.splitlines()]
    assert {tuple(run[1:]) for run in runs} == {("2", "1", "0"), ("0", "0", "0")}
    assert {run[0] for run in runs if run[1] == "2"} == {"ingest", "build"}, "the disk was too large"
    (world.root / "lake").rmdir()
    (world.root / "kept").rename(world.root / "lake")
    opened = open_workspace(world.root)
    assert lies(opened) == []
    assert differences(contents(opened), contents(world.undisturbed(tmp_path / "undisturbed"))) == {}


@pytest.mark.parametrize("most", [0, 700, 6000])
def test_a_limit_on_the_size_of_files(tmp_path: Path, most: int) -> None:
    world = _grown(tmp_path / "isp")
    done = subprocess.run(command_line(world.root, "ingest"), capture_output=True, text=True, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "no room is left on the disk, or within a limit" in done.stderr
    assert "make room, then run the same command again" in done.stderr
    run(world.root, "ingest")
    opened = open_workspace(world.root)
    assert lies(opened) == []
    undisturbed = world.undisturbed(tmp_path / "undisturbed", build=False)
    assert differences(contents(opened, RAW), contents(undisturbed, RAW)) == {}
