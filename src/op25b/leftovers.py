"""What killed runs leave that is no table: parts of raw logs, and what DuckDB had no memory for."""

from __future__ import annotations

import os
import re
import shutil

from op25b.workspace import Workspace

# DuckDB names its files after its process; it removes those of dead ones itself, but only when it needs room again.
_SPILLED = re.compile(r"duckdb_temp_(\d+)_")


def remove(workspace: Workspace) -> None:
    """Remove the leftovers of runs that are dead; for the lake's only writer. Readers may be spilling meanwhile."""
    shutil.rmtree(workspace.scratch_path, ignore_errors=True)
    for path in workspace.spill_path.glob("duckdb_temp_*"):
        found = _SPILLED.match(path.name)
        if found and not _alive(int(found[1])):
            path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
