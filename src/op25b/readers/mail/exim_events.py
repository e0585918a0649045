"""What the lines of an Exim main log say, once time stamp and message id are taken off; `exim.py` has the table.

What stands in quotes, in an address or in another server's answer may imitate any part of a line, so each field is
looked for only where Exim itself writes it. Splitting at fixed words is several times as quick as patterns here.
"""

from __future__ import annotations

import polars as pl

from op25b.readers.mail.common import (
    DSN,
    FINE,
    QUOTED,
    Events,
    addressed,
    apart,
    by_kind,
    cut,
    domain,
    event,
    field,
    integer,
    made,
    parted,
    port,
    unless,
)

# The usual lines, each read in one pass, since no character leaves a choice; what they do not match is read apart.
_ACCEPTED = (r'^[<(]= [^ @"]+@([^ @"]+) H=[^\[]*\[([^\]]*)\](?::[0-9]+)? (?:I=\[[^\]]*\]:([0-9]+) )?P=[^ ]+ '
             r"(?:L[.*-]* )?(?:X=[^ ]+ )?(?:CV=[^ ]+ )?(?:A=([^ :]+):([^ :]+) )?(?:PRDR )?(?:K )?S=([0-9]+)(?: |$)")
_SENT = (r'^.. [^ @"<>|/:(]+@([^ @"]+) (?:<[^ ">]*> )?(?:F=<[^">]*> )?(?:P=<[^">]*> )?R=[^ ]+ T=[^ ]+ (?:S=[0-9]+ )?'
         r"H=[^ ]+ \[([^\]]*)\](?::([0-9]+))?")
_SENDER = rf'^(.= ){QUOTED}'
_TLS_NAME = rf" (?:DN|SNI)={QUOTED}"
# Fields that may follow the user's name.
_AFTER_USER = r"(?: PRDR| PRX=\S+| K| L[.*-]*)+$"
_RECIPIENTS = rf'^[0-9]+(?: [A-Za-z0-9*]+=(?:{QUOTED}|[^ "]*))*(?: from <.*>)? for (.+)$'
_RECIPIENT = rf"(?:{QUOTED})?[^ ]+"
# Where the final address is a pipe, a file, a bare name or has blanks: it, or the one it came from, in brackets.
_FINAL = r'^.. [^"@<:|/][^"@<:(]*@(\[[^\]]*\]|[^ :>]+)'
_ORIGINAL = r'^.. [^<"=]* <[^@>"]*@([^>]*)>'
_ERROR = r": SMTP error from remote (?:mail server|mailer) after .*?: "
_ERROR_HOP = rf"{_ERROR}host \S+ \[([^\]]*)\]: "
_ERROR_DSN = rf"{_ERROR}(?:host \S+ \[[^\]]*\]: )?[45][0-9][0-9][ -]({DSN})[ :]"
_EXPIRED = r"retry timeout exceeded(?: DT=\S+)?$"
_DENIED = r"^AUTH ([^ :]+)"
_MECHANISMS = {"PLAIN": "PLAIN", "LOGIN": "LOGIN", "CRAM-MD5": "CRAM", "DIGEST-MD5": "DIGEST", "NTLM": "NTLM",
               "GSSAPI": "GSSAPI", "EXTERNAL": "EXTERNAL", "XOAUTH2": "XOAUTH2", "OAUTHBEARER": "OAUTHBEARER",
               "SCRAM-SHA-256": "SCRAM-SHA-256", "SCRAM-SHA-1": "SCRAM-SHA-1"}

# Literals of which every line without a flag that matters has one.
WORDS = ["rejected", "authenticator failed for", "refused connection", "Connection from ", "AUTH command used when",
         "mechanism not supported"]
# A message that is too large, or has bad line ends, is refused when it is there.
_AFTER_DATA = r"^rejected from <([^>]*)> H=(.*?)(?: P=\S+)?: "
_NOT_OFFERED = (r'^SMTP protocol error in "(?i:AUTH) ([A-Za-z0-9-]+).*" H=(.*) '
                r"(?:AUTH command used when not advertised|\S+ authentication mechanism not supported)$")

identifier, rest = pl.col("id"), pl.col("rest")
_KINDS = {
    "failed": identifier.is_null() & rest.str.contains(" authenticator failed for ", literal=True)
    & ~cut(rest, " authenticator failed for ")[0].str.contains(" ", literal=True),
    "refused": (rest.str.starts_with("H=") | rest.str.starts_with("F=")) & rest.str.contains(r" rejected (?:[^VE]|EH)"),
    "early": rest.str.contains(
        r"^(?:rejected (?:from <.*H=|(?:[^VE]|EH).* from )|unqualified (?:sender|recipient) rejected: "
        r"|refused connection from |Connection from .* refused: )"),
    "not offered": rest.str.contains(_NOT_OFFERED),
}


