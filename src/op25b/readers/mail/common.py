"""What the readers of mail logs share: events from the lines of several daemons, and the accounting of a block.

One file often holds the lines of several programs (Sendmail and Dovecot in one `maillog`), so each reader of syslog
files reads the lines of every `Daemon` it is given, not only those of the one that names the format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import polars as pl

from op25b import schema
from op25b.names import escaped
from op25b.readers.base import Batch, Head, Reject, Source, canonical_ips, rejects
from op25b.readers.mail import syslog
from op25b.readers.mail.clock import Clock
from op25b.readers.text import BLOCK_BYTES, ahead, opened, readable

TABLE = schema.raw_table("mail_event")
Parser = Callable[[pl.DataFrame], pl.LazyFrame | Sequence[pl.LazyFrame]]
Events = Sequence[pl.DataFrame]
"""Events of the lines of a block in several frames, each with some of the columns of `EVENT`.

Those of one line are in the order of the frames. To put them into one frame is left to `account`, since a frame with
all columns of all events is mostly NULL.
"""
FINE = pl.lit(None, pl.String)
# A quoted local part may hold anything, also what looks like the rest of the line.
QUOTED = r'"(?:[^"\\]|\\.)*"'
DSN = r"[245]\.[0-9]{1,3}\.[0-9]{1,3}"
_DOMAIN = r"@(\[[^\]]*\]|[^@\"]*)$"
# Rotation and compression add these to a log's name: .1, .02, -20260131, .gz, .log
_ROTATION = r"(?:\.(?:gz|bz2|xz|zst|log|[0-9]{1,8})|[.-][0-9]{6,8})$"
# Sessions remembered from block to block; more can hardly be open at once.
_REMEMBERED = 200_000
# Columns of the events of a block before they are accounted for.
_COLUMNS: dict[str, Any] = {"line": pl.Int64, "times": pl.Int64, **TABLE.schema, "reason": pl.String}
EVENT = pl.Schema({name: kind for name, kind in _COLUMNS.items() if name not in {"day", "source"}})


class Daemon(Protocol):
    """How the lines of one mail program become events; may remember sessions from block to block.

    `marks` is a pattern that every line of interest has, `programs` one of the tags of its processes.
    """

    marks: ClassVar[str]
    programs: ClassVar[str]

    def events(self, lines: pl.DataFrame) -> Events:
        """Events of lines (columns of `syslog.Lines`), all of this program."""
        ...


def read_syslog(source: Source, daemons: Sequence[Daemon], block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a syslog file in which these daemons log; the first one has most of the lines.

    A block is accounted for while the events of the next one are made.
    """
    for events, lines in ahead(_read_syslog(source, daemons, block_bytes)):
        yield account(events, lines.count, lines.bad, lines.frame, lines.first_line, source.known_lines)


def _read_syslog(source: Source, daemons: Sequence[Daemon], block_bytes: int) -> Generator[
        tuple[Events, syslog.Lines], None, None]:
    marks = "|".join(daemon.marks for daemon in daemons)

    def whose(processes: pl.DataFrame) -> pl.DataFrame:
        tests = [pl.when(pl.col("tag").str.contains(rf"^(?:{daemon.programs})(?:\[|$)")).then(number)
                 for number, daemon in enumerate(daemons)]
        return processes.with_columns(pl.coalesce(tests).alias("daemon"))

    for lines in syslog.read(Clock(source), marks, whose, block_bytes):
        frame, events = lines.frame, list[pl.DataFrame]()
        for number, daemon in enumerate(daemons):
            part, _ = apart(frame, frame["daemon"] == number)
            if part.height:
                events.extend(daemon.events(part))
        yield events, lines


