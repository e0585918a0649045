"""Files → lake: once, whole, accounted for, without names, and after a crash at any point."""

# ruff: noqa: E501, ISC004 -- lines of logs are long

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b.api import OpenWorkspace
from op25b.errors import LakeError, Op25bError
from op25b.ingest import FileResult, ingest
from op25b.lake import Lake
from op25b.workspace import Workspace
from tests.conftest import SAMPLE, SETTINGS, require

Make = Callable[..., OpenWorkspace]
OLD = time.time() - 3600
MAIL = [
    "2026-11-24T12:00:01+09:00 mx postfix/submission/smtpd[1]: 3F2A1B: client=pc[198.18.0.9], sasl_method=PLAIN, "
    "sasl_username=secret.name@isp.example",
    "2026-11-24T12:00:02+09:00 mx postfix/qmgr[1]: 3F2A1B: from=<hidden.person@isp.example>, size=1, nrcpt=1 (queue active)",
    "2026-11-24T12:00:03+09:00 mx postfix/smtp[1]: 3F2A1B: to=<far.friend@x.example>, relay=none, status=eaten",
    "2026-11-24T12:00:03+09:00 mx postfix/smtpd[2]: warning: broken: SASL PLAIN authentication failed: no, "
    "sasl_username=Doe, Jane",
    "2026-11-24T12:00:04+09:00 mx postfix/anvil[1]: statistics: x",
]
SUBSCRIBERS = "subscriber,plan,radius_user,auth_user\nME-SECRET-1,IP8,line.one@isp.example,secret.name@isp.example\n"
DETAIL = ("Tue Nov 24 12:00:00 2026\n\tUser-Name = \"line.one@isp.example\"\n\tAcct-Status-Type = Start\n"
          "\tAcct-Session-Id = \"A1\"\n\tFramed-IP-Address = 198.18.0.9\n\tTimestamp = 1795489200\n\n"
          "Tue Nov 24 12:00:00 2026\n\tUser-Name = \"lost.one@isp.example\"\n\n")
INPUTS = """
[[inputs.mail]]
path = "raw/mail*"
[[inputs.leases]]
path = "raw/detail*"
[[inputs.subscribers]]
path = "raw/subscribers*"
"""


