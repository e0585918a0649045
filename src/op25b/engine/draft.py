"""The lake of a build: beside what is committed it sees the days made since, which the next table of a day reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from op25b.lake import Lake, Part

if TYPE_CHECKING:
    import pyarrow as pa


class Draft(Lake):
    """The Delta tables below one directory, and days of derived tables that nobody else sees before `commit`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._staged: dict[str, tuple[pa.Schema, dict[date, list[Part]]]] = {}

    def stage(self, table: str, columns: pa.Schema, day: date, parts: list[Part]) -> None:
        """Take files already written for one day of a table, in the place of those it has; a day may have none."""
        _, days = self._staged.setdefault(table, (columns, {}))
        days[day] = parts

    def commit(self) -> bool:
        """Put what was staged in the lake, one commit for each table; whether there was something."""
        staged = bool(self._staged)
        for table, (columns, days) in self._staged.items():
            self.put(table, columns, [part for parts in days.values() for part in parts], sorted(days))
        self._staged.clear()
        return staged

    def files(self, table: str, days: Iterable[date] | None = None) -> list[str]:
        """As `Lake.files`, with those of staged days."""
        if table not in self._staged:
            return super().files(table, days)
        staged = self._staged[table][1]
        asked = set((*self.days(table), *staged) if days is None else days)
        new = [str(part.path) for day in sorted(asked & staged.keys()) for part in staged[day]]
        return [*super().files(table, asked - staged.keys()), *new]

    def arrow_schema(self, table: str) -> pa.Schema | None:
        """As `Lake.arrow_schema`, of a staged table as it will be."""
        return self._staged[table][0] if table in self._staged else super().arrow_schema(table)

    def partitioned(self, table: str) -> bool:
        """As `Lake.partitioned`: what is staged is."""
        return table in self._staged or super().partitioned(table)
