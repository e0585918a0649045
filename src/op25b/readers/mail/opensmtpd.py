"""OpenSMTPD logs through syslog: which lines become which events.

| line | event |
|---|---|
| `SESSION smtp connected address=... host=...` (before 6.4: `smtp event=connected ...`) | none: names the client |
| `SESSION smtp authentication user=... result=ok` | auth |
| `SESSION smtp message msgid=... size=... nrcpt=... proto=...` | accepted, queued |
| `SESSION smtp failed-command command="RCPT TO:<a@b>" result="550 ..."` | rejected |
| `SESSION smtp failed-command command="AUTH PLAIN ..." result="503 ..."` (not without TLS) | auth, auth_ok false |
| `SESSION mta delivery evpid=... to=<> relay="host (ip)" result="Ok" stat="..."`, `mda delivery ...` | delivery |
| `smtp-in: Accepted message ID on session ...`, `relay: Ok for EVPID: ...`, `delivery: Ok for ...` (5.x) | the same |

Sources: the program of 6.8, its source of 5.9 to 7.x (smtp_session.c, queue.c, mta_session.c).
`queue_id` is the message's id, the first half of an envelope's. Neither mechanism nor port are logged. A message's
end is not logged either; ids are random and not used again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.mail import syslog
from op25b.readers.mail.common import (
    DSN,
    Events,
    by_kind,
    domain,
    event,
    integer,
    latest,
    read_syslog,
    so_far,
    unless,
    whole,
)
from op25b.readers.mail.dovecot import Dovecot
from op25b.readers.text import BLOCK_BYTES

_SESSION = r"^([0-9a-f]{16}) (smtp|mta|mda) (?:event=)?([a-z-]+)"
_CONNECTED = (r"^[0-9a-f]{16} smtp (?:event=)?connected address=\[?(?:IPv6:)?([^\] ]*)|"
              r"^smtp-in: New session [0-9a-f]{16} from host .* \[(?:IPv6:)?([^\]]*)\]$")
_OLD_SESSION = r"session ([0-9a-f]{16})"
_ADDRESS = r"(?: address=\[?(?:IPv6:)?(?P<ip>[^\] ]*)\]? host=\S*)?"
_MESSAGE = (
    rf"^(?:[0-9a-f]{{16}} smtp (?:event=)?message{_ADDRESS} msgid=(?P<new>[0-9a-f]{{8}}) |smtp-in: Accepted message "
    r"(?P<old>[0-9a-f]{8}) on session [0-9a-f]{16}: )(?:from=<(?P<sender>[^>]*)>,? to=<[^>]*>,? )?"
    r"size=(?P<size>[0-9]+),? (?:nrcpt|ndest)=(?P<recipients>[0-9]+)"
)
_LOGIN = (
    rf"^(?:[0-9a-f]{{16}} smtp (?:event=)?authentication(?: user=(?P<user>\S*))?{_ADDRESS}(?: user=(?P<user2>\S*))? "
    r"result=\"?(?P<result>ok|permfail|tempfail)"
    r"|smtp-in: (?P<word>Accepted authentication|Authentication failed|Authentication temporarily failed) for user "
    r"(?P<old>\S*) on)"
)
_REFUSED = (
    rf"^(?:[0-9a-f]{{16}} smtp (?:event=)?failed-command{_ADDRESS} command=\"(?P<command>.*?)\" "
    r"result=\"(?P<reply>.*)\"?$"
    r"|smtp-in: Failed command on session [0-9a-f]{16}: \"(?P<command2>.*?)\" => (?P<reply2>.*)$)"
)
_DELIVERY = (
    r"^(?:[0-9a-f]{16} (?:mta|mda) (?:event=)?delivery evpid=(?P<new>[0-9a-f]{16})"
    r"|(?:relay|delivery): (?P<word>[A-Za-z]+) for (?P<old>[0-9a-f]{16}):(?: session=[0-9a-f]{16},)?)"
    r" from=<(?P<sender>[^>]*)>,? to=<(?P<to>[^>]*)>"
)
# What follows the recipient, up to the server's own words.
_OUTCOME = r"^(?P<how>.*?)(?: result=\"?(?P<result>[A-Za-z]+)\"?)?,? stat=(?P<stat>.*)$"
_RELAY = r" relay=\"?(?:\S+ \()?\[?(?:IPv6:)?([0-9A-Fa-f.:]+)\]?\)?[\", ]"
_STATUS = {"Ok": "sent", "TempFail": "deferred", "PermFail": "bounced", "NoUser": "bounced", "Loop": "bounced",
           "Expire": "expired", "Expired": "expired"}

_COMMAND = r"^(?:[0-9a-f]{16} smtp (?:event=)?failed-command .*?command=|smtp-in: Failed command .*?: )\""

rest = pl.col("rest")
_KINDS = {
    "delivery": rest.str.contains(
        r"^[0-9a-f]{16} m[td]a (?:event=)?delivery |^(?:relay|delivery): \w+ for [0-9a-f]{16}:"),
    "message": rest.str.contains(r"^[0-9a-f]{16} smtp (?:event=)?message |^smtp-in: Accepted message "),
    "login": rest.str.contains(
        r"^[0-9a-f]{16} smtp (?:event=)?authentication |^smtp-in: (?:Accepted a|A)uthentication "),
    # A refused AUTH has a line of its own, unless AUTH was not offered.
    "not offered": rest.str.contains(rf"(?i){_COMMAND}AUTH [^\"]*\" (?:result=|=> )\"?503 "),
    # What follows a refused MAIL is out of sequence, and no refusal of its own.
    "refused": rest.str.contains(rf"(?i){_COMMAND}(?:RCPT|MAIL|DATA|\")")
    & ~rest.str.contains(r"\" (?:result=|=> )\"?503 5\.5\.1 [^\"]*\"?$"),
}


class OpenSmtpd:
    """OpenSMTPD's lines; remembers client and user of each session."""

    marks: ClassVar[str] = (r" smtp (?:event=)?(?:connected|auth|message|failed)| m[td]a (?:event=)?delivery "
                            r"|: smtp-in: |: relay: |: delivery: ")
    programs: ClassVar[str] = r"smtpd|opensmtpd"

    def __init__(self) -> None:
        text = pl.String
        self._clients = pl.DataFrame(schema={"host": text, "session": text, "session_ip": text})
        self._users = pl.DataFrame(schema={"host": text, "session": text, "session_user": text})

    def events(self, lines: pl.DataFrame) -> Events:
        """Events of lines (see `syslog.Lines`)."""
        lines = whole(lines)
        session = pl.coalesce(rest.str.extract(_SESSION), rest.str.extract(_OLD_SESSION))
        lines = lines.with_columns(session.alias("session"))
        keys = ["host", "session"]
        connected, login = rest.str.extract_groups(_CONNECTED).struct, rest.str.extract_groups(_LOGIN).struct
        clients = lines.filter(rest.str.contains(_CONNECTED)).select(
            "line", *keys, pl.coalesce(connected.field("1"), connected.field("2")).alias("session_ip"))
        success = (login.field("result") == "ok") | (login.field("word") == "Accepted authentication")
        user = pl.coalesce(login.field("user"), login.field("user2"), login.field("old"))
        users = lines.filter(rest.str.contains(r"authentication")).filter(success).select(
            "line", *keys, user.alias("session_user"))
        known = so_far(so_far(lines.lazy(), self._clients, clients, keys), self._users, users, keys)
        self._clients = latest(self._clients, clients.drop("line"), keys)
        self._users = latest(self._users, users.drop("line"), keys)
        lines = known.collect()
        return by_kind(lines, _KINDS, _PARSERS)


