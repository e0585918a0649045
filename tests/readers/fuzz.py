"""Mangles valid files of every text format until a reader breaks one of its promises.

`python -m tests.readers.fuzz [--seconds N] [--format NAME] [--seed N]` prints, for each format, how many files it
read and each distinct failure with the smallest file that shows it. What it found is in `test_fuzz_findings.py`.

The promises: only the project's errors come out; every input row is kept, filtered or rejected; rows are such as their
table allows; neither the size of the blocks, nor compression, nor a cut at the end of a line changes them.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b import readers
from op25b.errors import Op25bError
from op25b.ingest.reading import local_days
from op25b.readers import FORMATS, choose
from op25b.readers.base import BOUNDARY, Batch, Format, Head, Source, ip_key, ip_numbers, parse_ip
from op25b.readers.flows import delimited, jsonlines
from op25b.readers.leases import common as lease_common
from op25b.readers.leases import freeradius, juniper
from op25b.readers.text import BLOCK_BYTES, blocks
from tests.readers import test_postfix, test_properties, test_subscribers_csv
from tests.readers.flows import samples
from tests.readers.leases import test_all as leases
from tests.readers.leases import test_juniper, test_kea, test_map_e
from tests.readers.mail import test_all as mail

SLOW_SECONDS = 4.0
# Where a log is cut the beginning of a port block is lost to the reader, not to `lease`: there a cut may change rows.
REMEMBERING = {"juniper-port-blocks"}
ZONES = ["Asia/Tokyo", "UTC", "America/New_York", "Asia/Kolkata"]
ORDERED = [("first_seen", "last_seen"), ("start", "end"), ("ip_first", "ip_last"), ("port_first", "port_last")]
EVENTS = {
    "mail_event": {"accepted", "queued", "delivery", "removed", "rejected", "auth"},
    "lease_record": {"start", "interim", "stop", "reset"},
}
COUNTS = ["packets", "bytes", "reply_packets", "reply_bytes", "size_bytes", "recipients"]
WORDS = {"status": {"sent", "deferred", "bounced", "expired"}, "kind": {"radius", "dhcp", "cgnat", "map-e", "static"}}
KEYS = {"src_ip": None, "dst_ip": None, "client_ip": "client_key", "next_hop_ip": None}
NUMBERS = {"src_ip": "src", "dst_ip": "dst"}

HOSTILE = [
    b"", b"0", b"-1", b"65536", b"4294967296", b"9223372036854775807", b"9223372036854775808", b"99999999999999999999",
    b"9" * 400, b"1e308", b"1e400", b"NaN", b"nan", b"inf", b"-inf", b"-0", b"+25", b" 25", b"25 ", b"0025", b"0x19",
    b"0x", b"0xffffffffffff", b"25.0", b"2_5", "２５".encode(), "٢٥".encode(), "²".encode(), b"null", b"None", b"true",
    b"\x00", b"\x01\x1b[31m", b"\x7f", b'"', b'""', b'"a', b"'", b"`", b"\\", b"\\\\", b"[", b"]", b"{", b"}", b"(",
    b")", b"<", b">", b"<>", b"<@>", b",", b";", b"|", b"\t", b":", b": ", b"=", b", ", b"#", b"@", b"%s", b"$1", b"..",
    b"/", b"-", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", "\u2028".encode(),
    "\x85".encode(), "\u202e".encode(), "日本語".encode(), "\u3000".encode(), b"\x0b", b"\x0c", b"\x1c", b"\r",
    b"\r\r\n", b"\n", b"\n\n", b"::ffff:1.2.3.4", b"::ffff:1.2.3.4%eth0", b"fe80::1%1", b"::", b"0.0.0.0", b"1.2.3",
    b"1.2.3.4.5", b"01.2.3.4", b"256.1.1.1", b"1.2.3.4/33", b"1.2.3.4/0", b"::/0", b"2001:db8::/129", b"IPv6:::1",
    b"ffff:" * 9,
    b"2026-02-30 00:00:00", b"0000-01-01 00:00:00", b"9999-12-31 23:59:59", b"2026-02-30T25:61:61Z",
    b"1969-12-31T23:59:59Z", b"2026-01-31T12:00:00+99:99", b"2026-01-31T12:00:00.1234567891+0900", b"Feb 30 00:00:00",
    b"Jan  0 00:00:00", b"Dec 31 23:59:60", b"Jan 31 24:00:00", b"0000 Jan  1 00:00:00", b"9999 Dec 31 23:59:59",
    b"@400000000000000000000000", b"@ffffffffffffffffffffffff", b"253402300800", b"1769860800", b"-62135596800",
    b"message repeated 99999999999999999999 times: [ x ]", b"message repeated 2 times: [ ",
    b"last message repeated 3 times", b"\\ud800", b"\\u0000", b'"\\ud800"', b"{}", b"[]", b"[" * 2000, b'{"a":' * 2000,
    b"x" * 70_000, b"(?:a+)+$", b"&#x0a",
]
NUMBER, ADDRESS = re.compile(rb"[0-9]+"), re.compile(rb"[0-9]+(?:\.[0-9]+){3}|[0-9a-f]+(?::+[0-9a-f]+){2,}")
MOMENT = re.compile(rb"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ][0-9:.]+Z?|"
                    rb"[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{2}:[0-9:]+")
DELIMITERS = [b",", b"\t", b"|", b";", b":", b" ", b"=", b'"', b"<", b"["]


@dataclass(frozen=True)
class Target:
    """One format, and valid files of it."""

    form: Format
    seeds: tuple[bytes, ...]

    @property
    def name(self) -> str:
        return f"{self.form.kind}/{self.form.name}"


@dataclass(frozen=True)
class Case:
    """One file, how it is read, and the second reading that must give the same; `cut` is a place in the file."""

    data: bytes
    settings: dict[str, Any]
    again: str
    cut: int = 0


@dataclass
class Reading:
    """What came out of a file before its end or an error of ours."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    rows_read: int = 0
    rows_kept: int = 0
    rejected: list[tuple[Any, ...]] = field(default_factory=list)
    error: str = ""

    def frame(self) -> pl.DataFrame | None:
        return pl.concat(self.frames) if self.frames else None

    def latest(self) -> datetime | None:
        frame = self.frame()
        return None if frame is None or "at" not in frame.columns else frame["at"].max()  # type: ignore[return-value]


