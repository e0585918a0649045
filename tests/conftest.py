"""Fixtures that several tests share: empty workspaces, and the built sample."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import settings

from op25b import schema
from op25b.api import OpenWorkspace, open_workspace
from op25b.lake import Lake
from op25b.pseudonyms import Pseudonyms
from op25b.readers.base import ip_numbers

# In CI the examples of property tests follow from the code alone, so that a run can be repeated; everywhere else they
# are new each time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI") == "true":
    settings.load_profile("ci")

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample"


def numbers(name: str, address: str) -> dict[str, int | None]:
    """The columns of a flow record that hold an address as a number."""
    return dict(zip((f"{name}_high", f"{name}_low"), ip_numbers(address) or (None, None), strict=True))


SETTINGS = """
[site]
name = "Test ISP"
timezone = "Asia/Tokyo"
language = "en"
[networks]
subscribers = ["198.18.0.0/16", "2001:db8:100::/40"]
relays = ["203.0.113.0/28"]
[reference]
builtin = false
[[destinations]]
name = "Carrier"
group = "mobile-carrier"
networks = ["198.51.100.0/26"]
[[destinations]]
name = "Provider"
group = "known-provider"
networks = ["198.51.100.64/27"]
submission = [587]
[policy.current]
rules = [
  { name = "own", action = "allow", destination = "own-relay" },
  { name = "mobile", action = "block", destination = "mobile-carrier" },
]
[policy.proposed]
effective_from = 2007-07-10
rules = [
  { name = "own", action = "allow", destination = "own-relay" },
  { name = "mobile", action = "block", destination = "mobile-carrier" },
  { name = "fixed", action = "allow", plans = ["IP1", "IP8", "IP16"] },
  { name = "rest", action = "block" },
]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[[str], OpenWorkspace]:
    """A function that makes an empty workspace in tmp_path from extra lines of op25b.toml."""

    def make(extra: str = "", settings: str = SETTINGS) -> OpenWorkspace:
        (tmp_path / "op25b.toml").write_text(settings + extra, encoding="utf-8")
        if not (tmp_path / "op25b.key").exists():
            Pseudonyms.create(tmp_path / "op25b.key")
        return open_workspace(tmp_path)

    return make


def put(opened: OpenWorkspace, table: str, rows: list[dict[str, object]]) -> None:
    """Append literal rows to a raw table, as an ingestion would have."""
    declared = schema.raw_table(table)
    frame = declared.conform(pl.DataFrame(rows, infer_schema_length=None))
    Lake(opened.workspace.lake_path).append(table, frame.to_arrow(), [])


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    """The committed sample, ingested and built once; tests only read it."""
    directory = tmp_path_factory.mktemp("sample")
    shutil.copytree(SAMPLE, directory, dirs_exist_ok=True)
    Pseudonyms.create(directory / "op25b.key")
    opened = open_workspace(directory)
    opened.ingest()
    opened.build()
    return opened


def require(condition: bool, reason: str) -> None:
    """Skip where the machine lacks something; in CI that is a failure (see `pytest_runtest_makereport`)."""
    if not condition:
        pytest.skip(reason)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """In CI nothing is skipped: a skip is a failure there."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI must not skip: {report.longrepr}"
