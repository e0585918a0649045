"""Findings from flow records, where nothing else is known: a university's network seen for a few hours, without leases.

The hosts are such as labelled captures of botnets have (CTU-13): spam bots whose sessions are mostly established and
short, hosts of people, and the university's own mail servers. Every case is one host.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b.api import OpenWorkspace
from tests.pipelines.rows import SYN, Row, both, event, flow, lease, load, new_workspace

MINUTES = 120  # of the capture, from ten o'clock
MX = [f"{first}.{second}.7.25" for first in (11, 12, 13, 14) for second in range(250)]


def clock(second: float) -> str:
    return f"{10 + int(second) // 3600:02}:{int(second) // 60 % 60:02}:{int(second) % 60:02}"


class Host:
    """Sessions of one host, as an Argus record each (bidirectional, state told) or as records of both directions."""

    def __init__(self, number: int) -> None:
        self.address, self._port, self.rows = f"198.18.0.{number}", 2000, list[Row]()

    def argus(self, server: str, second: float, *, size: int = 3000, ok: bool | None = True, port: int = 25) -> Host:
        """ok: established; None: no answer; False: refused."""
        self._port += 1
        sent, back = (12, 10) if ok else (1, 1) if ok is False else (3, 0)
        self.rows.append(flow(
            f"{self.address}:{self._port}", f"{server}:{port}", clock(second), flags=None, packets=sent,
            bytes=size if ok else 60 * sent, reply_packets=back, reply_bytes=back * 60, established=ok is True))
        return self

    def called(self, peer: str, second: float) -> Host:
        self._port += 1
        self.rows.append(flow(f"{peer}:{self._port}", f"{self.address}:25", clock(second), flags=None, packets=12,
                              bytes=3000, reply_packets=10, reply_bytes=900, established=True))
        return self


def every(count: int, seconds: float = MINUTES * 60) -> Iterator[tuple[int, float]]:
    """`count` moments spread evenly over so many seconds."""
    yield from ((n, n * seconds / count) for n in range(count))


def hosts() -> dict[str, Host]:
    made = {name: Host(number) for number, name in enumerate((
        "refused everywhere", "delivers to most", "only SYNs", "mail server", "mailing list", "mail program", "webmail",
        "scanner", "scanner of closed ports", "home with both", "sends only", "three tries", "burst of refusals",
        "hammers two providers", "student"), start=1)}
    for n, second in every(300, 1800):
        made["refused everywhere"].argus(MX[n], second, size=420, ok=True if n % 5 else None)
    for n, second in every(200, 1200):
        made["delivers to most"].argus(MX[n], second, ok=True if n % 10 < 7 else None if n % 10 < 9 else False)
    for n, second in every(200, 900):
        made["only SYNs"].argus(MX[n], second, ok=None)
    for n, second in every(300):
        made["mail server"].argus(MX[n % 120], second, ok=True if n % 20 else None)
        if n % 3 == 0:
            made["mail server"].called(MX[n % 60], second + 7)
    for n, second in every(400, 250):
        made["mailing list"].argus(MX[n], second, ok=True if n % 25 else None)
    for n, second in every(30):
        made["mailing list"].called(MX[n], second)
    for _, second in every(5):
        made["mail program"].argus("11.0.9.1", second).argus("11.0.9.2", second + 3, port=110)
        made["webmail"].argus("11.0.9.3", second, port=587)
    for n, second in every(400, 600):
        made["scanner"].argus(f"12.0.{n // 200}.{n % 200 + 1}", second, ok=None if n % 20 else False)
        made["scanner of closed ports"].argus(f"{20 + n % 100}.{n % 250}.{n % 7}.9", second,
                                              ok=None if n % 3 == 0 else False)
    for _, second in every(8):
        made["home with both"].argus("198.51.100.70", second).argus("198.51.100.71", second + 2, port=110)
    for n, second in every(150, 3000):
        made["home with both"].argus(MX[n], second, size=500, ok=True if n % 2 else None)
    for n, second in every(90):
        made["sends only"].argus(MX[n % 30], second, ok=True if n % 30 else None)
    for n in range(3):
        made["three tries"].argus(MX[n], n * 5, size=300)
    for n in range(25):
        made["burst of refusals"].argus(MX[n], n * 4, size=380)
    for n in range(120):
        made["hammers two providers"].argus(MX[n % 2], n * 2, size=350 if n % 3 else 2500)
    for n in range(2):
        made["student"].argus("11.0.9.9", 100 + 2000 * n, size=5000)
    return made


@pytest.fixture(scope="module")
def university(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    opened, made = new_workspace(tmp_path_factory.mktemp("university")), hosts()
    load(opened, "flow", [row for host in made.values() for row in host.rows])
    opened.build()
    found = {row["subscriber"]: row for row in opened.findings().iter_rows(named=True)}
    places: dict[str, list[tuple[str, str]]] = {}
    for row in opened.findings(per="destination").iter_rows(named=True):
        places.setdefault(row["subscriber"], []).append((row["destination_group"], row["class"]))
    return {name: found[host.address] | {"places": places[host.address]}
            for name, host in made.items() if host.address in found}


@pytest.mark.parametrize(("host", "expected"), [
    ("refused everywhere", ["bot"]), ("delivers to most", ["bot"]), ("only SYNs", ["bot"]),
    ("burst of refusals", ["bot"]), ("hammers two providers", ["bot"]), ("home with both", ["bot", "mail-program"]),
    ("mail server", ["own-server"]), ("mailing list", ["own-server"]), ("sends only", ["own-server"]),
    ("mail program", ["mail-program"]), ("student", ["mail-program"]), ("scanner", ["scanner"]),
    ("scanner of closed ports", ["scanner"]), ("three tries", ["unclear"]),
])
def test_host(university: dict[str, dict[str, Any]], host: str, expected: list[str]) -> None:
    found = university[host]
    assert found["classes"] == expected, found["probabilities"]


def test_submission_and_webmail_are_no_finding(university: dict[str, dict[str, Any]]) -> None:
    assert "webmail" not in university


def test_the_baselines_stand_beside(university: dict[str, dict[str, Any]]) -> None:
    """Both rules of thumb accuse the mailing list; that of contacts also the scanner, none finds the mail program."""
    marks = {name: (row["baseline_5min"], row["baseline_contacts"]) for name, row in university.items()}
    assert marks["mailing list"] == marks["refused everywhere"] == marks["scanner"] == (True, True)
    assert marks["mail program"] == (False, False)
    assert marks["hammers two providers"] == (False, True)


def test_the_sequential_test_is_shown(university: dict[str, dict[str, Any]]) -> None:
    shown = {name: (row["sprt"], row["sprt_n"], row["sprt_failed"]) for name, row in university.items()}
    assert shown["only SYNs"] == ("bot", 200, 200)
    assert shown["refused everywhere"] == ("bot", 300, 300)
    assert shown["sends only"] == ("normal", 30, 1)
    assert shown["mail program"] == ("open", 1, 0)


def test_each_destination_of_a_mixed_home(university: dict[str, dict[str, Any]]) -> None:
    assert university["home with both"]["places"][-1] == ("known-provider", "mail-program") or (
        "known-provider", "mail-program") in university["home with both"]["places"]
    assert {name for group, name in university["home with both"]["places"] if group == "other"} == {"bot"}
    assert {"destination_group": "known-provider", "class": "mail-program"} in (
        university["home with both"]["destination_classes"])


# ---- over days, with leases ----

@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    """a: one new server an hour for four days, mostly in vain. b: has its first address afterwards, and sends mail."""
    opened = new_workspace(tmp_path_factory.mktemp("days"))
    rows, leases = [], []
    for n in range(80):
        when = f"2007-06-{1 + n // 20:02} {n % 20 + 2:02}:15:00"
        rows += ([flow(f"198.18.0.{1 + n // 40}:{4000 + n}", f"{MX[n]}:25", when, flags=SYN, packets=3, bytes=180)]
                 if n % 4 else both(f"198.18.0.{1 + n // 40}:{4000 + n}", f"{MX[n]}:25", when))
    leases += [lease("198.18.0.1", "a", "2007-06-01 00:00:00", "2007-06-03 00:00:00"),
               lease("198.18.0.2", "a", "2007-06-03 00:00:00", "2007-06-05 00:00:00"),
               lease("198.18.0.1", "b", "2007-06-03 00:00:00", "2007-06-05 00:00:00")]
    for n in range(3):
        rows += both(f"198.18.0.1:{5000 + n}", f"{MX[n]}:25", f"2007-06-03 {12 + n}:00:00")
    load(opened, "flow", rows)
    load(opened, "lease_record", leases)
    opened.build()
    return opened


def test_a_slow_sprayer_is_found_over_its_addresses_and_its_successor_is_not_it(days: OpenWorkspace) -> None:
    columns = ("subscriber", "class", "destinations_5min", "sprt", "sprt_n", "sprt_failed", "baseline_5min",
               "baseline_contacts")
    assert days.findings().select(columns).rows() == [
        ("a", "bot", 1, "bot", 80, 60, False, False), ("b", "mail-program", 1, "normal", 3, 0, False, False)]


def test_the_own_relays_verdicts_count(tmp_path: Path) -> None:
    """a sends by its provider on 25; the own relay refuses ten of its messages as spam (5.7.1).

    b, too, but its refusals are of unknown users: no verdict on spam. c is refused before its mails have a queue id.
    d tries 587 without logging in, which is refused with the same code.
    """
    opened = new_workspace(tmp_path)
    rows, events = [], []
    for number, (name, dsn) in enumerate(zip("abcd", ("5.7.1", "5.1.1", "5.7.1", "5.7.1"), strict=True), 1):
        address = f"198.18.0.{number}"
        for n in range(3):
            rows += both(f"{address}:{4000 + n}", "198.51.100.70:25", f"1{n}:00")
        for n in range(10):
            key, when = f"{name}{n}", f"12:{n:02}:00"
            if name in "cd":
                port = 25 if name == "c" else 587
                events.append(event("rejected", when, None, client_ip=address, dsn=dsn, listener_port=port))
                continue
            events += [event("accepted", when, key, client_ip=address),
                       event("queued", when, key, size_bytes=900, recipients=1),
                       event("delivery", when, key, status="bounced", dsn=dsn), event("removed", when, key)]
    load(opened, "flow", rows)
    load(opened, "mail_event", events)
    load(opened, "lease_record", [lease(f"198.18.0.{n}", name, "08:00") for n, name in enumerate("abcd", 1)])
    opened.build()
    found = {row["subscriber"]: row for row in opened.findings().iter_rows(named=True)}
    columns = ("classes", "relay_sprt", "relay_bounced", "relay_rejected")
    assert [tuple(found[name][column] for column in columns) for name in "abcd"] == [
        (["bot", "mail-program"], "bot", 10, 0), (["mail-program"], None, 10, 0),
        (["bot", "mail-program"], "bot", 0, 10), (["mail-program"], None, 0, 0)]


def test_no_share_is_a_number_that_is_none(days: OpenWorkspace) -> None:
    frame = days.findings()
    numbers = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    assert numbers
    assert frame.select((~pl.col(numbers).is_finite()).sum()).row(0) == (0,) * len(numbers)
