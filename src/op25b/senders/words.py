"""Why a line has its class, and what would change that: sentences with numbers, in Japanese and English.

All sentences of one class are made for all its lines at once, since a site may have tens of thousands of them.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from op25b.senders.evidence import FACTS, ITEMS, Item, percent
from op25b.senders.rules import CLASSES
from op25b.settings import Findings, Language
from op25b.texts import CLASSES as NAMES
from op25b.texts import text

_OTHERS = 3  # sentences for each class beside the main one
_CANDIDATES = ("bot", "scanner", "own-server", "mail-program", "device")


def _said(item: Item, settings: Findings, language: Language, before: str = "") -> pl.Expr:
    words = item.words(language)
    return pl.when(item.holds(settings).fill_null(value=False)).then(pl.lit(before) + words if before else words)


def _of_class(name: str, settings: Findings, language: Language) -> pl.Expr:
    """The sentences of a main class: what decides first, then plain facts."""
    against = "ただし、" if language == "ja" else "but: "
    chosen = [item for item in FACTS if name == "unclear" or item.name != "failure"]
    facts = [_said(item, settings, language) for item in chosen]
    if name == "unclear":
        return pl.concat_list(_likeliest(language), *facts,
                              *[_said(item, settings, language) for item in ITEMS if item.name in {"sprays", "once"}])
    items = sorted((item for item in ITEMS if name in item.weights), key=lambda item: -abs(item.weights[name]))
    said = [_said(item, settings, language, "" if item.weights[name] > 0 else against) for item in items]
    return pl.concat_list(*said, *facts)


def _likeliest(language: Language) -> pl.Expr:
    """The two likeliest classes of a line that has none."""
    each = [pl.struct(pl.col(f"p {name}").alias("p"), pl.lit(text(NAMES, name, language)).alias("name"))
            for name in _CANDIDATES]
    ranked = pl.concat_list(each).list.sort(descending=True)
    parts = [ranked.list.get(place).struct.field(field) for place in (0, 1) for field in ("name", "p")]
    template = "可能性：{} {}、{} {}" if language == "ja" else "likeliest: {} {}, {} {}"
    return pl.format(template, parts[0], percent(parts[1]), parts[2], percent(parts[3]))


def _beside(name: str, settings: Findings, language: Language) -> pl.Expr:
    """The strongest sentences for a class that holds beside the main one, each beginning with the class."""
    before = text(NAMES, name, language) + ("：" if language == "ja" else ": ")
    items = sorted((item for item in ITEMS if item.weights.get(name, 0) > 0), key=lambda item: -item.weights[name])
    said = pl.concat_list([_said(item, settings, language, before) for item in items]).list.drop_nulls()
    return pl.when(pl.col("classes").list.contains(name)).then(said.list.head(_OTHERS)).otherwise(_none())


def _none() -> pl.Expr:
    return pl.lit([], dtype=pl.List(pl.String))


def reasons(found: pl.DataFrame, settings: Findings, language: Language) -> pl.Series:
    """Why each row of `classify` has its class: sentences with the numbers, those that weigh most first.

    Sentences that speak against the class say so; those for further classes follow, beginning with the class.
    """
    def said(part: pl.DataFrame, name: str) -> pl.Expr:
        further = sorted({*part["classes"].list.explode()} - {name, "unclear", None}, key=CLASSES.index)
        own = _of_class(name, settings, language).list.drop_nulls().list.unique(maintain_order=True)
        return pl.concat_list(own, *[_beside(other, settings, language) for other in further])

    return _by_class(found, said)


def would_change(found: pl.DataFrame, settings: Findings, language: Language) -> pl.Series:
    """What would change the verdict on each row of `classify`: sentences, for the main class."""
    return _by_class(found, lambda _, name: _changes(name, settings, language))


def _by_class(found: pl.DataFrame, made: Callable[[pl.DataFrame, str], pl.Expr]) -> pl.Series:
    """A list of sentences for each row, made class by class."""
    numbered = found.with_row_index("row of sentences")
    parts = [part.select("row of sentences", made(part, str(name)).alias("sentences"))
             for (name,), part in numbered.partition_by("class", as_dict=True).items()]
    if not parts:
        return pl.Series("sentences", [], dtype=pl.List(pl.String))
    return pl.concat(parts).sort("row of sentences")["sentences"]


def _changes(name: str, settings: Findings, language: Language) -> pl.Expr:
    share, twice = f"{settings.bot_failure_share:.0%}", f"{min(2 * settings.bot_failure_share, 1):.0%}"
    share, twice = share.replace("%", " %"), twice.replace("%", " %")
    c, burst = pl.col, settings.bot_destinations_5min
    few_seen, untold = c("judged_sessions") < 3, c("unproductive_share").is_null() & (c("judged_sessions") > 0)
    reading = (~c("reads"), "a POP/IMAP session with the provider it sends through (then a mail program)",
               "送信先の事業者でのPOP/IMAP受信（メールソフトと判定）")
    answered = (~c("answers"), "connections from outside that its port 25 answers (then a mail server)",
                "外部からの25番接続への応答（メールサーバーと判定）")
    sentences: dict[str, list[tuple[pl.Expr | None, str, str]]] = {
        "bot": [
            (c("fails") & ~c("answers") & ~c("relay_accused"),
             f"if fewer than {share} of its connections had failed or carried no mail",
             f"失敗・メールなしの割合が{share}未満であれば"),
            (c("answers"), f"if fewer than {twice} of its connections had failed (then a mail server: port 25 answers)",
             f"失敗の割合が{twice}未満であれば（25番に応答するためメールサーバーと判定）"),
            (c("relay_accused"), "if our own sending server had not refused its mail as spam",
             "当社送信サーバーでの迷惑メール拒否がなければ"),
            answered,
            (c("home_organisations") == 0,
             "a POP/IMAP session with one of its destinations (then a mail program as well)",
             "宛先のいずれかでのPOP/IMAP受信（メールソフトも併記）"),
        ],
        "scanner": [(None, "connections that carry a mail (then a bot)", "メールの大きさの通信（ボットと判定）"),
                    answered],
        "own-server": [
            answered,
            (~c("answers"), f"if {share} of its connections or more failed (then a bot)",
             f"失敗の割合が{share}以上であれば（ボットと判定）"),
            (c("answers"), f"if {twice} of its connections or more failed (then a bot as well)",
             f"失敗の割合が{twice}以上であれば（ボットも併記）"),
            (c("few") & ~c("reads"), reading[1], reading[2]),
        ],
        "mail-program": [
            reading,
            (~c("reads"), "connections at even times, or messages of even size by night as by day (then a device)",
             "規則的な時刻、または昼夜を問わず一定の大きさの送信（機器と判定）"),
            (None, f"more than {burst} other destinations within 5 minutes, mostly in vain (then a bot as well)",
             f"5分間に{burst}か所を超える他の宛先への、多くが失敗する接続（ボットも併記）"),
        ],
        "device": [
            reading,
            (None, "connections at uneven times, by day only (then a mail program)",
             "不規則で日中のみの送信（メールソフトと判定）"),
        ],
        "mobile-sender": [(None, "connections to other destinations on port 25", "その他の宛先への25番接続")],
        "unclear": [
            (few_seen, "more days of flows: fewer than three connections were seen",
             "観測期間の延長（観測された接続が3回未満）"),
            (untold, "flows without sampling, or with TCP flags: most outcomes are not known",
             "サンプリングなし、またはTCPフラグ付きのフロー（結果の多くが不明）"),
            reading, answered,
            (c("slow") | c("sprays"), f"if {share} of its connections or more failed (then a bot)",
             f"失敗の割合が{share}以上であれば（ボットと判定）"),
        ],
    }
    said = [(pl.lit(en if language == "en" else ja) if condition is None
             else pl.when(condition).then(pl.lit(en if language == "en" else ja)))
            for condition, en, ja in sentences[name]]
    return pl.concat_list(pl.repeat(None, pl.len(), dtype=pl.String), *said).list.drop_nulls()
