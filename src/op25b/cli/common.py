"""What the commands share: the application, its options, the workspace they work on, and how they print."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from op25b import __version__
from op25b.errors import UnknownNameError

if TYPE_CHECKING:
    import polars as pl

    from op25b.api import OpenWorkspace
    from op25b.output import Format

app = typer.Typer(
    name="op25b", no_args_is_help=True, add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Which customers lose which working mail when Outbound Port 25 Blocking is extended.",
)
FORMATS = ("table", "json", "csv")


class State:
    """What the options before the command said."""

    workspace = Path()


def _format(value: str) -> str:
    if value not in FORMATS:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(FORMATS)}")  # noqa: EM102
    return value


def day_of(value: str | None) -> date | None:
    """A local day of the command line."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no date such as 2007-07-10") from None  # noqa: EM102


def moment_of(value: str | None) -> datetime | None:
    """A local day (its beginning) or moment of the command line; the workspace says which zone is local."""
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no day or moment such as 2007-07-10 or '2007-07-10 04:00'") from None  # noqa: EM102


FormatOption = Annotated[str, typer.Option("--format", callback=_format, help="table, json or csv")]
LimitOption = Annotated[int, typer.Option("--limit", min=0, help="rows shown in a table; 0 shows all")]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, help="of the lake, as it was then; 'op25b status' has the newest")]
LanguageOption = Annotated[str | None, typer.Option("--lang", help="ja or en; the site's language by default")]
SinceOption = Annotated[str | None, typer.Option(help="first local day that counts; all by default")]
UntilOption = Annotated[str | None, typer.Option(help="last local day that counts")]
FromOption = Annotated[str, typer.Option("--from", help="the policy in force")]
ToOption = Annotated[str, typer.Option("--to", help="the policy to compare with")]


def language_of(value: str | None) -> Any:
    """The language asked for, if any; an `UnknownNameError` for one there are no words in."""
    if value is not None and value not in {"ja", "en"}:
        raise UnknownNameError("language", value, ["ja", "en"])
    return value


def open_workspace(version: int | None = None) -> OpenWorkspace:
    """The workspace named before the command, opened; all that the command says is of one lake version."""
    import op25b

    return op25b.open(State.workspace).at(version)


def show(frame: pl.DataFrame, form: str, columns: list[str] | None = None, limit: int | None = None) -> None:
    """Print a frame's rows to stdout."""
    from op25b import output

    chosen: Format = form  # type: ignore[assignment]  # checked by the option's callback
    output.show(frame, chosen, columns, limit)


def say(text: str) -> None:
    """Print a message to stderr."""
    from op25b.output import console

    console().print(text, soft_wrap=True)


def notes(workspace: OpenWorkspace, fixed_blocked: int = 0, before: str = "current", after: str = "proposed") -> None:
    """Say on stderr what the numbers on stdout could not know."""
    from op25b.caveats import caveats

    for sentence in caveats(workspace.workspace, "en", before, after, fixed_blocked).values():
        say(f"note: {sentence}")


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"op25b {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    workspace: Annotated[Path, typer.Option("-w", "--workspace", help="directory with op25b.toml")] = Path(),
    version: Annotated[  # noqa: ARG001  # its callback does it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    State.workspace = workspace
