from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import altair as alt
import polars as pl
import pytest
import vl_convert

from op25b import charts
from op25b.texts import AXES, CLASSES, GROUPS, IMPACTS, MEASURES, REMEDIES, STEPS, percent, text

FUNNEL = pl.DataFrame({
    "step": ["listed", "seen", "external", "newly_blocked", "loses", "notice"],
    "subscribers": [31_000, 25_000, 1400, 10, 9, 10], "share": [None, 1.0, 0.056, 0.0004, 0.00036, 0.0004]})
THREE = datetime(2007, 7, 10, 15, tzinfo=UTC).replace(tzinfo=None)
CONNECTIONS = pl.DataFrame([
    {"start": THREE + timedelta(minutes=minute), "end": THREE + timedelta(minutes=minute + 1),
     "destination_group": group, "impact": impact, "sessions": sessions}
    for minute, group, impact, sessions in [
        (0, "other", "newly_blocked", 4), (0, "known-provider", "newly_blocked", 2),
        (1, "own-relay", "untouched", 1200)]
])
SENDERS = pl.DataFrame({"class": ["bot", "own-server", "own-server"],
                        "impact": ["newly_blocked", "newly_blocked", "untouched"], "subscribers": [3, 2, 1]})
REMEDY = pl.DataFrame({"remedy": ["submission-587", "disinfect"], "subscribers": [5, 2]})
NODES = pl.DataFrame({"access_node": ["b", "b", "a"], "class": ["bot", "unknown", "mail-program"],
                      "subscribers": [3, 1, 1]})
SCENARIOS = pl.DataFrame({"scenario": ["proposed", "wave"], "step": ["notice", "notice"], "subscribers": [10, 4],
                          "low": [8, None], "high": [10, None]}, schema_overrides={"low": pl.Int64, "high": pl.Int64})
GROWTH = pl.DataFrame({"kind": ["observed", "observed", "extrapolated", "limit"], "days": [1, 2, 3, None],
                       "subscribers": [5, 7, 8, 11], "low": [4, 6, 6, 9], "high": [6, 8, 11, 30]})
RATES = pl.DataFrame({"cap": [1, 10], "left": [0.1, 0.6], "hit": [0.9, None]})
ATTRIBUTED = pl.DataFrame({"day": [date(2007, 7, 10)] * 2, "attribution": ["attributed", "unattributed"],
                           "flows": [900, 100], "share": [0.9, 0.1]})
CASES: list[tuple[Callable[..., Any], pl.DataFrame, set[str]]] = [
    (charts.funnel, FUNNEL, {"step_words", "subscribers", "words", "share"}),
    (charts.connections, CONNECTIONS, {"start", "end", "low", "high", "destination_group_words", "impact_words",
                                       "sessions"}),
    (charts.classes, SENDERS, {"class_words", "impact_words", "subscribers", "rank"}),
    (charts.remedies, REMEDY, {"remedy_words", "subscribers"}),
    (charts.nodes, NODES, {"access_node", "class_lines", "class_words", "subscribers"}),
    (charts.scenarios, SCENARIOS, {"scenario", "step_words", "subscribers", "low", "high"}),
    (charts.growth, GROWTH, {"days", "subscribers", "low", "high", "kind_words"}),
    (charts.attribution, ATTRIBUTED, {"day", "share", "flows", "attribution_words", "rank"}),
    (charts.rate_limits, RATES, {"cap", "share", "effect_words"}),
]
IDS = [chart.__name__ for chart, _, _ in CASES]


def spec(chart: Any) -> dict[str, Any]:
    result: dict[str, Any] = chart.to_dict()
    return result


def fields(part: Any) -> set[str]:
    """Every field that an encoding or a facet of the chart reads."""
    if isinstance(part, list):
        return set().union(*map(fields, part)) if part else set()
    if not isinstance(part, dict):
        return set()
    own = {part["field"]} if isinstance(part.get("field"), str) and ("type" in part or len(part) == 1) else set()
    return own.union(*(fields(value) for key, value in part.items() if key not in {"datasets", "transform"}))


def columns(made: dict[str, Any]) -> set[str]:
    """Every column there is: of the data, and those a transformation adds."""
    rows = [row for data in made["datasets"].values() for row in data]
    transforms = made.get("transform", []) + made.get("spec", {}).get("transform", [])
    return set(rows[0]).union(*(t.get("as", []) for t in transforms))


