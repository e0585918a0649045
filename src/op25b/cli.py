"""The command line: one command per step. Rows go to stdout, messages and progress to stderr.

Exit status: 0 done; 1 a check or gate failed; 2 wrong use, settings or input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from op25b import __version__
from op25b.errors import Op25bError, SettingsError, UnknownNameError

if TYPE_CHECKING:
    import polars as pl

    from op25b.api import OpenWorkspace
    from op25b.impact import Simulation
    from op25b.ingest import Progress
    from op25b.output import Format

app = typer.Typer(
    name="op25b", no_args_is_help=True, add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Which customers lose which working mail when Outbound Port 25 Blocking is extended.",
)
_FORMATS = ("table", "json", "csv")


class _State:
    """What the options before the command said."""

    workspace = Path()


def _format(value: str) -> str:
    if value not in _FORMATS:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(_FORMATS)}")  # noqa: EM102
    return value


def _day(value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no date such as 2007-07-10") from None  # noqa: EM102


FormatOption = Annotated[str, typer.Option("--format", callback=_format, help="table, json or csv")]
LimitOption = Annotated[int, typer.Option("--limit", min=0, help="rows shown in a table; 0 shows all")]
LanguageOption = Annotated[str | None, typer.Option("--lang", help="ja or en; the site's language by default")]
SinceOption = Annotated[str | None, typer.Option(help="first local day that counts; all by default")]
UntilOption = Annotated[str | None, typer.Option(help="last local day that counts")]
FromOption = Annotated[str, typer.Option("--from", help="the policy in force")]
ToOption = Annotated[str, typer.Option("--to", help="the policy to compare with")]


def _language(value: str | None) -> Any:
    if value is not None and value not in {"ja", "en"}:
        raise UnknownNameError("language", value, ["ja", "en"])
    return value


def _open() -> OpenWorkspace:
    import op25b

    return op25b.open(_State.workspace)


def _show(frame: pl.DataFrame, form: str, columns: list[str] | None = None, limit: int | None = None) -> None:
    from op25b.output import show

    chosen: Format = form  # type: ignore[assignment]  # checked by the option's callback
    show(frame, chosen, columns, limit)


def _say(text: str) -> None:
    from op25b.output import console

    console().print(text, soft_wrap=True)


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
    _State.workspace = workspace


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="directory of the new workspace")]) -> None:
    """Make a new workspace: a commented op25b.toml, an empty lake and the key of the pseudonyms."""
    from op25b.scaffold import create

    for path in create(directory):
        _say(f"made {path}")
    _say(f"next: name your inputs in {directory / 'op25b.toml'}, then run 'op25b -w {directory} ingest'")


@app.command()
def ingest(form: FormatOption = "table") -> None:
    """Read every new input file of op25b.toml into the lake; print the accounting, one row per file."""
    workspace = _open()
    with _reading_bar() as advance:
        frame = workspace.ingest(advance)
    shown = ["path", "kind", "format", "state", "rows_read", "rows_kept", "rows_filtered", "rows_rejected"]
    _show(frame, form, shown + ["reasons"] * bool(frame["rows_rejected"].sum()))
    new = frame.filter(frame["state"] == "new")
    _say(f"{new.height} new files of {frame.height}: {new['rows_read'].sum():,} rows read, "
         f"{new['rows_kept'].sum():,} kept, {new['rows_filtered'].sum():,} of no interest, "
         f"{new['rows_rejected'].sum():,} rejected")
    problems = [error for error in frame["error"] if error]
    for problem in problems:
        _say(f"error: {problem}")
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
    from op25b.workspace import SETTINGS_FILE, Config, Workspace

    kinds = ("flows", "mail", "leases", "subscribers")
    if kind is not None and kind not in kinds:
        raise UnknownNameError("kind", kind, kinds)
    root = _State.workspace.resolve()
    workspace = Workspace.load(root) if (root / SETTINGS_FILE).is_file() else Workspace(root, Config())
    found = look(workspace, file, kind, input_format)  # type: ignore[arg-type]  # checked above
    if form != "table":
        _show(found.summary, form)
        return
    row = found.summary.row(0, named=True)
    from op25b.output import printable, sideways

    for name, value in row.items():
        sys.stdout.write(f"{name:14} {printable(value)}\n")
    sys.stdout.write("\nfirst rows, as they would be stored (identifiers become pseudonyms):\n")
    used = [name for name in found.rows.columns if found.rows[name].null_count() < found.rows.height]
    _show(sideways(found.rows.select(used).head(4)), form)
    if found.rejected.height:
        sys.stdout.write("\nfirst rejected rows:\n")
        _show(found.rejected, form)


@app.command()
def build(
    since: Annotated[str | None, typer.Option(help="first local day to bring up to date")] = None,
    until: Annotated[str | None, typer.Option(help="last local day to bring up to date")] = None,
    engine: Annotated[str, typer.Option(help="duckdb")] = "duckdb",
    form: FormatOption = "table",
) -> None:
    """Bring the derived tables up to date, only for days whose inputs changed."""
    if engine != "duckdb":
        raise UnknownNameError("engine", engine, ["duckdb"])
    first, last = _day(since), _day(until)
    if first and last and first > last:
        msg = f"--since {first} is after --until {last}\n  swap them"
        raise SettingsError(msg)
    workspace = _open()
    with _steps_bar() as advance:
        frame = workspace.build(first, last, advance)
    _show(frame, form)
    if frame.is_empty():
        _say("nothing to do: every table is up to date")


@app.command()
def status(form: FormatOption = "table") -> None:
    """Show the lake's tables: rows, days and versions; the coverage of attribution; the last quality check."""
    workspace = _open()
    _show(workspace.status(), form)
    if form == "table":
        from op25b.impact import coverage
        from op25b.status import quality_state

        sys.stdout.write("\n")
        _show(coverage(workspace.workspace), form)
        _say(f"lake version: {workspace.lake.total_version()}")
        _say(f"quality: {quality_state(workspace.workspace)}")


