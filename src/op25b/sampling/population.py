"""How many lines there are, seen or not: raw count, lower bound and pilot ratio side by side, or why none is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import polars as pl

from op25b.sampling.bounds import Counts, chao1
from op25b.sampling.interval import Estimate
from op25b.sampling.likeness import unlikeness
from op25b.sampling.pilot import Stratum, pilot_ratio
from op25b.sampling.probability import log_missed
from op25b.sampling.strata import EXACT, UNKNOWN, Strata
from op25b.settings import Sampling

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

Method = Literal["raw", "chao1", "pilot", "scaled"]
Reason = tuple[str, dict[str, object]]  # a key of `words.WHY`, and what its sentence needs
_COVERED = 0.9  # of the window's days the pilot must have seen traffic on
_FEW = 5  # lines of a kind on the pilot, below which their share is not used
_UNLIKE = 0.01
_REPLICATES = 200


@dataclass(frozen=True)
class Figure:
    """One number: what it counts, by which method, of which stratum (`all`), and between what it lies.

    `detected`: what share of such lines this sampling sees. `headline`: the one to quote of all methods. `refused`: why
    there is no value; `reasons` say more, of refusals, doubts and what the number is.
    """

    what: str
    method: Method
    stratum: str
    estimate: Estimate
    detected: float | None = None
    headline: bool = False
    refused: str | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Population:
    """Lines that were seen, sorted by how they were sampled, and the pilot's, for estimates of all there are.

    `rows`: those of `sampled_day` whose lines are counted; `pilot_days`: on how many of the window's `days` the pilot
    saw any mail; `addresses`: whether addresses stand for lines.
    """

    strata: Strata
    rows: pl.DataFrame
    settings: Sampling
    days: int
    pilot_days: int
    addresses: bool = False

    @cached_property
    def lines(self) -> pl.DataFrame:
        """One row per line seen: subscriber, stratum, client_packets, server_packets."""
        return self.strata.lines(self.rows)

    @cached_property
    def pilot(self) -> pl.DataFrame:
        """One row per line × day of the pilot."""
        return self.strata.pilot(self.rows)

    @cached_property
    def pilot_lines(self) -> pl.Series:
        """The pilot's lines, in the order of `Stratum.detected`."""
        return self.pilot["subscriber"].unique().sort()

    def seen(self, stratum: str) -> int:
        """How many lines were seen in a stratum."""
        return self.lines.filter(pl.col("stratum") == stratum).height

    @cached_property
    def exact(self) -> bool:
        """Whether nothing was missed: every packet was seen."""
        return not self.strata.sampled and not self.seen(UNKNOWN)

    def packets(self, stratum: str) -> pl.Expr:
        """Packets of the directions that both the stratum and the pilot have: exporters may see one only."""
        theirs = self.lines.filter(pl.col("stratum") == stratum)
        names = ["client_packets", "server_packets"]
        both = [name for name in names if theirs[name].sum() and self.pilot[name].sum()]
        return pl.sum_horizontal(both or names)

    @cached_property
    def sampled(self) -> dict[str, Stratum]:
        """The sampled strata, each with the chance that it had seen each of the pilot's lines."""
        found = {}
        for name in self.strata.sampled:
            packets = self.packets(name)
            missed = log_missed(packets, pl.col("interval")).sum().exp()
            chances = self.strata.thinned(self.pilot, name).group_by("subscriber").agg((1 - missed).alias("detected"))
            aligned = self.pilot_lines.to_frame().join(chances, on="subscriber", how="left", maintain_order="left")
            seen = self.lines.filter((pl.col("stratum") == name) & (packets > 0)).height
            found[name] = Stratum(seen, aligned["detected"].fill_null(0.0).to_numpy())
        return found

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """Of each sampled stratum how many lines were seen, in one packet, in two."""
        return {name: self._counts(name, self.lines) for name in self.strata.sampled}

    def _counts(self, stratum: str, lines: pl.DataFrame) -> Counts:
        packets = lines.filter(pl.col("stratum") == stratum).select(
            pl.col("client_packets") + pl.col("server_packets")).to_series()
        return Counts(packets.len(), int((packets == 1).sum()), int((packets == 2).sum()))

    @cached_property
    def problem(self) -> Reason | None:
        """Why the pilot cannot be used; None where it can."""
        unknown, lines = self.seen(UNKNOWN), self.pilot_lines.len()
        problems: list[tuple[bool, Reason]] = [
            (unknown > 0, ("unknown-interval", {"lines": unknown})),
            (self.addresses, ("addresses", {})),
            (not self.strata.exporters["pilot"].any(), ("no-pilot", {})),
            (lines < self.settings.min_pilot, ("pilot-small", {"lines": lines, "least": self.settings.min_pilot})),
            (self.pilot_days < _COVERED * self.days, ("pilot-window", {"days": self.pilot_days, "all": self.days})),
        ]
        return next((reason for holds, reason in problems if holds), None)

    @cached_property
    def doubts(self) -> dict[str, Reason]:
        """Of which strata the seen lines do not look as the pilot's would, had they been sampled alike."""
        found: dict[str, Reason] = {}
        for name in self.strata.sampled:
            packets = self.packets(name)
            seen = self.lines.filter((pl.col("stratum") == name) & (packets > 0)).select(packets).to_series()
            chance = unlikeness(self._thinned(name), seen.to_numpy())
            if chance is None:
                found[name] = ("pilot-untested", {"stratum": name})
            elif chance < _UNLIKE:
                found[name] = ("pilot-differs", {"stratum": name, "chance": f"{chance:.1g}"})
        return found

    def _thinned(self, stratum: str) -> NDArray[numpy.int64]:
        import numpy

        rows = self.strata.thinned(self.pilot, stratum).select(
            "subscriber", self.packets(stratum).alias("packets"), "interval")
        random = numpy.random.default_rng(25)
        drawn = random.binomial(rows["packets"].to_numpy()[:, None], (1 / rows["interval"].to_numpy())[:, None],
                                (rows.height, _REPLICATES))
        firsts = numpy.flatnonzero(rows["subscriber"].is_first_distinct().to_numpy())
        return numpy.add.reduceat(drawn, firsts, axis=0)

    def figures(self, what: str) -> list[Figure]:
        """The raw count of every stratum and of all, the lower bound, and the pilot's ratio; one is the headline."""
        names = [EXACT, *self.strata.sampled, UNKNOWN]
        raw = [Figure(what, "raw", name, _same(self.seen(name)), 1.0 if name == EXACT else None)
               for name in names if self.seen(name)]
        whole = Figure(what, "raw", "all", Estimate(self.lines.height, self.lines.height, None))
        if self.exact:
            return [Figure(what, "raw", "all", _same(self.lines.height), 1.0, True, reasons=(("exact", {}),))]
        bounds = [Figure(what, "chao1", name, chao1([counts], level=self.settings.level))
                  for name, counts in self.counts.items()]
        whole_bound = self._bound(what, self.lines)
        ratios = self._ratios(what)
        return _chosen([*raw, whole], [*bounds, whole_bound], ratios, self._refusal(self.lines))

    def members(self, what: str, who: pl.Series) -> list[Figure]:
        """The same for the lines among `who`, which have some property, over all strata.

        The pilot's share of such lines counts, as sampling hides most properties of the lines that it does see.
        """
        among = self.lines.filter(pl.col("subscriber").is_in(who.implode()))
        if self.exact:
            return [Figure(what, "raw", "all", _same(among.height), 1.0, True, reasons=(("exact", {}),))]
        raw = [Figure(what, "raw", "all", Estimate(among.height, among.height, None))]
        here = self.pilot_lines.is_in(who.implode()).to_numpy().astype(float)
        if self.problem is None and here.sum() < _FEW:
            reason: Reason = ("pilot-few", {"lines": int(here.sum()), "least": _FEW})
            ratio = Figure(what, "pilot", "all", Estimate(None, None, None), refused=reason[0], reasons=(reason,))
            return _chosen(raw, [self._bound(what, among)], [ratio], self._refusal(among))
        return _chosen(raw, [self._bound(what, among)], self._ratios(what, among, here), self._refusal(among))

    def _bound(self, what: str, lines: pl.DataFrame) -> Figure:
        """Of the lines whose interval is not known only those seen are counted; it stays a bound from below."""
        counted = lines.filter(pl.col("stratum").is_in([EXACT, UNKNOWN])).height
        counts = [self._counts(name, lines) for name in self.strata.sampled]
        return Figure(what, "chao1", "all", chao1(counts, counted, self.settings.level), reasons=(("lower-bound", {}),))

    def _ratios(self, what: str, among: pl.DataFrame | None = None, here: NDArray[numpy.float64] | None = None
                ) -> list[Figure]:
        """Of every stratum and of all; with `among` and `here` (of the pilot's lines) of all only."""
        problem = self.problem
        if problem is None and not all(each.share for each in self.sampled.values()):
            problem = "no-packets", {}
        if problem is not None:
            return [Figure(what, "pilot", "all", Estimate(None, None, None), refused=problem[0], reasons=(problem,))]
        lines, level = self.lines if among is None else among, self.settings.level
        exact = lines.filter(pl.col("stratum") == EXACT).height
        found = []
        for name, stratum in self.sampled.items() if among is None else ():
            found.append(Figure(what, "pilot", name, _at_least(pilot_ratio([stratum], 0, level), self.seen(name)),
                                stratum.share, reasons=tuple(filter(None, [self.doubts.get(name)]))))
        total = pilot_ratio([*self.sampled.values()], exact, level, here)
        floor = lines.height if among is None else 0
        calibrated: Reason = ("pilot", {"lines": self.pilot_lines.len()})
        return [*found, Figure(what, "pilot", "all", _at_least(total, floor), self._detected(here),
                                reasons=(calibrated, *self.doubts.values()))]

    def _detected(self, here: NDArray[numpy.float64] | None) -> float | None:
        """What share of lines (that have a property) sampling sees, where there is one stratum only."""
        if len(self.sampled) != 1:
            return None
        (stratum,) = self.sampled.values()
        return stratum.share if here is None else float(stratum.detected[here > 0].mean())

    def _refusal(self, lines: pl.DataFrame) -> Reason | None:
        """Why not even the lower bound may stand for the number, should there be no pilot."""
        counts = [self._counts(name, lines) for name in self.strata.sampled]
        seen, once = sum(each.seen for each in counts), sum(each.once for each in counts)
        if self.problem and self.problem[0] in {"unknown-interval", "addresses"}:
            return self.problem
        if not seen:
            return "nobody", {}
        return ("singles", {"share": f"{once / seen:.0%}"}) if once / seen > self.settings.max_singles else None


def _chosen(raw: list[Figure], bounds: list[Figure], ratios: list[Figure], refusal: Reason | None) -> list[Figure]:
    """All figures, with the one to quote marked: the pilot's; else the lower bound, unless that misleads."""
    if ratios[-1].refused is None:
        ratios[-1] = replace(ratios[-1], headline=True)
    elif refusal is None:
        bounds[-1] = replace(bounds[-1], headline=True, reasons=(*bounds[-1].reasons, *ratios[-1].reasons))
    else:
        reasons: tuple[Reason, ...] = ratios[-1].reasons
        if refusal not in reasons:
            reasons = (*reasons, refusal)
        floor = Estimate(None, raw[-1].estimate.low, None)
        ratios[-1] = replace(ratios[-1], headline=True, estimate=floor, reasons=reasons)
    return [*raw, *bounds, *ratios]


def _same(count: int) -> Estimate:
    return Estimate(count, count, count)


def _at_least(estimate: Estimate, floor: int) -> Estimate:
    """No fewer than were seen."""
    value, low, high = (None if v is None else max(v, float(floor)) for v in (estimate.value, estimate.low,
                                                                             estimate.high))
    return Estimate(value, low, high)
