"""From files to tables: init, ingest, inspect, build, status, sql."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from op25b.cli.common import FormatOption, LimitOption, State, VersionOption, app, day_of, open_workspace, say, show
from op25b.cli.progress import reading_bar, steps_bar
from op25b.errors import SettingsError, UnknownNameError


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="directory of the new workspace")]) -> None:
    """Make a new workspace: a commented op25b.toml, an empty lake and the key of the pseudonyms."""
    from op25b.scaffold import create

    for path in create(directory):
        say(f"made {path}")
    say(f"next: name your inputs in {directory / 'op25b.toml'}, then run 'op25b -w {directory} ingest'")


_MANY_LINES = 100
EngineOption = Annotated[str, typer.Option("--engine", help="duckdb (this machine) or spark (see [engine.spark])")]


@app.command()
def ingest(engine: EngineOption = "duckdb", form: FormatOption = "table") -> None:
    """Read every new input file of op25b.toml into the lake; print the accounting, one row per file."""
    workspace = open_workspace()
    with reading_bar() as advance:
        frame = workspace.ingest(advance, engine)
    shown = ["path", "kind", "format", "state", "rows_read", "rows_kept", "rows_filtered", "rows_rejected"]
    show(frame, form, shown + ["reasons"] * bool(frame["rows_rejected"].sum()))
    new = frame.filter(frame["state"] == "new")
    say(f"{new.height} new files of {frame.height}: {new['rows_read'].sum():,} rows read, "
         f"{new['rows_kept'].sum():,} kept, {new['rows_filtered'].sum():,} of no interest, "
         f"{new['rows_rejected'].sum():,} rejected")
    # A few lines without mail are usual, as where a log is read while it grows.
    silent = (new["kind"] == "mail") & (new["rows_filtered"] == new["rows_read"]) & (new["rows_read"] >= _MANY_LINES)
    for path, name, lines in new.filter(silent).select("path", "format", "rows_read").iter_rows():
        say(f"note: {path}: none of its {lines:,} lines was kept, though it looks like a log of {name}: they tell of "
            "no mail, are older than [retention] keeps, or have a form that is not known")
    problems = [error for error in frame["error"] if error]
    for problem in problems:
        say(f"error: {problem}")
    if problems:
        raise typer.Exit(2)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="an input file")],
    kind: Annotated[str | None, typer.Option(help="flows, mail, leases or subscribers; by content by default")] = None,
    input_format: Annotated[str, typer.Option(help="a format's name; by content by default")] = "auto",
    form: FormatOption = "table",
) -> None:
    """Say what a file is, what ingest would store of it, and what it would reject; store nothing."""
    from op25b.inspection import inspect as look
    from op25b.settings import Config
    from op25b.workspace import SETTINGS_FILE, Workspace

    kinds = ("flows", "mail", "leases", "subscribers")
    if kind is not None and kind not in kinds:
        raise UnknownNameError("kind", kind, kinds)
    root = State.workspace.resolve()
    workspace = Workspace.load(root) if (root / SETTINGS_FILE).is_file() else Workspace(root, Config())
    found = look(workspace, file, kind, input_format)  # type: ignore[arg-type]  # checked above
    if form != "table":
        show(found.summary, form)
        return
    row = found.summary.row(0, named=True)
    from op25b.output import printable, sideways

    for name, value in row.items():
        sys.stdout.write(f"{name:14} {printable(value)}\n")
    sys.stdout.write("\nfirst rows, as they would be stored (identifiers become pseudonyms):\n")
    used = [name for name in found.rows.columns if found.rows[name].null_count() < found.rows.height]
    show(sideways(found.rows.select(used).head(4)), form)
    if found.rejected.height:
        sys.stdout.write("\nfirst rejected rows:\n")
        show(found.rejected, form)


@app.command()
def build(
    since: Annotated[str | None, typer.Option(help="first local day to bring up to date")] = None,
    until: Annotated[str | None, typer.Option(help="last local day to bring up to date")] = None,
    engine: EngineOption = "duckdb",
    form: FormatOption = "table",
) -> None:
    """Bring the derived tables up to date, only for days whose inputs changed."""
    first, last = day_of(since), day_of(until)
    if first and last and first > last:
        msg = f"--since {first} is after --until {last}\n  swap them"
        raise SettingsError(msg)
    workspace = open_workspace()
    with steps_bar() as advance:
        frame = workspace.build(first, last, advance, engine)
    show(frame, form)
    if frame.is_empty():
        say("nothing to do: every table is up to date")


@app.command()
def status(form: FormatOption = "table") -> None:
    """Show the lake's tables: rows, days and versions; the coverage of attribution; the last quality check."""
    workspace = open_workspace()
    show(workspace.status(), form)
    if form == "table":
        from op25b.impact import coverage
        from op25b.status import lake_state, quality_state

        sys.stdout.write("\n")
        show(coverage(workspace.workspace), form)
        for line in lake_state(workspace.workspace):
            say(line)
        say(f"quality: {quality_state(workspace.workspace)}")


@app.command()
def sql(query: str, version: VersionOption = None, form: FormatOption = "table", limit: LimitOption = 0) -> None:
    """Run one read-only SQL query over every table."""
    show(open_workspace(version).sql(query), form, limit=limit or None)
