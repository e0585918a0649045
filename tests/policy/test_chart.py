"""The quick-reference chart: every question of the published FAQ, decided by the policies; its pages for customers."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import polars as pl
import pytest

from op25b.api import OpenWorkspace
from op25b.policy.publish import markdown, page
from tests.policy.lines import pseudonym

HOSTILE = "<img src=x onerror=1>|`*[a](http://x)\n# b"

# Question, case, before, after, affected, verdict: what Mega Egg answered, or what follows from its policy.
FAQ = [
    ("own line, own sending server", "dynamic/relay/25", "allow", "allow", False, "not affected"),
    ("own line, own sending server on 587", "dynamic/relay/587", "allow", "allow", False, "not affected"),
    ("own line, own sending server on 465", "dynamic/relay/465", "allow", "allow", False, "not affected"),
    ("webmail", "dynamic/webmail/443", "allow", "allow", False, "not affected"),
    ("fixed-IP plan with a mail server", "fixed/server/25", "allow", "allow", False, "not affected"),
    ("own server from another ISP's line on 25", "elsewhere/relay/25", "allow", "allow", False,
     "not affected by this; the line's own ISP may block port 25"),
    ("own server from another ISP's line on 587", "elsewhere/relay/587", "allow", "allow", False, "not affected"),
    ("another provider's server on 25", "dynamic/provider/25", "allow", "block", True, "can no longer send"),
    ("another provider's server on 587", "dynamic/provider/587", "allow", "allow", False, "not affected"),
    ("another provider's server on 465", "dynamic/provider/465", "allow", "allow", False, "not affected"),
    ("own mail server on a dynamic address", "dynamic/server/25", "allow", "block", True, "can no longer send"),
    ("the same through the own sending server", "dynamic/server-relay/25", "allow", "allow", False, "not affected"),
    ("straight to a mobile carrier", "dynamic/mobile/25", "block", "block", False, "already blocked, no change"),
    ("straight to a mobile carrier from a fixed-IP plan", "fixed/mobile/25", "block", "block", False,
     "already blocked, no change"),
    ("CRAM-MD5 against SMTP AUTH", "dynamic/cram-md5/587", "allow", "allow", False,
     "not affected by this; the server does not support this authentication"),
]


def rows(chart: pl.DataFrame) -> dict[str, dict[str, object]]:
    found = {row["case"]: row for row in chart.iter_rows(named=True)}
    assert len(found) == chart.height
    return found


@pytest.mark.parametrize(("case", "before", "after", "affected", "verdict"),
                         [pytest.param(*row[1:], id=row[0]) for row in FAQ])
def test_every_question_of_the_faq(workspace: Callable[[], OpenWorkspace], case: str, before: str, after: str,
                                   affected: bool, verdict: str) -> None:
    row = rows(workspace().chart("en"))[case]
    assert (row["before"], row["after"], row["affected"], row["verdict"]) == (before, after, affected, verdict)


def test_the_fixed_ip_plans_are_named(workspace: Callable[[], OpenWorkspace]) -> None:
    row = rows(workspace().chart("ja"))["fixed/server/25"]
    assert row["plans"] == ["IP1", "IP8", "IP16"]
    assert row["line"] == "当社回線（固定IPプラン IP1・IP8・IP16）"


def test_advice(workspace: Callable[[], OpenWorkspace]) -> None:
    found = rows(workspace().chart("en"))
    assert found["dynamic/server/25"]["advice"] == "relay through our own sending server, or a fixed-IP plan"
    assert found["dynamic/cram-md5/587"]["advice"] == "set the mail program to PLAIN or LOGIN"
    assert found["elsewhere/relay/25"]["advice"] == "use port 587 with SMTP AUTH on our server"
    assert found["dynamic/relay/25"]["advice"] == ""


def test_a_server_that_supports_cram_md5(workspace: Callable[[str], OpenWorkspace]) -> None:
    opened = workspace('[support]\nauth_mechanisms = ["PLAIN", "CRAM-MD5"]\n')
    assert rows(opened.chart("en"))["dynamic/cram-md5/587"]["verdict"] == "not affected"


def test_plans_that_are_decided_differently_stand_apart(workspace: Callable[..., OpenWorkspace]) -> None:
    opened = workspace("""
[policy.two]
rules = [
  { name = "one", action = "allow", plans = ["IP8"], destination = "other" },
  { name = "rest", action = "block" },
]
""")
    lines = opened.chart("en", "proposed", "two")["line"].unique(maintain_order=True).to_list()
    assert lines == ["our line, dynamic address", "our line, fixed-IP plan IP8", "our line, fixed-IP plan IP1, IP16",
                     "another ISP's line"]


def test_waves_and_named_servers_have_rows_of_their_own(workspace: Callable[..., OpenWorkspace]) -> None:
    opened = workspace("""
[policy.waves]
rules = [
  { name = "partner", action = "allow", destination = "192.0.2.0/28" },
  { name = "first", action = "block", subscribers = "wave.csv" },
  { name = "node", action = "block", access_nodes = "n1", destination = "other" },
]
""")
    (opened.workspace.root / "wave.csv").write_text(f"subscriber\n{pseudonym('a')}\n", encoding="utf-8")
    chart = opened.chart("en", "current", "waves")
    found = {(row["line"], row["how"]): row["after"] for row in chart.iter_rows(named=True) if row["port"] == 25}
    assert found["our line, dynamic address", "another provider's sending server"] == "allow"
    assert found["our line, dynamic address", "a server that rule partner names"] == "allow"
    assert found["our line, of rule first", "another provider's sending server"] == "block"
    assert found["our line, of rule node", "another provider's sending server"] == "allow"
    assert found["our line, of rule node", "own mail server, sending directly"] == "block"


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pages_say_what_the_chart_says(workspace: Callable[[], OpenWorkspace], language: str) -> None:
    opened = workspace()
    chart = opened.chart(language)  # type: ignore[arg-type]
    since = opened.config.policy["proposed"].effective_from
    document = page(chart, "Test ISP", since, language)  # type: ignore[arg-type]
    seen = _Seen()
    seen.feed(document)
    assert seen.tags.count("tr") == chart.height + 1
    assert document.count('<tr class="affected">') == chart["affected"].sum()
    assert "http" not in document
    text = markdown(chart, "Test ISP", since, language)  # type: ignore[arg-type]
    assert sum(line.startswith("| ") for line in text.splitlines()) == chart.height + 2
    for row in chart.iter_rows(named=True):
        assert row["verdict"] in seen.text
        assert row["verdict"] in text
    assert ("2007年7月10日" if language == "ja" else "2007-07-10") in text


def test_names_from_the_settings_are_harmless(workspace: Callable[[str], OpenWorkspace]) -> None:
    opened = workspace(f"[policy.odd]\nrules = [{{ name = 'x', action = 'allow', plans = ['''{HOSTILE}'''] }}]\n")
    chart = opened.chart("en", "current", "odd")
    seen = _Seen()
    seen.feed(page(chart, HOSTILE, None, "en"))
    assert "img" not in seen.tags
    text = markdown(chart, HOSTILE, None, "en")
    assert "<img" not in text
    assert sum(line.startswith("#") for line in text.splitlines()) == 1
    assert {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")} == {7}
