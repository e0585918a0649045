"""Keyed pseudonyms for the identifiers of subscribers and users: HMAC-SHA-256 with a key outside the lake.

The same identifier gives the same pseudonym in every table, so that tables can be joined without knowing whose
they are. 80 bits are kept: among ten million lines the chance of any collision is below 1 in 10^10.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

import polars as pl

from op25b.errors import SettingsError
from op25b.memo import Memo

_FORM = re.compile(r"p[0-9a-f]{20}")


def is_pseudonym(text: str) -> bool:
    """Whether `text` has the form of a pseudonym: `p` and 20 hex digits."""
    return _FORM.fullmatch(text) is not None


class Pseudonyms:
    """Makes pseudonyms with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known = Memo(lambda texts: pl.DataFrame({"pseudonym": pl.Series(map(self.of, texts), dtype=pl.String)}))

    @classmethod
    def create(cls, path: Path) -> Pseudonyms:
        """Write a new random key to `path`, readable by its owner alone; an existing file is never replaced."""
        key = secrets.token_bytes(32)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
        return cls(key)

    @classmethod
    def load(cls, path: Path) -> Pseudonyms:
        """Read the key; refuse one that is missing, malformed or readable by others."""
        if not path.is_file():
            msg = (f"{path}: the key of the pseudonyms is missing\n"
                   "  restore it from your backup: without it new data cannot be tied to old")
            raise SettingsError(msg)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            msg = f"{path}: others can read the key of the pseudonyms\n  chmod 600 {path}"
            raise SettingsError(msg)
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except (ValueError, UnicodeDecodeError):
            key = b""
        if len(key) < 16:
            msg = f"{path}: not a key (at least 32 hex digits expected)\n  restore it from your backup"
            raise SettingsError(msg)
        return cls(key)

    def of(self, identifier: str) -> str:
        """The pseudonym of one identifier."""
        return "p" + hmac.new(self._key, identifier.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:20]

    def replace(self, frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        """Return `frame` with the identifiers in `columns` replaced; NULL stays NULL."""
        for column in columns:
            if column in frame.columns:
                frame = frame.with_columns(self._known.of(frame[column])["pseudonym"].alias(column))
        return frame