@pytest.fixture
def opened(workspace: Make, tmp_path: Path) -> Workspace:
    """A workspace with one small file of each text format."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "mail.log").write_text("\n".join(MAIL) + "\n")
    (raw / "detail").write_text(DETAIL)
    (raw / "subscribers.csv").write_text(SUBSCRIBERS)
    return workspace(INPUTS).workspace


def rows(workspace: Workspace, table: str) -> list[dict[str, Any]]:
    files = Lake(workspace.lake_path).files(table)
    return pl.read_parquet(files).to_dicts() if files else []


def counts(workspace: Workspace) -> dict[str, int]:
    lake = Lake(workspace.lake_path)
    return {table: lake.rows(table) for table in ("mail_event", "lease_record", "subscriber_record", "rejected", "source_file")}


ALL = {"mail_event": 3, "lease_record": 1, "subscriber_record": 1, "rejected": 3, "source_file": 3}


def states(results: list[FileResult]) -> dict[str, str]:
    return {result.path.name: result.state for result in results}


def test_accounting(opened: Workspace) -> None:
    results = {result.path.name: result for result in ingest(opened)}
    mail = results["mail.log"]
    assert (mail.format, mail.rows_read, mail.rows_kept, mail.rows_filtered, mail.rows_rejected) == ("postfix", 5, 2, 1, 2)
    assert (str(mail.first), str(mail.last)) == ("2026-11-24 03:00:01", "2026-11-24 03:00:02")
    assert counts(opened) == ALL
    (account,) = [row for row in rows(opened, "source_file") if row["kind"] == "mail"]
    assert account["path"] == "raw/mail.log"
    for name in ("sha256", "bytes", "rows_read", "rows_kept", "rows_filtered", "rows_rejected", "first", "last"):
        assert account[name] == getattr(mail, name)
    assert Lake(opened.lake_path).days("mail_event") == [date(2026, 11, 24)]
    assert {row["source"] for row in rows(opened, "rejected")} == {mail.sha256, results["detail"].sha256}


def test_twice_changes_nothing(opened: Workspace) -> None:
    ingest(opened)
    before = {path: path.stat().st_mtime_ns for path in opened.lake_path.rglob("*") if path.is_file() and path.suffix != ".json"}
    version = Lake(opened.lake_path).number()
    assert set(states(ingest(opened)).values()) == {"known"}
    assert counts(opened) == ALL
    assert Lake(opened.lake_path).number() == version
    assert all(path.stat().st_mtime_ns == then for path, then in before.items() if path.name != ".writer")


def test_the_same_content_under_another_name(opened: Workspace) -> None:
    raw = opened.root / "raw"
    shutil.copy(raw / "mail.log", raw / "mail.log.copy")
    assert states(ingest(opened)) == {"subscribers.csv": "new", "detail": "new", "mail.log": "new", "mail.log.copy": "known"}
    shutil.move(raw / "mail.log", raw / "mail.log.1")
    assert set(states(ingest(opened)).values()) == {"known"}
    assert counts(opened) == ALL


def test_a_file_whose_name_is_no_utf8_is_read_as_any_other(opened: Workspace) -> None:
    raw = opened.root / "raw"
    again = OpenWorkspace(opened)
    log = (raw / "mail.log").rename(raw / os.fsdecode(b"mail\xff.log"))
    (raw / "detail").rename(raw / os.fsdecode(b"detail\xe9\xc3\xa9"))
    (raw / os.fsdecode(b"mail\xfe")).write_text("what is this\n")
    names = [r"raw/detail\xe9é", r"raw/mail\xfe", r"raw/mail\xff.log", "raw/subscribers.csv"]
    for state in ("new", "known"):
        found = again.ingest().sort("path")
        assert found["path"].to_list() == names
        assert found["state"].to_list() == [state, "failed", state, state]
        assert found["error"][1].startswith(rf"{opened.root}/raw/mail\xfe: ")
    assert counts(opened) == ALL
    assert sorted(row["path"] for row in rows(opened, "source_file")) == [names[0], *names[2:]]
    log.write_text("\n".join([*MAIL, MAIL[-1]]) + "\n")
    assert again.ingest().filter(path=names[2]).select("state", "rows_read").row(0) == ("new", 1)


def test_one_file_may_be_of_two_kinds(workspace: Make, tmp_path: Path) -> None:
    (tmp_path / "both").write_text("subscriber,plan\nME1,IP8\n")
    opened = workspace('[[inputs.subscribers]]\npath = "both"\n[[inputs.mail]]\npath = "both"\n').workspace
    assert [(result.kind, result.state) for result in ingest(opened)] == [("subscribers", "new"), ("mail", "failed")]


def test_a_file_that_cannot_be_read_fails_alone_and_is_tried_again(opened: Workspace) -> None:
    raw = opened.root / "raw"
    (raw / "mail.log.2").write_text("what is this\n")
    (raw / "subscribers-2.csv").write_text("name,plan\nx,y\n")
    (raw / "detail.gz").write_bytes(b"\x1f\x8b broken")
    failed = {result.path.name: result.error for result in ingest(opened) if result.state == "failed"}
    assert failed.keys() == {"mail.log.2", "subscribers-2.csv", "detail.gz"}
    assert all(error.count("\n") == 1 for error in failed.values())
    assert counts(opened) == ALL
    (raw / "mail.log.2").write_text(MAIL[1].replace("3F2A1B", "3F2A1C") + "\n")
    (raw / "subscribers-2.csv").write_text("subscriber,plan\nx,y\n")
    (raw / "detail.gz").write_bytes(gzip.compress(DETAIL.split("\n\n", maxsplit=1)[0].replace("A1", "A2").encode() + b"\n\n"))
    assert {name for name, state in states(ingest(opened)).items() if state == "new"} == set(failed)
    assert counts(opened) == {"mail_event": 4, "lease_record": 2, "subscriber_record": 2, "rejected": 3, "source_file": 6}


def test_a_file_that_breaks_off_keeps_what_is_whole(opened: Workspace) -> None:
    source = random.Random(1)
    lines = "".join(f"2026-11-24T12:00:01Z mx postfix/qmgr[1]: {source.getrandbits(48):012X}: removed\n" for _ in range(50_000))
    packed = gzip.compress(lines.encode())
    (opened.root / "raw/mail.log.3.gz").write_bytes(packed[: len(packed) // 2])
    os.utime(opened.root / "raw/mail.log.3.gz", (OLD, OLD))
    (result,) = [result for result in ingest(opened) if result.path.name == "mail.log.3.gz"]
    assert (result.state, result.rows_rejected, result.rows_filtered) == ("new", 1, 0)
    assert "cannot be read to its end" in result.error
    assert 10_000 < result.rows_kept == result.rows_read - 1
    assert set(states(ingest(opened)).values()) == {"known"}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_log_that_is_being_compressed_waits(workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                              pack: Callable[[bytes], bytes], large: bool) -> None:
    """For a moment the log and the beginning of its compressed copy are both there."""
    source = random.Random(1)
    lines = "".join(f"2026-11-24T12:00:01Z mx postfix/qmgr[1]: {source.getrandbits(48):012X}: removed\n" for _ in range(40_000))
    log = tmp_path / "raw/mail.log.1"
    log.parent.mkdir()
    log.write_text(lines)
    packed = pack(lines.encode())
    opened = workspace('[[inputs.mail]]\npath = "raw/mail*"\n').workspace
    if large:
        monkeypatch.setattr("op25b.ingest.files.LARGE_BYTES", 0)
        log.unlink()  # the copy begins like no other file, so it would be hashed while it is read
    else:
        assert states(ingest(opened)) == {"mail.log.1": "new"}
    log.with_suffix(".1.gz").write_bytes(packed[: len(packed) * 2 // 3])
    assert states(ingest(opened))["mail.log.1.gz"] == ("failed" if large else "open")
    log.unlink(missing_ok=True)
    log.with_suffix(".1.gz").write_bytes(packed)
    assert states(ingest(opened))["mail.log.1.gz"] == ("new" if large else "known")
    assert Lake(opened.lake_path).rows("mail_event") == 40_000


def test_empty_files(opened: Workspace) -> None:
    for name in ("mail.log.0", "detail.0", "subscribers.0"):
        (opened.root / "raw" / name).touch()
    results = states(ingest(opened))
    assert (results["mail.log.0"], results["detail.0"], results["subscribers.0"]) == ("new", "new", "failed")
    assert counts(opened) == ALL | {"source_file": 5}
    assert [row["rows_read"] for row in rows(opened, "source_file") if row["bytes"] == 0] == [0, 0]


def test_only_empty_files(workspace: Make, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/mail.log").touch()
    opened = workspace(INPUTS.split("[[inputs.leases]]", maxsplit=1)[0]).workspace
    assert states(ingest(opened)) == {"mail.log": "new"}
    assert states(ingest(opened)) == {"mail.log": "known"}
    assert rows(opened, "mail_event") == []


def test_a_file_without_permission_fails_alone(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root reads every file, so the refusal is played.
    allowed = Path.open

    def refusing(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "detail":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return allowed(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    results = ingest(opened)
    assert states(results) == {"detail": "failed", "mail.log": "new", "subscribers.csv": "new"}
    assert "Permission denied" in next(result.error for result in results if result.path.name == "detail")


def test_missing_files_and_files_being_written(workspace: Make, tmp_path: Path) -> None:
    (tmp_path / "nfcapd.current.4711").write_bytes(b"\x0c\xa5\x01\x00")
    opened = workspace('[[inputs.flows]]\npath = "nfcapd.*"\n[[inputs.mail]]\npath = "none*"\n').workspace
    mail, flows = ingest(opened)
    assert (flows.state, mail.state) == ("open", "failed")
    assert mail.error.startswith("none*: no such file\n")
    assert Lake(opened.lake_path).tables() == []


def test_without_nfdump_the_other_files_come_in(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = next((SAMPLE / "raw/flows").iterdir())
    shutil.copy(flow, opened.root / "raw")
    settings = SETTINGS + INPUTS + '[[inputs.flows]]\npath = "raw/nfcapd*"\n'
    (opened.root / "op25b.toml").write_text(settings)
    monkeypatch.setenv("PATH", "")
    (failed,) = [result for result in ingest(Workspace.load(opened.root)) if result.state == "failed"]
    assert failed.error.startswith("nfdump is not installed")
    assert counts(opened) == ALL


def test_no_real_identifier_is_in_the_lake(opened: Workspace) -> None:
    ingest(opened)
    names = ["secret.name", "hidden.person", "far.friend", "ME-SECRET-1", "line.one", "lost.one", "Doe", "Jane"]
    for path in opened.lake_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [name for name in names if name.encode() in data], path
    for table in counts(opened):
        text = repr(rows(opened, table))
        assert not [name for name in names if name in text], table
    (line,) = rows(opened, "subscriber_record")
    (lease,) = rows(opened, "lease_record")
    users = {row["auth_user"] for row in rows(opened, "mail_event") if row["auth_user"]}
    # The same name is the same pseudonym in every table.
    assert (users, lease["subscriber"]) == ({line["auth_user"]}, line["radius_user"])
    assert line["subscriber"][0] == "p"


class _KilledError(Exception):
    """The process dies here."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("commit", range(1, 9))
