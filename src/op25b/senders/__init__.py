"""Who sends to external port 25, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from op25b.engine import duckdb as engine
from op25b.engine.build import is_built
from op25b.engine.reference import destination_networks
from op25b.errors import LakeError
from op25b.lake import snapshot
from op25b.sampling import with_detection
from op25b.sampling.reading import is_sampled, sampled_rows
from op25b.senders import measures
from op25b.senders.classify import classify
from op25b.senders.destinations import destination_classes, per_destination
from op25b.senders.evidence import PRIOR
from op25b.senders.rules import conditions
from op25b.senders.words import reasons, would_change
from op25b.settings import Language
from op25b.workspace import SETTINGS_FILE, Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["classify", "findings", "findings_per_destination", "require", "senders"]

_FIRST = ["subscriber", "class", "classes", "confidence", "probability", "plan", "fixed_ip", "access_node", "area",
          "dwelling", "reasons", "would_change", "destination_classes", "probabilities", "baseline_5min",
          "baseline_contacts"]

# Measures of `measures.lines` that lead to those an analyst reads.
_STEPS = ("judged_", "rest_", "home_", "program_", "device_", "likely_", "by_contact", "sampled")


def require(workspace: Workspace, *, relays: bool = True) -> None:
    """Refuse to give numbers that would only look like results; with `relays` also where these are not set."""
    settings = workspace.root / SETTINGS_FILE
    problem = None
    if not snapshot(workspace).files("source_file"):
        problem = f"{workspace.lake_path}: the lake is empty\n  run 'op25b ingest' and 'op25b build' first"
    elif not workspace.config.networks.subscribers:
        problem = f"{settings}: the subscribers' networks are not set\n  set [networks] subscribers"
    elif relays and not (destination_networks(workspace)["destination_group"] == "own-relay").any():
        problem = (f"{settings}: the own sending servers are not set, so their users would seem to be blocked\n"
                   "  set [networks] relays")
    elif not is_built(workspace):
        problem = f"{workspace.lake_path}: the lake is not built\n  run 'op25b build' first"
    if problem:
        raise LakeError(problem)


def senders(workspace: Workspace, connection: DuckDBPyConnection) -> pl.DataFrame:
    """One row per subscriber that sends, or tries to, to external port 25: profile, measures and class.

    With everything that leads to the class: the conditions of `rules`, and per class `holds`, `score` and `p`.
    """
    return _classified(workspace, connection)[0]


def _classified(workspace: Workspace, connection: DuckDBPyConnection) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines, and their destination clusters."""
    settings = workspace.config.findings
    clustered = measures.clusters(connection.sql("SELECT * FROM sender_destination").pl(), settings)
    return classify(connection.sql("SELECT * FROM sender").pl(), clustered, settings), clustered


def findings(workspace: Workspace, language: Language = "en") -> pl.DataFrame:
    """One row per subscriber that sends, or tries to send, to external port 25, those that spread most first.

    Columns: who (subscriber, plan, ...), class, classes, confidence, probability (of the main class), reasons and
    would_change (lists of sentences), destination_classes (destination_group and class), probabilities (of every
    class), baseline_5min and baseline_contacts (what the rules of CESNET NEMEA and BotFlex would call a spammer), then
    the `sender` profile (pipelines/sender.sql) and its measures; detection_probability (of lines like this one, the
    share that packet sampling sees: see `op25b.sampling.detection`). Without leases `subscriber` is the line's address.
    """
    require(workspace, relays=False)
    settings = workspace.config.findings
    connection = engine.tables(workspace, ["sender", "sender_destination", "subscriber", "sampled_day"])
    frame, clustered = _classified(workspace, connection)
    frame = with_detection(frame, sampled_rows(connection).filter(port=25) if is_sampled(connection) else None)
    who = connection.sql("SELECT subscriber, plan, fixed_ip, access_node, area, dwelling FROM subscriber").pl()
    connection.close()
    places = destination_classes(clustered, frame).group_by("subscriber").agg(
        pl.struct("destination_group", "class").unique(maintain_order=True).alias("destination_classes"))
    likely = pl.concat_list([pl.struct(pl.lit(name).alias("class"), pl.col(f"p {name}").alias("probability"))
                             for name in PRIOR])
    frame = frame.with_columns(
        reasons(frame, settings, language).alias("reasons"),
        would_change(frame, settings, language).alias("would_change"),
        likely.alias("probabilities"),
        (pl.col("destinations_5min") > settings.bot_destinations_5min).alias("baseline_5min"),
        (pl.col("sessions_5min") > settings.baseline_contacts_5min).alias("baseline_contacts"),
    ).join(places, on="subscriber", how="left").join(who, on="subscriber", how="left")
    inner = {*conditions(settings), *(f"{kind} {name}" for kind in ("holds", "score", "p") for name in PRIOR)}
    rest = [name for name in frame.columns if name not in {*_FIRST, *inner} and not name.startswith(_STEPS)]
    return frame.select(*_FIRST, *rest).sort(["destinations", "sessions", "subscriber"], descending=[True, True, False])


def findings_per_destination(workspace: Workspace, language: Language = "en") -> pl.DataFrame:
    """One row per subscriber × destination cluster; see `op25b.senders.destinations.per_destination`."""
    require(workspace, relays=False)
    connection = engine.tables(workspace, ["sender", "sender_destination"])
    frame, clustered = _classified(workspace, connection)
    connection.close()
    return per_destination(destination_classes(clustered, frame), language)
