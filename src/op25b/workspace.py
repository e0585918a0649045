"""A workspace on disk: a directory with `op25b.toml`, and where the rest of it lies.

Every path in the file is relative to it; unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from op25b.errors import SettingsError, nearest
from op25b.names import escaped
from op25b.settings import Config

SETTINGS_FILE = "op25b.toml"
_PATTERN = set("[]*?%")


class Workspace:
    """A directory with `op25b.toml`; knows where its lake, key and inputs are, and nothing else.

    `version` is the lake version that is read, the newest one where it is None; what writes does not look at it.
    """

    def __init__(self, root: Path, config: Config, version: int | None = None) -> None:
        self.root = root
        self.config = config
        self.version = version

    def at(self, version: int | None) -> Workspace:
        """The same workspace, of which one lake version is read."""
        return Workspace(self.root, self.config, version)

    @classmethod
    def load(cls, root: Path | str) -> Workspace:
        """Read and validate the settings below `root`; `SettingsError` names the file, the key and the remedy."""
        root = Path(root).expanduser().resolve()
        path = root / SETTINGS_FILE
        if not path.is_file():
            msg = f"{path}: not found\n  make a workspace with 'op25b init {root.name}', or name one with -w"
            raise SettingsError(msg)
        if strange := sorted(set(str(root)) & _PATTERN):
            msg = (f"{root}: a workspace cannot lie in a directory with {' '.join(strange)} in its path\n"
                   "  the lake's libraries take them for patterns; rename the directory")
            raise SettingsError(msg)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"{path}: cannot be read: {error.strerror}"
            raise SettingsError(msg) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"{path}: not valid TOML: {error}"
            raise SettingsError(msg) from None
        try:
            return cls(root, Config.model_validate(data))
        except ValidationError as error:
            raise SettingsError(_explain(path, error)) from None

    @property
    def lake_path(self) -> Path:
        """Directory of the Delta tables."""
        return self.root / "lake"

    @property
    def scratch_path(self) -> Path:
        """Where parts of logs lie while they are read."""
        return self.lake_path / ".parts"

    @property
    def spill_path(self) -> Path:
        """Where rows go when memory is short: a directory of our own, as what is left in it is removed."""
        chosen = self.config.engine.duckdb.temp_directory
        return self.lake_path / ".spill" if chosen is None else self.root / chosen / "op25b-spill"

    @property
    def key_path(self) -> Path:
        """The key file of the pseudonyms."""
        return self._outside_lake("key_file")

    @property
    def audit_path(self) -> Path:
        """The log of the uses of the key: who looked up whom, and why."""
        return self._outside_lake("audit_log")

    def _outside_lake(self, setting: str) -> Path:
        """A file of `[privacy]`; its directory is resolved, the file not: its reader sees whether it is a link."""
        path = self.root / Path(getattr(self.config.privacy, setting)).expanduser()
        path = path.parent.resolve() / path.name
        if path.resolve().is_relative_to(self.lake_path) or path.is_relative_to(self.lake_path):
            msg = (f"{self.root / SETTINGS_FILE}: privacy.{setting} lies inside the lake\n"
                   f"  move it out of {self.lake_path}")
            raise SettingsError(msg)
        return path

    @property
    def timezone(self) -> ZoneInfo:
        """The site's time zone, which says what a day is."""
        return ZoneInfo(self.config.site.timezone)

    def expand(self, pattern: str) -> list[Path]:
        """Files a path or glob of the settings stands for, sorted; `~` and absolute paths are allowed."""
        path = Path(pattern).expanduser()
        base, rest = (Path(path.anchor), path.relative_to(path.anchor)) if path.is_absolute() else (self.root, path)
        if not re.search(r"[*?\[]", str(rest)):
            return [base / rest] if (base / rest).is_file() else []
        return sorted(found for found in base.glob(str(rest)) if found.is_file())

    def shown(self, path: Path) -> str:
        """The path as people should see it: relative to the workspace where it lies inside."""
        return escaped(str(path.relative_to(self.root) if path.is_relative_to(self.root) else path))


def _explain(path: Path, error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _known_keys(item["loc"])
            hint = nearest(str(item["loc"][-1]), known)
            lines.append(f"unknown key {where!r}{hint}\n    known here: {', '.join(known)}")
        else:
            lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}" if where else
                         item["msg"].removeprefix("Value error, "))
    return f"{path}: " + "\n  ".join(lines)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed beside the unknown one, found by walking the models along `location`."""
    model: Any = Config
    for part in location[:-1]:
        if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        if part in model.model_fields:
            annotation = model.model_fields[part].annotation
            model = next((a for a in _flatten(annotation) if isinstance(a, type) and issubclass(a, BaseModel)), model)
    return sorted(model.model_fields)


def _flatten(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    return [annotation] if not arguments else [leaf for argument in arguments for leaf in _flatten(argument)]
