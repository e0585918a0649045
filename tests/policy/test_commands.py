"""`acl`, `lint` and `quickref` as a user meets them: what goes where, and exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from tests.policy.lines import BOTH, isp
from tests.test_cli import op25b

BAD = """
[policy.bad]
rules = [{ name = "a\\u001b[31m", action = "block", port = [25, 587] }]
"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    return isp(tmp_path_factory.mktemp("commands"), BAD, settings=BOTH)


def test_acl(opened: OpenWorkspace, tmp_path: Path) -> None:
    done = op25b("-w", opened.workspace.root, "acl", "proposed", "--target", "nftables")
    assert done.returncode == 0, done.stderr
    assert done.stdout == opened.acl("proposed", "nftables").text
    done = op25b("-w", opened.workspace.root, "acl", "proposed", "--target", "juniper", "--out", tmp_path)
    assert [Path(line).name for line in done.stdout.split()] == [
        "op25b-proposed.jcl", "op25b-proposed-rollback.jcl"] == sorted(p.name for p in tmp_path.iterdir())[::-1]
    assert "known by the address of their last session" in done.stderr


def test_acl_of_a_bad_policy_is_refused(opened: OpenWorkspace, tmp_path: Path) -> None:
    arguments = ["-w", opened.workspace.root, "acl", "bad", "--target", "cisco", "--out", tmp_path / "out"]
    done = op25b(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: blocks-submission: rule" in done.stderr
    assert "\x1b" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert op25b(*arguments, "--force").returncode == 0
    assert (tmp_path / "out" / "op25b-bad.acl").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (["acl", "propsed", "--target", "cisco"], "unknown policy 'propsed'; did you mean 'proposed'?"),
    (["acl", "proposed", "--target", "ciscoo"], "unknown target 'ciscoo'; did you mean 'cisco'?"),
    (["acl", "proposed", "--target", "cisco", "--at", "2007-07-01"], "takes effect at 2007-07-10 00:00"),
    (["acl", "proposed", "--target", "cisco", "--wave", "none.csv"], "none.csv: no such file"),
    (["acl", "proposed", "--target", "cisco", "--at", "soon"], "'soon' is no day or moment"),
    (["lint", "propsed"], "did you mean 'proposed'?"),
    (["quickref", "--format", "htm"], "unknown format 'htm'; did you mean 'html'?"),
    (["quickref", "--to", "propsed"], "did you mean 'proposed'?"),
])
def test_wrong_use(opened: OpenWorkspace, arguments: list[str], message: str) -> None:
    done = op25b("-w", opened.workspace.root, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_lint(opened: OpenWorkspace) -> None:
    good = op25b("-w", opened.workspace.root, "lint", "proposed", "--format", "json")
    assert good.returncode == 0
    assert {row["severity"] for row in json.loads(good.stdout)} == {"warning"}  # its lines have no plan IP16
    bad = op25b("-w", opened.workspace.root, "lint", "--format", "json")
    assert bad.returncode == 1
    assert {(row["policy"], row["severity"], row["finding"]) for row in json.loads(bad.stdout)} >= {
        ("bad", "error", "blocks-own-relay"), ("bad", "error", "blocks-submission")}


def test_simulate_says_what_lint_found(opened: OpenWorkspace) -> None:
    from op25b.caveats import caveats

    assert "bad: a" in caveats(opened.workspace, "en", "current", "bad")["lint"]
    assert "lint" not in caveats(opened.workspace, "ja")


def test_quickref(opened: OpenWorkspace) -> None:
    root = opened.workspace.root
    chart = json.loads(op25b("-w", root, "quickref", "--lang", "ja", "--format", "json").stdout)
    assert len(chart) == opened.chart("ja").height
    table = list(csv.DictReader(io.StringIO(op25b("-w", root, "quickref", "--format", "csv").stdout)))
    assert [row["verdict"] for row in table] == opened.chart("en")["verdict"].to_list()
    assert op25b("-w", root, "quickref", "--format", "html", "--lang", "ja").stdout.startswith("<!doctype html>")
    assert "| our line, dynamic address | " in op25b("-w", root, "quickref", "--format", "markdown").stdout
