"""Lake versions: what a reader sees while somebody writes, and how the lake was."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import op25b
from op25b import versions
from op25b.cli import app
from op25b.errors import LakeError
from op25b.lake import Lake, snapshot
from op25b.pseudonyms import Pseudonyms
from op25b.workspace import Workspace
from tests.conftest import SETTINGS

NUMBERS = "SELECT count(*) FROM rejected"


def rows(*lines: int) -> pl.DataFrame:
    return pl.DataFrame({"source": "f", "line": lines, "offset": None, "reason": "r", "excerpt": None},
                        schema={"source": pl.String, "line": pl.Int64, "offset": pl.Int64, "reason": pl.String,
                                "excerpt": pl.String})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "op25b.toml").write_text(SETTINGS, encoding="utf-8")
    Pseudonyms.create(tmp_path / "op25b.key")
    return tmp_path


def written(root: Path, *lines: int) -> None:
    lake = Lake(root / "lake")
    with lake.writing("ingest"):
        for line in lines:
            lake.append("rejected", rows(line).to_arrow(), [f"file {line}"])


def seen(root: Path, version: int | None = None) -> list[int]:
    return sorted(op25b.open(root, version).sql("SELECT line FROM rejected")["line"])


def test_a_reader_sees_what_is_finished(root: Path) -> None:
    lake, found = Lake(root / "lake"), []
    with lake.writing("ingest"):
        lake.append("rejected", rows(1).to_arrow(), [])
        found.append(seen(root))
        lake.append("rejected", rows(2).to_arrow(), [])
        found.append(seen(root))
    assert [*found, seen(root)] == [[], [], [1, 2]]


def test_what_an_error_left_comes_with_the_next_version(root: Path) -> None:
    lake = Lake(root / "lake")

    def fail() -> None:
        with lake.writing("ingest"):
            lake.append("rejected", rows(1).to_arrow(), [])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen(root) == []
    with lake.writing("build"):
        pass
    assert (seen(root), lake.number()) == ([1], 2)


def test_every_version_stays_as_it_was(root: Path) -> None:
    written(root, 1)
    written(root, 2, 3)
    assert [seen(root, version) for version in (1, 2, 3)] == [[], [1], [1, 2, 3]]


def test_nothing_done_is_no_version(root: Path) -> None:
    written(root, 1)
    written(root)
    assert Lake(root / "lake").number() == 2


def test_an_answer_keeps_to_one_version(root: Path) -> None:
    written(root, 1)
    opened = op25b.open(root).at()
    written(root, 2)
    assert (opened.sql(NUMBERS).item(), op25b.open(root).sql(NUMBERS).item()) == (1, 2)


def test_tables_that_came_later_are_empty_before(root: Path) -> None:
    written(root, 1)
    Lake(root / "lake").append("source_file", pl.DataFrame({"sha256": ["f"]}).to_arrow(), [])
    found = snapshot(Workspace.load(root).at(2))
    assert (found.tables(), found.version("source_file"), found.rows("source_file")) == (["rejected"], None, 0)


def test_forget_keeps_what_was_the_newest_since(root: Path) -> None:
    lake = root / "lake"
    noted = [versions.note(lake, "ingest", {"t": number}) for number in range(3)]
    assert versions.forget(lake, noted[1].at) == noted
    assert versions.forget(lake, noted[2].at) == noted[1:]
    assert versions.forget(lake) == noted[2:]
    assert versions.note(lake, "build", {}).number == 4


@pytest.mark.parametrize(("number", "message"), [
    (9, "there is no lake version 9 yet\n  the newest is 3"),
    (1, "lake version 1 is not kept any more"),
])
def test_a_version_that_is_not_there(root: Path, number: int, message: str) -> None:
    for _ in range(3):
        versions.note(root / "lake", "ingest", {})
    versions.forget(root / "lake")
    with pytest.raises(LakeError, match=message):
        op25b.open(root, number)


def test_no_version_at_all(root: Path) -> None:
    with pytest.raises(LakeError, match="run 'op25b ingest'"):
        op25b.open(root, 1)


def test_a_version_file_says_all(root: Path) -> None:
    made = versions.note(root / "lake", "ingest", {"flow": 3})
    assert versions.newest(root / "lake") == made == versions.load(root / "lake", 1)
    assert (made.number, made.by, made.tables, type(made.at)) == (1, "ingest", {"flow": 3}, datetime)


def test_files_that_went_while_they_were_read(root: Path) -> None:
    written(root, 1)
    for file in Lake(root / "lake").files("rejected"):
        Path(file).unlink()
    with pytest.raises(LakeError, match="removed from the lake"):
        seen(root)
    done = subprocess.run([sys.executable, "-m", "op25b.cli", "-w", str(root), "check"], capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("run it again: it will read the newest lake version\n")


def test_the_command_line(root: Path) -> None:
    written(root, 1)
    written(root, 2)

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["-w", str(root), *arguments, "--format", "csv"])
        return done.exit_code, done.stdout

    assert run("sql", NUMBERS) == (0, "count_star()\n2\n")
    assert run("sql", NUMBERS, "--version", "2") == (0, "count_star()\n1\n")
    assert isinstance(CliRunner().invoke(app, ["-w", str(root), "sql", NUMBERS, "--version", "7"]).exception, LakeError)
