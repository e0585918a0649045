"""OP25B policies as data: what they decide for one connection, for all observed ones, and for customers to read."""

from __future__ import annotations

from op25b.errors import UnknownNameError
from op25b.policy.decide import Connection, Decision, blocked_since, decide, decide_session
from op25b.policy.resolve import Resolved, resolve
from op25b.policy.sql import Columns, PolicyError, Query, action_sql, apply, needs
from op25b.settings import Policy
from op25b.workspace import Workspace

__all__ = ["Columns", "Connection", "Decision", "PolicyError", "Query", "Resolved", "action_sql", "apply",
           "blocked_since", "decide", "decide_session", "needs", "policy", "resolve"]


def policy(workspace: Workspace, name: str) -> Policy:
    """The policy of a name in the settings, or `UnknownNameError`."""
    policies = workspace.config.policy
    if name not in policies:
        raise UnknownNameError("policy", name, policies)
    return policies[name]
