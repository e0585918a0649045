"""Without pyspark or Java one message says what to install; what is no engine is named."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from op25b.errors import MissingDependencyError, UnknownNameError

REMEDY = r"pip install 'op25b\[spark\]', and Java 17 \(Debian: apt-get install default-jre-headless\)"


@pytest.fixture
def opened(workspace: Callable[[str], OpenWorkspace]) -> OpenWorkspace:
    return workspace("")


def test_without_java(opened: OpenWorkspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    for work in (opened.ingest, opened.build):
        with pytest.raises(MissingDependencyError, match=rf"there is no java in PATH\n  install both: {REMEDY}"):
            work(engine="spark")
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(MissingDependencyError, match="there is no java in JAVA_HOME=/nowhere"):
        opened.build(engine="spark")


def test_without_pyspark(opened: OpenWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    for work in (opened.ingest, opened.build):
        with pytest.raises(MissingDependencyError, match=f"pyspark is not installed\n  install both: {REMEDY}"):
            work(engine="spark")


def test_what_is_no_engine(opened: OpenWorkspace) -> None:
    for work in (opened.ingest, opened.build):
        with pytest.raises(UnknownNameError, match=r"'sparc'; did you mean 'spark'\?\n  known: duckdb, spark"):
            work(engine="sparc")
