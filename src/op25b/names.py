r"""Names of files as text: a byte that is no UTF-8 is `\xff`, as neither the lake nor the screen takes it."""

from __future__ import annotations

import re

_BYTE = re.compile("[\udc80-\udcff]")  # what Python makes of such a byte
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")


def escaped(name: str) -> str:
    """A name, or a text with names in it, as it can be stored and printed."""
    return _BYTE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", name)


def unescaped(text: str) -> str:
    """The name that `escaped` made a text of, unless the backslashes in it are the name's own."""
    return _ESCAPED.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)
