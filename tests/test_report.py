from __future__ import annotations

import json
import re
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import polars as pl
import pytest

from op25b import report
from op25b.errors import UnknownNameError
from op25b.report_template import gates, observed, parts, words
from op25b.report_template.rollout_impact import Page
from tests.conftest import numbers, put
from tests.support import browser

NAME = "rollout-impact"
HOSTILE = "</script><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
# Anything that would make a browser ask somebody: attributes, style sheets, imports.
REQUESTS = re.compile(r"""\b(?:src|href|action|data|poster|srcset)\s*=\s*["']?\s*(?:https?:)?//
                      |@import|url\(\s*["']?(?:https?:)?//|\bimport\s*\(\s*["']https?:""",
                      re.IGNORECASE | re.VERBOSE)
JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
T0 = datetime(2007, 7, 10, 3, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture(scope="module", params=["ja", "en"])
def page(request, sample, tmp_path_factory) -> tuple[str, Path]:
    output = tmp_path_factory.mktemp("report") / f"{request.param}.html"
    return request.param, report.render(sample.workspace, NAME, request.param, {"top_n": 3}, output)


def visible(html: str) -> str:
    """The words of a page: no scripts, styles or tags."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", body)


def lines(opened, plans=("home",), node="node-1", days=0, flows=3, established=True):
    """A tiny lake: one line per plan, each sending `flows` times to an unknown server on port 25."""
    source = "0" * 64
    put(opened, "source_file", [{"sha256": source, "path": "x", "kind": "flows", "format": "nfcapd", "bytes": 1,
                                 "rows_read": 1, "rows_kept": 1, "rows_filtered": 0, "rows_rejected": 0, "first": T0,
                                 "last": T0 + timedelta(days=days), "at": T0}])
    for number, plan in enumerate(plans):
        name, address = f"p{number:020x}", f"198.18.0.{number + 1}"
        put(opened, "subscriber_record", [{"subscriber": name, "plan": plan, "access_node": node, "source": source}])
        key = f"{0xFFFF00000000 | (198 << 24) | (18 << 16) | number + 1:032x}"
        put(opened, "lease_record", [{"at": T0, "ip_first": key, "ip_last": key, "port_first": 0, "port_last": 65535,
                                      "subscriber": name, "event": "start", "start": T0 - timedelta(days=1),
                                      "kind": "radius", "session": name, "source": source}])
        for flow in range(flows):
            at = T0 + timedelta(days=days * flow / max(flows - 1, 1), minutes=flow)
            local = at + timedelta(hours=9)
            put(opened, "flow", [{
                "day": local.date(), "first_seen": at, "last_seen": at + timedelta(seconds=2), "src_ip": address,
                "dst_ip": "192.0.2.9", **numbers("src", address), **numbers("dst", "192.0.2.9"),
                "src_port": 40_000 + flow, "dst_port": 25, "protocol": 6, "packets": 9, "bytes": 900,
                "reply_packets": 7, "reply_bytes": 800, "tcp_flags": 27, "established": established,
                "sampling_interval": 1, "source": source}])
    opened.build()
    return opened


def page_of(opened, language="en"):
    return Page(opened.workspace, opened.simulation(), opened.findings(language), language=language, small_cells=True)


# -- names and parameters

def test_names():
    assert NAME in report.names()


def test_unknown_report_names_the_nearest(workspace):
    with pytest.raises(UnknownNameError, match="did you mean 'rollout-impact'"):
        report.render(workspace().workspace, "rollout-impakt", "ja", {})


def test_parameters_are_typed_and_explained():
    found = {parameter.name: parameter for parameter in report.parameters(NAME)}
    assert set(found) == {"before", "after", "title", "top_n", "top_nodes", "small_cells"}
    assert found["top_n"].type == "int"
    assert found["top_n"].default == 50
    assert found["after"].default == "proposed"
    assert all(parameter.help for parameter in found.values())


@pytest.mark.parametrize(("given", "error", "message"), [
    ({"top": 3}, UnknownNameError, "did you mean 'top_n'"),
    ({"befor": "current"}, UnknownNameError, "did you mean 'before'"),
    ({"workspace": "elsewhere"}, UnknownNameError, "unknown parameter 'workspace'"),
    ({"top_n": "ten"}, report.ReportError, "'top_n' is of type int, not str: 'ten'"),
    ({"top_n": True}, report.ReportError, "of type int, not bool"),
    ({"top_n": 2.5}, report.ReportError, "of type int, not float"),
    ({"title": 7}, report.ReportError, "of type str, not int"),
])
def test_wrong_parameters_are_errors(workspace, given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        report.render(workspace().workspace, NAME, "ja", given)


# -- the notebook

def test_notebook_has_no_outputs_and_one_parameters_cell():
    notebook = nbformat.read(report.directory("notebooks") / f"{NAME}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    assert "great_expectations" not in "".join(cell.source for cell in code)


# -- the page

def test_page_is_one_small_file_that_asks_nobody(page):
    language, path = page
    html = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 3_000_000
    assert not REQUESTS.search(html)
    assert "<link" not in html
    assert "<iframe" not in html
    assert not re.search(r"<script[^>]+src", html)
    assert f'<html lang="{language}">' in html
    assert "default-src 'none'" in html


def test_page_tells_nothing_of_the_machine_or_the_code(page, sample):
    html = page[1].read_text(encoding="utf-8")
    assert str(sample.workspace.root) not in html
    assert str(Path(report.__file__).parents[2]) not in html
    assert "op25b.open(" not in html
    assert "papermill" not in html
    assert not re.search(r"\b198\.18\.\d+\.\d+\b", html), "pseudonyms only, no addresses of lines"


def test_page_holds_every_section_with_denominators(page, sample):
    language, path = page
    seen = visible(path.read_text(encoding="utf-8"))
    for name, title in words.SECTIONS.items():
        assert (title[language] in seen) == (name != "estimates")  # the sample's flows are not sampled
    totals = {row["measure"]: row for row in sample.simulation().totals.iter_rows(named=True)}
    newly, listed = totals["subscribers newly blocked"], totals["subscribers in the subscriber list"]
    said = {"ja": f"観測した{newly['denominator']:,}回線のうち{newly['value']:,}回線",
            "en": f"newly blocks port-25 connections of {newly['value']:,} of the {newly['denominator']:,} subscribers"}
    assert said[language] in seen
    assert words.REPORT["of-listed"][language].format(listed=f"{listed['value']:,}") in seen
    assert words.NOTES["more"][language].format(all=newly["value"], shown=3, rest=newly["value"] - 3) in seen
    for row in sample.chart(language).iter_rows(named=True):
        assert row["verdict"] in seen


def test_page_names_the_lake_version_and_how_to_make_it_again(page, sample):
    language, path = page
    text, number = visible(path.read_text(encoding="utf-8")), sample.lake.number()
    assert f"op25b report {NAME} --lang {language} --version {number}" in text
    assert {"ja": f"レイク第{number}版（", "en": f"lake version {number}, of "}[language] in text


def test_an_earlier_lake_version_gives_the_same_again(workspace):
    opened = lines(workspace(), plans=("home", "office"))
    number = opened.lake.number()

    def frames(page: Page) -> list[list[tuple]]:
        return [page.funnel().rows(), page.connections().rows(), page.classes().rows()]

    before = frames(page_of(opened))
    lines(opened, plans=("home", "office", "IP1"), days=1)
    then = page_of(opened.at(number))
    assert frames(then) == before != frames(page_of(opened))
    assert f"--version {number}" in then.header().text


def test_english_page_has_no_japanese(page):
    language, path = page
    if language == "en":
        assert not JAPANESE.search(visible(path.read_text(encoding="utf-8")))


def test_page_reports_the_gates(page):
    language, path = page
    seen = visible(path.read_text(encoding="utf-8"))
    assert words.NOTES["all-rules"][language] in seen
    assert words.TABLES["lease"][language] in seen
    assert words.NOTES["quality-failed"][language] not in seen


@pytest.mark.browser
def test_every_chart_draws_without_a_network(page):
    _, path = page
    charts = browser.charts(browser.dom(path))
    assert len(charts) == 6
    for marks, said in charts:
        assert marks > 0
        assert said
    assert all(width > 900 for width in browser.widths(browser.dom(path)))
    assert browser.complaints(path) == []


@pytest.mark.browser
def test_text_from_logs_is_harmless(workspace, tmp_path):
    settings = f"""
[policy.hostile]
description = '''{HOSTILE}'''
rules = [{{ name = "rest", action = "block", plans = ['''{HOSTILE}'''] }}]
"""
    opened = lines(workspace(settings), plans=(HOSTILE, "home"), node=HOSTILE)
    path = report.render(opened.workspace, NAME, "en", {"title": HOSTILE, "after": "hostile"}, tmp_path / "page.html")
    html = path.read_text(encoding="utf-8")
    body = html.split('<main class="op25b">')[1]  # before it Vega's own script has such text in it
    assert [part for part in (HOSTILE, "<img", "<script>document") if part in body] == []
    assert body.count("&lt;img src=x") >= 5
    document = browser.dom(path)
    assert "<title>Impact of" in document
    assert document.split('<main class="op25b">')[1].count("<img") == 0
    assert len(browser.charts(document)) == 6
    assert all(marks for marks, _ in browser.charts(document))
    assert browser.complaints(path) == []


def test_a_stopped_notebook_says_why(workspace):
    opened = workspace()
    with pytest.raises(report.ReportError, match="the lake is empty\n  run 'op25b ingest'"):
        report.render(opened.workspace, NAME, "ja", {})
    assert not (opened.workspace.root / "reports").exists()


# -- the gates

def test_gates_travel_in_a_file(tmp_path):
    rules = pl.DataFrame({"table": ["flow"], "rule": ["ports"], "severity": ["critical"], "passed": [False],
                          "observed": ["70,000"], "expected": ["at most 65,535"], "failing_rows": [1200],
                          "detail": ["…"]})
    path = tmp_path / "quality.json"
    gates.write(path, rules)
    result = gates.read(str(path))
    assert result.state == "judged"
    seen = visible(result.html("ja").text)
    for said in ("1項目のうち1項目が不合格", "65,535以下", "ポート番号の範囲", "1,200", "重大"):
        assert said in seen


def test_gates_that_could_not_run_or_were_not_asked_are_said_so(tmp_path):
    gates.write(tmp_path / "q.json", None)
    assert words.NOTES["quality-failed"]["en"] in gates.read(str(tmp_path / "q.json")).html("en").text
    assert words.NOTES["no-quality"]["ja"] in gates.read("").html("ja").text
    assert gates.read(str(tmp_path / "never.json"), patience=0.1).state == "failed"


# -- parts and numbers

def test_a_charts_data_cannot_end_its_block():
    html = parts.chart_html({"description": HOSTILE, "data": ["</script>", "<!--", HOSTILE]})["text/html"]
    assert html.count("</script>") == 1
    inside = html.split('<script type="application/json">')[1].split("</script>")[0]
    assert "<" not in inside
    assert json.loads(inside)["data"] == ["</script>", "<!--", HOSTILE]


@pytest.mark.parametrize(("days", "flows", "width", "starts"), [
    (0, 3, 10, ["2007-07-10 12:00:00", "2007-07-10 12:01:00", "2007-07-10 12:02:00"]),
    (2, 3, 3600, ["2007-07-10 12:00:00", "2007-07-11 12:00:00", "2007-07-12 12:00:00"]),
    (30, 3, 86_400, ["2007-07-10 00:00:00", "2007-07-25 00:00:00", "2007-08-09 00:00:00"]),
    (80, 3, 604_800, ["2007-07-09 00:00:00", "2007-08-13 00:00:00", "2007-09-24 00:00:00"]),
])
def test_bins_follow_the_period_in_local_time(workspace, days, flows, width, starts):
    opened = lines(workspace(), days=days, flows=flows)
    seen = observed.observed(opened.workspace)
    assert seen.bin_seconds == width
    frame = observed.connections(opened.workspace, seen, "current", "proposed")
    assert frame["start"].dt.to_string("%Y-%m-%d %H:%M:%S").to_list() == starts
    assert set(frame["impact"]) == {"newly_blocked"}
    assert frame["sessions"].sum() == opened.simulation().subscribers["newly_blocked_sessions"].sum()


def test_connections_add_up_to_the_simulation(sample):
    frame = page_of(sample).connections()
    counted = dict(frame.group_by("destination_group", "impact").agg(pl.col("sessions").sum())
                   .select(pl.concat_str("destination_group", "impact", separator=" "), "sessions").iter_rows())
    groups = sample.simulation().groups.group_by("destination_group", "impact").agg(pl.col("sessions").sum())
    assert counted == dict(groups.select(pl.concat_str("destination_group", "impact", separator=" "),
                                         "sessions").iter_rows())


def test_frames_add_up(sample):
    page, lines_ = page_of(sample), sample.simulation().subscribers
    newly = int(lines_["newly_blocked"].sum())
    assert page.remedies()["subscribers"].sum() == newly
    assert page.nodes(1000)["subscribers"].sum() == newly
    assert page.nodes(1)["access_node"].n_unique() == 1
    assert page.classes()["subscribers"].sum() == sample.findings().height
    funnel = dict(page.funnel().select("step", "subscribers").iter_rows())
    assert funnel["seen"] == lines_.height
    assert funnel["newly_blocked"] == newly


def test_without_traffic_the_page_says_so(workspace):
    page = page_of(lines(workspace(), plans=()), "ja")
    assert words.REPORT["no-traffic"]["ja"] in page.header().text
    assert words.NOTES["nobody"]["ja"] in page.affected(5).text
    assert page.connections().is_empty()
    assert page.limits().text


def test_without_leases_addresses_stay_out_of_the_page(workspace):
    opened = workspace()
    lines(opened, plans=("home",))
    page = page_of(opened)
    row = {"subscriber": "198.18.0.1", "class": None, "confidence": None, "plan": None, "access_node": None,
           "newly_blocked_sessions": 1, "newly_blocked_established": 0, "remedy": None, "reasons": None}
    assert page._line(1, row)[0][0].text == "line 1 (address not shown)"


def test_prose_has_the_same_places_in_both_languages():
    def places(said: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(said) if name}

    for table in (words.REPORT, words.SECTIONS, words.LEADS, words.COLUMNS, words.NOTES, words.LIMITS, words.TABLES,
                  words.RULES, words.SEVERITIES, words.LENGTHS):
        for key, said in table.items():
            assert places(said["ja"]) == places(said["en"]), key


def test_every_rule_of_the_gates_has_words():
    names = {rule["id"] if "id" in rule else rule["name"]
             for path in report.directory("expectations").glob("*.json")
             for rule in json.loads(path.read_text(encoding="utf-8"))["rules"]}
    assert names <= set(words.RULES)
