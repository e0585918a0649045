"""Readers of input files, one module a format. To add a format: write the module, and name it in `FORMATS`."""

from __future__ import annotations

from pathlib import Path

from op25b.errors import InputError, UnknownNameError
from op25b.readers.base import Batch, Format, Head, Kind, Source
from op25b.readers.flows import argus, goflow2, mapped, nfcapd, nfdump_csv, nfdump_json, pmacct, silk, zeek
from op25b.readers.leases import freeradius, isc_dhcpd, juniper, kea, map_e, nat_events, radius_csv, static
from op25b.readers.mail import dovecot, exim, opensmtpd, postfix, qmail, sendmail, zeek_smtp
from op25b.readers.subscribers import csv
from op25b.readers.text import chunks, opened, readable

__all__ = ["FORMATS", "Batch", "Format", "Head", "Kind", "Source", "choose"]

# In the order in which they are asked whether a file is theirs.
FORMATS: tuple[Format, ...] = (
    nfcapd.FORMAT, nfdump_csv.FORMAT, nfdump_json.FORMAT, silk.FORMAT, argus.FORMAT, goflow2.FORMAT, pmacct.FORMAT,
    zeek.FORMAT, mapped.PARQUET, mapped.CSV, mapped.JSON,
    postfix.FORMAT, exim.FORMAT, sendmail.FORMAT, opensmtpd.FORMAT, qmail.FORMAT, dovecot.FORMAT, zeek_smtp.FORMAT,
    freeradius.FORMAT, radius_csv.FORMAT, isc_dhcpd.FORMAT, kea.FORMAT, nat_events.FORMAT, juniper.FORMAT, map_e.FORMAT,
    static.FORMAT,
    csv.FORMAT,
)
HEAD_BYTES = 64 * 1024


def choose(path: Path, kind: Kind, name: str = "auto") -> tuple[Format, str]:
    """The format a file is read as, and why: the one the settings name, else the first that recognises its content."""
    candidates = [form for form in FORMATS if form.kind == kind]
    if name != "auto":
        named = next((form for form in candidates if form.name == name), None)
        if named is None:
            what = f"format of {kind}"
            raise UnknownNameError(what, name, [form.name for form in candidates])
        return named, "named in the settings"
    with opened(path) as stream, readable(path):
        head = Head(path, next(chunks(stream, HEAD_BYTES), b"")[:HEAD_BYTES])
    if not head.data:  # such as a log just rotated: nothing to recognise, and nothing to read
        return candidates[0], "an empty file"
    for form in candidates:
        reason = form.recognise(head)
        if reason is not None:
            return form, reason
    known = ", ".join(form.name for form in candidates)
    raise InputError(path, f"no known format of {kind} (tried: {known})",
                     "check the file, or name its format in op25b.toml: format = \"...\"")
