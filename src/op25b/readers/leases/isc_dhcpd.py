"""ISC dhcpd's lease files, `dhcpd.leases` and `dhcpd6.leases`: a journal of `lease`, `ia-na`, `ia-ta`, `ia-pd` blocks.

The same lease repeats: every grant and renewal writes a block with `starts` (that moment) and `ends`, release and
expiry write one more whose state is no longer `active`. Times are UTC, or seconds since 1970 where dhcpd.conf says
`db-time-format local`. DHCPv4 moves `ends` to the moment of the release; DHCPv6 keeps it and sets `cltt`.
Other blocks (`failover peer … state`, `host`, `server-duid`) say nothing about leases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.leases import identity
from op25b.readers.leases.common import (
    FILTERED,
    BadRow,
    Outcome,
    bad,
    batches,
    from_epoch,
    in_order,
    ip_range,
    number,
    numbered_lines,
    plausible,
)
from op25b.readers.leases.holdings import Holdings, Statement
from op25b.readers.leases.isc_syntax import Block, Broken, octets, statements

_IA = {"ia-na", "ia-ta", "ia-pd"}
_IAID_OCTETS = 4
_HELD = {"active", "bootp"}
_ENDED = {"free", "expired", "released", "backup", "reset", "abandoned"}
_FOREVER = 0xFFFFFFFF
_TIME = re.compile(r"^[0-6] (\d{4})/(\d\d?)/(\d\d?) (\d\d?):(\d\d):(\d\d)$", re.ASCII)
_EPOCH = re.compile(r"^epoch (\d{1,12})$", re.ASCII)
_HEADS = re.compile(r'^(?:lease [0-9A-Fa-f.:]+|ia-(?:na|ta|pd) (?:".*"|[0-9A-Fa-f:]+)) \{')


def recognise(head: Head) -> str | None:
    """A `lease` or `ia-…` block at the start of a line."""
    if any(_HEADS.match(line) for line in head.lines):
        return "ISC dhcpd leases: lease or ia-na/ia-pd blocks"
    return None


def read(source: Source) -> Iterator[Batch]:
    """Yield a row per interval in which one client held an address or a prefix."""
    return batches(_outcomes(source))


def _outcomes(source: Source) -> Iterator[Outcome]:
    holdings = Holdings()
    for block in statements(numbered_lines(source)):
        if isinstance(block, Broken):
            yield bad(block.line, "cut off: the block does not end")
        elif block.has_body and block.head[:1] == ["lease"]:
            yield _outcome(holdings, block, partial(_lease, block, source.identify_by))
        elif block.has_body and block.head and block.head[0] in _IA:
            for part in (part for part in block.body if part.head[:1] in (["iaaddr"], ["iaprefix"])):
                yield _outcome(holdings, part, partial(_address, part, block, source.identify_by))
        else:
            yield FILTERED
    yield Outcome(list(holdings.rest()), read=0)


def _outcome(holdings: Holdings, block: Block, statement: Callable[[], Statement | None]) -> Outcome:
    try:
        return holdings.outcome(statement())
    except BadRow as problem:
        return bad(block.line, str(problem))


def _lease(block: Block, identify_by: str) -> Statement | None:
    """What a DHCPv4 `lease` block says; None where it says nothing (an address that was never used)."""
    first, last = _range(block)
    held = _held(block)
    start, end = _time(block, "starts"), _time(block, "ends")
    subscriber = _subscriber(block, identify_by)
    if held and subscriber is None and identify_by.endswith("-id") and block.values("cltt") is None:
        return None  # told by the failover peer, which alone has heard the client and knows the access node's options
    if held and subscriber is None:
        raise identity.missing(identify_by)
    if held and start is None:
        msg = "no starts"
        raise BadRow(msg)
    state = (block.values("binding", "state") or [""])[0]
    stale = not held and start is not None and end is not None and end < start  # given to the failover peer since
    if subscriber is None or state == "abandoned" or start is None or stale:
        # dhcpd forgets what the access node added when a lease ends; whoever held the address holds it no more.
        gone = start if state == "abandoned" else end or start
        return None if gone is None else Statement(first, last, None, gone, gone, gone)
    in_order(start, end)
    return Statement(first, last, subscriber, _time(block, "cltt") or start, start, end, over=not held)


def _address(part: Block, owner: Block, identify_by: str) -> Statement:
    """What an `iaaddr` or `iaprefix` inside an `ia-…` block says."""
    first, last = _range(part)
    held = _held(part)
    heard, end = _time(owner, "cltt"), _time(part, "ends")
    lifetime = number((part.values("max-life") or ["0"])[0], "max-life", 0, _FOREVER)
    start = end - timedelta(seconds=lifetime) if end is not None and 0 < lifetime < _FOREVER else heard
    if start is None:
        msg = "no cltt, and no ends with max-life"
        raise BadRow(msg)
    if part.values("binding", "state") == ["released"] and heard is not None:
        end = heard if end is None else min(end, heard)
        start = min(start, end)
    in_order(start, end)
    subscriber = _owner(owner, identify_by)
    return Statement(first, last, subscriber, heard or start, start, end, over=not held)


def _range(block: Block) -> tuple[str, str]:
    return ip_range(block.head[1] if len(block.head) == 2 else "", block.head[0])


def _held(block: Block) -> bool:
    words = block.values("binding", "state")
    if words is None:  # dhcpd 2 wrote no state
        return True
    state = " ".join(words)
    if state not in _HELD | _ENDED:
        msg = f"unknown binding state {state[:20]!r}"
        raise BadRow(msg)
    return state in _HELD


def _time(block: Block, name: str) -> datetime | None:
    """A time: `2 2007/07/10 03:00:00` (day of the week, UTC), `epoch 1184036400` or `never`."""
    words = block.values(name)
    if words is None or words == ["never"]:
        return None
    text = " ".join(words)
    try:
        if match := _TIME.match(text):
            year, month, day, hour, minute, second = map(int, match.groups())
            return plausible(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
        if match := _EPOCH.match(text):
            return from_epoch(int(match[1]))
    except (ValueError, BadRow):
        pass
    msg = f"{name} is no time"
    raise BadRow(msg)


def _subscriber(block: Block, identify_by: str) -> str | None:
    match identify_by:
        case "hardware":
            words = block.values("hardware")
            return identity.hardware(words[-1]) if words else None
        case "uid":
            words = block.values("uid")
        case _:
            words = block.values("option", f"agent.{identify_by}")
    return (identity.shown(_octets(words[0])) or None) if words else None


def _owner(owner: Block, identify_by: str) -> str:
    duid = _octets(owner.head[1])[_IAID_OCTETS:] if len(owner.head) == 2 else b""
    found: str | None = None
    if identify_by == "hardware":
        found = identity.hardware_of_duid(duid)
    elif identify_by == "uid" and duid:
        found = identity.shown(duid)
    if found is None:
        raise identity.missing(identify_by)
    return found


def _octets(word: str) -> bytes:
    return octets(word) if word.startswith('"') else identity.octets(word) or b""


FORMAT = Format("isc-dhcpd", "leases", recognise, read, growth="again", merges=True)
