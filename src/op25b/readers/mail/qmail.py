"""qmail logs, by multilog or through syslog: which lines become which events.

| program | line | event |
|---|---|---|
| qmail-send | `new msg 12345` | accepted, without a client |
| qmail-send | `info msg 12345: bytes 2345 from <a@b> qp 678 uid 90` | queued |
| qmail-send | `starting delivery 7: msg 12345 to remote c@d` | none: names the delivery |
| qmail-send | `delivery 7: success: 203.0.113.1_accepted_message...`, `deferral`, `failure` | delivery |
| qmail-send | `end msg 12345` | removed |
| rblsmtpd | `198.18.0.7 pid 9: 451 ...`; `badiprbl: ip 198.18.0.7 rbl: ...` | rejected |
| qmail-smtpd | `CHKUSER rejected rcpt: from <a@b::> remote <helo:host:198.18.0.7> rcpt <c@d> : ...` | rejected |
| vpopmail | `vchkpw-smtp: (PLAIN) login success user@b:198.18.0.7`, `password fail`, `vpopmail user not found` | auth |

Sources: qmail-send.8, qmail-log.5, qmail-remote.c of netqmail 1.06; rblsmtpd.c of ucspi-tcp; vchkpw.c of vpopmail; the
chkuser patch to qmail-smtpd. Where one server has several queues (IndiMail), each line ends with the queue's name.
Messages have the number of a file as their id, used again at once after `end msg`. qmail-send does not know the client.

A `@4000...` stamp is TAI64N as multilog writes it: seconds since 1970 counted without leap seconds, plus 2^62 + 10, so
10 s are taken off and no table of leap seconds is used (as tai64nlocal does without one). Syslog lines have the time of
the event, UTC, as a number, and so have those of multilog's predecessors (accustamp, cyclog). multilog's files do not
name their server: `mta_host` is the file's name without what rotation adds, or that of the directory for `current` and
`@4000....s`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import polars as pl

from op25b.readers.base import Batch, Format, Head, Reject, Source
from op25b.readers.mail import syslog
from op25b.readers.mail.clock import Clock, possible
from op25b.readers.mail.common import (
    DSN,
    FINE,
    Events,
    account,
    by_kind,
    domain,
    event,
    head_of,
    host_of,
    integer,
    latest,
    read_syslog,
    unless,
    whole,
)
from op25b.readers.mail.dovecot import Dovecot
from op25b.readers.text import BLOCK_BYTES, Block, blocks

_TAI = r"^@[0-9a-f]{24} "
_LOCAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)? "
_TAI_OFFSET = 2**62 + 10
_EPOCH = r"^[0-9]{9,11}(?:\.[0-9]+)? "
_MARKS = r"(?:new|info|end) msg |delivery [0-9]+: | pid [0-9]+(?: [^ :]+)?: |vchkpw-|badiprbl: ip |CHKUSER "
_WORDS = re.compile(r"(?:new msg \d+(?: queue\d+)? *$|info msg \d+: bytes |starting delivery \d+: msg \d+ to |"
                    r"delivery \d+: (?:succ|def|fail)|end msg \d+(?: queue\d+)? *$|status: local \d+/\d+ remote )")
_STAMPS = re.compile(rf"{_TAI}|(?:{_LOCAL}|{_EPOCH})(?:{_WORDS.pattern}|tcpserver: |rblsmtpd: )")
_INFO = r"^info msg ([0-9]+): bytes ([0-9]+) from <(.*)> qp [0-9]+ uid [0-9]+$"
_START = r"^starting delivery ([0-9]+): msg ([0-9]+) to (?:local|remote) (.*)$"
_END = r"^delivery ([0-9]+): (success|deferral|failure): ?(.*)$"
# The words of qmail-remote come first; after `Remote_host_said:` they are the other server's.
_HOP = r"^(?:[^_]*_)?(?i:connected_to_)?([0-9A-Fa-f.:]+)_(?:accepted_|does_not_|failed_|but_)"
_DSN = rf"Remote_host_said:_[245][0-9][0-9][-_]({DSN})[_/]|\(#({DSN})\)/?$"
_TOO_LONG = "not_going_to_try_again"
_REFUSED = (r"^(?:rblsmtpd: )?(?:([0-9A-Fa-f.:]+) pid [0-9]+(?: [^ :]+)?: [45][0-9][0-9] "
            r"|(?:[0-9]+ )?badiprbl: ip ([0-9A-Fa-f.:]+) rbl: )")
_CHECKED = (r"^CHKUSER (?:rejected [a-z]+|mbx overquota|must auth): from <(?P<sender>[^<>:]*):[^<>]*> "
            r"remote <[^<>:]*:[^<>:]*:(?P<ip>[0-9A-Fa-f.:]+)> rcpt <(?P<to>[^<>]*)> :")
_LOGIN = (r"^vchkpw-(?P<service>[a-z0-9]+): (?:\((?P<method>[A-Z0-9-]+)\) )?(?P<words>login success|password fail|"
          r"vpopmail user not found|null password given|invalid user/domain characters|[a-z ]+)(?: \(pass: .*\))? "
          r"(?:(?P<user>\S*):(?P<ip>[0-9]+(?:\.[0-9]+){3})|(?P<user6>\S*?):(?P<ip6>[0-9A-Fa-f]*:[0-9A-Fa-f:.]+))$")
_STATUS = {"success": "sent", "deferral": "deferred", "failure": "bounced"}
_PORTS = {"smtp": 25, "submission": 587, "smtps": 465, "pop3": 110, "pop3s": 995, "imap": 143, "imaps": 993}

_QUEUE = r" (queue[0-9]+)$"
_DELIVERY = ["host", "queue", "delivery"]

rest = pl.col("rest")
_KINDS = {
    "new": rest.str.contains(r"^new msg [0-9]+$"),
    "info": rest.str.starts_with("info msg "),
    "end": rest.str.contains(_END),
    "removed": rest.str.contains(r"^end msg [0-9]+$"),
    "refused": rest.str.contains(_REFUSED),
    "checked": rest.str.contains(_CHECKED),
    "login": rest.str.starts_with("vchkpw-"),
}


class Qmail:
    """qmail's lines; remembers which message each delivery under way is of."""

    marks: ClassVar[str] = _MARKS
    programs: ClassVar[str] = r"qmail(?:-send|-smtpd)?|rblsmtpd|smtpd|tcpserver|vpopmail"

    def __init__(self) -> None:
        self._started = pl.DataFrame(schema={"host": pl.String, "queue": pl.String, "delivery": pl.String,
                                             "line": pl.Int64, "msg": pl.String, "to": pl.String})

    def events(self, lines: pl.DataFrame) -> Events:
        """Events of lines (see `syslog.Lines`)."""
        lines = whole(lines)
        lines = lines.with_columns(rest.str.strip_chars_end(" "))
        stamp = rest.str.extract(rf"({_EPOCH[:-1]}) ")
        if lines.select(stamp.is_not_null().any()).item():
            exact = (stamp.cast(pl.Decimal(20, 6), strict=False) * 1_000_000).cast(pl.Int64, strict=False)
            lines = lines.with_columns(pl.coalesce(possible(exact.cast(pl.Datetime("us"))), "at").alias("at"),
                                       rest.str.replace(_EPOCH, "").alias("rest"))
        # Each queue counts its own deliveries.
        lines = lines.with_columns(rest.str.extract(_QUEUE).fill_null("").alias("queue"), rest.str.replace(_QUEUE, ""))
        started = rest.str.extract_groups(_START).struct
        starts = lines.filter(rest.str.starts_with("starting delivery ")).select(
            "host", "queue", started.field("1").alias("delivery"), "line", started.field("2").alias("msg"),
            started.field("3").alias("to")).filter(pl.col("delivery").is_not_null())
        # Delivery numbers begin at 1 again when qmail-send does, so the last start before an end is the one.
        known = pl.concat([self._started, starts])
        self._started = latest(self._started, starts, _DELIVERY)
        return by_kind(lines, _KINDS, {"new": _new, "info": _info, "removed": _removed, "refused": _refused,
                                       "checked": _checked, "login": _login,
                                       "end": lambda part: _delivered(part, known)})