@dataclass(frozen=True)
class Failure:
    """A broken promise: `key` is the same for what is probably the same defect."""

    key: str
    detail: str


class Broken(Exception):  # noqa: N818 -- a finding
    """A promise that a reader did not keep."""


def targets() -> list[Target]:
    """Every text format with the samples of its tests."""
    seeds: dict[str, list[bytes]] = {}
    for name, text in samples.TEXT.values():
        seeds.setdefault(f"flows/{name}", []).append(text.encode())
    mapped = samples.OWN_CSV.splitlines()
    pairs = zip(mapped[0].split(","), mapped[1].split(","), strict=True)
    seeds["flows/json"] = [("{" + ", ".join(f'"{name}": "{value}"' for name, value in pairs) + "}\n").encode() * 3]
    for form, log in mail.SAMPLES:
        seeds.setdefault(f"mail/{form.name}", []).append(log.lstrip("\n").encode())
    few = b"\n".join(test_properties.FEW) + b"\n"
    stamp = "Jul 10 12:00:00 mx1 postfix/"
    deliveries = "".join(f"{stamp}smtp[7]: 3F2A1B: {line}\n" for line, _ in test_postfix.DELIVERIES.values())
    real = test_properties.LOG
    seeds["mail/postfix"] = [few, deliveries.encode(), real[: real.index(b"\n", 6000) + 1]]
    for name, texts in leases.SAMPLES.items():
        seeds[f"leases/{name}"] = [text.encode() for text in texts]
    seeds["leases/freeradius-detail"].append(test_properties.DETAIL[: test_properties.DETAIL.index(b"\n\n", 3000) + 2])
    seeds["leases/juniper-port-blocks"].append("".join(f"{line}\n" for line in test_juniper.PBA).encode())
    seeds["leases/kea-leases"].append(f"{test_kea.V3}\n".encode())
    seeds["leases/map-e"] = [test_map_e.SAMPLE.encode()]
    seeds["subscribers/csv"] = [
        test_properties.LINES, (test_subscribers_csv.HEADER + "ME1,IP8,true,hiroshima-1,広島,office,letter,ja,u1,pm1\n"
                                "ME2,,,,,,,,001a2b3c4d5e,\n").encode("cp932"),
    ]
    forms = {f"{form.kind}/{form.name}": form for form in FORMATS}
    return [Target(forms[name], tuple(texts)) for name, texts in seeds.items()]


