"""Postfix logs through syslog: which lines become which events.

| daemon | line | event |
|---|---|---|
| smtpd | `QID: client=host[ip], sasl_method=M, sasl_username=U` | accepted, and one auth a session |
| smtpd | `warning: host[ip]: SASL M authentication failed` | auth, auth_ok false |
| smtpd, cleanup, postscreen | `NOQUEUE: reject: RCPT from host[ip]: 554 5.7.1 ...`, `QID: milter-reject: ...` | rejected |
| pickup | `QID: uid=1000 from=<user>` | accepted, without a client |
| qmgr | `QID: from=<a@b>, size=1, nrcpt=1 (queue active)` | queued |
| qmgr | `QID: removed`; `QID: from=<>, status=expired` | removed; delivery |
| smtp, lmtp, local, virtual, pipe, error, discard | `QID: to=<a@b>, relay=host[ip]:25, dsn=2.0.0, status=sent` | delivery |

The line forms are those of Postfix 2.3 to 3.x (smtpd_sasl_proto.c, smtpd_check.c, qmgr_active.c, log_adhoc.c).
Mail addresses are reduced to their domains here; the rest of a line is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source, canonical_ips, rejects
from op25b.readers.mail import syslog
from op25b.readers.text import blocks

_DELIVERING = ["smtp", "lmtp", "local", "virtual", "pipe", "error", "discard", "relay", "retry"]
_DAEMONS = ["smtpd", "postscreen", "cleanup", "pickup", "qmgr", "nqmgr", "oqmgr", *_DELIVERING]
_TAG = r"^(.+)/([a-z]+)\[(\d+)\]:$"
_HOST_IP = r"\[(?:IPv6:)?([0-9A-Fa-f.:]+)\](?::\d+)?"
_QID = r"^([0-9A-Za-z]{5,25}): "
_DELIVERY = (
    r"^[0-9A-Za-z]{5,25}: to=(?P<to><.*?>|[^,]*), (?:orig_to=(?:<.*?>|[^,]*), )?relay=(?P<relay>[^,]*), "
    r"(?:conn_use=\d+, )?delay=[\d.]+, (?:delays=[\d./]+, )?(?:dsn=(?P<dsn>\d\.\d+\.\d+), )?status=(?P<status>[a-z]+)"
)
_QUEUED = r"^[0-9A-Za-z]{5,25}: from=<(?P<sender>.*)>, size=(?P<size>\d+), nrcpt=(?P<recipients>\d+)"
_EXPIRED = r"^[0-9A-Za-z]{5,25}: from=<(?P<sender>.*)>, status=(?:expired|force-expired), returned to sender"
_CLIENT = (
    r"^[0-9A-Za-z]{5,25}: client=[^\[,]*\[(?:IPv6:)?(?P<ip>[^\]]*)\](?::\d+)?"
    r"(?:, orig_queue_id=[^,]*)?(?:, orig_client=[^\[,]*\[(?:IPv6:)?(?P<original>[^\]]*)\](?::\d+)?)?"
    r"(?:, sasl_method=(?P<method>[^,]*))?(?:, sasl_username=(?P<user>.*?))?(?:, sasl_sender=.*)?$"
)
_AUTH_FAILED = r"^warning: [^\[]*\[(?:IPv6:)?(?P<ip>[^\]]*)\](?::\d+)?: SASL (?P<method>\S+) authentication failed"
_AUTH_USER = r", sasl_username=(\S*)$"
_REJECT = (
    r"^(?P<qid>[0-9A-Za-z]{5,25}): (?:milter-)?reject: .*? from [^\[]*\[(?:IPv6:)?(?P<ip>[^\]]*)\](?::\d+)?[;:]"
    r"(?: \d{3})?(?: (?P<dsn>[45]\.\d+\.\d+))?"
)
_DISCONNECT = r"^disconnect from [^\[]*\[(?:IPv6:)?(?P<ip>[^\]]*)\].* auth=(?P<ok>\d+)(?:/\d+)?(?: |$)"
_SERVICE_PORTS = {"smtpd": 25, "smtp": 25, "postscreen": 25, "submission": 587, "submissions": 465, "smtps": 465}
_STATUS = {"sent": "sent", "deferred": "deferred", "bounced": "bounced", "expired": "expired", "undeliverable": "bounced",
           "deliverable": "sent"}


def recognise(head: Head) -> str | None:
    """Syslog lines with a tag such as `postfix/smtpd[123]:` among the first."""
    lines = head.lines[:500]
    found = next((m for m in (re.search(r" ([^\s/]+)(?:/[^\s/]+)*/(?:smtpd|smtp|qmgr|cleanup|postscreen|pickup|lmtp|local|"
                                        r"anvil|scache|bounce|master|postfix-script|error|virtual|pipe)"
                                        r"(?:\[\d+\]:| \d+ )", line) for line in lines) if m), None)
    if found is None or not syslog.looks_like_syslog(lines):
        return None
    return f"syslog lines of Postfix ({found[0].strip().rstrip(':')})"


def read(source: Source) -> Iterator[Batch]:
    """Yield the events of a log, in file order within each kind."""
    state = _Sessions()
    clock = syslog.Clock(source)
    for block in blocks(source.path):
        lines = syslog.split(block)
        lines = lines.with_columns(clock.years(lines["stamp"]).alias("year"))
        yield _events(lines, clock, state)


@dataclass
class _Sessions:
    """(host, tag) of the sessions still open at the end of the last block whose authentication was counted."""

    open: pl.DataFrame | None = None

    def update(self, marks: pl.DataFrame, found: pl.DataFrame) -> None:
        """Carry over to the next block which open sessions were counted, in this block or before."""
        keys = ["host", "tag"]
        ended = marks.filter(pl.col("kind") == "end").group_by(keys).len("session")
        last = found.join(ended, on=keys, how="left", suffix="_now")
        counted = last.filter(pl.col("session") == pl.col("session_now").fill_null(0)).select(keys)
        if self.open is not None:
            counted = pl.concat([counted, self.open.join(ended, on=keys, how="anti")]).unique()
        self.open = counted


def _events(lines: pl.DataFrame, clock: syslog.Clock, state: _Sessions) -> Batch:
    stamped = lines.filter(pl.col("stamp").is_not_null() & pl.col("rest").is_not_null())
    tagged = stamped.with_columns(pl.col("tag").str.extract_groups(_TAG).alias("parts"))
    tagged = tagged.with_columns(
        pl.col("parts").struct.field("1").alias("program"), pl.col("parts").struct.field("2").alias("daemon")
    ).filter(pl.col("daemon").is_in(_DAEMONS)).drop("parts")
    rest, daemon = pl.col("rest"), pl.col("daemon")
    queue = rest.str.contains(_QID)
    kinds = {
        "client": daemon.eq("smtpd") & rest.str.contains(r"^\w+: client="),
        "auth": daemon.eq("smtpd") & rest.str.contains(r"^warning: [^ ]+: SASL \S+ authentication failed"),
        "reject": daemon.is_in(["smtpd", "cleanup", "postscreen"]) & rest.str.contains(r"^\w+: (?:milter-)?reject: "),
        "disconnect": daemon.eq("smtpd") & rest.str.contains(r"^disconnect from .* auth="),
        "pickup": daemon.eq("pickup") & rest.str.contains(r"^\w+: uid=\d+ from="),
        "expired": daemon.str.ends_with("qmgr") & rest.str.contains(r"^\w+: from=<.*>, status="),
        "queued": daemon.str.ends_with("qmgr") & rest.str.contains(r"^\w+: from="),
        "removed": daemon.str.ends_with("qmgr") & rest.str.contains(r"^\w+: removed$"),
        "delivery": daemon.is_in(_DELIVERING) & queue & rest.str.contains(r"^\w+: to="),
    }
    kind = pl.coalesce(*[pl.when(test).then(pl.lit(name)) for name, test in kinds.items()], pl.lit(None, pl.String))
    chosen = tagged.with_columns(kind.alias("kind")).filter(pl.col("kind").is_not_null())
    chosen = chosen.with_columns(clock.utc(chosen).alias("at"))
    ends = tagged.filter(daemon.eq("smtpd") & rest.str.starts_with("disconnect from "))
    by_kind = {key[0]: part for key, part in chosen.partition_by("kind", as_dict=True).items()}
    events = [parse(by_kind[name]) for name, parse in _PARSERS.items() if name in by_kind]
    return _account(lines, pl.concat([*events, _successes(by_kind, ends, state)], how="diagonal"))


def _account(lines: pl.DataFrame, rows: pl.DataFrame) -> Batch:
    """Split parsed rows into good ones and rejects, and count lines (a line may give two events)."""
    unstamped = lines.filter(pl.col("stamp").is_null() & (pl.col("rest").str.strip_chars() != ""))
    bad = [(line, None, "no syslog time stamp", text) for line, text in unstamped.select("line", "rest").iter_rows()]
    if rows.is_empty():
        return Batch(FORMAT.table.empty(), lines.height, 0, rejects(bad))
    rows = rows.with_columns(
        pl.when(pl.col("at").is_null()).then(pl.lit("impossible time stamp")).otherwise("reason").alias("reason")
    )
    wrong = rows.filter(pl.col("reason").is_not_null()).unique("line", keep="first", maintain_order=True)
    bad += [(line, None, reason, text) for line, reason, text in wrong.select("line", "reason", "rest").iter_rows()]
    good = rows.filter(pl.col("reason").is_null()).sort("line", maintain_order=True)
    kept = good.filter(~pl.col("line").is_in(wrong["line"].implode()))
    kept_lines = kept["line"].n_unique()
    kept = canonical_ips(kept, {"client_ip": "client_key", "next_hop_ip": ""})
    columns = [c for c in FORMAT.table.schema if c in kept.columns]
    return Batch(kept.select(columns), lines.height, kept_lines, rejects(sorted(bad)))


def _domain(address: pl.Expr) -> pl.Expr:
    """Domain of an address in lower case; empty text for the null sender; NULL for a bare local name."""
    inner = address.str.strip_chars("<>")
    return pl.when(inner == "").then(pl.lit("")).otherwise(inner.str.extract(r"@([^@]*)$").str.to_lowercase())


def _listener() -> pl.Expr:
    """Port of the service that logged: the name between `postfix` and the daemon (`postfix/submission/smtpd`)."""
    service = pl.col("program").str.extract(r"/([^/]+)$")
    return (
        service.fill_null("smtpd").replace_strict(_SERVICE_PORTS, default=None, return_dtype=pl.Int32)
        .fill_null(service.cast(pl.Int32, strict=False))
    )


def _base(part: pl.DataFrame, event: str, pattern: str) -> pl.DataFrame:
    """The columns that all events have, and `f` with the pattern's groups."""
    return part.with_columns(
        pl.lit(event).alias("event"), pl.col("host").alias("mta_host"),
        pl.col("rest").str.extract(_QID).replace(["NOQUEUE", "warning"], None).alias("queue_id"),
        pl.col("rest").str.extract_groups(pattern).alias("f"),
    )


