"""What names a subscriber's line: a user name; in DHCP a hardware address, a client identifier or a relay's option.

Every name is written one way, whatever server or list it comes from, because lists and logs are joined by pseudonyms
that hide how much alike two spellings are: octets as text where all are printable ASCII, else as `00:1a:…`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from op25b.readers.leases.common import BadRow

_OCTETS = re.compile(r"^[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2})*$")
_MAC = re.compile(r"^[0-9A-Fa-f]{1,2}([:-])[0-9A-Fa-f]{1,2}(?:\1[0-9A-Fa-f]{1,2}){4}$")
_MAC_OF_WORDS = re.compile(r"^[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}$")
_HEXADECIMAL = re.compile(r"^0x((?:[0-9A-Fa-f]{2})+)$")
_ETHERNET = 1
# Option codes of what the access node adds: DHCPv4 option 82 (RFC 3046) and DHCPv6 (RFC 8415, RFC 4649).
_AGENT = {4: {"circuit-id": 1, "remote-id": 2}, 6: {"circuit-id": 18, "remote-id": 37}}
_ENTERPRISE_OCTETS = 4


def octets(text: str) -> bytes | None:
    """The octets of `0:1a:2b`, else None."""
    return bytes(int(part, 16) for part in text.split(":")) if _OCTETS.match(text) else None


def shown(data: bytes) -> str:
    """Octets as text where they are printable, else in hexadecimal."""
    if data and all(0x20 < octet < 0x7F for octet in data):
        return data.decode("ascii")
    return data.hex(":")


@lru_cache(maxsize=2**16)
def line_name(text: str) -> str:
    """A name as lists and logs give it, in its one spelling: `00-1A-…`, `001a.…` → `00:1a:…`; `0x474531` → `GE1`.

    Blanks around it are a slip of whoever typed it; blanks alone are no name.
    """
    if "\ufffd" in text:  # two names that differ in their broken bytes alone must not become one
        msg = "the line's name is not UTF-8: save the file as UTF-8"
        raise BadRow(msg)
    text = text.strip()
    if not text:
        msg = "the line's name is blank"
        raise BadRow(msg)
    if _MAC.match(text):
        return hardware(text.replace("-", ":"))
    if _MAC_OF_WORDS.match(text):
        return bytes.fromhex(text.replace(".", "")).hex(":")
    if found := _HEXADECIMAL.match(text):
        return shown(bytes.fromhex(found[1]))
    return text


def hardware(text: str) -> str:
    """A hardware address in lower case, two digits an octet."""
    found = octets(text)
    if found is None:
        msg = "the hardware address is none"
        raise BadRow(msg)
    return found.hex(":")


def hardware_of_duid(duid: bytes) -> str | None:
    """The Ethernet address in a DUID-LLT or DUID-LL (RFC 8415, section 11); other kinds of DUID have none."""
    kind, medium = int.from_bytes(duid[:2], "big"), int.from_bytes(duid[2:4], "big")
    start = {1: 8, 3: 4}.get(kind)
    if start is None or medium != _ETHERNET or len(duid) != start + 6:
        return None
    return duid[start:].hex(":")


def agent_option(data: bytes, version: int, name: str) -> str | None:
    """`circuit-id` or `remote-id` among the sub-options of an access node."""
    code = _AGENT[version][name]
    for found, content in _options(data, 1 if version == 4 else 2):
        if found == code:
            skip = _ENTERPRISE_OCTETS if version == 6 and name == "remote-id" else 0
            return shown(content[skip:]) or None
    return None


def _options(data: bytes, width: int) -> Iterator[tuple[int, bytes]]:
    """Code and content of options whose code and length are `width` octets each; stops where one is cut off."""
    at = 0
    while at + 2 * width <= len(data):
        code = int.from_bytes(data[at : at + width], "big")
        length = int.from_bytes(data[at + width : at + 2 * width], "big")
        at += 2 * width
        if at + length > len(data):
            return
        yield code, data[at : at + length]
        at += length


def missing(choice: str) -> BadRow:
    """The reason why a lease without the configured identifier is rejected."""
    return BadRow(f"no {choice} to name the subscriber by (setting identify_by)")
