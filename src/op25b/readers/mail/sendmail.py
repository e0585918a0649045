"""Sendmail logs through syslog: which lines become which events.

| line | event |
|---|---|
| `QID: from=<a@b>, size=1, nrcpts=2, msgid=..., proto=ESMTP, daemon=MSA, relay=host [ip]` | accepted, queued |
| `QID: to=<c@d>,<e@f>, delay=..., relay=host. [ip], dsn=2.0.0, stat=Sent (...)` | delivery, one a recipient |
| `QID: QID2: return to sender: Cannot send message for 5 days` | delivery, expired |
| `QID: QID2: DSN: User unknown`, `QID: QID2: clone: owner=a@b` | queued: a message made here |
| `QID: done; delay=..., ntries=1` (log level 11) | removed |
| `AUTH=server, relay=host [ip], authid=user, mech=PLAIN, bits=0` | auth |
| `AUTH failure (LOGIN): ..., user=name, relay=host [ip]` | auth, auth_ok false |
| `QID: host [ip]: possible SMTP attack: command=AUTH, count=6` | 6 times auth, auth_ok false, see below |
| `QID: ruleset=check_rcpt, arg1=<c@d>, relay=host [ip], reject=550 ...`, `Milter: to=<c@d>, reject=...` | rejected |
| `QID: <c@d>... User unknown`, `rejecting commands from host [ip] due to pre-greeting traffic` | rejected |

Sources: the line forms of sendmail 8.8 to 8.17 (deliver.c `logdelivery`, envelope.c `logsender`, srvrsmtp.c,
savemail.c), and the format strings of Debian's 8.17.1.
The user is logged before the message, by the same process: it is added to the messages that follow from the same
address within an hour. A `from=` line with no recipient is what remains of refused ones, and no message.
Before 8.15 the usual log level tells no single failure of AUTH, but how many made a session suspicious; servers that
tell each are not counted twice.
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
    FINE,
    Events,
    apart,
    by_kind,
    cut,
    domain,
    event,
    field,
    integer,
    made,
    parted,
    read_syslog,
    unless,
)
from op25b.readers.mail.dovecot import Dovecot
from op25b.readers.text import BLOCK_BYTES

# In its log a backslash is doubled.
_QUOTED = r'"(?:[^"\\]|\\\\.|\\.)*"'
_QUEUE_ID = r"^[0-9A-Za-z]{5,20}$"
_IP = r"\[(?:IPv6:)?([0-9A-Fa-f.:]+)\]"
# The message id is the sender's text, so what follows it is read from the end of the line.
_DETAILS = r"(?:, (?:tls_verify|auth|bits|cipher|verify|ntries)=[^,]*)+$"
_AUTH_TYPE = r", auth=([^,]*)(?:, [a-z_]+=[^,]*)?, relay=[^,]*$"
_NUMBERS = r"^([0-9]+), class=-?[0-9]+, (?:pri=[0-9]+, )?nrcpts=([0-9]+)"
# Some programs between the server and the file leave `delay=` out.
_NO_DELAY = r"^(to=(?:<[^<>]*>|[^,<> ]+)(?:,(?:<[^<>]*>|[^,<> ]+))*), "
_USER = r"^(.*), mech=([^,]*), bits=[0-9]+$"
_REFUSED = rf"^ruleset=([a-z_]+), arg1=(<[^>]*>|[^,]*)(?:, arg2=[^,]*)?, (?:relay=(?:[^,\[]*{_IP})?[^,]*, )?"
_REFUSED += r"reject=(.*)$"
_MILTER = r"^[Mm]ilter(?:: (?:(to|from)=(<[^>]*>|[^,]*)|helo=[^,]*|data|cmd=[a-z]+)"
_MILTER += r"|=[^,]*(?:, action=[^,]*)?), reject=(.*)$"
_COMMANDS = (
    r"^(?:rejecting commands from [^\[]*\[(?:IPv6:)?([0-9A-Fa-f.:]+)\] due to |[Mm]ilter: connect: host=.*, "
    r"addr=(?:IPv6:)?([0-9A-Fa-f.:]+), (?:rejecting commands$|temp failing commands$|shutdown$|reject=(.*)))")
_ATTACK = rf"^[^\[]*{_IP}(?: \(may be forged\))?: possible SMTP attack: command=AUTH, count=([0-9]+)$"
# The count is that at which the server loses patience, a handful.
_MOST_TRIES = 999
_CODE = rf"^(?:[45][0-9][0-9][ -])?({DSN})(?:[ :]|$)"
_EXPIRED = r"(?:return to sender|sender notify|DSN|postmaster notify): Cannot send message (?:within|for) "
_CLONE = r"^([0-9A-Za-z]{5,20}): clone: owner=(.*)$"
_MADE = r"^([0-9A-Za-z]{5,20}): (?:return to sender|sender notify|DSN|postmaster notify|return receipt): "
_PORTS = {"MTA": 25, "MTA-v4": 25, "MTA-v6": 25, "MTAv4": 25, "MTAv6": 25, "Daemon0": 25, "MSA": 587, "MSA-v4": 587,
          "MSA-v6": 587, "MSP": 587, "MSP-v4": 587, "MSP-v6": 587, "TLSMTA": 465, "SSA": 465, "SSLMTA": 465,
          "SMTPS": 465}
_STATUS = {"2": "sent", "4": "deferred", "5": "bounced"}
# What sysexits.h's codes are called in logs of old versions, which have no dsn=.
_BOUNCES = (r"(?i)^(?:user unknown|host unknown|service unavailable|data format error|remote protocol error|"
            r"local config|can't create output|insufficient permission|permission denied|command line usage|"
            r"addressee unknown|"
            r"internal error|unknown mailer error|name server: .*(?:host not found|no data)|[5][0-9][0-9] )")

# What nearly all lines look like, read in one pass; what does not match is read part by part.
_PEER = r"[^,\[\]]*\[(?:IPv6:)?(?P<ip>[0-9A-Fa-f.:]+)\]"
_USUAL_LOGIN = rf"^AUTH=server, relay={_PEER}, authid=(?P<user>[^,]*), mech=(?P<mechanism>[^,]*), bits=[0-9]+$"
_USUAL_DELIVERY = (
    r"^to=<[^<>\",@]*@(?P<domain>[^<>\",@]*)>, (?:ctladdr=<[^<>\",]*> \([0-9/]*\), )?delay=[0-9:+]+, xdelay=[0-9:+]+, "
    rf"mailer=[a-z0-9]+, pri=[0-9]+, relay={_PEER}, dsn=(?P<dsn>[245]\.[0-9]{{1,3}}\.[0-9]{{1,3}}), "
    r"stat=(?:Sent|Deferred)[ :]"
)
_USUAL_MESSAGE = (
    r"^from=<[^<>\",@]*@(?P<domain>[^<>\",@]*)>, size=(?P<size>[0-9]{1,18}), class=-?[0-9]+, "
    r"nrcpts=(?P<count>[1-9][0-9]{0,8}), msgid=<[^<>,]*>, "
    rf"(?:bodytype=[0-9A-Z]+, )?proto=[A-Z]+, daemon=(?P<daemon>[^,]*), relay={_PEER}$"
)

queue, body = pl.col("queue"), pl.col("body")
# Nearly all lines are of these kinds, and have the form of the pattern.
_FREQUENT = [(body.str.starts_with("AUTH=server, "), _USUAL_LOGIN), (body.str.starts_with("to="), _USUAL_DELIVERY),
             (body.str.starts_with("from="), _USUAL_MESSAGE)]
_KINDS = {
    "failed": body.str.starts_with("AUTH failure ("),
    "refused": body.str.starts_with("ruleset=check_") & body.str.contains(", reject=", literal=True),
    "milter": body.str.contains(_MILTER),
    "unknown": body.str.contains(r"^<[^>]*>\.\.\. "),
    "done": body.str.starts_with("done; delay="),
    "expired": body.str.contains(_EXPIRED),
    "made": body.str.contains(_MADE) | body.str.contains(_CLONE),
    "commands": body.str.contains(_COMMANDS),
    "attack": body.str.contains(_ATTACK),
}


# Lines are long and patterns many: what it costs to plan a block's work is spread over more of them.
_BLOCK_BYTES = BLOCK_BYTES * 3 // 2
# Each has a process of its own, so more are not open at once.
_OPEN_SESSIONS = 20_000


class Sendmail:
    """Sendmail's lines; remembers who logged in last in each of its processes."""

    marks: ClassVar[str] = (r": from=|: to=|AUTH=server|AUTH failure|reject=|: done; delay=|\.\.\. |: DSN: "
                            r"|return to sender: |sender notify: |postmaster notify: |: clone: |return receipt: "
                            r"|rejecting commands|[Mm]ilter: connect: |possible SMTP attack: ")
    programs: ClassVar[str] = r"(?:sendmail|sm-[a-z-]+|sendmail-[a-z]+)"

    def __init__(self) -> None:
        self._logins = pl.DataFrame(schema={"at": pl.Datetime("us"), "host": pl.String, "tag": pl.String,
                                            "client_ip": pl.String, "user": pl.String, "mechanism": pl.String})
        self._tell_failures: set[str] = set()  # hosts

    def events(self, lines: pl.DataFrame) -> Events:
        """Events of lines (see `syslog.Lines`)."""
        lines = _headed(lines)
        if lines["body"].str.contains('"', literal=True).any():
            # A quoted local part or command may hold anything; of an address only the domain is wanted.
            quiet = body.str.replace_all(rf"<{_QUOTED}@", "<q@").str.replace(rf"^((?:to|from)=){_QUOTED}", "${1}q")
            lines = lines.with_columns(quiet.alias("body"))
        logins, deliveries, messages = pl.collect_all([
            lines.lazy().filter(test).with_columns(body.str.extract_groups(pattern).alias("f"))
            for test, pattern in _FREQUENT])
        others = lines.clear()
        if logins.height + deliveries.height + messages.height < lines.height:
            others = lines.filter(~pl.any_horizontal(test.fill_null(value=False) for test, _ in _FREQUENT))
        fresh = _logged_in(logins)
        known = self._known(fresh)
        self._tell_failures.update(others.filter(_KINDS["failed"])["host"])
        events = [_login(fresh)] if fresh.height else []
        events += [*(_delivery(deliveries) if deliveries.height else []),
                   *(_message(messages, known) if messages.height else [])]
        parsers = {"failed": _failed, "refused": _refused, "milter": _milter, "unknown": _unknown, "done": _done,
                   "expired": _expired, "made": _made, "commands": _commands,
                   "attack": lambda part: _attack(part.filter(~pl.col("host").is_in(self._tell_failures)))}
        return [*made(events), *by_kind(others, _KINDS, parsers)]

    def _known(self, fresh: pl.DataFrame) -> pl.DataFrame:
        """Logins of the block, and before them those of earlier blocks, with lines below 0."""
        fresh = fresh.select("line", "at", "host", "tag", "client_ip", "user", "mechanism")
        known = pl.concat([self._logins.select(pl.int_range(-self._logins.height, 0).alias("line"), pl.all()), fresh])
        # Of a session's logins the last is found among all: to leave out the others takes longer.
        self._logins = known.drop("line").tail(_OPEN_SESSIONS)
        return known