def _f(name: str) -> pl.Expr:
    return pl.col("f").struct.field(name)


def _finish(frame: pl.DataFrame, reason: pl.Expr, *columns: pl.Expr) -> pl.DataFrame:
    return frame.select("line", "rest", "at", "mta_host", "event", "queue_id", *columns, reason.alias("reason"))


def _unless(good: pl.Expr, reason: str) -> pl.Expr:
    return pl.when(good.fill_null(value=False)).then(None).otherwise(pl.lit(reason))


def _client(part: pl.DataFrame) -> pl.DataFrame:
    frame = _base(part, "accepted", _CLIENT)
    return _finish(
        frame, _unless(_f("ip").is_not_null(), "client without an address"),
        pl.coalesce(_f("original"), _f("ip")).alias("client_ip"), _listener().alias("listener_port"),
        _f("method").str.to_uppercase().alias("auth_mechanism"), _f("user").alias("auth_user"),
        pl.when(_f("method").is_not_null()).then(statement=True).alias("auth_ok"),
    )


def _auth_failed(part: pl.DataFrame) -> pl.DataFrame:
    frame = _base(part, "auth", _AUTH_FAILED)
    return _finish(
        frame, _unless(_f("ip").is_not_null(), "failed authentication without an address"),
        _f("ip").alias("client_ip"), _listener().alias("listener_port"),
        _f("method").str.to_uppercase().alias("auth_mechanism"),
        pl.col("rest").str.extract(_AUTH_USER).alias("auth_user"), pl.lit(value=False).alias("auth_ok"),
    )


