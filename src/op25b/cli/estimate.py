"""How many lines there are behind those that sampled flows show: estimate."""

from __future__ import annotations

import sys

from op25b.cli.common import (
    FormatOption,
    FromOption,
    LanguageOption,
    SinceOption,
    ToOption,
    UntilOption,
    app,
    day_of,
    language_of,
    notes,
    open_workspace,
    show,
)


@app.command()
def estimate(  # noqa: PLR0917  # a command's options
    before: FromOption = "current",
    after: ToOption = "proposed",
    since: SinceOption = None,
    until: UntilOption = None,
    lang: LanguageOption = None,
    form: FormatOption = "table",
) -> None:
    """Estimate how many lines send, and lose mail by a change, seen or not, where flows are sampled."""
    import polars as pl

    workspace = open_workspace()
    language = language_of(lang)
    frame = workspace.estimate(before, after, since=day_of(since), until=day_of(until), language=language or "en")
    notes(workspace, before=before, after=after)
    if form != "table":
        show(frame, form)
        return
    rounded = frame.with_columns(pl.col("value", "low", "high").round(0).cast(pl.Int64),
                                 pl.when("headline").then(pl.lit("*")).otherwise(pl.lit("")).alias("quote"))
    show(rounded, form, ["quote", "statement", "method", "stratum", "value", "low", "high", "detected"])
    said = frame.filter(pl.col("headline") & (pl.col("why") != ""))
    reasons = said.unique("why", maintain_order=True).select("statement", "why")
    if reasons.height:
        sys.stdout.write("\n")
        show(reasons, form)
