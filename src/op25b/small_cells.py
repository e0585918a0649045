"""Small cells: counts of so few lines that they may tell on single customers are not shown in what leaves the house.

A count from 1 to one below the limit is suppressed, and as many more as keep it from being computed: where a total is
known, what is hidden below it has two cells at least and a sum that is no small count itself. The smallest go first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

MARK = "×"


@dataclass(frozen=True)
class SmallCells:
    """What is shown of counts under a limit; a limit of 1 suppresses nothing."""

    limit: int

    @property
    def suppressing(self) -> bool:
        """Whether there are counts that are not shown."""
        return self.limit > 1

    def hides(self, count: int, whole: int | None = None) -> bool:
        """Whether a count is not shown: it is small, or what it leaves of a known whole is."""
        rest = 0 if whole is None else whole - count
        return 0 < count < self.limit or 0 < rest < self.limit

    def shown(self, count: int, whole: int | None = None) -> str:
        """A count as text, or the mark of one that is not shown."""
        return MARK if self.hides(count, whole) else f"{count:,}"

    def suppress(self, frame: pl.DataFrame, totals: Sequence[Sequence[str]], outside: pl.DataFrame | None = None,
                 count: str = "subscribers") -> pl.DataFrame:
        """Return `frame` with `count` NULL where it is not shown; rows keep their order.

        `totals`: the sums a reader can know, each by the columns whose values have one: `()` is the sum of everything.
        `outside`: rows that are part of these sums and stand nowhere.
        """
        counts: list[int] = frame[count].to_list()
        hidden = [self.hides(value) for value in counts]
        groups = [group for by in totals for group in _groups(frame, outside, by, count)]
        changed = True
        while changed:
            changed = False
            for rows, away in groups:
                if (one := self._next(rows, away, counts, hidden)) is not None:
                    hidden[one] = changed = True
        shown = [None if hide else value for value, hide in zip(counts, hidden, strict=True)]
        return frame.with_columns(pl.Series(count, shown, dtype=pl.Int64))

    def _next(self, rows: list[int], away: int, counts: list[int], hidden: list[bool]) -> int | None:
        """The cell to hide next so that the total of these rows tells no small count; None when it does not."""
        concealed = [counts[row] for row in rows if hidden[row]] + [away] * (away > 0)
        if not concealed or (sum(concealed) >= self.limit and (len(concealed) > 1 or away > 0)):
            return None
        left = [row for row in rows if not hidden[row] and counts[row] > 0]
        return min(left, key=lambda row: counts[row], default=None)


def _groups(frame: pl.DataFrame, outside: pl.DataFrame | None, by: Sequence[str],
            count: str) -> list[tuple[list[int], int]]:
    """Per value of `by`: the places of its rows, and the sum of its rows that stand nowhere."""
    places: dict[tuple[object, ...], list[int]] = {}
    for place, key in enumerate(_keys(frame, by)):
        places.setdefault(key, []).append(place)
    away: dict[tuple[object, ...], int] = {}
    if outside is not None:
        for key, value in zip(_keys(outside, by), outside[count].to_list(), strict=True):
            away[key] = away.get(key, 0) + value
    return [(rows, away.get(key, 0)) for key, rows in places.items()]


def _keys(frame: pl.DataFrame, by: Sequence[str]) -> list[tuple[object, ...]]:
    return frame.select(by).rows() if by else [()] * frame.height
