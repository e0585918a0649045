"""op25b.report_template.tied and the sentences on clocks: what a report says of coverage, small cells left out."""

from __future__ import annotations

import html
import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from op25b.coverage.words import sentences
from op25b.report_template import tied
from op25b.report_template.tied import Tied
from op25b.small_cells import MARK, SmallCells
from tests.pipelines.rows import flow, lease
from tests.test_coverage import HANDED_OVER, OUTSIDE, made


def words(text: str) -> list[str]:
    """The texts of a piece of the page, in order."""
    return [html.unescape(found.strip()) for found in re.split(r"<[^>]*>", text) if found.strip()]


def test_days_and_nodes(tmp_path: Path) -> None:
    flows = [flow("198.18.0.1:4000", OUTSIDE, "09:00"), flow("198.18.0.1:4001", OUTSIDE, "2007-06-03 09:00:00"),
             flow("198.18.0.1:4002", OUTSIDE, "2007-06-03 09:00:00"), flow("198.18.0.2:4000", OUTSIDE, "09:00"),
             flow("198.18.0.3:4000", OUTSIDE, "09:00"), flow("198.18.0.4:4000", OUTSIDE, "09:00")]
    leases = [lease("198.18.0.1", "a", "2007-06-01 00:00:00"), lease("198.18.0.2", "b", "2007-06-01 00:00:00"),
              lease("198.18.0.3", "a", "10:00", access_server="<nas9>")]
    opened = made(tmp_path, flows, leases, {"a": "node-1", "b": "node-2"})
    page = Tied(opened.workspace, "en")
    first, second = date(2007, 6, 2), date(2007, 6, 3)
    assert page.days().rows() == [
        (first, "attributed", 2, 0.5), (first, "unattributed", 2, 0.5), (second, "attributed", 2, 1.0),
        (second, "unattributed", 0, 0.0)]
    assert words(page.nodes(20).text) == [
        "access node", "flow records", "attributed", "no lease", "overlapping leases", "share attributed",
        "node-1", "3", "3", "0", "0", "100 %", "node-2", "1", "1", "0", "0", "100 %",
        "unknown (NAS <nas9>)", "1", "0", "1", "0", "0 %", "unknown", "1", "0", "1", "0", "0 %"]
    assert words(page.nodes(1).text)[-1] == "The 1 access nodes with most flow records; 1 more are not shown."


def test_clocks_in_both_languages(tmp_path: Path) -> None:
    opened = made(tmp_path, [flow("198.18.0.1:4000", OUTSIDE, "11:59:30"), flow("198.18.0.1:4001", OUTSIDE, "10:00")],
                  HANDED_OVER)
    assert words(Tied(opened.workspace, "en", small_cells=True).clocks().text) == [
        ("If the clocks of lease logs and flows differed by 60 s, up to 1 of the 2 flow records (50 %) would be "
         "nobody's, and up to 1 (50 %) another line's, which no record would show."),
        ("Of the 1 lines listed as senders to external port 25, up to 0 would not be listed, and up to 1 (100 %) would "
         "not be or would rest on other evidence; up to 1 would be new.")]
    hidden = words(Tied(opened.workspace, "en").clocks().text)[1]
    assert hidden.startswith(f"Of the {MARK} lines listed")
    assert "up to 1" not in hidden
    japanese = words(Tied(opened.workspace, "ja", small_cells=True).clocks().text)
    assert [re.findall(r"[\d.]+", sentence) for sentence in japanese] == [
        ["60", "2", "1", "50", "1", "50"], ["25", "1", "0", "1", "100", "1"]]


def test_many_sessions_keep_no_page_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = made(tmp_path, [flow("198.18.0.1:4000", OUTSIDE, "11:59:30")], HANDED_OVER)
    monkeypatch.setattr(tied, "MOST_SESSIONS", 0)
    page = Tied(opened.workspace, "en")
    (said,) = words(page.clocks().text)
    assert said.endswith("as there are more than 0 connections: 'op25b coverage' tells.")
    assert page.days().rows() == [(date(2007, 6, 2), "attributed", 1, 1.0)]


def test_without_leases_nothing_is_said_of_their_clock(tmp_path: Path) -> None:
    opened = made(tmp_path, [flow("198.18.0.1:4000", OUTSIDE, "11:59:30")], [])
    assert words(Tied(opened.workspace, "en").clocks().text) == [
        "There are no leases, so nothing can be said of their clock."]


COUNTS = {"attributed": 0, "unattributed": 0, "ambiguous": 0, "by_address": 0, "became_unattributed": 0,
          "became_ambiguous": 0, "another_line": 0, "became_attributed": 0}


@pytest.mark.parametrize(("listed", "disappear", "other", "shown"), [
    (100, 0, 20, ["100", "0", "20", "20 %"]),
    (100, 3, 20, ["100", MARK, "23", "23 %"]),
    (100, 18, 2, ["100", MARK, "20", "20 %"]),  # 18 of 20 would tell that two have other evidence
    (100, 0, 3, ["100", MARK, MARK, MARK]),
    (23, 0, 20, ["23", "0", MARK, MARK]),  # three lines stay as they are
])
def test_few_lines_are_not_told(listed: int, disappear: int, other: int, shown: list[str]) -> None:
    frame = pl.DataFrame([{"lease_clock": clock, "flows": 1000, **COUNTS} for clock in (-60, 0, 60)])
    findings = pl.DataFrame({"lease_clock": [-60, 60], "listed": listed, "disappear": [0, disappear], "appear": 0,
                             "other_evidence": [0, other]})
    _, said = sentences(frame, findings, "en", SmallCells(5))
    number = rf"(\d+|{MARK})"
    found = re.search(rf"Of the {number} .*? up to {number} .*? up to {number} \((\d+ %|{MARK})\)", said)
    assert found
    assert list(found.groups()) == shown
