"""The programs that the lab needs, and the versions that Debian gave it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.lab.errors import LabError

PROGRAMS = [
    "dovecot",
    "freeradius",
    "ip",
    "nfcapd",
    "nfdump",
    "nft",
    "openssl",
    "postfix",
    "radclient",
    "rsyslogd",
    "smtp-sink",
    "softflowctl",
    "softflowd",
    "sysctl",
]


def packages() -> list[str]:
    """The Debian packages, as packages.txt names them."""
    return Path(__file__).with_name("packages.txt").read_text().split()


def require_tools() -> None:
    """Raises LabError when the lab cannot run here, saying what to do."""
    if os.geteuid() != 0:
        msg = "lab: it builds network namespaces, so it needs root"
        raise LabError(msg)
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        msg = f"lab: not installed: {', '.join(missing)}; install the packages in tests/lab/packages.txt"
        raise LabError(msg)


def versions() -> list[tuple[str, str]]:
    """Package -> version of every program that took part."""
    query = ["dpkg-query", "-W", "-f=${Package} ${Version}\n", *packages()]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    pairs = (line.split() for line in done.stdout.splitlines())
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
