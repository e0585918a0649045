"""From pseudonyms back to names, for those who hold the key: the subscriber lists are read again and compared.

A pseudonym cannot be computed backwards. What is on no list (a name in a mail log that is no customer's, a session of a
lease log) stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from op25b import schema
from op25b.errors import InputError, SettingsError
from op25b.ingest import source_of
from op25b.privacy.audit import purpose_of, record
from op25b.pseudonyms import Pseudonyms, is_pseudonym
from op25b.readers import choose
from op25b.readers.base import TABLE_OF
from op25b.workspace import Workspace

_SCHEMA = {"pseudonym": pl.String, "kind": pl.String, "identifier": pl.String, "subscriber": pl.String,
           "file": pl.String}


def reveal(workspace: Workspace, pseudonyms: Sequence[str], purpose: str) -> pl.DataFrame:
    """One row per pseudonym × name it stands for: pseudonym, kind, identifier, subscriber, file; NULL where unknown.

    `kind` is the list's column (subscriber, radius_user or auth_user), `identifier` what stands there, `subscriber`
    the line it belongs to, `file` the first list that says so. Rows come in the order asked for. The audit log has the
    question and what was found before this returns.
    """
    reason = purpose_of(purpose)
    wanted = list(dict.fromkeys(name.strip() for name in pseudonyms))
    if strange := [name for name in wanted if not is_pseudonym(name)]:
        msg = f"{strange[0]!r} is no pseudonym (p and 20 hex digits)\n  take it from a table or a report"
        raise SettingsError(msg)
    keyed = Pseudonyms.load(workspace.key_path, workspace.lake_path)
    found: dict[str, dict[tuple[str, str, str], str]] = {name: {} for name in wanted}
    for kind, identifier, line, file in _names(workspace):
        if (names := found.get(keyed.of(identifier))) is not None:
            names.setdefault((kind, identifier, line), file)
    record(workspace.audit_path, "reveal", {
        "purpose": reason, "found": [name for name in wanted if found[name]],
        "not_found": [name for name in wanted if not found[name]]})
    rows: list[tuple[str | None, ...]] = []
    for name in wanted:
        rows += [(name, *who, file) for who, file in found[name].items()] or [(name, None, None, None, None)]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _names(workspace: Workspace) -> Iterator[tuple[str, str, str, str]]:
    """Kind, identifier, line and file of every name in the subscriber lists, as `ingest` reads them."""
    columns = schema.raw_table(TABLE_OF["subscribers"]).pseudonyms
    if not workspace.config.inputs.subscribers:
        msg = "no subscriber list is named, so nobody is found\n  name it in op25b.toml under [[inputs.subscribers]]"
        raise SettingsError(msg)
    for settings in workspace.config.inputs.subscribers:
        paths = workspace.expand(settings.path)
        if not paths:
            raise InputError(settings.path, "no such file", "check the path under [[inputs.subscribers]] in op25b.toml")
        for path in paths:
            form, _ = choose(path, "subscribers", settings.format)
            for batch in form.read(source_of(workspace, path, settings)):
                for row in batch.rows.iter_rows(named=True):
                    for column in columns:
                        if row.get(column) is not None:
                            yield column, row[column], row["subscriber"], workspace.shown(path)
