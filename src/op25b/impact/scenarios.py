"""Several changes side by side: the same traffic, one policy before, and any number after."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from op25b.impact.simulation import Simulation

_STEPS = {"newly_blocked": "subscribers newly blocked", "loses": "subscribers who lose mail that works today",
          "notice": "subscribers who need a notice"}


def side_by_side(names: Sequence[str], frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of several frames below each other; the first column, `scenario`, is the name of the policy after."""
    return pl.concat([frame.select(pl.lit(name).alias("scenario"), pl.all())
                      for name, frame in zip(names, frames, strict=True)])


def compared(totals: pl.DataFrame) -> pl.DataFrame:
    """Totals side by side, as a table for people: one row per measure, one column per scenario.

    A cell has the value, its share where it has one, and the limits where they differ from it.
    """
    def cell(row: dict[str, object]) -> str:
        value, low, high, share = row["value"], row["low"], row["high"], row["share"]
        if value is None:
            return "–"
        shown = f"{value:,}" + (f" ({share:.1%})" if share is not None else "")
        if low is None or (low == value and high == value):
            return shown
        return f"{shown} [{low:,} to {'?' if high is None else f'{high:,}'}]"

    cells = totals.select("scenario", "measure").with_columns(
        pl.Series("cell", [cell(row) for row in totals.iter_rows(named=True)], dtype=pl.String))
    return cells.pivot(on="scenario", index="measure", values="cell")


def counts(simulations: Sequence[Simulation]) -> pl.DataFrame:
    """One row per scenario × step (newly_blocked, loses, notice): subscribers, low, high; for `charts.scenarios`.

    Where the upper end is not known (sampled traffic) there is no lower one either, as half a line says nothing.
    """
    rows = []
    for each in simulations:
        found = {row["measure"]: row for row in each.totals.iter_rows(named=True)}
        for step, name in _STEPS.items():
            value, low, high = (found[name][key] for key in ("value", "low", "high"))
            rows.append((each.after, step, value, None if high is None else low, high))
    return pl.DataFrame(rows, orient="row", schema={"scenario": pl.String, "step": pl.String, "subscribers": pl.Int64,
                                                    "low": pl.Int64, "high": pl.Int64})
