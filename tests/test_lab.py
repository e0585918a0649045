"""The lab: real servers play the cast anew, and the tool is held against what the cast was told to do."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from op25b.api import OpenWorkspace, open_workspace
from op25b.engine import duckdb
from op25b.policy import policy, resolve
from op25b.policy.traffic import decide_traffic
from op25b.pseudonyms import Pseudonyms
from tests.conftest import require
from tests.test_cli import op25b
from tests.test_sample_truth import check_row

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    require(os.geteuid() == 0, "the lab makes network namespaces, which needs root")
    tools = ("ip", "nft", "postfix", "dovecot", "freeradius", "radclient", "softflowd", "nfcapd", "rsyslogd")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    require(not missing, f"Debian packages of tests/lab/packages.txt are missing ({', '.join(missing)})")
    from tests.lab.capture import capture

    directory = capture(tmp_path_factory.mktemp("lab") / "capture")
    Pseudonyms.create(directory / "op25b.key")
    opened = open_workspace(directory)
    assert set(opened.ingest()["state"]) == {"new"}
    opened.build()
    return opened


@pytest.fixture(scope="module")
def replayed(captured: OpenWorkspace, tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    """The same cast again, behind the rules that `op25b acl proposed` makes of the first capture."""
    from tests.lab.capture import capture

    root = captured.workspace.root
    done = op25b("-w", root, "acl", "proposed", "--target", "nftables")
    assert done.returncode == 0, done.stderr
    directory = capture(tmp_path_factory.mktemp("lab") / "replay", done.stdout)
    shutil.copy(root / "op25b.key", directory)  # so that both name a line alike
    opened = open_workspace(directory)
    assert set(opened.ingest()["state"]) == {"new"}
    opened.build()
    return opened


Peer = tuple[str, str, int]


def peers(opened: OpenWorkspace) -> dict[Peer, tuple[str, bool]]:
    """Line, server, port → what `proposed` would do with it, and whether any connection was established."""
    workspace = opened.workspace
    policies = {name: resolve(policy(workspace, of), workspace) for name, of in
                (("before", "current"), ("after", "proposed"))}
    connection = duckdb.session(workspace)
    query = decide_traffic(connection, policies, per_connection=True)
    decided = connection.sql(query.sql, params=query.values).pl()
    connection.close()
    found = decided.group_by("subscriber", "server_key", "port").agg(
        pl.col("after").unique(), pl.col("established").sum() > 0)
    assert set(found["after"].list.len()) == {1}
    return {(line, server, port): (after[0], works) for line, server, port, after, works in found.rows()}


def test_what_was_simulated_is_what_the_generated_rules_block(captured: OpenWorkspace, replayed: OpenWorkspace) -> None:
    """A silent server cannot be told from a blocked one: of these only that none answers is held."""
    before, after = peers(captured), peers(replayed)
    assert before.keys() == after.keys()
    worked = {peer for peer, (_, works) in before.items() if works}
    predicted = {peer for peer, (action, _) in before.items() if action == "block"}
    really_blocked = {peer for peer in worked if not after[peer][1]}
    assert really_blocked == predicted & worked
    assert {peer for peer, (_, works) in after.items() if works} == worked - predicted
    assert len(really_blocked) >= 20
    assert len(worked - predicted) >= 20
    assert predicted - worked  # the mobile carriers, blocked before, and the bots' silent peers


def rows(opened: OpenWorkspace, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((opened.workspace.root / name).read_text(encoding="utf-8").splitlines()))


def test_a_new_capture_agrees_with_the_cast_in_every_row(captured: OpenWorkspace) -> None:
    truth = rows(captured, "truth.csv")
    assert len(truth) >= 20
    for row in truth:
        check_row(captured, row)


def test_the_committed_truth_is_that_of_the_cast(captured: OpenWorkspace, sample: OpenWorkspace) -> None:
    assert rows(sample, "truth.csv") == rows(captured, "truth.csv")
    assert rows(sample, "subscribers.csv") == rows(captured, "subscribers.csv")


def test_every_flow_is_attributed_and_nothing_is_rejected(captured: OpenWorkspace) -> None:
    assert set(captured.sql("SELECT DISTINCT attribution FROM session")["attribution"]) == {"attributed"}
    assert captured.sql("SELECT * FROM rejected").is_empty()


def test_the_quality_gates_hold(captured: OpenWorkspace) -> None:
    checked = captured.check()
    assert checked.filter(~checked["passed"]).rows(named=True) == []


def test_nothing_is_left_behind(captured: OpenWorkspace) -> None:
    assert captured.workspace.root.is_dir()
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert [line for line in left.splitlines() if line.startswith(f"op25b-{os.getpid()}-")] == []


def test_no_real_identifier_is_in_the_lake(captured: OpenWorkspace) -> None:
    subscribers = rows(captured, "subscribers.csv")
    names = {row[key] for row in subscribers for key in ("subscriber", "radius_user", "auth_user")} - {""}
    assert len(names) > 40
    content = b"".join(path.read_bytes() for path in Path(captured.workspace.lake_path).rglob("*") if path.is_file())
    stored = {text for table in ("subscriber", "lease", "mail_event", "sender", "message", "rejected")
              for row in captured.sql(f"SELECT * FROM {table}").iter_rows() for text in row if isinstance(text, str)}
    assert [name for name in names if name.encode() in content or any(name in text for text in stored)] == []
