"""Postfix logs through syslog: which lines become which events.

| daemon | line | event |
|---|---|---|
| smtpd | `QID: client=host[ip], sasl_method=M, sasl_username=U` | accepted, and one auth a session |
| smtpd | `disconnect from host[ip] ... auth=1` | auth, where the session sent no message |
| smtpd | `warning: host[ip]: SASL M authentication failed` (or `aborted`) | auth, auth_ok false |
| smtpd, cleanup, postscreen | `NOQUEUE: reject: RCPT from host[ip]: 554 5.7.1 ...`, `milter-reject`, ... | rejected |
| pickup | `QID: uid=1000 from=<user>` | accepted, without a client |
| qmgr | `QID: from=<a@b>, size=1, nrcpt=1 (queue active)` | queued |
| qmgr | `QID: removed`; `QID: from=<>, status=expired` | removed; delivery |
| smtp, lmtp, local, virtual, pipe, error, ... | `QID: to=<a@b>, relay=host[ip]:25, dsn=2.0.0, status=sent` | delivery |

The line forms are those of Postfix 2.0 to 3.x (smtpd.c, smtpd_check.c, smtpd_sasl_glue.c, smtpd_proxy.c, qmgr_active.c,
cleanup_message.c, postscreen_smtpd.c, log_adhoc.c). Address probes (`status=deliverable`) are no mail and are left out.
Mail addresses are reduced to their domains here; the rest of a line is not kept.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Iterator

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.mail import syslog
from op25b.readers.mail.clock import Clock
from op25b.readers.mail.common import FINE, Events, account, domain, event, field, integer, made, port, unless
from op25b.readers.mail.dovecot import Dovecot
from op25b.readers.mail.logins import Logins
from op25b.readers.text import BLOCK_BYTES, ahead

_DAEMONS = ["smtpd", "postscreen", "cleanup", "pickup", "qmgr", "nqmgr", "oqmgr", "smtp", "lmtp", "local", "virtual",
            "pipe", "error", "discard", "relay", "retry"]
# Literals of which every line that matters has one; Dovecot often logs to the same file.
_MARKS = r": client=|: to=|: from=|: uid=|: removed|reject: |: SASL |: disconnect from | dovecot"
_DOVECOT = "dovecot"
_TAG = r"^(.+)/([a-z]+)(?:\[[^\]]*\])?$"
_QUEUE_ID = r"^[0-9A-Za-z]{5,25}$"
_SERVICE_PORTS = {"smtpd": 25, "smtp": 25, "postscreen": 25, "submission": 587, "submissions": 465, "smtps": 465}
_STATUS = {"sent": "sent", "deferred": "deferred", "bounced": "bounced", "expired": "expired", "SOFTBOUNCE": "deferred"}
_PROBES = ["deliverable", "undeliverable", "undeliverable-but-not-cached"]

# Patterns are pairs. The first reads the usual line in one pass, since no character leaves a choice; lines that it
# does not match (few) are read by the second. A quoted local part may hold anything, also what looks like the rest.
_IP = r"\[(?:IPv6:)?(?P<{}>[^\]]*)\](?::[0-9]+)?"
_PLAIN = r'<(?P<local>[^@<>"]*)(?:@(?P<domain>[^@<>"]*))?>'
_ODD = r'<?(?P<local>"(?:[^"\\]|\\.)*"|.*?)(?:@(?P<domain>[^@<>",]*))?>?'
_CLIENT = (
    (r"^client=[^\[,]*\[(?P<ip>[^\]I]*)\](?::[0-9]+)?"
     r"(?:, sasl_method=(?P<method>[^,]*), sasl_username=(?P<user>[^,]*))?$"),
    # The one before the content filter is the client, where a filter tells.
    (rf"^client=[^\[,]*(?:\[[^\]]*\](?::[0-9]+)?(?:, orig_queue_id=[^,]*)?, orig_client=[^\[,]*)?{_IP.format('ip')}"
     r"(?:, orig_queue_id=[^,]*)?"
     r"(?:, sasl_method=(?P<method>[^,]*))?(?:, sasl_username=(?P<user>.*?))?(?:, sasl_sender=.*)?$"),
)
_QUEUED = tuple(rf"^from={address}, size=(?P<size>[0-9]+), nrcpt=(?P<recipients>[0-9]+)" for address in (_PLAIN, _ODD))
_EXPIRED = tuple(rf"^from={address}, status=" for address in (_PLAIN, _ODD))
_PICKUP = tuple(rf"^uid=[0-9]+ from={address}(?: |$)" for address in (_PLAIN, _ODD))
_DELIVERY = (
    (rf"^to={_PLAIN}, (?:orig_to=<[^<>]*>, )?relay=[^,\[]*(?:\[(?P<ip>[^\],I]*)\](?::(?P<port>[0-9]+))?)?, "
     r"(?:conn_use=[0-9]+, )?delay=[-0-9.]+, delays=[-0-9./]+, (?:tls=[^,]*, )?dsn=(?P<dsn>[0-9.]+), "
     r"status=(?P<status>[A-Za-z-]+)"),
    (rf'^to={_ODD}, (?:orig_to=(?:<"(?:[^"\\]|\\.)*"(?:@[^>]*)?>|<.*?>|[^,]*), )?'
     # Other fields may come: `tls=` did in Postfix 3.11, `conn_use=` in 2.5, `delays=` and `dsn=` in 2.3.
     r"relay=(?:[^,\[]*\[(?:IPv6:)?(?P<ip>[^\],]*)\](?::(?P<port>[0-9]+))?|[^,]*), (?:[a-z_]+=[^,]*, )*?"
     r"delay=[-0-9.]+, (?:[a-z_]+=[^,]*, )*?(?:dsn=(?P<dsn>[0-9]\.[0-9]+\.[0-9]+), )?status=(?P<status>[A-Za-z-]+)"),
)
_AUTH_FAILED = (
    rf"^[^\[ ]*{_IP.format('ip')}: SASL (?P<method>\S+) authentication (?:failed|aborted)"
    r"(?:.*?, sasl_username=(?P<user>.*))?"
)
_CODE = r"[45]\.[0-9]{1,3}\.[0-9]{1,3}"
# The text of a rejected header or body is the sender's, so there the last client named is the right one. Why it was
# rejected comes after the envelope, that is after the first `>:`, since 2.3 with a status code.
_REJECT = (
    rf"^(?:milter-|proxy-)?reject: (?:(?:header|body|mime-error) .* from (?:local|[^\[ ]*{_IP.format('content')});"
    rf" from=<(?:(?:[^>]|>[^:])*>: (?P<content_dsn>{_CODE})(?: |$))?"
    rf"|[^ ]+ from [^\[ ]*{_IP.format('ip')}[;:] ?(?:[0-9]{{3}}[ -])?(?:(?P<dsn>{_CODE}) )?)"
)
_ENVELOPE = (
    r"^.*;(?: from=<(?P<sender>.*?)>,?(?: to=<(?P<to>.*?)>,?)?| to=<(?P<only_to>.*?)>,?)(?: proto=| helo=|: |$)"
)

_PATTERNS: dict[str, tuple[str, ...]] = {
    "client": _CLIENT, "queued": _QUEUED, "expired": _EXPIRED, "delivery": _DELIVERY, "auth": (_AUTH_FAILED,),
    "reject": (_REJECT,), "pickup": _PICKUP,
}
# Of the lines that are not as usual, those that matter.
_UNUSUAL = {"queued": pl.col("body").str.contains(", size=", literal=True),
            "delivery": pl.col("body").str.contains(" status=", literal=True)}

_FIRST, _BODY, _DAEMON = pl.col("first"), pl.col("body"), pl.col("daemon")
_BY_QMGR, _BY_SMTPD = _DAEMON.str.ends_with("qmgr"), _DAEMON.eq("smtpd")
# What a line is, by quick tests: `first` is what stands before the first `: ` (the queue id), `body` what stands after
# it. A pattern for rare lines is tried on lines that pass the quick tests alone.
_KINDS = {
    "client": _BY_SMTPD & _BODY.str.starts_with("client="),
    "disconnect": _BY_SMTPD & _BODY.is_null() & _FIRST.str.starts_with("disconnect from "),
    "queued": _BY_QMGR & _BODY.str.starts_with("from="),
    "removed": _BY_QMGR & _BODY.eq("removed"),
    "delivery": _BODY.str.starts_with("to="),
    "auth": pl.when(_BY_SMTPD & _FIRST.eq("warning")).then(_BODY)
    .str.contains(r": SASL \S+ authentication (?:failed|aborted)"),
    "reject": _DAEMON.is_in(["smtpd", "cleanup", "postscreen"])
    & pl.any_horizontal(_BODY.str.starts_with(f"{by}reject: ") for by in ("", "milter-", "proxy-")),
    "pickup": pl.when(_DAEMON.eq("pickup")).then(_BODY).str.contains(r"^uid=[0-9]+ from="),
}
_OF_MESSAGES = {"client", "queued", "removed", "delivery", "reject", "pickup"}


def recognise(head: Head) -> str | None:
    """Syslog lines with a tag such as `postfix/smtpd[123]:` among the first."""
    lines = syslog.first_lines(head)
    tag = re.compile(r" ([^\s/]+)(?:/[^\s/]+)*/(?:smtpd|smtp|qmgr|cleanup|postscreen|pickup|lmtp|local|anvil|scache|"
                     r"bounce|master|postfix-script|error|virtual|pipe)(?:(?:\[\d+\])?:| \d+ )")
    found = next((m for m in map(tag.search, lines) if m), None)
    if found is None or not syslog.looks_like_syslog(lines):
        return None
    return f"syslog lines of Postfix ({found[0].strip().rstrip(':')})"


def read(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a log, in file order; a block is accounted for while the events of the next one are made."""
    for events, lines in ahead(_read(source, block_bytes)):
        yield account(events, lines.count, lines.bad, lines.frame, lines.first_line, source.known_lines)


