"""What is written for others: check, report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from op25b.cli.common import FormatOption, LanguageOption, VersionOption, app, language_of, open_workspace, say, show
from op25b.errors import SettingsError

if TYPE_CHECKING:
    import polars as pl

    from op25b.api import OpenWorkspace


@app.command()
def check(
    table: Annotated[str | None, typer.Argument(help="flow, mail_event, lease or subscriber; all by default")] = None,
    every: Annotated[bool, typer.Option("--all", help="show the rules that hold as well")] = False,
    form: FormatOption = "table",
) -> None:
    """Judge the tables by the data-quality gates; exit 1 when a critical rule fails."""
    workspace = open_workspace()
    frame = workspace.check(table)
    if table is None:
        _remember(workspace, frame)
    failed = frame.filter(~frame["passed"])
    columns = ["table", "rule", "severity", "passed", "observed", "expected"]
    if form != "table" or every:
        show(frame, form, columns)
    if form == "table":
        _check_tables(workspace, frame, failed)
    critical = failed.filter(failed["severity"] == "critical").height
    say(f"{frame.height - failed.height} of {frame.height} rules hold, {critical} critical ones fail")
    if critical:
        raise typer.Exit(1)


def _remember(workspace: OpenWorkspace, frame: pl.DataFrame) -> None:
    """Note the result for `op25b status`; where that cannot be, as on a read-only disk, it is worth no less."""
    from op25b.quality import remember

    try:
        remember(workspace.workspace, frame)
    except OSError as error:
        say(f"warning: {error.filename or workspace.workspace.lake_path}: {error.strerror or error}; "
            "'op25b status' will not tell of this check")


def _check_tables(workspace: OpenWorkspace, frame: pl.DataFrame, failed: pl.DataFrame) -> None:
    """Print how many rules of each table hold, then each failed rule with its rows."""
    import polars as pl

    from op25b.quality import rows

    held = frame.group_by("table", maintain_order=True).agg(
        pl.len().alias("rules"), pl.col("passed").sum().alias("hold"), (~pl.col("passed")).sum().alias("fail")
    )
    show(held, "table")
    for row in failed.iter_rows(named=True):
        sys.stdout.write(f"\n{row['table']}: {row['rule']} ({row['severity']}): {row['detail']}\n"
                         f"observed {row['observed']}, expected {row['expected']}\n")
        offending = rows(workspace.workspace, row["table"], row["rule"])
        if offending.height:
            show(offending, "table")


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="a report's name, or all")],
    lang: LanguageOption = None,
    parameter: Annotated[list[str] | None, typer.Option("-p", "--parameter", help="KEY=VALUE, repeatable")] = None,
    version: VersionOption = None,
) -> None:
    """Render a report to one self-contained HTML file."""
    from op25b.report import names

    workspace = open_workspace(version)
    for chosen in names() if name == "all" else [name]:
        say(f"rendering {chosen} ...")
        parameters = _parameters(chosen, parameter or [])
        sys.stdout.write(f"{workspace.report(chosen, language_of(lang), parameters)}\n")


def _parameters(report_name: str, items: list[str]) -> dict[str, Any]:
    """`KEY=VALUE` texts as values: text where the report declares text, else what JSON makes of it."""
    import json

    from op25b.report import parameters

    types = {name: kind for name, kind, *_ in parameters(report_name)}
    values: dict[str, Any] = {}
    for item in items:
        key, sign, value = item.partition("=")
        if not sign:
            msg = f"-p {item!r} has no '='\n  write -p KEY=VALUE"
            raise SettingsError(msg)
        try:
            values[key] = value if types.get(key, "str") == "str" else json.loads(value)
        except ValueError:
            values[key] = value  # the report's own type check says what is wrong
    return values
