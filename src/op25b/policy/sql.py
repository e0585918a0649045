"""A policy as a SQL expression: the same decision as `decide_session`, for any number of connections.

The text holds names of our own columns and placeholders only; every value is bound. It is plain SQL, so that it runs
on DuckDB and, transpiled, on Spark. Members of waves come by a join with a table, as there may be 100,000 of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from op25b.errors import Op25bError
from op25b.policy.resolve import FOREVER, Range, Resolved, Term, resolve
from op25b.settings import Policy

MEMBERS = "wave_member"
Value = str | int | datetime


class PolicyError(Op25bError):
    """A policy asks for something that cannot be decided, or written, where it was asked for."""


@dataclass(frozen=True)
class Columns:
    """Where a row of connections has what rules ask for; None where it has it not.

    `line_key` and `peer_key` are ip_keys of the two ends, `source_port` is the line's own port, and with `moment` (a
    naive UTC time) every row is decided by the rules in force at its own moment.
    """

    destination_group: str = "destination_group"
    port: str = "port"
    protocol: str = "protocol"
    plan: str = "plan"
    access_node: str = "access_node"
    subscriber: str | None = None
    source_port: str | None = None
    line_key: str | None = None
    peer_key: str | None = None
    moment: str | None = None


_WORDS = {"subscriber": "whose line it is", "source_port": "the line's own port",
          "line_key": "the line's address", "peer_key": "the mail server's address"}


def needs(policy: Policy | Resolved, moment: datetime | None = None) -> frozenset[str]:
    """What the rules in force ask for that not every row has: subscriber, source_port, line_key, peer_key."""
    found = set()
    for term in _looked_up(policy).at(moment):
        asked = {"line_key": term.lines is not None, "peer_key": bool(term.peers) and not term.everywhere,
                 "subscriber": term.members is not None,
                 "source_port": (term.source_ports if term.direction == "out" else term.ports) is not None}
        found |= {name for name, is_asked in asked.items() if is_asked}
    return frozenset(found)


def action_sql(policy: Policy | Resolved, columns: Columns | None = None,
               moment: datetime | None = None) -> tuple[str, list[Value]]:
    """Return (expression, its bound values): 'allow' or 'block' for each row, whole connections from lines.

    Rules about subscribers of a wave need `apply`, which joins their table.
    """
    resolved = _looked_up(policy)
    if any(term.members is not None for term in resolved.terms) and columns is None:
        raise _cannot("subscriber", next(t for t in resolved.terms if t.members is not None))
    return _action(resolved, columns or Columns(), moment, [])


@dataclass(frozen=True)
class Query:
    """A query, its bound values in order, and the rows of `wave_member` (wave, subscriber) it reads, if any."""

    sql: str
    values: list[Value]
    members: pl.DataFrame


def apply(rows: str, policies: Mapping[str, Policy | Resolved], columns: Columns,
          moment: datetime | None = None) -> Query:
    """Decide every row of a query by each policy: a column, 'allow' or 'block', of each policy's name is added.

    `policies` maps names of our own, such as before and after, to policies.
    """
    waves: list[frozenset[str]] = []
    expressions, values = [], []
    for name, policy in policies.items():
        expression, bound = _action(_looked_up(policy), columns, moment, waves)
        expressions.append(f"{expression} AS {name}")
        values += bound
    marks = "".join(f", w{n}.subscriber IS NOT NULL AS in_wave_{n}" for n in range(len(waves)))
    joins = "".join(
        f"\nLEFT JOIN {MEMBERS} AS w{n} ON w{n}.wave = {n} AND w{n}.subscriber = t.{columns.subscriber}"
        for n in range(len(waves)))
    query = f"""
        WITH traffic AS ({rows}),
        marked AS (SELECT t.*{marks} FROM traffic AS t{joins})
        SELECT marked.*, {', '.join(expressions)} FROM marked
    """  # noqa: S608  # our own names and placeholders only
    members = pl.DataFrame(
        {"wave": [n for n, wave in enumerate(waves) for _ in wave],
         "subscriber": [member for wave in waves for member in sorted(wave)]},
        schema={"wave": pl.Int32, "subscriber": pl.String})
    return Query(query, values, members)


def _looked_up(policy: Policy | Resolved) -> Resolved:
    return resolve(policy) if isinstance(policy, Policy) else policy


def _action(resolved: Resolved, columns: Columns, moment: datetime | None,
            waves: list[frozenset[str]]) -> tuple[str, list[Value]]:
    """The decision for a connection: that of the packets out and, where rules speak of them, of those coming back."""
    each = columns.moment is not None and moment is None
    terms = resolved.terms if each else resolved.at(moment)
    out, values = _cases([t for t in terms if t.direction == "out"], resolved, columns, each, waves)
    back, more = _cases([t for t in terms if t.direction == "in"], resolved, columns, each, waves)
    if not any(term.direction == "in" for term in terms):
        return out, values
    return f"CASE WHEN {out} = 'block' THEN 'block' ELSE {back} END", [*values, *more]


def _cases(terms: Sequence[Term], resolved: Resolved, columns: Columns, each: bool,
           waves: list[frozenset[str]]) -> tuple[str, list[Value]]:
    cases, values = [], []
    for term in terms:
        condition, bound = _condition(term, columns, waves)
        if each:
            since, until = max(term.since, resolved.since), min(term.until, resolved.until)
            for sign, instant, always in ((">=", since, FOREVER[0]), ("<", until, FOREVER[1])):
                if instant != always:
                    condition += f" AND {columns.moment} {sign} ?"
                    bound = [*bound, instant]
        cases.append(f"WHEN {condition} THEN ?")
        values += [*bound, term.action]
    return (f"CASE {' '.join(cases)} ELSE 'allow' END" if cases else "'allow'"), values


def _condition(term: Term, columns: Columns, waves: list[frozenset[str]]) -> tuple[str, list[Value]]:
    tests, values = [f"{columns.protocol} = ?"], list[Value]([term.protocol])

    def among(column: str, wanted: frozenset[str] | frozenset[int]) -> str:
        values.extend(sorted(wanted))
        return f"{column} IN ({', '.join('?' * len(wanted))})"

    def within(column: str, networks: Sequence[Range]) -> list[str]:
        for network in networks:
            values.extend(network)
        return [f"{column} BETWEEN ? AND ?"] * len(networks)

    def column(name: str) -> str:
        found: str | None = getattr(columns, name)
        if found is None:
            raise _cannot(name, term)
        return found

    # What comes back has the ports the other way round.
    here, there = ("source_port", "port") if term.direction == "out" else ("port", "source_port")
    if term.ports is not None:
        tests.append(among(column(there), term.ports))
    if term.source_ports is not None:
        tests.append(among(column(here), term.source_ports))
    if term.groups is not None:
        ends = [among(columns.destination_group, term.groups)] if term.groups else []
        ends += within(column("peer_key"), term.peers) if term.peers else []
        tests.append(f"({' OR '.join(ends)})" if ends else "1 = 0")  # a set without networks
    if term.lines is not None:
        tests.append(f"({' OR '.join(within(column('line_key'), term.lines))})" if term.lines else "1 = 0")
    if term.plans is not None:
        tests.append(among(columns.plan, term.plans))
    if term.access_nodes is not None:
        tests.append(among(columns.access_node, term.access_nodes))
    if term.members is not None:
        column("subscriber")
        if term.members not in waves:
            waves.append(term.members)
        tests.append(f"in_wave_{waves.index(term.members)}")
    return " AND ".join(tests), values


def _cannot(name: str, term: Term) -> PolicyError:
    return PolicyError(f"rule {term.name!r} depends on {_WORDS[name]}, which these rows do not have\n"
                       "  decide rows of single connections (table session), or leave the rule's condition out")
