"""Dovecot logs, through syslog or its own `log_path`: which lines become which events.

| service | line | event |
|---|---|---|
| imap-login, pop3-login, submission-login, ... | `Login: user=<a>, method=PLAIN, rip=..., lip=...` | auth |
| the same | `Disconnected: ... (auth failed, 3 attempts in 9 secs): user=<a>, method=PLAIN, rip=...` | auth, 3 times |
| submission | `Successfully relayed message: from=<a@b>, size=1, id=..., reply=...` | accepted, queued, delivery |
| submission | `Failed to relay message: from=<a@b>, ..., reply=...` | rejected |
| lmtp, lda | `saved mail to INBOX` | none: the server that handed the mail over logs the delivery |
| auth, auth-worker | `pam(a,198.18.0.7): unknown user` | none: the service that asked logs the failed login |

Sources: the programs of 2.3.19 and their settings (`login_log_format_elements`), forms of 1.x to 2.4.
A login does not say on which port it was: `listener_port` is 143 or 110 for a connection without TLS, 587 for
submission, `lport=` where the log has it, else NULL (TLS on 993 and 995, or begun on 143 and 110, also where a proxy
before Dovecot does it: `secured`). `mta_host` of a log that Dovecot writes itself is the file's name without what
rotation adds. An attempt that the client broke off (`aborted authentication`) or that the server could not decide
counts as failed, as with Postfix.
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
    host_of,
    integer,
    latest,
    port,
    read_syslog,
    so_far,
    unless,
    whole,
)
from op25b.readers.text import BLOCK_BYTES

_SERVICES = r"(?:imap|pop3|submission|managesieve|sieve|lmtp|lda|auth)"
_OWN = rf"{_SERVICES}(?:-login|-worker)?(?:\([^)]*\))?(?:<[^>]*>)*"
# Services of the login processes, with the levels that `log_path` adds.
_LEVEL = "(?:Info|Warning|Warn|Error)"
_HEAD = (rf"^(?:{_LEVEL}: )?"  # 1.x has the level first
         r"(?:(?P<own>[a-z0-9-]+-login|submission|lmtp|lda)(?P<who>\([^)]*\))?(?P<ids>(?:<[^>]*>)*): )?"
         rf"(?:{_LEVEL}: )?")
_MAX_ATTEMPTS = 1000
# The user's name is what somebody typed; what follows it is read from behind it.
_LOGIN = (
    r"^(?:Login|Logged in): (?:user=)?<(?P<user>.*)>, (?:method=(?P<method>[^,]*), )?rip=(?P<ip>[^,]*)"
    r"(?:, lip=[^,]*)?(?P<more>(?:, [^<>]*)?)(?:session=<[^>]*>)?.*$"
)
# What the last attempt failed for, where that is said instead of their number (client-common.c).
_ONCE = ("proxy dest auth failed|aborted authentication|auth service reported temporary failure|user disabled"
         "|password expired|sent invalid base64|(?:anonymous )?logins? disabled")
_FAILED = (
    # 1.x to 2.4 begin in many ways (`Disconnected`, `Aborted login`, `Remote closed connection`, ...).
    rf"^(?:Aborted login: |[^<]*?\((?:auth(?:orization)? failed, (?P<count>[0-9]+) attempts|{_ONCE}"
    r"|(?P<old>[0-9]+) authentication attempts"
    r"|tried to use (?:disallowed|disabled|unsupported) [a-z ]*auth)[^)]*\).*?: )"
    r"(?:user=<(?P<user>.*)>, )?(?:method=(?P<method>[^,]*), )?rip=(?P<ip>[^,]*)(?:, lip=[^,]*)?(?P<more>(?:, [^<>]*)?)"
)
_RELAYED = (
    r"^(?:Successfully relayed|Failed to relay) message: from=<(?P<sender>[^>]*)>, (?:to=<(?P<to>[^>]*)>, )?"
    r"size=(?P<size>[0-9]+), (?:id=(?P<id>[^,]*), )?"
    r"(?:rcpt=[0-9]+/(?P<rcpt>[0-9]+)|nrcpt=(?P<nrcpt>[0-9]+))(?:, reply=[`'\"](?P<reply>.*))?"
)
_SESSION = r"session=<([^>]*)>"

service, body = pl.col("service"), pl.col("body")
_LOGIN_PROCESS = service.str.ends_with("-login").fill_null(value=False)
_KINDS = {
    "login": _LOGIN_PROCESS & body.str.contains(r"^(?:Login|Logged in): "),
    "failed": _LOGIN_PROCESS
    & body.str.contains(rf"^Aborted login: user=<[^>]|\((?:auth(?:orization)? failed, [0-9]+ attempts|{_ONCE}"
                        r"|tried to use |[1-9][0-9]* authentication attempts)"),
    "relayed": service.eq("submission") & body.str.starts_with("Successfully relayed message: "),
    "refused": service.eq("submission") & body.str.starts_with("Failed to relay message: "),
}


class Dovecot:
    """Dovecot's lines; remembers from where the sessions of submission came."""

    marks: ClassVar[str] = (r"Login: |Logged in: |Aborted login|auth failed|tried to use |relayed message: "
                            rf"|relay message: |\((?:authorization failed|{_ONCE})")
    programs: ClassVar[str] = rf"dovecot(?:-[a-z0-9]+)?|{_OWN}|{_LEVEL}"

    def __init__(self, own_host: str = "-") -> None:
        self._own_host = own_host
        self._sessions = pl.DataFrame(schema={"session": pl.String, "login_ip": pl.String, "login_user": pl.String})

    def events(self, lines: pl.DataFrame) -> Events:
        """Events of lines (see `syslog.Lines`)."""
        lines = whole(lines)
        # Its own log has the service where syslog has the tag.
        text = pl.when(pl.col("tag").str.contains(r"^dovecot")).then("rest").otherwise(
            pl.concat_str("tag", "rest", separator=": "))
        head = text.str.extract_groups(_HEAD).struct
        lines = lines.with_columns(
            head.field("own").alias("service"), head.field("who").alias("who"), head.field("ids").alias("ids"),
            text.str.replace(_HEAD, "").alias("body"),
            pl.when(pl.col("host") == "-").then(pl.lit(self._own_host)).otherwise("host").alias("host"),
        )
        logins = lines.filter((service == "submission-login") & body.str.contains(r"^(?:Login|Logged in): "))
        found = body.str.extract_groups(_LOGIN).struct
        fresh = logins.select("line", body.str.extract(_SESSION).alias("session"), found.field("ip").alias("login_ip"),
                              found.field("user").alias("login_user"))
        known = self._sessions
        self._sessions = latest(known, fresh.drop("line"), ["session"])

        def relayed(part: pl.DataFrame) -> pl.LazyFrame:
            return _relayed(so_far(_relay(part), known, fresh, ["session"]))

        return by_kind(lines, _KINDS, {"login": _login, "failed": _failed, "refused": _refused, "relayed": relayed})