def recognise(head: Head) -> str | None:
    """Lines in the words of qmail-send, with a stamp of multilog, tai64nlocal or syslog, among the first."""
    lines = head.lines[:500]
    own = re.compile(rf"(?:{_TAI[1:]}|{_LOCAL[1:]}|{_EPOCH[1:]})(?:{_WORDS.pattern}|tcpserver: |rblsmtpd: )")
    if any(map(own.match, lines)):
        return "lines of qmail by multilog"
    logged = re.compile(rf" (?:qmail(?:-send)?(?:\[\d+\])?: (?:\d{{9,11}}\.\d+ )?{_WORDS.pattern}"
                        r"|vpopmail\[\d+\]: vchkpw-)")
    if syslog.looks_like_syslog(lines) and any(map(logged.search, lines)):
        return "syslog lines of qmail"
    return None


def read(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a log, in file order."""
    lines = head_of(source.path).lines[:500]
    if any(map(_STAMPS.match, lines)):
        return _read_multilog(source, block_bytes)
    return read_syslog(source, [Qmail(), Dovecot()], block_bytes)


def _read_multilog(source: Source, block_bytes: int) -> Iterator[Batch]:
    clock, host, qmail = Clock(source), host_of(source.path), Qmail()
    for block in blocks(source.path, block_bytes):
        yield _multilog_batch(block, clock, host, qmail)


def _multilog_batch(block: Block, clock: Clock, host: str, qmail: Qmail) -> Batch:
    text = pl.col("text")
    frame = pl.DataFrame({"text": block.lines}).select(
        pl.int_range(block.first_line, block.first_line + pl.len()).alias("line"), "text")
    tai, local, epoch = text.str.contains(_TAI), text.str.contains(_LOCAL), text.str.contains(_EPOCH)
    other = frame.filter(~tai & ~local & ~epoch & (text.str.strip_chars() != ""))
    bad: list[Reject] = [(line, None, "no time stamp", content) for line, content in other["line", "text"].iter_rows()]
    frame = frame.filter((tai | local | epoch) & text.str.contains(_MARKS)).with_columns(
        pl.lit(1, pl.Int64).alias("times"), pl.lit(host).alias("host"), pl.lit(0).alias("year"))
    seconds = text.str.slice(1, 16).str.to_integer(base=16, dtype=pl.Int64, strict=False) - _TAI_OFFSET
    micros = text.str.slice(17, 8).str.to_integer(base=16, dtype=pl.Int64, strict=False) // 1000
    # No mail is of the year 2200 or later.
    at = pl.when(seconds.is_between(0, 7_258_118_399) & (micros < 1_000_000)).then(seconds * 1_000_000 + micros)
    stamped = frame.filter(tai).with_columns(at.cast(pl.Datetime("us")).alias("at"), text.str.slice(26).alias("rest"))
    stamp = text.str.extract(rf"({_LOCAL[:-1]})").str.replace(" ", "T", literal=True)
    named = frame.filter(local).with_columns(stamp.alias("stamp"), text.str.replace(_LOCAL, "").alias("rest"))
    named = named.with_columns(clock.utc(named).alias("at"))
    # A number at the beginning is looked at where syslog's is.
    counted = frame.filter(epoch).with_columns(pl.lit(None, pl.Datetime("us")).alias("at"), text.alias("rest"))
    columns = ["line", "times", "host", "at", "rest"]
    lines = pl.concat([part.select(columns) for part in (stamped, named, counted)]).sort("line")
    return account(qmail.events(lines), block.lines.len(), bad, lines.select("line", "rest"), block.first_line,
                   clock.source.known_lines)


def _new(part: pl.DataFrame) -> pl.LazyFrame:
    return event(part.lazy(), "accepted", FINE, rest.str.slice(8).alias("queue_id"))


def _removed(part: pl.DataFrame) -> pl.LazyFrame:
    return event(part.lazy(), "removed", FINE, rest.str.slice(8).alias("queue_id"))


def _info(part: pl.DataFrame) -> pl.LazyFrame:
    found = rest.str.extract_groups(_INFO).struct
    # `#@[]` is the sender of a bounce that bounced.
    sender = domain(found.field("3").replace("#@[]", ""))
    return event(part.lazy(), "queued", unless(found.field("1").is_not_null(), "message without size or sender"),
                 found.field("1").alias("queue_id"), integer(found.field("2"), pl.Int64).alias("size_bytes"),
                 sender.alias("sender_domain"))


def _delivered(part: pl.DataFrame, started: pl.DataFrame) -> pl.LazyFrame:
    found = rest.str.extract_groups(_END).struct
    named = part.with_columns(found.field("1").alias("delivery"), found.field("2").alias("result"),
                              found.field("3").alias("text"))
    # One start may stand in an earlier block, with the line it had there.
    both = named.join(started, on=_DELIVERY, how="left", suffix="_start").filter(
        (pl.col("line_start") < pl.col("line")).fill_null(value=True))
    both = both.sort("line", "line_start").unique("line", keep="last", maintain_order=True)
    lost = named.join(both, on="line", how="anti")
    named = pl.concat([both, lost], how="diagonal")
    text, dsn = pl.col("text"), pl.col("text").str.extract_groups(_DSN).struct
    status = pl.col("result").replace_strict(_STATUS, default=None)
    expired = (pl.col("result") == "failure") & text.str.contains(_TOO_LONG, literal=True)
    return event(
        named.lazy(), "delivery",
        unless(pl.col("msg").is_not_null(), "end of a delivery whose start is not in the file"),
        pl.col("msg").alias("queue_id"), domain(pl.col("to")).alias("recipient_domain"),
        text.str.extract(_HOP).alias("next_hop_ip"), pl.coalesce(dsn.field("1"), dsn.field("2")).alias("dsn"),
        pl.when(expired).then(pl.lit("expired")).otherwise(status).alias("status"))


def _refused(part: pl.DataFrame) -> pl.LazyFrame:
    client = rest.str.extract_groups(_REFUSED).struct
    return event(part.lazy(), "rejected", FINE, pl.coalesce(client.field("1"), client.field("2")).alias("client_ip"),
                 pl.lit(25, pl.Int32).alias("listener_port"))


def _checked(part: pl.DataFrame) -> pl.LazyFrame:
    found = rest.str.extract_groups(_CHECKED).struct
    recipient = pl.when(found.field("to") != "").then(found.field("to"))
    return event(part.lazy(), "rejected", FINE, found.field("ip").alias("client_ip"),
                 domain(found.field("sender")).alias("sender_domain"), domain(recipient).alias("recipient_domain"))


def _login(part: pl.DataFrame) -> pl.LazyFrame:
    found = rest.str.extract_groups(_LOGIN).struct
    user, ip = (pl.coalesce(found.field(name), found.field(f"{name}6")) for name in ("user", "ip"))
    return event(
        part.lazy(), "auth", unless(ip.is_not_null(), "login without an address"),
        ip.alias("client_ip"), pl.when(user != "").then(user).alias("auth_user"),
        found.field("service").replace_strict(_PORTS, default=None, return_dtype=pl.Int32).alias("listener_port"),
        found.field("method").alias("auth_mechanism"), (found.field("words") == "login success").alias("auth_ok"))


FORMAT = Format("qmail", "mail", recognise, read, growth="lines", remembers=True)
