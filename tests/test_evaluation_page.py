"""What `make eval` prints and draws: tables of what was counted, and charts that name columns that are there."""

from __future__ import annotations

import polars as pl
import pytest
import vl_convert

from tests.evaluation import __main__ as command
from tests.evaluation import calibration, charts, costs, outcomes, page
from tests.evaluation.markdown import matrix, number, of, share, table
from tests.evaluation.worlds import SAMPLINGS, WORLDS, World
from tests.test_evaluation import FOUND, TRUTH

LABEL = [pl.lit("usual").alias("world"), pl.lit(1).alias("sampling")]
LINES = outcomes.outcomes(TRUTH, FOUND).with_columns(LABEL)
CASES = calibration.cases(LINES, pl.DataFrame([
    ("usual", 1, "bot", "bot", 0.95), ("usual", 1, "family", "bot", 0.05),
    ("usual", 1, "family", calibration.MAIN, 0.9),
], orient="row", schema=["world", "sampling", "subscriber", "class", "probability"]))
MEASURED = page.Measured(LINES, TRUTH.with_columns(LABEL), CASES, FOUND.with_columns(LABEL))


def test_tables_are_as_wide_as_their_cells() -> None:
    rows = [{"a": 1234, "b": None, "c": 0.5, "c_low": 0.25, "c_high": 0.75}]
    assert table(rows, {"count": of("a"), "none": of("b"), "share": share("c"), "n": number("c", 1)}) == (
        "| count | none | share               | n   |\n"
        "|-------|------|---------------------|-----|\n"
        "| 1,234 |      | 0.500 (0.250–0.750) | 0.5 |")


def test_a_matrix_leaves_out_what_never_occurs() -> None:
    frame = pl.DataFrame({"truth": ["x", "y"], "answer": ["y", "x"], "lines": [3, 4]})
    assert matrix(frame, "truth", "answer", "lines", ("x", "y", "z")).splitlines() == [
        "| truth \\ answer | x | y |", "|----------------|---|---|", "| x              |   | 3 |",
        "| y              | 4 |   |"]


def test_the_page_tells_what_was_counted() -> None:
    words = page.page(MEASURED, WORLDS[:1])
    lines = words.splitlines()
    assert "## Every packet (1:1)" in lines
    rows = [[cell.strip() for cell in line.split("|")[1:7]] for line in lines if line.startswith("| mail-program ")]
    assert ["mail-program", "6", "1", "2", "1", "2"] in rows
    assert "Of 5 listed lines with a mail program 1 were called bot without having one, 2 were called bot" in words
    assert "and named: bot 1 of 1, device 0 of 1." in words
    assert "called something: 1." in words
    assert sum("MISSED" in line for line in lines) == 4
    (server,) = (line for line in lines if line.startswith("| own-server: recall "))
    assert " 1.000 (0.207–1.000) met " in server


def test_sealed_worlds_are_judged_by_themselves_too() -> None:
    usual, sealed = WORLDS[0], next(world for world in WORLDS if world.sealed)
    servers = LINES.filter(pl.col("primary") == "own-server")
    both = pl.concat([LINES, servers.with_columns(pl.lit(sealed.name).alias("world"))])
    measured = page.Measured(both, MEASURED.truth, CASES, MEASURED.found)
    made = page.judged(measured, [usual, sealed])
    assert list(made) == ["all worlds", "sealed worlds"]
    assert made["sealed worlds"]["met"].to_list() == [False, False, True, False, False]
    assert list(page.judged(measured, [usual])) == ["all worlds"]


def test_the_page_in_the_docs_describes_these_worlds_and_costs() -> None:
    written = command.DOCS.read_text(encoding="utf-8")
    assert written.startswith(page.HEAD)
    assert page.worlds_table(WORLDS) in written
    assert page.costs_table() in written
    assert "## Budgets" in written
    assert all(f"One packet in {sampling:,}" in written for sampling in SAMPLINGS if sampling > 1)


def test_every_error_has_its_cost_on_the_page() -> None:
    assert "| mail-program" in page.costs_table()
    assert page.costs_table().count("20.0") == costs.table().filter(pl.col("cost") == 20.0).height == 6


def test_worlds_are_written_as_parameters() -> None:
    world = World("w", "", 101, parameters={"bots": {"share": 0.5}, "exporter": {"own_mailboxes": True}})
    assert world.toml() == "[bots]\nshare = 0.5\n\n[exporter]\nown_mailboxes = true\n"
    assert World("w", "", 101).toml() == ""


def test_charts_name_columns_that_are_there_and_render() -> None:
    reliability = charts.reliability(calibration.bins(CASES), calibration.scores(CASES), "Calibration")
    confusion = charts.confusion(outcomes.confusion(LINES), "Lines")
    made = reliability.to_dict()
    assert [panel["vconcat"][0]["title"] for panel in made["vconcat"][0]["hconcat"]] == [
        "the class given: 1 cases, Brier 0.010, ECE 0.100", "bot: 2 cases, Brier 0.003, ECE 0.050"]
    rows = [row for data in made["datasets"].values() for row in data]
    assert {"predicted", "share", "cases", "low", "high", "share_low", "share_high"} <= set().union(*rows)
    for chart in (reliability, confusion):
        assert vl_convert.vegalite_to_svg(chart.to_dict(), vl_version="6.4").startswith("<svg")
    assert sum(row["lines"] for data in confusion.to_dict()["datasets"].values() for row in data) == LINES.height


def test_numbers_of_a_part_of_the_worlds_do_not_become_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--write-docs", "--world", "usual"]) == 2
    assert "needs all worlds" in capsys.readouterr().err
    assert command.main(["--binetflow", "nothing.binetflow"]) == 2
    assert "--subscribers" in capsys.readouterr().err
