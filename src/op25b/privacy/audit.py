"""The audit log: one JSON line for each use of the key that names a person or changes the pseudonyms.

A line is on disk before what it tells of is done. The file is append-only to this program, mode 0600, outside the
lake; a log that cannot be written is an error, and nothing is done then.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from op25b.errors import SettingsError
from op25b.keyfile import own_private, sync_directory

_WHAT = "the audit log"
_LONGEST_PURPOSE = 500
# What /proc says of a process that no login led to.
_NO_LOGIN = 2**32 - 1


def purpose_of(text: str) -> str:
    """A purpose as it goes into the log: one line, without control or invisible characters, not too long.

    `SettingsError` where nothing is left.
    """
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_PURPOSE]
    if not any(c.isalnum() for c in shown):
        msg = "a purpose is needed, and goes into the audit log\n  say it with --purpose 'TICKET-123: customer asks'"
        raise SettingsError(msg)
    return shown


def record(path: Path, action: str, facts: Mapping[str, object]) -> None:
    """Append one line: at (UTC), user (whose rights the process has), login (who logged in, where known), facts.

    It is on disk when this returns. `SettingsError` where it cannot be, or others could read the file.
    """
    entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "user": _name(os.getuid()), "login": _login(),
             "action": action, **facts}
    # Only ASCII goes in, so that nothing in a line can mislead who reads it on a terminal.
    line = json.dumps(entry, ensure_ascii=True).encode("ascii") + b"\n"
    try:
        _append(path, line)
    except OSError as error:
        problem = "is a symbolic link" if error.errno == errno.ELOOP else f"cannot be written: {error.strerror}"
        msg = (f"{path}: {_WHAT} {problem}; without it nothing is done\n"
               "  mend that, or name another file: audit_log under [privacy] in op25b.toml")
        raise SettingsError(msg) from None


def _append(path: Path, line: bytes) -> None:
    new = not path.exists()
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        own_private(path, descriptor, _WHAT, "")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a line that a crash cut off stays a line of its own
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line):]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync_directory(path.parent)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _login() -> str | None:
    """Who logged in, also behind sudo: the kernel's login uid, where the system sets one."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _NO_LOGIN else _name(uid)