def _notes(workspace: OpenWorkspace, fixed_blocked: int = 0, before: str = "current", after: str = "proposed") -> None:
    """Say on stderr what the numbers on stdout could not know."""
    from op25b.caveats import caveats

    for sentence in caveats(workspace.workspace, "en", before, after, fixed_blocked).values():
        _say(f"note: {sentence}")


@app.command()
def findings(form: FormatOption = "table", limit: LimitOption = 50, lang: LanguageOption = None) -> None:
    """List the subscribers that send to external port 25: class, confidence, evidence and volume."""
    workspace = _open()
    frame = workspace.findings(_language(lang) or "en")
    columns = ["subscriber", "class", "confidence", "plan", "sessions", "established", "destinations", "reasons"]
    _show(frame, form, columns, limit or None)
    _notes(workspace)
    if form == "table":
        from op25b.impact import coverage

        sys.stdout.write("\n")
        _show(coverage(workspace.workspace), form)


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
    workspace, days = _open(), {"since": _day(since), "until": _day(until)}
    language = _language(lang)
    if by is None and per in {"example", "load"}:
        one_or_more = afters[0] if len(afters) == 1 else afters
        frame = workspace.simulate(before, one_or_more, per, **days, subscriber=subscriber,  # type: ignore[arg-type]
                                   language=language or ("en" if form == "table" else None))
        if form != "table" or per == "example":
            _show(frame, form, _EXAMPLE)
        else:
            _show_statements(frame)
        return
    made = workspace.simulations(afters, before, **days, traffic=per == "traffic",
                                 only_touched=form == "table" or by is not None or per != "subscriber")
    for each in made:
        _notes(workspace, each.fixed_blocked, before, each.after)
    _show_simulations(made, by or per, language, form, limit)
    if notices is not None:
        _write_notices(workspace, made[0], notices)


_EXAMPLE = ["impact", "destination_group", "port", "connections", "subscriber", "first_seen", "line_ip", "line_port",
            "server_ip", "outcome", "before_rule", "after_rule"]


