"""Rotation of the key: everything maps, nothing is left of the old pseudonyms, a crash at any point loses nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b import keyfile, schema
from op25b.api import OpenWorkspace, open_workspace
from op25b.errors import LakeError, Op25bError, SettingsError
from op25b.lake import Lake
from op25b.privacy.rotation import rotate
from op25b.pseudonyms import Pseudonyms
from tests.test_cli import op25b
from tests.test_ingest import DETAIL, INPUTS, MAIL, SUBSCRIBERS

POLICY = """
[policy.wave]
rules = [{ name = "first", action = "block", subscribers = "wave*.csv" }]
"""
NAMES = {"ME-SECRET-1", "line.one@isp.example", "secret.name@isp.example", "A1"}


@pytest.fixture
def opened(workspace: Callable[..., OpenWorkspace], tmp_path: Path) -> OpenWorkspace:
    """A lake of two ingestions, built, with a wave."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "mail.log").write_text("\n".join(MAIL) + "\n")
    (raw / "detail").write_text(DETAIL)
    (raw / "subscribers.csv").write_text(SUBSCRIBERS)
    made = workspace(INPUTS + POLICY)
    made.ingest()
    another_day = "\n".join(MAIL).replace("3F2A1B", "3F2A1C").replace("2026-11-24", "2026-11-25")
    (raw / "mail.log.2").write_text(another_day + "\n")
    made.ingest()
    made.build()
    (tmp_path / "wave-1.csv").write_text(f"note,subscriber\nx,{made.pseudonym('ME-SECRET-1')}\n\"y, z\",198.18.0.9\n")
    return made


def contents(opened: OpenWorkspace) -> dict[str, list[dict[str, Any]]]:
    """The raw tables' rows, sorted."""
    found = {}
    for table in schema.RAW:
        files = Lake(opened.workspace.lake_path).files(table)
        rows = pl.read_parquet(files).to_dicts() if files else []
        found[table] = sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))
    return found


def texts(lake: Path) -> Iterator[str]:
    """Every text in every file below the lake: Parquet decoded, everything else as it is."""
    for path in filter(Path.is_file, lake.rglob("*")):
        if path.suffix != ".parquet":
            yield path.read_bytes().decode("latin-1")
            continue
        for column in pl.read_parquet(path, hive_partitioning=False, glob=False).get_columns():
            yield json.dumps(column.to_list(), default=str, ensure_ascii=False)


def pseudonyms(lake: Path) -> set[str]:
    return {found for text in texts(lake) for found in re.findall(r"p[0-9a-f]{20}", text)}


def test_every_pseudonym_is_mapped_and_none_of_the_old_is_left(opened: OpenWorkspace) -> None:
    workspace = opened.workspace
    old_key = keyfile.read(workspace.key_path)
    before, old = contents(opened), pseudonyms(workspace.lake_path)
    assert {Pseudonyms(*old_key.chain).of(name) for name in NAMES} <= old
    derived = {table for table in Lake(workspace.lake_path).tables() if table not in schema.RAW}
    done = rotate(workspace)

    keys = keyfile.read(workspace.key_path)
    assert (keys.chain[:-1], keys.coming) == (old_key.chain, None)
    step = Pseudonyms(keys.chain[-1])
    assert pseudonyms(workspace.lake_path) == {step.of(name) for name in old}
    for table, rows in contents(opened).items():
        columns = schema.RAW[table].pseudonyms
        expected = [{name: step.of(value) if name in columns and value is not None else value
                     for name, value in row.items()} for row in before[table]]
        assert rows == sorted(expected, key=lambda row: json.dumps(row, default=str, sort_keys=True))
    assert dict(done.select("name", "what").iter_rows()) == (
        dict.fromkeys(("mail_event", "lease_record", "subscriber_record"), "rotated")
        | dict.fromkeys(derived, "dropped") | {"wave-1.csv": "wave"})
    wave = pl.read_csv(workspace.root / "wave-1.csv")
    assert wave.rows() == [("x", opened_again(opened).pseudonym("ME-SECRET-1")), ("y, z", "198.18.0.9")]


def opened_again(opened: OpenWorkspace) -> OpenWorkspace:
    return open_workspace(opened.workspace.root)


