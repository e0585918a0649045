"""A workspace may lie in a directory of almost any name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from op25b.api import open_workspace
from op25b.errors import SettingsError
from op25b.pseudonyms import Pseudonyms
from op25b.scaffold import create
from tests.conftest import SAMPLE


@pytest.mark.parametrize("name", ["a b", "日本", 'a"b', "a'b", "a#b", "x{y}"])
def test_directory_names_that_work(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    shutil.copytree(SAMPLE, root)
    Pseudonyms.create(root / "op25b.key")
    opened = open_workspace(root)
    assert set(opened.ingest()["state"]) == {"new"}
    opened.build()
    assert set(opened.ingest()["state"]) == {"known"}
    assert opened.build().is_empty()
    assert opened.findings().height >= 10
    assert opened.sql("SELECT count(*) FROM flow").item() > 100


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a[1]b", "a*b"])
def test_directory_names_that_do_not_are_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="rename the directory"):
        create(tmp_path / name)
