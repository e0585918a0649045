"""An access list in the language of a router, written by Aerleon.

A rule becomes one term of Aerleon in each direction and family. Aerleon's nftables are stateful and named after it;
they are made stateless, as the policy is (what it blocks, it blocks in established connections too), put in tables
`op25b` of their own that are replaced as one, and every drop is counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from op25b.errors import UnknownNameError
from op25b.policy.acl import AccessList, Direction, Entry
from op25b.policy.ranges import Family
from op25b.policy.sql import PolicyError

TABLE = "op25b"
_PROTOCOL = {6: "tcp", 17: "udp"}
_STAMPS = re.compile(r"^.*\$(Id|Date|Revision):\$.*\n", re.MULTILINE)
_LOCAL = "ct state established,related accept"


@dataclass(frozen=True)
class Target:
    """A router's language: its name in Aerleon, words for the two families, how comments begin, a file's ending."""

    name: str
    families: dict[Family, str]
    comment: str
    suffix: str


TARGETS = {target.name: target for target in (
    Target("nftables", {4: "inet forward ACCEPT", 6: "inet6 forward ACCEPT"}, "#", ".nft"),
    Target("cisco", {4: "{name} extended", 6: "{name} inet6"}, "!", ".acl"),
    Target("ciscoxr", {4: "{name} extended", 6: "{name} inet6"}, "!", ".xacl"),
    Target("arista", {4: "{name} extended", 6: "{name} inet6"}, "!", ".eacl"),
    Target("juniper", {4: "{name} inet", 6: "{name} inet6"}, "#", ".jcl"),
)}


def target(name: str) -> Target:
    """The language of a name, or `UnknownNameError`."""
    if name not in TARGETS:
        raise UnknownNameError("target", name, TARGETS)
    return TARGETS[name]


def filter_name(direction: Direction, family: Family) -> str:
    """What a router calls the filter of a direction and family: the same whatever the policy, so it stays bound."""
    return f"OP25B-{direction.upper()}{'-V6' if family == 6 else ''}"


def render(made: AccessList, chosen: Target, header: Sequence[str],
           filters: Sequence[tuple[Direction, Family]] = ()) -> str:
    """A router's configuration: the filters of a list, and empty ones that allow everything for others of `filters`."""
    wanted = sorted({*made.entries, *filters})
    comments = "".join(f"{chosen.comment} {plain(line)}\n" for line in header)
    body = _generate(made, chosen, wanted) if wanted else ""
    if chosen.name == "nftables":
        body = _replacing(body)
    return comments + body.strip("\n") + "\n"


def plain(text: str, longest: int = 200) -> str:
    """Text that cannot leave a comment: printable ASCII without what ends one, on one line, of bounded length."""
    kept = "".join(c if c.isascii() and c.isprintable() and c not in "*\"{};`$\\" else "?" for c in text)
    return kept if len(kept) <= longest else kept[:longest - 3] + "..."


def policy_of(made: AccessList, chosen: Target, direction: Direction, family: Family) -> tuple[Any, Any]:
    """One filter as Aerleon's policy and the definitions of its names."""
    from aerleon.lib import naming

    entries = made.entries.get((direction, family), ())
    definitions: dict[str, dict[str, Any]] = {"networks": {}, "services": {}}
    terms = [_term(entry, direction, definitions) for entry in entries]
    if chosen.name != "nftables" or not terms:
        terms.append({"name": "what-no-rule-matches", "action": "accept"})
    options = chosen.families[family].format(name=filter_name(direction, family))
    names = naming.Naming()
    names.ParseDefinitionsObject({key: value for key, value in definitions.items() if value} or {"networks": {}}, "")
    return {"filename": "op25b", "filters": [{"header": {"targets": {chosen.name: options}}, "terms": terms}]}, names


def _generate(made: AccessList, chosen: Target, wanted: Sequence[tuple[Direction, Family]]) -> str:
    from aerleon import api
    from aerleon.aclgen import ACLGeneratorError, ACLParserError

    parts = []
    for direction, family in wanted:
        if chosen.name == "nftables" and not made.entries.get((direction, family)):
            continue  # nothing to say: its table is emptied all the same
        policy, definitions = policy_of(made, chosen, direction, family)
        try:
            texts = api.Generate([policy], definitions)
        except (ACLGeneratorError, ACLParserError) as error:
            msg = f"{chosen.name} cannot express this policy: {error}\n  choose another target, or simplify the rule"
            raise PolicyError(msg) from None
        text = "".join((texts or {}).values())
        if chosen.name == "nftables":
            # Both directions stand in one table; a packet between two lines must pass both.
            text = text.replace("root0", f"forward-{direction}")
        parts.append(_STAMPS.sub("", text).strip("\n"))
    return "\n\n".join(parts)


def _term(entry: Entry, direction: Direction, definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One entry as a term of Aerleon; its networks and ports go among the definitions under names of their own."""
    def named(kind: str, values: Sequence[dict[str, str]]) -> str:
        token = f"R{entry.number}{kind}"
        if kind.endswith("PORT"):
            definitions["services"][token] = list(values)
        else:
            definitions["networks"][token] = {"values": list(values)}
        return token

    line, peer = ("source", "destination") if direction == "out" else ("destination", "source")
    protocol = _PROTOCOL[entry.protocol]
    slug = re.sub(r"[^a-z0-9]+", "-", entry.name.lower()).strip("-")[:16].rstrip("-")
    term: dict[str, Any] = {
        "name": f"rule-{entry.number}-{slug}".rstrip("-"), "protocol": protocol,
        f"{line}-address": named("LINES", [{"address": str(network)} for network in entry.lines]),
    }
    if entry.peers is not None:
        term[f"{peer}-address"] = named("PEERS", [{"address": str(network)} for network in entry.peers])
    for side, ports in (("destination", entry.ports), ("source", entry.source_ports)):
        if ports is not None:
            term[f"{side}-port"] = named(f"{side[0].upper()}PORT",
                                         [{"protocol": protocol, "port": str(port)} for port in ports])
    return {**term, "action": "accept" if entry.action == "allow" else "deny"}


def _replacing(body: str) -> str:
    """Aerleon's nftables made stateless, counting, and replacing what was there before in one transaction."""
    text = body.replace("filtering_policies {", f"{TABLE} {{")
    text = "".join(line for line in text.splitlines(keepends=True) if line.strip() != _LOCAL)
    text = text.replace(" ct state new accept", " accept").replace(" drop\n", " counter drop\n")
    if "ct state" in text or "filtering_policies" in text:
        msg = "this version of Aerleon writes nftables in a way op25b does not know\n  install aerleon 1.18"
        raise PolicyError(msg)
    fresh = "".join(f"table {family} {TABLE} {{}}\ndelete table {family} {TABLE}\n" for family in ("ip", "ip6"))
    return f"{fresh}\n{text}"
