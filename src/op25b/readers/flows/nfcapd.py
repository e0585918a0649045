"""nfcapd files of any version the installed nfdump reads; nfdump is a subprocess with the port filter pushed down.

nfdump picks the records that are ours into a file; of many, `nffile` reads that file, else nfdump prints it.

Traps seen with nfdump 1.7.1: it exits 0 after errors (they are on stderr only); it prints `No matching flows` even
with -q; `%ter` is wrong by up to a second (so the end is first + duration); 0 flags mean "not exported"; a colon in a
path means a range of files (so it gets /dev/fd/N); and where the sampling is known nfcapd has already multiplied
packets and bytes by it, while the lake holds what was exported.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

import polars as pl

from op25b.errors import InputError, MissingDependencyError, StoppedError
from op25b.readers.base import Batch, Format, Head, Source, numbered_ips, rejects
from op25b.readers.flows.common import TCP, finish, flag_bits
from op25b.readers.flows.records import both_directions
from op25b.readers.text import ahead, chunks, compression, opened, readable
from op25b.settings import MAIL_PORTS

# Column → nfdump's token for it.
FIELDS = {
    "first": "%tsr", "duration": "%tds", "received": "%trr", "src_ip": "%sa", "src_port": "%sp",
    "dst_ip": "%da", "dst_port": "%dp", "packets": "%ipkt", "bytes": "%ibyt", "reply_packets": "%opkt",
    "reply_bytes": "%obyt", "flags": "%flg", "exporter": "%ra", "forwarding_status": "%fwd", "exporter_id": "%exp",
}
_COUNTS = ("packets", "bytes", "reply_packets", "reply_bytes")
_TEXT = {"src_ip", "dst_ip", "flags", "exporter"}
_SECONDS = {"first", "duration", "received"}
_TYPES: dict[str, pl.DataType] = {
    name: pl.String() if name in _TEXT else pl.Float64() if name in _SECONDS else pl.Int64() for name in FIELDS
}
PORT_FILTER = f"proto tcp and port in [ {' '.join(map(str, MAIL_PORTS))} ]"
_TROUBLE = re.compile(r"error|short read|corrupt|unknown|not a nfdump|failed|unable", re.IGNORECASE)
_EXPORTER = re.compile(r"^SysID: (\d+),")
_SAMPLER = re.compile(r"^ +Sampler:.* packet interval: (\d+), packet space: (\d+)")
_NO_FLOWS = b"No matching flows"
_BLOCK_BYTES = 8 * 2**20
_PIPE_BYTES = 2**20  # what any Linux user may ask for
_LARGE_BYTES = 4 * 2**20
_SAMPLE = 1000
_KILLED = frozenset({-signal.SIGHUP, -signal.SIGINT, -signal.SIGKILL, -signal.SIGTERM})


def recognise(head: Head) -> str | None:
    """Nfcapd files start with the magic number 0xA50C, little endian, and a layout version of 1 or 2."""
    if head.data[:2] == b"\x0c\xa5" and head.data[2:4] in (b"\x01\x00", b"\x02\x00"):
        return f"nfdump magic 0xA50C, layout version {head.data[2]}"
    return None


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports, both directions; what nfdump can read of a damaged file comes first."""
    if source.path.stat().st_size == 0:
        if source.path.name.startswith("nfcapd"):  # else it is any file without content, such as a log just rotated
            raise InputError(source.path, "is empty, while nfcapd writes a header even where it saw no flows",
                             "remove it; nfcapd was killed, or had no room, when it was to write it")
        return
    with _plain(source) as file, tempfile.TemporaryFile() as ours:
        total = _totals(file)
        complaint = _picked(file, ours)
        # Exporters are written along with the records; looked for in the whole file they take a third of the time.
        intervals = _intervals(ours)
        seen = 0
        for frame in _unpacked(ours) or map(_columns, _printed(ours)):
            batch = _batch(frame, seen, intervals, source.sampling_interval)
            seen += batch.rows_read
            yield batch
        picked = _totals(ours)
        if picked is None or seen != picked[0]:
            raise _trouble(source, "it printed other than all records")
        if complaint or total is None:
            raise _trouble(source, complaint or "it has no flow count at its end")
        # The rest of the file are flows on other ports, which nfdump's filter left out.
        yield Batch(FORMAT.table.empty(), total[0] - seen, 0, rejects([]))


