"""Things that mail: printers, network disks, cameras; and programs that send straight to mobile carriers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from op25b.synth import world as w
from op25b.synth.days import Day
from op25b.synth.draw import Bools, Floats, Ints, lognormal, message_bytes, repeat, times
from op25b.synth.lines import Lines
from op25b.synth.sessions import MAIL, NUMBER, SILENT, Sessions, joined, sessions
from op25b.synth.world import DAY, Block, World

_STAGE, _DAILY = 7, 8
_PRINTER, _NAS, _CAMERA = (NUMBER[name] for name in ("printer", "nas", "camera"))


@dataclass(frozen=True)
class Devices:
    """The devices of a block, and its lines with programs that send straight to carriers."""

    line: Ints
    kind: Ints
    remote: Ints
    group: Ints
    scheduled: Bools
    phase: Floats  # seconds of the day, or of the period, at which a scheduled one sends
    size: Floats
    direct: Ints
    carrier: Ints


def make(world: World, block: Block, lines: Lines) -> Devices:
    """The devices on a block's lines."""
    rng, n, p = world.rng(_STAGE, block.number), block.lines, world.parameters.devices
    printers = np.flatnonzero(rng.random(n) < np.where(lines.office, p.printer_office_share, p.printer_home_share))
    disks = np.flatnonzero(rng.random(n) < p.nas_share)
    cameras = np.flatnonzero(rng.random(n) < p.camera_share)
    line = np.concatenate([printers, disks, cameras])
    kind = np.repeat([_PRINTER, _NAS, _CAMERA], [len(printers), len(disks), len(cameras)])
    m = len(line)
    remote, group = _servers(world, rng, m)
    median = np.select([kind == _PRINTER, kind == _NAS], [p.printer_bytes_median, p.nas_bytes_median],
                       p.camera_bytes_median)
    mobile = world.parameters.mobile
    direct = np.flatnonzero(rng.random(n) < np.where(lines.office, mobile.office_share, mobile.share))
    return Devices(line, kind, remote, group, (kind == _NAS) | (rng.random(m) < p.camera_scheduled_share),
                   rng.uniform(0, DAY, m), lognormal(rng, median, 0.5, m), direct,
                   rng.choice(w.CARRIERS, len(direct)).astype(np.int64))


def _servers(world: World, rng: np.random.Generator, n: int) -> tuple[Ints, Ints]:
    """Each device's server, and the group it belongs to."""
    p, internet = world.parameters.devices, world.parameters.internet
    draw = rng.random(n)
    relay = draw < p.relay_share
    company = ~relay & (draw < p.relay_share + p.company_share)
    mobile = ~relay & ~company & (draw < p.relay_share + p.company_share + p.mobile_share)
    weights = np.array(internet.provider_weights)
    known = w.provider_server(rng.choice(w.PROVIDERS, n, p=weights / weights.sum()), 2)
    hoster = w.hoster_server(rng.integers(0, internet.hosters, n), 2)
    remote = np.select([relay, company, mobile], [np.full(n, w.RELAY), hoster, rng.choice(w.CARRIERS, n)], known)
    return remote.astype(np.int64), np.select([relay, company, mobile], [w.OWN, w.OTHER, w.CARRIER], w.KNOWN)


def on_day(day: Day, devices: Devices) -> Sessions:
    """What a block's devices and direct mailers send on one day."""
    rng = day.rng(_DAILY)
    device, at = _moments(day, rng, devices)
    n, group = len(device), devices.group[device]
    size = devices.size[device] * lognormal(rng, 1.0, day.parameters.devices.fixed_size_sigma, n)
    sent = sessions(devices.kind[device].astype(np.uint8), n, line=devices.line[device], at=at,
                    remote=devices.remote[device], port=25, group=group, windows=False, patience=30.0,
                    outcome=np.where(group == w.CARRIER, SILENT, MAIL),
                    up=np.clip(size, 300, day.parameters.mail.largest_bytes).astype(np.int64))
    return joined([sent, *_direct(day, rng, devices)])


def _moments(day: Day, rng: np.random.Generator, devices: Devices) -> tuple[Ints, Floats]:
    """The device and the moment of each of its messages."""
    p, rhythm = day.parameters.devices, day.parameters.rhythm
    quiet = rhythm.office_weekend_factor if day.weekend else 1.0
    printer = repeat(rng, np.where(devices.kind == _PRINTER, p.printer_messages * quiet, 0.0))
    motion = repeat(rng, np.where((devices.kind == _CAMERA) & ~devices.scheduled, p.camera_motions, 0.0))
    disk = np.flatnonzero(devices.kind == _NAS)
    camera = np.flatnonzero((devices.kind == _CAMERA) & devices.scheduled)
    period = p.camera_hours * 3600
    rounds = int(DAY // period)
    due = (devices.phase[camera] % period)[:, None] + np.arange(rounds) * period
    device = np.concatenate([printer, motion, disk, np.repeat(camera, rounds)])
    scheduled = np.concatenate([devices.phase[disk], due.ravel()])
    scheduled += rng.uniform(0, p.jitter_seconds, len(scheduled))
    people = np.concatenate([times(rng, rhythm.office, len(printer)), times(rng, day.home_hours(), len(motion))])
    return device, day.begin + np.concatenate([people, np.minimum(scheduled, DAY - 1)])


def _direct(day: Day, rng: np.random.Generator, devices: Devices) -> list[Sessions]:
    """Attempts to reach a phone past the ISP's server, which the block drops; some are tried again."""
    p, lines = day.parameters.mobile, day.lines
    sender = repeat(rng, day.factor(devices.direct) * p.messages_per_day)
    line, n = devices.direct[sender], len(sender)
    first = sessions("direct-mailer", n, line=line, at=day.moments(rng, lines.office[line]), port=25,
                     remote=devices.carrier[sender], outcome=SILENT, group=w.CARRIER, windows=lines.windows[line],
                     up=message_bytes(rng, day.parameters.mail, n))
    again = first[rng.random(n) < p.retry_share]
    again["at"] += rng.exponential(p.retry_minutes * 60, len(again))
    return [first, again]
