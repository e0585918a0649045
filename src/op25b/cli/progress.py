"""Progress of long work, on stderr where that is a terminal: what draws it takes a while to load."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from op25b.ingest import Progress


@contextmanager
def reading_bar() -> Iterator[Callable[[Progress], None]]:
    """A progress display on stderr: files, bytes on disk, input rows, rate and time left."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as parts

    from op25b.output import console, printable

    columns = (parts.TextColumn("{task.description}", markup=False), parts.BarColumn(), parts.DownloadColumn(),
               parts.TransferSpeedColumn(), parts.TextColumn("{task.fields[counts]}", markup=False),
               parts.TimeRemainingColumn())
    with parts.Progress(*columns, console=console(), transient=True) as bar:
        task = bar.add_task("looking for new files", total=None, counts="")

        def advance(state: Progress) -> None:
            counts = f"{state.files_done:,} of {state.files:,} files, {state.rows_read:,} rows"
            bar.update(task, description=printable(Path(state.now).name or "reading"), total=state.bytes,
                       completed=state.bytes_done, counts=counts)

        yield advance


@contextmanager
def steps_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress display by table, on stderr."""
    if not sys.stderr.isatty():
        yield lambda _table, _done, _all: None
        return
    from rich.progress import Progress

    from op25b.output import console

    with Progress(console=console(), transient=True) as bar:
        task = bar.add_task("building", total=None)

        def advance(table: str, done: int, total: int) -> None:
            bar.update(task, description=table, completed=done, total=total)

        yield advance
