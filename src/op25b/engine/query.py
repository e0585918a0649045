"""Read-only SQL over every table of the lake, for `op25b sql` and notebooks."""

from __future__ import annotations

import polars as pl

from op25b.engine import duckdb as engine
from op25b.errors import LakeError, QueryError
from op25b.workspace import Workspace


def run(workspace: Workspace, query: str) -> pl.DataFrame:
    """Run one SELECT; anything that would write, attach or read other files is a `QueryError`.

    All tables are of one lake version: `workspace.version`, else the newest.
    """
    import duckdb

    connection = None
    try:
        connection = engine.session(workspace, query)
        # The views read the lake's files by name; from here on nothing else can be opened and nothing changed.
        connection.execute("SET allowed_directories = [" + engine.quoted(str(workspace.lake_path) + "/") + "]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET python_enable_replacements = false")
        connection.execute("SET lock_configuration = true")
        statements = connection.extract_statements(query)
        reading = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
        if len(statements) != 1 or statements[0].type not in reading:
            msg = "only one SELECT at a time: op25b sql reads, it never writes"
            raise QueryError(msg)
        frame: pl.DataFrame = connection.sql(query).pl()
        return frame
    except duckdb.Error as error:
        if engine.files_are_gone(error):
            raise LakeError(engine.FILES_ARE_GONE) from None
        msg = f"the query failed: {error}"
        raise QueryError(msg) from None
    finally:
        if connection is not None:
            connection.close()
