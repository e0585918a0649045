"""A policy as a SQL expression: the same decision as `decide`, for any number of connections."""

from __future__ import annotations

from op25b.policy.decide import PROTOCOLS
from op25b.workspace import Policy, Rule


def action_sql(policy: Policy) -> tuple[str, list[str | int]]:
    """Return (expression, its bound values): 'allow' or 'block' for each row.

    A row has destination_group, port, protocol, plan and access_node.
    """
    cases, values = [], []
    for rule in policy.rules:
        condition, bound = _condition(rule)
        cases.append(f"WHEN {condition} THEN ?")
        values += [*bound, rule.action]
    return (f"CASE {' '.join(cases)} ELSE 'allow' END" if cases else "'allow'"), values


def _condition(rule: Rule) -> tuple[str, list[str | int]]:
    tests, values = ["protocol = ?"], [PROTOCOLS[rule.protocol]]
    allowed: list[tuple[str, tuple[str, ...] | tuple[int, ...]]] = [
        ("port", rule.port),
        ("destination_group", () if "all" in rule.destination else rule.destination),
        ("plan", rule.plans),
        ("access_node", rule.access_nodes),
    ]
    bound: list[str | int] = [*values]
    for column, wanted in allowed:
        if wanted:
            tests.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            bound += wanted
    return " AND ".join(tests), bound
