"""Writes a capture's directory: the raw logs, the tables, and the README."""

from __future__ import annotations

import csv
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tests.lab import addresses
from tests.lab.cast import SECONDS
from tests.lab.daemons import ROTATION_SECONDS
from tests.lab.tools import versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.lab.people import Member

SUBSCRIBERS = [
    "subscriber",
    "plan",
    "fixed_ip",
    "access_node",
    "area",
    "dwelling",
    "notice_channel",
    "language",
    "radius_user",
    "auth_user",
]
TRUTH = [
    "subscriber",
    "role",
    "description",
    "address",
    "sends_external_25",
    "class",
    "already_blocked",
    "newly_blocked",
    "needs_notice",
    "remedy",
]


def write_output(out: Path, work: Path, members: Sequence[Member], began: float) -> None:
    """Writes everything that a capture leaves behind.

    Args:
        out: The directory to write.
        work: Where the servers of the lab wrote.
        members: The cast.
        began: When the cast began (Unix time).
    """
    for kind in ("flows", "mail", "radius"):
        (out / "raw" / kind).mkdir(parents=True)
    for path in sorted((work / "flows").glob("nfcapd.2*")):
        shutil.copyfile(path, out / "raw/flows" / path.name)
    shutil.copyfile(work / "syslog/mail.log", out / "raw/mail/mail.log")
    for path in sorted((work / "radius/radacct").glob("detail-*")):
        shutil.copyfile(path, out / "raw/radius" / path.name)
    write_csv(out / "subscribers.csv", SUBSCRIBERS, map(subscriber_row, members))
    write_csv(out / "truth.csv", TRUTH, map(truth_row, members))
    write_csv(
        out / "networks.csv",
        ["name", "group", "network", "submission", "pop", "source"],
        (
            (net.name, net.group, net.network, net.submission, net.pop, "the lab's address plan")
            for net in addresses.KNOWN_NETWORKS
        ),
    )
    (out / "README.md").write_text(readme(members, began), encoding="utf-8")
    (out / "op25b.toml").write_text(settings(began), encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Writes one table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def truth_value(value: bool) -> str:
    """A boolean as the tables write it."""
    return "true" if value else "false"


def subscriber_row(member: Member) -> tuple[str, ...]:
    """One row of subscribers.csv."""
    fixed = truth_value(member.fixed_ip)
    place = (member.node, member.area, member.dwelling, member.notice, member.language)
    return (member.subscriber, member.plan, fixed, *place, member.radius_user, member.pop_id)


def truth_row(member: Member) -> tuple[str, ...]:
    """One row of truth.csv."""
    truth = member.truth
    held = [session.address for session in member.sessions] or [addresses.ROAMER]
    return (
        member.subscriber,
        member.role,
        member.description,
        " ".join(held),
        truth_value(truth.sends_external_25),
        truth.kind,
        truth_value(truth.already_blocked),
        truth_value(truth.newly_blocked),
        truth_value(truth.newly_blocked),  # whoever loses something is told
        truth.remedy,
    )


def settings(began: float) -> str:
    """The workspace settings that read the capture; the mail log's stamps have no year, so they name it."""
    year = datetime.fromtimestamp(began, ZoneInfo("Asia/Tokyo")).year
    return Path(__file__).with_name("sample-op25b.toml").read_text(encoding="utf-8").format(year=year)


def readme(members: Sequence[Member], began: float) -> str:
    """The text of README.md."""
    start = datetime.fromtimestamp(began, UTC)
    programs = "\n".join(f"| {name} | {version} |" for name, version in versions())
    lines = sum(1 for member in members if member.sessions)
    return (
        Path(__file__)
        .with_name("sample-readme.md")
        .read_text(encoding="utf-8")
        .format(
            customers=len(members),
            lines=lines,
            start=f"{start:%Y-%m-%d %H:%M:%S}",
            seconds=f"{SECONDS:.0f}",
            rotation=ROTATION_SECONDS,
            programs=programs,
        )
    )
