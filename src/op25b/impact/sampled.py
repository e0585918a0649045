"""What packet sampling hides of a window: the lines behind those seen, in all and of a change, and the traffic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from op25b.impact.estimate import Pairs, ratio
from op25b.impact.window import Window
from op25b.sampling import Estimate, Figure, Population, Strata, stratify
from op25b.sampling.population import Reason
from op25b.sampling.reading import sampled_rows
from op25b.sampling.volume import product, volume
from op25b.settings import Sampling

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NOTHING = Estimate(None, None, None)


@dataclass(frozen=True)
class SampledTraffic:
    """A window's mail toward other servers than the own relays, by how it was sampled.

    `rows`: those of the table `sampled_day`; `addresses`: whether addresses stand for lines.
    """

    rows: pl.DataFrame
    window: Window
    settings: Sampling
    addresses: bool

    @cached_property
    def strata(self) -> Strata:
        """The exporters, sorted by how they sample."""
        return stratify(self.rows, self.window.days, self.settings.pilot)

    @cached_property
    def _pilot_days(self) -> int:
        return self.strata.pilot(self.rows)["day"].n_unique()

    def population(self, rows: pl.DataFrame) -> Population:
        """The lines of some of the rows."""
        return Population(self.strata, rows, self.settings, self.window.length, self._pilot_days, self.addresses)

    @cached_property
    def senders(self) -> pl.DataFrame:
        """The rows of lines that send, or try to, to external port 25."""
        return self.rows.filter(pl.col("port") == 25)


def read(connection: DuckDBPyConnection, window: Window, settings: Sampling, *, addresses: bool) -> SampledTraffic:
    """The mail traffic of a window's session by how it was sampled."""
    return SampledTraffic(sampled_rows(connection), window, settings, addresses)


def newly_blocked(connection: DuckDBPyConnection, sampled: SampledTraffic) -> pl.DataFrame:
    """The rows that the change in the table `decided` newly blocks.

    A row counts whole where a policy blocks some of its connections only.
    """
    blocked = connection.sql("""
        SELECT DISTINCT subscriber, destination_group, port FROM decided WHERE impact = 'newly_blocked'
    """).pl()
    return sampled.rows.join(blocked, on=["subscriber", "destination_group", "port"], how="semi")


@dataclass(frozen=True)
class Hidden:
    """Of a change, how many lines are behind those seen, seen or not; of each the figure to quote."""

    newly: Figure
    loses: Figure
    notice: Figure


def of_change(connection: DuckDBPyConnection, sampled: SampledTraffic, lines: pl.DataFrame) -> list[Figure]:
    """Every figure of the lines that are newly blocked, that lose working mail, and that need a notice.

    `lines`: see `op25b.impact.lines.lines`; those of which anything is newly blocked must be there.
    """
    population = sampled.population(newly_blocked(connection, sampled))
    return [*population.figures("newly_blocked"),
            *population.members("lose_mail", lines.filter("loses_working_mail")["subscriber"]),
            *population.members("need_notice", lines.filter("needs_notice")["subscriber"])]


def hidden(connection: DuckDBPyConnection, sampled: SampledTraffic, lines: pl.DataFrame) -> Hidden:
    """The figures to quote of `of_change`."""
    newly, loses, notice = (each for each in of_change(connection, sampled, lines) if each.headline)
    return Hidden(newly, loses, notice)


def volumes(prefix: str, population: Population) -> list[Figure]:
    """Packets, bytes (both directions) and connections of a population's rows, with those that were not seen."""
    rows, level = population.rows, population.settings.level
    refused = "unknown-interval" if rows["sampling_interval"].null_count() else None
    reasons: tuple[Reason, ...] = (("exact", {}) if population.exact else ("scaled", {}),)
    if refused:
        reasons = (population.problem,) if population.problem else ()
    return [
        Figure(f"{prefix}packets", "scaled", "all", volume(rows, "packets", level=level), None, True, refused, reasons),
        Figure(f"{prefix}bytes", "scaled", "all", volume(rows, "bytes", "squared_bytes", level), None, True, refused,
               reasons),
        per_packet(f"{prefix}connections", population, pl.col("sessions"))]


def per_packet(what: str, population: Population, count: pl.Expr, *factors: Estimate,
               reasons: tuple[Reason, ...] = ()) -> Figure:
    """A count that sampling biases, such as connections: estimated packets times the pilot's count per packet.

    `count`: of a row of `sampled_day`. The count of what was seen whole is added; all is multiplied by `factors`.
    """
    rows = population.rows
    whole = pl.col("sampling_interval") == 1
    counted = float(rows.filter(whole).select(count.sum()).item() or 0)
    if population.exact:
        return Figure(what, "raw", "all", product(Estimate(counted, counted, counted), *factors), None, True,
                      reasons=(("exact", {}), *reasons))
    if population.problem is not None:
        return Figure(what, "pilot", "all", _NOTHING, None, True, population.problem[0], (population.problem,))
    lines = population.strata.placed(rows).filter("pilot").group_by("subscriber").agg(
        count.sum().cast(pl.Float64).alias("above"), pl.col("packets").sum().cast(pl.Float64).alias("below"))
    above, below = pl.col("above"), pl.col("below")
    sums = lines.select(pl.len(), above.sum(), below.sum(), above.pow(2).sum().alias("a2"),
                        below.pow(2).sum().alias("b2"), (above * below).sum().alias("ab")).row(0)
    level = population.settings.level
    unseen = product(volume(rows.filter(~whole), "packets", level=level), ratio(Pairs(*sums), level))
    value, low, high = (None if v is None else v + counted for v in (unseen.value, unseen.low, unseen.high))
    return Figure(what, "pilot", "all", product(Estimate(value, low, high), *factors), None, True,
                  reasons=(("per-packet", {}), *reasons))
