"""The quick-reference chart as a page for customers: Markdown, or one HTML file that asks the network for nothing."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import date, datetime

import polars as pl

from op25b.settings import Language
from op25b.texts import Text

_TITLE: Text = {"ja": "{site}：ポート25番ブロック（OP25B）対象者早見表",
                "en": "{site}: blocking of port 25 (OP25B), who is affected"}
_SINCE: Text = {"ja": "規制開始日：{day}", "en": "In force from {day}"}
_COLUMNS: dict[str, Text] = {
    "line": {"ja": "ご利用の回線", "en": "line"}, "how": {"ja": "送信方法", "en": "how mail is sent"},
    "port": {"ja": "ポート", "en": "port"}, "protocol": {"ja": "方式", "en": "protocol"},
    "verdict": {"ja": "影響", "en": "effect"}, "advice": {"ja": "必要な対応", "en": "what to do"},
}
_STYLE = ("body{font-family:sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse}"
          "th,td{border:1px solid #999;padding:.4em .6em;text-align:left}.affected{background:#fbe3df}"
          "@media print{body{margin:0}}")


def markdown(chart: pl.DataFrame, site: str, since: date | None, language: Language) -> str:
    """The chart as a Markdown table."""
    head, *rest = _table(chart, language)
    lines = [f"# {_cell(_title(site, language))}", "", *([_since(since, language), ""] if since else []),
             _line(head), _line(["---"] * len(head)), *map(_line, rest)]
    return "\n".join(lines) + "\n"


def page(chart: pl.DataFrame, site: str, since: date | None, language: Language) -> str:
    """The chart as an HTML document; rows of those who are affected are marked."""
    title = html.escape(_title(site, language))
    head, *rest = _table(chart, language)
    top = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    marks = ['<tr class="affected">' if affected else "<tr>" for affected in chart["affected"]]
    rows = "\n".join(mark + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
                     for mark, cells in zip(marks, rest, strict=True))
    day = f"<p>{html.escape(_since(since, language))}</p>\n" if since else ""
    return (f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
            f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{day}<table>\n"
            f"<thead><tr>{top}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</body>\n</html>\n")


def _table(chart: pl.DataFrame, language: Language) -> Iterator[list[str]]:
    yield [words[language] for words in _COLUMNS.values()]
    for row in chart.iter_rows(named=True):
        yield [str(row[name]) for name in _COLUMNS]


def _title(site: str, language: Language) -> str:
    return _TITLE[language].format(site=site)


def _since(since: date | None, language: Language) -> str:
    day = since.date() if isinstance(since, datetime) else since
    if day is None:
        return ""
    return _SINCE[language].format(day=f"{day.year}年{day.month}月{day.day}日" if language == "ja" else day.isoformat())


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Text that Markdown takes for text: no line breaks, no markup of names out of the settings."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    return "".join(f"\\{c}" if c in r"\`*_[]|#!" else {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(c, c) for c in flat)
