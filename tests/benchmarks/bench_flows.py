"""Flow files → lake, beside nfdump for nfcapd files and DuckDB for text.

Run `python -m tests.benchmarks.bench_flows [--flows N] [--only nfcapd|csv48|csv10|goflow2|zeek]`. Both sides of each
line read the same generated file in the same run, each as a process of its own, start included; what counts is the
ratio. 6 % of the flows are on mail ports. nfdump prints the records that op25b reads from it; DuckDB reads the columns
that op25b keeps with the reader made for the format, filters by port, and writes one Parquet file.
"""



from __future__ import annotations

import argparse
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from op25b.lake import Lake
from op25b.readers.flows import nfcapd
from op25b.settings import MAIL_PORTS
from tests.benchmarks.measuring import Run, in_turns, ingested, measured, show
from tests.support.ipfix import messages

DISTINCT = 1_000_000  # flows a nfcapd file is made of, as often as needed
PIECE = 500_000
BUDGET = "at most 1.5"
START = 1795489200_000
RECORD = np.dtype([("first", ">u8"), ("last", ">u8"), ("sport", ">u2"), ("dport", ">u2"), ("protocol", "u1"),
                   ("flags", "u1"), ("packets", ">u8"), ("bytes", ">u8"), ("forwarding", "u1"), ("src", ">u4"),
                   ("dst", ">u4")])
HEADER_48 = [
    "ts", "te", "td", "sa", "da", "sp", "dp", "pr", "flg", "fwd", "stos", "ipkt", "ibyt", "opkt", "obyt", "in", "out",
    "sas", "das", "smk", "dmk", "dtos", "dir", "nh", "nhb", "svln", "dvln", "ismc", "odmc", "idmc", "osmc", "mpls1",
    "mpls2", "mpls3", "mpls4", "mpls5", "mpls6", "mpls7", "mpls8", "mpls9", "mpls10", "cl", "sl", "al", "ra", "eng",
    "exid", "tr",
]
ZEEK = [
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "orig_bytes",
    "resp_bytes", "conn_state", "local_orig", "local_resp", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes",
    "resp_pkts", "resp_ip_bytes", "tunnel_parents",
]
ZEEK_HEAD = ("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
             "#open\t2026-11-24-00-00-00\n#fields\t" + "\t".join(ZEEK)
             + "\n#types\t" + "\t".join(["string"] * len(ZEEK)) + "\n")


def records(count: int, seed: int) -> np.ndarray:
    """Flows of five minutes; 6 % are on mail ports, most of the others HTTPS, by TCP or QUIC, and some DNS."""
    source = np.random.default_rng(seed)
    flows = np.zeros(count, RECORD)
    mail = source.random(count) < 0.06
    kind = source.random(count)
    flows["first"] = START + seed * 60_000 + source.integers(0, 300_000, count)
    flows["last"] = flows["first"] + source.integers(0, 30_000, count)
    flows["sport"] = source.integers(1024, 65536, count)
    flows["dport"] = np.where(mail, source.choice([25, 587, 465, 110], count), np.where(kind < 0.8, 443, 53))
    flows["protocol"] = np.where(mail | (kind < 0.5), 6, 17)
    flows["flags"] = np.where(flows["protocol"] == 6, source.choice([0x1B, 0x1B, 0x1B, 0x02, 0x12], count), 0)
    flows["packets"] = source.integers(1, 60, count)
    flows["bytes"] = flows["packets"] * source.integers(40, 1500, count)
    flows["src"] = 0xC6120000 + source.integers(0, 1 << 16, count)
    flows["dst"] = 0xCB000000 + source.integers(0, 1 << 14, count)
    return flows


def datagrams(count: int) -> Iterator[bytes]:
    """IPFIX messages with these flows."""
    yield from messages([], int(time.time()))
    flows = records(count, 1)
    for start in range(0, count, 1000):
        body = flows[start : start + 1000].tobytes()
        header = struct.pack("!HHIII", 10, 16 + 4 + len(body), int(time.time()), start, 1)
        yield header + struct.pack("!HH", 300, 4 + len(body)) + body


