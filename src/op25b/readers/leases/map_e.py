"""MAP-E (RFC 7597): the IPv4 address and ports of every subscriber, computed from the rule; there is no log.

The input is a CSV of `subscriber` and `ipv6_prefix` (the end-user prefix, or a longer one inside it), optionally
`start` and `end`. The rules are in the settings; where several fit, the one with the longest `ipv6_prefix` counts.
A subscriber gets a row for each range of ports and one for the IPv6 prefix itself.

Ports (RFC 7597, 5.1): bits of a port are `A | PSID | j`, `A` being `psid_offset` bits. `A` = 0 is left out unless the
offset is 0, so that nobody gets the well-known ports: offset 6 excludes 0-1023, offset 4 excludes 0-4095.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from op25b.errors import InputError
from op25b.readers.base import Batch, Format, Head, Source, ip_key
from op25b.readers.leases import table
from op25b.readers.leases.common import ALL_PORTS, BadRow, Row, batches, in_order, ip_range, since, utc
from op25b.readers.leases.identity import line_name
from op25b.settings import MapRule

_REQUIRED = (("subscriber",), ("ipv6_prefix",))
_PORT_BITS = 16


@dataclass(frozen=True)
class Share:
    """What one end-user prefix stands for in IPv4: a network (mostly one address), and the ports of it."""

    network: ipaddress.IPv4Network
    psid: int | None
    ports: tuple[tuple[int, int], ...]


def recognise(_head: Head) -> str | None:
    """Never: without a rule in the settings the file means nothing."""
    return None


def read(source: Source) -> Iterator[Batch]:
    """Yield the rows of each subscriber."""
    if not source.map_e:
        raise InputError(source.path, "format map-e without a mapping rule",
                         "add map_e = { ipv6_prefix, ipv4_prefix, ea_length, psid_offset } to the input in op25b.toml")
    return batches(table.outcomes(source, _REQUIRED, partial(_rows, source=source)))


def port_ranges(psid: int, psid_length: int, psid_offset: int) -> tuple[tuple[int, int], ...]:
    """The port ranges of one PSID, in order."""
    run = _PORT_BITS - psid_offset - psid_length
    step = _PORT_BITS - psid_offset
    indices = range(1 if psid_offset else 0, 1 << psid_offset)
    return tuple((at, at + (1 << run) - 1) for at in ((index << step) + (psid << run) for index in indices))


def psid_of(port: int, psid_length: int, psid_offset: int) -> int:
    """The PSID a port belongs to."""
    return (port >> (_PORT_BITS - psid_offset - psid_length)) & ((1 << psid_length) - 1)


def share(rule: MapRule, prefix: ipaddress.IPv6Network) -> Share:
    """The IPv4 side of an end-user prefix that lies inside the rule's IPv6 prefix."""
    length = ipaddress.ip_network(rule.ipv6_prefix).prefixlen
    shared = ipaddress.IPv4Network(rule.ipv4_prefix)
    bits = (int(prefix.network_address) >> (128 - length - rule.ea_length)) & ((1 << rule.ea_length) - 1)
    if rule.psid_length <= 0:  # an address or a prefix for each subscriber: no sharing
        own = shared.prefixlen + rule.ea_length
        return Share(ipaddress.IPv4Network((int(shared[0]) | bits << (32 - own), own)), None, (ALL_PORTS,))
    suffix, psid = bits >> rule.psid_length, bits & ((1 << rule.psid_length) - 1)
    return Share(ipaddress.IPv4Network(int(shared[0]) | suffix), psid,
                 port_ranges(psid, rule.psid_length, rule.psid_offset))


def _rows(record: table.Record, source: Source) -> list[Row]:
    subscriber, text = record.get("subscriber"), record.get("ipv6_prefix")
    if subscriber is None or text is None:
        msg = f"no {'subscriber' if subscriber is None else 'ipv6_prefix'}"
        raise BadRow(msg)
    try:
        prefix = ipaddress.IPv6Network(text, strict=False)
    except ValueError:
        msg = "ipv6_prefix is no IPv6 prefix"
        raise BadRow(msg) from None
    start = utc(record["start"], source.timezone) if "start" in record else None
    end = utc(record["end"], source.timezone) if "end" in record else None
    in_order(start, end)
    got = share(_rule(source.map_e, prefix), prefix)
    common: Row = {
        "at": end or start, "event": "stop" if end else "start", "start": start, "end": end, "kind": "map-e",
        "subscriber": line_name(subscriber),
    }
    first, last = ip_key(str(got.network[0])), ip_key(str(got.network[-1]))
    rows = [common | {"ip_first": first, "ip_last": last, "port_first": low, "port_last": high}
            for low, high in got.ports]
    first, last = ip_range(str(prefix), "ipv6_prefix")
    rows.append(common | {"ip_first": first, "ip_last": last, "port_first": ALL_PORTS[0], "port_last": ALL_PORTS[1]})
    session = f"{first}-{last}@{since(start)}"
    return [row | {"session": session} for row in rows]


def _rule(rules: tuple[MapRule, ...], prefix: ipaddress.IPv6Network) -> MapRule:
    fitting = [(network.prefixlen, rule) for rule in rules
               if prefix.subnet_of(network := ipaddress.IPv6Network(rule.ipv6_prefix))]
    if not fitting:
        msg = "ipv6_prefix is in no rule's ipv6_prefix"
        raise BadRow(msg)
    length, rule = max(fitting, key=lambda pair: pair[0])
    if prefix.prefixlen < length + rule.ea_length:
        msg = f"ipv6_prefix is shorter than the /{length + rule.ea_length} of its rule"
        raise BadRow(msg)
    return rule


FORMAT = Format("map-e", "leases", recognise, read, growth="again")
