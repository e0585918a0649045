"""Connections → the packets of both directions, as counts and sizes by kind of packet, not packet by packet.

The packets of one direction come in this order: SYNs; ACKs without data; commands (or a server's replies); full
segments of messages; the last, shorter one; FIN or RST. The shapes are the lab's: a client that sends one short message
needs 10 packets (SYN, 2 ACKs, EHLO, MAIL, RCPT, DATA, QUIT, the message, FIN), its server 11; reading an empty mailbox
8 and 10 (data/sample). Segments are cut at the MSS of a PPPoE line.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from op25b.synth.draw import Bools, Floats, Ints, lognormal
from op25b.synth.parameters import Tcp
from op25b.synth.sessions import (
    LOGIN_FAILED,
    MAIL,
    MAILBOX,
    PROBED,
    REFUSED,
    SILENT,
    TURNED_AWAY,
    Sessions,
)

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
WINDOWS_TRAIN, LINUX_TRAIN, REFUSED_TRAIN, PLAIN = range(4)

# One direction of one connection.
DTYPE = np.dtype([
    ("session", "i8"), ("src", "u4"), ("dst", "u4"), ("sport", "u2"), ("dport", "u2"), ("at", "f8"),
    ("train", "u1"),       # which offsets its SYNs have
    ("syns", "i4"), ("acks", "i4"), ("commands", "i4"), ("full", "i4"), ("last", "i4"), ("ends", "i4"),
    ("syn_bytes", "i4"), ("header", "i4"), ("command_bytes", "i4"), ("full_bytes", "i4"), ("last_bytes", "i4"),
    ("syn_flags", "u1"), ("end_flags", "u1"),
    ("spread", "f8"),      # seconds from the last SYN to the last packet
    ("dropped", "?"),      # the ISP's filter drops it
])
Flows = npt.NDArray[Any]
COUNTS = ("syns", "acks", "commands", "full", "last", "ends")
_TLS_PORTS = (465, 993, 995)


def trains(tcp: Tcp) -> npt.NDArray[np.float64]:
    """Offsets of the SYNs of each train, one row a train, filled up with infinity."""
    rows = (tcp.windows_syn, tcp.linux_syn, tcp.windows_refused_syn, (0.0,))
    table = np.full((len(rows), max(map(len, rows))), np.inf)
    for number, offsets in enumerate(rows):
        table[number, : len(offsets)] = offsets
    return table


def flows(tcp: Tcp, rng: np.random.Generator, sessions: Sessions, line_address: npt.NDArray[np.uint32],
          dropped: Bools) -> Flows:
    """Both directions of every connection, the client's first; a direction without packets is left out."""
    n = len(sessions)
    client, server = np.zeros(n, dtype=DTYPE), np.zeros(n, dtype=DTYPE)
    inbound = sessions["inbound"]
    port = np.where(sessions["windows"], rng.integers(1025, 5000, n), rng.integers(32768, 61000, n))
    client["src"] = server["dst"] = np.where(inbound, sessions["remote"], line_address)
    client["dst"] = server["src"] = np.where(inbound, line_address, sessions["remote"])
    client["sport"] = server["dport"] = port
    client["dport"] = server["sport"] = sessions["port"]
    client["session"] = server["session"] = np.arange(n)
    client["dropped"] = dropped
    _opening(tcp, rng, sessions, client, server)
    _talk(tcp, rng, sessions, client, server)
    both = np.concatenate([client, server])
    return both[packets(both) > 0]


def packets(made: Flows) -> Ints:
    """Packets of each direction."""
    count: Ints = np.sum([made[name].astype(np.int64) for name in COUNTS], axis=0)
    return count


def octets(made: Flows) -> Ints:
    """Layer-3 bytes of each direction."""
    rest = packets(made) - made["syns"]
    size: Ints = (made["syns"].astype(np.int64) * made["syn_bytes"] + rest * made["header"] + made["command_bytes"]
                  + made["full"].astype(np.int64) * made["full_bytes"] + made["last_bytes"])
    return size


