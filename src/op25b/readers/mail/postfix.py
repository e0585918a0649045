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

import re
from collections.abc import Iterator, Sequence

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.mail import syslog
from op25b.readers.mail.clock import Clock
from op25b.readers.mail.common import FINE, account, addressed, domain, field, integer, unless
from op25b.readers.mail.logins import Logins
from op25b.readers.text import BLOCK_BYTES

_DAEMONS = ["smtpd", "postscreen", "cleanup", "pickup", "qmgr", "nqmgr", "oqmgr", "smtp", "lmtp", "local", "virtual",
            "pipe", "error", "discard", "relay", "retry"]
# Literals of which every line that matters has one.
_MARKS = r": client=|: to=|: from=|: uid=|: removed|reject: |: SASL |: disconnect from "
_TAG = r"^(.+)/([a-z]+)\[[^\]]*\]:$"
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
     r"(?:conn_use=[0-9]+, )?delay=[-0-9.]+, delays=[-0-9./]+, dsn=(?P<dsn>[0-9.]+), status=(?P<status>[A-Za-z-]+)"),
    (rf'^to={_ODD}, (?:orig_to=(?:<"(?:[^"\\]|\\.)*"(?:@[^>]*)?>|<.*?>|[^,]*), )?'
     r"relay=(?:[^,\[]*\[(?:IPv6:)?(?P<ip>[^\],]*)\](?::(?P<port>[0-9]+))?|[^,]*), (?:conn_use=[0-9]+, )?"
     r"delay=[-0-9.]+, (?:delays=[-0-9./]+, )?(?:dsn=(?P<dsn>[0-9]\.[0-9]+\.[0-9]+), )?status=(?P<status>[A-Za-z-]+)"),
)
_AUTH_FAILED = (
    rf"^[^\[ ]*{_IP.format('ip')}: SASL (?P<method>\S+) authentication (?:failed|aborted)"
    r"(?:.*?, sasl_username=(?P<user>.*))?"
)
# The text of a rejected header or body is the sender's, so there the last client named is the right one.
_REJECT = (
    rf"^(?:milter-|proxy-)?reject: (?:(?:header|body|mime-error) .* from [^\[ ]*{_IP.format('content')}; from=<"
    rf"|[^ ]+ from [^\[ ]*{_IP.format('ip')}[;:] ?(?:[0-9]{{3}}[ -])?(?:(?P<dsn>[45]\.[0-9]{{1,3}}\.[0-9]{{1,3}}) )?)"
)
_ENVELOPE = (
    r"^.*;(?: from=<(?P<sender>.*?)>,?(?: to=<(?P<to>.*?)>,?)?| to=<(?P<only_to>.*?)>,?)(?: proto=| helo=|: |$)"
)

_FIRST, _BODY, _DAEMON = pl.col("first"), pl.col("body"), pl.col("daemon")
_BY_QMGR, _BY_SMTPD = _DAEMON.str.ends_with("qmgr"), _DAEMON.eq("smtpd")
_OF_MESSAGE = pl.col("of_message")
_SIZED = _BODY.str.contains(", size=", literal=True)
# What a line is. `first` is what stands before the first `: ` (the queue id), `body` what stands after it.
_KINDS = {
    "client": _BY_SMTPD & _BODY.str.starts_with("client=") & _OF_MESSAGE,
    "disconnect": _BY_SMTPD & _BODY.is_null() & _FIRST.str.starts_with("disconnect from "),
    "queued": _BY_QMGR & _BODY.str.starts_with("from=") & _SIZED & _OF_MESSAGE,
    "expired": _BY_QMGR & _BODY.str.starts_with("from=") & ~_SIZED & _OF_MESSAGE
    & _BODY.str.contains(r", status=(?:force-)?expired"),
    "removed": _BY_QMGR & _BODY.eq("removed") & _OF_MESSAGE,
    "delivery": _BODY.str.starts_with("to=") & _BODY.str.contains(" status=", literal=True) & _OF_MESSAGE,
    "auth": _BY_SMTPD & _FIRST.eq("warning") & _BODY.str.contains(r": SASL \S+ authentication (?:failed|aborted)"),
    "reject": _DAEMON.is_in(["smtpd", "cleanup", "postscreen"]) & _BODY.str.contains(r"^(?:milter-|proxy-)?reject: ")
    & _OF_MESSAGE,
    "pickup": _DAEMON.eq("pickup") & _BODY.str.contains(r"^uid=[0-9]+ from=") & _OF_MESSAGE,
}


