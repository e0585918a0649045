"""What a member of the cast is made of: sessions, mail accounts, steps, and the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Step = dict[str, Any]
Class = Literal["", "mail-program", "own-server", "bot", "mobile-sender"]
Remedy = Literal["", "submission-587", "own-relay", "relay-or-fixed-ip", "disinfect"]


@dataclass(frozen=True)
class Session:
    """One PPP session; times are seconds after the cast starts.

    Attributes:
        address: The IPv4 address that it is given.
        start: When it begins; None when it was up before the capture.
        end: When it ends; None when it outlives the capture.
        online_before: For how many seconds it was up before the capture.
        prefix6: The delegated IPv6 prefix.
        late_stop: By how many seconds the access node reports its end late.
        stop_twice: Whether the access node repeats the report, having missed the answer.
    """

    address: str
    start: float | None = None
    end: float | None = None
    online_before: int = 0
    prefix6: str = ""
    late_stop: int = 0
    stop_twice: bool = False


@dataclass(frozen=True)
class Truth:
    """What is true of a member by the cast's definition."""

    sends_external_25: bool = False
    kind: Class = ""
    already_blocked: bool = False
    newly_blocked: bool = False
    remedy: Remedy = ""


QUIET = Truth()
PROGRAM_587 = Truth(True, "mail-program", newly_blocked=True, remedy="submission-587")
PROGRAM_RELAY = Truth(True, "mail-program", newly_blocked=True, remedy="own-relay")
HOME_SERVER = Truth(True, "own-server", newly_blocked=True, remedy="relay-or-fixed-ip")
HOME_SERVER_MOBILE = Truth(True, "own-server", True, True, "relay-or-fixed-ip")
OFFICE_SERVER = Truth(True, "own-server")
BOT = Truth(True, "bot", newly_blocked=True, remedy="disinfect")
BOT_MOBILE = Truth(True, "bot", True, True, "disinfect")
MOBILE = Truth(True, "mobile-sender", already_blocked=True)


@dataclass(frozen=True)
class Account:
    """A mail account as a mail program knows it."""

    address: str
    smtp: str
    port: int
    login: str = ""
    mechanism: str = ""
    pop: str = ""
    pop_login: str = ""

    @property
    def password(self) -> str:
        """Its password (the lab's own)."""
        return "pw-" + (self.login or self.pop_login)


@dataclass(frozen=True)
class Member:
    """One customer of the ISP: what the subscriber list says, what he does, what is true."""

    number: int
    role: str
    description: str
    plan: str
    node: str
    area: str
    dwelling: str
    notice: str
    language: str = "ja"
    sessions: tuple[Session, ...] = ()
    steps: tuple[Step, ...] = ()
    truth: Truth = QUIET
    pop_id: str = ""
    server: str = ""
    accounts: tuple[Account, ...] = field(default=())

    @property
    def subscriber(self) -> str:
        """The customer number."""
        return f"ME{self.number:07}"

    @property
    def radius_user(self) -> str:
        """The login of the line; a customer of the mail service alone has none."""
        return f"u{self.number}@isp.example" if self.sessions else ""

    @property
    def namespace(self) -> str:
        """Where his computer is."""
        return f"u{self.number}"

    @property
    def fixed_ip(self) -> bool:
        """Whether his plan has fixed addresses."""
        return self.plan.startswith("IP")


def send(
    account: Account,
    times: Sequence[float],
    recipients: Sequence[str],
    *,
    helo: str = "my-pc",
    family: int = 0,
) -> list[Step]:
    """A mail program's messages: one per time, to the recipients in turn."""
    return [
        {
            "at": at,
            "do": "smtp",
            "host": account.smtp,
            "port": account.port,
            "family": family,
            "helo": helo,
            "sender": account.address,
            "recipients": recipients[number % len(recipients)].split(),
            "user": account.login,
            "password": account.password,
            "mechanism": account.mechanism,
            "size": 400 + 900 * number,
        }
        for number, at in enumerate(times)
    ]


def read(account: Account, times: Sequence[float], *, family: int = 0) -> list[Step]:
    """A mail program's visits to the mailbox."""
    return [
        {
            "at": at,
            "do": "pop3",
            "host": account.pop,
            "port": 110,
            "family": family,
            "user": account.pop_login,
            "password": account.password,
        }
        for at in times
    ]


def browse(times: Sequence[float], path: str = "/inbox") -> list[Step]:
    """Visits to the webmail site, or to another page of that server."""
    page = {"do": "https", "host": "www.webmail.example", "port": 443, "path": path}
    return [{"at": at, **page} for at in times]


def submit_locally(domain: str, messages: Sequence[tuple[float, str]]) -> list[Step]:
    """Messages handed to the customer's own server, which delivers them itself."""
    return [
        {
            "at": at,
            "do": "smtp",
            "host": "127.0.0.1",
            "port": 25,
            "helo": "localhost",
            "sender": f"postmaster@{domain}",
            "recipients": [recipient],
        }
        for at, recipient in messages
    ]


def straight_to(host: str, times: Sequence[float], sender: str, recipient: str, family: int) -> list[Step]:
    """A mail program that was told the mobile carrier's own mail server."""
    account = Account(sender, host, 25)
    return send(account, times, [recipient], family=family)


def spray(at: float, targets: Sequence[str], gap: float) -> list[Step]:
    """An infected machine's work."""
    return [
        {
            "at": at,
            "do": "spray",
            "targets": list(targets),
            "gap": gap,
            "parallel": 16,
            "timeout": 8,
            "helo": "friend",
            "sender": "winner@lottery.example",
            "recipients": ["victim@victim.example"],
            "subject": "You won",
        }
    ]


def in_order(*parts: list[Step]) -> tuple[Step, ...]:
    """All steps by time."""
    return tuple(sorted((step for part in parts for step in part), key=lambda step: step["at"]))
