"""The log of the ISP's own sending server: Postfix through syslog, every message from connect to removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from op25b.synth import world as w
from op25b.synth.draw import Ints, message_bytes, times
from op25b.synth.nfdump_text import addresses, texts
from op25b.synth.sessions import LOGIN_FAILED, MAIL, NUMBER, TURNED_AWAY, Sessions
from op25b.synth.world import DAY, Block, World

_STAGE, _MAIL_ONLY = 16, 17
_SLICE = 50_000  # sessions whose lines are made at once
_SMTPD_PROCESSES, _SMTP_PROCESSES = 2000, 100

# One session with the server.
DTYPE = np.dtype([("at", "f8"), ("client", "u4"), ("edge", "i4"), ("customer", "i8"), ("port", "u2"), ("outcome", "u1"),
                  ("login", "?"), ("bot", "?"), ("size", "i8"), ("recipients", "i4")])
Visits = npt.NDArray[Any]


def visits(block: Block, sessions: Sessions, address: npt.NDArray[np.uint32]) -> Visits:
    """The sessions of a block's lines with the sending server."""
    ours = (sessions["remote"] == w.RELAY) & ~sessions["inbound"] & np.isin(sessions["outcome"],
                                                                          (MAIL, TURNED_AWAY, LOGIN_FAILED))
    some = sessions[ours]
    made = np.zeros(len(some), dtype=DTYPE)
    made["at"], made["client"], made["edge"] = some["at"], address[ours], block.edge
    made["customer"], made["port"], made["outcome"] = block.first + some["line"], some["port"], some["outcome"]
    made["login"], made["bot"], made["size"] = some["login"], some["kind"] == NUMBER["relay-bot"], some["up"]
    made["recipients"] = np.maximum(some["commands"] - 4 - 2 * some["login"], 1)
    return made


def mail_only(world: World, day: int, lines: int) -> Visits:
    """The sessions of customers of the mail service who sit on other ISPs' lines, so always 587."""
    rng, customers = world.rng(_MAIL_ONLY, 0, day), mail_only_customers(world, lines)
    n = rng.poisson(customers * world.parameters.relay.messages_per_day)
    made = np.zeros(n, dtype=DTYPE)
    customer = rng.integers(0, max(customers, 1), n)
    made["at"] = day * DAY + times(rng, world.parameters.rhythm.home_weekday, n)
    made["client"], made["edge"], made["customer"] = w.OTHER_ISP + 1 + customer % 120, -1, lines + customer
    made["port"], made["outcome"], made["login"], made["recipients"] = 587, MAIL, True, 1
    made["size"] = message_bytes(rng, world.parameters.mail, n)
    return made


def mail_only_customers(world: World, lines: int) -> int:
    """How many customers have the mail service alone."""
    return int(lines * world.parameters.population.mail_only_share)


