"""A mail server as its owner would set it up: Postfix, and Dovecot where people log in."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.lab.net import Namespaces

MASTER = """
{listeners}
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
postlog   unix-dgram n  -       n       -       1       postlogd
"""

SUBMISSION = """submission inet n     -       n       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"""

MAIN = """
compatibility_level = 3.6
myhostname = {hostname}
mydomain = {domain}
myorigin = $mydomain
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = all
inet_protocols = {protocols}
mynetworks = 127.0.0.0/8 [::1]/128 {lines}
smtpd_relay_restrictions = permit_mynetworks, {authenticated}reject_unauth_destination
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = {auth_on_25}
smtpd_client_connection_rate_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_base = /var/mail
virtual_mailbox_maps = texthash:/etc/postfix/mailboxes
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtp_connect_timeout = 10s
smtp_helo_timeout = 10s
minimal_backoff_time = 15s
maximal_backoff_time = 30s
queue_run_delay = 10s
maximal_queue_lifetime = 30s
bounce_queue_lifetime = 30s
transport_maps = {transports}
{logging}
"""

DOVECOT = """
protocols = {protocols}
listen = {pop_address}
auth_mechanisms = {mechanisms}
disable_plaintext_auth = no
ssl = no
mail_location = maildir:/var/mail/%d/%n
first_valid_uid = 1
log_path = {log_path}
syslog_facility = mail
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u /etc/dovecot/passwords
}}
userdb {{
  driver = passwd-file
  args = username_format=%u /etc/dovecot/passwords
}}
service auth {{
  unix_listener /var/spool/postfix/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""


@dataclass(frozen=True)
class MailServer:
    """What one mail server offers.

    Attributes:
        name: Its namespace.
        logins: Login -> (password, mailbox address); empty when nobody logs in.
        lines: Networks that may send through it without logging in.
        submission: Whether it listens on 587.
        auth_on_25: Whether people may also log in on 25.
        pop_address: Where POP3 listens, if anywhere.
        transports: Postfix ``inline:`` entries for domains sent another way.
        syslog: Whether it logs through the syslog daemon instead of to a file of its own.
    """

    name: str
    hostname: str
    domain: str
    logins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    submission: bool = False
    auth_on_25: bool = False
    mechanisms: str = "plain login"
    pop_address: str = ""
    protocols: str = "ipv4"
    transports: str = ""
    syslog: bool = False


class RunningMailServer:
    """Writes one server's files and starts its programs."""

    def __init__(self, spaces: Namespaces, server: MailServer, binds: Mapping[str, Path], log_socket: Path) -> None:
        self.spaces, self.server = spaces, server
        self.home = spaces.work / f"mail-{server.name}"
        self.log = self.home / "log"
        self.log_socket = log_socket if server.syslog else None
        self.binds = {
            **binds,
            **{
                target: self.home / target.strip("/").replace("/", "-")
                for target in (
                    "/etc/postfix",
                    "/etc/dovecot",
                    "/run",
                    "/var/spool/postfix",
                    "/var/lib/postfix",
                    "/var/mail",
                )
            },
        }
        self.env = {"TZ": "Asia/Tokyo"} if server.syslog else {"TZ": "UTC"}

    def write(self) -> None:
        """Writes the settings and the empty directories."""
        owner = pwd.getpwnam("postfix")
        for target, source in self.binds.items():
            if source.is_relative_to(self.home):
                source.mkdir(parents=True, exist_ok=True)
                if target == "/etc/postfix":
                    shutil.copytree("/etc/postfix", source, dirs_exist_ok=True, symlinks=True)
        self.log.touch()
        etc, mail = self.binds["/etc/postfix"], self.binds["/var/mail"]
        shutil.chown(mail, "postfix", "postfix")
        shutil.chown(self.binds["/var/lib/postfix"], "postfix")
        server = self.server
        listeners = "smtp      inet  n       -       n       -       -       smtpd"
        if server.submission:
            listeners += "\n" + SUBMISSION
        (etc / "master.cf").write_text(MASTER.format(listeners=listeners))
        (etc / "main.cf").write_text(
            MAIN.format(
                hostname=server.hostname,
                domain=server.domain,
                protocols=server.protocols,
                lines=" ".join(
                    f"[{net.split('/')[0]}]/{net.split('/')[1]}" if ":" in net else net for net in server.lines
                ),
                authenticated="permit_sasl_authenticated, " if server.auth_on_25 else "",
                auth_on_25="yes" if server.auth_on_25 else "no",
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                transports=f"inline:{{ {server.transports} }}" if server.transports else "",
                logging="" if server.syslog else f"maillog_file = {self.log}\nmaillog_file_prefixes = {self.home}",
            )
        )
        mailboxes = {address for _password, address in server.logins.values()}
        mailboxes.add(f"postmaster@{server.domain}")
        (etc / "mailboxes").write_text(
            "".join(f"{box} {box.split('@')[1]}/{box.split('@')[0]}/\n" for box in sorted(mailboxes))
        )
        if server.logins:
            self.write_dovecot(owner)

    def write_dovecot(self, owner: pwd.struct_passwd) -> None:
        """Writes Dovecot's settings: it holds the passwords, for POP3 and for SMTP AUTH."""
        etc, server = self.binds["/etc/dovecot"], self.server
        (etc / "dovecot.conf").write_text(
            DOVECOT.format(
                protocols="pop3" if server.pop_address else "none",
                pop_address=server.pop_address or "127.0.0.1",
                mechanisms=server.mechanisms,
                log_path="syslog" if server.syslog else self.log,
            )
        )
        (etc / "passwords").write_text(
            "".join(
                f"{login}:{password}:{owner.pw_uid}:{owner.pw_gid}::/var/mail::"
                f"userdb_mail=maildir:/var/mail/{box.split('@')[1]}/{box.split('@')[0]}\n"
                for login, (password, box) in sorted(server.logins.items())
            )
        )
        (etc / "passwords").chmod(0o644)

    def start(self) -> None:
        """Starts Postfix, then Dovecot; returns when both are ready.

        Raises:
            LabError: One did not start.
        """
        self.write()
        programs = [["postfix", "start"]]
        if self.server.logins:
            programs.append(["dovecot", "-c", "/etc/dovecot/dovecot.conf"])
        for program in programs:
            command = self.spaces.command(self.server.name, program, self.binds, self.log_socket)
            done = self.spaces.spawn(command, self.log, env=self.env)
            try:
                status = done.wait(timeout=30)
            except subprocess.TimeoutExpired:
                status = -1
            if status != 0:
                what = f"{program[0]} of {self.server.hostname}"
                raise LabError.of_server(what, f"did not start (status {status})", self.told())
        self.await_socket()

    def await_socket(self) -> None:
        """Waits for the socket that Postfix asks about passwords."""
        socket = self.binds["/var/spool/postfix"] / "private/auth"
        until = time.monotonic() + 10
        while self.server.logins and not socket.exists():
            if time.monotonic() > until:
                what = f"dovecot of {self.server.hostname}"
                raise LabError.of_server(what, "offers no SMTP AUTH socket", self.told())
            time.sleep(0.05)

    def told(self) -> Path:
        """The file that says what went wrong: its own log, or else the syslog daemon's."""
        if self.log_socket is None or self.log.stat().st_size:
            return self.log
        return self.log_socket.with_name("mail.log")