def capture(directory: Path, flows: int) -> Path:
    """A file of about `flows` flows: some from a real nfcapd, as often as needed, joined and compressed by nfdump."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    parts = directory / "parts"
    parts.mkdir()
    with subprocess.Popen(["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(parts), "-t", "3600"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams(min(flows, DISTINCT)):
                sender.sendto(datagram, ("127.0.0.1", port))
                time.sleep(0.005)
        time.sleep(1)
        process.terminate()
        process.wait()
    for part in list(parts.glob("nfcapd.2*")):  # two of them where an hour began meanwhile
        for number in range(1, max(1, flows // DISTINCT)):
            shutil.copy(part, parts / f"{part.name}{number:02d}")
    path = directory / "nfcapd.all"
    subprocess.run(["nfdump", "-q", "-y", "-R", str(parts), "-w", str(path)], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(parts)
    return path


def frames(count: int) -> Iterator[pl.DataFrame]:
    """The same flows as frames with times in milliseconds and addresses as text; 10 % are IPv6."""
    for seed, start in enumerate(range(0, count, PIECE)):
        flows = records(min(PIECE, count - start), seed)
        frame = pl.DataFrame({name: flows[name].astype(np.int64) for name in RECORD.names or ()})
        six = pl.col("src") % 10 == 0
        yield frame.with_columns(_address("src", "2001:db8:100::", six), _address("dst", "2001:db8:200::", six))


def _address(name: str, prefix: str, six: pl.Expr) -> pl.Expr:
    number = pl.col(name)
    octets = [(number // (1 << shift) % 256).cast(pl.String) for shift in (24, 16, 8, 0)]
    # Decimal digits are hexadecimal ones too, without leading zeros: the canonical form.
    long = pl.concat_str(pl.lit(prefix), (number % 9999 + 1).cast(pl.String))
    return pl.when(six).then(long).otherwise(pl.concat_str(octets, separator=".")).alias(name)


def _moment(name: str, form: str) -> pl.Expr:
    return pl.from_epoch(name, "ms").dt.strftime(form)


def _named(pairs: dict[int, str], name: str) -> pl.Expr:
    return pl.col(name).replace_strict(pairs, default="")


_PROTOCOLS = {6: "TCP", 17: "UDP"}
_FLAGS = {0: "........", 0x1B: "...AP.SF", 0x02: "......S.", 0x12: "...A..S."}


def csv48(flows: pl.DataFrame) -> pl.DataFrame:
    """What nfdump until 1.7.4 prints."""
    ours = {
        "ts": _moment("first", "%F %T"), "te": _moment("last", "%F %T"),
        "td": ((pl.col("last") - pl.col("first")) / 1000).round(3), "sa": pl.col("src"), "da": pl.col("dst"),
        "sp": pl.col("sport"), "dp": pl.col("dport"), "pr": _named(_PROTOCOLS, "protocol"),
        "flg": _named(_FLAGS, "flags"), "ipkt": pl.col("packets"), "ibyt": pl.col("bytes"),
        "nh": pl.lit("0.0.0.0"), "nhb": pl.lit("0.0.0.0"), "ra": pl.lit("192.0.2.1"),
        "eng": pl.lit("0/0"), "exid": pl.lit(1), "tr": _moment("last", "%F %T%.3f"),
        **{name: pl.lit("00:00:00:00:00:00") for name in ("ismc", "odmc", "idmc", "osmc")},
        **{f"mpls{number}": pl.lit("0-0-0") for number in range(1, 11)},
        **{name: pl.lit("    0.000") for name in ("cl", "sl", "al")},
    }
    return flows.select(ours.get(name, pl.lit(0)).alias(name) for name in HEADER_48)


def csv10(flows: pl.DataFrame) -> pl.DataFrame:
    """What nfdump since 1.7.5 prints."""
    return flows.select(
        _moment("first", "%F %T%.3f").alias("firstSeen"), ((pl.col("last") - pl.col("first")) / 1000).alias("duration"),
        _named(_PROTOCOLS, "protocol").alias("proto"), pl.col("src").alias("srcAddr"), pl.col("sport").alias("srcPort"),
        pl.col("dst").alias("dstAddr"), pl.col("dport").alias("dstPort"), "packets", "bytes", pl.lit(1).alias("flows"),
    )


def goflow2(flows: pl.DataFrame) -> pl.DataFrame:
    """The fields of goflow2's default JSON that an IPFIX record fills, and those it prints as 0."""
    first, last = pl.col("first") * 10**6, pl.col("last") * 10**6
    zeros = ("src_as", "dst_as", "src_net", "dst_net")
    return flows.select(
        pl.lit("IPFIX").alias("type"), (last + 10**9).alias("time_received_ns"),
        pl.int_range(pl.len()).alias("sequence_num"), pl.lit(1).alias("sampling_rate"),
        pl.lit("192.0.2.1").alias("sampler_address"), first.alias("time_flow_start_ns"),
        last.alias("time_flow_end_ns"), "bytes", "packets", pl.col("src").alias("src_addr"),
        pl.col("dst").alias("dst_addr"),
        pl.when(pl.col("src").str.contains(":", literal=True)).then(pl.lit("IPv6")).otherwise(pl.lit("IPv4"))
        .alias("etype"),
        _named(_PROTOCOLS, "protocol").alias("proto"), pl.col("sport").alias("src_port"),
        pl.col("dport").alias("dst_port"), pl.lit(10).alias("in_if"), pl.lit(20).alias("out_if"),
        pl.lit("00:00:00:00:00:00").alias("src_mac"), pl.lit("00:00:00:00:00:00").alias("dst_mac"),
        *[pl.lit(0).alias(name) for name in ("src_vlan", "dst_vlan", "vlan_id", "ip_tos")],
        pl.lit(64).alias("forwarding_status"), pl.lit(0).alias("ip_ttl"), pl.lit(0).alias("ip_flags"),
        pl.col("flags").alias("tcp_flags"),
        *[pl.lit(0).alias(name) for name in ("icmp_type", "icmp_code", "ipv6_flow_label", "fragment_id",
                                             "fragment_offset", *zeros)],
        pl.lit("").alias("next_hop"), pl.lit(0).alias("next_hop_as"), pl.lit("").alias("bgp_next_hop"),
    )


