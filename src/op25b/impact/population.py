"""`op25b estimate`: how many lines send to external port 25 and lose mail by a change, seen or not, and how much."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from op25b.impact import lines as each_line
from op25b.impact import sampled as hiding
from op25b.impact.sampled import SampledTraffic
from op25b.impact.simulation import looked_up
from op25b.impact.totals import messages_per_connection
from op25b.impact.window import decide, find_window, opened
from op25b.sampling import Estimate, Figure
from op25b.sampling.words import estimated, why
from op25b.senders import require
from op25b.settings import Language
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def estimate(workspace: Workspace, before: str = "current", after: str = "proposed", *, since: date | None = None,
             until: date | None = None, language: Language = "en") -> pl.DataFrame:
    """One row per statement on all lines and traffic of some local days, seen or not; see docs/sampling.md.

    Columns: what (a key of `sampling.words.ESTIMATES`, or `class:` and a class), statement (the same in words), method
    (`raw`: what was seen; `chao1`: a lower bound; `pilot`: calibrated by exporters that see every packet; `scaled`:
    times N), stratum (`all`, `1:1`, `1:N` or `unknown`), value, low, high (NULL where it cannot be told), level (of
    the interval), detected (the share of such lines that this sampling sees), headline (the row to quote of each
    what), refused (why there is no value), why (the same and more in words).
    """
    old, new = looked_up(workspace, before), looked_up(workspace, after)
    require(workspace)
    window = find_window(workspace, since, until)
    settings = workspace.config.sampling
    with opened(workspace, window) as connection:
        each_line.prepare(workspace, connection)
        addresses = not connection.sql("SELECT 1 FROM lease LIMIT 1").fetchall()
        sampled = hiding.read(connection, window, settings, addresses=addresses)
        decide(connection, {"before": old, "after": new}, window)
        figures = [*_senders(connection, sampled), *_change(connection, sampled)]
    return _frame(figures, settings.level, language)


def _senders(connection: DuckDBPyConnection, sampled: SampledTraffic) -> list[Figure]:
    population = sampled.population(sampled.senders)
    classes = connection.sql("SELECT class, subscriber FROM sender_class").pl()
    figures = population.figures("senders")
    for (name,), rows in classes.sort("class").group_by("class", maintain_order=True):
        figures += population.members(f"class:{name}", rows["subscriber"])
    return [*figures, *hiding.volumes("", population)]


def _change(connection: DuckDBPyConnection, sampled: SampledTraffic) -> list[Figure]:
    window = sampled.window
    lines = each_line.lines(connection, window, only_touched=True)
    population = sampled.population(hiding.newly_blocked(connection, sampled))
    bots = lines.filter(pl.col("class") == "bot")["subscriber"]
    carried = messages_per_connection(connection, sampled.settings.level)
    assumed = carried.value is None
    working = pl.col("established") * ~pl.col("subscriber").is_in(bots.implode())
    messages = hiding.per_packet("newly_blocked_messages", population, working,
                                 Estimate(1, 1, 1) if assumed else carried,
                                 reasons=(("one-message", {}),) if assumed else ())
    return [*hiding.of_change(connection, sampled, lines), *hiding.volumes("newly_blocked_", population), messages]


def _frame(figures: list[Figure], level: float, language: Language) -> pl.DataFrame:
    data = [(f.what, estimated(f.what, language), f.method, f.stratum, f.estimate.value, f.estimate.low,
             f.estimate.high, level, f.detected, f.headline, f.refused, why(f, language)) for f in figures]
    return pl.DataFrame(data, orient="row", schema={
        "what": pl.String, "statement": pl.String, "method": pl.String, "stratum": pl.String, "value": pl.Float64,
        "low": pl.Float64, "high": pl.Float64, "level": pl.Float64, "detected": pl.Float64, "headline": pl.Boolean,
        "refused": pl.String, "why": pl.String})
