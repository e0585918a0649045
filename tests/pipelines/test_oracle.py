"""Random leases and flows against plain Python: who held (address, port) at that moment, and do the sums agree."""

from __future__ import annotations

import ipaddress
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pipelines.rows import Row, flow, lease, load, new_workspace

FOUR = ["198.18.0.1", "198.18.0.2"]
SIX = ["2001:db8:100:100::1", "2001:db8:100:1ff::1", "2001:db8:100:200::1"]
PREFIXES = ["2001:db8:100:100::/56", "2001:db8:100:200::/56", "2001:db8:100::/48", "2001:db8:100:1ff::/64"]
PORTS = [(0, 65535), (1000, 1999), (1500, 2499), (2000, 2099)]


def clock(minute: int) -> str:
    return f"{9 + minute // 60:02}:{minute % 60:02}"


Lease = tuple[str, str, int, int | None, tuple[int, int]]
minutes = st.integers(0, 30)
lease_values = st.tuples(st.sampled_from(FOUR + PREFIXES), st.sampled_from("abc"), minutes,
                         st.one_of(st.none(), minutes), st.sampled_from(PORTS)).filter(
    lambda v: v[3] is None or v[3] >= v[2])
flow_values = st.tuples(st.sampled_from(FOUR + SIX), st.sampled_from([999, 1000, 1499, 1500, 1999, 2000, 2499, 2500]),
                        minutes)


def holders(leases: list[Lease], address: str, port: int, minute: int) -> set[str]:
    """By brute force: every subscriber with a lease of the address and port at that minute."""
    found = set()
    for network, who, start, stop, (first, last) in leases:
        # Where its Stop is lost, it lasts no longer than the first to end of those that have the same after it.
        after = [until for other, _, since, until, ports in leases
                 if (other, ports) == (network, (first, last)) and since > start and until is not None]
        end = min(after, default=None) if stop is None else stop
        if (ipaddress.ip_address(address) in ipaddress.ip_network(network)
                and first <= port <= last and start <= minute and (end is None or minute < end)):
            found.add(who)
    return found


def as_row(value: Lease) -> Row:
    network, who, start, end, ports = value
    made = lease(network, who, clock(start), None if end is None else clock(end), ports)
    return made | {"session": f"{value}"}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lease_values, min_size=1, max_size=8), st.lists(flow_values, min_size=1, max_size=12))
def test_attribution_is_what_brute_force_finds(leases: list[Lease], flows: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        opened = new_workspace(Path(directory))
        load(opened, "lease_record", [as_row(value) for value in leases])
        rows = [flow(f"{address}#{port}" if ":" in address else f"{address}:{port}",
                     "2001:db8:ffff::25#25" if ":" in address else "192.0.2.25:25", clock(minute), flags="S",
                     packets=number + 1) for number, (address, port, minute) in enumerate(flows)]
        load(opened, "flow", rows)
        opened.build()
        found = opened.sql("SELECT client_packets - 1, subscriber, attribution FROM attributed_flow ORDER BY 1").rows()
        expected = []
        for number, (address, port, minute) in enumerate(flows):
            held = holders(leases, address, port, minute)
            kind = ("unattributed", "attributed", "ambiguous")[min(len(held), 2)]
            expected.append((number, min(held) if len(held) == 1 else None, kind))
        assert found == expected  # one row for each flow record: none lost, none doubled

        sums = {
            table: opened.sql(f"SELECT sum({records}), sum(client_packets) FROM {table} WHERE direction = 'out'").row(0)
            for table, records in (("session", "records"), ("peer_day", "flows"))
        }
        sums["sender_day"] = opened.sql("SELECT sum(flows), sum(client_packets) FROM sender_day").row(0)
        total = (len(rows), sum(row["packets"] for row in rows))
        assert {name: (int(a), int(b)) for name, (a, b) in sums.items()} == dict.fromkeys(sums, total)
        counts = [opened.sql(f"SELECT {count} FROM {table}").item() for table, count in (
            ("session", "count(*)"), ("peer_day", "sum(sessions)"), ("sender_day", "sum(sessions)"))]
        assert len(set(map(int, counts))) == 1
        # A session is attributed as its first record is.
        first = Counter(opened.sql("SELECT attribution FROM session")["attribution"])
        assert set(first) <= {kind for _, _, kind in expected}
        # No SYN that somebody is known to have sent, or one of several, is part of another's session.
        assert opened.sql("""
            SELECT f.line_ip, f.line_port, f.first_seen, f.subscriber, s.subscriber AS other
            FROM attributed_flow AS f
            JOIN session AS s
                ON s.client_ip = f.line_ip AND s.client_port = f.line_port
                AND f.first_seen BETWEEN s.first_seen AND s.last_seen
            WHERE f.attribution <> 'unattributed'
                AND (s.attribution <> f.attribution OR s.subscriber IS DISTINCT FROM f.subscriber)
        """).rows() == []