@pytest.mark.parametrize(("chart", "frame", "expected"), CASES, ids=IDS)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_encodings_name_columns_that_are_there(chart, frame, expected, language):
    made = spec(chart(frame, language))
    assert fields(made) >= expected
    assert fields(made) <= columns(made)
    assert made["description"]
    assert made["config"]["font"].endswith("sans-serif")


@pytest.mark.parametrize(("chart", "frame", "expected"), CASES, ids=IDS)
def test_the_frame_is_left_alone(chart, frame, expected):
    before = frame.clone()
    chart(frame, "ja")
    assert frame.equals(before)


@pytest.mark.parametrize(("chart", "frame", "expected"), CASES, ids=IDS)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_charts_render(chart, frame, expected, language):
    svg = vl_convert.vegalite_to_svg(json.dumps(spec(chart(frame, language))), vl_version="6.4")
    assert svg.count("<path") > 3
    width = float(svg.split('width="')[1].split('"')[0])
    assert 1000 <= width <= 1060, "as wide as the page"


@pytest.mark.parametrize(("chart", "frame", "expected"), CASES, ids=IDS)
def test_charts_of_nothing_render(chart, frame, expected):
    svg = vl_convert.vegalite_to_svg(json.dumps(spec(chart(frame.clear(), "ja"))), vl_version="6.4")
    assert svg.startswith("<svg")


@pytest.mark.parametrize(("language", "words"), [("ja", "10  (<0.1 %)"), ("en", "10  (<0.1 %)")])
def test_funnel_tells_counts_and_shares(language, words):
    made = spec(charts.funnel(FUNNEL, language))
    rows = next(iter(made["datasets"].values()))
    assert [row["words"] for row in rows][:3] == ["31,000", "25,000  (100 %)", "1,400  (5.6 %)"]
    assert rows[3]["words"] == words
    assert [row["step_words"] for row in rows] == [STEPS[step][language] for step in FUNNEL["step"]]


def test_connections_stack_by_group_in_a_band_per_impact():
    made = spec(charts.connections(CONNECTIONS, "ja"))
    assert made["facet"]["sort"] == ["新たに規制", "影響なし"]
    colours = made["spec"]["encoding"]["color"]["scale"]
    assert colours["domain"] == ["当社の送信サーバー", "既知の他社メール", "その他の宛先"]
    assert colours["range"] == [charts.GROUP_COLOURS[key] for key in ("own-relay", "known-provider", "other")]
    assert made["spec"]["transform"][0]["groupby"] == ["start", "impact"]
    assert made["spec"]["encoding"]["x"]["scale"]["type"] == "utc"
    rows = next(iter(made["datasets"].values()))
    assert rows[0]["start"] == "2007-07-10T15:00:00Z", "shown as written, whatever the reader's time zone"


def test_colours_say_one_thing_each():
    used = [*charts.GROUP_COLOURS.values(), *charts.IMPACT_COLOURS.values()]
    assert len(set(used)) == len(used)
    assert set(charts.GROUP_COLOURS) == set(GROUPS)
    assert set(charts.IMPACT_COLOURS) == set(IMPACTS)


def test_words_exist_in_both_languages():
    for table in (AXES, CLASSES, GROUPS, IMPACTS, MEASURES, REMEDIES, STEPS):
        for key in table:
            assert text(table, key, "ja")
            assert text(table, key, "en")


@pytest.mark.parametrize(("part", "words"), [(None, ""), (0.0, "0 %"), (0.0001, "<0.1 %"), (0.0123, "1.2 %"),
                                             (0.0996, "10 %"), (0.36, "36 %"), (1.0, "100 %")])
def test_percent(part, words):
    assert percent(part) == words


def test_charts_stay_below_altairs_limit_of_rows():
    assert alt.data_transformers.active == "default"


@pytest.mark.parametrize(("language", "words"), [
    ("en", "every flow record of the subscribers’ networks is tied to a line"),
    ("ja", "すべてのフローレコードの回線を特定できました")])
def test_where_every_flow_is_tied_to_a_line_the_chart_says_so(language, words):
    chart = charts.attribution(ATTRIBUTED.filter(attribution="attributed"), language)
    svg = vl_convert.vegalite_to_svg(json.dumps(spec(chart)), vl_version="6.4")
    assert words in svg
    assert 1000 <= float(svg.split('width="')[1].split('"')[0]) <= 1060
