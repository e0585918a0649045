"""Syslog lines as columns: time stamps in the forms syslog daemons write, host, tag and message.

Forms read: RFC 3164 (`Nov 24 12:00:01`, no year, local time), the same with a year in front or with a fraction, ISO
8601 with or without fraction and zone (rsyslog's and systemd's default), RFC 5424, each with or without a `<priority>`,
with or without facility and level as words, and what `headers.usual` rewrites as one of these. `message repeated
N times: [ ... ]` (rsyslog) and `last message repeated N times` (others) stand for that message N times.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

import polars as pl

from op25b.memo import Memo
from op25b.readers.base import Head, Reject
from op25b.readers.mail import headers
from op25b.readers.mail.clock import Clock
from op25b.readers.text import BLOCK_BYTES, Block, ahead, blocks

_BSD = r"^[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} "
_FRACTION = r"^([A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]+) "
_YEAR_BSD = r"^[0-9]{4} [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} "
_BLANK_DATE = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}) "
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
_KNOWN = "|".join([_BSD, _YEAR_BSD, _ISO, _FRACTION])
_PRIORITY = r"^<[0-9]{1,3}>(?:1 )?"
# RFC 5424 has `app procid msgid structured-data` where others have `tag:`.
_RFC5424 = r"^([^\s:\[]+) ([0-9]+|-) \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: \x{FEFF}?|$)"
_REPEATED = r"^message repeated ([0-9]+) times(?:: \[ ?(.*)\])?$"
# Solaris puts `[ID number facility.level]` before every message.
_SOLARIS = r"^\[ID [0-9]+ \S+\] "
# FreeBSD's syslogd -v puts facility and level before the host, Busybox' after it, as AIX' does with `:` between them
# (`mail:info`, and `auth|security:info`, as these are two names of one facility).
_LEVEL = (r"^<?(?:mail|daemon|user|auth|auth\|security|authpriv|syslog|local[0-7])[.:]"
          r"(?:debug|info|notice|warning|warn|err|error|crit|alert|emerg)>?$")
MAX_REPEATS = 9999


Describe = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Lines:
    """The lines of one block that may matter, and what is known of the others.

    `frame` has line, at (UTC, NULL where the stamp is no time), host, tag (`postfix/smtpd[1]`), what the reader says of
    these two, first and body (what stands before and after the first `: ` of the message), and times (how often the
    line counts); `count` is the number of all lines of the block, from `first_line` on; `bad` are lines that are not
    syslog's.
    """

    frame: pl.DataFrame
    first_line: int
    count: int
    bad: list[Reject]


def read(clock: Clock, marks: str, describe: Describe, size: int = BLOCK_BYTES) -> Iterator[Lines]:
    """Yield the lines of the clock's file that match the pattern `marks`, block by block.

    `marks` is a cheap test (an alternation of literals) that drops most lines before anything is done to them.
    `describe` adds columns to a frame of host and tag, one of them `daemon`: NULL for processes of no interest.
    A block is made while the one before it is used.
    """
    return ahead(_read(clock, marks, describe, size))


def _read(clock: Clock, marks: str, describe: Describe, size: int) -> Generator[Lines, None, None]:
    before = ""
    processes = _processes(describe)
    for block in blocks(clock.source.path, size):
        yield _lines(block, clock, marks, before, processes)
        before = block.lines[-1]


def first_lines(head: Head) -> list[str]:
    """The first lines of a file, those with unusual headers rewritten as they are when they are read."""
    return headers.usual(pl.Series(head.lines, dtype=pl.String), _KNOWN).to_list()


def looks_like_syslog(lines: list[str]) -> bool:
    """Whether one of the first lines has a syslog time stamp."""
    texts = _without_priority(pl.Series(lines[:50], dtype=pl.String))
    return bool(headers.usual(texts, _KNOWN).str.contains(_KNOWN).any())


def _lines(block: Block, clock: Clock, marks: str, before: str, processes: Memo) -> Lines:
    texts = block.lines
    # Lines of one second stand together, so each stamp is looked at once.
    run, stamps = _runs(texts)
    if stamps.str.starts_with("<").any():
        texts = _without_priority(texts)
        run, stamps = _runs(texts)
    numbers = pl.int_range(block.first_line, block.first_line + pl.len()).alias("line")
    wanted = pl.col("text").str.contains(rf"{marks}|message repeated ")
    frame = texts.alias("text").to_frame().lazy().with_columns(numbers)
    bad: list[Reject] = []
    if stamps.str.contains(_BSD).all():
        years = clock.years(stamps)
        runs = pl.DataFrame({"stamp": stamps.str.slice(0, 15), "year": years})
        runs = runs.with_columns(clock.utc(runs).alias("at"))
        few = frame.with_columns(run).filter(wanted).collect()
        few = few.hstack(runs.select("at", "year")[few["run"]])
        found = _lined(few, few["text"].str.slice(16), processes, block, before)
    elif texts.str.contains(_ISO).all():
        few = frame.filter(wanted).with_columns(pl.col("text").str.replace(_BLANK_DATE, "${1}T")).collect()
        parts = few["text"].str.splitn(" ", 2).struct.unnest()
        few = few.with_columns(parts["field_0"].alias("stamp"), pl.lit(0).alias("year"))
        few = few.with_columns(clock.utc(few).alias("at"))
        found = _lined(few, parts["field_1"], processes, block, before)
    elif (usual := headers.usual(texts, _KNOWN)) is not texts:
        return _lines(replace(block, lines=usual), clock, marks, before, processes)
    else:
        text = pl.col("text")
        whole = frame.with_columns(clock.years(texts).alias("year")).collect()
        few = _split(whole.filter(wanted))
        found = _unusual(few.with_columns(clock.utc(few).alias("at")), processes, block, before)
        other = whole.filter(~text.str.contains(_KNOWN) & (text.str.strip_chars() != ""))
        bad = [(line, None, "no syslog time stamp", content) for line, content in other["line", "text"].iter_rows()]
    if found.height and found["times"].max() != 1:
        too_often = pl.col("times") > MAX_REPEATS
        bad += [(line, None, f"repeated more than {MAX_REPEATS} times", None)
                for line in found.filter(too_often)["line"]]
        found = found.filter(~too_often)
    return Lines(found, block.first_line, texts.len(), bad)


def _runs(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The number of the run of lines with the same beginning that each line is in, and how each run begins."""
    starts = texts.str.slice(0, 16)
    run = starts.rle_id().alias("run")
    return run, starts.filter(run.diff().fill_null(1) != 0)


