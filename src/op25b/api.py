"""The Python API: a workspace whose methods are the twins of the commands, and return Polars frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from op25b import leftovers, versions
from op25b.errors import QueryError, UnknownNameError
from op25b.lake import Lake, snapshot
from op25b.pseudonyms import Pseudonyms, is_pseudonym
from op25b.readers.base import parse_ip
from op25b.settings import Config, Language
from op25b.workspace import Workspace

if TYPE_CHECKING:
    from op25b.coverage import Per as CoveragePer
    from op25b.explain import Explanation
    from op25b.impact import Simulation
    from op25b.ingest import FileResult, Progress
    from op25b.policy.deploy import Deployment

Per = Literal["subscriber", "total", "destination", "traffic", "example", "load", "unseen"]
FINDINGS_PER = ("subscriber", "destination")
PER: tuple[Per, ...] = ("subscriber", "total", "destination", "traffic", "example", "load", "unseen")


def open_workspace(path: Path | str = ".", version: int | None = None) -> OpenWorkspace:
    """Open the workspace in a directory; with a version its answers are of the lake as it was then.

    >>> import op25b
    >>> op25b.open("demo").findings()            # doctest: +SKIP
    """
    opened = OpenWorkspace(Workspace.load(path))
    return opened if version is None else opened.at(version)


class OpenWorkspace:
    """A workspace, opened: `ingest`, `build`, `status`, `findings`, `simulate`, `explain`, `check`, `report`, `sql`.

    Every answer is of one lake version, the newest there is when it is asked for; `at` stays with one.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def __repr__(self) -> str:
        return f"op25b.open({str(self.workspace.root)!r})"

    def at(self, version: int | None = None) -> OpenWorkspace:
        """The workspace at one lake version, the newest by default: all its answers are of the same data."""
        if version is not None:
            versions.load(self.workspace.lake_path, version)
            return OpenWorkspace(self.workspace.at(version))
        return OpenWorkspace(self._now)

    @property
    def _now(self) -> Workspace:
        """The workspace at the lake version that an answer begun now is of."""
        newest = versions.newest(self.workspace.lake_path) if self.workspace.version is None else None
        return self.workspace if newest is None else self.workspace.at(newest.number)

    @property
    def config(self) -> Config:
        """The settings."""
        return self.workspace.config

    @cached_property
    def _pseudonyms(self) -> Pseudonyms:
        return Pseudonyms.load(self.workspace.key_path, self.workspace.lake_path)

    def ingest(self, progress: Callable[[Progress], None] = lambda _: None, engine: str = "duckdb") -> pl.DataFrame:
        """Read every new input file, here or on Spark; one row per file with its state and accounting."""
        from op25b.engine import reading_on
        from op25b.ingest import ingest

        return accounting(self.workspace, ingest(self.workspace.at(None), progress, reading_on(engine)))

    def build(self, since: date | None = None, until: date | None = None,
              progress: Callable[[str, int, int], None] = lambda _table, _done, _all: None, engine: str = "duckdb"
              ) -> pl.DataFrame:
        """Bring derived tables up to date, on DuckDB or Spark; one row per table that was made anew."""
        from op25b.engine import running_on
        from op25b.engine.build import build

        workspace = self.workspace.at(None)
        with running_on(engine, workspace) as runner:
            built = build(workspace, since, until, progress, runner)
        rows = [(b.table, "all" if b.days is None else f"{min(b.days)} to {max(b.days)}",
                 None if b.days is None else len(b.days), b.rows) for b in built]
        return pl.DataFrame(rows, orient="row", schema={"table": pl.String, "made": pl.String, "days": pl.Int64,
                                                        "rows": pl.Int64})

    def compact(self, keep: timedelta | None = None, progress: Callable[[str], None] = lambda _: None) -> pl.DataFrame:
        """Merge small files and remove those of old lake versions; one row per table; see `op25b.upkeep`."""
        from op25b.upkeep import compact

        keep = timedelta(days=self.config.retention.versions) if keep is None else keep
        lake = Lake(self.workspace.lake_path)
        done = [astuple(table) for table in compact(lake, keep, progress)]
        with lake.writing("compact"):
            leftovers.remove(self.workspace)
        return pl.DataFrame(done, orient="row", schema={
            "table": pl.String, "files": pl.Int64, "files_after": pl.Int64, "bytes": pl.Int64, "bytes_after": pl.Int64})

    def expire(self, today: date | None = None, *, dry_run: bool = False,
               progress: Callable[[str], None] = lambda _: None) -> pl.DataFrame:
        """Remove the rows whose days of `[retention]` are over; one row per table; see `op25b.retention`."""
        from op25b.retention import expire

        return expire(self.workspace, today, dry_run=dry_run, progress=progress)

    def status(self) -> pl.DataFrame:
        """One row per table: what a row is, rows, days, Delta version."""
        from op25b.status import status

        return status(self._now)

    def findings(self, language: Language = "en", per: Literal["subscriber", "destination"] = "subscriber"
                 ) -> pl.DataFrame:
        """One row per subscriber that sends to external port 25, or per destination of each; see `op25b.senders`."""
        from op25b import senders

        if per not in FINDINGS_PER:
            raise UnknownNameError("per", per, FINDINGS_PER)
        return (senders.findings if per == "subscriber" else senders.findings_per_destination)(self._now, language)

    def simulation(self, before: str = "current", after: str = "proposed", *, since: date | None = None,
                   until: date | None = None, traffic: bool = False) -> Simulation:
        """Everything the change from one policy to another does to the traffic of some local days (both included)."""
        return self.simulations([after], before, since=since, until=until, traffic=traffic)[0]

    def simulations(self, afters: Sequence[str], before: str = "current", *, since: date | None = None,
                    until: date | None = None, traffic: bool = False, only_touched: bool = False) -> list[Simulation]:
        """The changes from one policy to several others; lines of which nothing is blocked may be left out."""
        from op25b.impact import compare

        return compare(self._now, before, afters, since=since, until=until, traffic=traffic,
                       only_touched=only_touched)

    def simulate(self, before: str = "current", after: str | Sequence[str] = "proposed", per: Per = "subscriber", *,
                 since: date | None = None, until: date | None = None, by: str | None = None,
                 subscriber: str | None = None, language: Language | None = None) -> pl.DataFrame:
        """What the change does to the traffic of some local days (both included): rows as `per` or `by` say.

        per: `subscriber`, `total` (statements with intervals), `destination` (group × port × impact), `traffic`
        (subscriber × group × port × impact), `example` (a connection seen for every difference; of one `subscriber`
        where given), `load` (the own relay's busiest hours), or `unseen` (how the count grows with the window). by:
        `class`, `plan`, `area`, `dwelling` or `access_node`. Of several policies the rows come below each other, with
        a column `scenario`. With a language, words stand in the place of the keys of measures and intervals.
        """
        from op25b import impact

        if per not in PER:
            raise UnknownNameError("per", per, PER)
        if by is not None and by not in impact.BY:
            raise UnknownNameError("group", by, impact.BY)
        afters = [after] if isinstance(after, str) else list(after)
        line = None if subscriber is None else self.pseudonym(subscriber)
        if by is None and per == "example":
            frames = [impact.examples(self._now, before, name, since=since, until=until, subscriber=line)
                      for name in afters]
        elif by is None and per == "load":
            frames = [impact.load(self._now, before, name, since=since, until=until) for name in afters]
        else:
            made = self.simulations(afters, before, since=since, until=until, traffic=per == "traffic",
                                    only_touched=by is not None or per != "subscriber")
            frames = [rows(each, by or per) for each in made]
        frame = frames[0] if isinstance(after, str) else impact.side_by_side(afters, frames)
        return frame if language is None else impact.worded(frame, language)

    def estimate(self, before: str = "current", after: str = "proposed", *, since: date | None = None,
                 until: date | None = None, language: Language = "en") -> pl.DataFrame:
        """How many lines send and lose mail, seen or not: one row per statement; see `op25b.impact.population`."""
        from op25b.impact.population import estimate

        return estimate(self._now, before, after, since=since, until=until, language=language)

    def coverage(self, per: CoveragePer = "day-node", shift: int = 60, *, since: date | None = None,
                 until: date | None = None, progress: Callable[[str, int, int], None] = lambda _day, _done, _all: None
                 ) -> pl.DataFrame:
        """How many flows are tied to a line, and what would change if clocks differed; see `op25b.coverage`."""
        from op25b.coverage import coverage

        return coverage(self._now, per, shift, since=since, until=until, progress=progress)

    def notices(self, before: str = "current", after: str = "proposed", *, since: date | None = None,
                until: date | None = None) -> pl.DataFrame:
        """The notice list of a change, such as a wave: one row per line that must be told."""
        from op25b.impact import notices

        opened = self.at()
        return notices(opened.workspace, opened.simulation(before, after, since=since, until=until))

    def pseudonym(self, subscriber: str) -> str:
        """The pseudonym of a real identifier; a pseudonym, or an address (a line without leases), stays as it is."""
        name = subscriber.strip()
        address = parse_ip(name)
        if is_pseudonym(name) or address is not None:
            return name if address is None else str(address)
        return self._pseudonyms.of(name)

    def explain(self, subscriber: str, language: Language | None = None) -> Explanation:
        """Is this customer affected, why, and what should they do; `subscriber` is the real identifier."""
        from op25b.explain import explain

        return explain(self._now, self.pseudonym(subscriber), subscriber, language or self.config.site.language)

    def check(self, table: str | None = None) -> pl.DataFrame:
        """Judge the tables by the data-quality gates; one row per rule."""
        from op25b.quality import check

        return check(self._now, table)

    def report(self, name: str, language: Language | None = None, parameters: dict[str, Any] | None = None) -> Path:
        """Render one report to a self-contained HTML file and return its path."""
        from op25b.report import render

        return render(self._now, name, language or self.config.site.language, parameters or {})

    def acl(self, name: str, target: str, *, access_node: str | None = None, waves: Sequence[str] = (),
            moment: datetime | None = None, rollback: str | None = None) -> Deployment:
        """The router configuration of a policy, and its rollback; a moment without a zone is local."""
        from op25b.policy.acl import Scope
        from op25b.policy.deploy import deployment

        scope = Scope(access_node, tuple(waves))
        return deployment(self._now, name, target, moment=self._at(moment), scope=scope, back_to=rollback)

    def lint(self, name: str | None = None, moment: datetime | None = None) -> pl.DataFrame:
        """What is wrong with a policy, or with all; one row per finding."""
        from op25b.policy import policy
        from op25b.policy.lint import frame, lint

        if name is not None:
            policy(self._now, name)
        return frame(lint(self._now, [name] if name else self.config.policy, self._at(moment)))

    def _at(self, moment: datetime | None) -> datetime | None:
        return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=self.workspace.timezone)

    def chart(self, language: Language | None = None, before: str = "current", after: str = "proposed") -> pl.DataFrame:
        """The quick-reference chart: one row per case, decided by the policies."""
        from op25b.policy.chart import quick_reference

        return quick_reference(self._now, language or self.config.site.language, before, after)

    def sql(self, query: str) -> pl.DataFrame:
        """Run one read-only query over every table of the lake; see `at` for the lake as it was."""
        from op25b.engine.query import run

        return run(self._now, query)

    @property
    def lake(self) -> Lake:
        """The lake below the workspace, to read."""
        return snapshot(self.workspace)


