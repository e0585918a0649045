"""The part of a report on how much of the traffic is tied to a line, by day and access node, and how sure that is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from op25b.coverage import SHIFT, both
from op25b.coverage.seen import PARTS
from op25b.coverage.words import ATTRIBUTIONS, COLUMNS, NOTES, sentences
from op25b.engine import query
from op25b.report_template.parts import Cell, Column, Html, Kind, Table, part
from op25b.small_cells import SmallCells
from op25b.texts import percent

if TYPE_CHECKING:
    from op25b.settings import Language
    from op25b.workspace import Workspace

# So many sessions are looked at again in a few seconds; a page is not to wait for more.
MOST_SESSIONS = 5_000_000


class Tied:
    """Flow records by local day and access node; counts of few lines are suppressed as on the rest of the page."""

    def __init__(self, workspace: Workspace, language: Language, *, small_cells: bool = False) -> None:
        self._workspace, self._language = workspace, language
        self._cells = SmallCells(1 if small_cells else workspace.config.privacy.small_cell)

    @cached_property
    def _moving(self) -> bool:
        """Whether there is time to move the clock."""
        found = query.run(self._workspace, "SELECT coalesce(sum(sessions), 0)::BIGINT AS n FROM peer_day")
        return int(found.item()) <= MOST_SESSIONS

    @cached_property
    def _found(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return both(self._workspace, "day-node", SHIFT if self._moving else 0)

    @property
    def _still(self) -> pl.DataFrame:
        return self._found[0].filter(lease_clock=0)

    def days(self) -> pl.DataFrame:
        """One row per local day × attribution: flows and their share of the day's; no row of what no day has."""
        long = self._still.group_by("day").agg(pl.col(*PARTS).sum()).unpivot(
            PARTS, index="day", variable_name="attribution", value_name="flows")
        used = long.filter(pl.col("flows") > 0)["attribution"].unique().to_list()
        share = (pl.col("flows") / pl.col("flows").sum().over("day")).fill_nan(0.0).alias("share")
        return long.with_columns(share).filter(pl.col("attribution").is_in(used)).sort("day", "attribution")

    def nodes(self, top: int) -> Html:
        """One row per access node, those with most flow records first, and the unknown ones last."""
        sums = self._still.group_by("access_node", "access_server").agg(pl.col("flows", *PARTS).sum()).sort(
            [pl.col("access_node").is_null(), "flows", "access_node", "access_server"],
            descending=[False, True, False, False], nulls_last=True)
        known = sums.filter(pl.col("access_node").is_not_null())
        shown = pl.concat([known.head(top), sums.filter(pl.col("access_node").is_null())])
        parts = [name for name in PARTS if name != "by_address" or int(sums[name].sum())]
        names: list[tuple[str, Kind]] = [("access_node", ""), ("flows", "count"),
                                         *((name, "count") for name in parts), ("share", "count")]
        rows = [[Cell(self._node(row)), *(Cell(f"{row[name]:,}", "count") for name in ("flows", *parts)),
                 Cell(percent(row["attributed"] / row["flows"]), "count")] for row in shown.iter_rows(named=True)]
        table = part("table", self._language, Table(
            tuple(Column(self._title(name), kind) for name, kind in names), rows))
        rest = known.height - min(known.height, top)
        note = self._note("more-nodes", shown=f"{top:,}", rest=f"{rest:,}") if rest else ""
        return Html(table.text + note, self._language)

    def _node(self, row: dict[str, object]) -> str:
        if row["access_node"] is not None:
            return str(row["access_node"])
        if row["access_server"] is not None:
            return NOTES["pool"][self._language].format(server=row["access_server"])
        return NOTES["unknown"][self._language]

    def _title(self, name: str) -> str:
        return (ATTRIBUTIONS if name in ATTRIBUTIONS else COLUMNS)[name][self._language]

    def _note(self, key: str, **values: str) -> str:
        return part("note", self._language, NOTES[key][self._language].format(**values), "").text

    def clocks(self) -> Html:
        """What would change if the clock of the leases stood otherwise, in sentences."""
        if not self._moving:
            return Html(self._note("too-many", most=f"{MOST_SESSIONS:,}"), self._language)
        said = sentences(*self._found, self._language, self._cells)
        return part("bullets", self._language, said) if said else Html("", self._language)
