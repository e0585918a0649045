"""Small cells: what is suppressed, and that totals do not give it away."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from op25b import charts
from op25b.api import OpenWorkspace
from op25b.errors import SettingsError
from op25b.report_template import legitimacy
from op25b.report_template.rollout_impact import Page
from op25b.settings import Language
from op25b.small_cells import MARK, SmallCells
from tests.test_charts import spec
from tests.test_report import lines, visible

FIVE = SmallCells(5)


def table(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, orient="row", schema={"node": pl.String, "class": pl.String, "subscribers": pl.Int64})


def shown(frame: pl.DataFrame, *totals: tuple[str, ...], outside: pl.DataFrame | None = None) -> list[int | None]:
    return FIVE.suppress(frame, totals, outside)["subscribers"].to_list()


@pytest.mark.parametrize(("count", "whole", "said"), [
    (0, None, "0"), (1, None, MARK), (4, None, MARK), (5, None, "5"), (1234, None, "1,234"), (20, 20, "20"),
    (18, 20, MARK), (15, 20, "15"), (0, 3, MARK)])
def test_a_number(count: int, whole: int | None, said: str) -> None:
    assert FIVE.shown(count, whole) == said
    assert SmallCells(1).shown(count, whole) == f"{count:,}"


@pytest.mark.parametrize(("counts", "without_total", "with_total"), [
    ([9, 3, 7], [9, None, 7], [9, None, None]),  # 19 - 9 - 7 would tell
    ([9, 3, 1, 8], [9, None, None, 8], [9, None, None, None]),  # two, but together 4: small themselves
    ([9, 3, 3, 8], [9, None, None, 8], [9, None, None, 8]),
    ([9, 0, 7], [9, 0, 7], [9, 0, 7]),
    ([9, 0, 3], [9, 0, None], [None, 0, None]),  # a zero hides nothing
    ([3], [None], [None]),
    ([], [], []),
])
def test_one_total(counts: list[int], without_total: list[int | None], with_total: list[int | None]) -> None:
    frame = table(*((str(place), "bot", count) for place, count in enumerate(counts)))
    assert shown(frame) == without_total
    assert shown(frame, ()) == with_total


def test_totals_per_column() -> None:
    frame = table(("a", "bot", 2), ("b", "bot", 9), ("c", "bot", 6),
                  ("a", "server", 30), ("b", "server", 40), ("c", "server", 50))
    assert shown(frame, ("class",)) == [None, 9, None, 30, 40, 50]
    assert shown(frame, ("class",), ("node",)) == [None, 9, None, None, 40, None]


def test_what_stands_nowhere_hides_too() -> None:
    frame = table(("a", "bot", 20), ("b", "bot", 10))
    assert shown(frame, ("class",), outside=table(("c", "bot", 3))) == [20, None]
    assert shown(frame, ("class",), outside=table(("c", "bot", 7))) == [20, 10]
    assert shown(frame, ("class",), outside=table(("c", "server", 3))) == [20, 10]


def test_a_limit_of_one_shows_all() -> None:
    frame = table(("a", "bot", 1), ("b", "bot", 2))
    assert SmallCells(1).suppress(frame, [()]).equals(frame)


@given(st.lists(st.integers(0, 12), max_size=6))
def test_whoever_knows_the_total_cannot_compute_a_small_count(counts: list[int]) -> None:
    frame = table(*((str(place), "bot", count) for place, count in enumerate(counts)))
    cells = shown(frame, ())
    hidden = [place for place, cell in enumerate(cells) if cell is None]
    assert all(cells[place] in {None, count} for place, count in enumerate(counts))
    assert all(not FIVE.hides(cell) for cell in cells if cell is not None)
    rest = sum(counts) - sum(cell for cell in cells if cell is not None)
    # All ways to fill the hidden cells that fit what is published: no small count is the same in all of them.
    ways_to_fill = product(range(1, rest + 1), repeat=len(hidden)) if len(hidden) < 4 else ()
    fits = [way for way in ways_to_fill if sum(way) == rest]
    for place, ways in zip(hidden, zip(*fits, strict=True), strict=False):
        if FIVE.hides(counts[place]) and sum(counts) >= 5:
            assert len(set(ways)) > 1


def test_a_report_of_three_lines_says_no_number_of_them(workspace: Callable[..., OpenWorkspace]) -> None:
    opened = lines(workspace(), plans=("home", "home", "home"))

    def page(*, small_cells: bool) -> Page:
        return Page(opened.workspace, opened.simulation(), opened.findings(), language="en", small_cells=small_cells)

    hidden, told = page(small_cells=False), page(small_cells=True)
    said = visible(hidden.cards().text)
    assert re.findall(r"[0-9]+", said.replace("×", "x")) == ["0", "0", "5"], "none already blocked; the limit"
    assert "× stands for fewer than 5 lines" in said
    assert "newly blocks port-25 connections of × of the × subscribers seen sending mail (×)" in hidden.header().text
    assert "newly blocks port-25 connections of 3 of the 3" in told.header().text
    assert MARK not in told.cards().text
    for frame in (hidden.funnel(), hidden.classes(), hidden.remedies(), hidden.nodes(5)):
        assert frame["subscribers"].drop_nulls().is_empty()
    assert told.remedies()["subscribers"].sum() == 3
    assert "All × newly blocked lines are shown" in hidden.affected(5).text
    assert "<table" not in hidden.affected(0).text
    drawn = [row for chart in (charts.funnel(hidden.funnel(), "en"), charts.nodes(hidden.nodes(5), "en"))
             for data in spec(chart)["datasets"].values() for row in data]
    assert {(row["subscribers"], row["words"]) for row in drawn} == {(0, MARK)}
    law = [legitimacy.Page(opened.workspace, language="en", small_cells=shown).addresses("unknown").text
           for shown in (False, True)]
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", text) for text in law]
    assert [row[1:3] for row in cells] == [[MARK, MARK], ["3", "0"]]


NUMBERS = {"listed": 60, "seen": 40, "external": 30, "newly_blocked": 23, "notice": 23, "loses": 22, "already": 0,
           "loses-bots": 6, "notice-bots": 7, "silent": 20}


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_parts_of_a_report_give_no_small_count_away_by_subtraction(workspace: Callable[..., OpenWorkspace],
                                                                       language: Language) -> None:
    opened = lines(workspace(), plans=("home",) * 5)

    def page(**numbers: int) -> Page:
        made = Page(opened.workspace, opened.simulation(), opened.findings(), language=language)
        made.__dict__["_counts"] = NUMBERS | numbers
        return made

    made = page()  # one newly blocked line loses nothing, and one bot
    (summary,) = re.findall('<p class="summary">(.*)</p>', made.header().text)
    for text in (visible(made.cards().text), summary):
        said = re.findall(r"[0-9]+", text)
        assert "23" in said
        assert not {"22", "6"} & {*said}
    assert dict(made.funnel().select("step", "subscribers").iter_rows()) == {
        "listed": 60, "seen": 40, "external": 30, "newly_blocked": 23, "loses": None, "notice": 23}
    drawn = [row for data in spec(charts.funnel(made.funnel(), language))["datasets"].values() for row in data]
    assert [row["words"] for row in drawn if row["step"] == "loses"] == [MARK]
    assert page(loses=18)._hidden == {"loses-bots"}
    assert page(loses=18, **{"loses-bots": 7})._hidden == set()
    assert page(loses=23, **{"loses-bots": 7}, notice=23, seen=33)._hidden == {"seen"}
    assert page(loses=18, **{"loses-bots": 7}, seen=41)._hidden == {"silent"}, "one line is on no list"
    assert "41" not in visible(page(listed=41).coverage().text), "one line sends nothing"
    assert page(seen=33)._share("newly_blocked") == ""


def test_the_law_page_gives_no_small_count_away_by_subtraction(workspace: Callable[..., OpenWorkspace]) -> None:
    page = legitimacy.Page(lines(workspace(), plans=("home",)).workspace, language="en")

    def cells(**numbers: int) -> list[str]:
        page._rows["unknown"] |= numbers
        found = re.findall(r"<td[^>]*>([^<]*)</td>", page.addresses("unknown").text)
        return [found[place] for place in (1, 2, 4)]

    assert cells(lines=30, bots=10, unclear=10) == ["30", "10", "10"]
    assert cells(lines=30, bots=10, unclear=18) == ["30", "10", MARK], "two lines are neither"
    assert cells(lines=30, bots=0, unclear=28) == ["30", "0", MARK]
    assert cells(lines=30, bots=3, unclear=20) == ["30", MARK, "20"], "it is not told how many are neither"
    assert page._days(18, 20) == MARK
    assert page._days(20, 20) == "100 % (20 / 20)"


def test_showing_small_counts_takes_the_key(workspace: Callable[..., OpenWorkspace]) -> None:
    opened = lines(workspace(), plans=("home",))
    opened.workspace.key_path.unlink()
    with pytest.raises(SettingsError, match="the key of the pseudonyms is missing"):
        Page(opened.workspace, opened.simulation(), opened.findings(), language="en", small_cells=True)
    with pytest.raises(SettingsError, match="the key of the pseudonyms is missing"):
        legitimacy.Page(opened.workspace, language="en", small_cells=True)
