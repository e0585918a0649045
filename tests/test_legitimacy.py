"""The report `legitimacy`: one offline page in either language that says what it does not know."""

from __future__ import annotations

import re
import string
from pathlib import Path

import nbformat
import pytest

from op25b import report
from op25b.api import OpenWorkspace
from op25b.report_template.legitimacy import PROPOSITIONS, WORDS, Page
from op25b.settings import Language
from tests.test_report import JAPANESE, REQUESTS, visible

NAME = "legitimacy"


@pytest.fixture(scope="module", params=["ja", "en"])
def page(request: pytest.FixtureRequest, sample: OpenWorkspace,
         tmp_path_factory: pytest.TempPathFactory) -> tuple[Language, str]:
    output = tmp_path_factory.mktemp("report") / "page.html"
    return request.param, report.render(sample.workspace, NAME, request.param, {}, output).read_text(encoding="utf-8")


def test_the_page_asks_nobody_and_tells_nothing_of_the_machine(page: tuple[Language, str],
                                                               sample: OpenWorkspace) -> None:
    language, html = page
    assert not REQUESTS.search(html)
    assert "<link" not in html
    assert f'<html lang="{language}">' in html
    assert len(html.encode()) < 3_000_000
    assert str(sample.workspace.root) not in html
    assert not re.search(r"\b198\.18\.\d+\.\d+\b", html)


def test_the_page_has_every_proposition_its_verdict_and_numbers(page: tuple[Language, str]) -> None:
    """The sample's cast: two bots on dynamic lines, two servers on fixed ones; too few days to judge rates."""
    language, html = page
    seen = visible(html)
    for key in PROPOSITIONS:
        assert WORDS["propositions"][key][language] in seen
    for key in ("open", "holds"):
        assert WORDS["page"][key][language] in seen
    assert "88 (42 – 88)" in seen
    assert (language == "ja") == bool(JAPANESE.search(seen))


def test_parameters_and_notebook() -> None:
    found = {parameter.name: parameter for parameter in report.parameters(NAME)}
    assert set(found) == {"title", "since", "until", "hardly", "left", "hit", "fewest", "small_cells"}
    assert all(parameter.help for parameter in found.values())
    notebook = nbformat.read(Path(report.directory("notebooks"), f"{NAME}.ipynb"), as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


def test_verdicts_follow_from_the_limits(sample: OpenWorkspace) -> None:
    from op25b.impact.legitimacy import Limits

    def cards(limits: Limits) -> list[str]:
        page = Page(sample.workspace, language="en", limits=limits)
        return re.findall(r"cannot be told|not borne out|borne out", page.cards().text)

    assert cards(Limits()) == ["cannot be told", "borne out", "cannot be told"]
    assert cards(Limits(hardly=0.7, fewest=1)) == ["borne out", "borne out", "borne out"]
    assert cards(Limits(left=0.3, hit=0.0, fewest=1)) == ["cannot be told", "borne out", "not borne out"]


def test_prose_has_the_same_places_in_both_languages() -> None:
    def places(said: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(said) if name}

    for table in WORDS.values():
        for key, said in table.items():
            assert places(said["ja"]) == places(said["en"]), key
