"""Charts: a frame in, an Altair chart out. Nothing is counted here, so every number shown is in the frame.

Frames hold keys (`bot`, `newly_blocked`); the charts put the words of the language in their place. Colours say the
same thing everywhere: one per destination group, one per impact (Okabe-Ito, told apart by colour-blind readers).
"""

from __future__ import annotations

import textwrap
from typing import Any, TypeVar

import altair as alt
import polars as pl

from op25b.coverage.words import ATTRIBUTIONS
from op25b.coverage.words import COLUMNS as COVERAGE
from op25b.sampling.words import CHART, ESTIMATES, METHODS
from op25b.settings import Language
from op25b.small_cells import MARK
from op25b.texts import AXES, CLASSES, EFFECTS, GROUPS, IMPACTS, KINDS, REMEDIES, STEPS, Text, percent, text

WIDTH = 1020
_JAPANESE = '"Hiragino Kaku Gothic ProN", "Noto Sans CJK JP", "Noto Sans JP", "Yu Gothic", Meiryo, IPAPGothic'
FONTS: dict[Language, str] = {"ja": f"{_JAPANESE}, system-ui, sans-serif",
                              "en": f'system-ui, "Segoe UI", "Helvetica Neue", Arial, {_JAPANESE}, sans-serif'}
GROUP_COLOURS = {"own-relay": "#009E73", "mobile-carrier": "#E69F00", "known-provider": "#0072B2", "other": "#CC79A7"}
IMPACT_COLOURS = {"newly_blocked": "#D55E00", "already_blocked": "#7A838C", "released": "#56B4E9",
                  "untouched": "#C9D2DA"}
