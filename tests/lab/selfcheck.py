"""Looks at a capture with nfdump and plain text search: are the facts there that it exists for?"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from tests.lab import addresses
from tests.lab.cast import SECONDS
from tests.lab.errors import LabError
from tests.lab.net import run
from tests.lab.sessions import timeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.people import Member

SUBSCRIBER4 = "src net 198.18.0.0/16"
CARRIER = "(dst net 198.51.100.0/26 or dst net 2001:db8:200::/64)"


def check_facts(out: Path, members: Sequence[Member], *, today: bool) -> None:
    """Raises LabError unless the logs hold what every capture must hold.

    Args:
        out: A capture's directory.
        members: The cast.
        today: Whether the router enforced today's policy; otherwise only what no policy changes.
    """
    problems = [*flow_problems(out, today), *mail_problems(out)]
    problems += radius_problems(out, members)
    if problems:
        msg = "lab: the capture lacks what it should hold:\n" + "\n".join(f"- {problem}" for problem in problems)
        raise LabError(msg)


def count_flows(out: Path, filter_text: str) -> int:
    """How many flow records pass an nfdump filter."""
    argv = ["nfdump", "-R", str(out / "raw/flows"), "-q", "-N", "-o", "fmt:%sa", filter_text]
    printed = run(argv, f"nfdump {filter_text!r}")
    return sum(1 for line in printed.splitlines() if line.strip() and "No match" not in line)


def flow_problems(out: Path, today: bool) -> list[str]:
    """Facts about flows."""
    syn_only = "proto tcp and flags S and not flags ARFPU"
    always = {
        f"{syn_only} and dst port 25 and {SUBSCRIBER4}": 20,
        f"dst port 25 and {SUBSCRIBER4} and dst ip {addresses.RELAY}": 10,
        f"src port 25 and src ip {addresses.RELAY}": 10,
        f"inet6 and dst port 25 and src net {addresses.SUBSCRIBERS[1]}": 4,
        f"dst port 587 and {SUBSCRIBER4}": 8,
        f"dst port 110 and {SUBSCRIBER4}": 15,
        f"dst port 443 and {SUBSCRIBER4}": 4,
        f"{syn_only} and dst port 25 and dst net 198.51.100.0/26": 5,
        f"{syn_only} and dst port 25 and inet6 and dst net 2001:db8:200::/64": 2,
    }
    if today:
        always |= {
            f"dst port 25 and flags F and {SUBSCRIBER4} and dst ip {addresses.PROVIDER}": 9,
            f"inet6 and dst port 25 and flags F and dst ip {addresses.PROVIDER6}": 3,
            "dst port 25 and dst ip 198.18.1.50 and flags F": 2,
            "src port 25 and flags R and dst net 198.18.0.0/16": 10,
        }
    problems = []
    for filter_text, least in always.items():
        found = count_flows(out, filter_text)
        if found < least:
            problems.append(f"flows: {found} records pass `{filter_text}`, expected {least} or more")
    if today and (leaked := count_flows(out, f"{SUBSCRIBER4} and {CARRIER} and dst port 25 and flags A")):
        problems.append(f"flows: {leaked} sessions got past today's rule to a mobile carrier")
    return problems


def mail_problems(out: Path) -> list[str]:
    """Facts about the mail log."""
    log = (out / "raw/mail/mail.log").read_text()
    always = {
        r"postfix/submission/smtpd\[\d+\]: [0-9A-Za-z]+: client=.*sasl_method=PLAIN, sasl_username=pm": 3,
        r"sasl_method=LOGIN, sasl_username=pm": 2,
        r"SASL CRAM-MD5 authentication failed": 1,
        r"postfix/smtpd\[\d+\]: [0-9A-Za-z]+: client=": 10,
        r"relay=mx\.docomo\.example\[[^]]+\]:25, .*status=sent": 3,
        r"Relay access denied": 1,
        r"status=deferred": 1,
        r"status=bounced": 1,
        r"client=[^ ]*\[192\.0\.2\.77\].*sasl_username=pm2025": 2,
    }
    return [
        f"mail.log: {found} lines match `{pattern}`, expected {least} or more"
        for pattern, least in always.items()
        if (found := len(re.findall(pattern, log))) < least
    ]


def radius_problems(out: Path, members: Sequence[Member]) -> list[str]:
    """Every accounting record that was sent is there, no more and no less."""
    text = "".join(path.read_text() for path in sorted((out / "raw/radius").glob("detail*")))
    found = Counter(re.findall(r"Acct-Status-Type = ([\w-]+)", text))
    sent = Counter(str(event.kind) for event in timeline(members, SECONDS) if event.kind not in ("up", "down"))
    if found == sent:
        return []
    return [f"radius: {dict(found)} records found, {dict(sent)} sent"]
