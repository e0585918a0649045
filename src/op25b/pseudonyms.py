"""Keyed pseudonyms for the identifiers of subscribers and users: HMAC-SHA-256 with a key outside the lake.

The same identifier gives the same pseudonym in every table, so that tables can be joined without knowing whose
they are. 80 bits are kept: among ten million lines the chance of any collision is below 1 in 10^10.

A pseudonym cannot be turned back, so that a key is rotated by making pseudonyms of the pseudonyms: with keys k1, k2 it
is HMAC(k2, HMAC(k1, identifier)). What is stored needs the last step alone, and what is read later gets all of them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

import polars as pl

from op25b import keyfile
from op25b.memo import Memo

FORM = r"^p[0-9a-f]{20}$"


def is_pseudonym(text: str) -> bool:
    """Whether `text` has the form of a pseudonym: `p` and 20 hex digits."""
    return re.fullmatch(FORM, text) is not None


class Pseudonyms:
    """Makes pseudonyms with one key, or with several in turn, the oldest first."""

    def __init__(self, *keys: bytes) -> None:
        self._keys = keys
        self._known = Memo(lambda texts: pl.DataFrame({"pseudonym": pl.Series(map(self.of, texts), dtype=pl.String)}))

    @classmethod
    def create(cls, path: Path) -> Pseudonyms:
        """Write a new random key to `path`, readable by its owner alone; an existing file is never replaced."""
        return cls(*keyfile.create(path).chain)

    @classmethod
    def load(cls, path: Path, lake: Path | None = None, *, writes: bool = False) -> Pseudonyms:
        """Read the key; refuse one that is missing, malformed or not the reader's alone, or not that of the lake.

        Who `writes` to a lake that has no pseudonyms yet makes the key its own.
        """
        keys = keyfile.finished(path)
        if lake is not None:
            keyfile.refuse_others(lake, keys, path)
            if writes and keyfile.noted(lake) is None:
                keyfile.note(lake, keys)
        return cls(*keys.chain)

    def of(self, identifier: str) -> str:
        """The pseudonym of one identifier."""
        for key in self._keys:
            digest = hmac.new(key, identifier.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
            identifier = "p" + digest[:20]
        return identifier

    def replace(self, frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        """Return `frame` with the identifiers in `columns` replaced; NULL stays NULL."""
        for column in columns:
            if column in frame.columns:
                frame = frame.with_columns(self._known.of(frame[column])["pseudonym"].alias(column))
        return frame
