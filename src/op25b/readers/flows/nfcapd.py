"""nfcapd files of any version the installed nfdump reads; nfdump is a subprocess with the port filter pushed down.

Traps seen with nfdump 1.7.1: it exits 0 after errors (they are on stderr only); it prints `No matching flows` even
with -q; `%ter` is wrong by up to a second (so the end is first + duration); 0 flags mean "not exported".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from op25b.errors import InputError, MissingDependencyError
from op25b.readers.base import Batch, Format, Head, Source, rejects
from op25b.readers.flows.common import finish, flag_bits
from op25b.readers.text import chunks
from op25b.workspace import MAIL_PORTS

_FIELDS = {
    "first": "%tsr", "duration": "%tds", "received": "%trr", "protocol": "%pr", "src_ip": "%sa", "src_port": "%sp",
    "dst_ip": "%da", "dst_port": "%dp", "packets": "%ipkt", "bytes": "%ibyt", "flags": "%flg", "exporter": "%ra",
    "forwarding_status": "%fwd",
}
_FILTER = f"proto tcp and port in [ {' '.join(map(str, MAIL_PORTS))} ]"
_TROUBLE = re.compile(r"error|short read|corrupt|unknown|not a nfdump|failed", re.IGNORECASE)
_NO_FLOWS = b"No matching flows"


def recognise(head: Head) -> str | None:
    """nfcapd files start with the magic number 0xA50C, little endian, and a layout version of 1 or 2."""
    if head.data[:2] == b"\x0c\xa5" and head.data[2:4] in (b"\x01\x00", b"\x02\x00"):
        return f"nfdump magic 0xA50C, layout version {head.data[2]}"
    return None


def _nfdump() -> str:
    program = shutil.which("nfdump")
    if program is None:
        msg = "nfdump is not installed, and nfcapd files are read with it\n  apt-get install nfdump"
        raise MissingDependencyError(msg)
    return program


def _trouble(path: Path, stderr: str, code: int) -> None:
    """Raise `InputError` when nfdump complained: its exit status alone does not tell."""
    complaint = next((line for line in stderr.splitlines() if _TROUBLE.search(line)), None)
    if code or complaint:
        problem = f"nfdump cannot read it: {(complaint or stderr).strip() or f'exit status {code}'}"
        remedy = "the file may be incomplete (still being written by nfcapd) or damaged; leave it out or copy it again"
        raise InputError(path, problem, remedy)


def records(path: Path) -> int:
    """Number of flow records in the file, all ports, by the file's own statistics."""
    done = subprocess.run([_nfdump(), "-I", "-r", str(path)], capture_output=True, text=True, check=False,
                          errors="replace", stdin=subprocess.DEVNULL)
    _trouble(path, done.stderr, done.returncode)
    found = re.search(r"^Flows: (\d+)$", done.stdout, re.MULTILINE)
    if found is None:
        raise InputError(path, "nfdump -I printed no flow count", "check that 'nfdump -I -r FILE' works")
    return int(found[1])


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports, both directions."""
    total = records(source.path)
    command = [_nfdump(), "-q", "-N", "-6", "-r", str(source.path), "-o", "fmt:" + ",".join(_FIELDS.values()), _FILTER]
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    seen = 0
    with tempfile.TemporaryFile() as errors, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            for data in chunks(process.stdout):  # type: ignore[arg-type]  # stdout is a pipe, so never None
                if not data.startswith(_NO_FLOWS):
                    batch = _batch(data, seen, source.sampling_interval)
                    seen += batch.rows_read
                    yield batch
        finally:
            if process.poll() is None and process.stdout is not None:
                process.stdout.close()
            process.wait()
        errors.seek(0)
        _trouble(source.path, errors.read().decode("utf-8", "replace"), process.returncode)
    # The rest of the file are flows on other ports, which nfdump's filter left out.
    yield Batch(FORMAT.table.empty(), total - seen, 0, rejects([]))


def _batch(data: bytes, seen: int, interval: int | None) -> Batch:
    text = pl.read_csv(data, has_header=False, schema=dict.fromkeys(_FIELDS, pl.String), quote_char=None,
                       truncate_ragged_lines=True).with_columns(pl.all().str.strip_chars())

    def milliseconds(column: str) -> pl.Expr:
        return pl.col(column).str.replace(".", "", literal=True).cast(pl.Int64, strict=False)

    distinct = text["flags"].unique().drop_nulls()
    bits = pl.Series([flag_bits(flags) for flags in distinct], dtype=pl.Int16)
    first = pl.from_epoch(milliseconds("first"), time_unit="ms").cast(pl.Datetime("us"))
    frame = text.select(
        pl.int_range(seen + 1, seen + text.height + 1).alias("record"),
        first.alias("first_seen"),
        (first + pl.duration(milliseconds=milliseconds("duration"))).alias("last_seen"),
        pl.from_epoch(milliseconds("received"), time_unit="ms").cast(pl.Datetime("us")).alias("received"),
        "src_ip", "dst_ip",
        *[pl.col(c).cast(pl.Int32, strict=False) for c in ("src_port", "dst_port", "protocol")],
        *[pl.col(c).cast(pl.Int64, strict=False) for c in ("packets", "bytes")],
        pl.col("flags").replace_strict(distinct, bits, default=None).alias("tcp_flags"),
        pl.lit(interval, pl.Int32).alias("sampling_interval"),
        pl.col("exporter"),
        # 0 means that the exporter sent none (RFC 7270: 0 is "unknown").
        pl.col("forwarding_status").cast(pl.Int16, strict=False).replace(0, None),
    )
    good, bad = finish(frame, "flow record")
    return Batch(good, text.height, good.height, bad)


FORMAT = Format("nfcapd", "flows", recognise, read)