def _show_simulations(made: list[Simulation], per: str, language: Any, form: str, limit: int) -> None:
    from op25b import impact
    from op25b.api import rows

    if form == "table" and per == "subscriber" and len(made) == 1:
        _show(made[0].touched, form, ["subscriber", "class", "confidence", "plan", "newly_blocked_sessions",
                                      "newly_blocked_established", "already_blocked_sessions", "untouched_sessions",
                                      "needs_notice", "remedy"], limit or None)
        sys.stdout.write("\n")
        per = "total"
    frames = [rows(each, per) for each in made]
    frame = frames[0] if len(made) == 1 else impact.side_by_side([each.after for each in made], frames)
    if language is not None or form == "table":
        frame = impact.worded(frame, language or "en")
    if form != "table":
        _show(frame, form)
    elif per != "total":
        _show(frame, form, limit=limit or None)
    elif len(made) == 1:
        _show_statements(frame)
    else:
        _show(impact.compared(frame), form)


def _show_statements(frame: pl.DataFrame) -> None:
    """Print statements as a table, and below it once what the limits of each kind stand for."""
    shown: list[str] = [name for name in ("scenario", "measure", "value", "low", "high", "denominator", "share", "of")
                        if name in frame.columns]
    _show(frame, "table", shown)
    limits = frame.filter(frame["interval"].is_not_null()).unique("interval", maintain_order=True)
    if limits.height:
        sys.stdout.write("\n")
        _show(limits, "table", ["measure", "interval"])


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
    _say(f"{path}: {frame.height:,} lines to be told, as in 'subscribers who need a notice'; of {silent:,} no way to "
         "reach them is known")


@app.command()
def explain(
    subscriber: Annotated[str, typer.Argument(help="the real identifier, or a pseudonym")],
    lang: LanguageOption = None,
    form: FormatOption = "table",
) -> None:
    """Tell whether one customer is affected, why, since when, and what to do (for the support desk)."""
    import polars as pl

    explanation = _open().explain(subscriber, _language(lang))
    if form == "table":
        from op25b.output import printable

        sys.stdout.write("\n".join(printable(line) for line in explanation.lines) + "\n")
    else:
        _show(pl.DataFrame([explanation.row()]), form)


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
    workspace = _open()
    made = workspace.acl(name, target, access_node=access_node, waves=wave or (), moment=_moment(at),
                         rollback=rollback)
    from op25b.output import printable

    for row in made.findings:
        rule = "" if row.rule is None else f"rule {row.rule!r} "
        _say(printable(f"{row.severity}: {row.finding}: {rule}{row.detail}"))
    if not force and any(row.severity == "error" for row in made.findings):
        _say("nothing written; mend the policy, or insist with --force")
        raise typer.Exit(1)
    for note in made.notes:
        _say(printable(f"note: {note}"))
    if out is None:
        sys.stdout.write(made.text)
    else:
        for path in made.write(out):
            sys.stdout.write(f"{path}\n")
    _say(f"{made.pairs_before:,} address pairs as stated, {made.pairs_after:,} after merging")


@app.command()
def lint(
    name: Annotated[str | None, typer.Argument(metavar="[POLICY]", help="a policy's name; all by default")] = None,
    at: Annotated[str | None, typer.Option(help="as of a local day or moment; now by default")] = None,
    form: FormatOption = "table",
) -> None:
    """Find rules that cannot match, or do what nobody can have meant; exit 1 when one is an error."""
    frame = _open().lint(name, _moment(at))
    _show(frame, form)
    errors = frame.filter(frame["severity"] == "error").height
    _say(f"{errors} errors, {frame.height - errors} warnings")
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
    if form not in {*_FORMATS, "markdown", "html"}:
        raise UnknownNameError("format", form, [*_FORMATS, "markdown", "html"])
    workspace = _open()
    language = _language(lang) or workspace.config.site.language
    chart = workspace.chart(language, before, after)
    if form in _FORMATS:
        _show(chart, form, ["line", "how", "port", "protocol", "before", "after", "verdict", "advice"])
        return
    from op25b.policy.publish import markdown, page

    write = markdown if form == "markdown" else page
    since = workspace.config.policy[after].effective_from
    sys.stdout.write(write(chart, workspace.config.site.name, since, language))