class Mangler:
    """Makes broken files from valid ones; everything it does follows from its seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def case(self, target: Target) -> Case:
        """One file of a format, mangled a little or a lot, read in some way."""
        pick = self.random.choice
        data = self.mangled(target)
        settings = {
            "timezone": pick(ZONES), "year": pick([None, 2026, 2024, 2007]), "sampling_interval": pick([None, 1, 1000]),
            "identify_by": pick(["hardware", "uid", "circuit-id", "remote-id"]),
            "time_unit": pick([None, "s", "ms", "us", "ns"]),
        }
        again = pick(["blocks", "blocks", "gzip", *(["cut"] if target.form.growth in BOUNDARY else [])])
        return Case(data, settings, again, self.random.randrange(len(data) + 1))

    def mangled(self, target: Target) -> bytes:
        data = self.random.choice(target.seeds)
        if self.random.random() < 0.1:
            data += self.random.choice(target.seeds)
        lines = data.splitlines(keepends=True)
        head = 1 + max((at for at, line in enumerate(lines[:12]) if line.startswith(b"#")), default=0)
        kept = lines[:head] if self.random.random() < 0.8 else []
        lines = lines[len(kept) :] or [b""]
        lines = self._piece(lines)
        for _ in range(self.random.choice([1, 1, 2, 3, 6, 15])):
            self.random.choice([self._line, self._field, self._field, self._token, self._token, self._bytes])(lines)
        return self._whole(b"".join(kept + lines))

    def _piece(self, lines: list[bytes]) -> list[bytes]:
        if len(lines) < 30 or self.random.random() < 0.1:
            return list(lines)
        start = self.random.randrange(len(lines))
        return lines[start : start + self.random.randrange(1, 30)]

    def _line(self, lines: list[bytes]) -> None:
        at, other = self.random.randrange(len(lines)), self.random.randrange(len(lines))
        match self.random.randrange(7):
            case 0:
                lines[at] = b""
            case 1:
                lines[at] *= self.random.choice([2, 3, 50])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = lines[at].rstrip(b"\r\n")
            case 4:
                lines[at] = lines[at][: self.random.randrange(len(lines[at]) + 1)]
            case 5:
                lines[at] = self._value() + self.random.choice([b"\n", b"\r\n", b""]) + lines[at]
            case _:
                lines[at] = lines[at] + lines[other]

    def _field(self, lines: list[bytes]) -> None:
        at = self.random.randrange(len(lines))
        between = self.random.choice([mark for mark in DELIMITERS if mark in lines[at]] or [b" "])
        parts = lines[at].rstrip(b"\n").split(between)
        one, other = self.random.randrange(len(parts)), self.random.randrange(len(parts))
        match self.random.randrange(5):
            case 0:
                parts[one] = self._value()
            case 1:
                parts[one], parts[other] = parts[other], parts[one]
            case 2:
                del parts[one]
            case 3:
                parts.insert(one, parts[other])
            case _:
                parts[one] += self._value()
        lines[at] = between.join(parts) + (b"\n" if lines[at].endswith(b"\n") else b"")

    def _token(self, lines: list[bytes]) -> None:
        at = self.random.randrange(len(lines))
        found = list(self.random.choice([NUMBER, ADDRESS, MOMENT]).finditer(lines[at]))
        if found:
            token = self.random.choice(found)
            lines[at] = lines[at][: token.start()] + self._value() + lines[at][token.end() :]

    def _bytes(self, lines: list[bytes]) -> None:
        at = self.random.randrange(len(lines))
        data = bytearray(lines[at] or b"\n")
        place = self.random.randrange(len(data))
        match self.random.randrange(4):
            case 0:
                data[place] = self.random.randrange(256)
            case 1:
                del data[place : place + self.random.randrange(1, 9)]
            case 2:
                data[place:place] = self._value()
            case _:
                data[place] ^= 1 << self.random.randrange(8)
        lines[at] = bytes(data)

    def _value(self) -> bytes:
        return self.random.choice(HOSTILE)

    def _whole(self, data: bytes) -> bytes:
        match self.random.randrange(30):
            case 0:
                return data.replace(b"\n", b"\r\n")
            case 1:
                return data.replace(b"\n", b"\r")
            case 2:
                return b"\xef\xbb\xbf" + data
            case 3:
                return data[: self.random.randrange(len(data) + 1)]
            case 4:
                return data.decode("utf-8", "replace").encode("utf-16")
            case 5:
                return data.rstrip(b"\n")
            case 6:
                return data + self._value()
            case 7:
                return self._value() + data
        return data


def read(form: Format, source: Source, size: int) -> Reading:
    """Read a file in blocks of `size` bytes, as `ingest` does."""
    result = Reading()
    with pytest.MonkeyPatch.context() as patch:
        for module in (delimited, jsonlines):
            patch.setattr(module, "BLOCK_BYTES", size)
        for module in (lease_common, freeradius, juniper):
            patch.setattr(module, "blocks", lambda path: blocks(path, size))
        try:
            for batch in form.read(source, *([size] if form.kind == "mail" else [])):
                _take(form, source, batch, result)
        except Op25bError as error:
            result.error = str(error)
    return result


def _take(form: Format, source: Source, batch: Batch, result: Reading) -> None:
    table = form.table
    filtered = batch.rows_read - batch.rows_kept - batch.rejected.height
    _true(filtered >= 0 and batch.rows_kept >= 0, "the accounting adds up")
    if form.kind in {"flows", "subscribers"}:
        _true(batch.rows_kept == batch.rows.height, "a kept input row is a row")
    result.rows_read += batch.rows_read
    result.rows_kept += batch.rows_kept
    result.rejected += batch.rejected.rows()
    unknown = set(batch.rows.columns) - set(table.schema)
    _true(not unknown, f"no columns but the table's: {sorted(unknown)}")
    if batch.rows.is_empty():
        return
    frame = batch.rows.with_columns(source=pl.lit("x"))
    when = {"flow": "first_seen", "mail_event": "at"}.get(table.name)
    if when is not None:
        frame = frame.with_columns(local_days(frame[when], source.timezone).alias("day"))
    frame = table.conform(frame)
    _possible(form, frame)
    result.frames.append(frame)


def _true(kept: bool, promise: str, value: object = None) -> None:
    if not kept:
        raise Broken(promise if value is None else f"{promise} | {value!r}")


def _possible(form: Format, frame: pl.DataFrame) -> None:
    """Every row is one that the table's declaration allows."""
    for column in form.table.columns:
        values = frame[column.name].drop_nulls()
        _true(column.nullable or values.len() == frame.height, f"{column.name} is never NULL")
        good = _allowed(form.table.name, column.name, values)
        _true(good is None or bool(good.all()), f"{column.name} is possible", values.unique().to_list()[:5])
    for address, key in KEYS.items():
        if address in frame.columns:
            for row in frame.filter(pl.col(address).is_not_null()).unique(address).to_dicts():
                _true(str(parse_ip(row[address])) == row[address], f"{address} is canonical", row[address])
                _true(key is None or row[key] == ip_key(row[address]), f"{key} is {address}'s key", row[address])
                if name := NUMBERS.get(address):
                    halves = row[f"{name}_high"], row[f"{name}_low"]
                    _true(halves == ip_numbers(row[address]), f"{name}_high and _low are {address}'s", row[address])
    for first, last in ORDERED:
        if first in frame.columns:
            _true((frame[first] <= frame[last]).fill_null(value=True).all(), f"{first} is not after {last}")
    if form.kind == "flows":
        _true((frame["protocol"] == 6).all(), "protocol is TCP")