class MailLog:
    """Writes a file a local day, in the order of time; what a message does after midnight comes in the next file."""

    def __init__(self, world: World, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._world, self._directory = world, directory
        self._later = pl.DataFrame(schema={"at": pl.Float64, "text": pl.String})

    def write_day(self, day: int, parts: Sequence[Visits]) -> int:
        """Write the log of one day and return its number of lines."""
        world = self._world
        all_of = np.concatenate(parts)
        all_of = all_of[np.argsort(all_of["at"], kind="stable")]
        written = 0
        with (self._directory / f"mail.log-{world.day(day):%Y%m%d}").open("wb") as file:
            for number, start in enumerate(range(0, max(len(all_of), 1), _SLICE)):
                some = all_of[start : start + _SLICE]
                rng = world.rng(_STAGE, number, day)
                until = all_of["at"][start + _SLICE] if start + _SLICE < len(all_of) else (day + 1) * DAY
                frame = pl.concat([self._later, _lines(world, rng, some, day * 10**7 + start)]).sort(
                    "at", maintain_order=True)
                self._later = frame.filter(pl.col("at") >= until)
                now = frame.filter(pl.col("at") < until)
                clock = np.floor(now["at"].to_numpy() + world.start_epoch + world.parameters.relay.clock_skew_seconds)
                stamp = texts(clock.astype(np.int64), "%b %e %H:%M:%S")
                now.select(pl.format("{} mail postfix/{}", pl.lit(stamp), "text")).write_csv(
                    file, include_header=False, quote_style="never", separator="\x1f")
                written += now.height
        return written


def _lines(world: World, rng: np.random.Generator, some: Visits, serial: int) -> pl.DataFrame:
    """at, text of every line of some sessions."""
    n = len(some)
    place = np.arange(n)
    text, dotted = addresses(some["client"]), pl.Series(some["edge"] + 1)
    host = pl.select(pl.when(pl.lit(dotted) > 0).then(
        pl.format("h{}.edge-{}.isp.example[{}]", pl.lit(text.str.replace_all(".", "-", literal=True)), pl.lit(dotted),
                  pl.lit(text))).otherwise(pl.format("unknown[{}]", pl.lit(text)))).to_series()
    service = pl.Series(["smtpd", "submission/smtpd"]).gather((some["port"] == 587).astype(np.int64))
    mechanism = pl.Series(["PLAIN", "LOGIN"]).gather(some["customer"] % 2)
    lasts = rng.uniform(0.3, 4, n)
    frame = pl.DataFrame({
        "place": place, "at": some["at"], "lasts": lasts, "outcome": some["outcome"], "login": some["login"],
        "bot": some["bot"], "size": some["size"], "recipients": some["recipients"], "customer": some["customer"] + 1,
        "host": host, "process": 2000 + (serial + place) % _SMTPD_PROCESSES, "service": service,
        "mechanism": mechanism, "id": _queue_ids(serial + place), "domain": rng.integers(
            0, world.parameters.internet.mail_organisations, n),
    }).with_columns(
        pl.format("{}[{}]: ", "service", "process").alias("tag"),
        pl.when("bot").then(pl.format("news{}@org-{}.example", "customer", "domain")).otherwise(
            pl.format("user{}@isp.example", "customer")).alias("sender"))
    accepted, refused = frame.filter(pl.col("outcome") == MAIL), frame.filter(pl.col("outcome") == TURNED_AWAY)
    failed = frame.filter(pl.col("outcome") == LOGIN_FAILED)
    return pl.concat([
        _at(frame, 0.0, pl.format("{}connect from {}", "tag", "host")),
        *_taken(accepted), *_delivered(world, rng, accepted),
        _at(refused, 0.5, pl.format(
            "{}NOQUEUE: reject: RCPT from {}: {}; from=<{}> to=<someone@org-{}.example> proto=ESMTP helo=<pc>",
            "tag", "host", _reason(), "sender", "domain")),
        _at(failed, 0.5, pl.format("{}warning: {}: SASL {} authentication failed: authentication failure", "tag",
                                   "host", "mechanism")),
        _at(frame, 1.0, pl.format("{}disconnect from {}{}", "tag", "host", _commands())),
    ])


def _at(frame: pl.DataFrame, share: float, text: pl.Expr) -> pl.DataFrame:
    """One line for each session, when this share of it has passed."""
    return frame.select(pl.col("at") + pl.col("lasts") * share, text.alias("text"))


def _commands() -> pl.Expr:
    """What Postfix counts at the end of a session."""
    return pl.when(pl.col("outcome") == LOGIN_FAILED).then(pl.lit(" ehlo=1 auth=0/1 quit=1 commands=2/3")).when(
        pl.col("outcome") == TURNED_AWAY).then(pl.format(" ehlo=1{} mail=1 rcpt=0/1 quit=1 commands=3/4", _logged_in())
                                               ).otherwise(
        pl.format(" ehlo=1{} mail=1 rcpt={} data=1 quit=1 commands={}", _logged_in(), "recipients",
                  pl.col("recipients") + 4 + pl.col("login")))


def _logged_in() -> pl.Expr:
    return pl.when("login").then(pl.lit(" auth=1")).otherwise(pl.lit(""))


def _reason() -> pl.Expr:
    """Why a message is refused: bots' as spam or for recipients that do not exist, people's for the latter."""
    spam = pl.lit("554 5.7.1 <someone>: Recipient address rejected: message looks like spam")
    unknown = pl.lit("550 5.1.1 <someone>: Recipient address rejected: User unknown in relay recipient table")
    return pl.when(pl.col("bot") & (pl.col("place") % 3 > 0)).then(spam).otherwise(unknown)


def _taken(frame: pl.DataFrame) -> list[pl.DataFrame]:
    auth = pl.when("login").then(pl.format(", sasl_method={}, sasl_username=pm{}", "mechanism", "customer")).otherwise(
        pl.lit(""))
    return [
        _at(frame, 0.4, pl.format("{}{}: client={}{}", "tag", "id", "host", auth)),
        _at(frame, 0.6, pl.format("cleanup[1900]: {}: message-id=<{}.{}@pc.example>", "id", "id", "customer")),
        _at(frame, 0.9, pl.format("qmgr[1800]: {}: from=<{}>, size={}, nrcpt={} (queue active)", "id", "sender", "size",
                                  "recipients")),
    ]


def _delivered(world: World, rng: np.random.Generator, frame: pl.DataFrame) -> list[pl.DataFrame]:
    """One delivery for each recipient; one that is put off is tried again and then succeeds."""
    p = world.parameters
    count = frame["recipients"].to_numpy()
    each = np.repeat(np.arange(frame.height), count)
    n = len(each)
    rows = frame.select("at", "lasts", "id", "bot", "recipients")[each]
    bot = rows["bot"].to_numpy()
    mobile = (rng.random(n) < p.relay.carrier_recipient_share) & ~bot
    organisation = rng.integers(0, p.internet.mail_organisations, n)
    carrier = rng.integers(0, len(w.CARRIERS), n)
    names = pl.Series(["docomo.example", "keitai.example"]).gather(carrier // 3)
    domain = pl.select(pl.when(pl.lit(pl.Series(mobile))).then(pl.lit(names)).otherwise(
        pl.format("org-{}.example", pl.lit(pl.Series(organisation))))).to_series()
    draw = rng.random(n)
    bounced = draw < np.where(bot, p.bots.relay_bounce_share, p.relay.bounce_share)
    put_off = ~bounced & (draw > 1 - p.relay.defer_share)
    took = rng.exponential(0.6, n) + 0.05
    waited = np.where(put_off, rng.uniform(300, 1200, n), 0.0)
    server = np.where(mobile, w.CARRIERS[carrier], w.mail_server(organisation)).astype(np.uint32)
    rows = rows.with_columns(
        domain=domain, server=addresses(server),
        took=took, waited=waited, process=pl.Series(3000 + np.arange(n) % _SMTP_PROCESSES),
        bounced=bounced, put_off=put_off, done=rows["at"].to_numpy() + rows["lasts"].to_numpy() + took)
    last = rows.group_by("id", maintain_order=True).agg((pl.col("done") + pl.col("waited")).max().alias("at"))
    return [
        _delivery(rows.filter("put_off"), "4.7.1", "deferred",
                  "host mx.{}[{}] said: 451 4.7.1 Please try again later (in reply to RCPT TO command)"),
        _delivery(rows.filter("bounced"), "5.1.1", "bounced",
                  "host mx.{}[{}] said: 550 5.1.1 User unknown (in reply to RCPT TO command)"),
        _delivery(rows.filter(~pl.col("bounced")).with_columns(pl.col("done") + pl.col("waited"),
                                                               took=pl.col("took") + pl.col("waited")),
                  "2.0.0", "sent", "250 2.0.0 Ok"),
        last.select(pl.col("at") + 0.001, pl.format("qmgr[1800]: {}: removed", "id").alias("text")),
    ]


def _delivery(rows: pl.DataFrame, dsn: str, status: str, said: str) -> pl.DataFrame:
    answer = pl.format(said, "domain", "server") if "{}" in said else pl.lit(said)
    delay = pl.col("took").round(2)
    return rows.select(pl.col("done").alias("at"), pl.format(
        "smtp[{}]: {}: to=<someone@{}>, relay=mx.{}[{}]:25, delay={}, delays=0.01/0/0.01/{}, dsn={}, status={} ({})",
        "process", "id", "domain", "domain", "server", delay, delay, pl.lit(dsn), pl.lit(status), answer).alias("text"))


def _queue_ids(serial: Ints) -> pl.Series:
    """Queue ids as short ones of Postfix look: 11 hexadecimal digits, each used once."""
    return pl.Series([f"{number * 2654435761 % 2**44:011X}" for number in serial.tolist()], dtype=pl.String)