def parsed(named: pl.DataFrame, others: pl.DataFrame) -> Events:
    """Events of lines with line, times, at, host, id and rest: those with a message id and those without."""
    named = named.with_columns(rest.str.slice(0, 3).alias("flag"))
    tests = [pl.any_horizontal(pl.col("flag") == flag for flag in flags) for flags, _, _ in _FLAGGED]
    parts = pl.collect_all([_matched(named.lazy().filter(test), pattern)
                            for test, (_, pattern, _) in zip(tests, _FLAGGED, strict=True)])
    found = [events for part, (_, _, read_as) in zip(parts, _FLAGGED, strict=True) if part.height
             for events in read_as(part)]
    if sum(part.height for part in parts) < named.height:
        others = pl.concat([others, named.filter(~pl.any_horizontal(tests)).drop("flag")])
    rare = others.filter(rest.str.contains("|".join(WORDS)))
    return [*made(found), *by_kind(rare, _KINDS, _RARE)]


def _matched(part: pl.LazyFrame, pattern: str | None) -> pl.LazyFrame:
    """Add the groups of the pattern, if there is one, as column `f`."""
    return part if pattern is None else part.with_columns(rest.str.extract_groups(pattern).alias("f"))


def _client(text: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Address and listener port from `name (helo) [ip]:port I=[ip]:port U=ident`: the last address is the true one."""
    host, interface = cut(cut(text, " U=")[0], " I=")
    return (host.str.extract(r"\[([^\[\] ]*)\](?::[0-9]+)?(?: TFO\*{0,2})?$").alias("client_ip"),
            port(interface.str.extract(r"^\[[^\]]*\]:([0-9]+)")).alias("listener_port"))


def _accepted(part: pl.DataFrame) -> list[pl.LazyFrame]:
    usual, odd = _apart(part)
    # Of most lines nothing after the size is of interest, so it is not copied.
    tail = cut(pl.when(rest.str.contains(" for ", literal=True)).then(rest), " S=")[1]
    both = usual.select(
        *_LINE, field("1").str.to_lowercase().alias("sender_domain"), field("2").alias("client_ip"),
        port(field("3")).alias("listener_port"), field("4").alias("mechanism"), field("5").alias("auth_user"),
        integer(field("6"), pl.Int64).alias("size_bytes"), tail.alias("tail"), FINE.alias("reason"))
    if odd.height:
        both = pl.concat([both, _odd_accepted(odd).select(both.columns)])
    named = addressed(both.with_columns(
        _mechanisms(both["mechanism"]).alias("auth_mechanism"),
        pl.when(pl.col("mechanism").is_not_null()).then(statement=True).alias("auth_ok"))).lazy()
    tail = pl.col("tail")
    recipients = pl.when(tail.str.contains(" for ", literal=True)).then(tail).str.extract(_RECIPIENTS)
    queue_id, why = identifier.alias("queue_id"), pl.col("reason")
    logged = pl.col("client_key", "client_ip", "listener_port", "auth_mechanism", "auth_user", "auth_ok")
    return [
        event(named.filter(pl.col("auth_ok")), "auth", why, logged),
        event(named, "accepted", why, queue_id, pl.col("sender_domain"), logged),
        event(named, "queued", why, queue_id, pl.col("sender_domain", "size_bytes"),
              recipients.str.count_matches(_RECIPIENT).cast(pl.Int32).alias("recipients")),
    ]


_LINE = ("line", "times", "at", "host", "id")


def _apart(part: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines that match the pattern of the usual ones, and the others."""
    usual, odd = apart(part, part["f"].struct.field("1").is_not_null())
    return usual, odd.drop("f")


def _odd_accepted(part: pl.DataFrame) -> pl.DataFrame:
    if part.select((rest.str.slice(3, 1) == '"').any() | rest.str.contains_any([' DN="', ' SNI="']).any()).item():
        # What is in quotes may hold anything; of an address only the domain is wanted.
        part = part.with_columns(rest.str.replace(_SENDER, "${1}q").str.replace_all(_TLS_NAME, "").alias("rest"))
    part = parted(part, "rest", " P=", "envelope", "protocol")
    part = parted(part.with_columns(pl.col("envelope").str.slice(3)), "envelope", " ", "sender", "host_text")
    part = parted(part, "protocol", " S=", "security", "tail")
    login = cut(pl.col("security"), " A=")[1]
    if part["security"].str.contains_any([" K", " L", " PRDR", " PRX"]).any():
        login = login.str.replace(_AFTER_USER, "")
    mechanism, user = cut(login, ":")
    ip, port = _client(pl.when(pl.col("host_text").str.contains("H=", literal=True)).then("host_text"))
    return part.with_columns(
        mechanism.alias("mechanism"), cut(user, ":")[0].alias("auth_user"), ip, port,
        domain(pl.col("sender")).alias("sender_domain"),
        integer(pl.col("tail").str.extract("^([0-9]+)(?: |$)"), pl.Int64).alias("size_bytes"),
        unless(pl.col("protocol").is_not_null() & (pl.col("sender") != ""), "message without sender or protocol")
        .alias("reason"))


def mechanism_of(name: str) -> str:
    """The mechanism an authenticator's name speaks of; the name itself where it speaks of none or of several."""
    name = name.upper().replace("_", "-")
    told = [mechanism for mechanism, word in _MECHANISMS.items() if word in name]
    return told[0] if len(told) == 1 else name


def _mechanism() -> pl.Expr:
    return pl.col("mechanism").map_batches(_mechanisms, return_dtype=pl.String)


def _mechanisms(names: pl.Series) -> pl.Series:
    # A server has a handful of authenticators, so each name is looked at once.
    known = names.unique().drop_nulls()
    return names.replace_strict(known, [mechanism_of(name) for name in known], default=None, return_dtype=pl.String)


def _sent(part: pl.DataFrame) -> list[pl.LazyFrame]:
    usual, odd = _apart(part)
    events = [_delivered(usual.lazy().with_columns(
        field("1").str.to_lowercase().alias("recipient_domain"), field("2").alias("next_hop_ip"),
        port(field("3")).alias("next_hop_port"), FINE.alias("reason")))]
    return [*events, _delivered(_addressed_to(odd).lazy())] if odd.height else events


def _delivered(part: pl.LazyFrame) -> pl.LazyFrame:
    answer = rest.str.extract(rf' C="[245][0-9][0-9][ -]({DSN})[ "]')
    return event(part, "delivery", pl.col("reason"), identifier.alias("queue_id"), answer.alias("dsn"),
                 pl.lit("sent").alias("status"), pl.col("recipient_domain", "next_hop_ip", "next_hop_port"))


def _unsent(part: pl.DataFrame) -> list[pl.LazyFrame]:
    status = pl.when(rest.str.slice(0, 2) == "==").then(pl.lit("deferred")).when(rest.str.contains(_EXPIRED)).then(
        pl.lit("expired")).otherwise(pl.lit("bounced"))
    hop = pl.coalesce("next_hop_ip", rest.str.extract(_ERROR_HOP)).alias("next_hop_ip")
    return [event(_addressed_to(part).lazy(), "delivery", pl.col("reason"), identifier.alias("queue_id"),
                  rest.str.extract(_ERROR_DSN).alias("dsn"), status.alias("status"), hop,
                  pl.col("recipient_domain", "next_hop_port"))]


def _addressed_to(part: pl.DataFrame) -> pl.DataFrame:
    """Add domain and next hop of deliveries whose line may be odd."""
    if part.select((rest.str.slice(3, 1) == '"').any() | rest.str.contains('<"', literal=True).any()).item():
        quiet = rest.str.replace(rf"^(.. ){QUOTED}@", "${1}q@").str.replace_all(rf"<{QUOTED}@", "<q@")
        part = part.with_columns(quiet.alias("rest"))
    part = parted(part, "rest", " H=", "address", "host_text")
    part = parted(part.with_columns(pl.col("address").str.slice(3)), "address", " ", "to", "more")
    # A remote server's answer comes after `: ` or in quotes; what it says is not where the message went.
    more = pl.col("more")
    true_hop = ~(more.str.contains(": ", literal=True) | more.str.contains('"', literal=True)).fill_null(value=False)
    hop = pl.when(true_hop).then("host_text").str.extract_groups(r"^[^ ]+ \[([^\]]*)\](?::([0-9]+))?").struct
    name, at_domain = cut(pl.col("to").str.strip_suffix(":"), "@")
    plain = ~name.str.slice(0, 1).is_in(["|", "/", ":", ""]) & at_domain.is_not_null()
    odd = pl.when(~plain).then("rest")
    return part.with_columns(
        hop.field("1").alias("next_hop_ip"), port(hop.field("2")).alias("next_hop_port"),
        pl.coalesce(pl.when(plain).then(at_domain), odd.str.extract(_FINAL), odd.str.extract(_ORIGINAL))
        .str.to_lowercase().alias("recipient_domain"),
        unless(pl.col("to") != "", "delivery without a recipient").alias("reason"))


def _removed(part: pl.DataFrame) -> list[pl.LazyFrame]:
    completed = part.lazy().filter(rest.str.contains(r"^Completed(?: QT=\S+)?$"))
    return [event(completed, "removed", FINE, identifier.alias("queue_id"))]


# What the first three characters after the message id may be, the pattern of the usual lines, and who reads them.
_FLAGGED = [(["<= ", "(= "], _ACCEPTED, _accepted), (["=> ", "-> ", ">> "], _SENT, _sent),
            (["** ", "== "], None, _unsent), (["Com"], None, _removed)]


def _failed(part: pl.DataFrame) -> pl.LazyFrame:
    name, after = cut(rest, " authenticator failed for ")
    host, why = cut(after, ": ")
    user = cut(why, "(set_id=")[1].str.replace(r"\)(?:: .*)?$", "")
    named = part.lazy().with_columns(name.alias("mechanism"), user.alias("auth_user"), *_client(host))
    return event(
        named, "auth", unless(pl.col("client_ip").is_not_null(), "failed authentication without an address"),
        pl.col("client_ip", "listener_port", "auth_user"), _mechanism().alias("auth_mechanism"),
        pl.lit(value=False).alias("auth_ok"),
    )


def _refused(part: pl.DataFrame) -> pl.LazyFrame:
    """What an ACL refused: a recipient, sender, message or client; a refused AUTH is a failed login."""
    if part["rest"].str.contains('<"', literal=True).any():
        part = part.with_columns(rest.str.replace_all(rf"<{QUOTED}@", "<q@").alias("rest"))
    head, tail = cut(rest, " rejected ")
    what, why = cut(tail, ": ")
    ip, port = _client(head.str.replace(r"(?: (?:X|CV|DN|SNI|A|F|P)=.*)?(?: temporarily)?$", ""))
    named = part.lazy().with_columns(ip, port, head.alias("head"), what.alias("what"), why.alias("why"),
                             tail.str.extract(_DENIED).str.to_uppercase().alias("auth_mechanism"))
    login = pl.col("auth_mechanism").is_not_null()
    # What a local program hands in has no client: `F=<a@b> rejected by non-SMTP ACL: why`.
    local = rest.str.starts_with("F=") & ~rest.str.contains(" H=", literal=True)
    reason = unless(pl.col("client_ip").is_not_null() | local, "rejection without a client")
    sender = pl.coalesce(pl.col("head").str.extract(r"(?:^| )F=<?([^ >]*)"),
                         pl.col("what").str.extract(r"^MAIL <?([^ >]*)"))
    return pl.concat([
        event(named.filter(login), "auth", reason, pl.col("client_ip", "listener_port", "auth_mechanism"),
              pl.lit(value=False).alias("auth_ok")),
        event(named.filter(~login), "rejected", reason, identifier.alias("queue_id"),
              pl.col("client_ip", "listener_port"), domain(sender).alias("sender_domain"),
              domain(pl.col("what").str.extract(r"^RCPT <?([^ >]*)")).alias("recipient_domain"),
              pl.col("why").str.extract(rf"^(?:[45][0-9][0-9][ -])?({DSN})(?:[ :]|$)").alias("dsn")),
    ], how="diagonal")


def _early(part: pl.DataFrame) -> pl.LazyFrame:
    """What was refused without an ACL: the client comes last, or before `: ` and its own words."""
    part = part.with_columns(rest.str.replace(rf"^rejected from <{QUOTED}@", "rejected from <q@").alias("rest"))
    late = rest.str.extract_groups(_AFTER_DATA).struct
    host = pl.coalesce(late.field("2"), rest.str.extract(r"^rejected [^\[]* from (.*?)(?:: |$)"),
                       rest.str.extract(r" H=(.*)$"), rest.str.extract(r"^refused connection from (.*?)(?: \(|$)"),
                       rest.str.extract(r"^Connection from (.*) refused: "))
    named = part.lazy().with_columns(late.field("1").alias("sender"), *_client(host))
    return event(named, "rejected", unless(pl.col("client_ip").is_not_null(), "rejection without a client"),
                 identifier.alias("queue_id"), pl.col("client_ip", "listener_port"),
                 domain(pl.col("sender")).alias("sender_domain"))


def _not_offered(part: pl.DataFrame) -> pl.LazyFrame:
    """AUTH by a method that the server did not offer, such as a password without TLS: a failed login."""
    found = rest.str.extract_groups(_NOT_OFFERED).struct
    named = part.lazy().with_columns(*_client(found.field("2")))
    return event(named, "auth", unless(pl.col("client_ip").is_not_null(), "failed authentication without an address"),
                 pl.col("client_ip", "listener_port"), found.field("1").str.to_uppercase().alias("auth_mechanism"),
                 pl.lit(value=False).alias("auth_ok"))


_RARE = {"failed": _failed, "refused": _refused, "early": _early, "not offered": _not_offered}