def recognise(head: Head) -> str | None:
    """Syslog lines with a tag such as `postfix/smtpd[123]:` among the first."""
    lines = head.lines
    tag = re.compile(r" ([^\s/]+)(?:/[^\s/]+)*/(?:smtpd|smtp|qmgr|cleanup|postscreen|pickup|lmtp|local|anvil|scache|"
                     r"bounce|master|postfix-script|error|virtual|pipe)(?:\[\d+\]:| \d+ )")
    found = next((m for m in map(tag.search, lines) if m), None)
    if found is None or not syslog.looks_like_syslog(lines):
        return None
    return f"syslog lines of Postfix ({found[0].strip().rstrip(':')})"


def read(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a log, in file order."""
    logins = Logins()
    for lines in syslog.read(Clock(source), _MARKS, block_bytes):
        yield account(_events(lines.frame, logins), lines.count, lines.bad, lines.frame.select("line", "rest"))


def _events(lines: pl.DataFrame, logins: Logins) -> pl.DataFrame:
    """The events of the lines of a block, each with its `line` and the `reason` why it cannot be used, or NULL."""
    plan = lines.join(_processes(lines), on=["host", "tag"], maintain_order="left").select(
        "line", "times", "at", "host", "tag", "process", "daemon", "port",
        pl.col("rest").str.splitn(": ", 2).struct.rename_fields(["first", "body"]).alias("parts"),
    ).unnest("parts").with_columns(_FIRST.str.contains(_QUEUE_ID).alias("of_message")).lazy()
    parts = dict(zip(_KINDS, pl.collect_all([plan.filter(test) for test in _KINDS.values()]), strict=True))
    accepted, ended = _client(parts["client"]), _disconnect(parts["disconnect"])
    clients = pl.concat([accepted, logins.of(accepted, ended)], how="diagonal")
    others = [parse(parts[name]) for name, parse in _PARSERS.items() if parts[name].height]
    return pl.concat([addressed(events) for events in (clients, *others)], how="diagonal").drop("process", "tag")


def _processes(lines: pl.DataFrame) -> pl.DataFrame:
    """Host, tag → number, daemon and port of each Postfix process that logged: there are few, so each is parsed once.

    The port is known by the service's name, between `postfix` and the daemon (`postfix/submission/smtpd`).
    """
    groups = pl.col("tag").str.extract_groups(_TAG).struct
    known = lines.select("host", "tag").unique().with_columns(groups.field("1").alias("program"),
                                                              groups.field("2").alias("daemon"))
    service = pl.col("program").str.extract(r"/([^/]+)$").fill_null("smtpd")
    number = service.str.extract(r"(?:^|:)([0-9]{1,5})$").cast(pl.Int32)
    port = service.replace_strict(_SERVICE_PORTS, default=None, return_dtype=pl.Int32)
    return known.filter(pl.col("daemon").is_in(_DAEMONS)).with_row_index("process").select(
        "host", "tag", "process", "daemon", port.fill_null(number).alias("port")
    )


def _matched(part: pl.DataFrame, patterns: Sequence[str]) -> pl.DataFrame:
    """The groups of the first of the patterns that matches each line, as column `f`."""
    usual, *others = patterns
    part = part.with_columns(_BODY.str.extract_groups(usual).alias("f"))
    if not others:
        return part
    missed = pl.all_horizontal(pl.col("f").struct.field("*").is_null())
    odd = part.filter(missed)
    if odd.is_empty():
        return part
    return pl.concat([part.filter(~missed), _matched(odd.drop("f"), others)])


def _event(part: pl.DataFrame, name: str, reason: pl.Expr, *columns: pl.Expr) -> pl.DataFrame:
    """What all events have, and `columns`, which may use the pattern's groups as fields of `f`."""
    return part.select(
        "line", "times", "process", "tag", "at", pl.col("host").alias("mta_host"), pl.lit(name).alias("event"),
        pl.when(~_FIRST.is_in(["NOQUEUE", "warning"])).then(_FIRST).alias("queue_id"), *columns, reason.alias("reason"),
    )


def _domain() -> pl.Expr:
    """Domain of the address in `f`: empty text for the null sender; NULL for a bare local name."""
    return pl.when((field("local") == "") & field("domain").is_null()).then(pl.lit("")).otherwise(
        field("domain").str.to_lowercase())


_PORT = pl.col("port").alias("listener_port")


def _client(part: pl.DataFrame) -> pl.DataFrame:
    return _event(
        _matched(part, _CLIENT), "accepted", unless(field("ip").is_not_null(), "client without an address"),
        field("ip").alias("client_ip"), _PORT,
        field("method").str.to_uppercase().alias("auth_mechanism"), field("user").alias("auth_user"),
        pl.when(field("method").is_not_null()).then(statement=True).alias("auth_ok"),
    )


def _disconnect(part: pl.DataFrame) -> pl.DataFrame:
    """Not events themselves: ends of sessions, with auth_ok where somebody logged in."""
    text = _FIRST.str
    return part.select(
        "line", "times", "process", "tag", "at", pl.col("host").alias("mta_host"), pl.lit("auth").alias("event"), _PORT,
        text.extract(r"^disconnect from [^\[]*\[(?:IPv6:)?([^\]]*)\]").alias("client_ip"),
        text.contains(r" auth=[1-9]").alias("auth_ok"), FINE.alias("reason"),
    )


def _auth_failed(part: pl.DataFrame) -> pl.DataFrame:
    reason = unless(field("ip").is_not_null(), "failed authentication without an address")
    return _event(
        _matched(part, [_AUTH_FAILED]), "auth", reason,
        field("ip").alias("client_ip"), _PORT, field("method").str.to_uppercase().alias("auth_mechanism"),
        field("user").replace(["", "(unavailable)"], [None, None]).alias("auth_user"),
        pl.lit(value=False).alias("auth_ok"),
    )


def _reject(part: pl.DataFrame) -> pl.DataFrame:
    envelope = _BODY.str.extract_groups(_ENVELOPE).struct
    anonymous = _BODY.str.starts_with("proxy-") | _BODY.str.contains(" from local;", literal=True)
    client = pl.coalesce(field("ip"), field("content"))
    return _event(
        _matched(part, [_REJECT]), "rejected", unless(client.is_not_null() | anonymous, "rejection without a client"),
        client.alias("client_ip"), _PORT, field("dsn").alias("dsn"),
        domain(envelope.field("sender")).alias("sender_domain"),
        domain(pl.coalesce(envelope.field("to"), envelope.field("only_to"))).alias("recipient_domain"),
    )


def _pickup(part: pl.DataFrame) -> pl.DataFrame:
    return _event(_matched(part, _PICKUP), "accepted", FINE, _domain().alias("sender_domain"))


def _queued(part: pl.DataFrame) -> pl.DataFrame:
    reason = unless(field("size").is_not_null(), "queued message without sender, size or recipients")
    return _event(_matched(part, _QUEUED), "queued", reason, _domain().alias("sender_domain"),
                  integer(field("size"), pl.Int64).alias("size_bytes"),
                  integer(field("recipients")).alias("recipients"))


def _expired(part: pl.DataFrame) -> pl.DataFrame:
    return _event(_matched(part, _EXPIRED), "delivery", FINE, _domain().alias("sender_domain"),
                  pl.lit("expired").alias("status"))


def _removed(part: pl.DataFrame) -> pl.DataFrame:
    return _event(part, "removed", FINE)


def _delivery(part: pl.DataFrame) -> pl.DataFrame:
    part = _matched(part, _DELIVERY).filter(field("status").is_in(_PROBES).not_().fill_null(value=True))
    reason = unless(field("status").is_in(list(_STATUS)), "delivery without recipient, relay or known status")
    return _event(
        part, "delivery", reason,
        _domain().alias("recipient_domain"), field("ip").alias("next_hop_ip"),
        integer(field("port")).alias("next_hop_port"), field("dsn").alias("dsn"),
        field("status").replace(_STATUS).alias("status"),
    )


_PARSERS = {
    "auth": _auth_failed, "reject": _reject, "pickup": _pickup, "queued": _queued, "expired": _expired,
    "removed": _removed, "delivery": _delivery,
}

FORMAT = Format("postfix", "mail", recognise, read, growth="lines")
