"""RADIUS accounting records as they usually are, many at a time: a Start, Interim-Update or Stop with plain values.

Whatever is unusual in a record is left to who looks at records one by one, and says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from op25b import schema
from op25b.memo import Memo
from op25b.readers.leases.common import ALL_PORTS, COLUMNS, LATEST_SECOND, NO_ADDRESS, BadRow, ip_range
from op25b.readers.leases.identity import line_name

_HEADER = r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}$"
_BLANK = r"^[ \t\r]*$"
_ATTRIBUTE = r"^[ \t]+([A-Za-z0-9._/-]+)(?::[0-9]+)? (?::|\+)?= (.*)$"
# Printable ASCII without a backslash: in double quotes, in single ones, or without any at its ends.
_PLAIN = r"""^(?:"([ !#-\[\]-~]+)"|'([ -&(-\[\]-~]+)'|([!#-&(-\[\]-~](?:[ -\[\]-~]*[!#-&(-\[\]-~])?))[ \r]*$"""
_DIGITS = r"^[0-9]{1,10}$"
LONGEST_SESSION = 2**32 - 1
ADDRESSES = ("Framed-IP-Address", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix", "Framed-IPv6-Address")
_NEEDED = ("Acct-Status-Type", "Acct-Session-Id", "User-Name", "Timestamp")
_OPTIONAL = ("NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier", "Acct-Delay-Time", "Acct-Session-Time")
_KEY = ["ip_first", "ip_last"]


@dataclass(frozen=True)
class Usual:
    """`rows` of the lake's table, each with the `line` its record begins at; how many records were read, and kept.

    `others`: first `line` and `text`, its lines, of each record that is not usual.
    """

    rows: pl.DataFrame
    read: int
    kept: int
    others: pl.DataFrame


def starts(lines: pl.Series) -> pl.Series:
    """Whether a line begins a record, as its header does, or comes after one, as an empty line does."""
    return lines.str.contains(_HEADER) | lines.str.contains(_BLANK)


def usual(lines: pl.Series, starting: pl.Series, first_line: int, events: Mapping[str, str]) -> Usual:
    """Read whole records, where the first line is one of those `starting` them.

    `events`: status types in lower case, and the events that they are.
    """
    every = pl.DataFrame({"text": lines, "starting": starting}).with_row_index("line", first_line).with_columns(
        pl.col("line").cast(pl.Int64), pl.col("starting").cum_sum().alias("record"),
        pl.col("text").str.extract_groups(_ATTRIBUTE).struct.rename_fields(["name", "value"]).alias("found"),
    ).unnest("found")
    records, values = _records(every), _values(every)
    addresses = _addresses(values)
    plain = _single(records, values, events)
    strange = pl.concat([
        records.filter("odd")["record"], values.filter(pl.col("value").is_null())["record"],
        addresses.filter(pl.col("ip_first").is_null())["record"], plain.filter("odd")["record"],
    ]).unique().implode()
    good = plain.filter(~pl.col("record").is_in(strange))
    kept = good.filter(pl.col("event").is_not_null())
    rows = _rows(kept.join(addresses.select("record", *_KEY), on="record", how="left", maintain_order="left_right"))
    others = every.filter(pl.col("record").is_in(strange)).group_by("record", maintain_order=True).agg(
        pl.col("line").first(), "text").select("line", "text")
    return Usual(rows, good.height, kept.height, others)


def _records(every: pl.DataFrame) -> pl.DataFrame:
    """Each record, and whether it is `odd`: without a header, or with a line that is no attribute."""
    return every.group_by("record", maintain_order=True).agg(
        pl.col("line").first(), lines=pl.len(), headed=pl.col("text").first().str.contains(_HEADER),
        attributes=pl.col("name").count(),
    ).filter(pl.col("headed") | (pl.col("lines") > 1)).with_columns(
        odd=~pl.col("headed") | (pl.col("attributes") < pl.col("lines") - 1))


def _values(every: pl.DataFrame) -> pl.DataFrame:
    """The attributes that are read, one a row; a `value` that is not plain is NULL."""
    wanted = every.filter(pl.col("name").is_in([*_NEEDED, *_OPTIONAL, *ADDRESSES]))
    kinds = pl.col("value").str.extract_groups(_PLAIN).struct
    return wanted.select("record", "name", value=pl.coalesce(kinds.field("1"), kinds.field("2"), kinds.field("3")))


def _addresses(values: pl.DataFrame) -> pl.DataFrame:
    """Each address or prefix of a record once, in the order of the attributes; NULL where it is neither."""
    found = values.filter(pl.col("name").is_in(ADDRESSES), ~pl.col("value").is_in(NO_ADDRESS))
    order = pl.col("name").replace_strict(dict(zip(ADDRESSES, range(len(ADDRESSES)), strict=True)),
                                          return_dtype=pl.UInt8)
    keyed = pl.concat([found, _RANGES.of(found["value"])], how="horizontal")
    return keyed.sort("record", order, maintain_order=True).unique(["record", *_KEY], keep="first", maintain_order=True)


def _single(records: pl.DataFrame, values: pl.DataFrame, events: Mapping[str, str]) -> pl.DataFrame:
    """A row for each record, with the first value of each attribute; `odd` where one is missing or impossible."""
    first = values.unique(["record", "name"], keep="first", maintain_order=True)
    rows = records.select("record", "line")
    for name in (*_NEEDED, *_OPTIONAL):
        rows = rows.join(first.filter(name=name).select("record", pl.col("value").alias(name)), on="record", how="left",
                         maintain_order="left")
    rows = pl.concat([rows, _NAMES.of(rows["User-Name"])], how="horizontal")
    times = {name: pl.col(name).cast(pl.Int64, strict=False) for name in ("Timestamp", *_OPTIONAL[-2:])}
    odd = [pl.col(name).is_null() for name in (*_NEEDED, "subscriber")]
    odd += [~pl.col(name).str.contains(_DIGITS) for name in times]
    odd += [~seconds.is_between(name == "Timestamp", LATEST_SECOND - 1 if name == "Timestamp" else LONGEST_SESSION)
                for name, seconds in times.items()]
    event = pl.col("Acct-Status-Type").str.to_lowercase().replace_strict(
        pl.Series([*events]), pl.Series([*events.values()]), default=None)
    odd += [event == "reset"]
    return rows.with_columns(odd=pl.any_horizontal(each.fill_null(value=False) for each in odd), event=event, **times)


def _rows(found: pl.DataFrame) -> pl.DataFrame:
    """The lake's rows of records whose values are all right."""
    time = schema.TIME
    at = pl.from_epoch("Timestamp", "s").cast(time) - pl.duration(seconds=pl.col("Acct-Delay-Time").fill_null(0))
    began = pl.when(pl.col("event") == "start").then(at).otherwise(at - pl.duration(seconds="Acct-Session-Time"))
    stated = found.select(
        "line", "event", "subscriber", *_KEY, at=at, kind=pl.lit("radius"), session="Acct-Session-Id",
        access_server=pl.coalesce("NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier"),
        port_first=pl.lit(ALL_PORTS[0]), port_last=pl.lit(ALL_PORTS[1]), start=began,
        end=pl.when(pl.col("event") == "stop").then(at))
    return stated.select("line", *(
        pl.col(name).cast(dtype) if name in stated.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in COLUMNS.items()))


def _named(texts: pl.Series) -> pl.DataFrame:
    """The names of lines that user names are; NULL for one that is none."""
    def name(text: str) -> str | None:
        try:
            return line_name(text)
        except BadRow:
            return None

    return pl.DataFrame({"subscriber": [name(text) for text in texts]}, schema={"subscriber": pl.String})


def _ranges(texts: pl.Series) -> pl.DataFrame:
    """First and last key of addresses and prefixes; NULL for what is neither."""
    def keys(text: str) -> tuple[str | None, str | None]:
        try:
            return ip_range(text, "it")
        except BadRow:
            return None, None

    return pl.DataFrame([keys(text) for text in texts], schema=dict.fromkeys(_KEY, pl.String), orient="row")


_NAMES, _RANGES = Memo(_named), Memo(_ranges)