INK, SOFT, LINE = "#1f2933", "#52606d", "#e3e7eb"
_BAR = "#5B7FA3"
_SCENARIOS = ("#5B7FA3", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A838C")
_EFFECT_COLOURS = {"left": "#D55E00", "hit": "#5B7FA3"}
_ATTRIBUTION_COLOURS = {"unattributed": "#D55E00", "ambiguous": "#E69F00",
                        "by_address": "#7A838C"}
_METHOD_COLOURS = {"raw": "#7A838C", "chao1": "#0072B2", "pilot": "#D55E00"}
_AFFECTED_STEPS = ("newly_blocked", "loses", "notice")
_Chart = TypeVar("_Chart", alt.Chart, alt.LayerChart, alt.FacetChart)


def funnel(frame: pl.DataFrame, language: Language) -> alt.LayerChart:
    """From lines in the list to lines that need a notice; frame: step, subscribers, share (of lines seen sending)."""
    share = frame["share"].to_list()
    counted = _counted(frame)
    words = [count if part is None else f"{count}  ({percent(part)})"
             for count, part in zip(counted["words"].to_list(), share, strict=True)]
    data = _worded(counted, "step", STEPS, language).with_columns(pl.Series("words", words, dtype=pl.String))
    base = alt.Chart(data).encode(
        y=_names("step_words", data["step_words"].to_list(), STEPS["title"][language]),
        x=alt.X("subscribers:Q", title=None, axis=None, scale=_room(frame, "subscribers")),
        tooltip=_tooltips(language, step_words="step", words="subscribers", share="share"),
    )
    affected = alt.FieldOneOfPredicate(field="step", oneOf=list(_AFFECTED_STEPS))
    colour = alt.condition(affected, alt.value(IMPACT_COLOURS["newly_blocked"]), alt.value(_BAR))
    bars = base.mark_bar(height=24, cornerRadiusEnd=2).encode(color=colour)
    return _styled(bars + _values(base, "words:N"), len(words) * 40, AXES["funnel"][language], language)


def connections(frame: pl.DataFrame, language: Language) -> alt.FacetChart:
    """Connections over time, a band per impact, coloured by destination group.

    frame: start, end (local, naive), destination_group, impact, sessions.
    """
    data = _worded(_worded(frame, "destination_group", GROUPS, language), "impact", IMPACTS, language)
    # Shown as they are written, whatever the reader's own time zone.
    data = _ranked(data.with_columns(pl.col("start", "end").dt.strftime("%Y-%m-%dT%H:%M:%SZ")), "destination_group",
                   list(GROUP_COLOURS))
    groups = [key for key in GROUP_COLOURS if key in set(frame["destination_group"])]
    impacts = [key for key in IMPACT_COLOURS if key in set(frame["impact"])]
    chart = alt.Chart(data).transform_stack(
        stack="sessions", groupby=["start", "impact"], sort=[alt.SortField("rank")], as_=["low", "high"],
    ).mark_rect(stroke="white", strokeWidth=0.5).encode(
        x=alt.X("start:T", scale=alt.Scale(type="utc", nice=False), title=AXES["time"][language],
                axis=alt.Axis(format=_time_format(frame), labelOverlap=True, grid=False, tickCount=10)),
        x2="end:T",
        y=alt.Y("low:Q", title=AXES["sessions"][language], axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
        y2="high:Q",
        color=_colours(("destination_group_words", AXES["group"][language]), groups, GROUPS, GROUP_COLOURS, language),
        tooltip=[
            alt.Tooltip("start:T", title=AXES["from"][language], format="%Y-%m-%d %H:%M:%S", formatType="utc"),
            alt.Tooltip("end:T", title=AXES["until"][language], format="%Y-%m-%d %H:%M:%S", formatType="utc"),
            *_tooltips(language, impact_words="impact", destination_group_words="group", sessions="sessions"),
        ],
    )
    header = alt.Header(title=None, labelAnchor="start", labelFontSize=13, labelFontWeight="bold", labelColor=INK,
                        labelPadding=6)
    facets: alt.FacetChart = chart.properties(width=WIDTH - 70, height=110).facet(
        facet=alt.Facet("impact_words:N", header=header, sort=[text(IMPACTS, key, language) for key in impacts]),
        columns=1, spacing=26,
    ).resolve_scale(y="independent")
    return _configured(facets, AXES["connections"][language], language)


def classes(frame: pl.DataFrame, language: Language) -> alt.LayerChart:
    """Lines per class, by whether they are newly blocked; frame: class, impact, subscribers."""
    data = _worded(_worded(_counted(frame), "class", CLASSES, language), "impact", _NEWLY, language)
    data = _ranked(data, "impact", list(_NEWLY))
    known = [key for key in CLASSES if key in set(frame["class"])]
    impacts = [key for key in ("newly_blocked", "untouched") if key in set(frame["impact"])]
    base = alt.Chart(data).encode(
        y=_names("class_words", [text(CLASSES, key, language) for key in known], AXES["class"][language]),
        x=alt.X("subscribers:Q", stack="zero", title=AXES["subscribers"][language], axis=_counts()),
        order=alt.Order("rank:Q"),
        tooltip=_tooltips(language, class_words="class", impact_words="impact", words="subscribers"),
    )
    bars = base.mark_bar(height=24, stroke="white", strokeWidth=1).encode(
        color=_colours(("impact_words", None), impacts, _NEWLY, IMPACT_COLOURS, language))
    inside = (alt.datum.impact == "newly_blocked") & (alt.datum.subscribers > 0)
    dark = alt.condition(inside, alt.value("white"), alt.value(INK))
    middle = alt.X("subscribers:Q", stack="zero", bandPosition=0.5)
    numbers = base.mark_text(fontSize=13, fontWeight="bold").encode(x=middle, text="words:N", color=dark)
    return _styled(bars + numbers, max(len(known), 1) * 40, AXES["classes"][language], language)


def remedies(frame: pl.DataFrame, language: Language) -> alt.LayerChart:
    """Newly blocked lines per remedy; frame: remedy, subscribers."""
    data = _worded(_counted(frame), "remedy", REMEDIES, language)
    words = [text(REMEDIES, key, language) for key in frame["remedy"].to_list()]
    base = alt.Chart(data).encode(
        y=_names("remedy_words", words, AXES["remedy"][language]),
        x=alt.X("subscribers:Q", title=None, axis=None, scale=_room(frame, "subscribers")),
        tooltip=_tooltips(language, remedy_words="remedy", words="subscribers"),
    )
    bars = base.mark_bar(height=24, cornerRadiusEnd=2, color=_BAR)
    height = max(len(words), 1) * 40
    return _styled(bars + _values(base, "words:N"), height, AXES["remedies"][language], language)


def nodes(frame: pl.DataFrame, language: Language) -> alt.LayerChart:
    """Newly blocked lines per access node and class; frame: access_node, class, subscribers; the order is kept."""
    data = _worded(_counted(frame), "class", CLASSES, language).with_columns(
        pl.col("class_words").map_elements(lambda words: _lines(words, language), pl.String).alias("class_lines"))
    present = set(frame["class"])
    known = [key for key in CLASSES if key in present] + sorted(present - set(CLASSES))
    places = list(dict.fromkeys(frame["access_node"].to_list()))
    highest = _highest(frame, "subscribers")
    heads = [_lines(text(CLASSES, key, language), language) for key in known]
    # A label hangs down from its first line, so the padding is for all of its lines but one.
    below = 6 + 16 * max((head.count("\n") for head in heads), default=0)
    base = alt.Chart(data).encode(
        y=_names("access_node", places, AXES["node"][language]),
        x=alt.X("class_lines:N", title=None, sort=heads,
                axis=alt.Axis(orient="top", labelAngle=0, labelLimit=0, labelPadding=below, domain=False, ticks=False,
                              labelLineHeight=16, labelExpr="split(datum.label, '\\n')")),
        tooltip=_tooltips(language, access_node="node", class_words="class", words="subscribers"),
    )
    shades = alt.Scale(range=["#FBE9DD", "#B8470B"], domain=[0, highest])
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(
        color=alt.Color("subscribers:Q", legend=None, scale=shades))
    dark = alt.condition(alt.datum.subscribers > highest * 0.55, alt.value("white"), alt.value(INK))
    numbers = base.mark_text(fontSize=13).encode(text="words:N", color=dark)
    return _styled(cells + numbers, max(len(places), 1) * 34, AXES["nodes"][language], language)


def scenarios(frame: pl.DataFrame, language: Language) -> alt.LayerChart:
    """Lines newly blocked, losing mail, to be told: a bar per scenario; frame: scenario, step, subscribers, low, high.

    A line at a bar's end goes from low to high, where they are known. The order of the scenarios is kept.
    """
    data = _worded(frame, "step", STEPS, language)
    names = list(dict.fromkeys(frame["scenario"].to_list()))
    steps = list(dict.fromkeys(data["step_words"].to_list()))
    scale = alt.Scale(domain=names, range=[_SCENARIOS[n % len(_SCENARIOS)] for n in range(len(names))])
    legend = alt.Legend(title=AXES["scenario"][language], orient="top", labelLimit=0, titleLimit=0, symbolType="square")
    highest = max(_highest(frame, "subscribers"), *(h for h in frame["high"].to_list() if h is not None), 1)
    base = alt.Chart(data).encode(
        y=_names("step_words", steps, STEPS["title"][language]),
        yOffset=alt.YOffset("scenario:N", sort=names),
        tooltip=_tooltips(language, scenario="scenario", step_words="step", subscribers="subscribers", low="low",
                          high="high"),
    )
    x = alt.X("subscribers:Q", title=AXES["subscribers"][language], axis=_counts(),
              scale=alt.Scale(domain=[0, highest * 1.25], nice=False))
    bars = base.mark_bar(cornerRadiusEnd=2).encode(x=x, color=alt.Color("scenario:N", scale=scale, legend=legend))
    limits = base.mark_rule(color=INK, strokeWidth=1.5).encode(x=alt.X("low:Q"), x2="high:Q")
    numbers = _values(base.encode(x=x), "subscribers:Q", ",")
    height = max(len(steps), 1) * (24 + 22 * max(len(names), 1))
    return _styled(bars + limits + numbers, height, AXES["scenarios"][language], language)


def growth(frame: pl.DataFrame, language: Language) -> alt.LayerChart:
    """How the number of lines that lose mail grows with the window; frame: kind, days, subscribers, low, high.

    Rows without days (the limit for all there are) or without a number are left out.
    """
    data = _worded(frame.filter(pl.col("days").is_not_null() & pl.col("subscribers").is_not_null()), "kind", KINDS,
                   language)
    base = alt.Chart(data).encode(
        x=alt.X("days:Q", title=AXES["days"][language], axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
        tooltip=_tooltips(language, kind_words="kind", days="days", subscribers="subscribers", low="low", high="high"),
    )
    y = alt.Y("subscribers:Q", title=AXES["subscribers"][language], axis=_counts(), scale=alt.Scale(zero=True))
    dash = alt.StrokeDash("kind_words:N", scale=alt.Scale(
        domain=[text(KINDS, key, language) for key in ("observed", "extrapolated")], range=[[1, 0], [5, 4]]),
        legend=alt.Legend(title=None, orient="top", labelLimit=0))
    band = base.mark_area(opacity=0.2, color=_BAR).encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(color=_BAR, strokeWidth=2.5).encode(y=y, strokeDash=dash)
    points = base.mark_point(color=_BAR, filled=True, size=30).encode(y=y)
    return _styled(band + line + points, 260, AXES["growth"][language], language)


def estimates(frame: pl.DataFrame, language: Language) -> alt.LayerChart:
    """Lines seen, at least, and by the pilot, with intervals; frame: of `op25b estimate` (what, method, stratum, ...).

    Of all strata, and of numbers of lines only; what is refused is left out. A lower bound's interval is that of the
    bound.
    """
    kinds = [name for name in ("senders", "newly_blocked", "lose_mail", "need_notice") if name in set(frame["what"])]
    shown = frame.filter(pl.col("what").is_in(kinds) & (pl.col("stratum") == "all") & pl.col("value").is_not_null())
    data = _worded(_worded(shown, "what", ESTIMATES, language), "method", METHODS, language).with_columns(
        pl.col("value", "low", "high").round(0)).with_columns(pl.col("high").fill_null(pl.col("value")))
    methods = [name for name in _METHOD_COLOURS if name in set(shown["method"])]
    base = alt.Chart(data).encode(
        y=_names("what_words", [text(ESTIMATES, name, language) for name in kinds], CHART[language]),
        yOffset=alt.YOffset("method_words:N", sort=[text(METHODS, name, language) for name in methods]),
        color=_colours(("method_words", None), methods, METHODS, _METHOD_COLOURS, language),
        tooltip=[alt.Tooltip("what_words", title=AXES["step"][language]), alt.Tooltip("value", format=","),
                 *_tooltips(language, low="low", high="high")],
    )
    highest = max([1.0, *data["high"].to_list()])
    x = alt.X("value:Q", title=AXES["subscribers"][language], axis=_counts(),
              scale=alt.Scale(domain=[0, highest * 1.25], nice=False))
    limits = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q")
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x=x)
    numbers = base.mark_text(align="left", dx=8, fontSize=13, fontWeight="bold").encode(
        x=alt.X("high:Q"), text=alt.Text("value:Q", format=","))
    return _styled(limits + points + numbers, max(len(kinds), 1) * (24 + 22 * max(len(methods), 1)), CHART[language],
                   language)


def attribution(frame: pl.DataFrame, language: Language) -> alt.Chart:
    """The share of a day's flow records that no lease ties to a line, by why; frame: day, attribution, flows, share.

    Where every record is tied to a line, the chart says that instead.
    """
    shares = frame.filter(pl.col("attribution") != "attributed")
    if not shares["flows"].sum():
        said = pl.DataFrame({"words": [COVERAGE["all_tied"][language]]})
        words: alt.Chart = alt.Chart(said).mark_text(fontSize=14, color=SOFT).encode(text="words:N").properties(
            width=WIDTH, height=60)
        return _configured(words, COVERAGE["all_tied"][language], language)
    data = _ranked(_worded(shares, "attribution", ATTRIBUTIONS, language), "attribution", list(ATTRIBUTIONS))
    known = [key for key in ATTRIBUTIONS if key in set(shares["attribution"])]
    highest = shares.group_by("day").agg(pl.col("share").sum())["share"].max()
    top = max(0.01, float(highest or 0))  # type: ignore[arg-type]  # a share; so that next to nothing looks like it
    # A day is written as it is, whatever the reader's own time zone.
    base = alt.Chart(data.with_columns(pl.col("day").cast(pl.String))).encode(
        x=alt.X("day:O", title=None, axis=alt.Axis(labelOverlap=True, grid=False)),
        y=alt.Y("share:Q", stack="zero", title=COVERAGE["untied"][language], axis=alt.Axis(format=".1%", tickCount=4),
                scale=alt.Scale(domain=[0, top])),
        order=alt.Order("rank:Q"),
        color=_colours(("attribution_words", None), known, ATTRIBUTIONS, _ATTRIBUTION_COLOURS, language),
        tooltip=[alt.Tooltip("day:O", title=AXES["time"][language]),
                 alt.Tooltip("attribution_words:N", title=AXES["kind"][language]),
                 alt.Tooltip("share:Q", title=COVERAGE["untied"][language], format=".2%"),
                 alt.Tooltip("flows:Q", title=COVERAGE["flows"][language], format=",")],
    )
    bars: alt.Chart = base.mark_bar().properties(width=WIDTH, height=200, autosize=alt.AutoSizeParams(
        type="fit-x", contains="padding"))
    return _configured(bars, COVERAGE["untied"][language], language)


def rate_limits(frame: pl.DataFrame, language: Language) -> alt.LayerChart:
    """What limits of connections per line and day would do; frame: cap, left (of the bots'), hit (days of others)."""
    long = frame.unpivot(["left", "hit"], index="cap", variable_name="effect", value_name="share").drop_nulls("share")
    data = _worded(long.with_columns(pl.col("share").cast(pl.Float64)), "effect", EFFECTS, language)
    keys = [key for key in EFFECTS if key in set(long["effect"])]
    base = alt.Chart(data).encode(
        x=alt.X("cap:Q", title=AXES["cap"][language], scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(values=frame["cap"].to_list(), format=",d", grid=False)),
        y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
        color=_colours(("effect_words", None), keys, EFFECTS, _EFFECT_COLOURS, language),
        tooltip=[alt.Tooltip("cap:Q", title=AXES["cap"][language], format=","),
                 alt.Tooltip("effect_words:N", title=AXES["effect"][language]),
                 alt.Tooltip("share:Q", title=AXES["part"][language], format=".1%")],
    )
    lines: alt.LayerChart = base.mark_line(strokeWidth=2.5) + base.mark_point(filled=True, size=60)
    return _styled(lines, 260, AXES["rates"][language], language)


_NEWLY: dict[str, Text] = {key: IMPACTS[key] for key in ("newly_blocked",)} | {
    "untouched": {"ja": "新たな規制なし", "en": "nothing newly blocked"}}


def _worded(frame: pl.DataFrame, column: str, words: dict[str, Text], language: Language) -> pl.DataFrame:
    """The frame with a column of words beside a column of keys."""
    values = [text(words, key, language) for key in frame[column].to_list()]
    return frame.with_columns(pl.Series(f"{column}_words", values, dtype=pl.String))


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its counts of lines as `words`; one that a report suppresses (NULL) is a mark of no length."""
    words = [MARK if count is None else f"{count:,}" for count in frame["subscribers"].to_list()]
    return frame.with_columns(pl.col("subscribers").fill_null(0), pl.Series("words", words, dtype=pl.String))


def _ranked(frame: pl.DataFrame, column: str, order: list[str]) -> pl.DataFrame:
    """The frame with the place of each key in the order in which bars are stacked."""
    places = [order.index(key) if key in order else len(order) for key in frame[column].to_list()]
    return frame.with_columns(pl.Series("rank", places, dtype=pl.Int64))


def _lines(words: str, language: Language) -> str:
    """Words in lines short enough to stand over a column."""
    return textwrap.fill(words, 8 if language == "ja" else 16)


def _names(field: str, order: list[str], title: str) -> alt.Y:
    """A category axis whose labels are never cut; the title is for screen readers only."""
    axis = alt.Axis(title=None, labelLimit=0, labelPadding=10, domain=False, ticks=False, description=title)
    return alt.Y(f"{field}:N", sort=order, axis=axis)


def _colours(field: tuple[str, str | None], keys: list[str], words: dict[str, Text], colours: dict[str, str],
             language: Language) -> alt.Color:
    """The colours of a field (its name and the legend's title)."""
    name, title = field
    scale = alt.Scale(domain=[text(words, key, language) for key in keys], range=[colours[key] for key in keys])
    legend = alt.Legend(title=title, orient="top", labelLimit=0, titleLimit=0, symbolType="square", columnPadding=18)
    return alt.Color(f"{name}:N", scale=scale, legend=legend)


def _tooltips(language: Language, **fields: str) -> list[alt.Tooltip]:
    """What is shown of a mark: field → what its words are called in `AXES`."""
    formats = {"subscribers": ",", "sessions": ",", "low": ",", "high": ",", "share": ".1%"}
    return [alt.Tooltip(field, title=AXES[word][language], format=formats.get(field, alt.Undefined))
            for field, word in fields.items()]


def _values(base: alt.Chart, field: str, form: str | None = None) -> alt.Chart:
    """The numbers at the ends of bars."""
    words = alt.Text(field, format=form) if form else alt.Text(field)
    numbers: alt.Chart = base.mark_text(align="left", dx=8, fontSize=13, fontWeight="bold", color=INK)
    return numbers.encode(text=words)


def _highest(frame: pl.DataFrame, column: str) -> int:
    counts: list[int] = frame[column].drop_nulls().to_list()
    return max([1, *counts])


def _room(frame: pl.DataFrame, column: str) -> alt.Scale:
    """Room for the numbers to the right of the longest bar."""
    return alt.Scale(domain=[0, _highest(frame, column) * 1.25], nice=False)


def _counts() -> alt.Axis:
    return alt.Axis(format=",d", tickMinStep=1, grid=True, labelFlush=False)


def _time_format(frame: pl.DataFrame) -> str:
    steps = (frame["end"] - frame["start"]).drop_nulls()
    seconds = 0.0 if steps.is_empty() else float(steps.dt.total_seconds().max())  # type: ignore[arg-type]
    if seconds < 60:
        return "%H:%M:%S"
    return "%m-%d %H:%M" if seconds < 86_400 and _days(frame) > 1 else "%H:%M" if seconds < 86_400 else "%Y-%m-%d"


def _days(frame: pl.DataFrame) -> int:
    return frame["start"].dt.date().n_unique()


def _styled(chart: alt.LayerChart, height: int, description: str, language: Language) -> alt.LayerChart:
    """Fill the width, labels included, so that nothing is cut and all charts of a page are equally wide."""
    sized: alt.LayerChart = chart.properties(width=WIDTH, height=height, autosize=alt.AutoSizeParams(
        type="fit-x", contains="padding"))
    return _configured(sized, description, language)


def _configured(chart: _Chart, description: str, language: Language) -> _Chart:
    config: dict[str, Any] = {
        "font": FONTS[language],
        "background": "white",
        "view": {"stroke": None},
        "axis": {"labelFontSize": 13, "titleFontSize": 12, "titleFontWeight": "normal", "labelColor": INK,
                 "titleColor": SOFT, "gridColor": LINE, "domainColor": "#b8c1ca", "tickColor": "#b8c1ca",
                 "titlePadding": 10},
        "legend": {"labelFontSize": 13, "titleFontSize": 12, "titleFontWeight": "normal", "labelColor": INK,
                   "titleColor": SOFT, "symbolSize": 140},
    }
    return chart.properties(description=description, config=config)