def _moment(value: str | None) -> datetime | None:
    """A local day (its beginning) or moment of the command line; the workspace says which zone is local."""
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no day or moment such as 2007-07-10 or '2007-07-10 04:00'") from None  # noqa: EM102


@app.command()
def check(
    table: Annotated[str | None, typer.Argument(help="flow, mail_event, lease or subscriber; all by default")] = None,
    every: Annotated[bool, typer.Option("--all", help="show the rules that hold as well")] = False,
    form: FormatOption = "table",
) -> None:
    """Judge the tables by the data-quality gates; exit 1 when a critical rule fails."""
    workspace = _open()
    frame = workspace.check(table)
    if table is None:
        from op25b.quality import remember

        remember(workspace.workspace, frame)
    failed = frame.filter(~frame["passed"])
    columns = ["table", "rule", "severity", "passed", "observed", "expected"]
    if form != "table" or every:
        _show(frame, form, columns)
    if form == "table":
        _check_tables(workspace, frame, failed)
    critical = failed.filter(failed["severity"] == "critical").height
    _say(f"{frame.height - failed.height} of {frame.height} rules hold, {critical} critical ones fail")
    if critical:
        raise typer.Exit(1)


def _check_tables(workspace: OpenWorkspace, frame: pl.DataFrame, failed: pl.DataFrame) -> None:
    """Print how many rules of each table hold, then each failed rule with its rows."""
    import polars as pl

    from op25b.quality import rows

    held = frame.group_by("table", maintain_order=True).agg(
        pl.len().alias("rules"), pl.col("passed").sum().alias("hold"), (~pl.col("passed")).sum().alias("fail")
    )
    _show(held, "table")
    for row in failed.iter_rows(named=True):
        sys.stdout.write(f"\n{row['table']}: {row['rule']} ({row['severity']}): {row['detail']}\n"
                         f"observed {row['observed']}, expected {row['expected']}\n")
        offending = rows(workspace.workspace, row["table"], row["rule"])
        if offending.height:
            _show(offending, "table")


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="a report's name, or all")],
    lang: LanguageOption = None,
    parameter: Annotated[list[str] | None, typer.Option("-p", "--parameter", help="KEY=VALUE, repeatable")] = None,
) -> None:
    """Render a report to one self-contained HTML file."""
    from op25b.report import names

    workspace = _open()
    for chosen in names() if name == "all" else [name]:
        _say(f"rendering {chosen} ...")
        parameters = _parameters(chosen, parameter or [])
        sys.stdout.write(f"{workspace.report(chosen, _language(lang), parameters)}\n")


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


@app.command()
def sql(query: str, form: FormatOption = "table", limit: LimitOption = 0) -> None:
    """Run one read-only SQL query over every table."""
    _show(_open().sql(query), form, limit=limit or None)


@contextmanager
def _reading_bar() -> Iterator[Callable[[Progress], None]]:
    """A progress display on stderr: files, bytes on disk, input rows, rate and time left."""
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
def _steps_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress display by table, on stderr."""
    from rich.progress import Progress

    from op25b.output import console

    with Progress(console=console(), transient=True) as bar:
        task = bar.add_task("building", total=None)

        def advance(table: str, done: int, total: int) -> None:
            bar.update(task, description=table, completed=done, total=total)

        yield advance


def main() -> None:
    """Run the command line; errors a user can mend become one message and exit status 2."""
    try:
        app()
    except Op25bError as error:
        sys.stderr.write(f"op25b: error: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("op25b: stopped; what was committed stays, run the command again to go on\n")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        sys.stderr.write(f"op25b: error: {error.filename or 'a file'}: {error.strerror or error}\n")
        sys.exit(2)
    except RuntimeError as error:  # what DuckDB makes of Ctrl-C
        if "interrupt" not in str(error).lower():
            raise
        sys.stderr.write("op25b: stopped; what was committed stays, run the command again to go on\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
