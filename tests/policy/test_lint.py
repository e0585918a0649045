"""Lint: what nobody can have meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from tests.conftest import SETTINGS
from tests.policy.lines import isp, pseudonym

OWN = '{ name = "own", action = "allow", destination = "own-relay" }'
REST = '{ name = "rest", action = "block" }'
BOTH = SETTINGS.replace('"203.0.113.0/28"', '"203.0.113.0/28", "2001:db8:1::/64"').replace(
    '"198.51.100.0/26"', '"198.51.100.0/26", "2001:db8:200::/64"')
SETS = """
[sets]
pool = ["198.18.200.0/24", "2001:db8:100:a::/64"]
half = ["198.18.200.0/25"]
everybody = ["198.18.0.0/16"]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("lint")
    (directory / "w1.csv").write_text(f"subscriber\n{pseudonym('a')}\n{pseudonym('c')}\n")
    (directory / "w2.csv").write_text(f"subscriber\n{pseudonym('c')}\n")
    (directory / "none.csv").write_text("subscriber\n")
    isp(directory)
    return directory


def found(root: Path, rules: str, more: str = "") -> list[tuple[str, str | None, str]]:
    (root / "op25b.toml").write_text(f"{BOTH}{SETS}[policy.p]\n{more}\nrules = [{rules}]\n", encoding="utf-8")
    from op25b.api import open_workspace

    return open_workspace(root).lint("p").select("severity", "rule", "finding").rows()


@pytest.mark.parametrize(("rules", "expected"), [
    pytest.param(f"{OWN}, {REST}", [], id="nothing wrong"),
    pytest.param(REST, [("error", "rest", "blocks-own-relay")], id="own relay"),
    pytest.param(f'{OWN}, {{ name = "all", action = "block", port = [25, 587] }}',
                 [("error", "all", "blocks-own-relay"), ("error", "all", "blocks-submission")], id="587"),
    pytest.param('{ name = "all", action = "block", port = 465, destination = "other" }',
                 [("error", "all", "blocks-submission")], id="465"),
    pytest.param(f'{OWN}, {REST}, {{ name = "x", action = "allow", plans = "IP1" }}',
                 [("error", "x", "never-matches")], id="shadowed"),
    pytest.param(f'{OWN}, {REST}, {{ name = "x", action = "block", destination = "mobile-carrier" }}',
                 [("warning", "x", "never-matches")], id="shadowed by two"),
    pytest.param(f'{OWN}, {{ name = "x", action = "block", destination = "own-relay" }}',
                 [("error", "x", "never-matches")], id="a block undone"),
    pytest.param('{ name = "x", action = "block", destination = "other" }, '
                 '{ name = "y", action = "block", destination = "other", access_nodes = "n1" }',
                 [("warning", "y", "never-matches")], id="said twice"),
    pytest.param('{ name = "x", action = "block", destination = "other", effective_until = 2098-12-31 }, '
                 '{ name = "y", action = "block", destination = "other" }', [], id="matches later"),
    pytest.param(f'{OWN}, {{ name = "x", action = "block", source = "half" }}, '
                 '{ name = "y", action = "allow", source = "pool" }, '
                 '{ name = "z", action = "block", source = "2001:db8:100::/40" }',
                 [("warning", None, "overlapping-sets")], id="overlapping sets"),
    pytest.param(f'{OWN}, {{ name = "x", action = "block", subscribers = "w1.csv" }}, '
                 '{ name = "y", action = "block", subscribers = ["w1.csv", "w2.csv"] }',
                 [("warning", "y", "never-matches"), ("warning", None, "overlapping-waves")], id="overlapping waves"),
    pytest.param(f'{OWN}, {{ name = "x", action = "block", subscribers = "none.csv" }}',
                 [("warning", "x", "never-matches"), ("warning", "x", "matches-nobody")], id="empty wave"),
    pytest.param(f'{OWN}, {{ name = "net", action = "block", source = ["pool", "2001:db8:100::/40"] }}, '
                 '{ name = "fixed", action = "allow", plans = ["IP1"] }',
                 [("error", "net", "exempt-blocked")], id="an exempt plan's addresses are blocked"),
    pytest.param(f'{OWN}, {{ name = "pool", action = "allow", source = ["198.18.0.0/22"] }}, {REST}',
                 [("warning", "pool", "dynamic-in-exempt-pool")], id="dynamic lines in an exempt pool"),
    pytest.param(f'{OWN}, {{ name = "v4", action = "block", source = "everybody" }}',
                 [("error", None, "forgets-ipv6")] * 3, id="IPv6 forgotten"),
    pytest.param(f'{OWN}, {{ name = "x", action = "allow", plans = "IP99", access_nodes = "n7" }}, {REST}',
                 [("warning", "x", "matches-nobody")] * 2, id="a plan nobody has"),
    pytest.param('{ name = "x", action = "block", destination = "other", effective_until = 2007-12-31 }',
                 [("warning", "x", "expired")], id="expired"),
    pytest.param(f'{OWN}, {{ name = "x", action = "block", destination = "known-provider" }}',
                 [("warning", None, "no-ipv6-networks")], id="no IPv6 network of a group is known"),
])
def test_findings(root: Path, rules: str, expected: list[tuple[str, str | None, str]]) -> None:
    rows = found(root, rules)
    assert rows == expected


def test_details_count_and_name(root: Path) -> None:
    (root / "op25b.toml").write_text(BOTH + SETS + f"""
[policy.p]
rules = [{OWN}, {{ name = "net", action = "block", source = ["pool", "2001:db8:100::/40"] }},
  {{ name = "fixed", action = "allow", plans = ["IP1"] }}]
""", encoding="utf-8")
    from op25b.api import open_workspace

    rows = open_workspace(root).lint("p")
    assert rows.filter(finding="exempt-blocked")["detail"].to_list() == [
        f"blocks 2 lines that 'fixed' is to exempt: {pseudonym('a')}, {pseudonym('e')}"]


def test_the_examples_are_clean_but_for_what_is_not_known(sample: OpenWorkspace) -> None:
    assert sample.lint().is_empty()


def test_an_empty_lake_can_be_linted(tmp_path: Path) -> None:
    assert isp(tmp_path, lines=[]).lint("proposed").filter(severity="error").is_empty()
