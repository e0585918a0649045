"""What an error costs: one table, printed with every evaluation.

Units are arbitrary; only their ratios say anything: a warned bot costs a stamp, an unwarned family its mail. A line is
charged once, by its primary class and its answer (see `outcomes`); being not listed at all is counted beside it and not
charged, for no rule can speak of what was not seen.
"""

from __future__ import annotations

import polars as pl

from tests.evaluation.outcomes import ANSWERS, ELSEWHERE, NOBODY, PRIMARY, UNCLEAR, UNSEEN

_WARNED = ("mail-program", "own-server", "device")  # whoever is called one of these gets a notice, maybe the wrong one
_ABUSE = ("bot", "scanner")                         # whoever is called one of these gets none
_MISSED_MAIL = {"mail-program": 20.0, "own-server": 20.0, "device": 10.0}
WRONG_NOTICE = 2.0     # a notice that tells them something else than what they must do
UNDECIDED = 3.0        # somebody has to look at the line
NEEDLESS_NOTICE = 1.0  # to a bot's owner, a scanner, somebody whose mail is blocked already, or nobody
EXEMPTED_BOT = 5.0     # a bot called a mail server: it may get an exemption


def cost(primary: str, answer: str) -> float:
    """The cost of one line of class `primary` that was answered with `answer`."""
    if answer in {primary, UNSEEN} or (primary in {ELSEWHERE, NOBODY} and answer == UNCLEAR):
        return 0.0
    if primary in _MISSED_MAIL:
        if answer == UNCLEAR:
            return UNDECIDED
        return WRONG_NOTICE if answer in _WARNED else _MISSED_MAIL[primary]
    if primary in {ELSEWHERE, NOBODY}:
        return NEEDLESS_NOTICE
    if answer == UNCLEAR:
        return UNDECIDED
    if answer in _ABUSE:
        return 0.0 if primary in _ABUSE else NEEDLESS_NOTICE
    if primary == "bot" and answer == "own-server":
        return EXEMPTED_BOT
    return NEEDLESS_NOTICE


def table() -> pl.DataFrame:
    """Every pair: primary, answer, cost."""
    rows = [(primary, answer, cost(primary, answer)) for primary in (*PRIMARY, ELSEWHERE, NOBODY) for answer in ANSWERS]
    return pl.DataFrame(rows, orient="row", schema={"primary": pl.String, "answer": pl.String, "cost": pl.Float64})


def total(lines: pl.DataFrame) -> pl.DataFrame:
    """What ours and the two baselines cost per 1,000 listed lines: rule, lines, cost, per_thousand.

    A baseline only knows bots: who is none for it is warned like a mail program's owner.
    """
    listed = lines.filter(pl.col("seen"))
    answers = {"op25b": pl.col("answer")} | {
        name: pl.when(pl.col(name)).then(pl.lit("bot")).otherwise(pl.lit("mail-program"))
        for name in ("baseline_5min", "baseline_contacts")}
    rows = []
    for name, answer in answers.items():
        charged = listed.select("primary", "elsewhere", answer.alias("answer")).join(
            table(), on=["primary", "answer"], how="left")
        # A bot behind the relay that is called one is no needless notice.
        right = pl.col("elsewhere").list.contains(pl.col("answer"))
        rows.append(charged.select(pl.lit(name).alias("rule"), pl.len().alias("lines"),
                                   pl.when(right).then(0.0).otherwise(pl.col("cost")).sum().alias("cost")))
    return pl.concat(rows).with_columns(
        pl.when(pl.col("lines") > 0).then(1000 * pl.col("cost") / pl.col("lines")).alias("per_thousand"))
