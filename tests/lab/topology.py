"""Puts the cables: subscribers on a bridge behind the edge router, servers on its other side."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from tests.lab import addresses
from tests.lab.net import Namespaces, run
from tests.lab.sessions import link_local

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.people import Member

FORWARDING = """
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.default.rp_filter = 0
"""

# The outside mail servers that never answer.
SILENCE = """
table inet silence {{
  chain input {{
    type filter hook input priority filter; policy accept;
    ip daddr {{ {addresses} }} drop
  }}
}}
"""


def build(spaces: Namespaces, members: Sequence[Member], ruleset: str) -> None:
    """Creates every namespace, link, address and route, and loads the router's rules."""
    at_home = [member for member in members if member.sessions]
    sites = [site.name for site in addresses.SITES]
    spaces.add(["router", "access", *sites, *(member.namespace for member in at_home)])
    settings = ["ip", "netns", "exec", spaces.full("router"), "sysctl", "-q", "-p", "-"]
    run(settings, "settings of the router", stdin=FORWARDING)
    build_access(spaces, at_home)
    for site in addresses.SITES:
        build_site(spaces, site)
    load_rules(spaces, "router", ruleset)
    load_rules(spaces, "mxfarm", SILENCE.format(addresses=", ".join(addresses.SILENT)))


def load_rules(spaces: Namespaces, name: str, ruleset: str) -> None:
    """Loads an nftables rule set into a namespace."""
    argv = ["ip", "netns", "exec", spaces.full(name), "nft", "-f", "-"]
    run(argv, f"nft rule set of {name}", stdin=ruleset)


def build_access(spaces: Namespaces, at_home: Sequence[Member]) -> None:
    """The subscribers' side: every line on one bridge, all traffic through ``subs0``."""
    spaces.ip(["link add br0 type bridge", "link set br0 up"], inside="access")
    spaces.link("router", "subs0", "access", "uplink")
    ports = ["uplink"]
    for member in at_home:
        spaces.link(member.namespace, "eth0", "access", f"p{member.number}")
        spaces.ip([f"address add {link_local(member)}/64 dev eth0 nodad"], inside=member.namespace)
        ports.append(f"p{member.number}")
    spaces.ip([f"link set {port} master br0" for port in ports], inside="access")
    gateways = [f"address add {gateway} dev subs0" for gateway in addresses.ACCESS_GATEWAYS]
    gateway6 = f"address add {addresses.GATEWAY6}/64 dev subs0 nodad"
    spaces.ip([*gateways, gateway6], inside="router")


def build_site(spaces: Namespaces, site: addresses.Site) -> None:
    """One group of servers and its link to the router."""
    interface = f"to-{site.name}"
    spaces.link("router", interface, site.name, "eth0")
    router = [f"address add {site.gateway} dev {interface}"]
    inside = [f"address add {address}/{site.prefix} dev eth0" for address in site.addresses]
    inside.append(f"route add default via {ipaddress.ip_interface(site.gateway).ip}")
    if site.network6:
        router.append(f"address add {addresses.GATEWAY6}/64 dev {interface} nodad")
        router.append(f"route add {site.network6} dev {interface}")
        inside += [f"address add {address}/64 dev eth0 nodad" for address in site.addresses6]
        inside.append(f"route add default via {addresses.GATEWAY6} dev eth0")
    spaces.ip(router, inside="router")
    spaces.ip(inside, inside=site.name)
