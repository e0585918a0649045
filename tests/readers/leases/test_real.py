"""What real servers wrote, read and made into leases; the expected rows are worked out by hand from what was done.

`real/detail`: FreeRADIUS 3.2.1 (Debian 12), sent by radclient: sessions with IPv4 and IPv6, a Start held back 1 s, a
Stop sent twice because its answer was lost, an access server that goes down, comes back and uses an identifier again.
`real/failover-*.leases`: two isc-dhcp-server 4.4.3-P1 as failover peers, leases of 15 s, clients behind a relay with
option 82: granted, renewed, released, declined, expired.
`real/kea-cleanup/`: kea-dhcp4 2.2.0 with leases of 12 s and `store-extended-info`; `.1`, `.2` and `.completed` as they
lay there when its clean-up was interrupted before its last step, and the lease file half a minute later.
`real/kea6-cleanup/`: the same of kea-dhcp6, for two clients behind a relay that adds interface-id and remote-id.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from op25b.readers import choose
from op25b.readers.base import Source
from tests.pipelines.directly import derive
from tests.readers.leases.facts import ranges, reasons
from tests.readers.reading import Result, collect

REAL = Path(__file__).parent / "real"
ODD = 'sat"o\\ \t 佐藤'
Held = tuple[str, str, str, str | None]


def read(name: str, identify_by: str = "hardware") -> Result:
    form, _ = choose(REAL / name, "leases")
    return collect(form.read(Source(REAL / name, "Asia/Tokyo", identify_by=identify_by)), form)


def held(*results: Result, subscribers: list[dict[str, Any]] | None = None) -> list[Held]:
    """Address, subscriber, beginning and end (UTC) of what the files together say, without empty leases."""
    records = [row for result in results for row in result.frame.to_dicts()]
    found = derive(records, subscribers or [], """
        SELECT ip_first, ip_last, subscriber, start, "end" FROM lease
        WHERE "end" IS NULL OR "end" > start ORDER BY start, ip_first
    """)
    return [(ranges(first, last), who, f"{start:%H:%M:%S}", None if end is None else f"{end:%H:%M:%S}")
            for first, last, who, start, end in found]


def test_freeradius() -> None:
    result = read("detail")
    assert (result.read, result.kept, result.rejected) == (10, 10, [])
    assert held(result) == [
        # Neither got a Stop: the access server went down at 09:06:28.
        ("198.18.3.1", "u3001@isp.example", "09:06:18", "09:06:28"),
        ("2001:db8:120:1::-2001:db8:120:1:ffff:ffff:ffff:ffff", "u3001@isp.example", "09:06:18", "09:06:28"),
        ("2001:db8:130:100::-2001:db8:130:1ff:ffff:ffff:ffff:ffff", "u3001@isp.example", "09:06:18", "09:06:28"),
        # Received at 09:06:20, held back for a second; the Stop that came again 3 s later tells the same end.
        ("198.18.3.2", ODD, "09:06:19", "09:06:24"),
        ("2001:db8:120:3::5", "u3003@isp.example", "09:06:22", "09:06:28"),
        ("2001:db8:130:300::-2001:db8:130:3ff:ffff:ffff:ffff:ffff", "u3003@isp.example", "09:06:22", "09:06:28"),
        # The identifier of the first session, used again after the restart.
        ("198.18.3.1", "u3004@isp.example", "09:06:30", None),
    ]


FAILOVER = [
    ("198.18.9.22", "00:00:5e:00:53:c2", "09:08:03", "09:08:11"),  # released
    ("198.18.9.23", "00:00:5e:00:53:c1", "09:08:03", "09:08:34"),  # renewed twice, then expired
    ("198.18.9.25", "00:00:5e:00:53:c3", "09:08:13", "09:08:28"),  # after it had declined 198.18.9.24
    ("198.18.9.21", "00:00:5e:00:53:c4", "09:08:44", "09:08:59"),
]


@pytest.mark.parametrize("names", [["failover-primary.leases"], ["failover-secondary.leases"],
                                   ["failover-primary.leases", "failover-secondary.leases"]], ids=len)
def test_isc_dhcpd_failover_peers_tell_the_same_leases(names: list[str]) -> None:
    assert held(*map(read, names)) == FAILOVER


def test_isc_dhcpd_knows_the_circuits_of_the_clients_it_heard_itself() -> None:
    peers = [read(f"failover-{peer}.leases", "circuit-id") for peer in ("primary", "secondary")]
    assert [reasons(result) for result in peers] == [[], []]  # what the peer told is no fault
    circuits = {"00:00:5e:00:53:c1": "GE1/0/1:200", "00:00:5e:00:53:c2": "00:04:00:c8:01:05",
                "00:00:5e:00:53:c3": "GE1/0/3:200", "00:00:5e:00:53:c4": "GE1/0/4:200"}
    expected = [(ip, circuits[who], start, end) for ip, who, start, end in FAILOVER]
    # Client 1 asked both servers in turn: each tells its own part again, from when it had heard the client.
    assert [row for row in held(*peers) if row != ("198.18.9.23", "GE1/0/1:200", "09:08:09", "09:08:34")] == [
        *expected[:1], ("198.18.9.23", "GE1/0/1:200", "09:08:03", "09:08:34"), *expected[2:]]


def test_kea_the_files_of_an_interrupted_clean_up_and_what_came_after() -> None:
    results = [read(f"kea-cleanup/kea-leases4.csv{end}") for end in (".2", ".1", ".completed", "")]
    assert [(result.read, result.kept, result.filtered, result.rejected) for result in results] == [
        (2, 2, 0, []), (5, 4, 1, []), (3, 2, 1, []), (2, 2, 0, [])]
    assert held(*results) == [
        # Kea does not write when a lease was released (at 09:07:23): the end last stated stands.
        ("198.18.8.21", "00:00:5e:00:53:a2", "09:07:15", "09:07:27"),
        # Renewed every 5 or 10 s; a cleaned file knows the last renewal alone, so the lease comes in parts.
        ("198.18.8.20", "00:00:5e:00:53:a1", "09:07:20", "09:07:30"),
        ("198.18.8.23", "00:00:5e:00:53:a3", "09:07:25", "09:07:37"),  # after it had declined 198.18.8.22
        ("198.18.8.20", "00:00:5e:00:53:a1", "09:07:30", "09:07:40"),
        ("198.18.8.20", "00:00:5e:00:53:a1", "09:07:40", "09:07:52"),
        ("198.18.8.24", "00:00:5e:00:53:a2", "09:07:54", "09:08:06"),
    ]


def test_kea_dhcpv6_addresses_and_delegated_prefixes_by_circuit() -> None:
    results = [read(f"kea6-cleanup/kea-leases6.csv{end}", "circuit-id") for end in (".2", ".1", ".completed", "")]
    assert [(result.read, result.kept, result.filtered, result.rejected) for result in results] == [
        (4, 4, 0, []), (6, 4, 2, []), (2, 2, 0, []), (4, 4, 0, [])]
    one, two = "GE1/0/1:300", "00:04:00:64"
    whole = "ffff:ffff:ffff:ffff"
    times = [(one, "2001:db8:140::20", f"2001:db8:150::-2001:db8:150:ff:{whole}", "09:34:42", "09:34:47"),
             (two, "2001:db8:140::21", f"2001:db8:150:100::-2001:db8:150:1ff:{whole}", "09:34:42", "09:34:54"),
             (one, "2001:db8:140::20", f"2001:db8:150::-2001:db8:150:ff:{whole}", "09:34:47", "09:34:55"),
             (one, "2001:db8:140::20", f"2001:db8:150::-2001:db8:150:ff:{whole}", "09:34:55", "09:35:05"),
             (one, "2001:db8:140::20", f"2001:db8:150::-2001:db8:150:ff:{whole}", "09:35:05", "09:35:17"),
             (two, "2001:db8:140::22", f"2001:db8:150:200::-2001:db8:150:2ff:{whole}", "09:35:19", "09:35:31")]
    assert sorted(held(*results)) == sorted(
        (ip, who, start, end) for who, address, prefix, start, end in times for ip in (address, prefix))


@pytest.mark.parametrize(("identify_by", "name"), [
    ("hardware", "00:00:5e:00:53:a2"), ("circuit-id", "00:04:00:64:01:05"), ("remote-id", "00:06:00:00:5e:00:53:b2")])
def test_a_subscriber_list_names_the_lines_of_dhcp_leases(identify_by: str, name: str) -> None:
    result = read("kea-cleanup/kea-leases4.csv", identify_by)
    found = held(result, subscribers=[{"subscriber": "line-2", "radius_user": name}])
    assert [who for _, who, _, _ in found if who.startswith("line")] == ["line-2"]
