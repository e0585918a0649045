"""The files of a workspace beside the logs: settings, networks, subscribers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from op25b.synth import world as w
from op25b.synth.lines import Lines, subscriber_list
from op25b.synth.maillog import mail_only_customers
from op25b.synth.world import Block, World

_MAIL_ONLY = {"plan": "mail", "fixed_ip": "false", "access_node": None, "area": "Tokyo", "dwelling": "apartment",
              "notice_channel": "mail", "language": "ja", "radius_user": None}
_POLICIES = """
[policy.current]
description = "port 25 to mobile carriers is blocked, except through the own sending servers"
effective_from = 2006-12-19
rules = [
  { name = "own sending servers", action = "allow", destination = "own-relay" },
  { name = "mobile carriers", action = "block", destination = "mobile-carrier" },
]

[policy.proposed]
description = "all port 25 is blocked, except through the own sending servers; fixed-IP plans are exempt"
effective_from = 2007-07-10
rules = [
  { name = "own sending servers", action = "allow", destination = "own-relay" },
  { name = "mobile carriers", action = "block", destination = "mobile-carrier" },
  { name = "fixed-IP plans", action = "allow", plans = ["IP1", "IP8", "IP16"] },
  { name = "all other mail", action = "block", destination = "all" },
]
"""


def settings(world: World, pattern: str) -> str:
    """`op25b.toml`; `pattern` names the flow files in an exporter's directory."""
    flows = "".join(
        f'\n[[inputs.flows]]\npath = "raw/flows/edge-{edge + 1}/{pattern}"\nsampling_interval = {interval}\n'
        for edge, interval in enumerate(world.sampling))
    return (
        f"# A simulated ISP (op25b synth): seed {world.seed}, {world.days} days from {world.start}.\n"
        '\n[site]\nname = "Simulated ISP"\ntimezone = "Asia/Tokyo"\nlanguage = "ja"\n'
        f'\n[networks]\nsubscribers = ["{world.network}"]\nrelays = ["203.0.113.0/28"]\n'
        '\n[reference]\nbuiltin = false\nnetworks = ["networks.csv"]\n'
        f"{flows}"
        f'\n[[inputs.mail]]\npath = "raw/mail/mail.log*"\nyear = {world.start.year}\n'
        '\n[[inputs.leases]]\npath = "raw/radius/detail*"\n'
        '\n[[inputs.subscribers]]\npath = "subscribers.csv"\n'
        f"{_POLICIES}")


def networks(world: World) -> str:
    """`networks.csv`: the ISP's mail servers, mobile carriers and known providers."""
    source = "the simulation's address plan"
    rows = [f"isp.example,own-relay,203.0.113.0/28,587,110,{source}",
            f"docomo.example,mobile-carrier,198.51.100.0/27,,,{source}",
            f"keitai.example,mobile-carrier,198.51.100.32/27,,,{source}"]
    with_submission = w.PROVIDERS - world.parameters.internet.providers_without_submission
    for number in range(w.PROVIDERS):
        network = f"{ipaddress.IPv4Address(w.FIRST_PROVIDER + 16 * number)}/28"
        ports = "587 465" if number < with_submission else ""
        rows.append(f"provider-{number + 1}.example,known-provider,{network},{ports},110 143,{source}")
    return "\n".join(["name,group,network,submission,pop,source", *rows]) + "\n"


def write_subscribers(world: World, path: Path, lines: Iterable[tuple[Block, Lines]]) -> int:
    """Write `subscribers.csv`, block by block, and return its number of rows."""
    rows = 0
    with path.open("wb") as file:
        for block, made in lines:
            frame = subscriber_list(block, made)
            frame.write_csv(file, include_header=rows == 0)
            rows += frame.height
        alone = _mail_only(world, rows)
        alone.write_csv(file, include_header=False)
    return rows + alone.height


def _mail_only(world: World, lines: int) -> pl.DataFrame:
    """Customers of the mail service alone, who have no line."""
    number = pl.Series(range(lines + 1, lines + mail_only_customers(world, lines) + 1), dtype=pl.Int64).cast(pl.String)
    return number.alias("number").to_frame().select(
        pl.format("ME{}", pl.col("number").str.zfill(7)).alias("subscriber"),
        *[pl.lit(value, pl.String).alias(name) for name, value in _MAIL_ONLY.items()],
        pl.format("pm{}", "number").alias("auth_user"))
