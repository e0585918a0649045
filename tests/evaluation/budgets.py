"""What must be kept at 1:1, and whether it is."""

from __future__ import annotations

import polars as pl

from tests.evaluation.measures import called_bot, per_class

RECALL = {"mail-program": 0.97, "bot": 0.90, "own-server": 0.95}
BOT_PRECISION = 0.97
CALLED_BOT = 0.005


def budgets(lines: pl.DataFrame) -> pl.DataFrame:
    """A row per budget: budget, limit, value, low, high, met.

    Recall is over all lines that hold the class, those not listed included. The value itself decides, not its
    interval; a budget without cases is not met.
    """
    classes = {row["class"]: row for row in per_class(lines).iter_rows(named=True)}
    families = called_bot(lines).row(0, named=True)
    rows = [_row(f"{name}: recall", f">= {limit}", classes[name], "recall", least=limit)
            for name, limit in RECALL.items()]
    rows.append(_row("bot: precision", f">= {BOT_PRECISION}", classes["bot"], "precision", least=BOT_PRECISION))
    rows.append(_row("mail-program: called bot", f"<= {CALLED_BOT}", families, "share", most=CALLED_BOT))
    return pl.DataFrame(rows, orient="row", schema={
        "budget": pl.String, "limit": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
        "met": pl.Boolean})


def _row(name: str, limit: str, row: dict[str, float | None], column: str, least: float = 0.0, most: float = 1.0,
         ) -> tuple[str, str, float | None, float | None, float | None, bool]:
    value = row[column]
    return name, limit, value, row[f"{column}_low"], row[f"{column}_high"], value is not None and least <= value <= most