def test_afterwards_everything_goes_on(opened: OpenWorkspace) -> None:
    rotate(opened.workspace)
    again = opened_again(opened)
    assert set(again.ingest()["state"]) == {"known"}, "what was read before is not read again"
    raw = again.workspace.root / "raw"
    (raw / "mail.log.3").write_text("\n".join(MAIL).replace("3F2A1B", "3F2A1D") + "\n")
    assert sorted(again.ingest()["state"]) == ["known", "known", "known", "known", "new"]
    again.build()
    users = again.sql("SELECT auth_user, count(*) AS n FROM mail_event WHERE auth_user IS NOT NULL GROUP BY auth_user")
    assert users.rows() == [(again.pseudonym("secret.name@isp.example"), 6)], "old rows and new ones have the same name"
    lines = again.sql("SELECT DISTINCT subscriber FROM login")["subscriber"].to_list()
    assert lines == [again.pseudonym("ME-SECRET-1")]


def test_twice(opened: OpenWorkspace) -> None:
    rotate(opened.workspace)
    rotate(opened.workspace)
    keys = keyfile.read(opened.workspace.key_path)
    assert len(keys.chain) == 3
    assert {Pseudonyms(*keys.chain).of(name) for name in NAMES} == pseudonyms(opened.workspace.lake_path)
    entries = [json.loads(line) for line in opened.workspace.audit_path.read_text().splitlines()]
    assert [(entry["action"], entry["state"]) for entry in entries] == [("rotate-key", state) for state in
                                                                       ("begun", "done", "begun", "done")]
    assert entries[1]["to"] == entries[2]["from"]
    assert entries[3]["to"] == keys.name


def test_days_whose_rows_have_expired_stay(opened: OpenWorkspace) -> None:
    """They cannot be made anew: the tables of days keep them under the new names."""
    settings = opened.workspace.root / "op25b.toml"
    settings.write_text(settings.read_text() + "\n[retention]\nmail_event = 1\n")
    again = opened_again(opened)
    query = "SELECT day(day), queue_id, auth_user, subscriber FROM message ORDER BY day, queue_id"
    before, old = again.sql(query).rows(), pseudonyms(opened.workspace.lake_path)
    assert {day for day, *_ in before} == {24, 25}
    assert again.expire(date(2026, 11, 26)).rows()[0][3] > 0
    assert {day for day, *_ in again.sql("SELECT day(day) FROM mail_event").rows()} == {25}
    done = dict(rotate(again.workspace).select("name", "what").iter_rows())
    assert (done["message"], done["lease"]) == ("rotated", "dropped")
    step = Pseudonyms(keyfile.read(opened.workspace.key_path).chain[-1])
    assert pseudonyms(opened.workspace.lake_path) <= {step.of(name) for name in old}
    again = opened_again(opened)
    again.build()
    assert again.sql(query).rows() == [(day, queue, step.of(user) if user else None, step.of(line) if line else None)
                                       for day, queue, user, line in before]
    assert pseudonyms(opened.workspace.lake_path).isdisjoint(old)


def test_an_empty_lake(workspace: Callable[..., OpenWorkspace]) -> None:
    opened = workspace()
    assert rotate(opened.workspace).is_empty()
    assert len(keyfile.read(opened.workspace.key_path).chain) == 2


def test_without_the_log_nothing_is_done(opened: OpenWorkspace) -> None:
    opened.workspace.audit_path.mkdir()
    before = opened.workspace.key_path.read_bytes(), pseudonyms(opened.workspace.lake_path)
    with pytest.raises(SettingsError, match="audit log"):
        rotate(opened.workspace)
    assert (opened.workspace.key_path.read_bytes(), pseudonyms(opened.workspace.lake_path)) == before
    assert not opened.sql("SELECT 1 FROM login").is_empty()


def test_a_wave_that_is_no_csv_is_refused_before_anything_is_done(opened: OpenWorkspace) -> None:
    (opened.workspace.root / "wave-2.csv").write_bytes(b"subscriber\n\xff\xfe\n")
    before = opened.workspace.key_path.read_bytes()
    with pytest.raises(Op25bError, match=r"wave-2.csv: not a CSV file"):
        rotate(opened.workspace)
    assert opened.workspace.key_path.read_bytes() == before
    assert not opened.workspace.audit_path.exists()


