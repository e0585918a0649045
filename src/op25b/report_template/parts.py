"""The parts a notebook puts on a report's page: HTML in which every text is escaped, and charts that draw offline.

Text from logs is hostile. Parts are Jinja templates with autoescape (`parts.html.j2`); a chart's JSON goes into a data
block in which no `<` remains, so that nothing in it can end the block.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from op25b.settings import Language

TEMPLATE = Path(__file__).resolve().parent
Kind = Literal["", "count", "id", "name", "small", "why"]
Tone = Literal["", "newly", "already", "fine", "released"]


@dataclass(frozen=True)
class Html:
    """A piece of the page, ready to be shown by a notebook."""

    text: str
    language: Language

    def _repr_html_(self) -> str:
        return f'<div class="op25b" lang="{self.language}">{self.text}</div>'


@dataclass(frozen=True)
class Card:
    """One headline number: what it counts, its share, and what it is a part of."""

    label: str
    value: str
    unit: str = ""
    share: str = ""
    of: tuple[str, ...] = ()
    tone: str = ""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    kind: Kind = ""


@dataclass(frozen=True)
class Cell:
    """One cell; `tone` colours it, it spans so many rows (`span`) and columns (`across`), `head` heads its rows."""

    text: str = ""
    kind: Kind = ""
    tone: Tone = ""
    span: int = 1
    across: int = 1
    head: bool = False


@dataclass(frozen=True)
class Table:
    """A table; a None in a row is a place that the cell above spans."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell | None]]
    caption: str = ""
    kind: str = ""


@cache
def _macros() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATE), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("parts.html.j2").module


def part(name: str, language: Language, *values: object) -> Html:
    """Fill the part of a name (`header`, `section`, `cards`, `table`, `note`, `bullets`) with values."""
    return Html(str(getattr(_macros(), name)(*values)), language)


def style() -> Html:
    """The page's style, for notebooks that are read in JupyterLab."""
    return Html(f"<style>{(TEMPLATE / 'style.css').read_text(encoding='utf-8')}</style>", "en")


def show_charts(*, live: bool) -> None:
    """Choose how charts are shown from now on: as JupyterLab widgets, or as HTML for `op25b report`.

    Neither needs a network. Without `anywidget` (the `jupyter` extra) JupyterLab gets still pictures.
    """
    import altair as alt

    if not live:
        alt.renderers.register("op25b-report", chart_html)
        alt.renderers.enable("op25b-report")
    elif find_spec("anywidget"):
        alt.renderers.enable("jupyter", offline=True)
    else:
        alt.renderers.enable("svg")


def chart_html(spec: dict[str, Any], **_options: object) -> dict[str, str]:
    """An Altair renderer: a place for the chart and its JSON in a data block; `load_charts.js` draws it."""
    from markupsafe import Markup

    data = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    harmless = Markup(data.replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704  # nothing left to end the block
    return {"text/html": str(_macros().chart(str(spec.get("description", "")), harmless))}
