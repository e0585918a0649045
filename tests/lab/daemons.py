"""The servers beside the mail servers: names, web, mail sinks, syslog, RADIUS, flow export."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import addresses
from tests.lab.errors import LabError
from tests.lab.net import Namespaces, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).parent
ROTATION_SECONDS = 30
RADIUS_SECRET = "lab"

RSYSLOG = """
global(workDirectory="{work}" localHostname="mail")
module(load="imuxsock" SysSock.Name="{socket}")
mail.* action(type="omfile" file="{work}/mail.log" fileCreateMode="0644"
              template="RSYSLOG_TraditionalFileFormat")
*.*;mail.none action(type="omfile" file="{work}/other.log")
"""

# The accounting half of Debian's stock configuration; the modules and policies are its own files.
RADIUSD = """
prefix = /usr
raddbdir = {home}
localstatedir = {home}
logdir = {home}
radacctdir = {home}/radacct
run_dir = {home}
libdir = /usr/lib/freeradius
modconfdir = {home}/mods-config
pidfile = {home}/radiusd.pid
name = freeradius
max_requests = 4096
log {{
  destination = stdout
}}
security {{
  allow_core_dumps = no
}}
client lab {{
  ipaddr = 127.0.0.1
  secret = {secret}
}}
modules {{
  $INCLUDE mods-available/always
  $INCLUDE mods-available/attr_filter
  $INCLUDE mods-available/expr
  $INCLUDE mods-available/preprocess
  detail {{
    filename = ${{radacctdir}}/detail-%Y%m%d
    permissions = 0644
    header = "%t"
  }}
}}
policy {{
  $INCLUDE policy.d/accounting
}}
server default {{
  listen {{
    type = acct
    ipaddr = 127.0.0.1
    port = 1813
  }}
  preacct {{
    preprocess
    acct_unique
  }}
  accounting {{
    detail
    attr_filter.accounting_response
  }}
}}
"""


class Daemons:
    """Starts the daemons and remembers which log belongs to which process."""

    def __init__(self, spaces: Namespaces) -> None:
        self.spaces = spaces
        self.work = spaces.work
        self.log_socket = self.work / "syslog" / "socket"
        self.radius_home = self.work / "radius"
        self.flows = self.work / "flows"
        self._started: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}

    def start(
        self,
        what: str,
        inside: str,
        argv: Sequence[str],
        *,
        ready: Path | str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Starts one daemon in the foreground and waits until it is ready.

        Args:
            what: Its name in errors.
            inside: The namespace.
            argv: The command.
            ready: A file that appears, or a text that its log holds, once it serves.
            env: Added to the environment.
        """
        log = self.work / f"{what}.log"
        child = self.spaces.spawn(self.spaces.command(inside, argv), log, env=env)
        self._started[what] = (child, log)
        until = time.monotonic() + 20
        while ready is not None:
            if isinstance(ready, Path):
                done = ready.exists()
            else:
                done = log.exists() and ready in log.read_text(errors="replace")
            if done:
                return
            if child.poll() is not None:
                break
            if time.monotonic() > until:
                raise LabError.of_server(what, "was not ready within 20 s", log)
            time.sleep(0.05)
        time.sleep(0.1)
        self.check(what)

    def check(self, what: str) -> None:
        """Raises LabError when a daemon has ended."""
        child, log = self._started[what]
        if child.poll() is not None:
            raise LabError.of_server(what, f"ended with status {child.returncode}", log)

    def check_all(self) -> None:
        """Raises LabError when any daemon has ended."""
        for what in self._started:
            self.check(what)

    def stop(self, what: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends one daemon and waits for it to write its last things."""
        self.check(what)
        child, log = self._started.pop(what)
        os.kill(child.pid, number)
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            raise LabError.of_server(what, "does not end", log) from None

    def start_names(self, zone: addresses.Records) -> None:
        """The name server."""
        path = self.work / "zone.json"
        path.write_text(json.dumps(zone))
        script = [sys.executable, "-I", str(HERE / "nameserver.py")]
        self.start("nameserver", "infra", [*script, str(path), addresses.NAMESERVER], ready="ready")

    def start_web(self) -> None:
        """The webmail site, with a certificate of its own making."""
        certificate, key = self.work / "web.pem", self.work / "web.key"
        subject = ["-subj", "/CN=www.webmail.example", "-days", "2"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        out = ["-keyout", str(key), "-out", str(certificate)]
        run(["openssl", "req", "-x509", *curve, *subject, *out], "web certificate")
        script = [sys.executable, "-I", str(HERE / "webserver.py")]
        argv = [*script, str(certificate), str(key), addresses.WEBMAIL]
        self.start("webserver", "web", argv, ready="ready")

    def start_sinks(self) -> None:
        """The mobile carriers' and the unrelated mail servers."""
        for address in addresses.CARRIER_MXS:
            self.sink("carrier", address, "mx.mobile.example")
        self.sink("carrier", f"[{addresses.CARRIER_MX6}]", "mx.mobile.example")
        for number, address in enumerate(addresses.SHOPS, 1):
            self.sink("mxfarm", address, f"mx.shop-{number:02}.example")
        for address in addresses.SPRAYED_OPEN:
            self.sink("mxfarm", address, "mx.example")
        refuse = ["-f", "RCPT", "-B", "550 5.1.1 User unknown"]
        self.sink("mxfarm", addresses.BOUNCING_MX, "mail.closed.example", *refuse)
        later = ["-r", "RCPT", "-b", "451 4.7.1 Greylisted, please try again"]
        self.sink("mxfarm", addresses.BUSY_MX, "mail.busy.example", *later)

    def sink(self, inside: str, address: str, hostname: str, *options: str) -> None:
        """One mail server that takes messages and forgets them."""
        argv = ["smtp-sink", *options, "-h", hostname, "-u", "postfix", f"{address}:25", "64"]
        output = self.work / f"sink-{address}.log"
        child = self.spaces.spawn(self.spaces.command(inside, argv), output)
        self._started[f"sink-{address}"] = (child, output)

    def start_syslog(self) -> None:
        """The syslog daemon of the ISP's sending server."""
        home = self.log_socket.parent
        home.mkdir()
        config = home / "rsyslog.conf"
        config.write_text(RSYSLOG.format(work=home, socket=self.log_socket))
        argv = ["rsyslogd", "-n", "-f", str(config), "-i", str(home / "pid")]
        env = {"TZ": "Asia/Tokyo"}
        self.start("rsyslogd", "isp", argv, ready=self.log_socket, env=env)

    def start_radius(self) -> None:
        """FreeRADIUS, for accounting only."""
        home = self.radius_home
        shutil.copytree("/etc/freeradius/3.0", home, ignore=shutil.ignore_patterns("certs"))
        (home / "radacct").mkdir()
        (home / "radiusd.conf").write_text(RADIUSD.format(home=home, secret=RADIUS_SECRET))
        argv = ["freeradius", "-f", "-l", "stdout", "-d", str(home)]
        env = {"TZ": "Asia/Tokyo"}
        self.start("freeradius", "infra", argv, ready="Ready to process", env=env)

    def start_flows(self) -> None:
        """The collector, and the exporter on the router's subscriber side."""
        self.flows.mkdir()
        pid = self.work / "nfcapd.pid"
        argv = ["nfcapd", "-w", str(self.flows), "-t", str(ROTATION_SECONDS), "-P", str(pid)]
        env = {"TZ": "UTC"}
        listen = ["-b", "127.0.0.1", "-p", "2055"]
        self.start("nfcapd", "router", [*argv, *listen], ready=pid, env=env)
        control = self.work / "softflowd.ctl"
        timeouts = ["tcp=20", "tcp.rst=5", "tcp.fin=5", "udp=10", "icmp=10", "general=20", "maxlife=60", "expint=2"]
        argv = ["softflowd", "-d", "-i", "subs0", "-n", "127.0.0.1:2055", "-v", "10", "-A", "milli"]
        argv += [word for timeout in timeouts for word in ("-t", timeout)]
        # The capture library hands over packets only by full blocks of 256 KiB: keep them whole.
        argv += ["-C", "65535", "-p", str(self.work / "softflowd.pid"), "-c", str(control)]
        self.start("softflowd", "router", argv, ready=control, env=env)

    def softflowctl(self, command: str) -> str:
        """Asks the exporter something and returns its answer."""
        argv = ["softflowctl", "-c", str(self.work / "softflowd.ctl"), command]
        return run(self.spaces.command("router", argv), f"softflowctl {command}")

    def packets(self) -> tuple[int, int]:
        """How many packets the exporter's capture library has received, and how many it has passed on."""
        answer = self.softflowctl("statistics")
        found = [re.search(pattern, answer) for pattern in (r"received by libpcap: (\d+)", r"Packets processed: (\d+)")]
        received, processed = (int(match[1]) if match else 0 for match in found)
        return received, processed

    def finish_flows(self, traffic: Callable[[], None]) -> None:
        """Exports what the exporter still holds, then ends both programs.

        Args:
            traffic: Makes a few hundred KiB of traffic, which pushes waiting packets to the exporter.
        """
        received, processed = self.packets()
        for _attempt in range(20):
            if processed >= received:
                break
            traffic()
            _newer, processed = self.packets()
        else:
            what = f"took {processed} of {received} packets"
            raise LabError.of_server("softflowd", what, self.work / "softflowd.log")
        self.softflowctl("expire-all")
        time.sleep(1.0)
        counted = re.search(r"Flows exported: \d+ \((\d+) records\)", self.softflowctl("statistics"))
        self.stop("softflowd")
        time.sleep(0.5)
        self.stop("nfcapd")
        summary = run(["nfdump", "-R", str(self.flows), "-I"], "nfdump -I")
        collected = re.search(r"^Flows: (\d+)", summary, re.MULTILINE)
        if counted is None or collected is None or counted[1] != collected[1]:
            what = f"exported {counted and counted[1]} records, nfcapd kept {collected and collected[1]}"
            raise LabError.of_server("softflowd", what, self.work / "softflowd.log")
