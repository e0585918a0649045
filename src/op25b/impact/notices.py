"""Who has to be told, and what: the notice list of a change, one row per line, ready for a mail merge."""

from __future__ import annotations

import polars as pl

from op25b.impact.simulation import Simulation
from op25b.policy import policy
from op25b.settings import Language
from op25b.texts import CLASSES, REMEDIES, text
from op25b.workspace import Workspace


def notices(workspace: Workspace, simulation: Simulation) -> pl.DataFrame:
    """One row per line that needs a notice: as many as `simulate` says, most blocked connections first.

    Columns: subscriber (pseudonym), channel and language (of the list; the site's language where it has none), class,
    remedy and difficulty (keys), template (`remedy.language`), and what a letter's template fills in, in the line's
    language: class_words, remedy_words, blocked_from (local date), works_unknown (whether the mail works today is not
    known), connections (newly blocked, in the window), last_seen (local date), provider (where there is one only), its
    submission_ports, own_server, account, desk_hours, desk_phone.
    """
    support, site = workspace.config.support, workspace.config.site
    since = policy(workspace, simulation.after).effective_from
    told = simulation.touched.filter("needs_notice")
    languages: list[Language] = [
        "ja" if said == "ja" else "en" if said == "en" else site.language for said in told["language"].to_list()]
    last = pl.col("last_seen").dt.replace_time_zone("UTC").dt.convert_time_zone(site.timezone).dt.date()

    def words(name: str, table: dict[str, dict[Language, str]]) -> pl.Series:
        keys = told[name].to_list()
        return pl.Series([text(table, key, language) for key, language in zip(keys, languages, strict=True)],
                         dtype=pl.String)

    account = {"ja": support.account_ja, "en": support.account_en}
    return told.select(
        "subscriber", pl.col("notice_channel").alias("channel"), pl.Series("language", languages, dtype=pl.String),
        "class", "remedy", "difficulty",
        (pl.col("remedy") + "." + pl.Series(languages, dtype=pl.String)).alias("template"),
        words("class", CLASSES).alias("class_words"), words("remedy", REMEDIES).alias("remedy_words"),
        pl.lit(None if since is None else since.isoformat()[:10], dtype=pl.String).alias("blocked_from"),
        "works_unknown", pl.col("newly_blocked_sessions").alias("connections"), last, "provider",
        pl.col("submission").alias("submission_ports"),
        pl.lit(support.submission_host or None, dtype=pl.String).alias("own_server"),
        pl.Series("account", [account[language] for language in languages], dtype=pl.String),
        pl.lit(support.desk_hours).alias("desk_hours"),
        pl.lit(support.desk_phone or None, dtype=pl.String).alias("desk_phone"),
    )
