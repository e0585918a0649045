"""A simulated ISP: synth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from op25b.cli.common import app, day_of, say
from op25b.cli.progress import steps_bar


@app.command()
def synth(  # noqa: PLR0917  # a command's options
    directory: Annotated[Path, typer.Argument(help="directory of the new workspace")],
    subscribers: Annotated[int, typer.Option(min=1, help="customer lines")] = 1000,
    days: Annotated[int, typer.Option(min=1, help="local days")] = 7,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same world")] = 1,
    sampling: Annotated[int, typer.Option(min=1, help="exporters keep one packet in so many")] = 1,
    pilot: Annotated[int, typer.Option(min=0, help="so many access nodes are exported unsampled all the same")] = 0,
    form: Annotated[str, typer.Option("--format", help="of the flow records: nfdump-csv or nfcapd")] = "nfdump-csv",
    start: Annotated[str | None, typer.Option(help="first local day [default: 2007-06-05]")] = None,
    parameters: Annotated[Path | None, typer.Option(help="TOML file with parameters to replace")] = None,
) -> None:
    """Write a simulated ISP with known truth: a workspace of raw logs, and truth.csv."""
    from op25b.synth import START, write

    with steps_bar() as advance:
        made = write(directory, subscribers=subscribers, days=days, seed=seed, sampling=sampling, pilot=pilot,
                     form=form, start=day_of(start) or START, parameters=parameters, advance=advance)
    say(f"{directory}: {made.subscribers:,} customers, {made.flow_records:,} flow records, {made.mail_lines:,} lines "
        f"of the mail log, {made.radius_records:,} accounting records; {made.truth_rows:,} rows of truth")
    say(f"next: op25b -w {directory} ingest")
