"""Real labelled traffic: `findings` held against the labels of a CTU-13 "binetflow" file, or one laid out like it.

Of that data set's labels (`flow=From-Botnet-V42-TCP-Attempt-SPAM`, `flow=From-Normal-V42-Grill`, `flow=Background-...`)
only those that begin with From say something of the address that sent: From-Botnet is a machine infected on purpose,
From-Normal one that is known to be clean, and Background is all the rest of a university, of which nobody knows. So
the truth has two sides, `bot` and `clean`; which of our other classes a clean address belongs to the labels do not say.
There are no leases in it: a line is an address.
"""

from __future__ import annotations

import shutil
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import polars as pl

import op25b
from op25b.pseudonyms import Pseudonyms
from tests.evaluation.intervals import with_share
from tests.evaluation.outcomes import UNCLEAR, UNSEEN

SIDES = ("bot", "clean", "unlabelled")
_NEEDED = ("Proto", "SrcAddr", "Dport", "Label")
_SMTP = ("25", "0x0019", "smtp")


def truth(path: Path, networks: list[str]) -> pl.DataFrame:
    """One row per address of the networks that sent to port 25: subscriber, side (`bot`, `clean`, `unlabelled`), flows.

    An address is a bot where any of its flows to port 25 is labelled From-Botnet, clean where one is From-Normal and
    none From-Botnet.
    """
    flows = pl.scan_csv(path, infer_schema=False, quote_char=None, truncate_ragged_lines=True)
    missing = [name for name in _NEEDED if name not in flows.collect_schema()]
    if missing:
        msg = f"{path}: no column {', '.join(missing)}\n  a labelled binetflow file has StartTime,Dur,Proto,...,Label"
        raise SystemExit(msg)
    label = pl.col("Label").str.to_lowercase()
    mail = (pl.col("Proto").str.to_lowercase() == "tcp") & pl.col("Dport").str.strip_chars().str.to_lowercase().is_in(
        _SMTP)
    sides = flows.filter(mail).group_by(pl.col("SrcAddr").str.strip_chars().alias("subscriber")).agg(
        label.str.contains("from-botnet", literal=True).any().alias("bot"),
        label.str.contains("from-normal", literal=True).any().alias("clean"), pl.len().alias("flows"))
    side = pl.when("bot").then(pl.lit("bot")).when("clean").then(pl.lit("clean")).otherwise(pl.lit("unlabelled"))
    frame = sides.select("subscriber", side.alias("side"), "flows").sort("subscriber").collect()
    inside = [_inside(address, [ip_network(network) for network in networks]) for address in frame["subscriber"]]
    return frame.filter(pl.Series(inside, dtype=pl.Boolean))


def _inside(address: str, networks: list[IPv4Network | IPv6Network]) -> bool:
    try:
        return any(ip_address(address) in network for network in networks)
    except ValueError:  # ra prints names and hardware addresses too
        return False


def findings(path: Path, subscribers: list[str], timezone: str, directory: Path) -> pl.DataFrame:
    """What `findings` says of the file alone, in a workspace made for it below `directory`."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    Pseudonyms.create(directory / "op25b.key")
    networks = ", ".join(f'"{network}"' for network in subscribers)
    (directory / "op25b.toml").write_text(
        f'[site]\nname = "binetflow"\ntimezone = "{timezone}"\nlanguage = "en"\n'
        f'[networks]\nsubscribers = [{networks}]\n[[inputs.flows]]\n'
        f'path = "{path.resolve()}"\nformat = "argus"\nsampling_interval = 1\n', encoding="utf-8")
    opened = op25b.open(directory)
    opened.ingest()
    opened.build()
    return opened.findings()


def beside(labels: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """One row per address of the truth: subscriber, side, flows, class, classes, baselines, reasons."""
    lines = labels.join(found.select("subscriber", "class", "classes", "baseline_5min", "baseline_contacts", "reasons"),
                        on="subscriber", how="left")
    return lines.with_columns(pl.col("class").fill_null(UNSEEN)).sort(
        pl.col("side").cast(pl.Enum(SIDES)), "flows", descending=[False, True])


def answers(lines: pl.DataFrame) -> pl.DataFrame:
    """How many addresses of each side got each class: side, class, lines."""
    return lines.group_by("side", "class").agg(pl.len().alias("lines")).sort(
        pl.col("side").cast(pl.Enum(SIDES)), "lines", "class", descending=[False, True, False])


def rules(lines: pl.DataFrame) -> pl.DataFrame:
    """Ours and the baselines for bots: rule, bots, bots_called, clean, clean_called, unlabelled_called, shares.

    recall = bots_called / bots; false_alarms = clean_called / clean; precision = bots_called / (bots_called +
    clean_called): of the labelled addresses alone, so it depends on how many of each the file has.
    abstained counts the bots of which we say nothing.
    """
    called = {"op25b": pl.col("classes").list.contains("bot")} | {
        name: pl.col(name) for name in ("baseline_5min", "baseline_contacts")}
    rows = []
    for name, expression in called.items():
        yes = expression.fill_null(value=False)
        sides = {side: pl.col("side") == side for side in SIDES}
        abstained = (sides["bot"] & (pl.col("class") == UNCLEAR)).sum() if name == "op25b" else pl.lit(0, pl.UInt32)
        rows.append(lines.select(
            pl.lit(name).alias("rule"), sides["bot"].sum().alias("bots"),
            (sides["bot"] & yes).sum().alias("bots_called"), abstained.cast(pl.UInt32).alias("abstained"),
            sides["clean"].sum().alias("clean"), (sides["clean"] & yes).sum().alias("clean_called"),
            sides["unlabelled"].sum().alias("unlabelled"),
            (sides["unlabelled"] & yes).sum().alias("unlabelled_called")))
    frame = pl.concat(rows).with_columns((pl.col("bots_called") + pl.col("clean_called")).alias("judged"))
    frame = with_share(frame, "recall", "bots_called", "bots")
    frame = with_share(frame, "precision", "bots_called", "judged")
    return with_share(frame, "false_alarms", "clean_called", "clean").drop("judged")
