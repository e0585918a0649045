"""A world → the files of a workspace, day by day and block by block, so that memory does not grow with the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from op25b.errors import SettingsError, UnknownNameError
from op25b.scaffold import create
from op25b.synth import (
    bots,
    devices,
    export,
    files,
    leases,
    lines,
    maillog,
    nfcapd,
    nfdump_text,
    packets,
    programs,
    radius,
    scans,
    servers,
)
from op25b.synth import world as w
from op25b.synth.days import Day
from op25b.synth.draw import Ints
from op25b.synth.parameters import load
from op25b.synth.sessions import KINDS, Sessions, joined
from op25b.synth.truth import Truth, of_day
from op25b.workspace import SETTINGS_FILE

_SHAPES = 18
FORMS = ("nfdump-csv", "nfcapd")
START = date(2007, 6, 5)  # five weeks before the extension of 10 July 2007
_PEOPLE = np.array([kind.people for kind in KINDS])  # the kinds that rest while people are away
Advance = Callable[[str, int, int], None]  # what is being made, units done, units in all


@dataclass(frozen=True)
class Written:
    """What was written."""

    directory: Path
    subscribers: int
    flow_records: int
    mail_lines: int
    radius_records: int
    truth_rows: int


@dataclass(frozen=True)
class Unit:
    """What one day of one block leaves behind: the same, whatever else is made and in which order."""

    records: export.Records
    visits: maillog.Visits
    truth: pl.DataFrame


@dataclass(frozen=True)
class Cast:
    """Everybody on a block's lines."""

    block: w.Block
    lines: lines.Lines
    leases: leases.Leases
    programs: programs.Programs
    servers: servers.Servers
    devices: devices.Devices
    bots: bots.Bots
    scanners: Ints

    def on_day(self, world: w.World, day: int) -> Unit:
        """Live through a day."""
        made, address = self._connections(Day(world, self.block, self.lines, day))
        dropped = (made["group"] == w.CARRIER) & ~made["inbound"]
        rng = world.rng(_SHAPES, self.block.number, day)
        flows = packets.flows(world.parameters.tcp, rng, made, address, dropped)
        return Unit(export.records(world, self.block, day, flows), maillog.visits(self.block, made, address),
                    of_day(self.block, made, flows))

    def _connections(self, day: Day) -> tuple[Sessions, npt.NDArray[np.uint32]]:
        """Connections of a day, ordered by time, and the line's address in each; lines that are offline make none."""
        made = joined([
            programs.on_day(day, self.programs), servers.on_day(day, self.servers), devices.on_day(day, self.devices),
            bots.on_day(day, self.bots), scans.on_day(day, self.scanners, self.servers.line[self.servers.answers]),
        ])
        away = _PEOPLE[made["kind"]] & self.lines.away(made["line"], made["at"])
        address, online = self.leases.held(made["line"], made["at"])
        here = online & ~away & (made["at"] >= day.begin) & (made["at"] < day.end)
        order = np.argsort(made["at"][here], kind="stable")
        return made[here][order], address[here][order]


def write(directory: Path | str, *, subscribers: int, days: int, seed: int, sampling: int = 1,
          form: str = "nfdump-csv", pilot: int = 0, start: date = START,
          parameters: Mapping[str, Any] | Path | str | None = None, advance: Advance | None = None) -> Written:
    """Write a workspace with the raw logs of a simulated ISP, and what is true of it.

    Args:
        directory: the new workspace; one that is there already is an error.
        subscribers: customer lines (customers of the mail service alone come on top).
        days: local days from `start` on.
        seed: the same seed and parameters give the same files (but for `nfcapd`'s own time stamps).
        sampling: each exporter keeps one packet in so many.
        form: `nfdump-csv`, or `nfcapd` (needs Debian's nfdump).
        pilot: so many access nodes are exported unsampled all the same.
        start: the first local day.
        parameters: changes to `parameters.toml`: a TOML file or a mapping of sections.
        advance: is told how far the work is.

    Raises:
        SettingsError: a number or a parameter cannot be.
    """
    if form not in FORMS:
        raise UnknownNameError("form", form, FORMS)
    _check(subscribers=subscribers, days=days, seed=seed, sampling=sampling, pilot=pilot, year=start.year)
    world = w.make(load(parameters), subscribers=subscribers, days=days, seed=seed, start=start, sampling=sampling,
                   pilot=pilot)
    create(Path(directory))
    root = Path(directory).expanduser().resolve()
    return _write(world, root, form, advance or (lambda _what, _done, _all: None))


_LIMITS = {"subscribers": (1, 9_999_999), "days": (1, 3660), "seed": (0, 2**63 - 1), "sampling": (1, 1_000_000),
           "pilot": (0, 200), "year": (1971, 2099)}


def _check(**values: int) -> None:
    for name, value in values.items():
        low, high = _LIMITS[name]
        if not low <= value <= high:
            msg = f"{name} {value} cannot be\n  choose a number from {low} to {high}"
            raise SettingsError(msg)


def _write(world: w.World, root: Path, form: str, advance: Advance) -> Written:
    units = len(world.blocks) * (world.days + 1)
    casts = []
    for number, block in enumerate(world.blocks):
        advance("customers", number, units)
        casts.append(cast_of(world, block))
    pattern = "nfcapd.*" if form == "nfcapd" else "*.csv"
    (root / SETTINGS_FILE).write_text(files.settings(world, pattern), encoding="utf-8")
    (root / "networks.csv").write_text(files.networks(world), encoding="utf-8")
    count = files.write_subscribers(world, root / "subscribers.csv", ((cast.block, cast.lines) for cast in casts))
    truth, log = Truth(world), maillog.MailLog(world, root / "raw" / "mail")
    records = mail_lines = sessions = 0
    held = [(cast.block, cast.leases) for cast in casts]
    for day in range(world.days):
        visits = [maillog.mail_only(world, day, sum(block.lines for block in world.blocks))]
        writers = [_writer(world, root / "raw" / "flows" / f"edge-{edge + 1}", edge, day, form)
                   for edge in range(world.edges)]
        for number, cast in enumerate(casts):
            advance(f"{world.day(day)}", len(casts) * (day + 1) + number, units)
            unit = cast.on_day(world, day)
            writers[cast.block.edge].write(unit.records)
            records += len(unit.records)
            truth.add(unit.truth)
            visits.append(unit.visits)
        for writer in writers:
            writer.close()
        mail_lines += log.write_day(day, visits)
        sessions += radius.write_day(world, root / "raw" / "radius", day, held)
    advance("truth", units, units)
    rows = truth.write(root / "truth.csv")
    return Written(root, count, records, mail_lines, sessions, rows.height)


def _writer(world: w.World, directory: Path, edge: int, day: int, form: str) -> nfdump_text.Writer | nfcapd.Writer:
    """What writes the records of one exporter and day."""
    if form == "nfcapd":
        return nfcapd.Writer(directory / f"nfcapd.{world.day(day):%Y%m%d}0000", world.sampling[edge])
    return nfdump_text.Writer(directory / f"{world.day(day):%Y%m%d}.csv", edge)


def cast_of(world: w.World, block: w.Block) -> Cast:
    """Everybody on a block's lines."""
    made = lines.make(world, block)
    people = programs.make(world, block, made)
    with_program = np.unique(people.accounts.line)
    return Cast(block, made, leases.make(world, block, made), people, servers.make(world, block, made),
                 devices.make(world, block, made), bots.make(world, block, with_program), scans.make(world, block))
