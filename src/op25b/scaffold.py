"""A new workspace on disk: settings with comments, an empty lake, a key."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from op25b import keyfile
from op25b.errors import SettingsError
from op25b.settings import Config
from op25b.workspace import SETTINGS_FILE, Workspace


def create(directory: Path) -> list[Path]:
    """Make a workspace and return what was made; an existing op25b.toml is an error, an existing key is kept.

    A lake with tables needs the key it was made with: without it no other one is made.
    """
    directory = directory.expanduser()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{directory}: cannot be made: {error.strerror}\n  choose another directory"
        raise SettingsError(msg) from None
    settings = directory / SETTINGS_FILE
    if settings.exists():
        msg = f"{settings}: there is a workspace already\n  choose another directory"
        raise SettingsError(msg)
    defaults = Workspace(directory, Config())
    if defaults.key_path.is_symlink() or defaults.key_path.exists():
        keyfile.finished(defaults.key_path)
    elif any(defaults.lake_path.glob("*/_delta_log")):
        msg = (f"{defaults.lake_path}: there is a lake, and its key {defaults.key_path.name} is missing\n"
               "  restore the key from your backup (a new one could not tie new data to old), or remove the lake")
        raise SettingsError(msg)
    settings.write_text(files("op25b").joinpath("op25b.toml").read_text(encoding="utf-8"), encoding="utf-8")
    made = [settings]
    workspace = Workspace.load(directory)
    workspace.lake_path.mkdir(exist_ok=True)
    made.append(workspace.lake_path)
    if not workspace.key_path.exists():
        keyfile.create(workspace.key_path)
        made.append(workspace.key_path)
    return made
