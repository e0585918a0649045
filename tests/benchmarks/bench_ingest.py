"""Log files → lake, beside the tools that ISPs use for them now: pflogsumm, eximstats, zcat and nfdump.

Both sides of each line read the same generated file in the same run, each as a process of its own, start included;
what counts is the ratio. Beside it stands the peak memory of the largest process of each side.
"""

# ruff: noqa: E501, T201 -- a generator of log lines; it prints its result

from __future__ import annotations

import argparse
import gzip
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from op25b.pseudonyms import Pseudonyms
from op25b.readers.flows import nfcapd
from tests.support.ipfix import messages

INGEST = "import sys; from op25b.cli import main; sys.argv = ['op25b', '-w', sys.argv[1], 'ingest']; main()"
DISTINCT_FLOWS = 1_000_000
FLOW = np.dtype([("first", ">u8"), ("last", ">u8"), ("sport", ">u2"), ("dport", ">u2"), ("protocol", "u1"), ("flags", "u1"),
                 ("packets", ">u8"), ("bytes", ">u8"), ("forwarding", "u1"), ("src", ">u4"), ("dst", ">u4")])


@dataclass(frozen=True)
class Run:
    """One measured process: seconds by the clock and of all cores, and peak memory in MiB."""

    seconds: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu:.1f} s CPU, {self.memory:.0f} MiB)"


