# ruff: noqa: E501 (log lines are literal; times in the lake are naive UTC)
"""What holds for every format of mail logs: recognition, accounting, blocks, and damage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from op25b.errors import Op25bError
from op25b.readers import choose
from op25b.readers.base import Format, Source
from op25b.readers.mail import dovecot, exim, opensmtpd, qmail, sendmail, zeek_smtp
from tests.readers.mail import test_dovecot, test_exim, test_opensmtpd, test_qmail, test_sendmail, test_zeek_smtp
from tests.readers.reading import Result, collect

WRAPPED = "".join(f"Jan 31 12:00:00 mx1 exim[7]: {line}\n" for line in test_exim.SAMPLE.splitlines())
SYSLOG_QMAIL = "".join(f"Jan 31 12:00:00 mx1 qmail: 1769860801.0 {line[26:]}\n" for line in test_qmail.SAMPLE.splitlines())
SAMPLES: list[tuple[Format, str]] = [
    (exim.FORMAT, test_exim.SAMPLE), (exim.FORMAT, WRAPPED), (sendmail.FORMAT, test_sendmail.SAMPLE),
    (dovecot.FORMAT, test_dovecot.SAMPLE), (opensmtpd.FORMAT, test_opensmtpd.SAMPLE), (qmail.FORMAT, test_qmail.SAMPLE),
    (qmail.FORMAT, SYSLOG_QMAIL), (zeek_smtp.FORMAT, test_zeek_smtp.SAMPLE),
]
every = pytest.mark.parametrize(("form", "text"), SAMPLES, ids=lambda v: v.name if isinstance(v, Format) else "")


def read(form: Format, path: Path, data: bytes, size: int = 2**25) -> Result:
    path.write_bytes(data)
    return collect(form.read(Source(path, "Asia/Tokyo", year=2026), size), form)  # type: ignore[call-arg]


@every
def test_a_file_is_recognised_as_what_it_is(tmp_path: Path, form: Format, text: str) -> None:
    path = tmp_path / "log"
    path.write_text(text, encoding="utf-8")
    assert choose(path, "mail")[0] is form


@every
def test_each_line_is_kept_filtered_or_rejected(tmp_path: Path, form: Format, text: str) -> None:
    result = read(form, tmp_path / "log", text.encode())
    assert result.read == text.count("\n")
    assert result.kept > 0
    assert result.filtered >= 0
    assert result.frame.filter(result.frame["event"].is_in(["accepted", "queued", "delivery", "removed"])
                               & result.frame["queue_id"].is_null()).is_empty()


@every
@pytest.mark.parametrize("size", [1, 150, 700])
def test_any_block_size_gives_the_same_events(tmp_path: Path, form: Format, text: str, size: int) -> None:
    whole, parts = read(form, tmp_path / "log", text.encode()), read(form, tmp_path / "log", text.encode(), size)
    assert parts.frame.equals(whole.frame)
    assert (parts.read, parts.kept, parts.rejected) == (whole.read, whole.kept, whole.rejected)


JUNK = st.sampled_from([b"\n", b"\x00", b"\xff\xfe", b"<", b">", b"[", b"]", b'"', b"\\", b", ", b": ", b"=", b" ", b"9" * 25,
                        "日本語".encode(), b"\r\n", b"@", b"{", b"}", b"\t", b"#fields\tts", b"(", b")"])


@every
@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 12), JUNK), max_size=12))
def test_no_damage_raises_anything_but_our_errors(tmp_path_factory: pytest.TempPathFactory, form: Format, text: str,
                                                  damage: list[tuple[int, int, bytes]]) -> None:
    data = bytearray(text.encode())
    for at, lost, junk in damage:
        data[at % len(data) : at % len(data) + lost] = junk
    path = tmp_path_factory.getbasetemp() / "damaged.log"
    try:
        result = read(form, path, bytes(data), 400)
    except Op25bError:
        return
    assert result.read == result.kept + result.filtered + len(result.rejected)
    assert result.filtered >= 0
