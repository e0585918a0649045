"""Small simulated ISPs: one without what blurs the logs (clocks, gaps, lost records), read and built."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from op25b import synth
from op25b.api import OpenWorkspace, open_workspace

QUIET = {
    "access": {"lost_stop_share": 0.0, "late_stop_share": 0.0, "clock_skew_seconds": 0.0, "interim_hours": 12.0,
               "dial_share": 0.3},
    "exporter": {"gaps_per_week": 0.0, "clock_skew_seconds": 0.0},
    # So that three hundred lines have some of everything.
    "servers": {"home_share": 0.02}, "devices": {"nas_share": 0.05, "camera_share": 0.05},
    "bots": {"share": 0.04}, "mobile": {"share": 0.03}, "scanners": {"share": 0.01, "active_days_share": 0.9},
}
SIZE = {"subscribers": 300, "days": 3, "seed": 7}


def truth_of(directory: Path) -> pl.DataFrame:
    return pl.read_csv(directory / "truth.csv", try_parse_dates=True)


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw logs of a small ISP, every packet exported."""
    directory = tmp_path_factory.mktemp("synth") / "quiet"
    synth.write(directory, **SIZE, parameters=QUIET)
    return directory


@pytest.fixture(scope="session")
def built(quiet: Path) -> OpenWorkspace:
    """The same, ingested and built."""
    opened = open_workspace(quiet)
    accounting = opened.ingest()
    assert accounting["error"].unique().to_list() == [""]
    opened.build()
    return opened
