"""What `--binetflow` prints."""

from __future__ import annotations

import polars as pl

from tests.evaluation import ctu
from tests.evaluation.markdown import of, share, table
from tests.evaluation.outcomes import UNSEEN

_SHOWN = 30
_HEAD = """A line is an address of the networks given that sent to port 25. `bot`: some of its flows are labelled
From-Botnet; `clean`: From-Normal; nobody knows what the unlabelled ones are, so they stand apart. Intervals are
Wilson's at 95 %."""


def ctu_page(lines: pl.DataFrame, name: str) -> str:
    """Ours and the baselines against the labels, what each side was called, and the labelled addresses with reasons."""
    labelled = lines.filter((pl.col("side") != "unlabelled") & (pl.col("class") != UNSEEN))
    alarms = lines.filter((pl.col("side") == "unlabelled") & pl.col("classes").list.contains("bot"))
    parts = [
        f"# {name}: `findings` against its labels",
        _HEAD,
        table(ctu.rules(lines).iter_rows(named=True), {
            "rule": of("rule"), "bots": of("bots"), "called bot": of("bots_called"), "abstained": of("abstained"),
            "recall": share("recall"), "clean": of("clean"), "clean called bot": of("clean_called"),
            "false alarms": share("false_alarms"), "precision, labelled": share("precision"),
            "unlabelled": of("unlabelled"), "of these called bot": of("unlabelled_called")}),
        "What each side was called:",
        table(ctu.answers(lines).iter_rows(named=True), {
            "label": of("side"), "class": of("class"), "addresses": of("lines")}),
        f"Labelled addresses ({min(_SHOWN, labelled.height)} of {labelled.height}):", _reasons(labelled),
        f"Unlabelled addresses called bot ({min(_SHOWN, alarms.height)} of {alarms.height}):", _reasons(alarms),
    ]
    return "\n\n".join(parts)


def _reasons(lines: pl.DataFrame) -> str:
    frame = lines.head(_SHOWN).with_columns(pl.col("classes").list.join(", "), pl.col("reasons").list.join("; "))
    return table(frame.iter_rows(named=True), {
        "address": of("subscriber"), "label": of("side"), "flows": of("flows"), "classes": of("classes"),
        "reasons": of("reasons")})
