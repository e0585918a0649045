"""The parts of the report `legitimacy`: the three propositions on a block of port 25, with the numbers behind them."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl

from op25b import __version__, keyfile
from op25b.caveats import caveats
from op25b.impact.legitimacy import Limits, Verdict, evidence
from op25b.report_template.parts import Card, Cell, Column, Html, Kind, Table, part
from op25b.report_template.provenance import lake_version
from op25b.small_cells import MARK, SmallCells
from op25b.texts import Text, percent

if TYPE_CHECKING:
    from op25b.settings import Language
    from op25b.workspace import Workspace

WORDS: dict[str, dict[str, Text]] = tomllib.loads(
    Path(__file__).with_name("legitimacy.toml").read_text(encoding="utf-8"))
PROPOSITIONS = ("fixed", "dynamic", "rates")
_TONES: dict[Verdict, str] = {"holds": "", "fails": "newly", "open": "already"}


class Page:
    """The report's parts, in the order of the notebook; empty `since` and `until` stand for all days.

    Counts of few lines, and what they send, are suppressed (`[privacy] small_cell`) but where `small_cells` asks for
    them, which takes the key: `SettingsError` without it.
    """

    def __init__(self, workspace: Workspace, *, language: Language, since: str = "", until: str = "",
                 limits: Limits | None = None, small_cells: bool = False) -> None:
        if small_cells:
            keyfile.finished(workspace.key_path)
        self._cells = SmallCells(1 if small_cells else workspace.config.privacy.small_cell)
        self._workspace, self._language, self._limits = workspace, language, limits or Limits()
        first, last = (date.fromisoformat(day) if day else None for day in (since, until))
        self._evidence = evidence(workspace, since=first, until=last)
        self._verdicts = dict(zip(PROPOSITIONS, self._evidence.verdicts(self._limits), strict=True))
        self._rows = {row["addresses"]: row for row in self._evidence.addresses.iter_rows(named=True)}

    def _say(self, table: str, key: str, **values: object) -> str:
        shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
        return WORDS[table][key][self._language].format(**shown)

    def _hides_bots(self, row: dict[str, int]) -> bool:
        """Whether the bots among the lines of a kind are too few to be shown, or the others are."""
        return self._cells.hides(row["bots"], row["lines"])

    def _hides_mass(self) -> bool:
        """Whether all that bots send would give away what a few of them send."""
        bots = sum(row["bots"] for row in self._rows.values())
        return self._cells.hides(bots) or any(self._hides_bots(row) for row in self._rows.values())

    def _thresholds(self) -> dict[str, str]:
        shares = {name: percent(getattr(self._limits, name)) for name in ("hardly", "left", "hit")}
        return shares | {"fewest": f"{self._limits.fewest:,}"}

    def header(self, title: str = "") -> Html:
        """Title, site, what this is, and what it was counted from."""
        site, days = self._workspace.config.site, self._evidence.window.days
        seen = self._say("page", "days", first=days[0], last=days[-1], n=len(days)) if days else \
            self._say("page", "no-days")
        now = datetime.now(self._workspace.timezone)
        facts = [
            (self._say("page", "observed"), [seen, site.timezone]),
            (self._say("page", "scope"), [self._say("page", "traffic")]),
            (self._say("page", "generated"), [f"{now:%Y-%m-%d %H:%M}", f"op25b {__version__}"]),
            (self._say("page", "data"), lake_version(self._workspace, "legitimacy", self._language)),
        ]
        return part("header", self._language, title or self._say("page", "title"), site.name, facts,
                    self._say("page", "summary"))

    def section(self, key: str, number: int | None = None) -> Html:
        """A heading with the rule by which a proposition is judged; numbered, or one level lower without a number."""
        title = self._say("propositions" if key in PROPOSITIONS else "sections", key)
        lead = self._say("leads", key, **self._thresholds()) if key in PROPOSITIONS else ""
        return part("section", self._language, number, title, lead) if number else \
            part("subsection", self._language, title, lead)

    def cards(self) -> Html:
        """The three propositions: borne out or not, with the number that decides."""
        mass = sum(row["bot_connections"] for row in self._rows.values())
        cards = []
        for key in PROPOSITIONS:
            verdict = self._verdicts[key]
            if key == "rates":
                of: tuple[str, ...] = (self._best(),)
            else:
                row = self._rows[key]
                of = (self._say("page", "of-lines", lines=self._cells.shown(row["lines"]),
                                bots=self._cells.shown(row["bots"], row["lines"])),
                      self._say("page", "of-connections", mass=MARK if self._hides_mass() else mass,
                                part=MARK if self._hides_bots(row) else row["bot_connections"]))
            cards.append(Card(self._say("propositions", key), self._say("page", verdict), of=of, tone=_TONES[verdict]))
        note = self._say("page", "small-cells", mark=MARK, limit=self._cells.limit) if self._cells.suppressing else ""
        return Html(part("cards", self._language, cards).text
                    + (part("note", self._language, note, "").text if note else ""), self._language)

    def _best(self) -> str:
        """What the strictest limit that hits few others leaves of the bots."""
        mild = self.caps().filter(pl.col("hit") <= self._limits.hit)["left"].drop_nulls()
        if mild.is_empty():
            return self._say("page", "no-cap")
        return self._say("page", "of-caps", left=percent(cast("float", mild.min())))

    def addresses(self, *kinds: str) -> Html:
        """A row per kind of address: lines, bots among them, connections."""
        names: list[tuple[str, Kind]] = [("addresses", ""), ("lines", "count"), ("bots", "count"), ("share", "count"),
                                         ("unclear", "count"), ("connections", "count"), ("bot_connections", "count")]
        rows = []
        for kind in kinds:
            row = self._rows[kind]
            share = "–" if row["bot_share"] is None else \
                f"{percent(row['bot_share'])} ({percent(row['bot_share_low'])} – {percent(row['bot_share_high'])})"
            spread = f"{row['bot_connections_low']:,} – {row['bot_connections_high']:,}"
            # What is neither is the lines less both, unless the bots are not shown.
            bots, both = self._hides_bots(row), row["bots"] + row["unclear"]
            unclear = self._cells.hides(row["unclear"], row["lines"]) or (
                not bots and self._cells.hides(both, row["lines"]))
            texts = [self._cells.shown(row["lines"]), self._cells.shown(row["bots"], row["lines"]),
                     MARK if bots else share, MARK if unclear else f"{row['unclear']:,}",
                     MARK if self._cells.hides(row["lines"]) else f"{row['connections']:,}",
                     MARK if bots or unclear else f"{row['bot_connections']:,} ({spread})"]
            rows.append([Cell(self._say("addresses", kind)), *(Cell(each, "count") for each in texts)])
        return self._table(names, rows)

    def caps(self) -> pl.DataFrame:
        """One row per limit of rate; for `charts.rate_limits`. `left` and `hit` are NULL where suppressed."""
        hit, most = pl.col("line_days_hit"), self._cells.limit - 1
        few = hit.is_between(1, most) | (pl.col("line_days") - hit).is_between(1, most)
        return self._evidence.caps.with_columns(
            pl.when(not self._hides_mass()).then("left").alias("left"), pl.when(~few).then("hit").alias("hit"))

    def rates(self) -> Html:
        """The same as a table, with what each share is a part of."""
        names: list[tuple[str, Kind]] = [("cap", "count"), ("left", "count"), ("hit", "count"), ("hit_high", "count")]
        mass = self._hides_mass()
        rows = [[Cell(f"{row['cap']:,}", "count"),
                 Cell(MARK if mass else _part(row["bot_connections_left"], row["bot_connections"]), "count"),
                 Cell(self._days(row["line_days_hit"], row["line_days"]), "count"),
                 Cell(self._days(row["line_days_hit_high"], row["line_days_high"]), "count")]
                for row in self._evidence.caps.iter_rows(named=True)]
        return self._table(names, rows)

    def _days(self, hit: int, days: int) -> str:
        return MARK if self._cells.hides(hit, days) else _part(hit, days)

    def _table(self, names: list[tuple[str, Kind]], rows: list[list[Cell]]) -> Html:
        columns = tuple(Column(self._say("columns", name), kind) for name, kind in names)
        return part("table", self._language, Table(columns, rows))

    def limits(self) -> Html:
        """What the data could not show, and where the rules come from."""
        said = [self._say("limits", key, **self._thresholds())
                for key in ("source", "thresholds", "rules", "content", "window")]
        return part("bullets", self._language, [*said, *caveats(self._workspace, self._language).values()])


def _part(value: int, whole: int) -> str:
    return f"{percent(value / whole)} ({value:,} / {whole:,})" if whole else "–"
