"""A router's configuration for a policy, and the one that takes it back; both say where they come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from op25b.engine.build import is_built, is_stale
from op25b.lake import snapshot
from op25b.policy.acl import AccessList, Direction, Scope, access_list, required
from op25b.policy.lint import Finding, lint
from op25b.policy.ranges import Family
from op25b.policy.resolve import Resolved, resolve
from op25b.policy.routers import filter_name, render, target
from op25b.policy.sql import PolicyError
from op25b.settings import Policy
from op25b.workspace import Workspace


@dataclass(frozen=True)
class Deployment:
    """Two configurations with their file names: the policy's, and the `rollback`. `findings` are those of lint."""

    name: str
    text: str
    rollback_name: str
    rollback: str
    pairs_before: int
    pairs_after: int
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def write(self, directory: Path) -> list[Path]:
        """Write both files, each whole or not at all."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, text in ((self.name, self.text), (self.rollback_name, self.rollback)):
            new = directory / f".{name}.new"
            new.write_text(text, encoding="ascii")
            paths.append(new.replace(directory / name))
        return paths


def deployment(workspace: Workspace, name: str, target_name: str, *, moment: datetime | None = None,
               scope: Scope | None = None, back_to: str | None = None) -> Deployment:
    """The configuration of a policy for a kind of router, at a moment (by default now), for the lines of a scope.

    The rollback restores the policy `back_to`: by default `current`, else, or where that is the policy itself, a router
    that blocks nothing.
    """
    chosen, scope = target(target_name), scope or Scope()
    policy = resolve(_named(workspace, name), workspace)
    if back_to is None and "current" in workspace.config.policy and name != "current":
        back_to = "current"
    made = access_list(workspace, policy, moment, scope)
    old, old_made = None, AccessList({}, 0, 0, (), ())
    if back_to is not None:
        old = resolve(_named(workspace, back_to), workspace)
        try:
            old_made = access_list(workspace, old, moment, scope)
        except PolicyError as error:
            msg = f"the rollback, policy {back_to!r}: {error}\n  name another with --rollback"
            raise PolicyError(msg) from None
    filters = required([made, old_made])
    where = [f"for access node {scope.access_node}"] if scope.access_node is not None else []
    if moment is not None:
        local = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(workspace.timezone)
        where.append(f"as in force at {local:%Y-%m-%d %H:%M} ({workspace.config.site.timezone})")
    bind = [] if chosen.name == "nftables" else [_binding(filters)]
    head = [*_origin(workspace, name, policy), *where, *_counts(made), *bind]
    back = [f"op25b: takes back policy {name}, version {policy.version}",
            *(_origin(workspace, back_to, old) if old is not None and back_to is not None else
              ["nothing is blocked any more"]), *where, *_counts(old_made)]
    stem = "-".join(["op25b", *(_slug(part) for part in (name, scope.access_node or "", *scope.waves) if part)])
    old_lake = ("files were ingested after the last full build: run 'op25b build' first",) if (
        is_built(workspace) and is_stale(workspace)) else ()
    return Deployment(
        stem + chosen.suffix, render(made, chosen, head, filters),
        f"{stem}-rollback{chosen.suffix}", render(old_made, chosen, back, filters),
        made.pairs_before, made.pairs_after, (*old_lake, *made.notes, *made.warnings),
        tuple(lint(workspace, [name], moment)),
    )


def _named(workspace: Workspace, name: str) -> Policy:
    from op25b.policy import policy

    return policy(workspace, name)


def _origin(workspace: Workspace, name: str, policy: Resolved) -> list[str]:
    return [f"op25b: policy {name}, version {policy.version}, lake version {snapshot(workspace).number()}"]


def _counts(made: AccessList) -> list[str]:
    rules = len({entry.number for some in made.entries.values() for entry in some})
    pairs = f"{made.pairs_before} address pairs as stated, {made.pairs_after} after neighbouring networks were merged"
    return [f"{rules} rules: {pairs}", *made.notes, *made.warnings]


def _binding(filters: list[tuple[Direction, Family]]) -> str:
    names = {direction: [filter_name(d, f) for d, f in filters if d == direction] for direction, _ in filters}
    words = {"out": "packets from the lines", "in": "packets toward the lines"}
    return "bind " + "; ".join(f"{' and '.join(some)} to {words[d]}" for d, some in sorted(names.items(), reverse=True))


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(text).stem if "/" in text else text.removesuffix(".csv")).strip("-")[:40]