def _opening(tcp: Tcp, rng: np.random.Generator, sessions: Sessions, client: Flows, server: Flows) -> None:
    """SYNs and what answers them."""
    windows, outcome = sessions["windows"], sessions["outcome"]
    silent, refused = outcome == SILENT, outcome == REFUSED
    answered = ~silent & ~refused
    offsets = trains(tcp)
    client["train"] = np.where(windows, np.where(refused, REFUSED_TRAIN, WINDOWS_TRAIN), LINUX_TRAIN)
    waits = np.maximum(np.sum(offsets[client["train"]] <= sessions["patience"][:, None], axis=1), 1)
    again = 1 + (rng.random(len(sessions)) < tcp.second_syn_share)
    client["syns"] = np.select([silent, refused], [waits, np.where(windows, len(tcp.windows_refused_syn), 1)], again)
    # No more than the train has.
    client["syns"] = np.minimum(client["syns"], np.isfinite(offsets[client["train"]]).sum(axis=1))
    client["at"] = sessions["at"]
    client["syn_bytes"] = np.where(windows, tcp.windows_syn_bytes, tcp.linux_syn_bytes)
    client["header"] = np.where(windows, tcp.windows_header, tcp.linux_header)
    client["syn_flags"] = SYN
    rtt = np.clip(lognormal(rng, tcp.rtt_median, tcp.rtt_sigma, len(sessions)), 0.002, 5.0)
    # Each refused SYN is answered by RST; of those before an answered one nothing comes back.
    lost = offsets[client["train"], client["syns"] - 1] if len(sessions) else np.zeros(0)
    server["at"] = sessions["at"] + rtt + np.where(answered, lost, 0.0)
    server["train"] = np.where(refused & windows, REFUSED_TRAIN, PLAIN)
    server["syns"] = np.where(silent, 0, np.where(refused, client["syns"], 1))
    server["syn_bytes"] = np.where(refused, 40, client["syn_bytes"])
    server["syn_flags"] = np.where(refused, RST | ACK, SYN | ACK)
    server["header"] = client["header"]
    client["spread"] = rtt  # until _talk has made the session of it


def _talk(tcp: Tcp, rng: np.random.Generator, sessions: Sessions, client: Flows, server: Flows) -> None:
    """What follows the handshake."""
    n, outcome = len(sessions), sessions["outcome"]
    talks = np.isin(outcome, (MAIL, TURNED_AWAY, MAILBOX, LOGIN_FAILED))
    mail, box = outcome == MAIL, outcome == MAILBOX
    at_once = (outcome == TURNED_AWAY) & (rng.random(n) < 0.3)  # the banner already says no
    commands = np.select([at_once, outcome == TURNED_AWAY, outcome == LOGIN_FAILED],
                         [1, sessions["commands"] - 1, 3], sessions["commands"]).astype(np.int64)
    tls = np.isin(sessions["port"], _TLS_PORTS)
    up = np.where(mail, sessions["up"], 0) + np.where(tls, 600, 0)
    down = np.where(box, sessions["down"], 0) + np.where(tls, 3000, 0)
    client["commands"] = np.where(talks, commands, 0)
    server["commands"] = np.where(talks, commands + 1 + mail, 0)
    jitter = rng.uniform(0.7, 1.3, n)
    client["command_bytes"] = client["commands"] * np.where(box, tcp.pop_command_bytes, tcp.command_bytes) * jitter
    server["command_bytes"] = server["commands"] * np.where(box, tcp.pop_reply_bytes, tcp.reply_bytes) * jitter
    for one, size in ((client, np.where(talks, up, 0)), (server, np.where(talks, down, 0))):
        one["full_bytes"] = tcp.mss - (one["header"] - 40)
        one["full"] = size // one["full_bytes"]
        one["last_bytes"] = size - one["full"].astype(np.int64) * one["full_bytes"]
        one["last"] = one["last_bytes"] > 0
        one["ends"] = talks
        one["end_flags"] = FIN | ACK
    extra = rng.random(n) < tcp.extra_ack_share
    client["acks"] = np.where(talks, 2 + extra + (server["full"] + 1) // 2, 0)
    server["acks"] = np.where(talks, 2 + (client["full"] + 1) // 2, 0)
    # A scanner that got SYN/ACK resets the connection.
    probed = outcome == PROBED
    client["ends"] += probed
    client["end_flags"] = np.where(probed, RST, client["end_flags"])
    rtt = client["spread"]
    served = np.clip(lognormal(rng, tcp.server_delay_median, tcp.server_delay_sigma, n), 0.01, 60.0)
    lasts: Floats = rtt * (commands + 3) + served + (up + down) / tcp.upload_bytes_per_second
    client["spread"] = np.where(talks, lasts, np.where(probed, rtt, 0.0))
    server["spread"] = np.where(talks, lasts - rtt, 0.0)
