"""Readers of input files, one module a format. To add a format: write the module, and name it in `FORMATS`."""

from __future__ import annotations

from pathlib import Path

from op25b.errors import InputError, UnknownNameError
from op25b.readers.base import Batch, Format, Head, Kind, Source
from op25b.readers.flows import nfcapd
from op25b.readers.leases import freeradius
from op25b.readers.mail import postfix
from op25b.readers.subscribers import csv
from op25b.readers.text import opened

__all__ = ["FORMATS", "Batch", "Format", "Head", "Kind", "Source", "choose"]

# In the order in which they are asked whether a file is theirs.
FORMATS: tuple[Format, ...] = (nfcapd.FORMAT, postfix.FORMAT, freeradius.FORMAT, csv.FORMAT)
HEAD_BYTES = 64 * 1024


def choose(path: Path, kind: Kind, name: str = "auto") -> tuple[Format, str]:
    """The format a file is read as, and why: the one the settings name, else the first that recognises its content."""
    candidates = [form for form in FORMATS if form.kind == kind]
    if name != "auto":
        named = next((form for form in candidates if form.name == name), None)
        if named is None:
            raise UnknownNameError(f"format of {kind}", name, [form.name for form in candidates])
        return named, "named in the settings"
    with opened(path) as stream:
        head = Head(path, stream.read(HEAD_BYTES))
    for form in candidates:
        reason = form.recognise(head)
        if reason is not None:
            return form, reason
    known = ", ".join(form.name for form in candidates)
    raise InputError(path, f"no known format of {kind} (tried: {known})",
                     "check the file, or name its format in op25b.toml: format = \"...\"")
