"""What a result could not know is said beside it, and numbers that only look like results are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from op25b.caveats import caveats
from op25b.errors import LakeError
from tests.conftest import SETTINGS
from tests.support.ipfix import Flow, write_nfcapd

Make = Callable[..., OpenWorkspace]
MAIL = [Flow("2026-01-31 12:00:00", "2026-01-31 12:00:02", "198.18.1.5", 40000, "198.51.100.70", 25),
        Flow("2026-01-31 12:00:00.1", "2026-01-31 12:00:02", "198.51.100.70", 25, "198.18.1.5", 40000)]
SYN = [Flow("2026-01-31 12:00:00", "2026-01-31 12:00:09", "198.18.1.6", 40000, "198.51.100.70", 25, "S", 3, 180)]


def made(workspace: Make, tmp_path: Path, flows: list[Flow], extra: str = "", **options: str) -> OpenWorkspace:
    write_nfcapd(tmp_path / "flows", flows)
    opened = workspace(f'[[inputs.flows]]\npath = "flows/nfcapd.2*"\n{extra}', **options)
    opened.ingest()
    return opened


def test_a_lake_that_is_not_built_gives_no_numbers(workspace: Make, tmp_path: Path) -> None:
    opened = made(workspace, tmp_path, MAIL)
    for ask in (opened.findings, opened.simulate, lambda: opened.explain("x")):
        with pytest.raises(LakeError, match="run 'op25b build' first"):
            ask()


def test_without_relays_only_senders_are_listed_and_it_is_said(workspace: Make, tmp_path: Path) -> None:
    settings = SETTINGS.replace('relays = ["203.0.113.0/28"]', "")
    opened = made(workspace, tmp_path, MAIL, settings=settings)
    opened.build()
    with pytest.raises(LakeError, match=r"set \[networks\] relays"):
        opened.simulate()
    assert opened.findings()["subscriber"].to_list() == ["198.18.1.5"]
    assert "no-relays" in caveats(opened.workspace, "en")


def test_unknown_sampling_is_said_and_no_mail_is_called_working(workspace: Make, tmp_path: Path) -> None:
    opened = made(workspace, tmp_path, SYN)
    opened.build()
    said = caveats(opened.workspace, "en")
    assert set(said) == {"no-leases", "sampling-unknown", "no-list"}
    assert said["sampling-unknown"].startswith("the sampling interval of 100.0 % of the flow records is unknown")
    explained = opened.explain("198.18.1.6", "en")
    assert explained.verdict == "maybe-affected"
    assert "The plan of this line is not known" in "\n".join(explained.lines)


def test_every_packet_seen_and_never_an_answer_loses_nothing(workspace: Make, tmp_path: Path) -> None:
    opened = made(workspace, tmp_path, SYN, "sampling_interval = 1\n")
    opened.build()
    assert opened.explain("198.18.1.6", "en").verdict == "attempts-only"
    assert set(caveats(opened.workspace, "en")) == {"no-leases", "no-list"}


def test_files_ingested_after_the_build_make_it_stale(workspace: Make, tmp_path: Path) -> None:
    opened = made(workspace, tmp_path, MAIL, "sampling_interval = 1\n[[inputs.subscribers]]\npath = 'list*.csv'\n")
    opened.build()
    assert "stale" not in caveats(opened.workspace, "en")
    (tmp_path / "list.csv").write_text("subscriber,plan\nA,x\n")
    opened.ingest()
    assert "run 'op25b build'" in caveats(opened.workspace, "en")["stale"]
    opened.build()
    said = caveats(opened.workspace, "en")
    assert "stale" not in said
    assert said["plan-unused"] == "plans that the policies name and no line has: IP1, IP16, IP8"


def test_the_sample_has_nothing_to_excuse(sample: OpenWorkspace) -> None:
    assert caveats(sample.workspace, "en") == {}
    assert caveats(sample.workspace, "ja") == {}
