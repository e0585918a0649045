"""The project's exceptions: every one says what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from op25b.names import escaped


class Op25bError(Exception):
    """Base of all errors a user can cause and mend; the command line prints it and exits with status 2."""

    def __init__(self, message: str) -> None:
        super().__init__(escaped(message))  # it may name a file, and become a row of the lake


class SettingsError(Op25bError):
    """`op25b.toml` is missing, malformed, or says something that cannot be."""


class InputError(Op25bError):
    """An input file cannot be used at all (a single bad row goes to `rejected` instead)."""

    def __init__(self, path: Path | str, problem: str, remedy: str, line: int | None = None) -> None:
        where = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{where}: {problem}\n  {remedy}")


class StoppedError(Op25bError):
    """The reading of a file was stopped from outside, which says nothing about the file: nothing of it is kept."""


class LakeError(Op25bError):
    """The lake is missing, locked by another writer, or lacks what a command needs."""


class EngineError(Op25bError):
    """The engine that runs the pipelines cannot be reached, or failed; the lake is as it was."""


class QueryError(Op25bError):
    """A query given to `op25b sql` or `Workspace.sql` failed."""


class MissingDependencyError(Op25bError):
    """A program or an optional Python package is not installed."""


class UnknownNameError(Op25bError):
    """A name (table, report, subscriber, parameter, ...) is not one of those that exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(f"unknown {kind} {name!r}{nearest(name, known)}\n  known: {', '.join(known) or 'none'}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name most like `name`, or an empty text."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""
