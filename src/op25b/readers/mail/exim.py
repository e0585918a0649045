"""Exim 4 main logs, as files of their own or through syslog: which lines become which events.

| line, after the time stamp | event |
|---|---|
| `ID <= a@b H=(helo) [ip]:port I=[ip]:587 P=esmtpsa A=plain:user S=1 ... for c@d` | accepted, queued, auth where `A=` |
| `ID => c@d R=r T=t H=host [ip]:25 C="250 2.0.0 OK"`, `->`, `>>` | delivery, sent |
| `ID ** c@d ...: 550 5.1.1 no`; `... retry timeout exceeded` | delivery, bounced; expired |
| `ID == c@d ... defer (-44) ...` | delivery, deferred |
| `ID Completed` | removed |
| `[ID] H=(helo) [ip] F=<a@b> rejected RCPT <c@d>: why`, `rejected EHLO ...`, `unqualified ... rejected` | rejected |
| `plain authenticator failed for (helo) [ip]: 535 ... (set_id=user)`, `rejected AUTH PLAIN` | auth, auth_ok false |
| `SMTP protocol error in "AUTH LOGIN" H=... AUTH command used when not advertised` | auth, auth_ok false |

Sources: chapter "Log files" of the Exim specification, the program itself (4.96) and its test suite. Message ids of
both forms (6-6-2; 6-11-4 since 4.97) and every log selector are read. What a reader of the result should know:

- A main log does not name its server: `mta_host` is the file's name without what rotation adds (`mx1-mainlog.2.gz`
  → `mx1-mainlog`), so files of several servers need names of their own. Through syslog it is the host.
- `listener_port` is known with the selector `incoming_interface` only, `recipients` with `received_recipients`.
- A success of AUTH is logged with each message and at no other time, so there is one auth event a message.
- What cutthrough delivers (`>>`) is logged before the message's `<=`. A local program that hands a message on (a spam
  filter) makes a second one, with neither client nor login; what was handed to it has no next hop.
- Connections dropped for broken protocol are no events. eximstats calls them rejections, as it does `VRFY`, `EXPN`,
  a next hop's `Connection refused` and blackholed mail, and it leaves out deliveries by cutthrough.
- Deliveries that `-N` suppresses (`*>`) did not happen and are left out.
- Of an entry that syslog split (`[1/3] ...`) the first part is read. What is written to the main and the reject log,
  and so comes twice through syslog, counts once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import polars as pl

from op25b.readers.base import Batch, Format, Head, Reject, Source
from op25b.readers.mail import syslog
from op25b.readers.mail.clock import Clock
from op25b.readers.mail.common import Events, account, head_of, host_of, read_syslog, whole
from op25b.readers.mail.dovecot import Dovecot
from op25b.readers.mail.exim_events import WORDS, parsed
from op25b.readers.text import BLOCK_BYTES, Block, blocks, in_pairs

_STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_OLD_ID = r"[0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}"
_NEW_ID = r"[0-9A-Za-z]{6}-[0-9A-Za-z]{11}-[0-9A-Za-z]{4}"
_SELECTED = rf"^(?P<stamp>{_STAMP}(?:\.[0-9]+)?)(?P<zone> [+-][0-9]{{4}})?(?P<pid> \[[0-9]+\])? "
_PREFIX = rf"^(?:\[1/[0-9]+\] )?(?:{_STAMP}(?:\.[0-9]+)?(?: [+-][0-9]{{4}})? )?(?:\[[0-9]+\] )?"
# Literals of which every line through syslog that matters has one.
_MARKS = [" <= ", " => ", " -> ", " >> ", " ** ", " == ", " (= ", " Completed", *WORDS]
# Of an Exim main log every line has its own stamp first, so what has a tag after host name is syslog's.
_SYSLOG = re.compile(r"^(?:<\d+>(?:1 )?)?(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\d[T ]\S+) \S+ "
                     r"exim[\w.-]*(?:\[\d+\]:|:| \d+ )")

identifier, rest = pl.col("id"), pl.col("rest")


class Exim:
    """Exim's lines through syslog; `Plain` reads its own files."""

    marks: ClassVar[str] = "|".join(map(re.escape, _MARKS))
    programs: ClassVar[str] = r"exim[0-9A-Za-z_.-]*"

    def __init__(self) -> None:
        # Refusals of the last seconds before the block, to know those that the reject log says again.
        text = pl.String
        self._said = pl.DataFrame(schema={"at": pl.Datetime("us"), "host": text, "tag": text, "rest": text})

    def events(self, lines: pl.DataFrame) -> Events:
        """Events of lines (see `syslog.Lines`)."""
        lines = whole(lines)
        # `[1/3]` begins an entry that was split for its length, `[1\\9]` one of the reject log.
        lines = self._once(pl.concat(_with_id(lines.with_columns(rest.str.replace(_PREFIX, "")))))
        return parsed(lines.filter(identifier.is_not_null()), lines.filter(identifier.is_null()))

    def _once(self, lines: pl.DataFrame) -> pl.DataFrame:
        keys = ["at", "host", "tag", "rest"]
        refusal = pl.col("at").is_not_null() & (identifier.is_null() | rest.str.contains("rejected", literal=True))
        said = lines.filter(refusal)
        new = said.unique(keys, keep="first").join(self._said, on=keys, how="anti")
        seen = pl.concat([self._said, said.select(keys)]).unique()
        self._said = seen.filter(pl.col("at") >= seen["at"].max() - pl.duration(seconds=5)) if seen.height else seen
        return pl.concat([lines.filter(~refusal), new.select(lines.columns)])


