"""Which traffic was sampled how: exporters with their sampling intervals, the pilot, and each line in one stratum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from op25b.errors import SettingsError, nearest

EXACT, UNKNOWN = "1:1", "unknown"
_KEYS = ["exporter", "sampling_interval"]
_MANY = 2  # days with several intervals of one exporter, up to which they follow each other


@dataclass(frozen=True)
class Strata:
    """How a window's traffic was sampled.

    `exporters`: one row per exporter × sampling interval: exporter, sampling_interval, stratum, pilot (whether it
    calibrates the others). `schedule`: one row per sampled stratum × day: stratum, day, interval. Strata: `1:1` (every
    packet was seen), `1:N`, `unknown`; exporters whose N changes in the window are each a stratum of their own.
    """

    exporters: pl.DataFrame
    schedule: pl.DataFrame

    @property
    def sampled(self) -> list[str]:
        """The names of the strata that sampling may have missed lines of, in order."""
        names: list[str] = self.schedule["stratum"].unique(maintain_order=True).to_list()
        return names

    def lines(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row per subscriber of rows of `sampled_day`: stratum, client_packets, server_packets (there).

        A line that several exporters saw belongs where every packet was seen, else where most of its traffic was.
        """
        size = ((pl.col("client_packets") + pl.col("server_packets")) * pl.col("sampling_interval")).sum()
        return (
            self.placed(rows).group_by("subscriber", "stratum")
            .agg(pl.col("client_packets", "server_packets").sum(), size.alias("size"))
            .sort("subscriber", pl.col("stratum") == EXACT, pl.col("stratum") != UNKNOWN, "size", "stratum",
                  descending=[False, True, True, True, False])
            .unique("subscriber", keep="first", maintain_order=True).drop("size"))

    def pilot(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row per subscriber × day of the pilot: client_packets, server_packets."""
        return self.placed(rows).filter("pilot").group_by("subscriber", "day").agg(
            pl.col("client_packets", "server_packets").sum()).sort("subscriber", "day")

    def thinned(self, pilot: pl.DataFrame, stratum: str) -> pl.DataFrame:
        """The rows of `pilot` with the `interval` that a stratum had on their days."""
        days = self.schedule.filter(pl.col("stratum") == stratum)
        return pilot.join(days, on="day").sort("subscriber", "day")

    def placed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of `sampled_day` with their `stratum`, and whether they are the `pilot`'s."""
        return rows.join(self.exporters, on=_KEYS, how="left", nulls_equal=True)


def stratify(sampled: pl.DataFrame, days: Sequence[date], named: Sequence[str] = ()) -> Strata:
    """Sort the exporters of the rows of `sampled_day` of some days into strata.

    The pilot are the exporters `named` in the settings (a `SettingsError` where one is not there or samples), else all
    whose rows are all 1:1.
    """
    exporters = _exporters(sampled, named)
    schedule = _schedule(sampled, exporters, days)
    names = _names(schedule)
    sampling = exporters.join(names, on="unit", how="left").with_columns(
        pl.when(pl.col("sampling_interval").is_null()).then(pl.lit(UNKNOWN)).when("exact").then(pl.lit(EXACT))
        .otherwise("name").alias("stratum"))
    shown = schedule.join(names, on="unit").sort("first", "name", "day").select(
        pl.col("name").alias("stratum"), "day", "interval")
    return Strata(sampling.select(*_KEYS, "stratum", "pilot").sort(_KEYS, nulls_last=True),
                  shown.unique(["stratum", "day"], maintain_order=True))


def _exporters(sampled: pl.DataFrame, named: Sequence[str]) -> pl.DataFrame:
    """One row per exporter × sampling interval: unit (what is sampled alike, or changes in time), exact, pilot.

    An exporter with several intervals on several days has them at once, as of its interfaces; so have records that
    name none. Then each interval is a unit of its own.
    """
    found = sampled.group_by("exporter", "sampling_interval").agg(pl.col("day").n_unique().alias("days"))
    together = sampled.filter(pl.col("sampling_interval").is_not_null()).group_by("exporter", "day").agg(
        pl.col("sampling_interval").n_unique().alias("intervals")).group_by("exporter").agg(
        (pl.col("intervals") > 1).sum().alias("mixed"))
    interval = pl.col("sampling_interval")
    found = found.join(together, on="exporter", how="left", nulls_equal=True).with_columns(
        pl.when(pl.col("exporter").is_null() | (pl.col("mixed") > _MANY))
        .then(pl.format("{} at {}", pl.col("exporter").fill_null(""), pl.col("sampling_interval").fill_null(0)))
        .otherwise("exporter").alias("unit"))
    found = found.with_columns((interval == 1).all().over("unit").alias("exact"),
                               (interval.fill_null(0) == 1).all().over("unit").alias("pilot"))
    if not named:
        return found
    known = set(found["exporter"].drop_nulls())
    for name in named:
        if name not in known:
            msg = (f"[sampling] pilot: no flows of an exporter {name!r}{nearest(name, known)}\n"
                   f"  exporters in these days: {', '.join(sorted(known)) or 'none is named'}")
            raise SettingsError(msg)
        if not found.filter(pl.col("exporter") == name)["pilot"].all():
            msg = (f"[sampling] pilot: not every record of {name!r} has the sampling interval 1\n"
                   "  a pilot sees every packet; choose days with --since and --until, or another exporter")
            raise SettingsError(msg)
    return found.with_columns((pl.col("pilot") & pl.col("exporter").is_in(list(named))).fill_null(value=False))


def _schedule(sampled: pl.DataFrame, exporters: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
    """One row per sampled unit × day: interval; of a day without traffic the last one before it, else the next.

    On the day of a change the interval is Σ N k / Σ k, packets over sampled packets.
    """
    packets = pl.col("client_packets") + pl.col("server_packets")
    per_day = (
        sampled.join(exporters.filter(~pl.col("exact") & pl.col("sampling_interval").is_not_null()).select(
            *_KEYS, "unit"), on=_KEYS, nulls_equal=True)
        .group_by("unit", "day").agg(
            ((packets * pl.col("sampling_interval")).sum() / packets.sum()).alias("weighted"),
            pl.col("sampling_interval").mean().alias("plain"))
        .select("unit", "day", pl.when(pl.col("weighted").is_finite()).then("weighted").otherwise("plain")
                .alias("interval")))
    grid = per_day.select("unit").unique().join(pl.DataFrame({"day": list(days)}, schema={"day": pl.Date}),
                                                how="cross")
    return grid.join(per_day, on=["unit", "day"], how="left").sort("unit", "day").with_columns(
        pl.col("interval").forward_fill().backward_fill().over("unit"))


def _names(schedule: pl.DataFrame) -> pl.DataFrame:
    """One row per sampled unit: name (of its stratum, which units with one same interval share), first interval."""
    found = []
    for (unit,), rows in schedule.group_by("unit", maintain_order=True):
        steps = rows["interval"].rle().struct.field("value").to_list()
        shown = ", ".join(f"1:{round(step)}" for step in steps)
        found.append((unit, shown if len(steps) == 1 else f"{shown} ({unit})", steps[0]))
    return pl.DataFrame(found, orient="row", schema={"unit": pl.String, "name": pl.String, "first": pl.Float64})
