"""Whatever the input: blocks, compression and damage change nothing but what they must."""

# ruff: noqa: E501, ISC004 -- lines of logs are long

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from op25b.errors import Op25bError
from op25b.readers import FORMATS, choose
from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.leases import freeradius
from op25b.readers.mail import postfix
from op25b.readers.subscribers import csv
from tests.conftest import SAMPLE
from tests.readers.reading import collect
from tests.readers.test_text import COMPRESS

LOG = (SAMPLE / "raw/mail/mail.log").read_bytes()
DETAIL = next((SAMPLE / "raw/radius").iterdir()).read_bytes()
LINES = (SAMPLE / "subscribers.csv").read_bytes()
FEW = [
    b"Dec 31 23:59:59 mx postfix/smtpd[1]: 3F2A1B: client=pc[198.18.0.9], sasl_method=PLAIN, sasl_username=u1@isp.example",
    b"Dec 31 23:59:59 mx postfix/smtpd[1]: 3F2A1C: client=pc[198.18.0.9], sasl_method=PLAIN, sasl_username=u1@isp.example",
    b"Jan  1 00:00:01 mx postfix/smtpd[1]: disconnect from pc[198.18.0.9] ehlo=1 auth=1 quit=1 commands=3",
    b"Jan  1 00:00:01 mx postfix/smtpd[1]: disconnect from pc[198.18.0.9] ehlo=1 auth=1 quit=1 commands=3",
    b"Jan  1 00:00:02 mx postfix/smtpd[2]: warning: pc[198.18.0.9]: SASL LOGIN authentication failed: no, sasl_username=u 2",
    b"Jan  1 00:00:02 mx last message repeated 2 times",
    b"2008-01-01T00:00:03+09:00 mx postfix/smtp[3]: 3F2A1B: to=<a@x.example>, relay=mx[192.0.2.1]:25, delay=1, dsn=2.0.0, "
    b"status=sent (250 \xff\xfe\xe3\x81)",
    b"Jan  1 00:00:03 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from pc[198.18.0.9]: 554 5.7.1 no; from=<a@b.example> "
    b"to=<c@d.example> proto=SMTP",
    b"Jan  1 00:00:04 mx postfix/qmgr[9]: 3F2A1B: removed", b"", b"\x00", b"not syslog", b"Jan 32 00:00:00 mx postfix/x: y",
]


def rows(path: Path, size: int) -> tuple[pl.DataFrame, int, int, list[tuple[object, ...]]]:
    result = collect(postfix.read(Source(path, "Asia/Tokyo", year=2007), size), postfix.FORMAT)
    return result.frame, result.read, result.kept, result.rejected


def same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return one[1:] == other[1:] and one[0].equals(other[0])  # type: ignore[attr-defined]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(FEW), max_size=12), st.integers(1, 300), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_any_block_size_gives_the_same_events(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int,
                                              end: bytes, final: bool) -> None:
    path = tmp_path_factory.mktemp("blocks") / "mail.log"
    path.write_bytes(end.join(lines) + (end if final else b""))
    assert same(rows(path, size), rows(path, 2**25))


@pytest.mark.parametrize("size", [100, 4096, 20_000])
def test_any_block_size_gives_the_same_events_of_a_real_log(tmp_path: Path, size: int) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(LOG)
    assert same(rows(path, size), rows(path, 2**25))


@pytest.mark.parametrize("name", COMPRESS)
def test_compression_changes_nothing(tmp_path: Path, name: str) -> None:
    plain, packed = tmp_path / "mail.log", tmp_path / "mail.log.1"
    plain.write_bytes(LOG)
    packed.write_bytes(COMPRESS[name](LOG))
    assert choose(packed, "mail")[0] is postfix.FORMAT
    assert same(rows(packed, 2**14), rows(plain, 2**14))


def damaged(data: bytes, seed: int) -> bytes:
    """Some lines of `data` with bytes changed, lost, doubled and moved."""
    source = random.Random(seed)
    lines = data.splitlines(keepends=True)
    start = source.randrange(len(lines))
    piece = bytearray(b"".join(lines[start : start + source.randrange(1, 60)]))
    for _ in range(source.choice([0, 1, 3, 20, 200])):
        if not piece:
            break
        at = source.randrange(len(piece))
        match source.randrange(5):
            case 0:
                piece[at] = source.randrange(256)
            case 1:
                del piece[at : at + source.randrange(1, 9)]
            case 2:
                piece[at:at] = source.choice([b"\n", b"\x00", b"<", b">", b"[", b"]", b'"', b"\\", b", ", b": ", b"99999999999999999999"])
            case 3:
                piece[at:at] = piece[at // 2 : at // 2 + source.randrange(40)]
            case _:
                piece[at] ^= 1 << source.randrange(8)
    return bytes(piece[: source.randrange(len(piece) + 1)] if source.random() < 0.2 else piece)


def outcome(form: Format, path: Path) -> list[Batch]:
    """The batches before the reader's own error, if it has one."""
    batches = []
    try:
        for batch in form.read(Source(path, "Asia/Tokyo", year=2026)):
            batches.append(batch)  # noqa: PERF402 -- those before an error count
    except Op25bError:
        pass
    return batches


@pytest.mark.parametrize(("form", "data"), [
    (postfix.FORMAT, LOG), (postfix.FORMAT, b"\n".join(FEW)), (freeradius.FORMAT, DETAIL), (csv.FORMAT, LINES),
], ids=["postfix", "postfix lines", "freeradius", "csv"])
def test_damage_never_raises_and_the_accounting_adds_up(tmp_path: Path, form: Format, data: bytes) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        path = tmp_path / "input"
        path.write_bytes(damaged(data, seed))
        for batch in outcome(form, path):
            filtered = batch.rows_read - batch.rows_kept - batch.rejected.height
            assert filtered >= 0
            assert batch.rows_kept <= batch.rows.height
            form.table.conform(batch.rows.with_columns(source=pl.lit("x")).with_columns(
                [pl.lit(None, pl.Date).alias("day")] if form.table.partitioned else []))

    check()


@pytest.mark.parametrize("pack", [lambda data: data, *COMPRESS.values()], ids=["plain", *COMPRESS])
def test_damaged_files_are_recognised_or_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    for seed in range(40):
        packed = bytearray(pack(damaged(LOG, seed)))
        if packed:
            packed[(seed * 7919) % len(packed)] ^= 255
        path = tmp_path / "input"
        path.write_bytes(packed)
        for kind in ("flows", "mail", "leases", "subscribers"):
            try:
                form, _ = choose(path, kind)  # type: ignore[arg-type]
                list(form.read(Source(path, "UTC", year=2026)))
            except Op25bError:
                pass


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_recognisers_accept_any_bytes(data: bytes) -> None:
    for form in FORMATS:
        assert form.recognise(Head(Path("x"), data)) is None or data
