"""The derived tables: one plain SELECT per file in `pipelines/`, ordered by the tables they read.

A file begins with comment lines: `-- row:` what a row is, `-- build:` day (kept per local day), whole (kept, made
anew), step (kept while a day is made: what several others read), inner (not kept, and means something while a day is
made only) or view (not kept, for anybody), and for day tables that must look beyond their day `-- margin:` how far.
`-- by: subscriber` says of a table made as a whole that each of its rows is made of rows of its own subscriber alone.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import timedelta
from graphlib import TopologicalSorter
from typing import Literal

from op25b import schema
from op25b.assets import directory

# Small tables of one build, made from the settings; see `op25b.engine.duckdb`.
PARAMETERS = ("network", "destination_network", "build_window", "session_gap", "mail_size", "sequential_test")


_NO_CODE = re.compile(r"--[^\n]*|'[^']*'|\bextract\(\w+ FROM\b", re.IGNORECASE)
# Neither `a IS DISTINCT FROM b` nor `FROM (SELECT ...)`.
_READ = re.compile(r"(?<!DISTINCT )\b(?:FROM|JOIN)\s+([a-z_]\w*)\b(?!\s*[.(])")
_OWN = re.compile(r"\b([a-z_]\w*)\s+AS\s+\(")
_COMMENT = re.compile(r"('[^']*')|\s*--[^\n]*")


@dataclass(frozen=True)
class Pipeline:
    """One derived table: how it is built, what it reads, and its SELECT."""

    name: str
    build: Literal["day", "whole", "step", "inner", "view"]
    row: str
    margin: timedelta
    reads: frozenset[str]
    by_subscriber: bool
    sql: str

    @property
    def code(self) -> str:
        """The query without its comments: what its result depends on."""
        return _COMMENT.sub(lambda found: found[1] or "", self.sql).strip()

    @property
    def stored(self) -> bool:
        """Whether the lake keeps the table."""
        return self.build in {"day", "whole"}


def _parse(name: str, text: str) -> Pipeline:
    def header(key: str) -> str | None:
        found = re.search(rf"^-- {key}: (.+(?:\n--      .+)*)$", text, re.MULTILINE)
        return re.sub(r"\n--\s+", " ", found[1]) if found else None

    build, row = header("build"), header("row")
    if build not in {"day", "whole", "step", "inner", "view"} or row is None:
        msg = f"pipelines/{name}.sql: needs '-- row: ...' and '-- build: day|whole|step|inner|view'"
        raise ValueError(msg)
    number, unit = (header("margin") or "0 hours").split()
    margin = timedelta(**{unit: int(number)})
    return Pipeline(name, build, row, margin, tables_read(text), header("by") == "subscriber", text)  # type: ignore[arg-type]


def tables_read(query: str) -> frozenset[str]:
    """The tables one of our queries reads, without its own.

    To parse all of them takes a fifth of a second of each command, so this knows no more SQL than they need: names
    after FROM and JOIN, in capitals. A test holds it equal to what a parser says.
    """
    code = _NO_CODE.sub(" ", query)
    return frozenset(_READ.findall(code)) - frozenset(_OWN.findall(code))


@functools.cache
def pipelines() -> dict[str, Pipeline]:
    """All derived tables, each after the ones it reads."""
    found = {path.stem: _parse(path.stem, path.read_text(encoding="utf-8"))
             for path in sorted(directory("pipelines").glob("*.sql"))}
    known = {*found, *schema.RAW, *PARAMETERS}
    for pipeline in found.values():
        if unknown := pipeline.reads - known:
            msg = f"pipelines/{pipeline.name}.sql reads unknown tables: {', '.join(sorted(unknown))}"
            raise ValueError(msg)
    order = TopologicalSorter({name: sorted(p.reads & set(found)) for name, p in found.items()}).static_order()
    return {name: found[name] for name in order}


def ingredients(name: str) -> list[Pipeline]:
    """The pipelines one run of a derived table needs, in order, itself left out; behind a stored one nothing is run."""
    table = pipelines()
    wanted, todo = set(), [*table[name].reads]
    while todo:
        current = todo.pop()
        if current in table and current not in wanted:
            wanted.add(current)
            if not table[current].stored:
                todo += table[current].reads
    return [pipeline for pipeline in table.values() if pipeline.name in wanted]


def stages() -> tuple[list[Pipeline], list[Pipeline], list[Pipeline]]:
    """What the lake keeps, each in order: tables made as a whole that days are made from, those of days, the others."""
    kept = [pipeline for pipeline in pipelines().values() if pipeline.stored]
    of_days = [pipeline for pipeline in kept if pipeline.build == "day"]
    names = {pipeline.name for pipeline in of_days}
    whole = [pipeline for pipeline in kept if pipeline.build == "whole"]
    after = [pipeline for pipeline in whole if all_inputs(pipeline.name) & names]
    return [pipeline for pipeline in whole if pipeline not in after], of_days, after


def direct_inputs(name: str) -> set[str]:
    """Every table one run of a derived table reads: raw ones, parameters, and stored ones."""
    made = ingredients(name)
    passed = {pipeline.name for pipeline in made if not pipeline.stored}
    read = set(pipelines()[name].reads).union(*(pipeline.reads for pipeline in made if not pipeline.stored))
    return read - passed


@functools.cache
def all_inputs(name: str) -> set[str]:
    """Every table a derived table is made from, raw or derived, near or far."""
    found: set[str] = set()
    todo = [*pipelines()[name].reads]
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo += pipelines()[current].reads if current in pipelines() else ()
    return found - set(PARAMETERS)
