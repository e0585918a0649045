"""What killed runs leave beside the tables goes with the next command that writes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from tests.conftest import SETTINGS
from tests.pipelines.rows import flow, load, new_workspace

WRITING: dict[str, Callable[[OpenWorkspace], object]] = {
    "ingest": OpenWorkspace.ingest,
    "compact": OpenWorkspace.compact,
    "expire": lambda opened: opened.expire(date(2007, 7, 1)),
}


@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize(("setting", "spill"), [
    ("", "lake/.spill"), ('[engine.duckdb]\ntemp_directory = "spilled"\n', "spilled/op25b-spill")])
def test_leftovers_of_killed_runs_are_removed(tmp_path: Path, command: str, setting: str, spill: str) -> None:
    opened = new_workspace(tmp_path, SETTINGS + setting + "[retention]\nflow = 7\n")
    load(opened, "flow", [flow("198.18.0.1:4000", "192.0.2.25:25", "2007-06-01 12:00:00")])
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [tmp_path / "lake/.parts/tmp1/mail.log", tmp_path / spill / f"duckdb_temp_{dead.pid}_0_storage_S32K-0.tmp"]
    used = tmp_path / spill / f"duckdb_temp_{os.getpid()}_0_storage_S32K-0.tmp"
    for path in [*left, used]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raw lines")
    WRITING[command](opened)
    assert not any(path.exists() for path in left)
    assert used.exists()
