"""Packets and flow records: the lab's shapes, trains of SYNs, timeouts, sampling of packets."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from op25b.synth import export, packets, world
from op25b.synth.export import Records
from op25b.synth.packets import ACK, FIN, PSH, RST, SYN, Flows
from op25b.synth.parameters import load
from op25b.synth.sessions import LOGIN_FAILED, MAIL, MAILBOX, PROBED, REFUSED, SILENT, Sessions, sessions

LINE, SERVER = 0xC6120001, 0xC6336442  # 198.18.0.1, 198.51.100.66
EXACT: dict[str, Any] = {
    "tcp": {"extra_ack_share": 0.0, "second_syn_share": 0.0},
    "exporter": {"gaps_per_week": 0.0, "clock_skew_seconds": 0.0},
}


def a_world(sampling: int = 1, **changes: dict[str, Any]) -> world.World:
    merged = {name: EXACT.get(name, {}) | changes.get(name, {}) for name in EXACT | changes}
    return world.make(load(merged), subscribers=1, days=2, seed=1, start=date(2007, 6, 5), sampling=sampling, pilot=0)


def flows_of(made: world.World, many: Sessions) -> Flows:
    address, dropped = np.full(len(many), LINE, dtype=np.uint32), np.zeros(len(many), dtype=np.bool_)
    return packets.flows(made.parameters.tcp, np.random.default_rng(1), many, address, dropped)


def records_of(made: world.World, many: Sessions) -> Records:
    return export.records(made, made.blocks[0], 0, flows_of(made, many))


def one(**columns: Any) -> Sessions:
    return sessions("pop-client", 1, **{"at": 1000.0, "remote": SERVER, "port": 25, "windows": False} | columns)


def shape(made: Records) -> list[tuple[bool, int, int]]:
    """From the client?, packets, flags; in the order of time."""
    made = made[np.argsort(made["first"], kind="stable")]
    return [(int(r["src"]) == LINE, int(r["packets"]), int(r["flags"])) for r in made]


ALL = FIN | SYN | PSH | ACK


@pytest.mark.parametrize(("columns", "expected"), [
    # As in data/sample: EHLO, MAIL, RCPT, DATA and QUIT, one short message: 10 packets and 11 back.
    ({"outcome": MAIL, "up": 700, "commands": 5}, [(True, 10, ALL), (False, 11, ALL)]),
    # With SMTP AUTH LOGIN, which takes two lines more: 12 and 13.
    ({"outcome": MAIL, "up": 700, "commands": 7, "port": 587}, [(True, 12, ALL), (False, 13, ALL)]),
    ({"outcome": LOGIN_FAILED, "port": 587}, [(True, 7, ALL), (False, 8, ALL)]),
    # USER, PASS, STAT and QUIT in an empty mailbox: 8 and, with an ACK less than the lab's server sent, 9.
    ({"outcome": MAILBOX, "port": 110, "commands": 4}, [(True, 8, ALL), (False, 9, ALL)]),
    ({"outcome": REFUSED}, [(True, 1, SYN), (False, 1, RST | ACK)]),
    ({"outcome": PROBED}, [(True, 2, SYN | RST), (False, 1, SYN | ACK)]),
    ({"outcome": REFUSED, "windows": True}, [(True, 3, SYN), (False, 3, RST | ACK)]),
    # Nobody answers: SYNs after 0, 3 and 9 seconds.
    ({"outcome": SILENT, "windows": True}, [(True, 3, SYN)]),
    ({"outcome": SILENT, "windows": True, "patience": 2.9}, [(True, 1, SYN)]),
    # Linux: 0, 3, 9, 21, then 45 and 93, which come later than the inactive timeout of 15 seconds.
    ({"outcome": SILENT}, [(True, 4, SYN), (True, 1, SYN), (True, 1, SYN)]),
])
def test_shapes_of_sessions(columns: dict[str, Any], expected: list[tuple[bool, int, int]]) -> None:
    assert shape(records_of(a_world(), one(**columns))) == expected


def test_sizes_are_the_messages_and_what_carries_them() -> None:
    made = records_of(a_world(), one(outcome=MAIL, up=10_000, commands=5))
    client, server = (made[made["src"] == address][0] for address in (LINE, SERVER))
    # 10,000 bytes in segments of 1,402 (1,414 less 12 bytes of time stamps): 7 full ones and a rest.
    assert client["packets"] == 9 + 7 + 1
    overhead = client["bytes"] - 10_000 - 60 - 16 * 52
    assert 5 * 24 * 0.7 - 1 <= overhead <= 5 * 24 * 1.3
    assert 60 + 11 * 52 < server["bytes"] < 1500


def test_times_of_a_train() -> None:
    made = records_of(a_world(), one(outcome=SILENT, windows=True))[0]
    midnight = 1180969200000  # 2007-06-05 00:00 in Japan
    assert (made["first"] - midnight, made["last"] - midnight) == (1_000_000, 1_009_000)
    assert made["received"] >= made["last"]


def test_a_long_session_is_cut_at_the_active_timeout() -> None:
    """10 MB at 50 kB/s take more than three minutes: records of a minute each that add up to the whole."""
    slow = a_world(tcp={"upload_bytes_per_second": 50_000.0})
    many = one(outcome=MAIL, up=10_000_000)
    made = records_of(slow, many)
    client = made[made["src"] == LINE]
    assert len(client) >= 4
    assert (client["last"] - client["first"]).max() <= 60_000
    whole = flows_of(slow, many)[:1]
    assert client["packets"].sum() == packets.packets(whole)[0]
    assert client["bytes"].sum() == packets.octets(whole)[0]
    opened = client[np.argsort(client["first"])]["flags"] & SYN
    assert opened.tolist() == [SYN] + [0] * (len(client) - 1)


def many_sessions(n: int) -> Sessions:
    rng = np.random.default_rng(5)
    return sessions("pop-client", n, line=np.arange(n) % 50, at=np.sort(rng.uniform(0, 86400, n)), remote=SERVER,
                    port=25, outcome=rng.choice([SILENT, REFUSED, MAIL, MAILBOX, PROBED], n),
                    up=rng.integers(300, 100_000, n), windows=rng.random(n) < 0.5)


def test_a_record_for_a_flow_is_what_its_packets_make() -> None:
    """The short way (no packets are listed where no timeout cuts) gives the same records as the long one."""
    made = a_world(exporter={"active_timeout": 7200.0, "inactive_timeout": 7200.0})
    flows = flows_of(made, many_sessions(500))
    table = packets.trains(made.parameters.tcp)
    everything = np.arange(len(flows))
    short = export._whole(table, flows, everything)
    long = export._cut(made, table, flows, *export._every_packet(flows, everything))
    for name, one_way, other in zip(("flow", "first", "last", "packets", "bytes", "flags"), short, long, strict=True):
        np.testing.assert_allclose(one_way, other, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("interval", [2, 10, 100])
def test_sampling_is_of_packets(interval: int) -> None:
    """Each packet is kept with probability 1/N: counts per flow are binomial; a flow without any is gone."""
    made = a_world(interval)
    many = many_sessions(20_000)
    flows = flows_of(made, many)
    count = packets.packets(flows)
    flow, place = export._kept(made.rng(1), flows, interval)
    assert (place >= 0).all()
    assert (place < count[flow]).all()
    assert len(set(zip(flow.tolist(), place.tolist(), strict=True))) == len(flow)
    kept = np.bincount(flow, minlength=len(flows))
    # Means and spread over all flows; |z| < 4 fails one time in 16,000, and the seed is fixed.
    p = 1 / interval
    z = (kept.sum() - count.sum() * p) / np.sqrt(count.sum() * p * (1 - p))
    assert abs(z) < 4
    squares = (kept - count * p) ** 2 / (count * p * (1 - p))
    variance = 2 + (1 - 6 * p * (1 - p)) / (count * p * (1 - p))  # of a squared standardised binomial
    assert abs(squares.sum() - len(flows)) / np.sqrt(variance.sum()) < 4
    missed = (1 - p) ** count
    assert abs((kept == 0).sum() - missed.sum()) / np.sqrt((missed * (1 - missed)).sum()) < 4
    # Every place in a flow is as likely as any other.
    long = count[flow] > 20
    place_share = (place[long] + 0.5) / count[flow[long]]
    assert abs(place_share.mean() - 0.5) < 4 * np.sqrt(1 / 12 / long.sum())


def test_a_sampled_record_knows_the_kept_packets_alone() -> None:
    made = records_of(a_world(1000), many_sessions(20_000))
    single = pl.DataFrame({name: made[name] for name in ("packets", "flags", "bytes", "first", "last")}).filter(
        pl.col("packets") == 1)
    assert single.height > 100
    assert set(single["flags"]) == {SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK}
    assert (single["first"] == single["last"]).all()
    assert single["bytes"].max() <= 1454
    assert set(single.filter(pl.col("flags") == SYN)["bytes"]) == {48, 60}
