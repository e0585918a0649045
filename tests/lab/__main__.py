"""``python -m tests.lab OUT_DIR [--nft RULESET_FILE] [--keep DIR]``: one capture."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from tests.lab.capture import capture
from tests.lab.errors import LabError


def main() -> int:
    """Runs a capture; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--nft", type=Path, help="nftables rules instead of today's policy")
    parser.add_argument("--keep", type=Path, help="new directory for every program's own log")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        ruleset = arguments.nft.read_text() if arguments.nft else None
        capture(arguments.out_dir, ruleset, arguments.keep)
    except (LabError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("lab: interrupted; everything it started is gone\n")
        return 130
    sys.stderr.write(f"captured into {arguments.out_dir} in {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
