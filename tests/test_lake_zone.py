"""The days of a lake are those of one time zone: settings that name another one later are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace, open_workspace
from op25b.errors import LakeError
from op25b.workspace import SETTINGS_FILE

LOG = "2026-11-24T23:30:01+00:00 mx postfix/qmgr[1]: 3F2A1B: from=<a@isp.example>, size=1, nrcpt=1 (queue active)\n"
INPUTS = """
[[inputs.mail]]
path = "mail*"
"""


@pytest.fixture
def opened(workspace: Callable[..., OpenWorkspace], tmp_path: Path) -> OpenWorkspace:
    """A workspace in Tokyo, and a log of 23:30 in London, which is 8:30 of the next day there."""
    made = workspace(INPUTS)
    (tmp_path / "mail.log").write_text(LOG)
    return made


def in_zone(opened: OpenWorkspace, zone: str) -> OpenWorkspace:
    """The workspace after somebody edited its settings."""
    settings = opened.workspace.root / SETTINGS_FILE
    settings.write_text(settings.read_text().replace(opened.workspace.config.site.timezone, zone))
    return open_workspace(opened.workspace.root)


def days(opened: OpenWorkspace) -> list[str]:
    return opened.sql("SELECT CAST(day AS VARCHAR) FROM mail_event").to_series().to_list()


def test_another_zone_is_refused_by_what_writes_and_what_reads_until_it_is_put_back(opened: OpenWorkspace) -> None:
    opened.ingest()
    opened.build()
    moved = in_zone(opened, "Europe/London")
    for use in (moved.ingest, moved.build, moved.status, lambda: days(moved)):
        with pytest.raises(LakeError, match=r"'Europe/London'.* those of 'Asia/Tokyo'\n  put 'Asia/Tokyo' back"):
            use()
    assert days(in_zone(moved, "Asia/Tokyo")) == ["2026-11-25"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_nothing_expires_or_seems_to_by_the_days_of_another_zone(opened: OpenWorkspace, dry_run: bool) -> None:
    settings = opened.workspace.root / SETTINGS_FILE
    settings.write_text(settings.read_text() + "[retention]\nmail_event = 1\n")
    opened.ingest()  # no build: an expiry has nothing else to look at the zone for
    moved = in_zone(opened, "Europe/London")
    with pytest.raises(LakeError, match="put 'Asia/Tokyo' back"):
        moved.expire(dry_run=dry_run)
    assert days(in_zone(moved, "Asia/Tokyo")) == ["2026-11-25"]


def test_before_rows_came_the_zone_is_free(opened: OpenWorkspace, tmp_path: Path) -> None:
    log = (tmp_path / "mail.log").rename(tmp_path / "later")
    opened.ingest()
    moved = in_zone(opened, "Europe/London")
    log.rename(tmp_path / "mail.log")
    moved.ingest()
    assert days(moved) == ["2026-11-24"]


def test_a_lake_made_before_zones_were_noted_gets_that_of_the_next_ingestion(opened: OpenWorkspace) -> None:
    opened.ingest()
    (opened.workspace.lake_path / ".timezone").unlink()
    opened.ingest()
    with pytest.raises(LakeError, match="Europe/London"):
        in_zone(opened, "Europe/London").build()
