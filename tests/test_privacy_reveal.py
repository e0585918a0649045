"""Looking pseudonyms up: who is found, and that nothing is shown that the audit log does not have."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from op25b.api import OpenWorkspace
from op25b.errors import SettingsError
from op25b.privacy.audit import purpose_of, record
from op25b.privacy.reveal import reveal
from op25b.workspace import Workspace
from tests.test_cli import op25b

LIST = """
[[inputs.subscribers]]
path = "list-*.csv"
"""
ONE = "subscriber,radius_user,auth_user\nME1,line.one@isp.example,one@isp.example\nME2,,two@isp.example\n"
TWO = "subscriber,radius_user,auth_user\nME3,001A2B3C4D5E,\n"


@pytest.fixture
def opened(workspace: Callable[..., OpenWorkspace], tmp_path: Path) -> OpenWorkspace:
    (tmp_path / "list-1.csv").write_text(ONE)
    (tmp_path / "list-2.csv").write_text(TWO)
    return workspace(LIST)


def log(workspace: Workspace) -> list[dict[str, Any]]:
    return [json.loads(line) for line in workspace.audit_path.read_text().splitlines()]


def test_names_of_every_kind_are_found(opened: OpenWorkspace) -> None:
    made = {name: opened.pseudonym(name) for name in ("ME1", "line.one@isp.example", "two@isp.example",
                                                      "00:1a:2b:3c:4d:5e", "nobody")}
    frame = reveal(opened.workspace, [*made.values(), made["ME1"]], "ticket 7")
    assert frame.rows() == [
        (made["ME1"], "subscriber", "ME1", "ME1", "list-1.csv"),
        (made["line.one@isp.example"], "radius_user", "line.one@isp.example", "ME1", "list-1.csv"),
        (made["two@isp.example"], "auth_user", "two@isp.example", "ME2", "list-1.csv"),
        (made["00:1a:2b:3c:4d:5e"], "radius_user", "00:1a:2b:3c:4d:5e", "ME3", "list-2.csv"),
        (made["nobody"], None, None, None, None),
    ]
    (entry,) = log(opened.workspace)
    assert entry["not_found"] == [made["nobody"]]
    assert entry["found"] == [made[name] for name in list(made)[:4]]
    assert (entry["action"], entry["purpose"]) == ("reveal", "ticket 7")
    assert datetime.fromisoformat(entry["at"]).utcoffset() is not None
    assert entry["user"]


def test_the_log_is_private_and_grows(opened: OpenWorkspace) -> None:
    for purpose in ("a", "b"):
        reveal(opened.workspace, ["p" + "0" * 20], purpose)
    assert [entry["purpose"] for entry in log(opened.workspace)] == ["a", "b"]
    assert opened.workspace.audit_path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_off_by_a_crash_stays_a_line_of_its_own(opened: OpenWorkspace) -> None:
    path = opened.workspace.audit_path
    record(path, "reveal", {"n": 1})
    path.write_bytes(path.read_bytes() + b'{"at": "20')
    record(path, "reveal", {"n": 2})
    lines = path.read_bytes().splitlines()
    assert (len(lines), lines[1], json.loads(lines[2])["n"]) == (3, b'{"at": "20', 2)


@pytest.mark.parametrize(("given", "kept"), [
    ("ticket 7", "ticket 7"), ("  a\nb\t\x1b[31mc\x00 ", "a b [31mc"), ("a\u202eb\u2028c\x9b", "a b c"),
    ("苦情対応", "苦情対応"), ("x" * 600, "x" * 500)])
def test_a_purpose_is_one_harmless_line(given: str, kept: str) -> None:
    assert purpose_of(given) == kept


@pytest.mark.parametrize("given", ["", " \n", "\x1b\x00", "...", "\u202e"])
def test_an_empty_purpose_is_refused_and_nothing_is_logged(opened: OpenWorkspace, given: str) -> None:
    with pytest.raises(SettingsError, match="a purpose is needed"):
        reveal(opened.workspace, ["p" + "0" * 20], given)
    assert not opened.workspace.audit_path.exists()


def test_a_hostile_purpose_cannot_forge_a_line(opened: OpenWorkspace) -> None:
    reveal(opened.workspace, ["p" + "0" * 20], 'x"}\n{"at": "2000", "action": "reveal"}')
    assert len(log(opened.workspace)) == 1


def spoil(path: Path, how: str) -> None:
    match how:
        case "directory":
            path.mkdir()
        case "link":
            (path.parent / "elsewhere").touch(mode=0o600)
            path.symlink_to(path.parent / "elsewhere")
        case "pipe":
            os.mkfifo(path, 0o600)
        case "open to others":
            path.touch()
            path.chmod(0o644)


@pytest.mark.parametrize("how", ["directory", "link", "pipe", "open to others"])
def test_no_log_no_answer(opened: OpenWorkspace, how: str) -> None:
    spoil(opened.workspace.audit_path, how)
    with pytest.raises(SettingsError, match="audit log"):
        reveal(opened.workspace, [opened.pseudonym("ME1")], "ticket 7")
    done = op25b("-w", opened.workspace.root, "reveal", opened.pseudonym("ME1"), "--purpose", "x", "--format", "json")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_full_disk_gives_no_answer(opened: OpenWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError, match="No space left on device; without it nothing is done"):
        reveal(opened.workspace, [opened.pseudonym("ME1")], "ticket 7")


def test_the_log_may_not_lie_in_the_lake(workspace: Callable[..., OpenWorkspace]) -> None:
    opened = workspace("[privacy]\naudit_log = 'lake/log'\n")
    with pytest.raises(SettingsError, match="audit_log lies inside the lake"):
        _ = opened.workspace.audit_path


def test_without_a_list_nobody_can_be_found(workspace: Callable[..., OpenWorkspace]) -> None:
    with pytest.raises(SettingsError, match=r"no subscriber list[^\n]*\n  name it"):
        reveal(workspace().workspace, ["p" + "0" * 20], "x")


def test_the_command(opened: OpenWorkspace) -> None:
    root, one = opened.workspace.root, opened.pseudonym("ME1")
    done = op25b("-w", root, "reveal", one, "--purpose", "ticket 7", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"pseudonym": one, "kind": "subscriber", "identifier": "ME1",
                                        "subscriber": "ME1", "file": "list-1.csv"}]
    missing = op25b("-w", root, "reveal", one, "p" + "0" * 20, "--purpose", "ticket 8", "--format", "csv")
    assert missing.returncode == 1
    assert missing.stdout.splitlines()[1:] == [f"{one},subscriber,ME1,ME1,list-1.csv", "p" + "0" * 20 + ",,,,"]
    assert "on no subscriber list: p" in missing.stderr
    silent = op25b("-w", root, "reveal", one)
    assert (silent.returncode, silent.stdout) == (2, "")
    assert "--purpose" in silent.stderr
    assert op25b("-w", root, "reveal", "ME1", "--purpose", "x").returncode == 2
    assert [entry["purpose"] for entry in log(opened.workspace)] == ["ticket 7", "ticket 8"]
