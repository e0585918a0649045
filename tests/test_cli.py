"""The command line as a user meets it: the sample from raw files to answers, errors, exit codes, output formats."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace


def op25b(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "op25b.cli", *map(str, arguments)], capture_output=True, text=True,
                          check=False, cwd=cwd, stdin=subprocess.DEVNULL)


def test_help_names_every_command() -> None:
    done = op25b("--help")
    assert done.returncode == 0
    for command in ("init", "ingest", "build", "status", "findings", "simulate", "explain", "check", "report", "sql"):
        assert f"\n  {command} " in done.stdout


def test_a_new_workspace_from_init_to_answers_without_inputs(tmp_path: Path) -> None:
    assert op25b("init", tmp_path / "ws").returncode == 0
    again = op25b("init", tmp_path / "ws")
    assert (again.returncode, again.stdout) == (2, "")
    assert "there is a workspace already" in again.stderr
    done = op25b("-w", tmp_path / "ws", "findings")
    assert done.returncode == 2
    assert "run 'op25b ingest' and 'op25b build' first" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_goes_to_stdout_alone_and_is_one_array_of_row_objects(sample: OpenWorkspace) -> None:
    root = sample.workspace.root
    for command in (["status"], ["findings"], ["simulate"], ["simulate", "--per", "total"], ["ingest"],
                    ["sql", "SELECT * FROM session"], ["explain", "ME0002009"]):
        done = op25b("-w", root, *command, "--format", "json")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)
        assert isinstance(rows, list)
        assert rows
        assert all(isinstance(row, dict) for row in rows)


def test_ingesting_and_building_again_changes_nothing(sample: OpenWorkspace) -> None:
    root = sample.workspace.root
    before = sample.status().select("table", "rows", "version")
    done = op25b("-w", root, "ingest", "--format", "json")
    assert {row["state"] for row in json.loads(done.stdout)} == {"known"}
    assert json.loads(op25b("-w", root, "build", "--format", "json").stdout) == []
    assert sample.status().select("table", "rows", "version").equals(before)


def test_csv_is_safe_to_open_in_a_spreadsheet(sample: OpenWorkspace) -> None:
    done = op25b("-w", sample.workspace.root, "sql", "--format", "csv",
                 """SELECT '=HYPERLINK("x")' AS a, '@x' AS b, 'plain' AS c, -5 AS d""")
    assert list(csv.reader(io.StringIO(done.stdout))) == [["a", "b", "c", "d"],
                                                          ["'=HYPERLINK(\"x\")", "'@x", "plain", "-5"]]


def test_text_in_tables_cannot_drive_the_terminal(sample: OpenWorkspace) -> None:
    done = op25b("-w", sample.workspace.root, "sql", "SELECT chr(27) || '[31m' || '[bold]x[/bold]' AS a")
    assert done.stdout.splitlines()[1].strip() == "�[31m[bold]x[/bold]"


@pytest.mark.parametrize("query", [
    "CREATE TABLE x AS SELECT 1", "DROP VIEW flow", "SELECT 1; SELECT 2", "SELECT * FROM read_text('/etc/hostname')",
    "COPY (SELECT 1) TO '/tmp/op25b-must-not-exist.csv'", "ATTACH '/tmp/op25b-must-not-exist.db'", "SELECT nope",
    "SET threads = 1", "INSTALL httpfs", "SELECT * FROM glob('/etc/*')", "PRAGMA database_list", "",
])
def test_sql_only_reads_the_tables(sample: OpenWorkspace, query: str) -> None:
    done = op25b("-w", sample.workspace.root, "sql", query)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("op25b: error: ")
    assert not Path("/tmp/op25b-must-not-exist.csv").exists()
    assert not Path("/tmp/op25b-must-not-exist.db").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (["simulate", "--to", "propose"], "unknown policy 'propose'; did you mean 'proposed'?"),
    (["explain", "ME9999999"], "no subscriber 'ME9999999'"),
    (["explain", "ME0002009", "--lang", "fr"], "unknown language 'fr'"),
    (["check", "flows"], "'flows'; did you mean 'flow'?"),
    (["report", "rollout"], "did you mean 'rollout-impact'?"),
    (["report", "rollout-impact", "-p", "aftr=current"], "did you mean 'after'?"),
    (["findings", "--format", "xml"], "'xml' is none of table, json, csv"),
    (["build", "--since", "yesterday"], "'yesterday' is no date"),
])
def test_wrong_use_exits_2_and_says_what_was_meant(sample: OpenWorkspace, arguments: list[str], message: str) -> None:
    done = op25b("-w", sample.workspace.root, *arguments)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreadable_file_fails_alone_with_exit_2_after_the_others_are_in(tmp_path: Path) -> None:
    op25b("init", tmp_path)
    (tmp_path / "op25b.toml").write_text(
        (tmp_path / "op25b.toml").read_text() + "\n[[inputs.subscribers]]\npath = 'subs*.csv'\n"
        "[[inputs.mail]]\npath = 'maillog'\n")
    (tmp_path / "subs-good.csv").write_text("subscriber,plan\nA,x\n")
    (tmp_path / "subs-none.csv").write_text("name,plan\nA,x\n")
    done = op25b("-w", tmp_path, "ingest", "--format", "json")
    assert done.returncode == 2
    rows = {row["path"]: row for row in json.loads(done.stdout)}
    assert (rows["subs-good.csv"]["state"], rows["subs-good.csv"]["rows_kept"]) == ("new", 1)
    assert rows["subs-none.csv"]["state"] == "failed"
    assert "no column 'subscriber'" in done.stderr
    assert "maillog: no such file" in done.stderr


def test_explain_speaks_japanese_and_english(sample: OpenWorkspace) -> None:
    japanese = op25b("-w", sample.workspace.root, "explain", "ME0002009", "--lang", "ja").stdout
    english = op25b("-w", sample.workspace.root, "explain", "ME0002009", "--lang", "en").stdout
    for text in ("影響があります", "2007年7月10日", "CRAM-MD5には対応していません", "0x800CCC0E", "9:00～21:00",
                 "ポート587"):
        assert text in japanese
    for text in ("affected: mail that works today will stop", "2007-07-10", "CRAM-MD5 is not supported", "0x800CCC0E",
                 "9:00-21:00", "port 587"):
        assert text in english


def test_too_many_rejected_rows_fail_the_run_after_the_others_are_in(tmp_path: Path) -> None:
    op25b("init", tmp_path / "w")
    settings = tmp_path / "w/op25b.toml"
    (tmp_path / "w/good.log").write_text("2026-11-24T12:00:01Z mx postfix/qmgr[2]: ABCDEF0123: removed\n")
    good = "2026-11-24T12:00:02Z mx postfix/qmgr[2]: ABCDEF0124: removed\n"
    (tmp_path / "w/bad.log").write_text(99 * good + 2 * "?\n")
    inputs = '\n[[inputs.mail]]\npath = "bad.log"\n[[inputs.mail]]\npath = "good.log"\n'
    settings.write_text(settings.read_text() + inputs)
    done = op25b("-w", tmp_path / "w", "ingest", "--format", "json")
    assert done.returncode == 2
    assert "bad.log: 2 of 101 rows were rejected, more than max_rejected_share = 0.01 under [quality]" in done.stderr
    assert [(row["rows_kept"], row["reasons"]) for row in json.loads(done.stdout)] == [
        (99, "no syslog time stamp (2)"), (1, "")]
    settings.write_text(settings.read_text() + "[quality]\nmax_rejected_share = 0.02\n")
    with (tmp_path / "w/bad.log").open("a") as file:
        file.write(99 * good + "?\n")
    assert op25b("-w", tmp_path / "w", "ingest").returncode == 0


def test_a_mail_log_of_which_nothing_is_kept_is_named(tmp_path: Path) -> None:
    op25b("init", tmp_path)
    settings = tmp_path / "op25b.toml"
    settings.write_text(settings.read_text() + '\n[[inputs.mail]]\npath = "*.log"\n')
    strange = "2026-11-24T12:00:01Z mx !x! postfix/qmgr[2]: ABCDEF0123: removed\n"
    (tmp_path / "strange.log").write_text(100 * strange)
    (tmp_path / "few.log").write_text(99 * strange.replace("01Z", "02Z"))
    (tmp_path / "good.log").write_text(100 * strange + strange.replace("!x! ", ""))
    done = op25b("-w", tmp_path, "ingest", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [line.split(",")[0] for line in done.stderr.splitlines() if line.startswith("note: ")] == [
        "note: strange.log: none of its 100 lines was kept"]


def test_inspect_says_what_a_file_is_and_stores_nothing(sample: OpenWorkspace, tmp_path: Path) -> None:
    before = sample.status().select("table", "rows", "version")
    flows = max((sample.workspace.root / "raw" / "flows").iterdir())
    done = op25b("-w", sample.workspace.root, "inspect", flows, "--format", "json")
    (row,) = json.loads(done.stdout)
    assert (row["kind"], row["format"], row["why"]) == ("flows", "nfcapd", "nfdump magic 0xA50C, layout version 2")
    assert row["rows_read"] == row["rows_kept"] + row["rows_filtered"] + row["rows_rejected"] > 0
    assert sample.status().select("table", "rows", "version").equals(before)
    log = tmp_path / "some.log"
    log.write_text("Nov 24 12:00:01 mx postfix/qmgr[2]: ABCDEF0123: removed\nnot a line of syslog\n")
    done = op25b("inspect", log, cwd=tmp_path)  # outside any workspace
    assert done.returncode == 0, done.stderr
    assert "postfix" in done.stdout
    assert "no syslog time stamp" in done.stdout


def test_inspect_of_something_unknown_says_how_to_name_it(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(range(200)))
    done = op25b("inspect", tmp_path / "x.bin", cwd=tmp_path)
    assert done.returncode == 2
    assert "--kind flows|mail|leases|subscribers" in done.stderr
    assert "no such file" in op25b("inspect", tmp_path / "none", cwd=tmp_path).stderr
