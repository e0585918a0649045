"""What is simulated is what is deployed: `decide`, the SQL, and the access list, judged by Aerleon's own checker."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from op25b.api import OpenWorkspace
from op25b.policy import Connection, apply, decide, decide_session, resolve
from op25b.policy.acl import AccessList, access_list
from op25b.policy.destinations import Destinations, destinations
from op25b.policy.routers import TARGETS, policy_of, render
from op25b.policy.sql import MEMBERS
from op25b.settings import Policy
from tests.policy.lines import BOTH, PEERS, isp, packets
from tests.policy.strategies import router_policies
from tests.policy.test_sql import ALL, table

PORTS = [(4000, 25), (5000, 25), (25, 25), (4000, 587), (5000, 465), (5000, 110)]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    return isp(tmp_path_factory.mktemp("agree"), settings=BOTH)


@pytest.fixture(scope="module")
def ends(opened: OpenWorkspace) -> Destinations:
    return destinations(opened.workspace, date(2007, 7, 10))


def judged(made: AccessList, target: str, packet: Connection) -> str:
    """What Aerleon's checker says of a packet; without a filter for it everything passes."""
    from aerleon.lib.aclcheck import AclCheck

    family = 6 if ":" in str(packet.line) else 4
    if not made.entries.get((packet.direction, family)):
        return "allow"
    policy, definitions = policy_of(made, TARGETS[target], packet.direction, family)
    src, dst = (packet.line, packet.peer) if packet.direction == "out" else (packet.peer, packet.line)
    protocol = {6: "tcp", 17: "udp"}[packet.protocol]
    found = AclCheck.FromPolicyDict(policy, definitions, src, dst, packet.source_port, packet.port, protocol)
    return {"accept": "allow", "deny": "block"}[found.ExactMatches()[0].action]


@settings(max_examples=30, deadline=None)
@given(router_policies, st.data())
@pytest.mark.parametrize("target", ["cisco", "juniper"])
def test_decide_sql_and_access_list_agree(opened: OpenWorkspace, ends: Destinations, target: str, chosen: Policy,
                                          data: st.DataObject) -> None:
    resolved = resolve(chosen, opened.workspace)
    made = access_list(opened.workspace, resolved)
    render(made, TARGETS[target], [])
    some = data.draw(st.lists(st.sampled_from(packets(ends, PORTS)), min_size=1, max_size=8, unique=True))
    some = [replace(packet, protocol=data.draw(st.sampled_from([6, 6, 17]))) for packet in some]
    for packet in some:
        for one in (packet, packet.reply()):
            assert judged(made, target, one) == decide(resolved, one).action
    query = apply("SELECT * FROM c", {"decided": resolved}, ALL)
    connection = duckdb.connect()
    connection.register("c", table(some).to_arrow())
    connection.register(MEMBERS, query.members.to_arrow())
    found = connection.execute(f"SELECT decided FROM ({query.sql}) ORDER BY n", query.values).fetchall()
    assert [action for action, in found] == [decide_session(resolved, packet).action for packet in some]


def read_cisco(config: str, packet: Connection) -> str:
    """What the text itself says, read line by line: that Aerleon wrote every rule its checker knows."""
    import ipaddress

    name = f"OP25B-{packet.direction.upper()}{'-V6' if ':' in str(packet.line) else ''}"
    _, found, rest = config.partition(f"ip{'v6' if ':' in str(packet.line) else ''} access-list "
                                      f"{'' if ':' in str(packet.line) else 'extended '}{name}\nip")
    lines = rest.split("exit")[0].splitlines() if found else []
    src, dst = (packet.line, packet.peer) if packet.direction == "out" else (packet.peer, packet.line)

    def end(words: list[str], address: str | None, port: int | None) -> bool:
        first = words.pop(0)
        if first == "any":
            inside = True
        elif first == "host":
            inside = ipaddress.ip_address(words.pop(0)) == ipaddress.ip_address(str(address))
        else:
            network = ipaddress.ip_network(first if "/" in first else f"{first}/{words.pop(0)}")
            inside = ipaddress.ip_address(str(address)) in network
        if words and words[0] == "eq":
            words.pop(0)
            return int(words.pop(0)) == port and inside
        return inside

    for line in lines:
        action, *words = line.split() or [""]
        if action in {"permit", "deny"}:
            protocol = words.pop(0)
            fits = [protocol in {"ip", "ipv6", {6: "tcp", 17: "udp"}[packet.protocol]},
                    end(words, src, packet.source_port), end(words, dst, packet.port)]
            assert not words
            if all(fits):
                return {"permit": "allow", "deny": "block"}[action]
    return "allow"


@settings(max_examples=40, deadline=None)
@given(router_policies)
def test_the_text_for_cisco_says_the_same(opened: OpenWorkspace, ends: Destinations, chosen: Policy) -> None:
    resolved = resolve(chosen, opened.workspace)
    config = render(access_list(opened.workspace, resolved), TARGETS["cisco"], [])
    for packet in packets(ends, [(4000, 25), (25, 587)]):
        for one in (packet, packet.reply()):
            assert read_cisco(config, one) == decide(resolved, one).action


def test_packets_that_are_no_lines_pass(opened: OpenWorkspace) -> None:
    """Own relays and other people's addresses: the policy is about lines."""
    everything = Policy.model_validate({"rules": [{"name": "all", "action": "block"},
                                                  {"name": "back", "action": "block", "direction": "in",
                                                   "source_port": 25}]})
    made = access_list(opened.workspace, resolve(everything, opened.workspace))
    for line, peer in (("203.0.113.2", "192.0.2.25"), ("192.0.2.77", "203.0.113.2"),
                       ("2001:db8:1::2", "2001:db8:900::1")):
        for packet in (Connection("other", 25, source_port=4000, line=line, peer=peer), ):
            assert {judged(made, "cisco", one) for one in (packet, packet.reply())} == {"allow"}


def test_groups_are_those_of_the_pipeline(opened: OpenWorkspace, ends: Destinations) -> None:
    assert {peer: ends.group(peer) for peer in PEERS} == {
        "203.0.113.2": "own-relay", "198.51.100.1": "mobile-carrier", "198.51.100.10": "mobile-carrier",
        "198.51.100.70": "known-provider", "192.0.2.25": "other", "2001:db8:1::2": "own-relay",
        "2001:db8:200::10": "mobile-carrier", "2001:db8:900::1": "other"}
