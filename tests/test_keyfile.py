"""The key file: private, whole, the right one for the lake, and never replaced by accident."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from op25b import keyfile
from op25b.api import OpenWorkspace
from op25b.errors import LakeError, SettingsError
from op25b.keyfile import Keys
from op25b.pseudonyms import Pseudonyms
from op25b.scaffold import create
from tests.conftest import put

Make = Callable[..., OpenWorkspace]
FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))


def refused(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        keyfile.finished(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n  " in message, "a remedy stands on the next line"
    return message


def test_a_chain_is_kept_in_order(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys = Keys((FIRST, SECOND))
    keyfile.create(path)
    keyfile.replace(path, keys)
    assert keyfile.read(path) == keys
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == f"{FIRST.hex()}\n{SECOND.hex()}\n"
    assert [other.name for other in tmp_path.iterdir()] == ["key"]


def test_the_name_of_a_chain_tells_chains_apart(tmp_path: Path) -> None:
    chains = [(FIRST,), (SECOND,), (FIRST, SECOND), (SECOND, FIRST), (FIRST + SECOND,)]
    names = {Keys(chain).name for chain in chains}
    assert len(names) == len(chains)
    assert Keys((FIRST,), SECOND).rotated.name == Keys((FIRST, SECOND)).name
    assert FIRST.hex()[:8] not in Keys((FIRST,)).name


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    keyfile.create(path)
    path.chmod(mode)
    assert f"chmod 600 {path}" in refused(path)


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    keyfile.create(path)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert "belongs to" in refused(path)


def test_a_link_is_refused_though_what_it_names_is_good(tmp_path: Path) -> None:
    keyfile.create(tmp_path / "real")
    (tmp_path / "key").symlink_to(tmp_path / "real")
    assert "symbolic link" in refused(tmp_path / "key")


def test_a_link_is_refused_where_the_settings_name_it(workspace: Make, tmp_path: Path) -> None:
    opened = workspace("[privacy]\nkey_file = 'link'\n")
    (tmp_path / "link").symlink_to("op25b.key")
    with pytest.raises(SettingsError, match="symbolic link"):
        opened.ingest()


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    assert "not a plain file" in refused(tmp_path / "key")
    (tmp_path / "directory").mkdir(mode=0o700)
    assert "not a plain file" in refused(tmp_path / "directory")


@pytest.mark.parametrize("content", ["", "\n\n", "zz" * 16, "00" * 15, f"{FIRST.hex()}\n00ff\n",
                                     f"next {FIRST.hex()}\n",
                                     f"{FIRST.hex()}\nnext {SECOND.hex()}\nnext {FIRST.hex()}\n", "é" * 32])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    assert "not a key" in refused(path)


def test_an_unfinished_rotation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keyfile.create(path)
    keyfile.replace(path, Keys((FIRST,), SECOND))
    assert "rotate-key" in refused(path)
    assert keyfile.read(path).rotated == Keys((FIRST, SECOND))


def test_another_key_than_the_lakes_is_refused_by_ingest(workspace: Make, tmp_path: Path) -> None:
    opened = workspace()
    opened.ingest()
    (tmp_path / "op25b.key").unlink()
    Pseudonyms.create(tmp_path / "op25b.key")
    with pytest.raises(LakeError, match=r"not the key of this lake[^\n]*\n  restore the right key"):
        opened.ingest()


def test_init_makes_no_other_key_for_a_lake_that_has_data(workspace: Make, tmp_path: Path) -> None:
    put(workspace(), "subscriber_record", [{"subscriber": "p" + "0" * 20, "source": "0" * 64}])
    key = (tmp_path / "op25b.key").read_bytes()
    (tmp_path / "op25b.key").unlink()
    (tmp_path / "op25b.toml").unlink()
    with pytest.raises(SettingsError, match=r"its key op25b.key is missing\n  restore"):
        create(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake"]
    (tmp_path / "op25b.key").write_bytes(key)
    (tmp_path / "op25b.key").chmod(0o644)
    with pytest.raises(SettingsError, match="others can read"):
        create(tmp_path)
    (tmp_path / "op25b.key").chmod(0o600)
    assert tmp_path / "op25b.key" not in create(tmp_path)
    assert (tmp_path / "op25b.key").read_bytes() == key
