"""One TCP connection attempt on a mail port, as an element of a structured array; what became of it; who made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# What became of a connection.
SILENT, REFUSED, MAIL, TURNED_AWAY, MAILBOX, PROBED, LOGIN_FAILED = range(7)

DTYPE = np.dtype([
    ("line", "i8"),        # number within the block; -1: no line of the ISP
    ("at", "f8"),          # first packet, seconds from the first midnight
    ("remote", "u4"),      # the other end's address
    ("port", "u2"),        # the server's port
    ("inbound", "?"),      # the other end connects to the line
    ("outcome", "u1"),
    ("kind", "u1"),        # number in KINDS
    ("group", "u1"),       # number in world.GROUPS; NOWHERE for what truth does not count
    ("up", "i8"),          # bytes of messages from client to server
    ("down", "i8"),        # bytes of messages from server to client (mailboxes)
    ("commands", "i2"),    # of the client, without those of the message itself
    ("windows", "?"),      # the client's system
    ("patience", "f4"),    # seconds the client waits for an answer to its SYNs
    ("login", "?"),        # SMTP AUTH
])
Sessions = npt.NDArray[Any]


@dataclass(frozen=True)
class Kind:
    """Who makes connections: a finer name, and the class of issue and truth; an empty class is not in the truth."""

    name: str
    of: str = ""
    people: bool = False  # rests when they are away


KINDS = (
    Kind("pop-client", "mail-program", people=True), Kind("imap-client", "mail-program", people=True),
    Kind("webmail-reader", "mail-program", people=True),
    Kind("home-server", "own-server"), Kind("office-server", "own-server"), Kind("mailing-list", "own-server"),
    Kind("printer", "device", people=True), Kind("nas", "device"), Kind("camera", "device"),
    Kind("fast-sprayer", "bot"), Kind("slow-bot", "bot"), Kind("relay-bot", "bot"),
    Kind("direct-mailer", "mobile-sender", people=True), Kind("port-scanner", "scanner"),
    Kind("relay-user", people=True), Kind("submission-user", people=True), Kind("outsider"),
    Kind("mail-only", people=False),
)
NUMBER = {kind.name: number for number, kind in enumerate(KINDS)}


def sessions(kind: str | npt.NDArray[Any], n: int, **columns: Any) -> Sessions:
    """`n` connections; columns that are not given are as most have them."""
    made = np.zeros(n, dtype=DTYPE)
    made["kind"] = NUMBER[kind] if isinstance(kind, str) else kind
    made["outcome"], made["commands"], made["windows"], made["patience"] = MAIL, 5, True, 1e6
    for name, values in columns.items():
        made[name] = values
    return made


def joined(parts: list[Sessions]) -> Sessions:
    """All connections of several parts."""
    return np.concatenate(parts) if parts else np.zeros(0, dtype=DTYPE)