def test_killed_around_any_commit(opened: Workspace, monkeypatch: pytest.MonkeyPatch, commit: int, when: str) -> None:
    append, done = Lake.append, 0

    def dying(lake: Lake, *arguments: Any) -> None:
        nonlocal done
        done += 1
        if done == commit and when == "before":
            raise _KilledError
        append(lake, *arguments)
        if done == commit:
            raise _KilledError

    monkeypatch.setattr(Lake, "append", dying)
    with pytest.raises(_KilledError):
        ingest(opened)
    monkeypatch.setattr(Lake, "append", append)
    results = {result.path.name: result for result in ingest(opened)}
    assert counts(opened) == ALL
    assert [row["rows_kept"] for row in rows(opened, "source_file") if row["kind"] == "mail"] == [2]
    assert results["mail.log"].state in {"new", "known"}
    assert set(states(ingest(opened)).values()) == {"known"}


def test_a_killed_run_and_new_files_in_the_next(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Lake.append

    def dying(lake: Lake, table: str, *arguments: Any) -> None:
        append(lake, table, *arguments)
        if table == "mail_event":
            raise _KilledError

    monkeypatch.setattr(Lake, "append", dying)
    with pytest.raises(_KilledError):
        ingest(opened)
    monkeypatch.setattr(Lake, "append", append)
    (opened.root / "raw/mail.log.2").write_text(MAIL[1].replace("3F2A1B", "3F2A1C") + "\n")
    ingest(opened)
    assert counts(opened) == ALL | {"mail_event": 4, "source_file": 4}


def _killed_before(monkeypatch: pytest.MonkeyPatch, opened: Workspace, table: str) -> None:
    """An ingestion that dies when the rows of the mail log are in, before it appends to a table."""
    append, mail = Lake.append, False

    def dying(lake: Lake, to: str, *arguments: Any) -> None:
        nonlocal mail
        if mail and to == table:
            raise _KilledError
        mail = mail or to == "mail_event"
        append(lake, to, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "append", dying)
        with pytest.raises(_KilledError):
            ingest(opened)


MORE = MAIL[1].replace("3F2A1B", "3F2A1C") + "\nno stamp either\n"
WITH_MORE = ALL | {"mail_event": 4, "rejected": 4, "source_file": 4}


@pytest.mark.parametrize("table", ["rejected", "source_file"])
@pytest.mark.parametrize("growth", ["grown", "grown and rotated", "grown, rotated and compressed"])
def test_a_log_that_grows_after_its_rows_are_in_and_before_its_accounting_is(
        opened: Workspace, monkeypatch: pytest.MonkeyPatch, table: str, growth: str) -> None:
    _killed_before(monkeypatch, opened, table)
    log = opened.root / "raw/mail.log"
    with log.open("a") as file:
        file.write(MORE)
    if growth == "grown and rotated":
        log.rename(log.with_suffix(".log.1"))
    elif growth != "grown":
        log.with_suffix(".log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
        log.unlink()
    ingest(opened)
    assert counts(opened) == WITH_MORE
    lines = [row["line"] for row in rows(opened, "rejected") if row["reason"] != "no Acct-Status-Type"]
    assert sorted(lines) == [3, 4, 7]
    parts = [(row["offset"], row["rows_read"]) for row in rows(opened, "source_file") if row["kind"] == "mail"]
    assert sorted(parts) == [(0, 5), (len("\n".join(MAIL)) + 1, 2)]


def test_a_file_that_is_gone_after_its_rows_are_in_is_accounted_for(
        opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed_before(monkeypatch, opened, "rejected")
    (opened.root / "raw/mail.log").unlink()
    assert "no such file" in {result.path.name: result.error for result in ingest(opened)}["mail*"]
    assert counts(opened) == ALL
    shutil.copy(opened.lake_path / ".writer", opened.root / "raw/mail.log.2")
    (opened.root / "raw/mail.log.2").write_text("\n".join(MAIL) + "\n")
    assert states(ingest(opened))["mail.log.2"] == "known"


def test_without_the_journal_rows_that_are_in_are_not_added_again(
        opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed_before(monkeypatch, opened, "rejected")
    (opened.lake_path / ".journal.parquet").unlink()
    ingest(opened)
    assert counts(opened) == ALL


def test_rows_that_a_power_failure_lost_are_read_again(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed_before(monkeypatch, opened, "rejected")
    for file in Lake(opened.lake_path).files("mail_event"):
        os.truncate(file, 10)
    ingest(opened)
    assert counts(opened) == ALL


def test_a_log_that_is_rotated_while_it_is_read_is_read_the_next_time(opened: Workspace) -> None:
    log = opened.root / "raw/mail.log"

    def rotate(state: Any) -> None:
        if state.files_done == 0 and not log.with_suffix(".log.1").exists():
            log.rename(log.with_suffix(".log.1"))
            log.write_text(MORE + 3 * MAIL[4])

    failed = {result.path.name: result.error for result in ingest(opened, rotate) if result.state == "failed"}
    assert "was replaced while it was read" in failed["mail.log"]
    assert failed["mail.log"].count("\n") == 1
    assert counts(opened)["mail_event"] == 0
    ingest(opened)
    assert counts(opened) == WITH_MORE


def test_a_killed_nfdump_is_no_damaged_file(workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(shutil.which("nfdump") is not None, "needs nfdump")
    flows = min((SAMPLE / "raw/flows").glob("nfcapd.*"))
    (tmp_path / "raw").mkdir()
    shutil.copy(flows, tmp_path / "raw" / flows.name)
    opened = workspace('[[inputs.flows]]\npath = "raw/nfcapd.*"\nsampling_interval = 1\n').workspace
    killed = tmp_path / "bin/nfdump"
    killed.parent.mkdir()
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{killed.parent}:{os.environ['PATH']}")
        (result,) = ingest(opened)
    assert (result.state, "was killed (signal 9)" in result.error) == ("failed", True)
    assert Lake(opened.lake_path).rows("source_file") == 0
    (result,) = ingest(opened)
    assert result.state == "new"
    assert result.rows_kept == Lake(opened.lake_path).rows("flow") > 0


def _hold(root: Path, ready: Any, done: Any) -> None:
    with Lake(root).writing("build"):
        ready.set()
        done.wait(20)


def test_a_second_writer_is_told_who_the_first_is(opened: Workspace) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(opened.lake_path, ready, done))
    holder.start()
    try:
        assert ready.wait(20)
        with pytest.raises(LakeError, match=rf"'op25b build' \(process {holder.pid}\) is writing to the lake"):
            ingest(opened)
    finally:
        done.set()
        holder.join(20)
    assert issubclass(LakeError, Op25bError)
    ingest(opened)
    assert counts(opened) == ALL


def test_progress(opened: Workspace) -> None:
    seen: list[tuple[int, int, int, int]] = []
    results = ingest(opened, lambda state: seen.append((state.files, state.files_done, state.bytes_done, state.rows_read)))
    whole = sum(result.bytes for result in results)
    assert seen[0] == (3, 0, 0, 0)
    assert seen[-1] == (3, 3, whole, sum(result.rows_read for result in results))
    assert seen == sorted(seen)


def test_progress_within_a_large_file(workspace: Make, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    line = MAIL[1].replace("queue active", "queue active" + 300 * "x") + "\n"
    (tmp_path / "raw/mail.log").write_text(300_000 * line)
    seen: list[int] = []
    ingest(workspace(INPUTS).workspace, lambda state: seen.append(state.bytes_done))
    size = 300_000 * len(line)
    assert (seen[0], seen[-1]) == (0, size)
    assert len({done for done in seen if 0 < done < size}) > 1


def test_the_reasons_of_rejections_are_counted(workspace: Make, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/mail.log").write_text(f"{MAIL[1]}\nno syslog\n{MAIL[1].replace('-11-24', '-02-30')}\nnor this\n")
    (row,) = workspace(INPUTS).ingest().filter(kind="mail").iter_rows(named=True)
    assert row["reasons"] == "no syslog time stamp (2); impossible time stamp (1)"


def test_a_directory_is_no_file(workspace: Make, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (result,) = ingest(workspace('[[inputs.mail]]\npath = "raw/"\n').workspace)
    assert result.error == ('raw/: is a directory\n  name the files in it: path = "raw/*" under [[inputs.mail]] in op25b.toml')


def test_a_damaged_cache_of_hashes_is_made_anew(opened: Workspace) -> None:
    ingest(opened)
    for damage in ("", "[1]", '{"x": 1}', "\x00"):
        (opened.lake_path / ".hashes.json").write_text(damage)
        assert set(states(ingest(opened)).values()) == {"known"}


def test_many_small_files_are_few_commits(workspace: Make, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for number in range(30):
        (tmp_path / f"raw/mail.{number:02}").write_text(MAIL[1].replace("3F2A1B", f"3F2A{number:02}") + "\n")
    opened = workspace(INPUTS).workspace
    assert sum(result.state == "new" for result in ingest(opened)) == 30
    assert (counts(opened)["mail_event"], Lake(opened.lake_path).version("mail_event")) == (30, 0)
