"""Shares with their intervals.

Wilson's score interval (Wilson, JASA 22, 1927) at 95 %: it stays inside 0 to 1 and keeps its coverage for the shares
near one and the small counts that stand here, where the normal approximation has width zero. A case is a line: what
one line does tells nothing of another's, so lines are taken as independent.
"""

from __future__ import annotations

import polars as pl

Z = 1.959963984540054  # the 97.5 % point of the normal distribution


def with_share(frame: pl.DataFrame, name: str, hits: str, of: str) -> pl.DataFrame:
    """Add the share `hits` / `of` as `name`, and `name`_low and `name`_high; all NULL where there are no cases."""
    n = pl.when(pl.col(of) > 0).then(pl.col(of)).cast(pl.Float64)
    share = pl.col(hits) / n
    shrunk = 1 + Z * Z / n
    middle = (share + Z * Z / (2 * n)) / shrunk
    half = Z / shrunk * (share * (1 - share) / n + Z * Z / (4 * n * n)).sqrt()
    # Rounding alone could put the share a hair outside its interval, where it is 0 or 1.
    return frame.with_columns(share.alias(name), pl.min_horizontal(middle - half, share).clip(0, 1).alias(
        f"{name}_low"), pl.max_horizontal(middle + half, share).clip(0, 1).alias(f"{name}_high"))
