"""Mail logs → lake, beside the tools that ISPs use for them now: pflogsumm, eximstats and zcat.

Both sides of each line read the same generated file in the same run, each as a process of its own, start included;
what counts is the ratio. Beside it stands the peak memory of the largest process of each side.
"""

# ruff: noqa: E501, T201 -- a generator of log lines; it prints what is missing

from __future__ import annotations

import argparse
import gzip
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.measuring import in_turns, ingested, measured, show


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


def written(path: Path, lines: Iterator[str]) -> Path:
    """The path of a file with these lines."""
    with path.open("w") as file:
        file.writelines(lines)
    return path


def mail(directory: Path, lines: int) -> None:
    """A Postfix log, plain and packed; a Sendmail log beside it."""
    path = written(directory / "mail.log", mail_lines(lines))
    sendmail = written(directory / "maillog", sendmail_lines(lines))
    theirs, ours, other = in_turns(lambda: measured("pflogsumm", str(path)),
                                   lambda: ingested(directory, "mail", path, "year = 2026"),
                                   lambda: ingested(directory, "mail", sendmail, "year = 2026"))
    show(f"Postfix, {lines:,} lines", "pflogsumm", ours, theirs, theirs.seconds / ours.seconds, "at least 8")
    show(f"Sendmail, {lines:,} lines", "the Postfix reader", other, ours, ours.seconds / other.seconds, "at least 0.7")
    packed = directory / "mail.log.gz"
    with path.open("rb") as plain, gzip.open(packed, "wb", 6) as file:
        shutil.copyfileobj(plain, file)
    theirs, ours = in_turns(lambda: measured(f"zcat '{packed}' | wc -l", shell=True),
                            lambda: ingested(directory, "mail", packed, "year = 2026"))
    show("Postfix, gzip", "zcat | wc -l", ours, theirs, ours.seconds / theirs.seconds, "at most 6")


def exim(directory: Path, lines: int) -> None:
    """An Exim main log."""
    if shutil.which("eximstats") is None:
        print("Exim: no eximstats on PATH; it is in Debian's exim4-base (beside Postfix: apt-get download exim4-base, "
              "dpkg -x exim4-base_*.deb DIRECTORY, and DIRECTORY/usr/sbin on PATH)")
        return
    path = written(directory / "mainlog", exim_lines(lines))
    theirs, ours = in_turns(lambda: measured("eximstats", str(path)), lambda: ingested(directory, "mail", path, ""))
    show(f"Exim, {lines:,} lines", "eximstats", ours, theirs, theirs.seconds / ours.seconds, "at least 5")


def main() -> None:
    """Generate, run both sides, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=4_000_000)
    parser.add_argument("--only", choices=["mail", "exim"])
    options = parser.parse_args()
    parts: dict[str, Callable[[Path], None]] = {"mail": lambda directory: mail(directory, options.lines),
                                                "exim": lambda directory: exim(directory, options.lines)}
    for name, part in parts.items():
        if options.only in {None, name}:
            with tempfile.TemporaryDirectory() as directory:
                part(Path(directory))


if __name__ == "__main__":
    main()
