"""Charts of the evaluation: a frame in, an Altair chart out, in the manner of `op25b.charts`."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from op25b.charts import FONTS, INK, LINE, SOFT
from tests.evaluation.outcomes import ANSWERS, ELSEWHERE, NOBODY, PRIMARY

_BLUE, _GREY = "#0072B2", "#7A838C"
SIDE, COUNTS = 250, 60


def reliability(bins: pl.DataFrame, scores: pl.DataFrame, title: str) -> alt.VConcatChart:
    """What was predicted against what was true, a panel per class, the number of cases of each bin below.

    bins: class, low, high, cases, predicted, share, share_low, share_high; scores: class, cases, brier, ece. The
    order of the classes is kept. On the dotted line every probability is right.
    """
    panels = []
    for row in scores.iter_rows(named=True):
        data = bins.filter(pl.col("class") == row["class"])
        words = f"{row['class']}: {row['cases']:,} cases, Brier {row['brier']:.3f}, ECE {row['ece']:.3f}"
        panels.append(_panel(data, words))
    rows = [alt.hconcat(*panels[start:start + 3], spacing=34) for start in range(0, len(panels), 3)]
    chart: alt.VConcatChart = alt.vconcat(*rows, spacing=30)
    configured: alt.VConcatChart = _configured(chart.properties(title=title), title)
    return configured


def _panel(data: pl.DataFrame, title: str) -> alt.VConcatChart:
    unit = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("predicted:Q", title="probability given", scale=unit, axis=alt.Axis(format=".1f", tickCount=5))
    base = alt.Chart(data).encode(x=x, tooltip=[
        alt.Tooltip("predicted:Q", format=".3f"), alt.Tooltip("share:Q", format=".3f"), "hits:Q", "cases:Q"])
    diagonal = alt.Chart(pl.DataFrame({"predicted": [0.0, 1.0], "share": [0.0, 1.0]})).mark_line(
        color=_GREY, strokeDash=[3, 3], strokeWidth=1).encode(x="predicted:Q", y="share:Q")
    y = alt.Y("share:Q", title="share that was true", scale=unit, axis=alt.Axis(format=".1f", tickCount=5))
    limits = base.mark_rule(color=_BLUE, strokeWidth=1.5).encode(y=alt.Y("share_low:Q", title=""), y2="share_high:Q")
    line = base.mark_line(color=_BLUE, strokeWidth=2).encode(y=y)
    points = base.mark_point(color=_BLUE, filled=True, size=50).encode(y=y)
    upper = (diagonal + limits + line + points).properties(width=SIDE, height=SIDE, title=title)
    counts = alt.Chart(data).mark_bar(color=_GREY).encode(
        x=alt.X("low:Q", title=None, scale=unit, axis=None), x2="high:Q", y2=alt.value(COUNTS),
        y=alt.Y("cases:Q", title="cases", scale=alt.Scale(type="symlog", domainMin=0),
                axis=alt.Axis(format=",d", values=[0, 10, 100, 1000, 10_000], labelOverlap=True)))
    numbers = alt.Chart(data).transform_calculate(middle="(datum.low + datum.high) / 2").mark_text(
        dy=-6, fontSize=9, color=SOFT).encode(x=alt.X("middle:Q", scale=unit), y="cases:Q",
                                             text=alt.Text("cases:Q", format=","))
    lower = (counts + numbers).properties(width=SIDE, height=COUNTS)
    panel: alt.VConcatChart = alt.vconcat(upper, lower, spacing=4)
    return panel


def confusion(frame: pl.DataFrame, title: str) -> alt.LayerChart:
    """The confusion matrix: primary, answer, lines; shaded by the share of the row."""
    data = frame.with_columns((pl.col("lines") / pl.col("lines").sum().over("primary")).alias("share"))
    rows = [name for name in (*PRIMARY, ELSEWHERE, NOBODY) if name in set(frame["primary"])]
    answers = [name for name in ANSWERS if name in set(frame["answer"])]
    base = alt.Chart(data).encode(
        x=alt.X("answer:N", sort=answers, title="answer", axis=alt.Axis(orient="top", labelAngle=0, labelLimit=0)),
        y=alt.Y("primary:N", sort=rows, title="truth", axis=alt.Axis(labelLimit=0)),
        tooltip=["primary:N", "answer:N", alt.Tooltip("lines:Q", format=","), alt.Tooltip("share:Q", format=".1%")])
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(color=alt.Color(
        "share:Q", legend=None, scale=alt.Scale(range=["#EAF1F7", _BLUE], domain=[0, 1])))
    dark = alt.condition(alt.datum.share > 0.55, alt.value("white"), alt.value(INK))
    numbers = base.mark_text(fontSize=13).encode(text=alt.Text("lines:Q", format=","), color=dark)
    chart: alt.LayerChart = (cells + numbers).properties(width=760, height=34 * max(len(rows), 1), title=title)
    configured: alt.LayerChart = _configured(chart, title)
    return configured


def _configured(chart: Any, description: str) -> Any:
    return chart.properties(description=description, config={
        "font": FONTS["en"], "background": "white", "view": {"stroke": None},
        "title": {"fontSize": 13, "color": INK, "anchor": "start"},
        "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelColor": INK,
                 "titleColor": SOFT, "gridColor": LINE},
    })
