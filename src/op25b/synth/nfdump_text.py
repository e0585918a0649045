"""Flow records as `nfdump -o csv` of version 1.7.1 prints them: 48 columns, local times in whole seconds."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import polars as pl

from op25b.synth.export import Records
from op25b.synth.world import FIRST_EXPORTER, UTC_OFFSET

_HEADER = ("ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,nhb,svln,dvln,"
           "ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr\n")
# What our exporters do not send; nfdump prints zeros.
_NOTHING = ",".join(["0,0,0,0,0,0,0,0,0,0", "0.0.0.0,0.0.0.0,0,0", *["00:00:00:00:00:00"] * 4, *["0-0-0"] * 10,
                     *["    0.000"] * 3])
_LETTERS = "CEUAPRSF"


class Writer:
    """The file of one exporter and day: a header, records, and the summary that nfdump ends with."""

    def __init__(self, path: Path, edge: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("wb")
        self._file.write(_HEADER.encode())
        self._exporter = str(ipaddress.IPv4Address(FIRST_EXPORTER + edge))
        self._flows = self._bytes = self._packets = 0
        self._first: int | None = None
        self._last = 0

    def write(self, records: Records) -> None:
        """Append records."""
        if not len(records):
            return
        lines(records, self._exporter).write_csv(self._file, include_header=False, quote_style="never",
                                                 float_precision=3)
        self._flows += len(records)
        self._bytes += int(records["bytes"].sum())
        self._packets += int(records["packets"].sum())
        first = int(records["first"].min())
        self._first = first if self._first is None else min(first, self._first)
        self._last = max(self._last, int(records["last"].max()))

    def close(self) -> None:
        """Write the summary and close the file."""
        seconds = max((self._last - (self._first or 0)) / 1000, 0.001)
        rates = (int(self._bytes * 8 / seconds), int(self._packets / seconds), self._bytes // max(self._packets, 1))
        summary = ",".join(map(str, (self._flows, self._bytes, self._packets, *rates)))
        self._file.write(f"Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n{summary}\n".encode())
        self._file.close()


def lines(records: Records, exporter: str) -> pl.DataFrame:
    """The columns of the lines; some hold several of nfdump's."""
    first, last, received = (records[name].astype(np.int64) for name in ("first", "last", "received"))
    return pl.DataFrame({
        "ts": _seconds(first), "te": _seconds(last), "td": (last - first) / 1000, "sa": addresses(records["src"]),
        "da": addresses(records["dst"]), "sp": records["sport"], "dp": records["dport"],
        "flg": _flags(records["flags"]), "fwd": records["status"], "stos": pl.repeat("0", len(records), eager=True),
        "ipkt": records["packets"],
        "ibyt": records["bytes"], "rest": pl.repeat(_NOTHING, len(records), eager=True),
        "ra": pl.repeat(f"{exporter},0/0,1", len(records), eager=True), "tr": _milliseconds(received),
    })


def addresses(numbers: npt.NDArray[np.uint32]) -> pl.Series:
    """IPv4 addresses as text."""
    octets = pl.Series([str(number) for number in range(256)])
    parts = [octets.gather((numbers >> shift) & 255) for shift in (24, 16, 8, 0)]
    return pl.select(pl.concat_str([pl.lit(part) for part in parts], separator=".")).to_series()


def _seconds(moments: npt.NDArray[np.int64]) -> pl.Series:
    """Local time to the second; most records share their second with others, so each is printed once."""
    return texts(moments // 1000, "%Y-%m-%d %H:%M:%S")


def texts(seconds: npt.NDArray[np.int64], form: str) -> pl.Series:
    """Local times of seconds since 1970 in a `strftime` form."""
    distinct, place = np.unique(seconds, return_inverse=True)
    local = pl.from_epoch(pl.Series(distinct + UTC_OFFSET), time_unit="s").dt.to_string(form)
    return local.gather(place)


def _milliseconds(moments: npt.NDArray[np.int64]) -> pl.Series:
    thousandths = pl.Series([f".{number:03}" for number in range(1000)])
    return _seconds(moments) + thousandths.gather(moments % 1000)


def _flags(bits: npt.NDArray[np.uint8]) -> pl.Series:
    known = pl.Series(["TCP," + "".join(letter if value >> (7 - place) & 1 else "." for place, letter in
                                        enumerate(_LETTERS)) for value in range(256)])
    return known.gather(bits)