def _reject(part: pl.DataFrame) -> pl.DataFrame:
    frame = _base(part, "rejected", _REJECT)
    return _finish(
        frame, _unless(_f("ip").is_not_null(), "rejection without a client"),
        _f("ip").alias("client_ip"), _listener().alias("listener_port"), _f("dsn").alias("dsn"),
        _domain(pl.col("rest").str.extract(r" from=<(.*?)>(?: |$)")).alias("sender_domain"),
        _domain(pl.col("rest").str.extract(r" to=<(.*?)>(?: |$)")).alias("recipient_domain"),
    )


def _pickup(part: pl.DataFrame) -> pl.DataFrame:
    frame = _base(part, "accepted", r"from=<(?P<sender>.*)>")
    return _finish(frame, pl.lit(None, pl.String), _domain(_f("sender")).alias("sender_domain"))


def _queued(part: pl.DataFrame) -> pl.DataFrame:
    frame = _base(part, "queued", _QUEUED)
    return _finish(
        frame, _unless(_f("size").is_not_null(), "queued message without sender, size or recipients"),
        _domain(_f("sender")).alias("sender_domain"), _f("size").cast(pl.Int64, strict=False).alias("size_bytes"),
        _f("recipients").cast(pl.Int32, strict=False).alias("recipients"),
    )


