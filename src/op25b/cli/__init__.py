"""The command line: one command per step. Rows go to stdout, messages and progress to stderr.

Exit status: 0 done; 1 a check or gate failed; 2 wrong use, settings or input. A module holds commands that belong
together; importing it adds them to `app`.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

# In the order of --help.
# isort: off
from op25b.cli import data  # noqa: F401
from op25b.cli import answers  # noqa: F401
from op25b.cli import estimate  # noqa: F401
from op25b.cli import coverage  # noqa: F401
from op25b.cli import policies  # noqa: F401
from op25b.cli import reports  # noqa: F401
from op25b.cli import synth  # noqa: F401
from op25b.cli import privacy  # noqa: F401
from op25b.cli import upkeep  # noqa: F401
# isort: on
from op25b.cli.common import app
from op25b.errors import Op25bError

__all__ = ["app", "main"]


def _leave() -> None:
    """End without a last search for garbage, a tenth of a second; DuckDB would report what is left as leaks."""
    if "duckdb" not in sys.modules:
        gc.freeze()


def main() -> None:
    """Run the command line; errors a user can mend become one message and exit status 2."""
    atexit.register(_leave)
    # What a command imports stays: there is nothing to gain by looking for garbage among it every 700 objects.
    gc.set_threshold(100_000)
    # What polars' allocator gives back to the system after half a second, the next block takes again page by page.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:2000")
    try:
        app()
    except Op25bError as error:
        sys.stderr.write(f"op25b: error: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("op25b: stopped; what was committed stays, run the command again to go on\n")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        sys.stderr.write(f"op25b: error: {error.filename or 'a file'}: {error.strerror or error}\n")
        sys.exit(2)
    except RuntimeError as error:  # what DuckDB makes of Ctrl-C
        if "interrupt" not in str(error).lower():
            raise
        sys.stderr.write("op25b: stopped; what was committed stays, run the command again to go on\n")
        sys.exit(130)
    except Exception as error:
        from op25b.engine.duckdb import FILES_ARE_GONE, files_are_gone

        if not files_are_gone(error):
            raise
        sys.stderr.write(f"op25b: error: {FILES_ARE_GONE}\n")
        sys.exit(2)
