"""What every part of the derived tables was made from, so that `build` makes only what is out of date.

A part is one day of a day table, or a whole table. Its fingerprint is a hash of its SQL, the settings it reads, the
input files that touch it, and the fingerprints or contents of the derived tables it reads. Of a table made as a whole
only the content counts for the days that read it, and of `lease` only what was held on the day: a new lease log leaves
the days it says nothing new of alone.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from op25b import schema
from op25b.engine import duckdb as engine
from op25b.engine.pipelines import PARAMETERS, Pipeline, all_inputs, direct_inputs, ingredients, pipelines
from op25b.engine.reference import destination_networks
from op25b.lake import Lake
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Connect = Callable[[], "AbstractContextManager[DuckDBPyConnection]"]
STATE = "built"
_STATE_SCHEMA = {"table": pl.String, "part": pl.String, "fingerprint": pl.String}
_KIND_OF = {"flow": "flows", "mail_event": "mail", "lease_record": "leases", "subscriber_record": "subscribers"}
_CONTENT = "content"
_ACCOUNT = ["sha256", "kind", "rows_kept", "first", "last"]


class Fingerprints:
    """The fingerprints in the lake, and those the parts would have if they were made now."""

    def __init__(self, workspace: Workspace, lake: Lake) -> None:
        self._workspace, self._lake = workspace, lake
        self._noted = lake.root / ".noted.json"
        state, files = lake.files(STATE), lake.files("source_file")
        rows = pl.read_parquet(state, glob=False).iter_rows() if state else ()
        self._made: dict[tuple[str, str], str] = {(table, part): fingerprint for table, part, fingerprint in rows}
        # Columns that came with a later op25b are only in later files; files are in no order.
        accounts = pl.scan_parquet(files, glob=False, missing_columns="insert", extra_columns="ignore") if files else (
            schema.SOURCE_FILE.empty().lazy())
        kept = accounts.select(_ACCOUNT).filter(pl.col("rows_kept") > 0).sort("sha256").collect()
        self._files: dict[str, list[tuple[str, datetime | None, datetime | None]]] = {
            str(kind): list(files.select("sha256", "first", "last").iter_rows())
            for (kind,), files in kept.group_by("kind", maintain_order=True)}
        config = workspace.config
        networks = json.dumps(config.networks.model_dump(mode="json"))
        self._settings = {"network": networks, "destination_network": destination_networks(workspace).write_json(),
                          "session_gap": str(config.engine.session_gap_seconds), "build_window": config.site.timezone,
                          "mail_size": str(config.findings.mail_min_bytes),
                          "sequential_test": str(config.findings.sequential_test)}
        self.days: list[date] = sorted({*lake.days("flow"), *lake.days("mail_event")})
        self._expired = lake.horizons()

    def stale(self, pipeline: Pipeline, day: date | None) -> bool:
        """Whether a part is out of date and can be made: what read rows that have expired since stays as it is."""
        if day is not None and any(self._is_final(each, day) for each in _numbered_alike(pipeline)):
            return False
        return self._made.get((pipeline.name, _part(day))) != self._now(pipeline, day)

    def _is_final(self, pipeline: Pipeline, day: date) -> bool:
        """Whether the day, or what of its margin it was once made with, has expired of a table it is made from."""
        made = (pipeline.name, _part(day)) in self._made
        reach = -(-pipeline.margin // timedelta(days=1)) if made else 0
        return any(day <= until + timedelta(days=reach) for table, until in self._expired.items()
                   if table == pipeline.name or table in all_inputs(pipeline.name))

    def as_noted(self, tables: Iterable[str]) -> bool:
        """Whether tables are as they were when fingerprints were last saved: no killed build changed them since."""
        try:
            noted = json.loads(self._noted.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # nothing was noted, or not to the end
            return False
        now = self._lake.table_versions()
        return all(now.get(table) == noted.get(table) for table in tables)

    def note(self, pipeline: Pipeline, day: date | None) -> None:
        """Note that a part is made, for the parts that read it and for `save`."""
        self._made[pipeline.name, _part(day)] = self._now(pipeline, day)

    def renew(self, pipeline: Pipeline, day: date) -> bool:
        """Whether a day of a table is to be made; it is noted as made, so that what reads it is out of date too."""
        stale = self.stale(pipeline, day)
        if stale:
            self.note(pipeline, day)
        return stale

    def note_content(self, pipeline: Pipeline, connect: Connect) -> None:
        """Note what counts of a table made as a whole for those that read it; `connect` gives a view of it."""
        if pipeline.name == "lease":
            self._made = {key: value for key, value in self._made.items()
                          if key[0] != "lease" or not key[1].startswith(_CONTENT)}
            with connect() as connection:
                self._lease_contents(connection, self.days)
        elif any(pipeline.name in each.reads for each in pipelines().values()):
            digest = f"SELECT count(*), sum(hash(t)) FROM \"{pipeline.name}\" AS t"  # noqa: S608  # our own name
            with connect() as connection:
                self._made[pipeline.name, _CONTENT] = str(connection.execute(digest).fetchall()[0])

    def add_lease_days(self, connect: Connect) -> None:
        """Days that came after the `lease` table was made need its contents too; `connect` gives a view of it."""
        missing = [day for day in self.days if ("lease", f"{_CONTENT} {day}") not in self._made]
        if missing:
            with connect() as connection:
                self._lease_contents(connection, missing)

    def _lease_contents(self, connection: DuckDBPyConnection, days: Sequence[date]) -> None:
        windows = [(str(day), *engine.window(self._workspace, day)) for day in days]
        frame = pl.DataFrame(windows, orient="row", schema=["day", "since", "until"])
        connection.register("day_window", frame.to_arrow())
        # An open lease that is closed on a later day is the same lease to this one: intervals are cut to the day.
        rows = connection.execute("""
            SELECT w.day, count(*), sum(hash(
                l.ip_first, l.ip_last, l.port_first, l.port_last, l.subscriber, greatest(l.start, w.since),
                least(coalesce(l."end", w.until), w.until)
            ))
            FROM day_window AS w
            JOIN lease AS l ON l.start < w.until AND (l."end" IS NULL OR l."end" > w.since)
            GROUP BY w.day
        """).fetchall()
        known = connection.execute("SELECT count(*) > 0 FROM lease").fetchall()[0][0]
        connection.unregister("day_window")
        found = {day: f"{count} {total}" for day, count, total in rows}
        for day in days:
            self._made["lease", f"{_CONTENT} {day}"] = f"{known} {found.get(str(day), 'none')}"

    def _now(self, pipeline: Pipeline, day: date | None) -> str:
        parts = [self._workspace.config.site.timezone, str(pipeline.margin), pipeline.code,
                 *(p.code for p in ingredients(pipeline.name) if not p.stored)]
        between = None if day is None else engine.reach(self._workspace, day, pipeline)
        for read in sorted(direct_inputs(pipeline.name)):
            if read in PARAMETERS:
                parts.append(self._settings[read])
            elif read in _KIND_OF:
                left = [f"{self._lake.rows(read)} left"] if day is None and read in self._expired else []
                parts.append(read + " " + " ".join([*self._touching(read, between), *left]))
            elif read in pipelines():
                parts.append(read + " " + self._of(pipelines()[read], day))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _of(self, read: Pipeline, day: date | None) -> str:
        """What counts of a stored table for one that reads it."""
        if read.build == "whole":
            part = f"{_CONTENT} {day}" if read.name == "lease" and day is not None else _CONTENT
            return self._made.get((read.name, part if read.name != "lease" or day is not None else ""), "")
        if day is not None:
            return self._made.get((read.name, _part(day)), "")
        gone = str(self._expired.get(read.name, ""))
        return " ".join(f"{part}={made}" for (name, part), made in sorted(self._made.items())
                        if name == read.name and part > gone)

    def _touching(self, raw: str, between: tuple[datetime, datetime] | None) -> list[str]:
        """Hashes of the input files with rows in a raw table, those of a span of time only where one is given."""
        files = self._files.get(_KIND_OF[raw], [])
        if between is None or raw not in {"flow", "mail_event"}:
            return [name for name, _, _ in files]
        return [name for name, first, last in files if first and last and first < between[1] and last >= between[0]]

    def save(self) -> None:
        """Store what was noted."""
        rows = [(table, part, fingerprint) for (table, part), fingerprint in sorted(self._made.items())]
        self._lake.replace(STATE, pl.DataFrame(rows, schema=_STATE_SCHEMA, orient="row").to_arrow())
        temporary = self._noted.with_suffix(".new")
        temporary.write_text(json.dumps(self._lake.table_versions()), encoding="utf-8")
        temporary.replace(self._noted)


@functools.cache
def _numbered_alike(pipeline: Pipeline) -> list[Pipeline]:
    """The tables of days that are made, or left as they are, on the same days as one of them.

    Those that share the numbers of a day, of addresses and holders: a number made anew means another line.
    """
    numbers = {"address", "holder"}
    of_days = [each for each in pipelines().values() if each.build == "day"]
    alike = [each for each in of_days if each.name in numbers or all_inputs(each.name) & numbers]
    return alike if pipeline in alike else [pipeline]


def _part(day: date | None) -> str:
    return "" if day is None else day.isoformat()
