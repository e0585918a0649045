"""Router configurations: what they say, what they say of themselves, and what they refuse."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from op25b.api import OpenWorkspace
from op25b.errors import Op25bError, SettingsError, UnknownNameError
from op25b.policy.routers import TARGETS, plain
from op25b.policy.sql import PolicyError
from tests.conftest import SETTINGS
from tests.policy.lines import LINES, isp, pseudonym

EXTRA = """
[sets]
pool = ["198.18.200.0/25", "198.18.200.128/25"]
[policy.pool]
rules = [{ name = "pool", action = "allow", source = "pool" }, { name = "rest", action = "block" }]
[policy.nodes]
rules = [{ name = "n1 first", action = "block", access_nodes = "n1" }]
[policy.wave]
rules = [{ name = "wave", action = "block", subscribers = "wave.csv" }]
[policy.moving]
rules = [{ name = "wave", action = "block", subscribers = "moving.csv" }]
[policy.later]
effective_from = 2099-07-10
rules = [{ name = "rest", action = "block" }]
[policy.staged]
rules = [
  { name = "gone", action = "block", effective_until = 2007-01-01 },
  { name = "soon", action = "block", effective_from = 2099-08-01 },
]
[policy.reverse]
rules = [
  { name = "own", action = "allow", direction = "in", source_port = 25, destination = "own-relay" },
  { name = "back", action = "block", direction = "in", source_port = 25 },
]
[policy."bad name\\n"]
description = "x"
rules = [{ name = "evil\\n; flush ruleset */ } \\u3042", action = "block" }]
"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    made = isp(tmp_path_factory.mktemp("isp"), EXTRA)
    (made.workspace.root / "wave.csv").write_text(f"subscriber\n{pseudonym('a')}\n{pseudonym('f')}\n")
    (made.workspace.root / "moving.csv").write_text("subscriber\n" + "".join(f"{pseudonym(x)}\n" for x in "acd"))
    return made


def text(opened: OpenWorkspace, name: str, target: str = "cisco", **options: object) -> str:
    return opened.acl(name, target, **options).text  # type: ignore[arg-type]


def rules(config: str) -> list[str]:
    return [line.strip() for line in config.splitlines() if line.startswith((" permit", " deny"))]


def test_proposed_for_cisco(opened: OpenWorkspace) -> None:
    made = opened.acl("proposed", "cisco")
    assert rules(made.text) == [
        "permit tcp 198.18.0.0 0.0.255.255 203.0.113.0 0.0.0.15 eq 25",
        "deny tcp 198.18.0.0 0.0.255.255 198.51.100.0 0.0.0.63 eq 25",
        "permit tcp host 198.18.200.1 any eq 25",
        "permit tcp 198.18.200.2 0.0.0.1 any eq 25",
        "deny tcp 198.18.0.0 0.0.255.255 any eq 25",
        "permit ip any any",
        "permit tcp host 2001:db8:100:a::1 any eq 25",
        "deny tcp 2001:db8:100::/40 any eq 25",
        "permit ipv6 any any",
    ]
    assert (made.pairs_before, made.pairs_after) == (8, 7)


def test_it_says_where_it_comes_from(opened: OpenWorkspace) -> None:
    head = [line for line in text(opened, "proposed").splitlines() if line.startswith("!")]
    version = opened.lake.number()
    assert re.fullmatch(rf"! op25b: policy proposed, version [0-9a-f]{{12}}, lake version {version}", head[0])
    assert head[1] == "! 4 rules: 8 address pairs as stated, 7 after neighbouring networks were merged"
    assert "1 of 3 lines are known by the address of their last session" in head[2]
    assert head[3] == "! bind OP25B-OUT and OP25B-OUT-V6 to packets from the lines"


def test_the_rollback_brings_back_current_under_the_same_names(opened: OpenWorkspace) -> None:
    made = opened.acl("proposed", "cisco")
    assert rules(made.rollback) == [
        "permit tcp 198.18.0.0 0.0.255.255 203.0.113.0 0.0.0.15 eq 25",
        "deny tcp 198.18.0.0 0.0.255.255 198.51.100.0 0.0.0.63 eq 25",
        "permit ip any any", "permit ipv6 any any"]
    names = [re.findall("^ip.* access-list .*$", config, re.MULTILINE) for config in (made.text, made.rollback)]
    assert names[0] == names[1]
    assert rules(opened.acl("current", "cisco").rollback) == ["permit ip any any"]
    assert "nothing is blocked any more" in opened.acl("current", "cisco").rollback
    reverse = opened.acl("reverse", "juniper")
    assert reverse.text.count("replace: filter OP25B-IN") == reverse.rollback.count("replace: filter OP25B-IN") == 2


def test_files_are_written_side_by_side(opened: OpenWorkspace, tmp_path: Path) -> None:
    made = opened.acl("proposed", "nftables", access_node="n1")
    assert [path.name for path in made.write(tmp_path / "out")] == [
        "op25b-proposed-n1.nft", "op25b-proposed-n1-rollback.nft"]
    assert (tmp_path / "out" / "op25b-proposed-n1.nft").read_text() == made.text
    assert "# for access node n1" in made.text


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_every_rule_and_both_families(opened: OpenWorkspace, target: str) -> None:
    made = text(opened, "proposed", target)
    for number in (1, 2, 3, 4):
        assert f"rule-{number}-" in made
    assert "2001:db8:100::/40" in made
    assert "198.18.0.0" in made
    assert "$Id" not in made


