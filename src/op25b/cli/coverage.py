"""How much of the traffic is tied to a line, and how sure that is while clocks differ: coverage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from op25b.cli.common import (
    FormatOption,
    LimitOption,
    SinceOption,
    UntilOption,
    app,
    day_of,
    notes,
    open_workspace,
    say,
    show,
)
from op25b.cli.progress import steps_bar
from op25b.errors import SettingsError, UnknownNameError

if TYPE_CHECKING:
    import polars as pl


@app.command()
def coverage(  # noqa: PLR0917  # a command's options
    per: Annotated[str, typer.Option(help="rows per total, day, node, day-node or finding")] = "day-node",
    shift: Annotated[int, typer.Option(min=0, max=3600, help="seconds by which the leases' clock is moved back and "
                                                             "forth; 0: not at all")] = 60,
    since: SinceOption = None,
    until: UntilOption = None,
    form: FormatOption = "table",
    limit: LimitOption = 0,
) -> None:
    """Show how many flows are tied to a line, by day and access node, and what would change if clocks differed."""
    from op25b.coverage import PER, both
    from op25b.coverage.words import sentences

    if per not in PER:
        raise UnknownNameError("per", per, PER)
    if per == "finding" and (since is not None or until is not None or not shift):
        msg = "--per finding is of all days and of a shift\n  leave out --since and --until, and give --shift 1 or more"
        raise SettingsError(msg)
    workspace = open_workspace()
    days = {"since": day_of(since), "until": day_of(until)}
    with steps_bar() as advance:
        if form == "table" and shift and per != "finding" and not any(days.values()):
            frame, listed = both(workspace.workspace, per, shift, progress=advance)
        else:
            frame, listed = workspace.coverage(per, shift, **days, progress=advance), None
    notes(workspace)
    if form != "table":
        show(frame, form)
        return
    show(_readable(frame), form, limit=limit or None)
    if listed is not None:
        sys.stdout.write("\n")
        show(_readable(listed), form)
        for sentence in sentences(frame, listed, "en"):
            say(sentence)


def _readable(frame: pl.DataFrame) -> pl.DataFrame:
    """Shares in per cent with enough digits to see a few flows, and clocks with their sign."""
    import polars as pl

    shares = [name for name in ("share", "other_share") if name in frame.columns]
    cells: dict[str, list[str | None]] = {}
    cells |= {name: [None if value is None else f"{value:.1%}".replace("%", " %") if value < 0.999 or value == 1
                    else f"{value:.4%}".replace("%", " %") for value in frame[name].to_list()] for name in shares}
    cells["lease_clock"] = [f"{seconds:+d} s" if seconds else "as it is" for seconds in frame["lease_clock"].to_list()]
    return frame.with_columns(pl.Series(name, values, dtype=pl.String) for name, values in cells.items())