def rows(simulation: Simulation, per: str) -> pl.DataFrame:
    """The rows of a simulation: of a kind of `PER`, or lines by a group."""
    from op25b.impact import BY, unseen

    if per in BY:
        return simulation.by(per)
    match per:
        case "subscriber":
            return simulation.subscribers
        case "destination":
            return simulation.groups
        case "unseen":
            return unseen(simulation)
        case "traffic" if simulation.traffic is not None:
            return simulation.traffic
        case _:
            return simulation.totals


def accounting(workspace: Workspace, results: list[FileResult]) -> pl.DataFrame:
    """One row per input file of an ingestion: state, accounting, why rows were rejected (the most frequent first).

    `error` says why a file could not be read, or that more of its rows were rejected than the settings allow.
    """
    names = ["sha256", "kind", "format", "state", "bytes", "rows_read", "rows_kept", "rows_filtered", "rows_rejected",
             "first", "last"]
    rows = [{"path": workspace.shown(r.path), **{name: getattr(r, name) for name in names},
             "reasons": "; ".join(f"{reason} ({count})" for reason, count in r.reasons.most_common()),
             "error": r.error or _too_many_rejected(workspace, r)} for r in results]
    text, count, time = pl.String(), pl.Int64(), pl.Datetime("us")
    kinds: dict[str, pl.DataType] = dict.fromkeys(["path", "kind", "format", "state"], text)
    kinds |= dict.fromkeys(["bytes", "rows_read", "rows_kept", "rows_filtered", "rows_rejected"], count)
    kinds |= {"first": time, "last": time, **dict.fromkeys(["sha256", "reasons", "error"], text)}
    return pl.DataFrame(rows, schema=kinds)


def _too_many_rejected(workspace: Workspace, result: FileResult) -> str:
    limit = workspace.config.quality.max_rejected_share
    if result.rows_rejected <= limit * result.rows_read:
        return ""
    reason, count = result.reasons.most_common(1)[0]
    return (f"{workspace.shown(result.path)}: {result.rows_rejected:,} of {result.rows_read:,} rows were rejected, "
            f"more than max_rejected_share = {limit:g} under [quality] allows; {count:,} of them: {reason}\n"
            f"  look at them with 'op25b inspect', or raise the limit; the other rows are in the lake")


__all__ = ["OpenWorkspace", "QueryError", "open_workspace"]
