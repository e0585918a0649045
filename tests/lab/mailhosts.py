"""Which mail servers there are in the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab import addresses
from tests.lab.cast import PRINT
from tests.lab.mailserver import MailServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.people import Account, Member


def mail_servers(members: Sequence[Member]) -> list[MailServer]:
    """The ISP's, the two providers', and the customers' own servers."""
    accounts = [account for member in members for account in member.accounts]
    isp = MailServer(
        "isp",
        "mail.isp.example",
        "isp.example",
        logins(accounts, "isp.example"),
        lines=addresses.SUBSCRIBERS,
        submission=True,
        pop_address=addresses.ISP_POP,
        protocols="all",
        syslog=True,
    )
    # Both providers know their users by POP before SMTP; `lines` stands for the addresses seen there.
    provider = MailServer(
        "provider",
        "smtp.provider.example",
        "provider.example",
        logins(accounts, "provider.example"),
        lines=addresses.SUBSCRIBERS,
        submission=True,
        auth_on_25=True,
        mechanisms="plain login cram-md5",
        pop_address=f"{addresses.PROVIDER}, {addresses.PROVIDER6}",
        protocols="all",
    )
    oldmail = MailServer(
        "oldmail",
        "smtp.oldmail.example",
        "oldmail.example",
        logins(accounts, "oldmail.example"),
        lines=addresses.SUBSCRIBERS,
        pop_address=addresses.OLDMAIL,
    )
    return [isp, provider, oldmail, *(own_server(member) for member in members if member.server)]


def own_server(member: Member) -> MailServer:
    """A customer's own server; only the printing office sends mobile mail by the ISP's relay."""
    carriers = ("docomo.example", "keitai.example")
    by_relay = [f"{{ {domain} = smtp:[mail.isp.example]:25 }}" for domain in carriers]
    return MailServer(
        member.namespace,
        f"mail.{member.server}",
        member.server,
        transports=", ".join(by_relay) if member.server == PRINT else "",
    )


def logins(accounts: Sequence[Account], domain: str) -> dict[str, tuple[str, str]]:
    """Login -> (password, mailbox) of every account at one domain."""
    found: dict[str, tuple[str, str]] = {}
    for account in accounts:
        if account.address.endswith("@" + domain):
            for login in filter(None, (account.login, account.pop_login)):
                found[login] = (account.password, account.address)
    return found
