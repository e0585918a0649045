"""The committed sample against its truth table: every subscriber, every statement."""

from __future__ import annotations

import csv

import pytest

from op25b.api import OpenWorkspace
from tests.conftest import SAMPLE

TRUTH = list(csv.DictReader((SAMPLE / "truth.csv").read_text(encoding="utf-8").splitlines()))


def true(text: str) -> bool:
    assert text in {"true", "false"}
    return text == "true"


def test_the_cast_is_complete() -> None:
    assert len(TRUTH) >= 20
    assert {row["class"] for row in TRUTH} == {"", "mail-program", "own-server", "bot", "mobile-sender"}


@pytest.mark.parametrize("row", TRUTH, ids=lambda row: f"{row['subscriber']}-{row['role']}")
def test_findings_and_simulation_say_what_the_cast_did(sample: OpenWorkspace, row: dict[str, str]) -> None:
    check_row(sample, row)


def check_row(opened: OpenWorkspace, row: dict[str, str]) -> None:
    """Hold findings and simulate against one row of a truth table."""
    pseudonym = opened.pseudonym(row["subscriber"])
    found = {r["subscriber"]: r for r in opened.findings().iter_rows(named=True)}
    impact = {r["subscriber"]: r for r in opened.simulate().iter_rows(named=True)}
    assert (pseudonym in found) == true(row["sends_external_25"])
    if pseudonym in found:
        assert found[pseudonym]["class"] == row["class"]
        assert found[pseudonym]["reasons"]
    # Whoever sends no mail from a line has no row, and nothing of theirs is blocked.
    statements = ("already_blocked", "newly_blocked", "needs_notice")
    mine = impact.get(pseudonym, dict.fromkeys(statements, False) | {"remedy": None})
    for name in statements:
        assert mine[name] == true(row[name]), name
    assert (mine["remedy"] or "") == row["remedy"]


def test_nobody_else_is_found(sample: OpenWorkspace) -> None:
    known = {sample.pseudonym(row["subscriber"]) for row in TRUTH}
    assert set(sample.findings()["subscriber"]) <= known
    assert set(sample.simulate()["subscriber"]) <= known


def test_attempts_that_never_got_an_answer_are_counted(sample: OpenWorkspace) -> None:
    mobile = sample.findings().filter(sample.findings()["class"] == "mobile-sender")
    assert mobile.height >= 1
    for row in mobile.iter_rows(named=True):
        assert row["no_answer"] == row["sessions"] > 0
        assert row["established"] == 0