def _read(source: Source, block_bytes: int) -> Generator[tuple[Events, syslog.Lines], None, None]:
    logins, dovecot, numbers = Logins(), Dovecot(), itertools.count()

    def services(processes: pl.DataFrame) -> pl.DataFrame:
        each = pl.Series([next(numbers) for _ in range(processes.height)], dtype=pl.Int64)
        return _services(processes).with_columns(process=each)

    for lines in syslog.read(Clock(source), _MARKS, services, block_bytes):
        other = lines.frame["daemon"] == _DOVECOT
        if other.any():
            ours, theirs = lines.frame.filter(~other), lines.frame.filter(other)
            events: Events = [*_events(ours, logins), *dovecot.events(theirs.drop("daemon", "port", "process"))]
        else:
            events = _events(lines.frame, logins)
        yield events, lines


def _services(processes: pl.DataFrame) -> pl.DataFrame:
    """Add daemon and port of each process; the service's name, before the daemon's, tells the port."""
    groups = pl.col("tag").str.extract_groups(_TAG).struct
    daemon, service = groups.field("2"), groups.field("1").str.extract(r"/([^/]+)$").fill_null("smtpd")
    number = service.str.extract(r"(?:^|:)([0-9]{1,5})$").cast(pl.Int32)
    # The service may have an address before it: `10.0.0.5:submission`.
    port = service.str.extract(r"([^:]+)$").replace_strict(_SERVICE_PORTS, default=None, return_dtype=pl.Int32)
    known = pl.when(daemon.is_in(_DAEMONS)).then(daemon).when(pl.col("tag").str.contains(r"^dovecot(?:\[|$)")).then(
        pl.lit(_DOVECOT))
    return processes.with_columns(known.alias("daemon"), port.fill_null(number).alias("port"))


