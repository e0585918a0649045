"""Policies as data: acl, lint, quickref."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from op25b.cli.common import (
    FORMATS,
    FormatOption,
    FromOption,
    LanguageOption,
    ToOption,
    app,
    language_of,
    moment_of,
    open_workspace,
    say,
    show,
)
from op25b.errors import UnknownNameError


@app.command()
def acl(  # noqa: PLR0917  # a command's options
    name: Annotated[str, typer.Argument(metavar="POLICY", help="a policy's name")],
    target: Annotated[str, typer.Option(help="nftables, cisco, ciscoxr, juniper or arista")],
    access_node: Annotated[str | None, typer.Option(help="for the router of one access node")] = None,
    wave: Annotated[list[str] | None, typer.Option("--wave", "--subscribers", help="CSV of a wave's lines")] = None,
    at: Annotated[str | None, typer.Option(help="as in force at a local day or moment; now by default")] = None,
    rollback: Annotated[str | None, typer.Option(help="the policy to go back to; current by default")] = None,
    out: Annotated[Path | None, typer.Option(help="directory for the configuration and its rollback")] = None,
    force: Annotated[bool, typer.Option("--force", help="write it although lint finds errors")] = False,
) -> None:
    """Write the router configuration of a policy, and one that takes it back; exit 1 where lint finds errors."""
    workspace = open_workspace()
    made = workspace.acl(name, target, access_node=access_node, waves=wave or (), moment=moment_of(at),
                         rollback=rollback)
    from op25b.output import printable

    for row in made.findings:
        rule = "" if row.rule is None else f"rule {row.rule!r} "
        say(printable(f"{row.severity}: {row.finding}: {rule}{row.detail}"))
    if not force and any(row.severity == "error" for row in made.findings):
        say("nothing written; mend the policy, or insist with --force")
        raise typer.Exit(1)
    for note in made.notes:
        say(printable(f"note: {note}"))
    if out is None:
        sys.stdout.write(made.text)
    else:
        for path in made.write(out):
            sys.stdout.write(f"{path}\n")
    say(f"{made.pairs_before:,} address pairs as stated, {made.pairs_after:,} after merging")


@app.command()
def lint(
    name: Annotated[str | None, typer.Argument(metavar="[POLICY]", help="a policy's name; all by default")] = None,
    at: Annotated[str | None, typer.Option(help="as of a local day or moment; now by default")] = None,
    form: FormatOption = "table",
) -> None:
    """Find rules that cannot match, or do what nobody can have meant; exit 1 when one is an error."""
    frame = open_workspace().lint(name, moment_of(at))
    show(frame, form)
    errors = frame.filter(frame["severity"] == "error").height
    say(f"{errors} errors, {frame.height - errors} warnings")
    if errors:
        raise typer.Exit(1)


@app.command()
def quickref(
    before: FromOption = "current",
    after: ToOption = "proposed",
    lang: LanguageOption = None,
    form: Annotated[str, typer.Option("--format", help="table, json, csv, markdown or html")] = "table",
) -> None:
    """Print the quick-reference chart for customers: who is affected, every case decided by the policies."""
    if form not in {*FORMATS, "markdown", "html"}:
        raise UnknownNameError("format", form, [*FORMATS, "markdown", "html"])
    workspace = open_workspace()
    language = language_of(lang) or workspace.config.site.language
    chart = workspace.chart(language, before, after)
    if form in FORMATS:
        show(chart, form, ["line", "how", "port", "protocol", "before", "after", "verdict", "advice"])
        return
    from op25b.policy.publish import markdown, page

    write = markdown if form == "markdown" else page
    since = workspace.config.policy[after].effective_from
    sys.stdout.write(write(chart, workspace.config.site.name, since, language))
