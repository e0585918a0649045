"""MAP-E: RFC 7597 appendix A; v6プラス and OCN with the rules they serve and the values public calculators test for."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from op25b.errors import InputError, SettingsError
from op25b.readers.leases import map_e
from op25b.settings import LeaseInput, MapRule
from op25b.workspace import Workspace
from tests.readers.leases.facts import leases, reasons
from tests.readers.reading import Result, read_bytes

RFC = MapRule(ipv6_prefix="2001:db8::/40", ipv4_prefix="192.0.2.0/24", ea_length=16)
V6PLUS = MapRule(ipv6_prefix="240b:10::/31", ipv4_prefix="106.72.0.0/15", ea_length=25, psid_offset=4)
OCN = MapRule(ipv6_prefix="2400:4050::/34", ipv4_prefix="153.240.0.0/16", ea_length=22, psid_offset=6)
SAMPLE = "subscriber,ipv6_prefix\nline1,2001:db8:12:3400::/56\n"


def read(path: Path, data: str, *rules: MapRule) -> Result:
    return read_bytes(map_e.FORMAT, path / "assignments.csv", data, timezone="Asia/Tokyo", map_e=rules)


def net(text: str) -> ipaddress.IPv6Network:
    return ipaddress.IPv6Network(text)


def test_example_1_of_the_rfc() -> None:
    got = map_e.share(RFC, net("2001:db8:12:3400::/56"))
    assert (str(got.network), got.psid) == ("192.0.2.18/32", 0x34)
    assert len(got.ports) == 63
    assert got.ports[:2] + got.ports[-2:] == ((1232, 1235), (2256, 2259), (63696, 63699), (64720, 64723))


def test_example_4_of_the_rfc_no_sharing() -> None:
    rule = MapRule(ipv6_prefix="2001:db8:12:3400::/56", ipv4_prefix="192.0.2.18/32", ea_length=0)
    got = map_e.share(rule, net("2001:db8:12:3400::/56"))
    assert (str(got.network), got.psid, got.ports) == ("192.0.2.18/32", None, ((0, 65535),))


def test_an_ipv4_prefix_for_each_subscriber() -> None:
    rule = MapRule(ipv6_prefix="2001:db8::/40", ipv4_prefix="192.0.2.0/24", ea_length=4)
    assert str(map_e.share(rule, net("2001:db8:50::/44")).network) == "192.0.2.80/28"


@pytest.mark.parametrize(("prefix", "address", "psid", "starts"), [
    ("240b:10:3f6c:d400::/56", "106.72.63.108", 212,
     [7488, 11584, 15680, 19776, 23872, 27968, 32064, 36160, 40256, 44352, 48448, 52544, 56640, 60736, 64832]),
    ("240b:11::/64", "106.73.0.0", 0,
     [4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768, 36864, 40960, 45056, 49152, 53248, 57344, 61440]),
])
def test_v6plus_240_ports_in_15_ranges(prefix: str, address: str, psid: int, starts: list[int]) -> None:
    got = map_e.share(V6PLUS, net(prefix))
    assert (str(got.network[0]), got.psid) == (address, psid)
    assert got.ports == tuple((start, start + 15) for start in starts)
    assert sum(last - first + 1 for first, last in got.ports) == 240


def test_jpne_writes_the_same_rule_as_two() -> None:
    halves = (MapRule(ipv6_prefix="240b:10::/32", ipv4_prefix="106.72.0.0/16", ea_length=24, psid_offset=4),
              MapRule(ipv6_prefix="240b:11::/32", ipv4_prefix="106.73.0.0/16", ea_length=24, psid_offset=4))
    for prefix, half in (("240b:10:3f6c:d400::/56", halves[0]), ("240b:11:3f6c:d400::/56", halves[1])):
        assert map_e.share(half, net(prefix)) == map_e.share(V6PLUS, net(prefix))


def test_ocn_1008_ports_in_63_ranges() -> None:
    got = map_e.share(OCN, net("2400:4050:1:200::/56"))
    assert (OCN.psid_length, len(got.ports)) == (6, 63)
    assert sum(last - first + 1 for first, last in got.ports) == 1008


def test_offset_0_is_one_range() -> None:
    rule = MapRule(ipv6_prefix="2001:db8::/40", ipv4_prefix="192.0.2.0/24", ea_length=16, psid_offset=0)
    assert map_e.share(rule, net("2001:db8:12:3400::/56")).ports == ((0x3400, 0x34FF),)


shapes = st.builds(lambda v4, psid, offset: (v4, psid, min(offset, 16 - psid)),
                   st.integers(8, 32), st.integers(1, 16), st.integers(0, 15))


@settings(deadline=None)
@given(shapes, st.data())
def test_every_port_maps_back_and_no_two_subscribers_share_one(shape: tuple[int, int, int],
                                                               data: st.DataObject) -> None:
    v4, psid_length, offset = shape
    ea = 32 - v4 + psid_length
    rule = MapRule(ipv6_prefix="2000::/24", ipv4_prefix=f"198.0.0.0/{v4}", ea_length=ea, psid_offset=offset)
    psids = data.draw(st.lists(st.integers(0, 2**psid_length - 1), min_size=1, max_size=4, unique=True))
    suffix = data.draw(st.integers(0, 2 ** (32 - v4) - 1))
    seen: set[int] = set()
    for psid in psids:
        bits = suffix << psid_length | psid
        prefix = ipaddress.IPv6Network((0x2000 << 112 | bits << (128 - 24 - ea), 24 + ea))
        got = map_e.share(rule, prefix)
        assert got.psid == psid
        assert int(got.network[0]) == int(ipaddress.IPv4Network(rule.ipv4_prefix)[0]) + suffix
        ports = {port for first, last in got.ports for port in range(first, last + 1)}
        assert {map_e.psid_of(port, psid_length, offset) for port in ports} == {psid}
        assert not ports & seen
        seen |= ports
    if len(psids) == 2**psid_length:
        assert seen == set(range(0 if offset == 0 else 2 ** (16 - offset), 65536))


def test_rows_of_a_subscriber(tmp_path: Path) -> None:
    data = "subscriber,ipv6_prefix,start,end\nline1,240b:10:3f6c:d400::/56,2026-01-01,2026-02-01\n"
    result = read(tmp_path, data, V6PLUS)
    found = leases(result)
    common = {"kind": "map-e", "event": "stop", "subscriber": "line1", "at": "2026-01-31 15:00:00",
              "start": "2025-12-31 15:00:00", "end": "2026-01-31 15:00:00"}
    assert found[0] == common | {"ip": "106.72.63.108", "ports": (7488, 7503)}
    assert found[-1] == common | {"ip": "240b:10:3f6c:d400::-240b:10:3f6c:d4ff:ffff:ffff:ffff:ffff"}
    assert len(found) == 16
    assert result.frame["session"].n_unique() == 1
    assert (result.read, result.kept, result.rejected) == (1, 1, [])


def test_a_prefix_longer_than_the_rules_is_inside_it_and_the_longest_rule_counts(tmp_path: Path) -> None:
    special = MapRule(ipv6_prefix="240b:10:3f6c::/48", ipv4_prefix="203.0.113.1/32", ea_length=8, psid_offset=4)
    data = "subscriber,ipv6_prefix\na,240b:10:3f6c:d400::/64\nb,240b:10:3f6d:d400::/64\n"
    result = read(tmp_path, data, V6PLUS, special)
    assert {row["ip"] for row in leases(result) if "ports" in row} == {"203.0.113.1", "106.72.63.109"}


def test_what_cannot_be_is_rejected(tmp_path: Path) -> None:
    result = read(tmp_path, "\n".join([
        "subscriber,ipv6_prefix,start",
        ",240b:10:3f6c:d400::/56,",
        "a,,",
        "a,198.18.0.0/24,",
        "a,2001:db8::/56,",
        "a,240b:10:3f00::/48,",
        "a,240b:10:3f6c:d400::/56,yesterday",
    ]), V6PLUS)
    assert reasons(result) == [
        (2, "no subscriber"),
        (3, "no ipv6_prefix"),
        (4, "ipv6_prefix is no IPv6 prefix"),
        (5, "ipv6_prefix is in no rule's ipv6_prefix"),
        (6, "ipv6_prefix is shorter than the /56 of its rule"),
        (7, "impossible time"),
    ]


def test_without_a_rule_it_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without a mapping rule"):
        read(tmp_path, SAMPLE)


@pytest.mark.parametrize(("rule", "problem"), [
    ({"ipv6_prefix": "2001:db8::/40", "ipv4_prefix": "192.0.2.0/24", "ea_length": 30}, "longer than 64 bits"),
    ({"ipv6_prefix": "2001:db8::/40", "ipv4_prefix": "192.0.2.0/24", "ea_length": 20}, "16 bits of a port"),
    ({"ipv6_prefix": "192.0.2.0/24", "ipv4_prefix": "192.0.2.0/24", "ea_length": 8}, "must be an IPv6 network"),
])
def test_impossible_rules(rule: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        MapRule.model_validate(rule)


def test_the_rules_come_from_the_settings(tmp_path: Path) -> None:
    text = '[[inputs.leases]]\npath = "a.csv"\nformat = "map-e"\n'
    (tmp_path / "op25b.toml").write_text(text)
    with pytest.raises(SettingsError, match="need each other"):
        Workspace.load(tmp_path)
    (tmp_path / "op25b.toml").write_text(
        text + 'map_e = { ipv6_prefix = "2001:db8::/40", ipv4_prefix = "192.0.2.0/24", ea_length = 16 }\n')
    assert Workspace.load(tmp_path).config.inputs.leases == (LeaseInput(path="a.csv", format="map-e", map_e=(RFC,)),)