def recognise(head: Head) -> str | None:
    """Syslog lines of `dovecot:`, or its own log's `imap-login: Info: ...`, among the first."""
    lines = syslog.first_lines(head)[:500]
    tag = re.compile(rf" dovecot(?:\[\d+\])?: | dovecot \d+ |^(?:\S+ +){{2,4}}{_SERVICES}(?:-login)?"
                     r"(?:\([^)]*\))?(?:<[^>]*>)*: (?:Info|Warning|Error|Debug): "
                     rf"|^(?:dovecot: )?(?:\S+ +){{2,4}}{_LEVEL}: (?:{_SERVICES}-login|IMAP|POP3|auth|dovecot)\b")
    if syslog.looks_like_syslog(lines) and any(map(tag.search, lines)):
        return "lines of Dovecot"
    return None


def read(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a log, in file order."""
    return read_syslog(source, [Dovecot(host_of(source.path))], block_bytes)


def _port() -> pl.Expr:
    """The port where the log has it or it can be only one."""
    more = pl.col("more")
    without_tls = ~more.str.contains(r"\bTLS|\bsecured\b").fill_null(value=False)
    plain = service.replace_strict({"imap-login": 143, "pop3-login": 110, "managesieve-login": 4190}, default=None,
                                   return_dtype=pl.Int32)
    known = port(more.str.extract(r"\blport=([0-9]+)"))
    return pl.coalesce(known, pl.when(service == "submission-login").then(587).when(without_tls).then(plain)).alias(
        "listener_port").cast(pl.Int32)


def _who(part: pl.DataFrame, pattern: str) -> pl.LazyFrame:
    found = body.str.extract_groups(pattern).struct
    names = ["user", "method", "ip", "more", *(name for name in ("count", "old") if f"<{name}>" in pattern)]
    return part.lazy().with_columns(found.field(name).alias(name) for name in names)


def _attempt(part: pl.LazyFrame, *, success: bool) -> pl.LazyFrame:
    user = pl.col("user")
    return event(
        part, "auth", unless(pl.col("ip").is_not_null(), "login without an address"), pl.col("ip").alias("client_ip"),
        _port(), pl.col("method").str.to_uppercase().replace("", None).alias("auth_mechanism"),
        pl.when(user != "").then(user).alias("auth_user"), pl.lit(success).alias("auth_ok"))


def _login(part: pl.DataFrame) -> pl.LazyFrame:
    return _attempt(_who(part, _LOGIN), success=True)


def _failed(part: pl.DataFrame) -> pl.LazyFrame:
    attempts = integer(pl.coalesce("count", "old")).fill_null(1).clip(1, _MAX_ATTEMPTS).cast(pl.Int64)
    return _attempt(_who(part, _FAILED).with_columns((pl.col("times") * attempts).alias("times")), success=False)


def _relay(part: pl.DataFrame) -> pl.LazyFrame:
    found = body.str.extract_groups(_RELAYED).struct
    user = pl.col("who").str.extract(r"^\((.*)\)$")
    return part.lazy().with_columns(
        pl.col("ids").str.extract(r"<([^>]*)>$").alias("session"), user.alias("auth_user"),
        domain(found.field("sender")).alias("sender_domain"), domain(found.field("to")).alias("recipient_domain"),
        integer(found.field("size"), pl.Int64).alias("size_bytes"), found.field("id").alias("queue_id"),
        integer(pl.coalesce(found.field("rcpt"), found.field("nrcpt"))).alias("recipients"),
        found.field("reply").str.extract(rf"^[245][0-9][0-9][ -]({DSN})").alias("dsn"),
        unless(found.field("size").is_not_null(), "relayed message without sender or size").alias("reason"),
    )


def _relayed(part: pl.LazyFrame) -> pl.LazyFrame:
    named = part.with_columns(pl.coalesce("queue_id", "session").alias("queue_id"))
    why = pl.when(pl.col("queue_id").is_null()).then(pl.lit("relayed message without an id")).otherwise("reason")
    return pl.concat([
        event(named, "accepted", why, pl.col("queue_id", "auth_user", "sender_domain"),
              pl.lit(value=True).alias("auth_ok"), pl.col("login_ip").alias("client_ip"),
              pl.lit(587, pl.Int32).alias("listener_port")),
        event(named, "queued", why, pl.col("queue_id", "sender_domain", "size_bytes", "recipients")),
        event(named, "delivery", why, pl.col("queue_id", "recipient_domain", "dsn"), pl.lit("sent").alias("status")),
    ], how="diagonal")


def _refused(part: pl.DataFrame) -> pl.LazyFrame:
    return event(_relay(part), "rejected", pl.col("reason"),
                 pl.col("auth_user", "sender_domain", "recipient_domain", "dsn"))


FORMAT = Format("dovecot", "mail", recognise, read, growth="lines", remembers=True)