def zeek(flows: pl.DataFrame) -> pl.DataFrame:
    """Rows of Zeek's conn.log."""
    first = pl.col("first")
    ours = {
        "ts": pl.concat_str((first // 1000).cast(pl.String), pl.lit("."),
                            (first % 1000).cast(pl.String).str.zfill(3), pl.lit("000")),
        "uid": pl.concat_str(pl.lit("C"), pl.col("src").hash().cast(pl.String)), "id.orig_h": pl.col("src"),
        "id.orig_p": pl.col("sport"), "id.resp_h": pl.col("dst"), "id.resp_p": pl.col("dport"),
        "proto": _named({6: "tcp", 17: "udp"}, "protocol"), "service": pl.lit("-"),
        "duration": pl.concat_str(((pl.col("last") - first) / 1000).cast(pl.String), pl.lit("00")),
        "orig_bytes": pl.col("bytes"), "resp_bytes": pl.lit(1000),
        "conn_state": _named({0: "SF", 0x1B: "SF", 0x02: "S0", 0x12: "S1"}, "flags"),
        "local_orig": pl.lit("T"), "local_resp": pl.lit("F"), "missed_bytes": pl.lit(0),
        "history": _named({0: "Dd", 0x1B: "ShADadFf", 0x02: "S", 0x12: "ShA"}, "flags"),
        "orig_pkts": pl.col("packets"), "orig_ip_bytes": pl.col("bytes"), "resp_pkts": pl.col("packets"),
        "resp_ip_bytes": pl.lit(1200), "tunnel_parents": pl.lit("-"),
    }
    return flows.select(ours[name].alias(name) for name in ZEEK)


# What an expert would write in DuckDB: all columns declared, so that nothing is sniffed and only those used are cast.
PEER = """
import sys, duckdb
source, target, query = sys.argv[1:]
duckdb.sql(f"COPY ({query.format(source=source)}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
"""
PORTS = ", ".join(map(str, MAIL_PORTS))


def declared(names: list[str], **types: list[str]) -> str:
    """A struct of column names and types (of text where none is said) for DuckDB, braces doubled for str.format."""
    of = {name: dtype for dtype, listed in types.items() for name in listed}
    return "{{" + ", ".join(f"'{name}': '{of.get(name, 'VARCHAR')}'" for name in names) + "}}"


CSV = ("read_csv('{{source}}', delim=',', header=true, quote='', escape='', auto_detect=false, ignore_errors=true, "
       "columns={})")
HEADER_10 = ["firstSeen", "duration", "proto", "srcAddr", "srcPort", "dstAddr", "dstPort", "packets", "bytes", "flows"]
CSV48 = f"""
SELECT ts, te, sa, da, sp, dp, pr, flg, fwd, ipkt, ibyt, opkt, obyt, ra, tr
FROM {CSV.format(declared(HEADER_48, TIMESTAMP=["ts", "te", "tr"], INTEGER=["sp", "dp", "fwd"],
                          BIGINT=["ipkt", "ibyt", "opkt", "obyt"]))}
WHERE pr = 'TCP' AND (sp IN ({PORTS}) OR dp IN ({PORTS}))
"""
CSV10 = f"""
SELECT firstSeen, firstSeen + to_milliseconds((duration * 1000)::BIGINT) AS lastSeen, proto, srcAddr, srcPort,
    dstAddr, dstPort, packets, bytes
FROM {CSV.format(declared(HEADER_10, TIMESTAMP=["firstSeen"], DOUBLE=["duration"], INTEGER=["srcPort", "dstPort"],
                          BIGINT=["packets", "bytes"]))}
WHERE proto = 'TCP' AND (srcPort IN ({PORTS}) OR dstPort IN ({PORTS}))
"""
NUMBERS = ["time_received_ns", "time_flow_start_ns", "time_flow_end_ns", "bytes", "packets"]
SMALL = ["sampling_rate", "src_port", "dst_port", "forwarding_status", "tcp_flags"]
TEXTS = ["sampler_address", "src_addr", "dst_addr", "proto"]
GOFLOW2 = f"""
SELECT make_timestamp_ns(time_flow_start_ns) AS first_seen, make_timestamp_ns(time_flow_end_ns) AS last_seen,
    make_timestamp_ns(time_received_ns) AS received, src_addr, dst_addr, src_port, dst_port, proto, packets, bytes,
    tcp_flags, sampling_rate, sampler_address, forwarding_status
FROM read_json('{{source}}', format='newline_delimited',
    columns={declared(NUMBERS + SMALL + TEXTS, BIGINT=NUMBERS, INTEGER=SMALL)})
WHERE proto = 'TCP' AND (src_port IN ({PORTS}) OR dst_port IN ({PORTS}))
"""
ZEEK_TYPES = {"DOUBLE": ["ts", "duration"], "INTEGER": ["id.orig_p", "id.resp_p"],
              "BIGINT": ["orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"]}
ZEEK_TSV = f"""
SELECT make_timestamp((ts * 1000000)::BIGINT) AS first_seen,
    make_timestamp(((ts + coalesce(duration, 0)) * 1000000)::BIGINT) AS last_seen, "id.orig_h", "id.orig_p",
    "id.resp_h", "id.resp_p", proto, conn_state, history, orig_pkts, orig_ip_bytes, resp_pkts, resp_ip_bytes
FROM read_csv('{{source}}', header=false, delim='\t', quote='', escape='', comment='#', nullstr='-',
    auto_detect=false, columns={declared(ZEEK, **ZEEK_TYPES)})
WHERE proto = 'tcp' AND ("id.orig_p" IN ({PORTS}) OR "id.resp_p" IN ({PORTS}))
"""


def compared(directory: Path, what: str, path: Path, query: str, extra: str) -> None:
    """Both sides on one text file; they must keep the same number of rows."""
    target = directory / "peer.parquet"
    theirs, ours = in_turns(lambda: measured(sys.executable, "-c", PEER, str(path), str(target), query),
                            lambda: ingested(directory, "flows", path, extra))
    rows = pl.scan_parquet(target).select(pl.len()).collect().item()
    show_both(f"{what}, {path.stat().st_size / 2**20:,.0f} MiB, {rows:,} kept", "DuckDB", directory, rows, ours, theirs)


def show_both(what: str, peer: str, directory: Path, rows: int, ours: Run, theirs: Run) -> None:
    """Print the line, once both sides agree on the rows."""
    kept = Lake(directory / "workspace" / "lake").rows("flow")
    if kept != rows:
        raise SystemExit(f"{what}: op25b kept {kept:,} rows, {peer} {rows:,}")
    show(f"{what} [CPU ratio {ours.cpu / theirs.cpu:.2f}]", peer, ours, theirs, ours.seconds / theirs.seconds, BUDGET)


def text(directory: Path, count: int, what: str, make: Callable[[pl.DataFrame], pl.DataFrame], query: str) -> None:
    """One text format."""
    path = directory / "flows"
    with path.open("wb") as file:
        file.write(ZEEK_HEAD.encode() if make is zeek else b"")
        for number, flows in enumerate(frames(count)):
            frame = make(flows)
            if make is goflow2:
                frame.write_ndjson(file)
            elif make is zeek:
                frame.write_csv(file, include_header=False, separator="\t", quote_style="never")
            else:
                frame.write_csv(file, include_header=number == 0, quote_style="never")
    compared(directory, f"{what}, {count:,} flows", path, query, 'timezone = "UTC"')


def captured(directory: Path, count: int) -> None:
    """An nfcapd file."""
    path = capture(directory, count)
    layout = "fmt:" + ",".join(nfcapd.FIELDS.values())
    command = ["nfdump", "-q", "-N", "-6", "-r", str(path), "-o", layout, nfcapd.PORT_FILTER]
    theirs, ours = in_turns(lambda: measured(*command),
                            lambda: ingested(directory, "flows", path, "sampling_interval = 1"))
    real = int(subprocess.run(["nfdump", "-I", "-r", str(path)], capture_output=True, text=True, check=True)
               .stdout.split("Flows: ")[1].split()[0])
    rows = int(subprocess.run(["wc", "-l"], stdin=subprocess.Popen(command, stdout=subprocess.PIPE).stdout,
                              capture_output=True, text=True, check=True).stdout)
    show_both(f"nfcapd, {real:,} flows, {rows:,} kept", "nfdump", directory, rows, ours, theirs)


def main() -> None:
    """Generate, run both sides, print."""
    parts: dict[str, Callable[[Path, int], None]] = {
        "nfcapd": captured,
        "csv48": lambda below, count: text(below, count, "nfdump csv of 48 columns", csv48, CSV48),
        "csv10": lambda below, count: text(below, count, "nfdump csv of 10 columns", csv10, CSV10),
        "goflow2": lambda below, count: text(below, count, "goflow2 JSON", goflow2, GOFLOW2),
        "zeek": lambda below, count: text(below, count, "Zeek conn.log", zeek, ZEEK_TSV),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=10_000_000)
    parser.add_argument("--only", choices=parts)
    options = parser.parse_args()
    for name, part in parts.items():
        if options.only in {None, name}:
            with tempfile.TemporaryDirectory() as directory:
                part(Path(directory), options.flows)


if __name__ == "__main__":
    main()