def recognise(head: Head) -> str | None:
    """Lines with a message id and a flag, or Exim's words for failed logins and refusals, among the first."""
    lines = syslog.first_lines(head)[:500]
    plain = re.compile(rf"{_STAMP}(?:\.\d+)?(?: [+-]\d{{4}})? (?:\[\d+\] )?"
                       rf"(?:(?:{_OLD_ID}|{_NEW_ID}) (?:[<(]=|[=*>-]>|\*\*|==|Completed)"
                       r"|\S+ authenticator failed for |exim \S+ daemon started|H=.* rejected )")
    if any(map(plain.match, lines)):
        return "lines of an Exim main log"
    if syslog.looks_like_syslog(lines) and any(map(_SYSLOG.search, lines)):
        return "syslog lines of Exim"
    return None


def read_plain(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a main log that Exim writes itself."""
    clock = Clock(source)
    host = host_of(source.path)
    yield from in_pairs(blocks(source.path, block_bytes), lambda block: _plain_batch(block, clock, host))


def _plain_batch(block: Block, clock: Clock, host: str) -> Batch:
    text, start = pl.col("text"), pl.col("start")
    frame = block.lines.alias("text").to_frame().lazy().select(
        pl.int_range(block.first_line, block.first_line + pl.len()).alias("line"), text,
        text.str.slice(0, 20).alias("start")).with_columns(start.rle_id().alias("run")).collect()
    bad: list[Reject] = []
    if not _each(frame).str.contains(rf"^{_STAMP}[ .]").all():
        stamped = start.str.contains(rf"^{_STAMP}[ .]")
        # The second and later lines of an entry begin with a blank.
        other = frame.filter(~stamped & text.str.contains(r"^\S"))
        bad = [(line, None, "no time stamp", content) for line, content in other["line", "text"].iter_rows()]
        frame = frame.filter(stamped).with_columns(start.rle_id().alias("run"))
    lines, named, others = _split(frame, clock, host)
    return account(parsed(named, others), block.lines.len(), bad, lines, block.first_line, clock.source.known_lines)


def _each(frame: pl.DataFrame) -> pl.Series:
    """How the lines begin, once for each run of them: lines of one second stand together."""
    return frame["start"].filter(frame["run"].diff().fill_null(1) != 0)


def _split(frame: pl.DataFrame, clock: Clock, host: str) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Line, time and rest of the lines of a main log; and the same of those with a message id and without."""
    starts = _each(frame)
    times = _times(starts, clock)
    usual = [pl.col("line"), pl.col("text").str.slice(20).alias("rest"), pl.lit(1, pl.Int64).alias("times"),
             pl.lit(host).alias("host")]
    lines = frame.select(times[frame["run"]].alias("at"), *usual)
    named, others = _with_id(lines)
    after = rest.str
    selected = after.starts_with("+") | after.starts_with("-") | after.starts_with("[")
    # What a log selector adds stands before the message id, so no line that begins with one has it.
    if not starts.str.ends_with(".").any() and not others.select(selected.any()).item():
        return lines, named, others
    frame = frame.with_columns(pl.col("text").str.extract_groups(_SELECTED).struct.unnest())
    size = pl.sum_horizontal(pl.col(name).str.len_bytes() for name in ("stamp", "zone", "pid")) + 1
    stamps = frame.select(pl.concat_str("stamp", pl.col("zone").fill_null("")).alias("stamp"))["stamp"]
    known = _times(stamps.rle().struct.field("value"), clock)
    lines = frame.select(known.gather(stamps.rle_id()).alias("at"), pl.col("text").str.slice(size).alias("rest"),
                         *(column for column in usual if column.meta.output_name() != "rest"))
    return lines, *_with_id(lines)


def _times(stamps: pl.Series, clock: Clock) -> pl.Series:
    """UTC times of stamps, as a main log has them."""
    stamp = pl.col("stamp").str.strip_suffix(" ")
    date, time = stamp.str.slice(0, 10), stamp.str.slice(11)
    known = stamps.alias("stamp").to_frame().select(
        pl.concat_str(date, pl.lit("T"), time).alias("stamp"), pl.lit(0).alias("year"))
    return clock.utc(known)


def _with_id(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Move the message id, of either length, out of `rest`: the lines that have one, and the others."""
    parts = []
    for form, size in ((_OLD_ID, 16), (_NEW_ID, 23)):
        mine = lines["rest"].str.contains(f"^{form} ")
        if mine.any():
            parts.append(lines.lazy().filter(mine).with_columns(
                rest.str.slice(0, size).alias("id"), rest.str.slice(size + 1).alias("rest")).collect())
            lines = lines.filter(~mine)
    lines = lines.with_columns(pl.lit(None, pl.String).alias("id"))
    return pl.concat(parts) if parts else lines.clear(), lines


def read(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a main log or of a syslog file, in file order."""
    lines = head_of(source.path).lines[:500]
    # What was added to a syslog file since it was read last may be of other programs alone.
    wrapped = syslog.looks_like_syslog(lines) and (
        any(map(_SYSLOG.search, lines)) or not any(re.match(_STAMP, line) for line in lines))
    return read_syslog(source, [Exim(), Dovecot()], block_bytes) if wrapped else read_plain(source, block_bytes)


FORMAT = Format("exim", "mail", recognise, read, growth="lines", remembers=True)
