"""What a report was made from: the lake version, and the command that makes it again from the same data."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from op25b.lake import snapshot
from op25b.report_template.words import NOTES
from op25b.texts import Text

if TYPE_CHECKING:
    from op25b.settings import Language
    from op25b.workspace import Workspace


def lake_version(workspace: Workspace, report: str, language: Language, words: dict[str, Text] = NOTES) -> list[str]:
    """The lake version and when it was made (local), and how to make the report again; for the top of the page."""
    at = snapshot(workspace).at
    if at is None:
        return [words["no-lake-version"][language]]
    made = at.at.replace(tzinfo=UTC).astimezone(workspace.timezone)
    return [words["lake-version"][language].format(number=at.number, made=f"{made:%Y-%m-%d %H:%M}"),
            f"op25b report {report} --lang {language} --version {at.number}"]
