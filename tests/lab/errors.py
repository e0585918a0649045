"""The one exception of the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class LabError(Exception):
    """The capture failed; the message says which server or fact, and shows its log."""

    @classmethod
    def of_server(cls, name: str, problem: str, log: Path | None) -> LabError:
        """An error about one server, with the last lines it logged."""
        tail = "(no log was written)"
        if log is not None and log.is_file():
            lines = log.read_text(errors="replace").splitlines()
            tail = "\n".join(lines[-25:]) or "(its log is empty)"
        return cls(f"lab: {name}: {problem}\n--- last lines of its log ---\n{tail}")