def recognise(head: Head) -> str | None:
    """Syslog lines of `smtpd[1]:` in OpenSMTPD's words among the first."""
    lines = syslog.first_lines(head)[:500]
    words = re.compile(r" (?:open)?smtpd(?:\[\d+\]:|:| \d+ .*?) (?:[0-9a-f]{16} (?:smtp|mta|mda) "
                       r"|(?:info: OpenSMTPD|smtp-in: |smtp-out: |relay: \w+ for |delivery: \w+ for ))")
    if syslog.looks_like_syslog(lines) and any(map(words.search, lines)):
        return "syslog lines of OpenSMTPD"
    return None


def read(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a log, in file order."""
    return read_syslog(source, [OpenSmtpd(), Dovecot()], block_bytes)


_CLIENT = pl.when(pl.col("session_ip") != "local").then("session_ip")


def _found(part: pl.DataFrame, pattern: str) -> pl.LazyFrame:
    return part.lazy().with_columns(rest.str.extract_groups(pattern).alias("f"))


def _f(*names: str) -> pl.Expr:
    return pl.coalesce(pl.col("f").struct.field(name) for name in names)


def _message(part: pl.DataFrame) -> pl.LazyFrame:
    named, reason = _found(part, _MESSAGE), unless(_f("size").is_not_null(), "message without id, size or recipients")
    queue_id, sender = _f("new", "old").alias("queue_id"), domain(_f("sender")).alias("sender_domain")
    user = pl.col("session_user")
    return pl.concat([
        event(named, "accepted", reason, queue_id, sender, pl.coalesce(_CLIENT, _f("ip")).alias("client_ip"),
              user.alias("auth_user"), pl.when(user.is_not_null()).then(statement=True).alias("auth_ok")),
        event(named, "queued", reason, queue_id, sender, integer(_f("size"), pl.Int64).alias("size_bytes"),
              integer(_f("recipients")).alias("recipients")),
    ], how="diagonal")


def _login(part: pl.DataFrame) -> pl.LazyFrame:
    success = (_f("result") == "ok").fill_null(_f("word") == "Accepted authentication")
    return event(_found(part, _LOGIN), "auth", unless(success.is_not_null(), "authentication without a result"),
                 pl.coalesce(_CLIENT, _f("ip")).alias("client_ip"), _f("user", "user2", "old").alias("auth_user"),
                 success.alias("auth_ok"))


def _refused(part: pl.DataFrame) -> pl.LazyFrame:
    command = _f("command", "command2")
    return event(
        _found(part, _REFUSED), "rejected", unless(command.is_not_null(), "failed command that cannot be read"),
        pl.coalesce(_CLIENT, _f("ip")).alias("client_ip"),
        domain(command.str.extract(r"^(?i:MAIL FROM): ?<(.*?)>(?: |$)")).alias("sender_domain"),
        domain(command.str.extract(r"^(?i:RCPT TO): ?<(.*?)>(?: |$)")).alias("recipient_domain"),
        _f("reply", "reply2").str.extract(rf"^[45][0-9][0-9][ -]({DSN})(?:[ :]|$)").alias("dsn"))


def _not_offered(part: pl.DataFrame) -> pl.LazyFrame:
    command = _f("command", "command2")
    return event(
        _found(part, _REFUSED), "auth", unless(command.is_not_null(), "failed command that cannot be read"),
        pl.coalesce(_CLIENT, _f("ip")).alias("client_ip"), pl.lit(value=False).alias("auth_ok"),
        command.str.extract(r"^[A-Za-z]+ ([A-Za-z0-9-]+)").str.to_uppercase().alias("auth_mechanism"))


def _delivery(part: pl.DataFrame) -> pl.LazyFrame:
    named = _found(part, _DELIVERY).with_columns(
        rest.str.replace(_DELIVERY, "").str.extract_groups(_OUTCOME).alias("outcome"))
    outcome = pl.col("outcome").struct
    result = pl.coalesce(outcome.field("result"), _f("word"))
    status = result.replace_strict(_STATUS, default=None, return_dtype=pl.String)
    hop = pl.concat_str(outcome.field("how"), pl.lit(" ")).str.extract(_RELAY)
    return event(
        named, "delivery",
        unless(status.is_not_null() & _f("to").is_not_null(), "delivery without recipient or known result"),
        _f("new", "old").str.slice(0, 8).alias("queue_id"), domain(_f("sender")).alias("sender_domain"),
        domain(_f("to")).alias("recipient_domain"), hop.alias("next_hop_ip"), status.alias("status"),
        outcome.field("stat").str.extract(rf"^\"?[245][0-9][0-9][ -]({DSN})(?:[ :\"]|$)").alias("dsn"))


_PARSERS = {"delivery": _delivery, "message": _message, "login": _login, "refused": _refused,
            "not offered": _not_offered}
FORMAT = Format("opensmtpd", "mail", recognise, read, growth="lines", remembers=True)