def _processes(describe: Describe) -> Memo:
    """What is known of each `host tag`; `usual` where it is not more than these two words."""

    def known(heads: pl.Series) -> pl.DataFrame:
        words = heads.str.splitn(" ", 3).struct.rename_fields(["host", "tag", "more"]).struct.unnest()
        named = pl.col("tag").is_not_null()
        return describe(words.select(
            pl.when(named & ~pl.col("host").str.contains(_LEVEL)).then("host").otherwise(pl.lit("-")).alias("host"),
            pl.when(named).then("tag").otherwise("host").alias("tag"), pl.col("more").is_null().alias("usual"),
        ))

    return Memo(known)


def _lined(few: pl.DataFrame, messages: pl.Series, processes: Memo, block: Block, before: str) -> pl.DataFrame:
    """Columns of `Lines.frame` from line, at, year, text and `host tag: first: body`."""
    parts = messages.str.splitn(": ", 3).struct.rename_fields(["head", "first", "body"]).struct.unnest()
    known = processes.of(parts["head"])
    unusual = ~known["usual"].fill_null(value=False) | parts["first"].str.starts_with("message repeated ").fill_null(
        value=False)
    ours = ~unusual & known["daemon"].is_not_null() & parts["first"].is_not_null()
    found = few.select("line", "at", pl.lit(1, pl.Int64).alias("times")).hstack(known.drop("usual")).hstack(
        parts.select("first", "body"))
    if not ours.all():
        found = found.filter(ours)
    if found["first"].str.starts_with(" ").any():
        found = found.with_columns(pl.col("first").str.strip_chars_start(" "))
    if found["first"].str.starts_with("[ID ").any():
        found = found.with_columns(pl.col("first").str.replace(_SOLARIS, ""))
    if not unusual.any():
        return found
    rest = few.filter(unusual)
    other = _split(rest.select("line", "year", "text")).join(rest.select("line", "at"), on="line")
    return pl.concat([found, _unusual(other, processes, block, before)]).sort("line")


def _unusual(split: pl.DataFrame, processes: Memo, block: Block, before: str) -> pl.DataFrame:
    """Columns of `Lines.frame` from line, at, host, tag and rest of lines of any form."""
    split = _repeats(split.with_columns(pl.lit(1, pl.Int64).alias("times")), block, before)
    split = split.filter(pl.col("tag").str.ends_with(":"))
    known = processes.of(split["host"] + " " + split["tag"].str.strip_suffix(":"))
    parts = split["rest"].str.splitn(": ", 2).struct.rename_fields(["first", "body"]).struct.unnest()
    found = split.select("line", "at", "times").hstack(known.drop("usual")).hstack(parts)
    return found.filter(known["daemon"].is_not_null())


def _without_priority(texts: pl.Series) -> pl.Series:
    return texts.str.replace(_PRIORITY, "")


def _split(frame: pl.DataFrame) -> pl.DataFrame:
    """Line, year, stamp, host, tag, rest of the lines that have a stamp, in their order."""
    text = pl.col("text")

    def stamped(kind: pl.Expr, stamp: pl.Expr) -> pl.DataFrame:
        return _fields(frame.lazy().filter(kind), stamp.str.len_chars(), "year", stamp.alias("stamp"))

    bsd = text.str.contains(_BSD)
    iso, dated = text.str.contains(_ISO), text.str.contains(_YEAR_BSD)
    parts = [stamped(bsd, text.str.slice(0, 15)), stamped(dated, text.str.slice(0, 20)),
             stamped(text.str.contains(_FRACTION), text.str.extract(_FRACTION)), _split_iso(frame.filter(iso))]
    return _hosted(pl.concat(parts).sort("line"))


