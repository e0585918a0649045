"""The pure parts of the evaluation, on tables that a reader can check by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation import budgets, calibration, costs, measures, outcomes, worlds
from tests.evaluation.intervals import with_share

TRUTH = pl.DataFrame([
    ("family", "mail-program", "pop", "known-provider", 9),
    ("family-named-bot", "mail-program", "pop", "known-provider", 9),
    ("family-in-doubt", "mail-program", "webmail", "other", 9),
    ("family-unseen", "mail-program", "pop", "known-provider", 9),
    ("mixed", "mail-program", "pop", "known-provider", 9), ("mixed", "bot", "fast", "other", 9),
    ("mixed-half", "mail-program", "pop", "other", 9), ("mixed-half", "bot", "slow", "other", 9),
    ("bot", "bot", "fast", "other", 9), ("bot", "bot", "fast", "mobile-carrier", 9),
    ("bot-exempted", "bot", "slow", "other", 9),
    ("bot-in-doubt", "bot", "slow", "other", 1), ("bot-in-doubt", "bot", "slow", "mobile-carrier", 1),
    ("bot-relay", "bot", "relay", "own-relay", 0),
    ("printer-relay", "device", "printer", "own-relay", 0),
    ("server", "own-server", "office", "other", 9),
], orient="row", schema=["subscriber", "class", "kind", "destination_group", "sessions"])
FOUND = pl.DataFrame([
    ("family", "mail-program", ["mail-program"], False, False),
    ("family-named-bot", "bot", ["bot"], True, False),
    ("family-in-doubt", "unclear", ["unclear"], False, False),
    ("mixed", "bot", ["bot", "mail-program"], True, True),
    ("mixed-half", "bot", ["bot"], False, True),
    ("bot", "bot", ["bot", "mobile-sender"], True, True),
    ("bot-exempted", "own-server", ["own-server"], False, True),
    ("bot-in-doubt", "unclear", ["unclear", "mobile-sender"], False, False),
    ("bot-relay", "bot", ["bot"], False, False),
    ("server", "own-server", ["own-server"], False, True),
    ("stranger", "mail-program", ["mail-program"], False, False),
], orient="row", schema=["subscriber", "class", "classes", "baseline_5min", "baseline_contacts"])
LINES = outcomes.outcomes(TRUTH, FOUND)


def rows(frame: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return frame.select(*names).rows()


def test_a_line_has_one_primary_class_and_one_answer() -> None:
    assert rows(LINES, "subscriber", "primary", "answer") == [
        ("bot", "bot", "bot"),
        ("bot-exempted", "bot", "own-server"),
        ("bot-in-doubt", "bot", "unclear"),
        ("bot-relay", "elsewhere", "bot"),
        ("family", "mail-program", "mail-program"),
        ("family-in-doubt", "mail-program", "unclear"),
        ("family-named-bot", "mail-program", "bot"),
        ("family-unseen", "mail-program", "not listed"),
        ("mixed", "mail-program", "mail-program"),
        ("mixed-half", "mail-program", "bot"),
        ("printer-relay", "elsewhere", "not listed"),
        ("server", "own-server", "own-server"),
        ("stranger", "nobody", "mail-program"),
    ]


def test_confusion_counts_every_line_once() -> None:
    assert outcomes.confusion(LINES).rows() == [
        ("mail-program", "mail-program", 2), ("mail-program", "bot", 2), ("mail-program", "unclear", 1),
        ("mail-program", "not listed", 1), ("own-server", "own-server", 1), ("bot", "own-server", 1), ("bot", "bot", 1),
        ("bot", "unclear", 1), ("elsewhere", "bot", 1), ("elsewhere", "not listed", 1), ("nobody", "mail-program", 1)]
    assert outcomes.confusion(LINES)["lines"].sum() == LINES.height == 13


def test_each_class_is_judged_by_itself() -> None:
    frame = measures.per_class(LINES)
    counts = {row[0]: row[1:] for row in rows(
        frame, "class", "true", "unseen", "right", "abstained", "wrong", "called", "called_right")}
    assert counts["mail-program"] == (6, 1, 2, 1, 2, 3, 2)
    assert counts["bot"] == (5, 0, 3, 1, 1, 5, 4)  # the one behind the relay is rightly called, and no miss otherwise
    assert counts["own-server"] == (1, 0, 1, 0, 0, 2, 1)
    assert counts["device"] == (0, 0, 0, 0, 0, 0, 0)
    assert counts["mobile-sender"] == (2, 0, 2, 0, 0, 2, 2)
    shares = {row[0]: row[1:] for row in rows(frame, "class", "recall", "recall_seen", "abstention", "precision")}
    assert shares["mail-program"] == pytest.approx((2 / 6, 2 / 5, 1 / 5, 2 / 3))
    assert shares["device"] == (None, None, None, None)


def test_the_baselines_stand_beside_ours() -> None:
    frame = measures.bots_beside_baselines(LINES)
    assert rows(frame, "rule", "called", "called_right", "true", "right", "families") == [
        ("op25b", 5, 4, 5, 3, 1), ("baseline_5min", 3, 2, 5, 2, 1), ("baseline_contacts", 5, 4, 5, 4, 0)]


def test_families_called_bot_are_those_without_one_and_those_not_warned() -> None:
    assert rows(measures.called_bot(LINES), "families", "wrongly", "only", "either") == [(5, 1, 2, 2)]


def test_what_does_not_go_to_port_25_is_told_apart() -> None:
    assert measures.elsewhere(LINES).rows() == [("bot", 1, 1), ("device", 1, 0)]
    assert measures.strangers(LINES) == 1


def test_mixed_lines_show_all_that_was_named() -> None:
    assert outcomes.mixed(LINES).rows() == [("bot + mail-program", "bot", 1), ("bot + mail-program",
                                                                               "bot + mail-program", 1)]


def test_kinds_say_what_was_missed_and_what_it_was_called() -> None:
    assert outcomes.by_kind(LINES, TRUTH).rows() == [
        ("bot", "fast", 2, 2, ""),
        ("bot", "relay (elsewhere)", 1, 1, ""),
        ("bot", "slow", 3, 1, "own-server 1, unclear 1"),
        ("device", "printer (elsewhere)", 1, 0, "not listed 1"),
        ("mail-program", "pop", 5, 2, "bot 2, not listed 1"),
        ("mail-program", "webmail", 1, 0, "unclear 1"),
        ("own-server", "office", 1, 1, ""),
    ]


def test_an_unwarned_family_costs_more_than_any_other_error() -> None:
    worst = costs.cost("mail-program", "bot")
    others = [row[2] for row in costs.table().rows() if row[0] not in {"mail-program", "own-server"}]
    assert worst == 20.0 > max(others)
    assert costs.cost("bot", "own-server") > costs.cost("bot", "mail-program") == 1.0
    assert all(costs.cost(name, name) == 0.0 for name in outcomes.PRIMARY)
    assert costs.table().height == (len(outcomes.PRIMARY) + 2) * len(outcomes.ANSWERS)


def test_costs_are_charged_per_listed_line() -> None:
    # ours: two families called bot (40), a family and a bot in doubt (6), an exempted bot (5), a stranger (1)
    # 5 minutes: family-named-bot and mixed unwarned (40), needless notices for bot-exempted, bot-in-doubt, bot-relay,
    #   stranger (4), a wrong notice for the server (2).
    # contacts: mixed, mixed-half (40), server (20), needless notices for bot-in-doubt, bot-relay, stranger (3).
    frame = costs.total(LINES)
    assert rows(frame, "rule", "lines", "cost") == [
        ("op25b", 11, 52.0), ("baseline_5min", 11, 46.0), ("baseline_contacts", 11, 63.0)]
    assert frame["per_thousand"].to_list() == pytest.approx([52000 / 11, 46000 / 11, 63000 / 11])


def test_bins_and_scores() -> None:
    cases = pl.DataFrame({"class": ["bot"] * 4, "probability": [0.05, 0.95, 1.0, 0.95],
                          "holds": [False, True, True, False]})
    made = calibration.bins(cases)
    assert rows(made, "class", "low", "high", "cases", "hits") == [("bot", 0.0, 0.1, 1, 0), ("bot", 0.9, 1.0, 3, 2)]
    assert made["predicted"].to_list() == pytest.approx([0.05, 2.9 / 3])
    score = calibration.scores(cases).row(0, named=True)
    assert score["brier"] == pytest.approx((0.05**2 + 0.05**2 + 0.95**2) / 4)
    assert score["ece"] == pytest.approx((0.05 + 3 * (2.9 / 3 - 2 / 3)) / 4)
    assert score["skill"] == pytest.approx(1 - score["brier"] / 0.25)


def test_cases_of_calibration_count_what_the_line_holds() -> None:
    probabilities = pl.DataFrame([
        ("mixed", "bot", 0.9), ("mixed", "mail-program", 0.8), ("mixed", "own-server", 0.1), ("bot-relay", "bot", 0.7),
        ("stranger", "mail-program", None),
    ], orient="row", schema=["subscriber", "class", "probability"])
    assert rows(calibration.cases(LINES, probabilities), "subscriber", "class", "holds") == [
        ("bot-relay", "bot", True), ("mixed", "bot", True), ("mixed", "mail-program", True),
        ("mixed", "own-server", False)]


def test_budgets_are_met_or_missed_by_the_value() -> None:
    frame = budgets.budgets(LINES)
    assert rows(frame, "budget", "met") == [
        ("mail-program: recall", False), ("bot: recall", False), ("own-server: recall", True),
        ("bot: precision", False), ("mail-program: called bot", False)]
    assert frame.filter(pl.col("budget") == "mail-program: called bot")["value"].item() == pytest.approx(2 / 5)


def test_a_budget_without_cases_is_not_met() -> None:
    nobody = outcomes.outcomes(TRUTH.clear(), FOUND.clear())
    assert nobody.height == 0
    assert budgets.budgets(nobody)["met"].to_list() == [False] * 5


def test_wilson_intervals() -> None:
    frame = with_share(pl.DataFrame({"hits": [0, 10, 97, 0], "of": [10, 10, 100, 0]}), "share", "hits", "of")
    # Wilson's own formula; 0 of 10 and 10 of 10 mirror each other. The third is Newcombe's way (1998), 97 of 100.
    assert frame["share_low"].to_list()[:3] == pytest.approx([0.0, 0.72247, 0.91548], abs=1e-5)
    assert frame["share_high"].to_list()[:3] == pytest.approx([0.27753, 1.0, 0.98974], abs=1e-5)
    assert frame.row(3) == (0, 0, None, None, None)


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share(hits: int, more: int) -> None:
    row = with_share(pl.DataFrame({"hits": [hits], "of": [hits + more]}), "s", "hits", "of").row(0, named=True)
    assert 0 <= row["s_low"] <= row["s"] <= row["s_high"] <= 1


def test_worlds_are_not_those_the_rules_were_tuned_on() -> None:
    seeds = [world.seed for world in worlds.WORLDS]
    assert len(set(seeds)) == len(seeds)
    assert all(101 <= seed <= 199 for seed in seeds)
    assert len({world.name for world in worlds.WORLDS}) == len(seeds)


@pytest.mark.parametrize("world", worlds.WORLDS, ids=lambda world: world.name)
def test_synth_knows_the_parameters_of_each_world(world: worlds.World, tmp_path: Path) -> None:
    from op25b.synth.parameters import load

    file = tmp_path / "parameters.toml"
    file.write_text(world.toml(), encoding="utf-8")
    assert (load(file) == load(None)) == (not world.parameters)
