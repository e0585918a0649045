"""Random policies and connections: few values, so that rules often match and shadow each other."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from hypothesis import strategies as st

from op25b.policy import Connection
from op25b.settings import Config, Policy, Rule, Site
from op25b.workspace import Workspace

GROUPS = ["own-relay", "mobile-carrier", "known-provider", "other"]
MEMBERS = {"w1.csv": ["p" + "1" * 20, "p" + "2" * 20], "w2.csv": ["p" + "2" * 20, "p" + "3" * 20], "none.csv": []}
LINES = ["198.18.0.1", "198.18.0.130", "198.18.9.9", "2001:db8:100::1", "2001:db8:1ff::1"]
PEERS = ["198.51.100.1", "198.51.100.70", "192.0.2.25", "2001:db8:200::10", "2001:db8:900::1"]
SETS = {"pool": ("198.18.0.0/25", "2001:db8:100::/48"), "far": ("192.0.2.0/24", "2001:db8:200::/64"), "nothing": ()}
DATES = [None, date(2007, 7, 10), datetime(2007, 7, 10, 12, 30), date(2007, 8, 1)]
MOMENTS = [None, datetime(2007, 7, 1), datetime(2007, 7, 9, 15), datetime(2007, 7, 10, 3, 30), datetime(2007, 9, 1)]


def workspace(directory: Path) -> Workspace:
    """A workspace with the sets and the waves that the rules name; its days begin at 15:00 UTC."""
    for name, members in MEMBERS.items():
        (directory / name).write_text("\n".join(["subscriber", *members, ""]), encoding="utf-8")
    return Workspace(directory, Config(site=Site(timezone="Asia/Tokyo"), sets=SETS))


def some(values: list[str], most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=most).map(tuple)


def ports(least: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.sampled_from([25, 465, 587, 4000]), min_size=least, max_size=2).map(tuple)


simple_rules = st.builds(
    Rule, name=st.text("abc", min_size=1, max_size=3), action=st.sampled_from(["allow", "block"]),
    destination=st.lists(st.sampled_from([*GROUPS, "all"]), min_size=1, max_size=2).map(tuple),
    protocol=st.sampled_from(["tcp", "udp"]), port=ports(1), plans=some(["IP1", "it's"]),
    access_nodes=some(["n1", "n2"]),
)
# Policies of rules that the table `sender_day` has everything for.
policies = st.lists(simple_rules, max_size=5).map(lambda chosen: Policy(rules=tuple(chosen)))

_times = st.tuples(st.sampled_from(DATES), st.sampled_from(DATES)).map(
    lambda pair: sorted((d for d in pair if d is not None), key=str) and pair).map(
    lambda pair: pair if pair and not (pair[0] and pair[1] and str(pair[1])[:10] < str(pair[0])[:10]) else (None, None))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Rules with every condition there is."""
    since, until = draw(_times)
    inbound = draw(st.booleans())
    return Rule(
        name=draw(st.text("abc", min_size=1, max_size=3)), action=draw(st.sampled_from(["allow", "block"])),
        direction="in" if inbound else "out",
        source=draw(some([*SETS, "198.18.0.128/25", "2001:db8:100::1"])), plans=draw(some(["IP1", "it's"], 1)),
        access_nodes=draw(some(["n1", "n2"], 1)), subscribers=draw(some(list(MEMBERS), 1)),
        destination=draw(st.lists(st.sampled_from([*GROUPS, "all", *SETS, "198.51.100.64/27", "2001:db8:900::/48"]),
                                  min_size=1, max_size=2).map(tuple)),
        protocol=draw(st.sampled_from(["tcp", "tcp", "udp"])),
        port=draw(ports(0 if inbound else 1)), source_port=draw(ports(1) if inbound else ports(0)),
        effective_from=since, effective_until=until,
    )


full_policies = st.builds(
    lambda chosen, times: Policy(rules=tuple(chosen), effective_from=times[0], effective_until=times[1]),
    st.lists(rules(), max_size=5), _times)
connections = st.builds(
    Connection, destination_group=st.sampled_from(GROUPS), port=st.sampled_from([25, 110, 465, 587]),
    protocol=st.sampled_from([6, 17]), plan=st.sampled_from([None, "IP1", "it's", "home"]),
    access_node=st.sampled_from([None, "n1", "n2"]), source_port=st.sampled_from([25, 4000, 5000]),
    subscriber=st.sampled_from([None, *(p for members in MEMBERS.values() for p in members)]),
    line=st.sampled_from([None, *LINES]), peer=st.sampled_from([None, *PEERS]),
)


@st.composite
def router_rules(draw: st.DrawFn) -> Rule:
    """Rules that a router can be told in the ISP of `tests.policy.lines`: its waves have fixed addresses."""
    inbound = draw(st.booleans())
    return Rule(
        name=draw(st.text("abc あ\n;", min_size=1, max_size=3)), action=draw(st.sampled_from(["allow", "block"])),
        direction="in" if inbound else "out",
        source=draw(some(["pool", "198.18.1.0/24", "2001:db8:100::/48"], 1)), plans=draw(some(["IP1", "IP8"], 1)),
        subscribers=draw(some(["wave.csv"], 1)),
        destination=draw(st.lists(st.sampled_from([*GROUPS, "all", "all", "far", "198.51.100.0/30"]),
                                  min_size=1, max_size=2).map(tuple)),
        port=draw(ports(0 if inbound else 1)), source_port=draw(ports(1) if inbound else ports(0)),
    )


router_policies = st.lists(router_rules(), max_size=5).map(lambda chosen: Policy(rules=tuple(chosen)))
