"""The key file of the pseudonyms, and the lake's note of which key it was made with.

One key a line, hex digits, the oldest first: rotation adds a line, and pseudonyms are made with all of them in turn. A
line `next KEY` is a rotation that was begun and not finished. The file is private to its owner and lies outside the
lake; the lake holds the key's name only (`.key`), by which another key is told before it makes pseudonyms of its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from op25b.errors import LakeError, SettingsError

KEY_BYTES = 32
SHORTEST_BYTES = 16
NAME = ".key"
ROTATING = ".rotating"
COMMAND = "rotate-key"
_NEXT = "next "
_UNFINISHED = "a rotation of the key was begun and not finished\n  run 'op25b rotate-key' again, it goes on from there"


@dataclass(frozen=True)
class Keys:
    """The keys of a file, oldest first, and the one that a rotation is about to add."""

    chain: tuple[bytes, ...]
    coming: bytes | None = None

    @property
    def name(self) -> str:
        """What the chain may be called in public: a hash of all its keys, from which they do not follow."""
        return hashlib.sha256(b"op25b key\0" + b"\0".join(key.hex().encode() for key in self.chain)).hexdigest()[:16]

    @property
    def rotated(self) -> Keys:
        """The chain with the coming key at its end."""
        return Keys((*self.chain, self.coming)) if self.coming is not None else self


def new_key() -> bytes:
    """A random key."""
    return secrets.token_bytes(KEY_BYTES)


def create(path: Path) -> Keys:
    """Write a new random key to `path`, readable by its owner alone; an existing file is never replaced."""
    keys = Keys((new_key(),))
    _write(path, keys)
    return keys


def replace(path: Path, keys: Keys) -> None:
    """Replace the key file in one step: after a crash it is the old one or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    _write(temporary, keys)
    temporary.replace(path)
    sync_directory(path.parent)


def read(path: Path) -> Keys:
    """Read the key file; `SettingsError` for one that is missing, malformed, or not its reader's alone."""
    text = _private_text(path)
    chain: list[bytes] = []
    coming = None
    for line in text.split("\n"):
        digits, pending = line.strip(), line.startswith(_NEXT)
        if not digits:
            continue
        key = _key(digits.removeprefix(_NEXT))
        if key is None or coming is not None:
            raise _no_key(path)
        if pending:
            coming = key
        else:
            chain.append(key)
    if not chain:
        raise _no_key(path)
    return Keys(tuple(chain), coming)


def finished(path: Path) -> Keys:
    """Read the key file for use; a rotation that was not finished is a `SettingsError`, as the lake may be mixed."""
    keys = read(path)
    if keys.coming is not None:
        msg = f"{path}: {_UNFINISHED}"
        raise SettingsError(msg)
    return keys


def noted(lake: Path) -> str | None:
    """The name of the keys that the lake's pseudonyms are made with; None while the lake has none."""
    stored = lake / NAME
    return stored.read_text(encoding="ascii", errors="replace").strip() if stored.exists() else None


def refuse_others(lake: Path, keys: Keys, path: Path) -> None:
    """`LakeError` for keys that are not those of the lake."""
    known = noted(lake)
    if known is not None and known != keys.name:
        msg = (f"{path}: not the key of this lake ({lake / NAME} names {known}, this key is {keys.name})\n"
               "  restore the right key from your backup: with another one new data cannot be tied to old")
        raise LakeError(msg)


def note(lake: Path, keys: Keys) -> None:
    """Remember in the lake which keys its pseudonyms are made with."""
    lake.mkdir(parents=True, exist_ok=True)
    temporary = lake / f"{NAME}.new"
    with temporary.open("w", encoding="ascii") as file:
        file.write(keys.name + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(lake / NAME)
    sync_directory(lake)


def refuse_rotating(lake: Path) -> None:
    """`LakeError` while some tables have the pseudonyms of one key and others those of the next."""
    if (lake / ROTATING).exists():
        msg = f"{lake}: {_UNFINISHED}"
        raise LakeError(msg)


def sync_directory(directory: Path) -> None:
    """Make what was renamed in a directory last through a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def own_private(path: Path, descriptor: int, what: str, remedy: str) -> None:
    """Refuse an opened file that is not a plain file, another user's, or open to others; `what` it is, for messages."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        msg = f"{path}: {what} is not a plain file\n  name one in op25b.toml under [privacy]"
        raise SettingsError(msg)
    if status.st_uid != os.geteuid():
        owner, user = _user(status.st_uid), _user(os.geteuid())
        msg = f"{path}: {what} belongs to {owner}, not to {user}\n  run op25b as {owner}, or chown {user} {path}"
        raise SettingsError(msg)
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"{path}: others can read {what}\n  chmod 600 {path}{remedy}"
        raise SettingsError(msg)


def _private_text(path: Path) -> str:
    what = "the key of the pseudonyms"
    try:
        # O_NONBLOCK: a pipe in the file's place must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        msg = (f"{path}: the key of the pseudonyms is missing\n"
               "  restore it from your backup: without it new data cannot be tied to old")
        raise SettingsError(msg) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            msg = (f"{path}: {what} is a symbolic link, and who changes it changes the key\n"
                   "  name the file itself: key_file under [privacy] in op25b.toml")
        else:
            msg = f"{path}: {what} cannot be read: {error.strerror}\n  run op25b as the user who owns it"
        raise SettingsError(msg) from None
    try:
        own_private(path, descriptor, what, "; who had access may have copied it: then run 'op25b rotate-key'")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read().decode("latin-1")
    finally:
        os.close(descriptor)


def _key(digits: str) -> bytes | None:
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        return None
    return key if len(key) >= SHORTEST_BYTES else None


def _no_key(path: Path) -> SettingsError:
    return SettingsError(f"{path}: not a key (at least {2 * SHORTEST_BYTES} hex digits expected)\n"
                         "  restore it from your backup")


def _write(path: Path, keys: Keys) -> None:
    lines = [key.hex() for key in keys.chain] + ([_NEXT + keys.coming.hex()] if keys.coming is not None else [])
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise
    sync_directory(path.parent)


def _user(uid: int) -> str:
    """The name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