def _allowed(table: str, name: str, values: pl.Series) -> pl.Series | None:
    """Which values of a column are possible; None where there is nothing to say."""
    if name.endswith("_port") or name.startswith("port_"):
        return values.is_between(0, 65535)
    if name in COUNTS:
        return values >= 0
    if name == "sampling_interval":
        return values >= 1
    if name in {"tcp_flags", "forwarding_status"}:
        return values.is_between(0, 255)
    if values.dtype == pl.Datetime("us"):  # 1970 or 2200 of some time zone
        return values.is_between(datetime(1969, 12, 31), datetime(2201, 1, 2))
    if name.endswith("_key") or name in {"ip_first", "ip_last"}:
        return values.str.contains("^[0-9a-f]{32}$")
    if name == "dsn":
        return values.str.contains(r"^[245]\.[0-9]{1,3}\.[0-9]{1,3}$")
    words = EVENTS[table] if name == "event" else WORDS.get(name)
    return None if words is None else values.is_in(words)


def check(target: Target, case: Case, path: Path) -> Failure | None:
    """Read a file once, and once more in another way; the first promise that is not kept."""
    form = target.form
    path.write_bytes(case.data)
    rules = (leases.RULE,)
    source = Source(path, map_e=rules, **case.settings)
    begun = time.process_time()
    try:
        for each in FORMATS:
            each.recognise(Head(path, case.data[: readers.HEAD_BYTES]))
            _true(time.process_time() - begun < SLOW_SECONDS, f"{each.kind}/{each.name} is quick to recognise")
        with contextlib.suppress(Op25bError):
            choose(path, form.kind)
        once = read(form, source, BLOCK_BYTES)
        _true(time.process_time() - begun < SLOW_SECONDS, "it is quick")
        _shown(once, case.data)
        _same(form, once, *_again(form, source, case))
    except Broken as problem:
        return Failure(str(problem).split(" | ")[0], str(problem))
    except Exception as error:  # noqa: BLE001 -- what is being looked for
        return _unexpected(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return _unexpected(error)
    return None


def _unexpected(error: BaseException) -> Failure:
    frames = [entry for entry in traceback.extract_tb(error.__traceback__) if "op25b" in Path(entry.filename).parts]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
    text = "".join(traceback.format_exception(error))
    return Failure(f"{type(error).__name__} in {where}: {re.sub('[0-9]+', 'N', str(error))[:50]!r}", text[-1500:])


def _shown(once: Reading, data: bytes) -> None:
    """Rejected rows have a line of the file, a reason, and an excerpt that can be printed."""
    lines = len(re.split(rb"\r\n|\n|\r", data))
    for line, _, reason, excerpt in once.rejected:
        _true(line is None or 1 <= line <= lines, "a rejected row has a line of the file", (line, lines))
        _true(bool(reason) and reason.isprintable(), "a reason can be printed", reason)
        _true(excerpt is None or (excerpt.isprintable() and len(excerpt) <= 200), "an excerpt can be printed", excerpt)


def _again(form: Format, source: Source, case: Case) -> tuple[Reading, str]:
    path = source.path
    match case.again:
        case "gzip":
            packed = path.with_name(path.name + ".gz")
            packed.write_bytes(gzip.compress(case.data, 1))
            return read(form, replace(source, path=packed), BLOCK_BYTES), "compression"
        case "cut":
            return _in_two_parts(form, source, case), "a cut at the end of a line"
    return read(form, source, 1 + case.cut % 700), "the size of blocks"


def _in_two_parts(form: Format, source: Source, case: Case) -> Reading:
    """Read up to the end of a record, then from there on, as `ingest` reads a log that has grown."""
    boundary = BOUNDARY[form.growth]
    at = case.data.rfind(boundary, 0, case.cut)
    at = 0 if at < 0 else at + len(boundary)
    part = source.path.parent / "part" / source.path.name
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(case.data[:at])
    first = read(form, replace(source, path=part), BLOCK_BYTES)
    lines = case.data.count(b"\n", 0, at)
    known = lines if form.remembers else 0
    part.write_bytes(case.data if form.remembers else case.data[at:])
    second = read(form, replace(source, path=part, resume=first.latest(), known_lines=known), BLOCK_BYTES)
    moved = [(line if line is None else line + lines - known, *rest) for line, *rest in second.rejected]
    return Reading(first.frames + second.frames, first.rows_read + second.rows_read, first.rows_kept + second.rows_kept,
                   first.rejected + moved, first.error or second.error)


def _same(form: Format, once: Reading, again: Reading, what: str) -> None:
    if once.error and again.error:  # how far a broken file is read may differ
        return
    if form.kind == "flows" and what == "the size of blocks" and (once.error or again.error):
        return  # the names of columns are looked for in the first block
    if form.name in REMEMBERING and "cut" in what:
        _true(once.rows_read == again.rows_read, f"{what} loses no row", (once.rows_read, again.rows_read))
        return
    _true(not once.error and not again.error, f"{what} changes no error", once.error or again.error)
    counts = [(each.rows_read, each.rows_kept, len(each.rejected)) for each in (once, again)]
    _true(counts[0] == counts[1], f"{what} changes no count", counts)
    _true(once.rejected == again.rejected, f"{what} changes no rejected row", (once.rejected[:2], again.rejected[:2]))
    one, other = once.frame(), again.frame()
    if one is None or other is None:
        _true(one is other, f"{what} changes no row")
        return
    if form.kind == "leases":  # their order is that of the batches
        one, other = one.sort(one.columns), other.sort(other.columns)
    for name in one.columns:
        _true(one[name].equals(other[name], null_equal=True), f"{what} changes no row: {name}",
              (one[name].to_list()[:8], other[name].to_list()[:8]))


def smallest(target: Target, case: Case, key: str, path: Path, seconds: float = 20) -> Case:
    """Take out lines, then bytes, as long as the same promise is broken."""
    until = time.monotonic() + seconds

    def still(data: bytes, cut: int) -> bool:
        failure = check(target, replace(case, data=data, cut=cut), path)
        return failure is not None and failure.key == key

    for pieces in (re.compile(rb"[^\n]*\n?"), re.compile(rb"[\x00-\xff]")):
        parts = [part for part in pieces.findall(case.data) if part]
        size = max(len(parts) // 2, 1)
        while size and time.monotonic() < until:
            at = 0
            while at < len(parts) and time.monotonic() < until:
                left = parts[:at] + parts[at + size :]
                gone = len(b"".join(parts[at : at + size]))
                for cut in {case.cut, max(case.cut - gone, 0)}:
                    if still(b"".join(left), cut):
                        parts, case = left, replace(case, data=b"".join(left), cut=cut)
                        break
                else:
                    at += size
            size //= 2
    return case


def campaign(target: Target, seconds: float, seed: int, directory: Path, most: int = sys.maxsize) -> tuple[
        int, dict[str, tuple[Case, Failure]]]:
    """Read mangled files of a format for some time: how many, and the first case of each distinct failure."""
    mangler, found, done = Mangler(seed), dict[str, tuple[Case, Failure]](), 0
    for data in target.seeds:  # what is slow the first time only is not counted
        check(target, Case(data, {"timezone": "UTC"}, "blocks", 500), directory / "input.log")
    until = time.monotonic() + seconds
    path = directory / "input.log"
    for case in _cases(target, mangler):
        if time.monotonic() > until or done >= most:
            break
        done += 1
        failure = check(target, case, path)
        if failure is not None and failure.key not in found:
            found[failure.key] = case, failure
    return done, found


def _cases(target: Target, mangler: Mangler) -> Iterator[Case]:
    for seed in target.seeds:  # what is not mangled keeps the promises too
        for again in ("blocks", "gzip"):
            yield Case(seed, {"timezone": "Asia/Tokyo", "year": 2026, "time_unit": "s"}, again, len(seed) // 2)
    while True:
        yield mangler.case(target)


def main(write: Callable[[str], object] = sys.stdout.write) -> int:
    parser = argparse.ArgumentParser(description="mangle valid files of every text format, and read them")
    parser.add_argument("--seconds", type=float, default=60, help="for each format")
    parser.add_argument("--format", default="", help="part of the name of one format, such as mail/postfix")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    warnings.simplefilter("error")
    failures = 0
    for target in targets():
        if options.format not in target.name:
            continue
        with tempfile.TemporaryDirectory() as directory:
            done, found = campaign(target, options.seconds, options.seed, Path(directory))
            write(f"{target.name}: {done} files, {len(found)} failures (seed {options.seed})\n")
            for key, (case, failure) in found.items():
                small = smallest(target, case, key, Path(directory) / "input.log")
                failures += 1
                write(f"  {key}\n    {small.again} {small.cut} {small.settings}\n    {small.data[:2000]!r}\n"
                      f"    {failure.detail}\n")
        sys.stdout.flush()
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
