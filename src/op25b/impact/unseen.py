"""How the number of lines that lose mail grows with the length of the window, and beyond it."""

from __future__ import annotations

import polars as pl

from op25b.impact.estimate import chao2, growth, unseen_refused
from op25b.impact.simulation import Simulation
from op25b.impact.totals import frequencies
from op25b.sampling import Estimate

_SCHEMA = {"kind": pl.String, "days": pl.Int64, "subscribers": pl.Int64, "low": pl.Int64, "high": pl.Int64,
           "interval": pl.String}
_POINTS = 60  # lengths at most


def unseen(simulation: Simulation) -> pl.DataFrame:
    """One row per length of window: kind, days, subscribers who lose mail, low, high, interval.

    kind is `observed` (what a window of so many of the observed days sees on average; the last is what was seen),
    `extrapolated` (longer, up to twice the window), or `limit` (days NULL: Chao's lower bound for all there are). Where
    an estimate would mislead the last two have no numbers, and `interval` says why (see `words.INTERVALS`). A window
    whose days differ, as workdays and weekends do, sees a little more or less than the average.
    """
    found, days = frequencies(simulation.lines), simulation.window.length
    refused = unseen_refused(found, days, addresses=simulation.addresses)
    lengths = _lengths(1, days)
    if refused == "nobody":
        rows: list[tuple[object, ...]] = [("observed", days, 0, None, None, None)] if days else []
    elif refused:
        rows = [("observed", length, *_whole(Estimate(point.value, None, None)), None)
                for length, point in zip(lengths, growth(found, days, lengths), strict=True)]
    else:
        rows = [("observed", length, *_whole(point), "bootstrap")
                for length, point in zip(lengths, growth(found, days, lengths), strict=True)]
        longer = _lengths(days + 1, 2 * days)
        rows += [("extrapolated", length, *_whole(point), "bootstrap")
                 for length, point in zip(longer, growth(found, days, longer), strict=True)]
        rows.append(("limit", None, *_whole(chao2(found, days)), "unseen"))
    if refused:
        rows.append(("limit", None, None, None, None, f"refused-{refused}"))
    return pl.DataFrame(rows, orient="row", schema=_SCHEMA)


def _whole(estimate: Estimate) -> tuple[int | None, int | None, int | None]:
    value, low, high = (None if v is None else round(v) for v in (estimate.value, estimate.low, estimate.high))
    return value, low, high


def _lengths(first: int, last: int) -> list[int]:
    """So many lengths from the first to the last, both among them, that a chart has room for them."""
    step = max(1, -(-(last - first + 1) // _POINTS))
    return sorted({*range(first, last + 1, step), last}) if last >= first else []
