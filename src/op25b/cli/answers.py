"""What the tables say: findings, simulate, explain."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from op25b.cli.common import (
    FormatOption,
    FromOption,
    LanguageOption,
    LimitOption,
    SinceOption,
    UntilOption,
    app,
    day_of,
    language_of,
    notes,
    open_workspace,
    say,
    show,
)
from op25b.errors import SettingsError, UnknownNameError

if TYPE_CHECKING:
    import polars as pl

    from op25b.api import OpenWorkspace
    from op25b.impact import Simulation


@app.command()
def findings(
    per: Annotated[str, typer.Option(help="rows per subscriber, or per destination of each subscriber")] = "subscriber",
    form: FormatOption = "table",
    limit: LimitOption = 50,
    lang: LanguageOption = None,
) -> None:
    """List the subscribers that send to external port 25: class, probability, evidence, and what would change it."""
    from op25b.api import FINDINGS_PER

    if per not in FINDINGS_PER:
        raise UnknownNameError("per", per, FINDINGS_PER)
    workspace = open_workspace()
    if per == "destination":
        frame = workspace.findings(language_of(lang) or "en", per="destination")
        columns = ["subscriber", "destination_group", "name", "class", "probability", "sessions", "established",
                   "evidence"]
    else:
        frame = workspace.findings(language_of(lang) or "en")
        columns = ["subscriber", "classes", "confidence", "probability", "sessions", "established", "destinations",
                   "reasons"]
    show(frame, form, columns, limit or None)
    notes(workspace)
    if form == "table":
        from op25b.impact import coverage

        sys.stdout.write("\n")
        show(coverage(workspace.workspace), form)


@app.command()
def simulate(  # noqa: PLR0917  # a command's options
    before: FromOption = "current",
    after: Annotated[list[str] | None, typer.Option("--to", help="the policy to compare with; several: side by side "
                                                                 "[default: proposed]")] = None,
    per: Annotated[str | None, typer.Option(help="rows per subscriber, total, destination, traffic, example, load or "
                                                 "unseen")] = None,
    by: Annotated[str | None, typer.Option(help="lines by class, plan, area, dwelling or access_node")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    subscriber: Annotated[str | None, typer.Option(help="examples of this line only")] = None,
    notices: Annotated[Path | None, typer.Option(help="write the notice list to this CSV file")] = None,
    lang: LanguageOption = None,
    form: FormatOption = "table",
    limit: LimitOption = 50,
) -> None:
    """Show what changing from one policy to another newly blocks, per subscriber and in total."""
    from op25b.api import PER
    from op25b.impact import BY

    afters = list(dict.fromkeys(after or ["proposed"]))
    per = per or ("subscriber" if len(afters) == 1 else "total")
    for kind, name, known in (("per", per, PER), ("group", by, BY)):
        if name is not None and name not in known:
            raise UnknownNameError(kind, name, known)
    if notices is not None and (len(afters) > 1 or per in {"example", "load"}):
        msg = "--notices goes with one --to, and not with --per example or load\n  write one list per wave"
        raise SettingsError(msg)
    if subscriber is not None and per != "example":
        msg = "--subscriber goes with --per example only\n  'op25b explain' tells all of one line"
        raise SettingsError(msg)
    workspace, days = open_workspace(), {"since": day_of(since), "until": day_of(until)}
    language = language_of(lang)
    if by is None and per in {"example", "load"}:
        one_or_more = afters[0] if len(afters) == 1 else afters
        frame = workspace.simulate(before, one_or_more, per, **days, subscriber=subscriber,  # type: ignore[arg-type]
                                   language=language or ("en" if form == "table" else None))
        if form != "table" or per == "example":
            show(frame, form, _EXAMPLE)
        else:
            _show_statements(frame)
        return
    made = workspace.simulations(afters, before, **days, traffic=per == "traffic",
                                 only_touched=form == "table" or by is not None or per != "subscriber")
    for each in made:
        notes(workspace, each.fixed_blocked, before, each.after)
    _show_simulations(made, by or per, language, form, limit)
    if notices is not None:
        _write_notices(workspace, made[0], notices)


_EXAMPLE = ["impact", "destination_group", "port", "connections", "subscriber", "first_seen", "line_ip", "line_port",
            "server_ip", "outcome", "before_rule", "after_rule"]


def _show_simulations(made: list[Simulation], per: str, language: Any, form: str, limit: int) -> None:
    from op25b import impact
    from op25b.api import rows

    if form == "table" and per == "subscriber" and len(made) == 1:
        show(made[0].touched, form, ["subscriber", "class", "confidence", "plan", "newly_blocked_sessions",
                                      "newly_blocked_established", "already_blocked_sessions", "untouched_sessions",
                                      "needs_notice", "remedy"], limit or None)
        sys.stdout.write("\n")
        per = "total"
    frames = [rows(each, per) for each in made]
    frame = frames[0] if len(made) == 1 else impact.side_by_side([each.after for each in made], frames)
    if language is not None or form == "table":
        frame = impact.worded(frame, language or "en")
    if form != "table":
        show(frame, form)
    elif per != "total":
        show(frame, form, limit=limit or None)
    elif len(made) == 1:
        _show_statements(frame)
    else:
        show(impact.compared(frame), form)


def _show_statements(frame: pl.DataFrame) -> None:
    """Print statements as a table, and below it once what the limits of each kind stand for."""
    shown: list[str] = [name for name in ("scenario", "measure", "value", "low", "high", "denominator", "share", "of")
                        if name in frame.columns]
    show(frame, "table", shown)
    limits = frame.filter(frame["interval"].is_not_null()).unique("interval", maintain_order=True)
    if limits.height:
        sys.stdout.write("\n")
        show(limits, "table", ["measure", "interval"])


def _write_notices(workspace: OpenWorkspace, simulation: Simulation, path: Path) -> None:
    """Write the notice list, whole or not at all, for its owner to read only."""
    from op25b.impact import notices
    from op25b.output import to_csv

    frame = notices(workspace.workspace, simulation)
    new = path.with_name(f".{path.name}.new")
    new.touch(0o600)
    new.write_text(to_csv(frame), encoding="utf-8", newline="")
    new.replace(path)
    silent = int(frame["channel"].null_count())
    say(f"{path}: {frame.height:,} lines to be told, as in 'subscribers who need a notice'; of {silent:,} no way to "
         "reach them is known")


@app.command()
def explain(
    subscriber: Annotated[str, typer.Argument(help="the real identifier, or a pseudonym")],
    lang: LanguageOption = None,
    form: FormatOption = "table",
) -> None:
    """Tell whether one customer is affected, why, since when, and what to do (for the support desk)."""
    import polars as pl

    explanation = open_workspace().explain(subscriber, language_of(lang))
    if form == "table":
        from op25b.output import printable

        sys.stdout.write("\n".join(printable(line) for line in explanation.lines) + "\n")
    else:
        show(pl.DataFrame([explanation.row()]), form)