def test_an_access_node_sees_its_own_lines_only(opened: OpenWorkspace) -> None:
    with pytest.raises(PolicyError, match="--access-node NODE"):
        text(opened, "nodes")
    assert "deny tcp 198.18.0.0 0.0.255.255 any eq 25" in rules(text(opened, "nodes", access_node="n1"))
    assert rules(text(opened, "nodes", access_node="n2", rollback="nodes")) == []
    assert "permit tcp host 198.18.200.2 any eq 25" in rules(text(opened, "proposed", access_node="n2"))
    with pytest.raises(UnknownNameError, match="unknown access node 'n9'"):
        text(opened, "proposed", access_node="n9")


def test_waves_with_fixed_addresses(opened: OpenWorkspace) -> None:
    assert rules(text(opened, "wave")) [:2] == ["deny tcp host 198.18.2.200 any eq 25",
                                                "deny tcp host 198.18.200.1 any eq 25"]
    of_wave = rules(text(opened, "proposed", waves=["wave.csv"]))
    assert "deny tcp host 198.18.2.200 any eq 25" in of_wave
    assert not [rule for rule in of_wave if "198.18.0.0" in rule]


@pytest.mark.parametrize(("name", "options", "message"), [
    ("moving", {}, r"rule 'wave': 2 of 3 lines have no fixed address.*\(for example pccc"),
    ("proposed", {"waves": ["moving.csv"]}, "the wave: 2 of 3 lines have no fixed address"),
    ("later", {}, r"the policy takes effect at 2099-07-10 00:00 \(Asia/Tokyo\); a router has no calendar"),
    ("staged", {}, "rule 'soon' takes effect at 2099-08-01 00:00"),
    ("proposed", {"moment": datetime(2007, 7, 9)}, "the policy takes effect at 2007-07-10 00:00"),
    ("propsed", {}, "did you mean 'proposed'"),
    ("proposed", {"rollback": "later"}, "the rollback, policy 'later': the policy takes effect"),
])
def test_what_a_router_cannot_be_told(opened: OpenWorkspace, name: str, options: dict[str, object],
                                      message: str) -> None:
    with pytest.raises(Op25bError, match=message):
        text(opened, name, **options)


def test_a_moment_chooses_the_rules(opened: OpenWorkspace) -> None:
    made = text(opened, "staged", moment=datetime(2099, 8, 1), rollback="current")
    assert "deny tcp 198.18.0.0 0.0.255.255 any eq 25" in rules(made)
    assert "! as in force at 2099-08-01 00:00 (Asia/Tokyo)" in made
    assert "! 1 rules that are no longer in force are left out" in made
    with pytest.raises(UnknownNameError, match="unknown target 'nft'; did you mean 'nftables'"):
        text(opened, "staged", "nft")


def test_neighbouring_networks_are_merged(opened: OpenWorkspace) -> None:
    made = opened.acl("pool", "cisco")
    assert "permit tcp 198.18.200.0 0.0.0.255 any eq 25" in rules(made.text)
    assert (made.pairs_before, made.pairs_after) == (4, 3)


def test_the_reverse_path_goes_to_a_filter_of_its_own(opened: OpenWorkspace) -> None:
    made = text(opened, "reverse")
    assert rules(made)[:3] == ["permit tcp 203.0.113.0 0.0.0.15 eq 25 198.18.0.0 0.0.255.255",
                               "deny tcp any eq 25 198.18.0.0 0.0.255.255", "permit ip any any"]
    assert "ip access-list extended OP25B-IN\n" in made
    assert "OP25B-IN and OP25B-IN-V6 to packets toward the lines" in made


def test_a_line_with_another_address_beside_its_fixed_one_cannot_be_told(tmp_path: Path) -> None:
    """A prefix of IPv6 from RADIUS: the exemption would hold for half of the line's mail."""
    line = ("a", "IP1", "n1", True, [("198.18.200.1", "static"), ("2001:db8:100:a::1", "radius")])
    with pytest.raises(PolicyError, match="1 of 1 lines have no fixed address, or others beside it"):
        text(isp(tmp_path, lines=[line]), "proposed")


def test_an_address_that_others_held_is_not_fixed(tmp_path: Path) -> None:
    lines = [("a", "IP1", "n1", True, [("198.18.200.1", "radius")]),
             ("b", "home", "n1", False, [("198.18.200.1", "radius")])]
    with pytest.raises(PolicyError, match="1 of 1 lines have no fixed address"):
        text(isp(tmp_path, lines=lines), "proposed")


def test_without_networks_or_subscribers_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no subscriber list says who has which"):
        text(isp(tmp_path / "a", lines=[]), "proposed")
    with pytest.raises(SettingsError, match="subscribers is empty"):
        text(isp(tmp_path / "b", settings=SETTINGS.replace('"198.18.0.0/16", "2001:db8:100::/40"', ""), lines=LINES),
             "proposed")


@pytest.mark.parametrize("target", TARGETS)
def test_names_cannot_leave_a_comment(opened: OpenWorkspace, target: str) -> None:
    made = opened.acl("bad name\n", target)
    for config in (made.text, made.rollback):
        assert "flush ruleset" not in config.replace("evil-flush-ruleset", "")
        assert config.isascii()
        assert all(line.startswith(TARGETS[target].comment) for line in config.splitlines() if "bad name" in line)
    assert "/" not in made.name


def test_plain() -> None:
    assert plain("a\nb\u2028c\x1b[31m*/ あ") == "a?b?c?[31m?/ ?"
    assert len(plain("x" * 1000)) == 200
