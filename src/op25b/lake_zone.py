"""The time zone by which the rows of a lake were put to days; the settings of later runs must name the same.

A raw row is stored with its local day. By the days of another zone the first and last hours of a day would be looked
for where they are not, and missed without a word.
"""

from __future__ import annotations

from pathlib import Path

from op25b import durable
from op25b.errors import LakeError
from op25b.workspace import SETTINGS_FILE, Workspace

NAME = ".timezone"


def refuse_others(workspace: Workspace) -> None:
    """`LakeError` where the settings name another zone than that of the lake's days."""
    known, zone = noted(workspace.lake_path), workspace.config.site.timezone
    if known is not None and known != zone:
        msg = (f"{workspace.root / SETTINGS_FILE}: site.timezone is {zone!r}, but the days of this lake are those of "
               f"{known!r}\n  put {known!r} back; for days of {zone!r} move the lake away and ingest all files anew")
        raise LakeError(msg)


def note(workspace: Workspace) -> None:
    """Remember the zone of the settings as that of the lake's days."""
    temporary = workspace.lake_path / f"{NAME}.new"
    temporary.write_text(workspace.config.site.timezone + "\n", encoding="utf-8")
    durable.put_in_place(temporary, workspace.lake_path / NAME)


def noted(lake: Path) -> str | None:
    """The zone of the lake's days; None while it is not known."""
    try:
        return (lake / NAME).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
