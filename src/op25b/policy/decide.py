"""What a policy decides for one connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from op25b.workspace import Policy, Rule

PROTOCOLS = {"tcp": 6, "udp": 17}


@dataclass(frozen=True)
class Connection:
    """One connection from a line. `own_line` is false for lines of other ISPs: a policy says nothing about them."""

    destination_group: str
    port: int
    protocol: int = 6
    plan: str | None = None
    access_node: str | None = None
    own_line: bool = True


@dataclass(frozen=True)
class Decision:
    """`rule` is the name of the rule that matched first, or None: what no rule matches is allowed."""

    action: Literal["allow", "block"]
    rule: str | None


def decide(policy: Policy, connection: Connection) -> Decision:
    """Apply the policy's rules in order."""
    if connection.own_line:
        for rule in policy.rules:
            if _matches(rule, connection):
                return Decision(rule.action, rule.name)
    return Decision("allow", None)


def _matches(rule: Rule, connection: Connection) -> bool:
    return (
        PROTOCOLS[rule.protocol] == connection.protocol
        and connection.port in rule.port
        and ("all" in rule.destination or connection.destination_group in rule.destination)
        and (not rule.plans or connection.plan in rule.plans)
        and (not rule.access_nodes or connection.access_node in rule.access_nodes)
    )