def _events(lines: pl.DataFrame, logins: Logins) -> Events:
    """The events of the lines of a block, each with its `line` and the `reason` why it cannot be used, or NULL."""
    if (lines["first"] == "reject").any():
        # Before 2.1 a rejected command had no `NOQUEUE: ` before it.
        bare = _FIRST.eq("reject")
        lines = lines.with_columns(pl.when(bare).then(pl.lit("NOQUEUE")).otherwise("first").alias("first"),
                                   pl.when(bare).then(pl.concat_str(pl.lit("reject: "), "body")).otherwise("body")
                                   .alias("body"))
    kind = pl.coalesce(pl.when(test).then(number) for number, test in enumerate(_KINDS.values()))
    # Events of messages have a queue id, or another word where there is none.
    named = lines.with_columns(kind.alias("kind"), _FIRST.str.contains(_QUEUE_ID).alias("named")).lazy()
    parts_of = {name: named.filter(pl.col("kind") == number, "named" if name in _OF_MESSAGES else pl.lit(value=True))
                for number, name in enumerate(_KINDS)}
    found = [_matched(part, *_PATTERNS.get(name, ())[:1]) for name, part in parts_of.items()]
    parts = dict(zip(_KINDS, pl.collect_all(found), strict=True))
    expired = parts["queued"].filter(_MISSED & _BODY.str.contains(r", status=(?:force-)?expired"))
    parts = {name: _with_unusual(part, name) for name, part in parts.items()}
    if expired.height:
        usual = _matched(expired.lazy().drop("f"), _EXPIRED[0]).collect()
        parts["expired"] = _with_unusual(usual, "expired")
    logged_in = parts["client"].filter(field("method").is_not_null() & field("ip").is_not_null())
    first = logins.first(logged_in, _ends(parts["disconnect"]))
    parts["login"] = logged_in.filter(pl.col("line").is_in(first.implode()))
    parts["disconnect"] = parts["disconnect"].filter(pl.col("line").is_in(first.implode()))
    return made([_PARSERS[name](part.lazy()) for name, part in parts.items() if part.height])


