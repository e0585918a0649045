"""contact_day, contact, sender_destination: what a line has to do with each organisation, and how contacts went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from op25b.api import OpenWorkspace
from tests.pipelines.rows import RST, SESSION, SYN, SYN_ACK, Row, both, flow, load, new_workspace

PROVIDER, OTHER, CARRIER, RELAY = "198.51.100.70", "192.0.2.25", "198.51.100.1", "203.0.113.1"
LINE = "198.18.0.1"


def built(root: Path, flows: list[Row]) -> OpenWorkspace:
    opened = new_workspace(root)
    load(opened, "flow", flows)
    opened.build()
    return opened


def mail(port: int, server: str, when: str, size: int = 2000, **other: Any) -> list[Row]:
    """A session in both directions; `size`: bytes of ten packets from the client."""
    return [flow(f"{LINE}:{port}", server, when, bytes=size, **other), flow(server, f"{LINE}:{port}", when, **other)]


def sampled(port: int, flags: str | None, size: int = 60, back: bool = False) -> Row:
    """One packet, the only one seen of a session."""
    ends = (f"{OTHER}:25", f"{LINE}:{port}") if back else (f"{LINE}:{port}", f"{OTHER}:25")
    return flow(*ends, "12:00", flags=flags, packets=1, bytes=size, sampling=1000)


@pytest.mark.parametrize(("flows", "expected"), [
    # columns: tiny, mail_sized, in_vain, carried, failed
    pytest.param(mail(4000, f"{OTHER}:25", "12:00", 1000), (0, 1, 0, 0, 0), id="as much as the smallest mail"),
    pytest.param(mail(4000, f"{OTHER}:25", "12:00", 999), (1, 0, 0, 0, 1), id="established, but no mail fits in"),
    pytest.param([*mail(4000, f"{OTHER}:25", "12:00", 600), *mail(4001, f"{OTHER}:25", "12:20")], (1, 1, 0, 0, 0),
                 id="greylisted, then delivered: the contact worked"),
    pytest.param([flow(f"{LINE}:4000", f"{OTHER}:25", "12:00", flags=SYN, packets=3, bytes=180)], (0, 0, 0, 0, 1),
                 id="no answer"),
    pytest.param([flow(f"{LINE}:4000", f"{OTHER}:25", "12:00", flags=SYN, packets=1),
                  flow(f"{OTHER}:25", f"{LINE}:4000", "12:00", flags=RST, packets=1)], (0, 0, 0, 0, 1), id="refused"),
    pytest.param([sampled(4000, SYN)], (0, 0, 1, 0, 1), id="sampled: a SYN alone"),
    pytest.param([sampled(4000, "A", 40)], (0, 0, 0, 1, 0), id="sampled: an ACK, so the server answered"),
    pytest.param([sampled(4000, SYN), sampled(4000, SYN_ACK, back=True)], (0, 0, 0, 1, 0), id="sampled: SYN, SYN/ACK"),
    pytest.param([sampled(4000, None, 1500)], (0, 1, 0, 1, 0), id="sampled without flags: a packet with much in it"),
    pytest.param([sampled(4000, None, 60)], (0, 0, 0, 0, None), id="sampled without flags: nothing can be told"),
    pytest.param([flow(f"{LINE}:4000", f"{OTHER}:25", "12:00", flags=SESSION, packets=1, bytes=60, sampling=1000)],
                 (0, 0, 0, 0, 0), id="sampled: established, whose size says nothing"),
])
def test_what_a_contact_was(tmp_path: Path, flows: list[Row], expected: tuple[int | None, ...]) -> None:
    found = built(tmp_path, flows).sql("SELECT tiny, mail_sized, in_vain, carried, failed FROM contact_day")
    assert found.rows() == [expected]


def test_times_of_day_are_local(tmp_path: Path) -> None:
    """Sessions at 00:10, 05:59, 06:00 and 23:30: two by night, hours 0, 5, 6 and 23, three pauses."""
    times = ("00:10", "05:59", "06:00", "23:30")
    flows = [row for n, time in enumerate(times) for row in mail(4000 + n, f"{OTHER}:25", time)]
    columns = "night_sessions, hours, gaps, gap_seconds, first_minute"
    assert built(tmp_path, flows).sql(f"SELECT {columns} FROM contact_day").rows() == [
        (2, 2**0 + 2**5 + 2**6 + 2**23, 3, (23 * 60 + 30 - 10) * 60, 10)]


def test_a_sending_to_several_recipients_is_no_pause(tmp_path: Path) -> None:
    flows = [row for n, time in enumerate(("12:00:00", "12:00:30", "12:01:20", "13:01:20")) for row in
             mail(4000 + n, f"{OTHER}:25", time)]
    assert built(tmp_path, flows).sql("SELECT gaps, gap_seconds FROM contact_day").rows() == [(1, 3600)]


def test_contact_knows_where_mail_is_read_and_how_the_first_day_went(tmp_path: Path) -> None:
    made = built(tmp_path, [
        flow(f"{LINE}:4000", f"{PROVIDER}:25", "2007-06-01 12:00:00", flags=SYN, packets=1),
        *mail(4001, f"{PROVIDER}:25", "12:00"), *both(f"{LINE}:4002", "198.51.100.71:110", "12:01"),
        *both(f"{LINE}:4003", "198.51.100.72:587", "12:02"), *mail(4004, f"{RELAY}:25", "12:03"),
        *mail(4005, "198.51.100.71:25", "12:04"),
    ])
    columns = "organisation, days, sessions, established, failed, reading, submitting, destinations"
    assert made.sql(f"SELECT {columns} FROM contact").rows() == [("Provider", 2, 3, 2, 1, 1, 1, 2)]


def test_the_organisations_that_matter_stand_alone(tmp_path: Path) -> None:
    """Eight organisations: that where mail is read comes first, then those most is sent to; the rest are one row."""
    flows = [row for n in range(8) for row in (*mail(4000 + 10 * n, f"192.0.{n}.25:25", f"1{n}:00"),
                                               *(mail(4001 + 10 * n, f"192.0.{n}.25:25", f"1{n}:30") if n < 3 else ()))]
    flows += both(f"{LINE}:5000", "192.0.7.26:110", "19:00")
    flows += [flow(f"{LINE}:6000", f"{CARRIER}:25", "20:00", flags=SYN, packets=1)]
    query = """
        SELECT right(organisation, 4), destination_group, organisations, sessions, reading FROM sender_destination
        ORDER BY organisation, destination_group
    """
    assert built(tmp_path, flows).sql(query).rows() == [
        ("0000", "other", 1, 2, 0), ("0001", "other", 1, 2, 0), ("0002", "other", 1, 2, 0), ("0003", "other", 1, 1, 0),
        ("0007", "other", 1, 1, 1), (None, "mobile-carrier", 1, 1, 0), (None, "other", 3, 3, 0)]
