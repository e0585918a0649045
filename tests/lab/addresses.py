"""The address plan: networks, hosts and names of the lab's Internet.

Only documentation and benchmark addresses (RFC 2544, RFC 5737, RFC 3849) and ``.example`` names.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Literal

SUBSCRIBERS = ("198.18.0.0/16", "2001:db8:100::/40")
ACCESS_GATEWAYS = ("198.18.1.1/24", "198.18.2.1/24", "198.18.200.1/24")
NAS = {"hiroshima-1": "203.0.113.20", "okayama-1": "203.0.113.21"}
GATEWAY6 = "fe80::1"

RELAY = "203.0.113.2"
RELAY6 = "2001:db8:1::2"
ISP_POP = "203.0.113.3"
NAMESERVER = "203.0.113.18"
CARRIER_MXS = ("198.51.100.10", "198.51.100.20")
CARRIER_MX6 = "2001:db8:200::10"
PROVIDER = "198.51.100.66"
PROVIDER6 = "2001:db8:210::66"
OLDMAIL = "198.51.100.98"
WEBMAIL = "192.0.2.200"
ROAMER = "192.0.2.77"
STRANGER = "192.0.2.99"

SHOPS = tuple(f"198.51.100.{n}" for n in range(130, 136))
BOUNCING_MX = "198.51.100.136"
BUSY_MX = "198.51.100.137"
SPRAYED_OPEN = tuple(f"198.51.100.{n}" for n in range(140, 146))
SPRAYED_REFUSED = tuple(f"198.51.100.{n}" for n in range(146, 166))
SILENT = tuple(f"198.51.100.{n}" for n in range(166, 211))
GONE_MX = SILENT[-1]


@dataclass(frozen=True)
class Site:
    """One namespace of servers behind the edge router."""

    name: str
    gateway: str
    addresses: tuple[str, ...]
    network6: str | None = None
    addresses6: tuple[str, ...] = field(default=())

    @property
    def prefix(self) -> int:
        """The length of the site's IPv4 network."""
        return ipaddress.ip_interface(self.gateway).network.prefixlen


SITES = (
    Site("isp", "203.0.113.1/28", (RELAY, ISP_POP), "2001:db8:1::/64", (RELAY6,)),
    Site("infra", "203.0.113.17/28", (NAMESERVER, *NAS.values())),
    Site("carrier", "198.51.100.1/26", CARRIER_MXS, "2001:db8:200::/64", (CARRIER_MX6,)),
    Site("provider", "198.51.100.65/27", (PROVIDER,), "2001:db8:210::/64", (PROVIDER6,)),
    Site("oldmail", "198.51.100.97/27", (OLDMAIL,)),
    Site(
        "mxfarm",
        "198.51.100.129/25",
        (*SHOPS, BOUNCING_MX, BUSY_MX, *SPRAYED_OPEN, *SPRAYED_REFUSED, *SILENT),
    ),
    Site("otherisp", "192.0.2.1/25", (ROAMER, STRANGER)),
    Site("web", "192.0.2.193/26", (WEBMAIL,)),
)


@dataclass(frozen=True)
class KnownNetwork:
    """A network whose mail service is known: a row of networks.csv."""

    name: str
    group: Literal["own-relay", "mobile-carrier", "known-provider"]
    network: str
    submission: str
    pop: str


KNOWN_NETWORKS = (
    KnownNetwork("isp.example", "own-relay", "203.0.113.0/28", "587", "110"),
    KnownNetwork("isp.example", "own-relay", "2001:db8:1::/64", "587", "110"),
    KnownNetwork("docomo.example and keitai.example", "mobile-carrier", "198.51.100.0/26", "", ""),
    KnownNetwork("docomo.example", "mobile-carrier", "2001:db8:200::/64", "", ""),
    KnownNetwork("provider.example", "known-provider", "198.51.100.64/27", "587", "110"),
    KnownNetwork("provider.example", "known-provider", "2001:db8:210::/64", "587", "110"),
    KnownNetwork("oldmail.example", "known-provider", "198.51.100.96/27", "", "110"),
)

# The policy of today: port 25 to mobile carriers only through the ISP's own relay.
TODAY = """
table inet op25b {
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr 203.0.113.2 accept
    ip6 saddr 2001:db8:1::2 accept
    ip saddr 198.18.0.0/16 ip daddr 198.51.100.0/26 tcp dport 25 counter drop
    ip6 saddr 2001:db8:100::/40 ip6 daddr 2001:db8:200::/64 tcp dport 25 counter drop
  }
}
"""

Records = dict[str, list[tuple[str, str]]]


def zone(customer_servers: dict[str, str]) -> Records:
    """Name -> its DNS records, for every name in the lab.

    Args:
        customer_servers: Mail domain -> address of the server a customer runs at home.
    """
    records: Records = {}

    def host(name: str, *addresses: str) -> None:
        for address in addresses:
            parsed = ipaddress.ip_address(address)
            kind = "A" if parsed.version == 4 else "AAAA"
            records.setdefault(name, []).append((kind, address))
            records[parsed.reverse_pointer] = [("PTR", name)]

    def exchanger(domain: str, name: str) -> None:
        records.setdefault(domain, []).append(("MX", name))

    host("mail.isp.example", RELAY, RELAY6)
    host("pop.isp.example", ISP_POP)
    exchanger("isp.example", "mail.isp.example")
    host("mx.docomo.example", CARRIER_MXS[0], CARRIER_MX6)
    exchanger("docomo.example", "mx.docomo.example")
    host("mx.keitai.example", CARRIER_MXS[1])
    exchanger("keitai.example", "mx.keitai.example")
    for domain, addresses in (
        ("provider.example", (PROVIDER, PROVIDER6)),
        ("oldmail.example", (OLDMAIL,)),
    ):
        host(f"pop.{domain}", *addresses)
        host(f"smtp.{domain}", *addresses)
        exchanger(domain, f"smtp.{domain}")
    for number, address in enumerate(SHOPS, 1):
        host(f"mx.shop-{number:02}.example", address)
        exchanger(f"shop-{number:02}.example", f"mx.shop-{number:02}.example")
    for domain, address in (
        ("closed.example", BOUNCING_MX),
        ("busy.example", BUSY_MX),
        ("gone.example", GONE_MX),
        *customer_servers.items(),
    ):
        host(f"mail.{domain}", address)
        exchanger(domain, f"mail.{domain}")
    host("www.webmail.example", WEBMAIL)
    return records


def access_name(address: str) -> str | None:
    """The generic reverse name of a subscriber's IPv4 address, or None outside the dynamic pools."""
    octets = address.split(".")
    nodes = {"1": "hiroshima-1", "2": "okayama-1"}
    if octets[:2] != ["198", "18"] or octets[2] not in nodes:
        return None
    return f"h{'-'.join(octets)}.{nodes[octets[2]]}.isp.example"
