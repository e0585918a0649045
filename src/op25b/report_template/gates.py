"""The data-quality gates in a report: judged beforehand, handed over in a file, shown as a table.

great-expectations takes seconds to import, so `op25b report` runs the gates beside the notebook's kernel, which
waits for their file only when it gets to the section that shows them.
"""

from __future__ import annotations

import io
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from markupsafe import Markup

from op25b.report_template.parts import Cell, Column, Html, Kind, Table, part
from op25b.report_template.words import COLUMNS, NOTES, PHRASES, RULES, SEVERITIES, TABLES
from op25b.settings import Language
from op25b.texts import text

State = Literal["none", "failed", "judged"]


@dataclass(frozen=True)
class Result:
    """`none`: the gates were not run; `failed`: they could not be; `judged`: `rules` has a row per rule."""

    state: State
    rules: pl.DataFrame | None = None

    def html(self, language: Language) -> Html:
        """A sentence, a row per table, a row per failed rule; all rules folded away below."""
        rules = self.rules
        if self.state != "judged" or rules is None:
            key = "quality-failed" if self.state == "failed" else "no-quality"
            return part("note", language, NOTES[key][language], "warning")
        failed = rules.filter(~pl.col("passed")) if rules.height else rules
        key = "quality-none" if rules.is_empty() else "quality-bad" if failed.height else "quality-good"
        sentence = NOTES[key][language].format(rules=f"{rules.height:,}", failed=f"{failed.height:,}")
        shown = [part("note", language, sentence, "warning" if failed.height else "")]
        if rules.height:
            every = Markup(_rules(rules, language).text)  # noqa: S704  # a part: escaped already
            shown += [_tables(rules, language), *([_rules(failed, language)] if failed.height else []),
                      part("folded", language, NOTES["all-rules"][language], every)]
        return Html("".join(piece.text for piece in shown), language)


def _tables(rules: pl.DataFrame, language: Language) -> Html:
    """One row per table: how many rules, how many passed and failed."""
    counted = rules.group_by("table", maintain_order=True).agg(pl.len(), pl.col("passed").sum())
    rows = [[Cell(text(TABLES, name, language)), Cell(f"{every:,}", "count"), Cell(f"{passed:,}", "count"),
             Cell(f"{every - passed:,}", "count", tone="newly" if every > passed else "")]
            for name, every, passed in counted.iter_rows()]
    return _table([("table", ""), ("rules", "count"), ("passed", "count"), ("failed", "count")], rows, language)


def _rules(rules: pl.DataFrame, language: Language) -> Html:
    """One row per rule."""
    rows = [
        [Cell(COLUMNS["passed" if row["passed"] else "failed"][language], tone="fine" if row["passed"] else "newly"),
         Cell(text(TABLES, row["table"], language)), Cell(text(RULES, row["rule"], language)),
         Cell(text(SEVERITIES, row["severity"], language), "small"), Cell(_phrase(row["observed"], language)),
         Cell(_phrase(row["expected"], language)), Cell(f"{row['failing_rows']:,}", "count")]
        for row in rules.iter_rows(named=True)
    ]
    return _table([("result", "small"), ("table", ""), ("rule", ""), ("severity", "small"), ("observed", ""),
                   ("expected", ""), ("failing_rows", "count")], rows, language)


def _table(names: list[tuple[str, Kind]], rows: list[list[Cell]], language: Language) -> Html:
    return part("table", language, Table(tuple(Column(COLUMNS[name][language], kind) for name, kind in names), rows))


def _phrase(value: str | None, language: Language) -> str:
    """What a gate says of its numbers, in the page's language."""
    for pattern, words in PHRASES if language == "ja" else ():
        if re.fullmatch(pattern, value or ""):
            return re.sub(pattern, words, value or "")
    return value or ""


def write(path: Path, rules: pl.DataFrame | None) -> None:
    """Hand over a result, whole or not at all; None says that the gates could not be run."""
    content = "null" if rules is None else json.dumps({"rules": rules.to_dicts()}, ensure_ascii=False, default=str)
    part_file = path.with_suffix(".part")
    part_file.write_text(content, encoding="utf-8")
    part_file.replace(path)


def read(path: str, patience: float = 600.0) -> Result:
    """Wait for the file of `write`; without a path the gates were not run."""
    if not path:
        return Result("none")
    deadline = time.monotonic() + patience
    while not Path(path).exists():
        if time.monotonic() > deadline:
            return Result("failed")
        time.sleep(0.05)
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    if data is None:
        return Result("failed")
    return Result("judged", pl.read_json(io.StringIO(json.dumps(data["rules"]))) if data["rules"] else pl.DataFrame())
