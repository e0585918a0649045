"""Sets of addresses as sorted, disjoint ranges of ip_keys in numbers; IPv4 lies at ::ffff:0:0/96 among them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Literal

Span = tuple[int, int]
Spans = tuple[Span, ...]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Family = Literal[4, 6]

_V4 = 0xFFFF00000000
EVERYTHING: Spans = ((0, (1 << 128) - 1),)
_OF: dict[Family, Spans] = {4: ((_V4, _V4 | 0xFFFFFFFF),),
                            6: ((0, _V4 - 1), ((_V4 | 0xFFFFFFFF) + 1, (1 << 128) - 1))}


def spans(keys: Iterable[tuple[str, str]]) -> Spans:
    """Ranges of ip_keys as numbers, merged."""
    return merge((int(first, 16), int(last, 16)) for first, last in keys)


def merge(parts: Iterable[Span]) -> Spans:
    """The same addresses in as few ranges as possible."""
    merged: list[Span] = []
    for first, last in sorted(parts):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def common(left: Spans, right: Spans) -> Spans:
    """The addresses in both."""
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            found.append((first, last))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(left: Spans, right: Spans) -> Spans:
    """The addresses of the first that are not in the second."""
    outside, begin = [], 0
    for first, last in right:
        if begin < first:
            outside.append((begin, first - 1))
        begin = last + 1
    if begin <= EVERYTHING[0][1]:
        outside.append((begin, EVERYTHING[0][1]))
    return common(left, tuple(outside))


def contains(some: Spans, key: int) -> bool:
    """Whether an address is among them."""
    return any(first <= key <= last for first, last in some)


def networks(some: Spans, family: Family) -> list[Network]:
    """The addresses of one family as networks in CIDR form, as few as possible."""
    found: list[Network] = []
    for first, last in common(some, _OF[family]):
        ends = ((ipaddress.IPv4Address(first - _V4), ipaddress.IPv4Address(last - _V4)) if family == 4 else
                (ipaddress.IPv6Address(first), ipaddress.IPv6Address(last)))
        found += ipaddress.summarize_address_range(*ends)
    return found