def _headed(lines: pl.DataFrame) -> pl.DataFrame:
    """Name the parts of `QID: text`; lines of a session without a message have no queue id."""
    first = pl.col("first")
    named = lines.select(first.str.contains(_QUEUE_ID) & body.is_not_null()).to_series()
    text = first
    if (~named & lines["body"].is_not_null()).any():  # seldom, so that it is not put together for all
        text = pl.concat_str(first, body, separator=": ", ignore_nulls=True)
    return lines.with_columns(
        pl.when(named).then(body).otherwise(text).alias("body"),
        pl.when(pl.lit(named) & (first != "NOQUEUE")).then(first).alias("queue"))


def recognise(head: Head) -> str | None:
    """Syslog lines with one of Sendmail's tags, which Postfix's `sendmail` command does not write in this way."""
    lines = syslog.first_lines(head)[:500]
    tag = re.compile(rf" ({Sendmail.programs})(?:\[\d+\]:|:| \d+ .*?) .*"
                     r"(?:from=|to=|AUTH|ruleset=|relay=|daemon|NOQUEUE)")
    found = next((m for m in map(tag.search, lines) if m), None)
    if found is None or not syslog.looks_like_syslog(lines):
        return None
    return f"syslog lines of Sendmail ({found[1]})"


def read(source: Source, block_bytes: int = _BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a log, in file order."""
    return read_syslog(source, [Sendmail(), Dovecot()], block_bytes)


_QUEUE = queue.alias("queue_id")


def _last(text: pl.Expr, mark: str) -> pl.Expr:
    """What stands after the last `mark`; NULL where there is none."""
    after = cut(text, mark)[1]
    # Nearly always there is one, and lists take more time.
    again = pl.when(after.str.contains(mark, literal=True)).then(after)
    return pl.coalesce(again.str.split(mark).list.last(), after)


def _address(relay: pl.Expr) -> pl.Expr:
    """The address of `host [ip]`: the last in brackets, since what identd said comes first."""
    return cut(_last(relay, "["), "]")[0].str.strip_prefix("IPv6:")


_BY_CLASS = pl.coalesce(pl.when(field("dsn").str.starts_with(number)).then(pl.lit(status))
                        for number, status in _STATUS.items())


def _usual(part: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines that match the pattern of the usual ones, and the others."""
    usual, others = apart(part, part["f"].struct.field("ip").is_not_null())
    return usual, others.drop("f")


def _delivery(part: pl.DataFrame) -> list[pl.LazyFrame]:
    usual, others = _usual(part)
    events = [event(
        usual.lazy(), "delivery", FINE, _QUEUE, field("domain").str.to_lowercase().alias("recipient_domain"),
        field("ip").alias("next_hop_ip"), _BY_CLASS.alias("status"),
        field("dsn").alias("dsn"))]
    return [*events, _unusual_delivery(others)] if others.height else events


def _unusual_delivery(part: pl.DataFrame) -> pl.LazyFrame:
    late = body.str.contains(", delay=", literal=True)
    part = part.with_columns(pl.when(late).then("body").otherwise(body.str.replace(_NO_DELAY, "${1}, delay=, ")))
    part = parted(part.with_columns(body.str.slice(3)), "body", ", delay=", "to", "more")
    part = parted(part, "more", ", stat=", "how", "stat")
    part = parted(parted(part, "how", ", dsn=", "how", "code"), "how", ", relay=", "how", "relay")
    stat, code = pl.col("stat"), cut(pl.col("code"), ",")[0]
    to = cut(pl.col("to"), ", ctladdr=")[0].str.strip_suffix(" [more]").str.strip_suffix(",")
    by_words = pl.when(stat.str.starts_with("Sent")).then(pl.lit("sent")).when(stat.str.starts_with("Deferred")).then(
        pl.lit("deferred")).when(stat.str.contains(_BOUNCES)).then(pl.lit("bounced"))
    by_dsn = pl.col("dsn").str.slice(0, 1).replace_strict(_STATUS, default=None, return_dtype=pl.String)
    named = part.lazy().with_columns(
        pl.when(code.str.contains(rf"^{DSN}$")).then(code).alias("dsn"), _address(pl.col("relay")).alias("next_hop_ip"),
        to.str.split(",").alias("to"),
    ).filter(~stat.str.contains("^(?:queued|quarantined)").fill_null(value=False))
    # Without a mailer nobody tried to deliver: a milter refused the message, and says so in a line of its own.
    tried = pl.col("status").is_not_null() | pl.col("how").str.contains("mailer=", literal=True)
    stated = named.with_columns(pl.coalesce(by_dsn, by_words).alias("status"))
    several = stated.filter(tried | stat.is_null()).explode("to")
    return event(
        several, "delivery",
        unless(pl.col("status").is_not_null() & (pl.col("to") != ""), "delivery of unknown status"),
        _QUEUE, domain(pl.col("to")).alias("recipient_domain"), pl.col("next_hop_ip", "status", "dsn"))


def _message(part: pl.DataFrame, logins: pl.DataFrame) -> list[pl.LazyFrame]:
    usual, others = _usual(part)
    read = usual.select(
        *_LINE, field("domain").str.to_lowercase().alias("sender_domain"),
        integer(field("size"), pl.Int64).alias("size_bytes"), integer(field("count")).alias("recipients"),
        field("ip").alias("client_ip"), _port(field("daemon")).alias("listener_port"), FINE.alias("auth_type"),
        FINE.alias("reason"))
    if others.height:
        read = pl.concat([read, _unusual_message(others)])
    logged = _with_login(read, logins).lazy().with_columns(
        pl.coalesce("mechanism", "auth_type").str.to_uppercase().alias("auth_mechanism"),
        pl.col("user").alias("auth_user"))
    logged = logged.with_columns(pl.when(pl.col("auth_mechanism").is_not_null()).then(statement=True).alias("auth_ok"))
    why = pl.col("reason")
    return [
        event(logged, "accepted", why, _QUEUE, pl.col("client_ip", "listener_port", "auth_mechanism", "auth_user",
                                                      "auth_ok", "sender_domain")),
        event(logged, "queued", why, _QUEUE, pl.col("sender_domain", "size_bytes", "recipients")),
    ]


_LINE = ("line", "times", "at", "host", "tag", "queue")


def _port(service: pl.Expr) -> pl.Expr:
    return service.replace_strict(_PORTS, default=None, return_dtype=pl.Int32)


def _unusual_message(part: pl.DataFrame) -> pl.DataFrame:
    part = parted(part.with_columns(body.str.slice(5)), "body", ", size=", "sender", "more")
    more = pl.col("more")
    numbers = more.str.extract_groups(_NUMBERS).struct
    service, relay = cut(pl.coalesce(_last(more, ", daemon="), more), ", relay=")
    service = pl.when(relay.is_not_null() & ~relay.str.contains(",", literal=True)).then(service)
    auth_type = more.str.extract(_AUTH_TYPE) if part["more"].str.contains(", auth=", literal=True).any() else FINE
    return part.select(
        *_LINE, domain(pl.col("sender")).alias("sender_domain"),
        integer(numbers.field("1"), pl.Int64).alias("size_bytes"), integer(numbers.field("2")).alias("recipients"),
        _address(_last(more, ", relay=")).alias("client_ip"),
        _port(service.str.replace(_DETAILS, "")).alias("listener_port"),
        auth_type.replace(["NONE", ""], [None, None]).alias("auth_type"),
        unless(numbers.field("2").is_not_null(), "message without sender, size or recipients").alias("reason"),
        more.str.contains(", msgid=", literal=True).alias("whole"),
    ).filter(
        # A transaction that was broken off has neither a size nor a message id.
        ((pl.col("recipients") > 0) & ((pl.col("size_bytes") > 0) | pl.col("whole"))) | pl.col("reason").is_not_null()
    ).drop("whole")


def _with_login(messages: pl.DataFrame, logins: pl.DataFrame) -> pl.DataFrame:
    """Add user and mechanism of the last login before each message by the same process from the same address."""
    if logins.is_empty():
        return messages.with_columns(pl.lit(None, pl.String).alias("user"), pl.lit(None, pl.String).alias("mechanism"))
    keys = ["host", "tag", "client_ip"]
    if not messages["line"].is_sorted():  # the logins are
        messages = messages.sort("line", maintain_order=True)
    last = messages.join_asof(logins, on="line", by=keys, suffix="_login", check_sortedness=False)
    recent = pl.col("at") - pl.col("at_login") <= pl.duration(hours=1)
    return last.with_columns(pl.when(recent).then("user").alias("user"), pl.when(recent).then("mechanism").alias(
        "mechanism")).drop("at_login")


def _logged_in(part: pl.DataFrame) -> pl.DataFrame:
    """Add client_ip, user and mechanism of successful logins."""
    usual, others = _usual(part)
    usual = usual.with_columns(field("ip").alias("client_ip"), field("user").alias("user"),
                               field("mechanism").str.to_uppercase().alias("mechanism")).drop("f")
    if others.is_empty():
        return usual
    others = parted(others.with_columns(body.str.slice(19)), "body", ", authid=", "relay", "named")
    user, mechanism = cut(pl.col("named"), ", mech=")
    # A user's name may contain anything, also another `, mech=`.
    odd = pl.when(mechanism.str.contains(", mech=", literal=True)).then("named").str.extract_groups(_USER).struct
    others = others.with_columns(
        _address(pl.col("relay")).alias("client_ip"), pl.coalesce(odd.field("1"), user).alias("user"),
        pl.coalesce(odd.field("2"), cut(mechanism, ", bits=")[0]).str.to_uppercase().alias("mechanism"))
    return pl.concat([usual, others.select(usual.columns)]).sort("line")


def _login(part: pl.DataFrame) -> pl.LazyFrame:
    return event(
        part.lazy(), "auth", unless(pl.col("client_ip").is_not_null(), "login without an address"),
        pl.col("client_ip"), pl.col("user").alias("auth_user"), pl.col("mechanism").alias("auth_mechanism"),
        pl.lit(value=True).alias("auth_ok"))


def _failed(part: pl.DataFrame) -> pl.LazyFrame:
    part = parted(part.with_columns(body.str.slice(14)), "body", ")", "mechanism", "why")
    named = cut(pl.col("why"), ", user=")[1].str.split(", relay=").list
    ip = _address(_last(pl.col("why"), ", relay="))
    return event(
        part.lazy(), "auth", unless(ip.is_not_null(), "failed authentication without an address"),
        ip.alias("client_ip"), named.head(named.len() - 1).list.join(", relay=").replace("", None).alias("auth_user"),
        pl.col("mechanism").str.to_uppercase().alias("auth_mechanism"), pl.lit(value=False).alias("auth_ok"))


def _attack(part: pl.DataFrame) -> pl.LazyFrame:
    found = body.str.extract_groups(_ATTACK).struct
    part = part.with_columns(found.field("1").alias("client_ip"), integer(found.field("2"), pl.Int64).alias("tries"))
    tries = pl.col("tries")
    possible = tries.is_between(1, _MOST_TRIES)
    part = part.with_columns(pl.when(possible).then(pl.col("times") * tries).otherwise("times").alias("times"))
    return event(part.lazy(), "auth", unless(possible, "impossible number of failed logins"),
                 pl.col("client_ip"), pl.lit(value=False).alias("auth_ok"))


def _commands(part: pl.DataFrame) -> pl.LazyFrame:
    """Clients that may say nothing: they were too early, or a milter refused them at once."""
    found = body.str.extract_groups(_COMMANDS).struct
    return event(part.lazy(), "rejected", FINE, _QUEUE,
                 pl.coalesce(found.field("1"), found.field("2")).alias("client_ip"),
                 found.field("3").str.extract(_CODE).alias("dsn"))


def _refused(part: pl.DataFrame) -> pl.LazyFrame:
    found = body.str.extract_groups(_REFUSED).struct
    rule, address = found.field("1"), domain(found.field("2"))
    return event(
        part.lazy(), "rejected", unless(found.field("4").is_not_null(), "rejection that cannot be read"), _QUEUE,
        found.field("3").alias("client_ip"), pl.when(rule == "check_mail").then(address).alias("sender_domain"),
        pl.when(rule.is_in(["check_rcpt", "check_compat"])).then(address).alias("recipient_domain"),
        found.field("4").str.extract(_CODE).alias("dsn"))


def _milter(part: pl.DataFrame) -> pl.LazyFrame:
    found = body.str.extract_groups(_MILTER).struct
    address = domain(found.field("2"))
    return event(
        part.lazy(), "rejected", FINE, _QUEUE, pl.when(found.field("1") == "from").then(address).alias("sender_domain"),
        pl.when(found.field("1") == "to").then(address).alias("recipient_domain"),
        found.field("3").str.extract(_CODE).alias("dsn"))


def _unknown(part: pl.DataFrame) -> pl.LazyFrame:
    return event(part.lazy(), "rejected", FINE, _QUEUE,
                 domain(body.str.extract(r"^(<[^>]*>)")).alias("recipient_domain"))


def _done(part: pl.DataFrame) -> pl.LazyFrame:
    return event(part.lazy(), "removed", unless(queue.is_not_null(), "end of a message without a queue id"), _QUEUE)


def _expired(part: pl.DataFrame) -> pl.LazyFrame:
    expired = event(part.lazy(), "delivery", unless(queue.is_not_null(), "expired message without a queue id"), _QUEUE,
                    pl.lit("expired").alias("status"))
    return pl.concat([expired, _made(part)], how="diagonal")


def _made(part: pl.DataFrame) -> pl.LazyFrame:
    """A bounce gets an id of its own, and a copy for the owner of a list too."""
    clone = body.str.extract_groups(_CLONE).struct
    owner = clone.field("2")
    made = pl.coalesce(clone.field("1"), body.str.extract(_MADE))
    return event(part.lazy(), "queued", unless(made.is_not_null(), "message without a queue id"),
                 made.alias("queue_id"),
                 pl.when(owner.is_null()).then(pl.lit("")).otherwise(domain(owner)).alias("sender_domain"))


FORMAT = Format("sendmail", "mail", recognise, read, growth="lines", remembers=True)
