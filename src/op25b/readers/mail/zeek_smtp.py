"""Zeek's `smtp.log`, tab-separated or JSON: mail servers seen from the network, one line a message.

| last_reply | event |
|---|---|
| `250 ...` to a message with a sender | accepted, queued |
| `4xx`, `5xx` | rejected; auth, auth_ok false where it is `535` |
| another, or none | none: the outcome was not seen, or no message was sent |

`mta_host` is the server's address (`id.resp_h`), `listener_port` its port (`id.resp_p`), `queue_id` the connection's
uid and the message's number in it. A message is handed over by this and not delivered further, so there is no
delivery event. Source: Zeek's documentation of `SMTP::Info` (base/protocols/smtp/main.zeek).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import polars as pl

from op25b.readers.base import Batch, Format, Head, Reject, Source
from op25b.readers.mail.clock import possible
from op25b.readers.mail.common import DSN, Events, account, domain, event, head_of, made, port, unless
from op25b.readers.text import BLOCK_BYTES, Block, blocks

_NEEDED = ["ts", "uid", "id.orig_h", "id.resp_h", "id.resp_p", "trans_depth", "mailfrom", "rcptto", "last_reply"]
_LATEST = 253_402_300_799


def recognise(head: Head) -> str | None:
    """A `#path smtp` header, or JSON objects with Zeek's names for an SMTP message."""
    lines = head.lines[:50]
    if any(line.startswith("#path") and line.split()[1:] == ["smtp"] for line in lines):
        return "Zeek smtp.log, tab-separated"
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("{") and all(f'"{name}"' in first for name in ("uid", "id.orig_h", "id.resp_h", "trans_depth")):
        return "Zeek smtp.log, JSON"
    return None


