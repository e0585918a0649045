"""The classes of each line per destination: what the line is toward this provider, that group, the carriers."""

from __future__ import annotations

import polars as pl

from op25b.senders.evidence import percent
from op25b.settings import Language

_REST = ("bot", "scanner", "own-server")


def destination_classes(clustered: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Add class and probability to each row of `measures.clusters`, by the classes its line has (rows of `classify`).

    A home is the mail program's or the device's where the line has such a class, what is left is the bot's, scanner's
    or server's; where the line has no class for it, it is `unclear` (probability NULL).
    """
    names = [f"p {name}" for name in (*_REST, "mail-program", "device", "mobile-sender")]
    frame = clustered.join(found.select("subscriber", "classes", *names), on="subscriber", how="left",
                           maintain_order="left")

    def has(name: str) -> pl.Expr:
        return pl.col("classes").list.contains(name)

    role = pl.col("role")
    rest = pl.coalesce([pl.when(has(name)).then(pl.lit(name)) for name in _REST])
    home = (pl.when(pl.col("device") & has("device")).then(pl.lit("device"))
            .when(has("mail-program")).then(pl.lit("mail-program"))
            .when(has("device")).then(pl.lit("device")).otherwise(rest))
    pool = pl.when(has("own-server")).then(pl.lit("own-server"))
    name = (pl.when(role == "mobile").then(pl.lit("mobile-sender")).when(role == "home").then(home)
            .when(role == "pool").then(pool).otherwise(rest))
    frame = frame.with_columns(name.fill_null("unclear").alias("class"))
    main = pl.coalesce(pl.when(pl.col("class") == column.removeprefix("p ")).then(pl.col(column)) for column in names)
    return frame.with_columns(main.alias("probability")).drop(names)


def per_destination(classed: pl.DataFrame, language: Language) -> pl.DataFrame:
    """One row per subscriber × destination cluster: class, probability, evidence (sentences), counts.

    `organisation` is NULL where a row stands for several: the carriers, or what is left of a group.
    """
    ja = language == "ja"
    c = pl.col

    def said(condition: pl.Expr, en: str, jap: str, *values: pl.Expr) -> pl.Expr:
        words = pl.format(jap if ja else en, *values) if values else pl.lit(jap if ja else en)
        return pl.when(condition.fill_null(value=False)).then(words)

    evidence = pl.concat_list(
        said(c("sessions") > 0, "{} of {} connections were established", "{}回成立（接続{}回中）",
             c("established"), c("sessions")),
        said(c("unproductive").is_not_null() & ~c("mobile"), "{} failed or carried no mail", "失敗・メールなし {}",
             percent(c("unproductive"))),
        said(c("organisations") > 1, "organisations: {}, addresses: {}", "組織 {}、アドレス {}",
             c("organisations"), c("destinations")),
        said(c("reading") > 0, "POP/IMAP sessions there: {}", "同事業者でのPOP/IMAP受信{}回", c("reading")),
        said(c("submitting") > 0, "sessions on 465 or 587 there: {}", "同事業者への465/587番接続{}回", c("submitting")),
        said(c("regular"), "at even times", "時刻が規則的"),
        said(c("uniform"), "messages of even size", "メールの大きさがほぼ一定"),
        said(c("sleepless"), "by night as by day", "昼夜の区別なし"),
        said(c("unknown") > 0, "outcome not known: {}", "結果不明{}回", c("unknown")),
        said(c("mobile"), "blocked already, so failures tell nothing", "規制済みのため失敗は判定材料にならない"),
    ).list.drop_nulls()
    return classed.with_columns(evidence.alias("evidence")).select(
        "subscriber", "destination_group", "organisation", "name", "class", "probability", "evidence", "organisations",
        "destinations", "days", "sessions", "established", "refused", "no_answer", "unknown", "tiny", "mail_sized",
        "reading", "submitting", "first_seen", "last_seen",
    ).sort(["subscriber", "sessions", "destination_group", "organisation"], descending=[False, True, False, False])
