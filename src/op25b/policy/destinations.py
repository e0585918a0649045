"""Which addresses belong to which group of mail servers on a day, as `pipelines/destination.sql` decides it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from op25b.engine.reference import destination_networks
from op25b.policy.ranges import EVERYTHING, Spans, contains, merge, without
from op25b.readers.base import ip_key
from op25b.workspace import Workspace

OTHER = "other"


@dataclass(frozen=True)
class Destinations:
    """The groups' addresses: disjoint, and together all there are. `stated` holds the networks as they were given."""

    addresses: dict[str, Spans]
    stated: dict[str, tuple[tuple[int, int], ...]]

    def of(self, groups: Iterable[str]) -> Spans:
        """The addresses of some groups."""
        return merge(span for group in groups for span in self.addresses.get(group, ()))

    def group(self, address: str) -> str:
        """The group of one address."""
        key = int(str(ip_key(address)), 16)
        return next((name for name, some in self.addresses.items() if contains(some, key)), OTHER)


def destinations(workspace: Workspace, day: date) -> Destinations:
    """The groups on a local day: of all networks that hold an address the most specific decides, own relays first."""
    rows = [(row["destination_group"], row["key_first"], row["key_last"], row["name"])
            for row in destination_networks(workspace).iter_rows(named=True)
            if (row["valid_from"] is None or row["valid_from"] <= day)
            and (row["valid_until"] is None or day <= row["valid_until"])]
    # The order of destination.sql: key_first descending, the rest ascending; sorting is stable.
    rows.sort(key=lambda row: (row[2], row[3]))
    rows.sort(key=lambda row: row[1], reverse=True)
    rows.sort(key=lambda row: row[0] != "own-relay")
    taken: Spans = ()
    found: dict[str, list[tuple[int, int]]] = {}
    stated: dict[str, list[tuple[int, int]]] = {}
    for group, first, last, _ in rows:
        span = int(first, 16), int(last, 16)
        stated.setdefault(group, []).append(span)
        found.setdefault(group, []).extend(without((span,), taken))
        taken = merge([*taken, span])
    addresses = {group: merge(some) for group, some in found.items()}
    return Destinations({**addresses, OTHER: without(EVERYTHING, taken)},
                        {group: tuple(some) for group, some in stated.items()})
