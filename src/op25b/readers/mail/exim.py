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

Sources: chapter "Log files" of the Exim specification, the program itself (4.96) and its test suite. Message ids of
both forms (6-6-2; 6-11-4 since 4.97) and every log selector are read. What a reader of the result should know:

- A main log does not name its server: `mta_host` is the file's name without what rotation adds (`mx1-mainlog.2.gz`
  → `mx1-mainlog`), so files of several servers need names of their own. Through syslog it is the host.
- `listener_port` is known with the selector `incoming_interface` only, `recipients` with `received_recipients`.
- A success of AUTH is logged with each message and at no other time, so there is one auth event a message.
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
from op25b.readers.mail.common import account, head_of, host_of, in_pairs, read_syslog, whole
from op25b.readers.mail.dovecot import Dovecot
from op25b.readers.mail.exim_events import parsed
from op25b.readers.text import BLOCK_BYTES, Block, blocks

_STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_OLD_ID = r"[0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}"
_NEW_ID = r"[0-9A-Za-z]{6}-[0-9A-Za-z]{11}-[0-9A-Za-z]{4}"
_SELECTED = rf"^(?P<stamp>{_STAMP}(?:\.[0-9]+)?)(?P<zone> [+-][0-9]{{4}})?(?P<pid> \[[0-9]+\])? "
_PREFIX = rf"^(?:\[1/[0-9]+\] )?(?:{_STAMP}(?:\.[0-9]+)?(?: [+-][0-9]{{4}})? )?(?:\[[0-9]+\] )?"
# Literals of which every line that matters has one.
_MARKS = [" <= ", " => ", " -> ", " >> ", " ** ", " == ", " (= ", " Completed", "rejected", "authenticator failed for",
          "refused connection"]
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

    def events(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Events of lines (see `syslog.Lines`)."""
        lines = whole(lines)
        # `[1/3]` begins an entry that was split for its length, `[1\\9]` one of the reject log.
        return parsed(self._once(_with_id(lines.with_columns(rest.str.replace(_PREFIX, "")))))

    def _once(self, lines: pl.DataFrame) -> pl.DataFrame:
        keys = ["at", "host", "tag", "rest"]
        refusal = identifier.is_null() | rest.str.contains("rejected", literal=True)
        said = lines.filter(refusal)
        new = said.unique(keys, keep="first").join(self._said, on=keys, how="anti")
        seen = pl.concat([self._said, said.select(keys)]).unique()
        self._said = seen.filter(pl.col("at") >= seen["at"].max() - pl.duration(seconds=5)) if seen.height else seen
        return pl.concat([lines.filter(~refusal), new.select(lines.columns)])


def recognise(head: Head) -> str | None:
    """Lines with a message id and a flag, or Exim's words for failed logins and refusals, among the first."""
    lines = head.lines[:500]
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
    text = pl.col("text")
    frame = pl.DataFrame({"text": block.lines}).select(
        pl.int_range(block.first_line, block.first_line + pl.len()).alias("line"), "text")
    stamped = text.str.contains(rf"^{_STAMP}[ .]")
    bad: list[Reject] = []
    if not frame.select(stamped.all()).item():
        # The second and later lines of an entry begin with a blank.
        other = frame.filter(~stamped & text.str.contains(r"^\S"))
        bad = [(line, None, "no time stamp", content) for line, content in other["line", "text"].iter_rows()]
        frame = frame.filter(stamped)
    lines = _split(frame.filter(text.str.contains_any(_MARKS)), host)
    lines = lines.with_columns(_times(lines["stamp"], clock))
    return account(parsed(lines), block.lines.len(), bad, lines.select("line", "rest"))


def _times(stamps: pl.Series, clock: Clock) -> pl.Series:
    """UTC times; lines of one second stand together, so each run of equal stamps is looked at once."""
    runs = stamps.rle_id()
    stamp = pl.col("stamp").str
    known = pl.DataFrame({"run": runs, "stamp": stamps}).unique("run", keep="first").sort("run").select(
        pl.concat_str(stamp.slice(0, 10), pl.lit("T"), stamp.slice(11)).alias("stamp"), pl.lit(0).alias("year"))
    return clock.utc(known).gather(runs).alias("at")


def _split(frame: pl.DataFrame, host: str) -> pl.DataFrame:
    """Stamp, message id and rest of the lines of a main log."""
    text = pl.col("text")
    stamp, start = text.str.slice(0, 19), pl.lit(20)
    selected = (text.str.slice(19, 1) != " ") | text.str.slice(20, 1).is_in(["+", "-", "["])
    if frame.select(selected.any()).item():  # log selectors
        frame = frame.with_columns(text.str.extract_groups(_SELECTED).struct.unnest())
        stamp = pl.concat_str("stamp", pl.col("zone").fill_null(""))
        start = pl.sum_horizontal(pl.col(name).str.len_bytes() for name in ("stamp", "zone", "pid")) + 1
    frame = frame.select(
        "line", pl.lit(1, pl.Int64).alias("times"), pl.lit(host).alias("host"), stamp.alias("stamp"),
        text.str.slice(start).alias("rest"),
    )
    return _with_id(frame)


def _with_id(lines: pl.DataFrame) -> pl.DataFrame:
    """Move the message id, of either length, out of `rest`."""
    old, new = rest.str.contains(rf"^{_OLD_ID} "), rest.str.contains(rf"^{_NEW_ID} ")
    lengths = lines.select(pl.when(old).then(16).when(new).then(23).alias("length"))["length"]
    if lengths.n_unique() == 1 and lengths.null_count() == 0:
        size = int(lengths[0])
        return lines.with_columns(rest.str.slice(0, size).alias("id"), rest.str.slice(size + 1).alias("rest"))
    return lines.with_columns(lengths).with_columns(
        pl.when(pl.col("length").is_not_null()).then(rest.str.slice(0, pl.col("length"))).alias("id"),
        rest.str.slice((pl.col("length") + 1).fill_null(0)).alias("rest"),
    ).drop("length")


def read(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a main log or of a syslog file, in file order."""
    lines = head_of(source.path).lines[:500]
    wrapped = syslog.looks_like_syslog(lines) and any(map(_SYSLOG.search, lines))
    return read_syslog(source, [Exim(), Dovecot()], block_bytes) if wrapped else read_plain(source, block_bytes)


FORMAT = Format("exim", "mail", recognise, read, growth="lines")
