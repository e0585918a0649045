"""Any CSV, JSON lines or Parquet file of flow records, through `[inputs.flows.columns]` with our column = "theirs".

A column that is not mapped is looked for under our own name. Times are text (with a zone, or local in the input's
`timezone`), Parquet timestamps, or numbers, whose unit the input's `time_unit` must say. Without last_seen and
duration a record's end is its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from op25b.errors import InputError, nearest
from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.flows import fields
from op25b.readers.flows.delimited import Layout, Syntax, names_of, pieces, separator_of
from op25b.readers.flows.jsonlines import Keys, objects
from op25b.readers.flows.records import REQUIRED, Piece, batches, standard
from op25b.readers.text import readable

_TIMES = ("first_seen", "last_seen", "received")
_OURS = ("first_seen", "last_seen", "duration", "received", *REQUIRED, "reply_packets", "reply_bytes", "tcp_flags",
         "established", "sampling_interval", "exporter", "forwarding_status")
_REQUIRED = ("first_seen", *REQUIRED)
_REMEDY = 'map it in op25b.toml: [inputs.flows.columns] our column = "theirs"'
_NUMERIC = r"^\d+(?:\.\d+)?$"
_TRUE, _FALSE = ("true", "t", "yes", "1"), ("false", "f", "no", "0")
_ROWS = 2**17


def _recognise_csv(head: Head) -> str | None:
    """A header line with our own column names; another CSV must be named in the settings."""
    names = set(names_of(head.lines[0])) if head.lines else set()
    own = {"first_seen", "src_ip", "dst_ip", "src_port", "dst_port"} <= names
    return "CSV header with op25b's own column names" if own else None


def _recognise_parquet(head: Head) -> str | None:
    return "Parquet magic PAR1" if head.data.startswith(b"PAR1") else None


def _never(_head: Head) -> str | None:
    """Not recognised: a format that only the settings can name."""
    return None


def _known(source: Source) -> dict[str, tuple[str, ...]]:
    """Our name → the file's, with `flags` for tcp_flags, which is what the shared conversions call them."""
    for name in source.columns:
        if name not in _OURS:
            raise InputError(source.path, f"column mapping names no column of ours: {name!r}{nearest(name, _OURS)}",
                             f"known in [inputs.flows.columns]: {', '.join(_OURS)}")
    return {"flags" if ours == "tcp_flags" else ours: (source.columns.get(ours, ours),) for ours in _OURS}


def _mapping(source: Source, names: list[str]) -> dict[str, str]:
    mapped = tuple("flags" if name == "tcp_flags" else name for name in source.columns)
    return fields.found(source.path, names, _known(source), (*_REQUIRED, *mapped), _REMEDY)


def _read_csv(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports."""
    _known(source)  # a mapping that names no column of ours is an error even where the file is empty

    def layout(line: str) -> Layout | None:
        names = names_of(line)
        return Layout(separator_of(line), names, _mapping(source, names), line) if len(names) > 1 else None

    syntax = Syntax(layout, "the first line must name the columns", quoted=True, padded=True)
    yield from _batches(source, pieces(source, syntax))


def _read_json(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports."""
    yield from _batches(source, objects(source, Keys(_known(source), _REQUIRED, _REMEDY)))


def _read_parquet(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports."""
    yield from _batches(source, _tables(source))


def _tables(source: Source) -> Iterator[Piece]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Opened here, as pyarrow takes no name that is no UTF-8.
        with readable(source.path), source.path.open("rb") as raw, pq.ParquetFile(raw) as file:
            columns = _mapping(source, list(file.schema_arrow.names))
            first = 1
            for part in file.iter_batches(_ROWS, columns=sorted(set(columns.values()))):
                table = pl.DataFrame(pl.from_arrow(part))
                yield Piece(_piece(table, columns, first), lambda _line: None)
                first += table.height
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise InputError(source.path, f"cannot be read as flow records: {error}",
                         "check the types of the mapped columns, and that the file is whole") from error


def _piece(table: pl.DataFrame, columns: dict[str, str], first: int) -> pl.DataFrame:
    frame = table.select(pl.col(theirs).alias(ours) for ours, theirs in columns.items())
    for ours, dtype in frame.schema.items():
        if dtype.is_nested() or dtype == pl.Binary:
            msg = f"column {columns[ours]!r} is of type {dtype}"
            raise pl.exceptions.SchemaError(msg)
    text = pl.col("src_port", "dst_port", "protocol").cast(pl.String, strict=False)
    return frame.with_columns(text, pl.int_range(first, first + frame.height).alias("record"),
                              pl.lit(None, pl.String).alias("problem"))


def _batches(source: Source, found: Iterable[Piece]) -> Iterator[Batch]:
    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        native = [name for name, dtype in frame.schema.items()
                  if dtype != pl.String and not isinstance(dtype, pl.Datetime)
                  and name not in {"record", "src_port", "dst_port"}]
        frame = standard(frame.with_columns(pl.col(name).cast(pl.String, strict=False) for name in native), source)
        times = [_time(frame[name], source) for name in _TIMES if name in frame.columns]
        return _verdict(_ended(frame.with_columns(times)))

    padded = pl.col("src_port", "dst_port", "protocol").str.strip_chars()
    return batches((replace(piece, frame=piece.frame.with_columns(padded)) for piece in found), typed)


def _time(column: pl.Series, source: Source) -> pl.Series:
    """A time column as naive UTC; numbers without a `time_unit` are an `InputError`."""
    name = column.name
    if isinstance(column.dtype, pl.Datetime):
        aware = column if column.dtype.time_zone else column.dt.replace_time_zone(
            source.timezone, ambiguous="earliest", non_existent="null")
        return aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None).dt.cast_time_unit("us")
    filled = column.filter(column.fill_null("") != "")
    if source.time_unit is None and filled.len() and filled.str.contains(_NUMERIC).all():
        theirs = source.columns.get(name, name)
        raise InputError(source.path, f"the times in column {theirs!r} are numbers ({filled[0]}) of an unknown unit",
                         'say it in op25b.toml under [[inputs.flows]]: time_unit = "s", "ms", "us" or "ns"')
    return fields.times(column, source.timezone, source.time_unit)


def _ended(frame: pl.DataFrame) -> pl.DataFrame:
    if "last_seen" in frame.columns:
        return frame
    lasted = fields.seconds("duration") if "duration" in frame.columns else pl.duration(microseconds=0)
    return frame.with_columns((pl.col("first_seen") + lasted).alias("last_seen"))


def _verdict(frame: pl.DataFrame) -> pl.DataFrame:
    """`established` where the file has it; elsewhere `finish` judges by the flags."""
    if "established" not in frame.columns:
        return frame
    said = pl.col("established").str.strip_chars().str.to_lowercase()
    return frame.with_columns(
        pl.when(said.is_in(_TRUE)).then(statement=True).when(said.is_in(_FALSE)).then(statement=False).alias("established"))


CSV = Format("csv", "flows", _recognise_csv, _read_csv)
JSON = Format("json", "flows", _never, _read_json)
PARQUET = Format("parquet", "flows", _recognise_parquet, _read_parquet)