def test_another_key_than_the_lakes_rotates_nothing(opened: OpenWorkspace) -> None:
    keyfile.replace(opened.workspace.key_path, keyfile.Keys((b"x" * 32,)))
    with pytest.raises(LakeError, match="not the key of this lake"):
        rotate(opened.workspace)


# -- killed

SYSTEM_CALLS = ("fsync", "replace", "rename", "unlink")


class Killed(BaseException):
    """Nothing in the program catches this."""


def dies(monkeypatch: pytest.MonkeyPatch, at: int, how: Callable[[], None]) -> None:
    """Die at a point from here: before a file is synced, replaced, renamed or removed, or a table is rewritten."""
    points = iter(range(1, 10_000))

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if next(points) == at:
                how()
            return call(*arguments, **options)
        return wrapped

    for name in SYSTEM_CALLS:
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    monkeypatch.setattr(Lake, "rewrite", dying(Lake.rewrite))


def kill() -> None:
    raise Killed


def check(root: Path, before: dict[str, list[dict[str, Any]]], old: Pseudonyms) -> None:
    """A rotation was killed: nothing reads or writes a mix, and another one finishes it."""
    now = open_workspace(root)
    unfinished = (now.workspace.lake_path / keyfile.ROTATING).exists()
    coming = keyfile.read(now.workspace.key_path).coming is not None
    if unfinished:
        for refused in (now.build, lambda: now.sql("SELECT 1")):
            with pytest.raises(LakeError, match="rotate-key"):
                refused()
    if unfinished or coming:
        with pytest.raises(Op25bError, match="rotate-key"):
            now.ingest()
    if unfinished or coming:
        rotate(now.workspace)
    keys = keyfile.read(now.workspace.key_path)
    assert (keys.coming, len(keys.chain) <= 2) == (None, True)
    made = Pseudonyms(*keys.chain)
    expected = {old.of(name): made.of(name) for name in NAMES}
    for table, rows in contents(now).items():
        mapped = [{key: expected.get(value, value) if isinstance(value, str) else value for key, value in row.items()}
                  for row in before[table]]
        assert rows == sorted(mapped, key=lambda row: json.dumps(row, default=str, sort_keys=True)), table
    assert pseudonyms(now.workspace.lake_path) == set(expected.values())
    assert made.of("ME-SECRET-1") in (root / "wave-1.csv").read_text()
    assert set(now.ingest()["state"]) == {"known"}


def test_killed_at_any_point_it_goes_on_where_it_was(opened: OpenWorkspace, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    root = opened.workspace.root
    kept = tmp_path.parent / f"{tmp_path.name}-kept"
    shutil.copytree(root, kept)
    before, old = contents(opened), Pseudonyms(*keyfile.read(opened.workspace.key_path).chain)
    at, ended = 0, False
    while not ended:
        at += 1
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        with monkeypatch.context() as patched:
            dies(patched, at, kill)
            try:
                rotate(open_workspace(root).workspace)
                ended = True
            except Killed:
                pass
        check(root, before, old)
    assert at > 30
    open_workspace(root).build()
    assert open_workspace(root).sql("SELECT subscriber FROM login").height == 2


def killed(root: Path, at: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        dies(patched, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
        rotate(open_workspace(root).workspace)


@pytest.mark.parametrize("at", [8, 25])
def test_killed_by_the_system(opened: OpenWorkspace, at: int) -> None:
    root = opened.workspace.root
    before, old = contents(opened), Pseudonyms(*keyfile.read(opened.workspace.key_path).chain)
    child = multiprocessing.get_context("spawn").Process(target=killed, args=(root, at))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    check(root, before, old)


def test_the_command(opened: OpenWorkspace) -> None:
    old = opened.pseudonym("ME-SECRET-1")
    done = op25b("-w", opened.workspace.root, "rotate-key", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {"what": "rotated", "name": "subscriber_record", "rows": 1} in json.loads(done.stdout)
    assert "op25b build" in done.stderr
    new = opened_again(opened).pseudonym("ME-SECRET-1")
    revealed = op25b("-w", opened.workspace.root, "reveal", old, new, "--purpose", "x", "--format", "json")
    assert revealed.returncode == 1
    assert [row["identifier"] for row in json.loads(revealed.stdout)] == [None, "ME-SECRET-1"]