def _matched(part: pl.LazyFrame, *patterns: str) -> pl.LazyFrame:
    """Add the groups of the pattern, if there is one, as column `f`."""
    return part.with_columns(_BODY.str.extract_groups(pattern).alias("f") for pattern in patterns)


_MISSED = pl.all_horizontal(field("*").is_null())


def _with_unusual(part: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Match the second pattern, where there is one, in lines that the first did not match."""
    others = _PATTERNS.get(kind, ())[1:]
    if not others or part.is_empty():
        return part
    unusual = part.filter(_MISSED)
    if unusual.is_empty():
        return part
    unusual = unusual.filter(_UNUSUAL.get(kind, pl.lit(value=True)))
    return pl.concat([part.filter(~_MISSED), _matched(unusual.lazy().drop("f"), *others).collect()])


def _event(part: pl.LazyFrame, name: str, reason: pl.Expr, *columns: pl.Expr) -> pl.LazyFrame:
    """What all events of messages have, and `columns`, which may use the pattern's groups as fields of `f`."""
    queue_id = pl.when(~_FIRST.is_in(["NOQUEUE", "warning"])).then(_FIRST).alias("queue_id")
    return event(part, name, reason, queue_id, *columns)


def _domain() -> pl.Expr:
    """Domain of the address in `f`: empty text for the null sender; NULL for a bare local name."""
    return pl.when((field("local") == "") & field("domain").is_null()).then(pl.lit("")).otherwise(
        field("domain").str.to_lowercase())


_PORT = pl.col("port").alias("listener_port")


_CLIENT_COLUMNS = (
    field("ip").alias("client_ip"), _PORT, field("method").str.to_uppercase().alias("auth_mechanism"),
    field("user").alias("auth_user"), pl.when(field("method").is_not_null()).then(statement=True).alias("auth_ok"),
)


def _client(part: pl.LazyFrame) -> pl.LazyFrame:
    return _event(part, "accepted", unless(field("ip").is_not_null(), "client without an address"), *_CLIENT_COLUMNS)


def _login(part: pl.LazyFrame) -> pl.LazyFrame:
    return event(part, "auth", FINE, *_CLIENT_COLUMNS)


def _ends(part: pl.DataFrame) -> pl.DataFrame:
    """Ends of sessions, with auth_ok where somebody logged in."""
    return part.select("line", "process", "host", "tag", _FIRST.str.contains(r" auth=[1-9]").alias("auth_ok"))


def _disconnect(part: pl.LazyFrame) -> pl.LazyFrame:
    client = _FIRST.str.extract(r"^disconnect from [^\[]*\[(?:IPv6:)?([^\]]*)\]")
    return event(part, "auth", FINE, _PORT, client.alias("client_ip"), pl.lit(value=True).alias("auth_ok"))


def _auth_failed(part: pl.LazyFrame) -> pl.LazyFrame:
    return _event(
        part, "auth", unless(field("ip").is_not_null(), "failed authentication without an address"),
        field("ip").alias("client_ip"), _PORT, field("method").str.to_uppercase().alias("auth_mechanism"),
        field("user").replace(["", "(unavailable)"], [None, None]).alias("auth_user"),
        pl.lit(value=False).alias("auth_ok"),
    )


def _reject(part: pl.LazyFrame) -> pl.LazyFrame:
    envelope = _BODY.str.extract_groups(_ENVELOPE).struct
    anonymous = _BODY.str.starts_with("proxy-") | _BODY.str.contains(" from local;", literal=True)
    client = pl.coalesce(field("ip"), field("content"))
    return _event(
        part, "rejected", unless(client.is_not_null() | anonymous, "rejection without a client"),
        client.alias("client_ip"), _PORT, pl.coalesce(field("dsn"), field("content_dsn")).alias("dsn"),
        domain(envelope.field("sender")).alias("sender_domain"),
        domain(pl.coalesce(envelope.field("to"), envelope.field("only_to"))).alias("recipient_domain"),
    )


def _pickup(part: pl.LazyFrame) -> pl.LazyFrame:
    return _event(part, "accepted", FINE, _domain().alias("sender_domain"))


def _queued(part: pl.LazyFrame) -> pl.LazyFrame:
    reason = unless(field("size").is_not_null(), "queued message without sender, size or recipients")
    return _event(part, "queued", reason, _domain().alias("sender_domain"),
                  integer(field("size"), pl.Int64).alias("size_bytes"),
                  integer(field("recipients")).alias("recipients"))


def _expired(part: pl.LazyFrame) -> pl.LazyFrame:
    return _event(part, "delivery", FINE, _domain().alias("sender_domain"),
                  pl.lit("expired").alias("status"))


def _removed(part: pl.LazyFrame) -> pl.LazyFrame:
    return _event(part, "removed", FINE)


def _delivery(part: pl.LazyFrame) -> pl.LazyFrame:
    part = part.filter(field("status").is_in(_PROBES).not_().fill_null(value=True))
    reason = unless(field("status").is_in(list(_STATUS)), "delivery without recipient, relay or known status")
    return _event(
        part, "delivery", reason,
        _domain().alias("recipient_domain"), field("ip").alias("next_hop_ip"),
        port(field("port")).alias("next_hop_port"), field("dsn").alias("dsn"),
        field("status").replace(_STATUS).alias("status"),
    )


_PARSERS = {
    "client": _client, "login": _login, "disconnect": _disconnect, "auth": _auth_failed, "reject": _reject,
    "pickup": _pickup, "queued": _queued, "expired": _expired, "removed": _removed, "delivery": _delivery,
}

FORMAT = Format("postfix", "mail", recognise, read, growth="lines", remembers=True)
