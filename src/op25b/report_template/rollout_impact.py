"""The parts of the report `rollout-impact`: who loses which mail when one policy takes the place of another.

Frames are for the charts of `op25b.charts`, everything else is HTML. Nothing is invented: each number comes from the
simulation, the findings, the policies or the lake.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from op25b import __version__, keyfile
from op25b.caveats import caveats
from op25b.engine import query
from op25b.impact.population import estimate
from op25b.policy.chart import quick_reference
from op25b.pseudonyms import is_pseudonym
from op25b.report_template import observed
from op25b.report_template.parts import Card, Cell, Column, Html, Kind, Table, Tone, part
from op25b.report_template.provenance import lake_version
from op25b.report_template.words import BINS, COLUMNS, LEADS, LENGTHS, LIMITS, NOTES, REPORT, SECTIONS
from op25b.small_cells import MARK, SmallCells
from op25b.texts import CLASSES, CONFIDENCES, MEASURES, REMEDIES, Text, percent, text

if TYPE_CHECKING:
    from op25b.impact import Simulation
    from op25b.settings import Language
    from op25b.workspace import Workspace

_VERDICT: dict[tuple[str, str], Tone] = {("allow", "allow"): "fine", ("allow", "block"): "newly",
                                         ("block", "block"): "already", ("block", "allow"): "released"}


# Of what the results could not know, what the page does not say with numbers of its own.
_CAVEATS = ("stale", "no-leases", "no-list", "plan-unused", "fixed-blocked")


# Numbers of lines that estimates begin with, as the rest of the page counts them.
_LINES = {"senders": "external", "newly_blocked": "newly_blocked", "lose_mail": "loses", "need_notice": "notice"}
# Numbers of lines each of which is a part of all that come after it, so that a reader can subtract.
_NESTED = (
    ("loses-bots", "loses", "notice", "newly_blocked", "external", "seen", "listed"),
    ("loses-bots", "notice-bots", "notice", "newly_blocked", "external", "seen", "listed"),
    ("already", "seen", "listed"),
    ("silent", "listed"),
)
# Which one of two goes where their difference is small: the later one. Charts break down those that come first.
_RANKS = ("newly_blocked", "external", "notice-bots", "seen", "listed", "notice", "loses", "loses-bots", "already",
          "silent")


class Page:
    """The report's parts, in the order of the notebook: `header`, `section`, `cards`, frames, tables, notes.

    Counts of few lines are suppressed (`[privacy] small_cell`) but where `small_cells` asks for them, which takes the
    key: `SettingsError` without it.
    """

    def __init__(self, workspace: Workspace, simulation: Simulation, findings: pl.DataFrame, *, language: Language,
                 before: str = "current", after: str = "proposed", small_cells: bool = False) -> None:
        if small_cells:
            keyfile.finished(workspace.key_path)
        self._cells = SmallCells(1 if small_cells else workspace.config.privacy.small_cell)
        self._workspace, self._language = workspace, language
        self._lines, self._findings = simulation.subscribers, findings
        self._before, self._after = before, after
        self._totals = {row["measure"]: row for row in simulation.totals.iter_rows(named=True)}

    # -- words and numbers

    def _say(self, words: dict[str, Text], key: str, **values: object) -> str:
        shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
        return words[key][self._language].format(**shown)

    def _total(self, measure: str) -> int:
        return int(self._totals[measure]["value"]) if measure in self._totals else 0

    @cached_property
    def _counts(self) -> dict[str, int]:
        counts = {
            "listed": self._total("subscribers in the subscriber list"),
            "seen": self._lines.height,
            "external": self._lines["class"].count(),
            "newly_blocked": self._total("subscribers newly blocked"),
            "loses": self._total("subscribers who lose mail that works today"),
            "notice": self._total("subscribers who need a notice"),
            "already": self._total("subscribers already blocked"),
        }
        bots = self._lines.filter(pl.col("class") == "bot")
        counts |= {"loses-bots": int(bots["loses_working_mail"].sum()), "notice-bots": int(bots["needs_notice"].sum())}
        listed = set(query.run(self._workspace, "SELECT subscriber FROM subscriber")["subscriber"])
        return counts | {"silent": len(listed - set(self._lines["subscriber"]))}

    @cached_property
    def _hidden(self) -> set[str]:
        """The numbers of lines that are not shown: small ones, and what would tell one beside those that are shown."""
        n, shown = self._counts, list[str]()
        newly_bots = self.classes().filter(pl.col("class") == "bot", impact="newly_blocked")["subscribers"]
        for key in _RANKS:
            beside = [other for other in shown if any({key, other} <= {*chain} for chain in _NESTED)]
            told = any(self._cells.hides(*sorted((n[key], n[other]))) for other in beside)
            # All newly blocked bots need a notice, so that this number stands in the chart of the classes too.
            if not (told or self._cells.hides(n[key]) or (key == "notice-bots" and newly_bots.has_nulls())):
                shown.append(key)
        # What was seen and is on no list.
        if {"seen", "listed", "silent"} <= {*shown} and self._cells.hides(n["seen"] + n["silent"] - n["listed"]):
            shown.remove("silent")
        return set(_RANKS) - {*shown}

    def _lines_of(self, key: str) -> str:
        """A number of lines, as it may be shown."""
        return MARK if key in self._hidden else f"{self._counts[key]:,}"

    def _share(self, key: str) -> str:
        """A number of lines as a share of those seen sending; empty where it may not be shown."""
        n = self._counts
        hidden = key in self._hidden or ("seen" in self._hidden and n[key] > 0)  # which a share and a part of it tell
        return "" if hidden or not n["seen"] else percent(n[key] / n["seen"])

    @cached_property
    def _observed(self) -> observed.Observed:
        return observed.observed(self._workspace)

    def _length(self) -> str:
        seconds = self._observed.length.total_seconds()
        for unit, size, least in (("days", 86_400, 2 * 86_400), ("hours", 3600, 2 * 3600), ("minutes", 60, 180),
                                  ("seconds", 1, 0)):
            if seconds >= least:
                return self._say(LENGTHS, unit, n=round(seconds / size))
        return ""

    def _moment(self, moment: datetime | None) -> str:
        pattern = "%Y年%m月%d日 %H:%M:%S" if self._language == "ja" else "%Y-%m-%d %H:%M:%S"
        return moment.strftime(pattern) if moment else self._say(NOTES, "unknown")

    # -- the top of the page

    def header(self, title: str = "") -> Html:
        """Title, site, the result in a sentence, and where the numbers come from."""
        config, n = self._workspace.config, self._counts
        if n["seen"]:
            bots = self._lines_of("loses-bots")
            summary = self._say(REPORT, "summary", before=self._before, after=self._after,
                                seen=self._lines_of("seen"), newly=self._lines_of("newly_blocked"),
                                share=self._share("newly_blocked") or MARK, loses=self._lines_of("loses"),
                                notice=self._lines_of("notice"),
                                bots=self._say(REPORT, "summary-bots", bots=bots) if n["loses-bots"] else "")
        else:
            summary = self._say(REPORT, "no-traffic")
        zone = config.site.timezone
        seen = self._observed
        same_day = seen.first and seen.last and seen.first.date() == seen.last.date()
        period = f"{self._moment(seen.first)} – {f'{seen.last:%H:%M:%S}' if same_day else self._moment(seen.last)}"
        facts = [
            (self._say(REPORT, "observed"), [period, f"{zone} · {self._length()}"]),
            (self._say(REPORT, "policies"), [self._policy("before", self._before), self._policy("after", self._after)]),
            (self._say(REPORT, "generated"), [self._moment(datetime.now(self._workspace.timezone)),
                                              f"{zone} · op25b {__version__}"]),
            (self._say(REPORT, "data"), lake_version(self._workspace, "rollout-impact", self._language)),
        ]
        return part("header", self._language, title or self._say(REPORT, "title"), config.site.name, facts, summary)

    def _policy(self, which: str, name: str) -> str:
        policy = self._workspace.config.policy[name]
        more = f" – {policy.description}" if policy.description else ""
        if policy.effective_from:
            more += self._say(REPORT, "from-date", date=policy.effective_from.isoformat())
        return self._say(REPORT, which, name=name, more=more)

    def section(self, key: str, number: int | None = None) -> Html:
        """A heading with a sentence on what follows; numbered, or one level lower without a number."""
        title = self._say(SECTIONS, key)
        lead = self._say(LEADS, key, bin=BINS[self._observed.bin_seconds][self._language],
                         external=self._lines_of("external")) if key in LEADS else ""
        return part("section", self._language, number, title, lead) if number else \
            part("subsection", self._language, title, lead)

    def cards(self) -> Html:
        """The headline numbers, each with what it is a part of, and what the mark of a suppressed number means."""
        cards = [self._card(name, key, tone) for name, key, tone in (
            ("card-newly", "newly_blocked", "newly"), ("card-loses", "loses", "newly"),
            ("card-notice", "notice", "notice"), ("card-already", "already", "already"))]
        note = self.note("small-cells", mark=MARK, limit=self._cells.limit).text if self._cells.suppressing else ""
        return Html(part("cards", self._language, cards).text + note, self._language)

    def _card(self, label: str, key: str, tone: str) -> Card:
        of = [self._say(REPORT, "of-seen", seen=self._lines_of("seen")),
              self._say(REPORT, "of-listed", listed=self._lines_of("listed"))]
        if self._counts.get(f"{key}-bots"):
            of.append(self._say(REPORT, "bots", bots=self._lines_of(f"{key}-bots")))
        return Card(self._say(REPORT, label), self._lines_of(key), self._say(REPORT, "unit"), self._share(key),
                    tuple(of), tone)

    # -- frames for the charts

    def funnel(self) -> pl.DataFrame:
        """One row per step: step, subscribers, share (of lines seen sending); NULL where suppressed."""
        n = {step: None if step in self._hidden else count for step, count in self._counts.items()}
        seen = n["seen"]
        rows = [(step, n[step], count / seen if seen and (count := n[step]) is not None and step != "listed" else None)
                for step in ("listed", "seen", "external", "newly_blocked", "loses", "notice")
                if step != "listed" or self._counts["listed"]]
        schema = {"step": pl.String, "subscribers": pl.Int64, "share": pl.Float64}
        return pl.DataFrame(rows, orient="row", schema=schema)

    @property
    def sampled(self) -> bool:
        """Whether packets were sampled, or may have been, so that lines are missing."""
        return (self._observed.sampling_interval or 0) > 1 or bool(self._observed.sampling_unknown)

    @cached_property
    def estimates(self) -> pl.DataFrame:
        """One row per statement on lines and traffic, seen or not; see `op25b.impact.population`."""
        found = estimate(self._workspace, self._before, self._after, language=self._language)
        few = (pl.col("value") > 0) & (pl.col("value") < self._cells.limit)
        # Of what was seen, the strata make up the whole.
        strata = (pl.col("method") == "raw") & (pl.col("stratum") != "all")
        few |= strata & (few & strata).any().over("what")
        few |= pl.col("what").is_in([what for what, key in _LINES.items() if key in self._hidden])
        return found.with_columns(pl.when(~few).then(pl.col("value", "low", "high")))

    def estimates_note(self) -> Html:
        """What the estimates stand on, and why some are not given."""
        lines = self.estimates.filter(pl.col("headline") & pl.col("what").is_in(list(_LINES)) & (pl.col("why") != ""))
        stop = "：" if self._language == "ja" else ": "
        return part("bullets", self._language, [
            f"{'、'.join(names) if self._language == 'ja' else ', '.join(names)}{stop}{why}" for why, names in
            lines.group_by("why", maintain_order=True).agg("statement").iter_rows()])

    def connections(self) -> pl.DataFrame:
        """One row per bin of local time × destination group × impact; see `observed.connections`."""
        return observed.connections(self._workspace, self._observed, self._before, self._after)

    def classes(self) -> pl.DataFrame:
        """One row per class × impact (newly_blocked, untouched): subscribers; NULL where suppressed."""
        impact = pl.when("newly_blocked").then(pl.lit("newly_blocked")).otherwise(pl.lit("untouched")).alias("impact")
        found = (self._lines.filter(pl.col("class").is_not_null()).group_by("class", impact)
                 .agg(pl.len().cast(pl.Int64).alias("subscribers")).sort("class", "impact"))
        # Where packets were sampled, the estimates begin with the lines seen of each class.
        return self._cells.suppress(found, [(), ("impact",), *[("class",)] * self.sampled])

    def remedies(self) -> pl.DataFrame:
        """One row per remedy: subscribers, most first; NULL where suppressed, last."""
        found = self._blocked.group_by("remedy").agg(pl.len().cast(pl.Int64).alias("subscribers"))
        return self._cells.suppress(found.sort("remedy"), [()]).sort(
            ["subscribers", "remedy"], descending=[True, False], nulls_last=True)

    def nodes(self, top: int) -> pl.DataFrame:
        """One row per access node × class with newly blocked lines, for the `top` nodes with most: subscribers.

        NULL where suppressed; the other sections give the sums over all nodes, of all lines and per class.
        """
        unknown = self._say(NOTES, "unknown")
        placed = self._blocked.with_columns(pl.col("access_node", "class").fill_null(unknown))
        counted = placed.group_by("access_node", "class").agg(pl.len().cast(pl.Int64).alias("subscribers"))
        ranked = counted.group_by("access_node").agg(pl.col("subscribers").sum().alias("all")).sort(
            ["all", "access_node"], descending=[True, False])
        found, outside = (part.join(counted, on="access_node", maintain_order="left").select(
            "access_node", "class", "subscribers") for part in (ranked.head(top), ranked.slice(top)))
        return self._cells.suppress(found, [(), ("class",)], outside)

    @cached_property
    def _blocked(self) -> pl.DataFrame:
        return self._lines.filter("newly_blocked")

    # -- tables

    def affected(self, top: int) -> Html:
        """The newly blocked lines with most connections, and how many more there are; with `top` 0 no line at all."""
        if self._blocked.is_empty():
            return self.note("nobody")
        why = self._findings.select("subscriber", "reasons")
        rows = self._blocked.head(top).join(why, on="subscriber", how="left", maintain_order="left")
        names: list[tuple[str, Kind]] = [
            ("subscriber", "id"), ("class", ""), ("confidence", "small"), ("plan", "name"), ("access_node", "name"),
            ("sessions", "count"), ("established", "count"), ("remedy", "")]
        cells = [cells for number, row in enumerate(rows.iter_rows(named=True), 1) for cells in self._line(number, row)]
        table = Table(tuple(Column(self._say(COLUMNS, name), kind) for name, kind in names), cells, kind="lines")
        rest = self._blocked.height - rows.height
        note = self.note("more" if rest else "all-shown", all=self._lines_of("newly_blocked"), shown=rows.height,
                         rest=self._cells.shown(rest))
        return Html((part("table", self._language, table).text if top else "") + note.text, self._language)

    def _line(self, number: int, row: dict[str, object]) -> tuple[list[Cell], list[Cell]]:
        """Two rows for a line: its facts, and below them why it has its class."""
        unknown, subscriber = self._say(NOTES, "unknown"), str(row["subscriber"])
        if not is_pseudonym(subscriber):  # without leases the line's address stands for it; a report shows none
            subscriber = self._say(NOTES, "line", number=number)
        reasons = row["reasons"] if isinstance(row["reasons"], list) else []
        why = ("／" if self._language == "ja" else "; ").join(map(str, reasons)) or unknown
        facts = [
            Cell(subscriber, "id", span=2), Cell(self._key(CLASSES, row["class"])),
            Cell(self._key(CONFIDENCES, row["confidence"]), "small"), Cell(str(row["plan"] or unknown), "name"),
            Cell(str(row["access_node"] or unknown), "name"), Cell(f"{row['newly_blocked_sessions']:,}", "count"),
            Cell(f"{row['newly_blocked_established']:,}", "count"), Cell(self._key(REMEDIES, row["remedy"])),
        ]
        return facts, [Cell(self._say(NOTES, "why", reasons=why), "why", across=len(facts) - 1)]

    def _key(self, words: dict[str, Text], key: object) -> str:
        return text(words, str(key), self._language) if key is not None else self._say(NOTES, "unknown")

    def nodes_note(self, top: int) -> Html:
        """How many access nodes the chart leaves out, if any."""
        nodes = self._blocked["access_node"].fill_null("").n_unique()
        return Html("", self._language) if nodes <= top else self.note("more-nodes", shown=top, rest=nodes - top)

    def chart(self) -> Html:
        """The quick-reference chart: verdicts coloured, lines of a kind together."""
        frame = quick_reference(self._workspace, self._language, self._before, self._after)
        names: list[tuple[str, Kind]] = [("line", ""), ("how", ""), ("port", "count"), ("verdict", ""), ("advice", "")]
        together = dict(frame.group_by("line").len().iter_rows())
        rows: list[list[Cell | None]] = []
        last = None
        for row in frame.iter_rows(named=True):
            first = Cell(row["line"], span=together[row["line"]], head=True) if row["line"] != last else None
            last = row["line"]
            rows.append([first, Cell(row["how"]), Cell(str(row["port"]), "count"),
                         Cell(row["verdict"], tone=_VERDICT[row["before"], row["after"]]), Cell(row["advice"])])
        return part("table", self._language, Table(
            tuple(Column(self._say(COLUMNS, name), kind) for name, kind in names), rows, kind="reference"))

    def coverage(self) -> Html:
        """How many flow records could be tied to a line."""
        names: list[tuple[str, Kind]] = [("measure", ""), ("value", "count"), ("share", "count")]
        lines = {"subscribers in the subscriber list": self._lines_of("listed")}
        rows = [[Cell(text(MEASURES, name, self._language)), Cell(lines.get(name, f"{self._total(name):,}"), "count"),
                 Cell(percent(self._totals[name]["share"]), "count")] for name in MEASURES if name in self._totals]
        return part("table", self._language,
                    Table(tuple(Column(self._say(COLUMNS, name), kind) for name, kind in names), rows))

    # -- sentences

    def note(self, key: str, **values: object) -> Html:
        """A small remark."""
        return part("note", self._language, self._say(NOTES, key, **values), "")

    def limits(self) -> Html:
        """What the data could not show, with the numbers."""
        n, seen = self._counts, self._observed
        said = [self._say(LIMITS, "window" if n["listed"] else "window-unlisted", length=self._length(),
                          listed=self._lines_of("listed"), silent=self._lines_of("silent"))]
        interval = seen.sampling_interval or 0
        if interval > 1:
            said.append(self._say(LIMITS, "sampled", interval=interval))
        if seen.sampling_unknown:
            said.append(self._say(LIMITS, "sampling-unknown", flows=seen.sampling_unknown))
        if interval == 1 and not seen.sampling_unknown:
            said.append(self._say(LIMITS, "unsampled"))
        newly, unknown = (int(self._lines[f"newly_blocked_{count}"].sum()) for count in ("sessions", "unknown"))
        if unknown:
            said.append(self._say(LIMITS, "unknown", newly=newly, unknown=unknown))
        flows = self._total("flow records of the subscribers' networks on mail ports")
        missing = self._total("unattributed (no lease)") + self._total("ambiguous (overlapping leases)")
        if missing:
            said.append(self._say(LIMITS, "unattributed", flows=flows, missing=missing, share=percent(missing / flows)))
        fixed = int(self._lines.filter(pl.col("newly_blocked"))["fixed_ip"].sum())
        others = caveats(self._workspace, self._language, self._before, self._after,
                         MARK if self._cells.hides(fixed, self._counts["newly_blocked"]) else fixed)
        said += [others[key] for key in _CAVEATS if key in others]
        said += [self._say(LIMITS, "rules"), self._say(LIMITS, "content")]
        return part("bullets", self._language, said)
