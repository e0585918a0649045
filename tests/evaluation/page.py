"""The page of results: Markdown, printed by `make eval` and kept as docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from op25b.settings import Findings
from tests.evaluation import calibration, costs, measures, outcomes
from tests.evaluation.budgets import budgets
from tests.evaluation.markdown import matrix, number, of, share, table
from tests.evaluation.worlds import WORLDS, World

_RULES = Findings()
HEAD = f"""# How right `findings` is

Written by `python -m tests.evaluation --write-docs`; `make eval` prints the same and draws the charts into `eval/`.

Each world below is a simulated ISP of `op25b synth`, with a seed and mostly with parameters that the thresholds and
probabilities were not fitted on (for that there are seeds 1 to 9 and the parameters as they come). Of the worlds that
are not `sealed` the authors of the rules were shown errors while they worked. The sealed ones are the stricter test:
nobody was shown anything of them but this page. Each goes through `ingest`, `build` and `findings` like real files,
once with every packet seen and again, the same traffic, with one packet in 100 and in 1,000. No share of `synth`'s
parameters is a measurement of any ISP, so neither are these figures: they say how the rules do in such worlds, not how
an ISP's lines are.

- A line may hold several classes. Each is judged by itself: it is found where it is among the line's `classes`.
- In the confusion matrix a line stands once: in the row of its class whose loss costs most (mail program first, then
  own server, device, bot, scanner, mobile sender), in the column of that class where it was found, else of the main
  class given.
- `unclear`: listed, but no class named, which is abstaining. `not listed`: no row in `findings`, which under sampling
  mostly means that none of its packets was seen. Recall counts those as missed; "recall, listed" leaves them out.
  Abstention is a share of those listed.
- Precision is the share of the lines called so that are so. `nobody`: lines without any class in the truth.
- `elsewhere`: what goes only through the ISP's own server, or only on submission ports. Flows to external port 25 need
  not show it, so not naming it is no miss; naming it is right.
