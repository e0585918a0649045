"""For those who hold the key: reveal, rotate-key."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from op25b.cli.common import FormatOption, app, open_workspace, say, show


@app.command()
def reveal(
    pseudonyms: Annotated[list[str], typer.Argument(help="pseudonyms as tables and reports show them")],
    purpose: Annotated[str | None, typer.Option(help="why; goes into the audit log; asked for on a terminal")] = None,
    form: FormatOption = "table",
) -> None:
    """Say who is behind pseudonyms, from the subscriber lists and the key; exit 1 when one is on no list."""
    from op25b.privacy.reveal import reveal as look_up

    if purpose is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter("say why with --purpose; it goes into the audit log", param_hint="--purpose")
        purpose = typer.prompt("purpose (goes into the audit log)", err=True)
    frame = look_up(open_workspace().workspace, pseudonyms, purpose)
    show(frame, form)
    missing = frame.filter(frame["kind"].is_null())["pseudonym"].to_list()
    if missing:
        say(f"on no subscriber list: {', '.join(missing)}")
        raise typer.Exit(1)


@app.command()
def rotate_key(form: FormatOption = "table") -> None:
    """Make a new key and map every stored pseudonym to it; old exports can no longer be tied to the lake."""
    from op25b.privacy.rotation import rotate

    workspace = open_workspace().workspace
    show(rotate(workspace, lambda name: say(f"mapping {name} ...")), form)
    say(f"next: back up {workspace.key_path} (the older backup is of no use any more), then run 'op25b build'")
    say("reports and exports made before still hold the old pseudonyms: remove those you keep, and make them anew")