def read(source: Source, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Yield the events of a log, in file order."""
    is_json = head_of(source.path).data.lstrip().startswith(b"{")
    header = _Header()
    for block in blocks(source.path, block_bytes):
        frame, bad = _json(block) if is_json else header.rows(block)
        yield account(_events(frame), block.lines.len(), bad, frame.select("line", pl.lit("").alias("rest")))


class _Header:
    """The header lines of a tab-separated log; a file of several logs has several."""

    def __init__(self) -> None:
        self._fields: list[str] = []
        self._separator, self._unset, self._empty = "\t", "-", "(empty)"

    def rows(self, block: Block) -> tuple[pl.DataFrame, list[Reject]]:
        """The lines of a block as columns of text."""
        text = block.lines
        marks = text.str.starts_with("#").arg_true().to_list()
        parts: list[pl.DataFrame] = []
        bad: list[Reject] = []
        begin = 0
        for end in [*marks, text.len()]:
            part = text.slice(begin, end - begin)
            if part.len():
                frame, wrong = self._split(part, block.first_line + begin)
                parts.append(frame)
                bad += wrong
            if end < text.len():
                self._header(text[end])
            begin = end + 1
        return (pl.concat(parts) if parts else _nothing()), bad

    def _header(self, line: str) -> None:
        name, _, value = line.partition(" " if line.startswith("#separator") else self._separator)
        match name:
            case "#separator":
                # Written as \x09
                code = re.fullmatch(r"\\x([0-9a-fA-F]{2})", value)
                self._separator = (chr(int(code[1], 16)) if code else value) or "\t"
            case "#fields":
                self._fields = value.split(self._separator)
            case "#unset_field":
                self._unset = value
            case "#empty_field":
                self._empty = value

    def _split(self, text: pl.Series, first_line: int) -> tuple[pl.DataFrame, list[Reject]]:
        lines = pl.DataFrame({"text": text}).with_columns(
            pl.int_range(first_line, first_line + pl.len()).alias("line"),
            pl.col("text").str.split(self._separator).alias("values"),
        ).filter(pl.col("text").str.strip_chars() != "")
        good = pl.col("values").list.len() == len(self._fields)
        wrong = lines.filter(~good)
        bad: list[Reject] = [(line, None, f"{len(values)} fields where the header has {len(self._fields)}", content)
                             for line, values, content in wrong["line", "values", "text"].iter_rows()]
        columns = []
        for name in _NEEDED:
            value = (pl.col("values").list.get(self._fields.index(name), null_on_oob=True)
                     if name in self._fields else pl.lit(None, pl.String))
            columns.append(pl.when(~value.is_in([self._unset, self._empty])).then(value).alias(name))
        return lines.filter(good).select("line", *columns), bad


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={"line": pl.Int64, **dict.fromkeys(_NEEDED, pl.String)})


def _json(block: Block) -> tuple[pl.DataFrame, list[Reject]]:
    rows: list[tuple[int | str | None, ...]] = []
    bad: list[Reject] = []
    for number, line in enumerate(block.lines, start=block.first_line):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append((number, *(_text(row.get(name)) for name in _NEEDED)))
        else:
            bad.append((number, None, "not a JSON object", line))
    return pl.DataFrame(rows, schema=_nothing().schema, orient="row"), bad


def _text(value: object) -> str | None:
    """A JSON value as the tab-separated form has it."""
    if value is None or isinstance(value, dict):
        return None
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.encode("utf-8", "replace").decode()


def _events(rows: pl.DataFrame) -> Events:
    """Events of lines as columns of text."""
    reply, sender = pl.col("last_reply"), pl.col("mailfrom")
    seconds = pl.col("ts").cast(pl.Float64, strict=False)
    exact = pl.when(seconds.is_between(0, _LATEST)).then(
        (pl.col("ts").cast(pl.Decimal(20, 6), strict=False) * 1_000_000).cast(pl.Int64, strict=False))
    iso = pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", strict=False, time_unit="us", time_zone="UTC")
    named = rows.lazy().with_columns(
        pl.lit(1, pl.Int64).alias("times"),
        possible(pl.coalesce(exact.cast(pl.Datetime("us")), iso.dt.replace_time_zone(None))).alias("at"),
        pl.col("id.resp_h").alias("host"), pl.col("id.orig_h").alias("client_ip"),
        port(pl.col("id.resp_p")).alias("listener_port"), domain(sender).alias("sender_domain"),
        pl.concat_str("uid", pl.col("trans_depth").fill_null("1"), separator=".").alias("queue_id"),
        reply.str.slice(0, 3).alias("code"), reply.str.extract(rf"^[45][0-9][0-9][ -]({DSN})(?:[ :]|$)").alias("dsn"),
        pl.col("rcptto").str.split(",").alias("to"),
        unless(pl.all_horizontal(pl.col("uid", "id.orig_h", "id.resp_h").is_not_null()),
               "line without connection or addresses").alias("reason"),
    )
    taken = named.filter(sender.is_not_null() & pl.col("code").eq("250") | pl.col("reason").is_not_null())
    refused = pl.col("code").str.contains(r"^[45][0-9]{2}$").fill_null(value=False) & pl.col("reason").is_null()
    is_login = pl.col("code").eq("535")
    client, why = pl.col("client_ip", "listener_port"), pl.col("reason")
    one = pl.when(pl.col("to").list.len() == 1).then(pl.col("to").list.first())
    parts = [
        event(taken, "accepted", why, pl.col("queue_id", "sender_domain"), client),
        event(taken, "queued", why, pl.col("queue_id", "sender_domain"),
              pl.col("to").list.len().cast(pl.Int32).alias("recipients")),
        event(named.filter(refused & is_login), "auth", why, client, pl.lit(value=False).alias("auth_ok")),
        event(named.filter(refused & ~is_login), "rejected", why, client, pl.col("queue_id", "sender_domain", "dsn"),
              domain(one).alias("recipient_domain")),
    ]
    return made(parts)


FORMAT = Format("zeek-smtp", "mail", recognise, read)