def _hosted(split: pl.DataFrame) -> pl.DataFrame:
    """The lines that have host, tag and rest, without what comes before the message in some logs."""
    split = _without_level(split).filter(pl.col("rest").is_not_null())
    if split["host"].str.ends_with(":").any():
        split = _with_host(split)
    # Some put two blanks after the tag.
    return split.with_columns(pl.col("rest").str.strip_chars_start(" ").str.replace(_SOLARIS, ""))


def _without_level(split: pl.DataFrame) -> pl.DataFrame:
    """Take the word for facility and level away from where the host or the tag should stand."""
    host, tag = pl.col("host"), pl.col("tag")
    leveled = pl.any_horizontal(column.str.contains(_LEVEL).fill_null(value=False) for column in (host, tag))
    found = split.filter(leveled)
    if found.is_empty():
        return split
    words = [pl.when(~column.str.contains(_LEVEL)).then(column) for column in (host, tag)]
    text = pl.concat_str(*words, "rest", separator=" ", ignore_nulls=True)
    parts = text.str.splitn(" ", 3).struct.rename_fields(["host", "tag", "rest"]).alias("parts")
    found = found.select(pl.exclude("host", "tag", "rest"), parts).unnest("parts").select(split.columns)
    return pl.concat([split.filter(~leveled), found]).sort("line")


def _with_host(split: pl.DataFrame) -> pl.DataFrame:
    """Move host, tag and rest one place on in lines that name no host (it becomes `-`, as in RFC 5424)."""
    hostless = pl.col("host").str.ends_with(":")
    return split.with_columns(
        pl.when(hostless).then(pl.lit("-")).otherwise("host").alias("host"),
        pl.when(hostless).then("host").otherwise("tag").alias("tag"),
        pl.when(hostless).then(pl.concat_str("tag", "rest", separator=" ")).otherwise("rest").alias("rest"),
    )


def _fields(frame: pl.LazyFrame, stamp_length: pl.Expr, *columns: str | pl.Expr) -> pl.DataFrame:
    """Line, the given columns, host, tag and rest."""
    parts = pl.col("text").str.slice(stamp_length + 1).str.splitn(" ", 3)
    parts = parts.struct.rename_fields(["host", "tag", "rest"]).alias("parts")
    return frame.select("line", *columns, parts).unnest("parts").collect()


def _split_iso(frame: pl.DataFrame) -> pl.DataFrame:
    # `2026-01-31 12:00:01` (a blank instead of T) is one stamp too.
    text = pl.col("text").str.replace(_BLANK_DATE, "${1}T")
    frame = frame.select("line", "year", text.str.splitn(" ", 2).struct.rename_fields(["stamp", "rest"]).alias("parts"))
    frame = frame.unnest("parts").select(
        "line", "year", "stamp", pl.col("rest").str.splitn(" ", 2).struct.rename_fields(["host", "rest"]).alias("parts")
    ).unnest("parts")
    return frame.select(
        "line", "year", "stamp", "host",
        pl.col("rest").str.replace(_RFC5424, "${1}[${2}]: ").str.splitn(" ", 2).struct.rename_fields(["tag", "rest"])
        .alias("parts"),
    ).unnest("parts")


def _repeats(split: pl.DataFrame, block: Block, before: str) -> pl.DataFrame:
    """Replace lines that stand for repeated messages by the message, with its number in `times`."""
    is_repeat = pl.col("rest").str.starts_with("message repeated ")
    if not split["rest"].str.starts_with("message repeated ").any():
        return split
    repeats = split.filter(is_repeat)
    groups = pl.col("rest").str.extract_groups(_REPEATED)
    repeats = repeats.with_columns(
        groups.struct.field("1").cast(pl.Int64, strict=False).alias("times"), groups.struct.field("2").alias("rest")
    )
    lasts = repeats.filter(pl.col("tag") == "last")
    texts = [block.lines[line - block.first_line - 1] if line > block.first_line else before for line in lasts["line"]]
    texts_before = _without_priority(pl.Series("text", texts, dtype=pl.String))
    previous = _split(lasts.select("line", texts_before, pl.lit(0).alias("year")))
    lasts = lasts.drop("tag", "rest").join(previous.select("line", "host", "tag", "rest"), on=["line", "host"])
    repeats = pl.concat([repeats.filter(pl.col("tag") != "last"), lasts.select(repeats.columns)])
    repeats = repeats.filter(pl.col("times").is_not_null() & pl.col("rest").is_not_null())
    return pl.concat([split.filter(~is_repeat), repeats]).sort("line")
