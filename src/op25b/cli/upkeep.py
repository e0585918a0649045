"""Upkeep of the lake: compact, expire."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from op25b.cli.common import FormatOption, app, day_of, open_workspace, say, show


@app.command()
def compact(
    keep_hours: Annotated[
        float | None, typer.Option(min=0, help="of a replaced lake version; [retention] versions by default")] = None,
    form: FormatOption = "table",
) -> None:
    """Merge small files, forget old lake versions, and remove the files that nobody reads any more."""
    workspace = open_workspace()
    keep = None if keep_hours is None else timedelta(hours=keep_hours)
    frame = workspace.compact(keep, lambda table: say(f"compacting {table} ..."))
    show(frame, form)
    freed = int((frame["bytes"] - frame["bytes_after"]).sum())
    say(f"{frame['files'].sum():,} files are {frame['files_after'].sum():,} now; {freed / 2**20:,.1f} MiB freed")


@app.command()
def expire(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would go; remove nothing")] = False,
    today: Annotated[str | None, typer.Option(help="local day to count back from; today by default")] = None,
    form: FormatOption = "table",
) -> None:
    """Remove the rows whose days of [retention] are over, for good; an accounting of them stays."""
    workspace = open_workspace()
    frame = workspace.expire(day_of(today), dry_run=dry_run, progress=lambda what: say(f"expire: {what} ..."))
    show(frame, form)
    if frame.is_empty():
        say("nothing expires: no table of the lake has days under [retention] in op25b.toml")
    else:
        say(f"{frame['rows'].sum():,} rows {'would go' if dry_run else 'removed; table expired accounts for them'}")
