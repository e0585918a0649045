"""Input files with what the engines could disagree about: the sample, captured logs, and random flow records."""

from __future__ import annotations

import csv
import gzip
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from op25b.pseudonyms import Pseudonyms
from tests.conftest import ROOT, SAMPLE

READERS = ROOT / "tests" / "readers"
MORE_INPUTS = """
[[inputs.flows]]
path = "more/flows-*.csv"
timezone = "Asia/Tokyo"

[[inputs.mail]]
path = "more/*.log*"
year = 2026

[[inputs.leases]]
path = "more/static.csv"

[[inputs.leases]]
path = "more/*.leases"

[[inputs.subscribers]]
path = "more/subscribers-*.csv"

[[inputs.subscribers]]
path = "more/no-list.csv"
"""
_COLUMNS = ["first_seen", "last_seen", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "packets", "bytes",
            "reply_packets", "reply_bytes", "tcp_flags", "sampling_interval", "exporter", "forwarding_status"]
_LINES = [f"198.18.{third}.{fourth}" for third in (1, 2) for fourth in (11, 21, 50, 66)] + ["2001:db8:100:203::13"]
_SERVERS = ["203.0.113.2", "198.51.100.10", "198.51.100.70", "198.51.100.100", "192.0.2.25", "192.0.2.26",
            "192.0.3.25", "2001:db8:200::10", "2001:db8:ffff::25"]
HANDED_OVER = "198.18.2.99"
# Sums of their squares go beyond 2^53 and 2^64.
_BYTES = [0, 40, 60, 1500, 12_345, 99_999_999, 5_000_000_001]


def make(root: Path) -> None:
    """A workspace with its inputs, and an empty lake."""
    shutil.copytree(SAMPLE, root)
    with (root / "op25b.toml").open("a", encoding="utf-8") as file:
        file.write(MORE_INPUTS)
    Pseudonyms.create(root / "op25b.key")
    more = root / "more"
    more.mkdir()
    for name in ("exim-4.96.log", "sendmail-8.17.log", "opensmtpd-6.8.log"):
        shutil.copy(READERS / "mail" / "captured" / name, more / name)
    log = (root / "raw" / "mail" / "mail.log").read_bytes()
    (more / "again.log.gz").write_bytes(gzip.compress(log))  # the same content by another name
    for name in ("dhcpd.leases", "failover-primary.leases"):
        shutil.copy(READERS / "leases" / "real" / name, more / name)
    _static(more / "static.csv")
    _subscribers(root / "subscribers.csv", more / "subscribers-2.csv")
    (more / "no-list.csv").write_text("neither;fish\nnor;fowl\n", encoding="utf-8")
    for day in (24, 25):
        _flows(more / f"flows-{day}.csv", datetime(2026, 11, day), Random(day))


def grow(root: Path) -> None:
    """What a later delivery brings: the log has grown, and there is another day of flows."""
    with (root / "raw" / "mail" / "mail.log").open("a", encoding="utf-8") as file:
        file.write("Nov 25 09:00:00 mail postfix/smtpd[1]: 3C94120EAAA: client=later.example[198.18.1.12]\n"
                   "Nov 25 09:00:01 mail postfix/qmgr[2]: 3C94120EAAA: from=<a@isp.example>, size=9, nrcpt=1\n")
    _flows(root / "more" / "flows-26.csv", datetime(2026, 11, 26), Random(26))


def late(root: Path) -> None:
    """Flow records from the noon of one day to that of the next."""
    _flows(root / "more" / "flows-late.csv", datetime(2026, 11, 24, 12), Random(27))


def _static(path: Path) -> None:
    """Holders that overlap, parts of a shared address, and one that changes hands at noon."""
    path.write_text(
        "subscriber,first,last,port_first,port_last,start,end\n"
        "ME0002001,198.18.1.50,198.18.1.50,0,65535,2026-11-24 10:00:00,2026-11-24 14:00:00\n"
        "ME0002003,198.18.1.50,198.18.1.50,0,65535,2026-11-24 12:00:00,\n"
        "ME0002004,198.18.2.66,198.18.2.66,1024,29999,,\n"
        "ME0002005,198.18.2.66,198.18.2.66,30000,65535,,\n"
        f"ME0002001,{HANDED_OVER},{HANDED_OVER},0,65535,2026-11-24 10:00:00,2026-11-24 12:00:00\n"
        f"ME0002003,{HANDED_OVER},{HANDED_OVER},0,65535,2026-11-24 12:00:00,\n", encoding="utf-8")


def _subscribers(before: Path, path: Path) -> None:
    """A later list, with a line twice, another's auth user, and empty fields."""
    rows = before.read_text(encoding="utf-8").splitlines()
    fields = rows[1].split(",")
    path.write_text("\n".join([
        rows[0], ",".join(fields), ",".join([*fields[:3], "", *fields[4:]]), rows[2].replace("pm2002", "pm2003"),
        f"ME0009999{',' * (len(fields) - 1)}"]) + "\n", encoding="utf-8")


def _flows(path: Path, day: datetime, random: Random) -> None:
    """Both directions, five-tuples that come again, sampled and not, with and without flags; a few rows are broken."""
    def clock(moment: datetime) -> str:
        return moment.isoformat(sep=" ", timespec="milliseconds")

    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(_COLUMNS)
        for _ in range(700):
            line, server = random.choice(_LINES), random.choice(_SERVERS)
            ports = [random.choice([40000, 40001, 1024, 29999, 30000]), random.choice([25, 25, 25, 25, 110, 465, 587])]
            first = day + timedelta(minutes=random.choice([0, 1, 59, 60, 719, 1438, random.randrange(1440)]),
                                    milliseconds=random.randrange(60_000))
            last = first + timedelta(seconds=random.choice([0, 0, 5, 99, 4000]))
            ends = [line, server, *ports] if random.random() < 0.8 else [server, line, ports[0], 25]
            if random.random() < 0.4:  # the way back
                ends = [ends[1], ends[0], ends[3], ends[2]]
            two = random.random() < 0.3
            out.writerow([
                clock(first), clock(last), *ends, 6, random.choice([1, 2, 3, 7, 40]), random.choice(_BYTES),
                random.choice([0, 2, 9]) if two else "", random.choice([0, 80, 7000]) if two else "",
                random.choice(["", 2, 4, 18, 20, 27, 31]), random.choice([1, 1, 1, 100]),
                random.choice(["bras-1", "bras-2", ""]), random.choice(["", 64, 128])])
        for seconds in (-10, 10):  # one five-tuple, before and after noon
            moment = clock(day + timedelta(hours=12, seconds=seconds))
            out.writerow([moment, moment, HANDED_OVER, _SERVERS[4], 40000, 25, 6, 1, 60, "", "", 2, 1, "bras-1", ""])
        out.writerow([clock(day), clock(day), "198.18.1.11", "no address", 1, 25, 6, 1, 1, *[""] * 6])
        out.writerow(["yesterday", *[""] * (len(_COLUMNS) - 1)])