@contextmanager
def _plain(source: Source) -> Iterator[IO[bytes]]:
    """The open file, unpacked where it was compressed as a whole (nfcapd's own compression is nfdump's affair)."""
    with readable(source.path):
        if compression(source.path) is None:
            file = source.path.open("rb")
        else:
            file = tempfile.TemporaryFile()  # type: ignore[assignment]  # noqa: SIM115 -- closed below
            with opened(source.path) as packed:
                shutil.copyfileobj(packed, file)
            file.flush()
    with file:
        yield file


def _command(*arguments: str) -> list[str]:
    program = shutil.which("nfdump")
    if program is None:
        msg = "nfdump is not installed, and nfcapd files are read with it\n  apt-get install nfdump"
        raise MissingDependencyError(msg)
    return [program, *arguments]


def _refuse_killed(status: int | None) -> None:
    """`StoppedError` where nfdump was killed by somebody, unlike when it broke down over a damaged file."""
    if status in _KILLED:
        msg = (f"nfdump was killed (signal {-status}) before it was done\n"
               "  run the same command again; where the system had no memory left, see to that first")
        raise StoppedError(msg)


def _name(file: IO[bytes]) -> str:
    return f"/dev/fd/{file.fileno()}"


def _asked(file: IO[bytes], *arguments: str, also: IO[bytes] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(_command(*arguments), capture_output=True, text=True, check=False, errors="replace",
                          stdin=subprocess.DEVNULL, pass_fds=[held.fileno() for held in (file, also) if held])
    _refuse_killed(done.returncode)
    return done


def _totals(file: IO[bytes]) -> tuple[int, int, int] | None:
    """Flows, packets and bytes in the file, all ports, by the statistics at its end; None when those are damaged."""
    done = _asked(file, "-I", "-r", _name(file))
    found = re.search(r"^Flows: (\d+)$.*^Packets: (\d+)$.*^Bytes: (\d+)$", done.stdout, re.MULTILINE | re.DOTALL)
    if found is None or done.returncode or _TROUBLE.search(done.stderr):
        return None
    return int(found[1]), int(found[2]), int(found[3])


def _intervals(file: IO[bytes]) -> dict[int, int | None]:
    """Number of each exporter of which the file says a sampling interval → the interval; None where it says several."""
    found: dict[int, set[int]] = {}
    number = 0
    for line in _asked(file, "-E", _name(file)).stdout.splitlines():
        if exporter := _EXPORTER.match(line):
            number = int(exporter[1])
        elif (sampler := _SAMPLER.match(line)) and int(sampler[1]):
            found.setdefault(number, set()).add((int(sampler[1]) + int(sampler[2])) // int(sampler[1]))
    return {number: min(intervals) if len(intervals) == 1 else None for number, intervals in found.items()}


def _picked(file: IO[bytes], ours: IO[bytes]) -> str:
    """Have nfdump write the records that are ours to a file, and return what it complained about.

    Its exit status does not tell.
    """
    done = _asked(file, "-r", _name(file), "-q", "-w", _name(ours), PORT_FILTER, also=ours)
    code = f"exit status {done.returncode}" if done.returncode else ""
    complaint = next((line for line in done.stderr.splitlines() if _TROUBLE.search(line)), code)
    return complaint.replace(_name(file), "the file").strip()


def _unpacked(ours: IO[bytes]) -> Iterator[pl.DataFrame] | None:
    """The picked records as `_columns` gives them, quicker than printed; None where they are to be printed.

    They are where they are few, and where what this project makes of the file is not in all what nfdump says of it:
    its totals, and each field of the first records.
    """
    if os.fstat(ours.fileno()).st_size < _LARGE_BYTES:
        return None
    from op25b.readers.flows import nffile  # it needs NumPy, which takes a tenth of a second

    with ThreadPoolExecutor(1) as pool:
        printed = pool.submit(lambda: b"".join(_printed(ours, "-c", str(_SAMPLE))))
        try:
            known = nffile.totals(ours) == _totals(ours)
        except nffile.UnknownError:
            return None
    frames = ahead(_unpacked_columns(flows) for flows in nffile.flows(ours))
    first = next(frames, None)
    if not known or first is None or not printed.result():
        return None
    same = numbered_ips(_columns(printed.result()), {"src_ip": "src", "dst_ip": "dst"})
    if not first.head(same.height).select(same.columns).equals(same):
        return None
    return itertools.chain([first], frames)


def _unpacked_columns(flows: pl.DataFrame) -> pl.DataFrame:
    return flows.select(
        *[_moment(pl.col(name)).alias(column) for name, column in (
            ("first", "first_seen"), ("last", "last_seen"), ("received", "received"))],
        *[pl.col(name).cast(pl.Int32) for name in ("src_port", "dst_port")], *_COUNTS,
        *[pl.col(name).cast(pl.Int16).replace(0, None) for name in ("tcp_flags", "forwarding_status")],
        "exporter", "exporter_id", "src_ip", "dst_ip", "src_high", "src_low", "dst_high", "dst_low")


def _printed(ours: IO[bytes], *options: str) -> Iterator[bytes]:
    """What nfdump prints of the picked records."""
    layout = "fmt:" + ",".join(FIELDS.values())
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    with subprocess.Popen(_command("-r", _name(ours), "-q", "-N", "-6", "-o", layout, *options),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment,
                          pass_fds=(ours.fileno(),), pipesize=_PIPE_BYTES) as process:
        yield from ahead(_lines(process))


def _lines(process: subprocess.Popen[bytes]) -> Generator[bytes, None, None]:
    for data in chunks(process.stdout, _BLOCK_BYTES):  # type: ignore[arg-type]  # a pipe, so never None
        if not data.startswith(_NO_FLOWS):
            yield data
    _refuse_killed(process.wait())


def _trouble(source: Source, complaint: str) -> InputError:
    return InputError(source.path, f"nfdump cannot read it to its end: {complaint}",
                      "the file may be damaged or still being written; copy it again")


def _columns(data: bytes) -> pl.DataFrame:
    """The columns of printed records."""
    # fmt: pads with blanks; without them Polars reads numbers as such, and what is none becomes NULL.
    text = pl.read_csv(data.translate(None, b" "), has_header=False, schema=_TYPES, quote_char=None,
                       truncate_ragged_lines=True, ignore_errors=True)
    distinct = text["flags"].unique().drop_nulls()
    bits = pl.Series([flag_bits(flags) for flags in distinct], dtype=pl.Int16)
    return text.select(
        _time(pl.col("first")).alias("first_seen"), _time(pl.col("first") + pl.col("duration")).alias("last_seen"),
        _time(pl.col("received")).alias("received"), "src_ip", "dst_ip",
        *[pl.col(c).cast(pl.Int32, strict=False) for c in ("src_port", "dst_port")], *_COUNTS,
        pl.col("flags").replace_strict(distinct, bits, default=None).alias("tcp_flags"),
        # 0 means that the exporter sent none (RFC 7270: 0 is "unknown").
        pl.col("forwarding_status").cast(pl.Int16, strict=False).replace(0, None),
        "exporter", "exporter_id",
    )


def _batch(records: pl.DataFrame, seen: int, intervals: dict[int, int | None], default: int | None) -> Batch:
    number = pl.col("exporter_id")
    if intervals:
        known = number.replace_strict(list(intervals), list(intervals.values()), default=default,
                                      return_dtype=pl.Int32)
        # What nfcapd multiplied is divided again.
        factors = [interval or 1 for interval in intervals.values()]
        factor = number.replace_strict(list(intervals), factors, default=1, return_dtype=pl.Int64)
        records = records.with_columns(known.alias("sampling_interval"), *[pl.col(c) // factor for c in _COUNTS])
    else:
        records = records.with_columns(pl.lit(default, pl.Int32).alias("sampling_interval"))
    frame = both_directions(records).drop("exporter_id").with_columns(
        pl.int_range(seen + 1, seen + records.height + 1).alias("record"), pl.lit(TCP).alias("protocol"))
    good, bad = finish(frame, "flow record")
    return Batch(good, records.height, good.height, bad)


def _time(seconds: pl.Expr) -> pl.Expr:
    """Seconds since 1970, exact to the millisecond."""
    return _moment((seconds * 1000).round().cast(pl.Int64, strict=False))


def _moment(milliseconds: pl.Expr) -> pl.Expr:
    return pl.from_epoch(milliseconds, time_unit="ms").cast(pl.Datetime("us"))


FORMAT = Format("nfcapd", "flows", recognise, read)
