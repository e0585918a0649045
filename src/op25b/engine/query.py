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

    connection = engine.session(workspace)
    try:
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
    except duckdb.IOException as error:
        if "No such file" not in str(error):
            msg = f"the query failed: {error}"
            raise QueryError(msg) from None
        msg = ("files of this lake version were removed while the query ran ('op25b expire', 'op25b compact')\n"
               "  run it again: it will read the newest version")
        raise LakeError(msg) from None
    except duckdb.Error as error:
        msg = f"the query failed: {error}"
        raise QueryError(msg) from None
    finally:
        connection.close()
