"""Settings: what is read, and what a user is told when something is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from op25b.errors import SettingsError
from op25b.scaffold import create
from op25b.workspace import Workspace


def settings(tmp_path: Path, text: str) -> Workspace:
    (tmp_path / "op25b.toml").write_text(text, encoding="utf-8")
    return Workspace.load(tmp_path)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    loaded = settings(tmp_path, "")
    assert loaded.config.site.timezone == "Asia/Tokyo"
    assert loaded.config.engine.session_gap_seconds == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[site]\ntimezon = 'UTC'", "unknown key 'site.timezon'; did you mean 'timezone'?"),
        ("[[inputs.flow]]\npath = 'x'", "unknown key 'inputs.flow'; did you mean 'flows'?"),
        ("[[inputs.flows]]\npth = 'x'", "unknown key 'inputs.flows.0.pth'; did you mean 'path'?"),
        ("[site]\ntimezone = 'Asia/Tokio'", "site.timezone: unknown time zone 'Asia/Tokio'"),
        ("[networks]\nrelays = ['203.0.113.1/28']", "networks.relays.0: '203.0.113.1/28' is not a network"),
        ("[policy.p]\nrules = [{name = 'a', action = 'drop'}]", "policy.p.rules.0.action"),
        ("[policy.p]\nrules = [{name = 'a', action = 'block', destination = 'mobile'}]",
         "names an unknown destination 'mobile'; did you mean 'mobile-carrier'?"),
        ("[[destinations]]\nname='a'\ngroup='carrier'\nnetworks=[]", "destinations.0.group"),
        ("[retention]\nflows = 1", "unknown key 'retention.flows'; did you mean 'flow'?"),
        ("[retention]\nsender = 3", "unknown key 'retention.sender'; did you mean 'sender_day'?"),
        ("[site\n", "not valid TOML"),
        ("[[inputs.flows]]\npath = 'x'\nsampling_interval = 0", "inputs.flows.0.sampling_interval"),
        ("[privacy]\nkey_file = 5", "privacy.key_file"),
        ("[engine.duckdb]\nmemory_limit = '80%'", "engine.duckdb.memory_limit: '80%' is no size of memory"),
        ("[engine.duckdb]\nmemory_limit = '31MiB'", 'give one with its unit, such as "2GB" or "1500MiB"'),
        ("[engine.duckdb]\nmemory_limit = 'lots'", "'lots' is no size of memory of 32 MiB or more"),
    ],
)
def test_mistakes_name_the_file_the_key_and_the_nearest_known_one(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, text)
    assert message in str(caught.value)
    assert str(tmp_path / "op25b.toml") in str(caught.value)


def test_a_directory_without_settings_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="op25b init"):
        Workspace.load(tmp_path)


def test_the_key_may_not_lie_in_the_lake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="inside the lake"):
        _ = settings(tmp_path, "[privacy]\nkey_file = 'lake/key'").key_path


def test_paths_are_relative_to_the_file_and_globs_are_sorted(tmp_path: Path) -> None:
    for name in ("b", "a", "c.txt"):
        (tmp_path / "raw" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "raw" / name).write_text(name)
    loaded = settings(tmp_path, "")
    assert [p.name for p in loaded.expand("raw/[ab]")] == ["a", "b"]
    assert [p.name for p in loaded.expand(str(tmp_path / "raw" / "*.txt"))] == ["c.txt"]
    assert loaded.expand("raw/none") == []
    assert loaded.shown(tmp_path / "raw" / "a") == "raw/a"
    assert loaded.shown(tmp_path / "raw" / os.fsdecode(b"\xff\xc3\xa9")) == r"raw/\xffé"


def test_init_makes_a_workspace_that_loads_and_keeps_an_existing_one(tmp_path: Path) -> None:
    made = create(tmp_path / "ws")
    assert [path.name for path in made] == ["op25b.toml", "lake", "op25b.key"]
    assert (tmp_path / "ws" / "op25b.key").stat().st_mode & 0o777 == 0o600
    loaded = Workspace.load(tmp_path / "ws")
    assert list(loaded.config.policy) == ["current", "proposed"]
    with pytest.raises(SettingsError, match="there is a workspace already"):
        create(tmp_path / "ws")