- A mobile sender is whoever sends to a mobile carrier's server, a bot or a mail server too.
- Intervals are Wilson's at 95 %; a case is a line.
- The baselines call a line a bot for more than {_RULES.bot_destinations_5min} destinations in 5 minutes
  (`baseline_5min`, the rule of CESNET NEMEA's smtp_spam_detector), and for more than {_RULES.baseline_contacts_5min}
  connections in 5 minutes (`baseline_contacts`, that of BotFlex). Whom they do not call a bot gets a notice.

Real traffic whose flows are labelled as in the CTU-13 data set is judged, against its labels and beside the baselines,
by `python -m tests.evaluation --binetflow FILE --subscribers 147.32.0.0/16`. No such file is part of this project.
"""


@dataclass(frozen=True)
class Measured:
    """All runs together; each frame has `world` and `sampling`."""

    lines: pl.DataFrame
    truth: pl.DataFrame
    cases: pl.DataFrame
    found: pl.DataFrame

    def at(self, sampling: int, world: str | None = None) -> Measured:
        """The part at one sampling, of one world where named."""
        here = pl.col("sampling") == sampling
        if world is not None:
            here &= pl.col("world") == world
        return Measured(self.lines.filter(here), self.truth.filter(here), self.cases.filter(here),
                        self.found.filter(here))


def page(measured: Measured, worlds: Sequence[World] = WORLDS) -> str:
    """The whole page."""
    samplings = sorted(measured.lines["sampling"].unique())
    parts = [HEAD, worlds_table(worlds), costs_table()]
    if 1 in samplings:
        parts.append(_budgets(measured.at(1), list(worlds)))
    parts += [_sampling(measured.at(sampling), sampling) for sampling in samplings]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def worlds_table(worlds: Sequence[World]) -> str:
    """The worlds: name, what is special, seed, size, changed parameters."""
    rows = [{"world": world.name, "about": world.about, "seed": str(world.seed), "lines": world.subscribers,
             "days": world.days, "sealed": "sealed" if world.sealed else "", "changed": "; ".join(
                 f"{section}: " + ", ".join(f"{key} {value}" for key, value in values.items())
                 for section, values in world.parameters.items())} for world in worlds]
    return "## The worlds\n\n" + table(rows, {name: of(name) for name in (
        "world", "about", "sealed", "seed", "lines", "days", "changed")})


def costs_table() -> str:
    """What each error weighs."""
    words = matrix(costs.table(), "primary", "answer", "cost", outcomes.ANSWERS)
    return ("## What an error costs\n\nBy truth (rows) and answer (columns); only the ratios say anything. A warned "
            "bot costs a stamp, an unwarned family its mail. Lines that are not listed are charged nothing and counted "
            f"apart.\n\n{words}")


def judged(measured: Measured, worlds: Sequence[World]) -> dict[str, pl.DataFrame]:
    """The budgets at 1:1 over all worlds, and over the sealed ones, if any."""
    lines = measured.at(1).lines
    sealed = [world.name for world in worlds if world.sealed]
    made = {"all worlds": budgets(lines)}
    return made | {"sealed worlds": budgets(lines.filter(pl.col("world").is_in(sealed)))} if sealed else made


def _budgets(measured: Measured, worlds: Sequence[World]) -> str:
    decisive = judged(measured, worlds)
    each = {world.name: budgets(measured.at(1, world.name).lines) for world in worlds}
    rows = [{"budget": name, "limit": limit} for name, limit in decisive["all worlds"].select(
        "budget", "limit").iter_rows()]
    for place, row in enumerate(rows):
        row |= {name: _verdict(frame.row(place, named=True)) for name, frame in decisive.items()}
        row |= {name: _short(frame.row(place, named=True)) for name, frame in each.items()}
    words = table(rows, {"budget at 1:1": of("budget"), "limit": of("limit")} | {
        name: of(name) for name in (*decisive, *each)})
    return ("## Budgets\n\nThe values over all worlds together and over the sealed ones decide, and with them the exit "
            "status of `make eval`. `mail-program: called bot`: of the listed lines with a mail program, those called "
            "bot without having one, and those called bot and not mail program, whether they have one or not. An "
            "asterisk marks a world that is beyond.\n\n" + words)


def _verdict(row: dict[str, object]) -> str:
    words = share("value")(row | {"value_low": row["low"], "value_high": row["high"]})
    return f"{words} {'met' if row['met'] else 'MISSED'}"


def _short(row: dict[str, object]) -> str:
    return f"{number('value')(row)}{'' if row['met'] else ' *'}"


def _sampling(part: Measured, sampling: int) -> str:
    lines = part.lines
    parts = [
        f"## One packet in {sampling:,}" if sampling > 1 else "## Every packet (1:1)",
        table(measures.per_class(lines).iter_rows(named=True), {
            "class": of("class"), "lines": of("true"), "not listed": of("unseen"), "found": of("right"),
            "unclear": of("abstained"), "called else": of("wrong"), "recall": share("recall"),
            "recall, listed": share("recall_seen"), "abstention": share("abstention"), "called so": of("called"),
            "precision": share("precision")}),
        "Confusion (truth in rows, answer in columns):",
        matrix(outcomes.confusion(lines), "primary", "answer", "lines", outcomes.ANSWERS),
        "Bots, ours beside the baselines; cost of all errors per 1,000 listed lines:",
        table(_rules(lines), {
            "rule": of("rule"), "called bot": of("called"), "of these bots": of("called_right"),
            "precision": share("precision"), "bots": of("true"), "found": of("right"), "recall": share("recall"),
            "families called bot": of("families"), "cost": number("per_thousand", 0)}),
        _families(lines),
        _elsewhere(lines),
        "Lines that hold several classes:", _mixed(lines),
        "By kind of sender:",
        table(outcomes.by_kind(lines, part.truth).iter_rows(named=True), {
            "class": of("class"), "kind": of("kind"), "lines": of("lines"), "found": of("found"),
            "the others": of("answers")}),
        "Calibration (charts: `eval/`); skill is against always saying the class's share:",
        table(calibration.scores(part.cases).iter_rows(named=True), {
            "probability of": of("class"), "cases": of("cases"), "share that holds": number("base"),
            "Brier score": number("brier", 4), "skill": number("skill"), "ECE": number("ece")}),
    ]
    return "\n\n".join(parts)


def _rules(lines: pl.DataFrame) -> list[dict[str, object]]:
    frame = measures.bots_beside_baselines(lines).join(costs.total(lines).select("rule", "per_thousand"), on="rule")
    return frame.to_dicts()


def _families(lines: pl.DataFrame) -> str:
    called = measures.called_bot(lines).row(0, named=True)
    return (f"Of {called['families']:,} listed lines with a mail program {called['wrongly']:,} were called bot without "
            f"having one, {called['only']:,} were called bot and not mail program; together "
            f"{share('share', 4)(called)}.")


def _elsewhere(lines: pl.DataFrame) -> str:
    words = [f"{row['class']} {row['named']:,} of {row['lines']:,}" for row in measures.elsewhere(lines).to_dicts()]
    strange = measures.strangers(lines)
    return (f"Not on external port 25 (own relay, submission), and named: {', '.join(words) or 'none'}. Lines of "
            f"nobody that were called something: {strange:,}.")


def _mixed(lines: pl.DataFrame) -> str:
    frame = outcomes.mixed(lines)
    shown = frame.head(20).to_dicts()
    if frame.height > 20:
        shown.append({"true": "(others)", "found": "", "lines": int(frame["lines"].slice(20).sum())})
    return table(shown, {"truth": of("true"), "named": of("found"), "lines": of("lines")})