def _expired(part: pl.DataFrame) -> pl.DataFrame:
    frame = _base(part, "delivery", _EXPIRED)
    return _finish(frame, _unless(_f("sender").is_not_null(), "queue manager status that is not expired"),
                   pl.lit("expired").alias("status"), _domain(_f("sender")).alias("sender_domain"))


def _removed(part: pl.DataFrame) -> pl.DataFrame:
    return _finish(_base(part, "removed", r"(removed)"), pl.lit(None, pl.String))


def _delivery(part: pl.DataFrame) -> pl.DataFrame:
    frame = _base(part, "delivery", _DELIVERY)
    hop = _f("relay").str.extract_groups(r"\[(?:IPv6:)?([0-9A-Fa-f.:]+)\](?::(\d+))?$")
    status = _f("status").replace_strict(_STATUS, default=None, return_dtype=pl.String)
    return _finish(
        frame, _unless(status.is_not_null(), "delivery without recipient, relay or known status"),
        _domain(_f("to")).alias("recipient_domain"), hop.struct.field("1").alias("next_hop_ip"),
        hop.struct.field("2").cast(pl.Int32, strict=False).alias("next_hop_port"), _f("dsn").alias("dsn"),
        status.alias("status"),
    )


_PARSERS = {
    "client": _client, "auth": _auth_failed, "reject": _reject, "pickup": _pickup, "queued": _queued,
    "expired": _expired, "removed": _removed, "delivery": _delivery,
}


def _successes(by_kind: dict[str, pl.DataFrame], ends: pl.DataFrame, state: _Sessions) -> pl.DataFrame:
    """One auth event for each session that authenticated: at its first message, or at its end where it sent none.

    One smtpd process serves one session after the other, so host, tag (with the process id) and the number of
    disconnects before a line name its session.
    """
    empty = ends.clear().with_columns(pl.lit(None, pl.String).alias("kind"), pl.lit(None, pl.Datetime("us")).alias("at"))
    logins = by_kind.get("client", empty).filter(pl.col("rest").str.contains(", sasl_method=", literal=True))
    closing = by_kind.get("disconnect", empty).filter(
        pl.col("rest").str.extract(_DISCONNECT, 2).cast(pl.Int32, strict=False) > 0
    )
    marks = pl.concat([logins, closing, ends.with_columns(pl.lit("end").alias("kind"))], how="diagonal")
    # A disconnect line is in `closing` and in `ends`: it closes its session before it ends it.
    end = pl.col("kind") == "end"
    marks = marks.sort(["line", end], maintain_order=True)
    marks = marks.with_columns((end.cum_sum() - end).over("host", "tag").alias("session"))
    found = marks.filter(~end).unique(["host", "tag", "session"], keep="first", maintain_order=True)
    if state.open is not None:
        counted_before = found.filter(pl.col("session") == 0).join(state.open, on=["host", "tag"], how="semi")
        found = found.join(counted_before.select("line"), on="line", how="anti")
    state.update(marks, found)
    login = pl.col("kind") == "client"
    fields = pl.col("rest").str.extract_groups(_CLIENT)
    ip = pl.coalesce(fields.struct.field("ip"), pl.col("rest").str.extract(_DISCONNECT, 1))
    return found.select(
        "line", "rest", "at", pl.col("host").alias("mta_host"), pl.lit("auth").alias("event"),
        pl.lit(None, pl.String).alias("queue_id"), ip.alias("client_ip"), _listener().alias("listener_port"),
        pl.when(login).then(fields.struct.field("method").str.to_uppercase()).alias("auth_mechanism"),
        pl.when(login).then(fields.struct.field("user")).alias("auth_user"),
        pl.lit(value=True).alias("auth_ok"), pl.lit(None, pl.String).alias("reason"),
    )


FORMAT = Format("postfix", "mail", recognise, read)
