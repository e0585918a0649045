"""Labelled traffic in the layout of CTU-13, with its labels: read by our Argus reader, judged, held against them.

The file is made here, by hand as it were; the data set itself is the Stratosphere Laboratory's.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.evaluation import __main__ as command
from tests.evaluation import ctu

HEADER = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label"
BOT, CLEAN, OTHER, NETWORK = "147.32.84.165", "147.32.84.170", "147.32.86.20", "147.32.0.0/16"
SPAM = "flow=From-Botnet-V42-TCP-Attempt-SPAM"
NORMAL = "flow=From-Normal-V42-Stribrek"
PLAIN = "flow=Background-TCP-Established"


def row(second: int, source: str, target: str, port: str, state: str, counts: str, label: str) -> str:
    minute, rest = divmod(second, 60)
    start = f"2011/08/10 {10 + minute // 60:02}:{minute % 60:02}:{rest:02}.047277"
    return f"{start},1.026539,tcp,{source},{1025 + second},   ->,{target},{port},{state},0,0,{counts},{label}"


def sessions(source: str, target: str, label: str, days: range) -> list[str]:
    """Mail sent to a provider, and its mailbox read there."""
    return [line for start in days for line in (
        row(start * 900, source, target, "25", "FSPA_FSPA", "21,5800,4900", label),
        row(start * 900 + 5, source, target, "110", "FSPA_FSPA", "16,1900,700", label))]


LINES = [
    # A spam bot: sixty servers in five minutes, two of three do not answer or refuse.
    *(row(n * 5, BOT, f"198.51.{100 + n}.{n + 1}", "25" if n % 2 else "0x0019",
          ("S_", "S_RA", "FSPA_FSPA")[n % 3], ("3,186,186", "2,120,66", "17,13184,12602")[n % 3],
          SPAM if n % 3 < 2 else "flow=From-Botnet-V42-TCP-Established") for n in range(60)),
    row(900, BOT, "147.32.80.9", "53", "CON", "2,203,64", "flow=From-Botnet-V42-UDP-DNS"),
    *sessions(CLEAN, "203.0.113.10", NORMAL, range(8)),
    *sessions(OTHER, "203.0.113.77", PLAIN, range(6)),
    # What comes from outside says nothing of the lines, whatever the label; a reply's source port is no destination.
    row(30, "203.0.113.200", BOT, "25", "S_", "1,62,62", "flow=To-Botnet-V42-TCP-Attempt"),
    row(31, CLEAN, "203.0.113.201", "80", "FSPA_FSPA", "10,4000,900", NORMAL),
]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "capture20110810.binetflow"
    path.write_text("\n".join([HEADER, *sorted(LINES)]) + "\n", encoding="utf-8")
    return path


def test_labels_become_the_truth_of_an_address(labelled: Path) -> None:
    assert ctu.truth(labelled, [NETWORK]).rows() == [(BOT, "bot", 60), (CLEAN, "clean", 8), (OTHER, "unlabelled", 6)]
    outside = ctu.truth(labelled, ["203.0.113.0/24"])
    assert outside.rows() == [("203.0.113.200", "unlabelled", 1)]


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.binetflow"
    path.write_text(HEADER.removesuffix(",Label") + "\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no column Label"):
        ctu.truth(path, [NETWORK])


def test_rules_are_counted_by_side() -> None:
    lines = pl.DataFrame([
        ("a", "bot", "bot", ["bot"], True, False), ("b", "bot", "unclear", ["unclear"], False, True),
        ("c", "clean", "mail-program", ["mail-program"], False, False), ("d", "clean", "bot", ["bot"], False, True),
        ("e", "unlabelled", "bot", ["bot"], True, True), ("f", "unlabelled", "not listed", None, None, None),
    ], orient="row", schema=["subscriber", "side", "class", "classes", "baseline_5min", "baseline_contacts"])
    assert ctu.rules(lines).select(
        "rule", "bots", "bots_called", "abstained", "clean", "clean_called", "unlabelled_called").rows() == [
        ("op25b", 2, 1, 1, 2, 1, 1), ("baseline_5min", 2, 1, 0, 2, 0, 1), ("baseline_contacts", 2, 1, 0, 2, 1, 1)]
    assert ctu.rules(lines).row(0, named=True)["precision"] == 0.5


def test_the_file_goes_through_findings(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--binetflow", str(labelled), "--subscribers", NETWORK]) == 0
    out = capsys.readouterr().out.splitlines()
    ours = [cell.strip() for cell in next(line for line in out if line.startswith("| op25b ")).split("|")]
    assert ours[2:5] == ["1", "1", "0"]  # one bot, called so
    assert ours[6:8] == ["1", "0"]       # one clean address, not called so
    assert any(line.startswith(f"| {CLEAN} ") and "mail-program" in line for line in out)