def measured(*command: str, shell: bool = False) -> Run:
    """Run a command to its end with its output thrown away."""
    began = time.perf_counter()
    process = subprocess.Popen(command[0] if shell else command, shell=shell, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed: exit status {process.returncode}")
    return Run(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def ingested(directory: Path, kind: str, path: Path, extra: str) -> Run:
    """`op25b ingest` of one file into a new workspace."""
    workspace = directory / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    Pseudonyms.create(workspace / "op25b.key")
    (workspace / "op25b.toml").write_text(f'[[inputs.{kind}]]\npath = "{path}"\n{extra}\n')
    return measured(sys.executable, "-c", INGEST, str(workspace))


def mail_lines(count: int) -> Iterator[str]:
    """A Postfix log, eight lines a message: what a submission server with logins writes."""
    source = random.Random(1)
    for number in range(count // 8):
        second = number // 40
        stamp = f"Nov {1 + second // 86400 % 28:2d} {second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d} mx1"
        queue_id, pid = f"{source.getrandbits(40):010X}", number % 900
        client = f"pc[198.18.{source.randrange(256)}.{source.randrange(256)}]"
        user, message = f"u{number % 5000}@isp.example", f"postfix/smtpd[{pid}]: {queue_id}"
        yield (
            f"{stamp} postfix/smtpd[{pid}]: connect from {client}\n"
            f"{stamp} {message}: client={client}, sasl_method=PLAIN, sasl_username={user}\n"
            f"{stamp} postfix/cleanup[{pid}]: {queue_id}: message-id=<{number}@x.example>\n"
            f"{stamp} postfix/qmgr[11]: {queue_id}: from=<{user}>, size={number}, nrcpt=1 (queue active)\n"
            f"{stamp} postfix/smtpd[{pid}]: disconnect from {client} ehlo=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=6\n"
            f"{stamp} postfix/smtp[{pid}]: {queue_id}: to=<b{number}@other.example>, relay=mx.other.example"
            f"[198.51.100.{number % 255}]:25, delay=1.2, delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued)\n"
            f"{stamp} postfix/qmgr[11]: {queue_id}: removed\n"
            f"{stamp} postfix/anvil[12]: statistics: max connection rate 1/60s for (smtp:198.51.100.1) at Nov 24 00:00:00\n"
        )


def exim_lines(count: int) -> Iterator[str]:
    """An Exim main log with the default log selectors, four lines a message."""
    source = random.Random(1)
    tls = "X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256"
    for number in range(count // 4):
        second = number // 40
        stamp = f"2026-11-{1 + second // 86400 % 28:02d} {second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        message = f"{stamp} 1x{source.randrange(10**4):04d}-{number % 10**6:06d}-{number % 36:02d}"
        client, user = f"198.18.{source.randrange(256)}.{source.randrange(256)}", f"u{number % 5000}@isp.example"
        yield (
            f"{stamp} no host name found for IP address {client}\n"
            f"{message} <= {user} H=(pc) [{client}]:{20000 + number % 40000} P=esmtpsa {tls} CV=no A=plain_server:{user} "
            f"S={number} id={number}@x.example\n"
            f"{message} => b{number}@other.example R=dnslookup T=remote_smtp H=mx.other.example [198.51.100.{number % 255}] "
            f'{tls} CV=yes DN="CN=mx.other.example" C="250 2.0.0 Ok: queued as {number:X}"\n'
            f"{message} Completed\n"
        )


def sendmail_lines(count: int) -> Iterator[str]:
    """A Sendmail log at the default level, five lines a message: what a submission server with logins writes."""
    source = random.Random(1)
    tls = "version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256"
    for number in range(count // 5):
        second, pid = number // 40, number % 900
        stamp = f"Nov {1 + second // 86400 % 28:2d} {second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d} mx1"
        queue_id = f"{source.getrandbits(40):010X}{pid:04d}"
        client = f"pc [198.18.{source.randrange(256)}.{source.randrange(256)}]"
        user, session = f"u{number % 5000}@isp.example", f"{stamp} sm-mta[{pid}]:"
        yield (
            f"{session} STARTTLS=server, relay={client}, {tls}\n"
            f"{session} AUTH=server, relay={client}, authid={user}, mech=PLAIN, bits=0\n"
            f"{session} {queue_id}: from=<{user}>, size={number}, class=0, nrcpts=1, msgid=<{number}@x.example>, "
            f"proto=ESMTPSA, daemon=MSA, relay={client}\n"
            f"{session} STARTTLS=client, relay=mx.other.example., {tls}\n"
            f"{session} {queue_id}: to=<b{number}@other.example>, ctladdr=<{user}> (1001/1001), delay=00:00:02, "
            f"xdelay=00:00:01, mailer=esmtp, pri=150123, relay=mx.other.example. [198.51.100.{number % 255}], dsn=2.0.0, "
            f"stat=Sent (Ok: queued as {number:X})\n"
        )


def flow_datagrams(count: int) -> Iterator[bytes]:
    """IPFIX messages with flows of which 6 % are on mail ports."""
    yield from messages([], int(time.time()))
    source = np.random.default_rng(1)
    for start in range(0, count, 1000):
        flows = np.zeros(min(1000, count - start), FLOW)
        mail = source.random(len(flows)) < 0.06
        flows["first"] = 1795489200_000 + source.integers(0, 300_000, len(flows))
        flows["last"] = flows["first"] + source.integers(0, 30_000, len(flows))
        flows["sport"] = source.integers(1024, 65536, len(flows))
        flows["dport"] = np.where(mail, source.choice([25, 587, 465, 110], len(flows)), 443)
        flows["protocol"], flows["flags"], flows["packets"], flows["bytes"] = 6, 0x1B, 10, 1200
        flows["src"] = 0xC6120000 + source.integers(0, 1 << 16, len(flows))
        flows["dst"] = 0xC6336400 + source.integers(0, 1 << 8, len(flows))
        body = flows.tobytes()
        header = np.array([10, 16 + 4 + len(body)], ">u2").tobytes() + np.array([time.time(), start, 1], ">u4").tobytes()
        yield header + np.array([300, 4 + len(body)], ">u2").tobytes() + body


def flow_file(directory: Path, flows: int) -> Path:
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
            for datagram in flow_datagrams(min(flows, DISTINCT_FLOWS)):
                sender.sendto(datagram, ("127.0.0.1", port))
                time.sleep(0.005)
        time.sleep(1)
        process.terminate()
        process.wait()
    (part,) = parts.glob("nfcapd.2*")
    for number in range(1, max(1, flows // DISTINCT_FLOWS)):
        shutil.copy(part, parts / f"{part.name}{number:02d}")
    path = directory / "nfcapd.all"
    subprocess.run(["nfdump", "-q", "-y", "-R", str(parts), "-w", str(path)], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(parts)
    return path


def show(work: str, peer: str, ours: Run, theirs: Run, ratio: float, budget: str) -> None:
    """Print one line of the result."""
    print(f"{work}: op25b {ours}; {peer} {theirs}; "
          f"ratio {ratio:.2f} (budget {budget})", flush=True)


def written(path: Path, lines: Iterator[str]) -> Path:
    """The path of a file with these lines."""
    with path.open("w") as file:
        file.writelines(lines)
    return path


def mail(directory: Path, lines: int) -> None:
    """A Postfix log, plain and packed; a Sendmail log beside it."""
    path = written(directory / "mail.log", mail_lines(lines))
    theirs = measured("pflogsumm", str(path))
    ours = ingested(directory, "mail", path, "year = 2026")
    show(f"Postfix, {lines:,} lines", "pflogsumm", ours, theirs, theirs.seconds / ours.seconds, "at least 8")
    other = ingested(directory, "mail", written(directory / "maillog", sendmail_lines(lines)), "year = 2026")
    show(f"Sendmail, {lines:,} lines", "the Postfix reader", other, ours, ours.seconds / other.seconds, "at least 0.7")
    packed = directory / "mail.log.gz"
    with path.open("rb") as plain, gzip.open(packed, "wb", 6) as file:
        shutil.copyfileobj(plain, file)
    theirs = measured(f"zcat '{packed}' | wc -l", shell=True)
    ours = ingested(directory, "mail", packed, "year = 2026")
    show("Postfix, gzip", "zcat | wc -l", ours, theirs, ours.seconds / theirs.seconds, "at most 6")


def exim(directory: Path, lines: int) -> None:
    """An Exim main log."""
    if shutil.which("eximstats") is None:
        print("Exim: no eximstats on PATH; it is in Debian's exim4-base (beside Postfix: apt-get download exim4-base, "
              "dpkg -x exim4-base_*.deb DIRECTORY, and DIRECTORY/usr/sbin on PATH)")
        return
    path = written(directory / "mainlog", exim_lines(lines))
    theirs = measured("eximstats", str(path))
    ours = ingested(directory, "mail", path, "")
    show(f"Exim, {lines:,} lines", "eximstats", ours, theirs, theirs.seconds / ours.seconds, "at least 5")


def flows(directory: Path, count: int) -> None:
    """An nfcapd file."""
    path = flow_file(directory, count)
    layout = "fmt:" + ",".join(nfcapd.FIELDS.values())
    theirs = measured("nfdump", "-q", "-N", "-6", "-r", str(path), "-o", layout, nfcapd.PORT_FILTER)
    ours = ingested(directory, "flows", path, "sampling_interval = 1")
    text = subprocess.run(["nfdump", "-I", "-r", str(path)], capture_output=True, text=True, check=True).stdout
    real = int(text.split("Flows: ")[1].split()[0])
    show(f"nfcapd, {real:,} flows", "nfdump", ours, theirs, ours.seconds / theirs.seconds, "at most 1.5")


def main() -> None:
    """Generate, run both sides, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=4_000_000)
    parser.add_argument("--flows", type=int, default=10_000_000)
    parser.add_argument("--only", choices=["mail", "exim", "flows"])
    options = parser.parse_args()
    parts: dict[str, Callable[[Path], None]] = {"mail": lambda directory: mail(directory, options.lines),
                                                "exim": lambda directory: exim(directory, options.lines),
                                                "flows": lambda directory: flows(directory, options.flows)}
    for name, part in parts.items():
        if options.only in {None, name}:
            with tempfile.TemporaryDirectory() as directory:
                part(Path(directory))


if __name__ == "__main__":
    main()