def apart(frame: pl.DataFrame, mask: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows for which the mask is true, and the others; nothing is copied where that are all."""
    return (frame, frame.clear()) if mask.all() else (frame.filter(mask), frame.filter(~mask))


def whole(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with their message as one text, `rest`, too, where they do not have it."""
    if "rest" in lines.columns:
        return lines
    return lines.with_columns(pl.concat_str("first", "body", separator=": ", ignore_nulls=True).alias("rest"))


def by_kind(lines: pl.DataFrame, kinds: Mapping[str, pl.Expr], parsers: Mapping[str, Parser]) -> Events:
    """The events of lines, each read by the parser of the first kind it is of; lines of no kind are left out."""
    parts = list[pl.LazyFrame]()
    for name, test in kinds.items():
        if lines.is_empty():
            break
        # The first kinds are the frequent ones, so the others' patterns see few lines.
        mine = lines.select(test.fill_null(value=False).alias("mine"))["mine"]
        if mine.any():
            part, lines = apart(lines, mine)
            found = parsers[name](part)
            parts.extend([found] if isinstance(found, pl.LazyFrame) else found)
    return made(parts)


def made(parts: Sequence[pl.LazyFrame]) -> Events:
    """The events that these frames give, with their addresses in canonical form."""
    return [addressed(found) for found in pl.collect_all(parts)]


def addressed(events: pl.DataFrame) -> pl.DataFrame:
    """Events with their addresses in canonical form."""
    keys = {"client_ip": "client_key", "next_hop_ip": ""}
    have = set(events.columns)
    return canonical_ips(events, {name: key for name, key in keys.items() if name in have and key not in have})


def event(part: pl.LazyFrame, name: str, reason: pl.Expr, *columns: pl.Expr) -> pl.LazyFrame:
    """Events of one name: what all of them have, and `columns`."""
    return part.select("line", "times", "at", pl.col("host").alias("mta_host"), pl.lit(name).alias("event"), *columns,
                       reason.alias("reason"))


def account(events: Events, count: int, bad: list[Reject], texts: pl.DataFrame, first_line: int = 1,  # noqa: PLR0917
            known_lines: int = 0) -> Batch:
    """The batch of a block of `count` lines from its events.

    An event with a `reason`, or without a time, makes its line a rejected one; `texts` has the lines as `syslog.Lines`
    has them, or their line and rest.
    """
    if first_line <= known_lines:
        events = [part.filter(pl.col("line") > known_lines) for part in events]
        bad = [reject for reject in bad if (reject[0] or 0) > known_lines]
        count -= min(known_lines - first_line + 1, count)
    if any(part["reason"].null_count() < part.height or part["at"].null_count() for part in events):
        reason = pl.when(pl.col("at").is_null()).then(pl.lit("impossible time stamp")).otherwise("reason")
        wrong = pl.concat([part.select("line", reason.alias("reason")) for part in events])
        wrong = wrong.filter(pl.col("reason").is_not_null()).unique("line", keep="first", maintain_order=True)
        named = wrong.join(texts, on="line", how="left")
        bad = bad + [(line, None, why, text) for line, why, text in whole(named)["line", "reason", "rest"].iter_rows()]
        events = [part.join(wrong, on="line", how="anti") for part in events]
    lines, rows = _in_order([part for part in events if part.height] or [pl.DataFrame(schema=EVENT)])
    kept_lines = lines.n_unique()  # quick where it is known to be sorted
    return Batch(rows, count, kept_lines, rejects(sorted(bad, key=lambda reject: reject[0] or 0)))


def _in_order(parts: Events) -> tuple[pl.Series, pl.DataFrame]:
    """The lines of all events in order, and the events in that order, each as often as its line counts."""
    lines = pl.concat([part["line"] for part in parts])
    order = lines.to_frame().with_row_index("place").sort("line", maintain_order=True)
    columns: dict[tuple[int, ...], list[str]] = {}  # by the numbers of the parts that have them
    for name in ("times", *TABLE.schema):
        columns.setdefault(tuple(number for number, part in enumerate(parts) if name in part.columns), []).append(name)
    columns.pop((), None)
    # Only the values that there are are copied: most events have few of the columns. To take rows of a frame in one
    # piece is several times as quick as the expression `gather` or to sort.
    found = [pl.concat([parts[number].select(names) for number in having]).rechunk()[
        _places(parts, having)[order["place"]]] for having, names in columns.items()]
    events = pl.concat(found, how="horizontal")
    return order["line"], _repeated(events).select(name for name in TABLE.schema if name in events.columns)


def _places(parts: Events, having: tuple[int, ...]) -> pl.Series:
    """Where the values of each part's rows are when those of the parts `having` them are put together; else NULL."""
    places, length = [], 0
    for number, part in enumerate(parts):
        if number in having:
            places.append(pl.int_range(length, length + part.height, dtype=pl.UInt32, eager=True))
            length += part.height
        else:
            places.append(pl.Series([None], dtype=pl.UInt32).new_from_index(0, part.height))
    return pl.concat(places, rechunk=True)


def _repeated(events: pl.DataFrame) -> pl.DataFrame:
    """Each event as often as its line counts (`last message repeated 3 times`)."""
    if events.is_empty() or events["times"].max() == 1:
        return events
    return events.select(pl.all().repeat_by("times")).explode(events.columns)


def latest(known: pl.DataFrame, fresh: pl.DataFrame, keys: list[str], most: int = _REMEMBERED) -> pl.DataFrame:
    """What is known of each session after a block: the new facts before the old ones, and not without limit."""
    if fresh.is_empty():
        return known
    return pl.concat([known, fresh]).unique(keys, keep="last", maintain_order=True).tail(most)


def so_far(lines: pl.LazyFrame, known: pl.DataFrame, fresh: pl.DataFrame, keys: list[str]) -> pl.LazyFrame:
    """Lines with the last of `fresh` before each of them (or on it), else what is `known` of earlier blocks."""
    facts = pl.concat([known.with_columns(pl.lit(0, pl.Int64).alias("line")), fresh], how="diagonal").sort("line")
    return lines.sort("line").join_asof(facts.lazy(), on="line", by=keys, check_sortedness=False)


def head_of(path: Path) -> Head:
    """The start of a file, to decide which of a format's forms it has."""
    with opened(path) as stream, readable(path):
        return Head(path, stream.read(64 * 1024))


def host_of(path: Path) -> str:
    """The name that stands for the server of a log that names none: the file's, without what rotation adds.

    `current` and `@4000...` are all that multilog calls its files, so there it is the directory's.
    """
    name = path.name
    while (shorter := re.sub(_ROTATION, "", name)) not in {name, ""}:
        name = shorter
    return escaped(path.resolve().parent.name if name == "current" or name.startswith("@") else name)


def domain(address: pl.Expr) -> pl.Expr:
    """Domain of an address in lower case; empty text for the null sender; NULL for a bare local name."""
    inner = address.str.strip_chars("<>")
    return pl.when(inner == "").then(pl.lit("")).otherwise(inner.str.extract(_DOMAIN).str.to_lowercase())


def field(name: str) -> pl.Expr:
    """A group of the pattern whose groups are in column `f`."""
    return pl.col("f").struct.field(name)


def cut(text: pl.Expr, mark: str) -> tuple[pl.Expr, pl.Expr]:
    """What stands before and after the first `mark` (NULL after where there is none); quicker than a pattern."""
    parts = text.str.splitn(mark, 2).struct
    return parts.field("field_0"), parts.field("field_1")


def parted(lines: pl.DataFrame, column: str, mark: str, before: str, after: str) -> pl.DataFrame:
    """Add what stands before and after the first `mark` in a column as two more."""
    # Fields of an expression would each split the text anew; unnest of a frame does not.
    parts = pl.col(column).str.splitn(mark, 2).struct.rename_fields([before, after]).alias("parts")
    return lines.select(pl.exclude(before, after), parts).unnest("parts")


def unless(good: pl.Expr, reason: str) -> pl.Expr:
    """Why a line cannot be used, NULL where `good`."""
    return pl.when(good.fill_null(value=False)).then(None).otherwise(pl.lit(reason))


def port(text: pl.Expr) -> pl.Expr:
    """A port; NULL where the text is none."""
    number = integer(text)
    return pl.when(number.is_between(0, 65535)).then(number)


def integer(text: pl.Expr, dtype: type[pl.Int32 | pl.Int64] = pl.Int32) -> pl.Expr:
    """A number; NULL where the text is none or too large to be one."""
    return text.cast(dtype, strict=False)
