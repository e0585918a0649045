"""The words of `simulate` in Japanese and English: measures, and what an interval's limits stand for."""

from __future__ import annotations

import polars as pl

from op25b.sampling.words import UNDER_SAMPLING
from op25b.settings import Language
from op25b.texts import MEASURES as COVERAGE
from op25b.texts import Text, text

# What low and high of a statement are.
INTERVALS: dict[str, Text] = {
    "plan": {"en": "low: lines whose plan is known only (another may be exempt)",
             "ja": "下限：プランの分かる回線のみ（不明の回線は対象外かもしれません）"},
    "outcome": {"en": "low: proven to work (plan known where a rule asks for it); high: all that may work",
                "ja": "下限：成立を確認できたもの（プランの条件があればプランの分かる回線のみ）、"
                      "上限：成立した可能性のあるものすべて"},
    "class": {"en": "low: lines of one sure class; high: also unclear lines, several classes, unknown outcomes",
              "ja": "下限：種類が確かな回線のみ、上限：種類の不明な回線、複数の種類の回線、成否不明の接続を含む"},
    "messages": {"en": "as for connections, times the messages per connection measured at the own relay (95 %)",
                 "ja": "接続と同じ。1接続あたりの通数は当社送信サーバーでの実測（95％区間）"},
    "messages-assumed": {"en": "as for connections; one message per connection is assumed, as there is no relay log",
                         "ja": "接続と同じ。送信サーバーのログがないため、1接続1通と仮定"},
    "load": {"en": "low: as told; high: also who may choose, unclear lines and unknown outcomes; messages per "
                   "connection measured at the own relay (95 %)",
             "ja": "下限：案内どおり、上限：選択できる回線、不明の回線、成否不明の接続を含む。"
                   "1接続あたりの通数は当社送信サーバーでの実測（95％区間）"},
    "load-assumed": {"en": "low: as told; high: also who may choose, unclear lines and unknown outcomes; one message "
                           "per connection is assumed, as there is no relay log",
                     "ja": "下限：案内どおり、上限：選択できる回線、不明の回線、成否不明の接続を含む。"
                           "送信サーバーのログがないため、1接続1通と仮定"},
    "no-log": {"en": "not known: there is no log of the own relay", "ja": "不明：当社送信サーバーのログがありません"},
    "unseen": {"en": "95 % interval of a lower bound (Chao2); lines that send less than about once in two windows are "
                     "missed by it too",
               "ja": "下限の推定値（Chao2）の95％区間。ごくまれにしか送らない回線は、これにも含まれません"},
    "bootstrap": {"en": "95 %, lines drawn again (bootstrap)", "ja": "95％区間（ブートストラップ）"},
    "refused-nobody": {"en": "not estimated: nobody was seen to lose mail", "ja": "推定せず：該当する回線がありません"},
    "refused-addresses": {"en": "not estimated: without leases, whoever changes addresses looks like new lines",
                          "ja": "推定せず：リース記録がなく、アドレスが変わると別の回線に見えるため"},
    "refused-too-short": {"en": "not estimated: the window is shorter than 14 days",
                          "ja": "推定せず：期間が14日に満たないため"},
    "refused-singles": {"en": "not estimated: more than half of the lines were seen on one day only",
                        "ja": "推定せず：半数を超える回線が1日しか観測されていないため"},
}
INTERVALS |= UNDER_SAMPLING
_OF_LINES = "subscribers seen sending mail"
MEASURES: dict[str, Text] = {
    _OF_LINES: {"ja": "メール送信を観測した回線", "en": _OF_LINES},
    **{english: {"ja": japanese, "en": english} for english, japanese in {
        "connections to ports 25, 465 and 587": "25・465・587番ポートへの接続",
        "subscribers already blocked": "規制済みの通信がある回線",
        "subscribers newly blocked": "新たに規制される回線",
        "subscribers who lose mail that works today": "現在成立している送信を失う回線",
        "subscribers who need a notice": "案内が必要な回線",
        "subscribers not in the subscriber list (no rule for a plan or node fits them)":
            "回線一覧にない回線（プランや収容装置の規則が当てはまりません）",
        "connections already blocked": "規制済みの接続", "connections newly blocked": "新たに規制される接続",
        "connections released": "規制が解除される接続", "connections untouched": "影響のない接続",
        "spam-like connections removed (all newly blocked ones of lines classed as bots)":
            "なくなる迷惑メールとみられる接続（ボットとみられる回線の、新たに規制される接続すべて）",
        "legitimate connections broken (established ones of lines of other classes)":
            "失われる正当な接続（その他の種類の回線の、成立した接続）",
        "legitimate messages broken per day": "失われる正当なメール（通／日）",
        "subscribers who lose mail, seen or not (at least)": "送信を失う回線（未観測を含む、少なくとも）",
        "subscribers who lose mail and sent none of it in the window (at least)":
            "送信を失うが期間中に観測されなかった回線（少なくとも）",
        "subscribers newly blocked, seen or not (sampling)": "新たに規制される回線（サンプリングで見えないものを含む）",
        "subscribers who lose mail that works today, seen or not (sampling)":
            "現在成立している送信を失う回線（サンプリングで見えないものを含む）",
        "subscribers who need a notice, seen or not (sampling)": "案内が必要な回線（サンプリングで見えないものを含む）",
        "messages accepted by the own relay in its busiest hour now": "当社送信サーバーの最繁時受付数（現在、通／時）",
        "messages accepted on its port 587 in their busiest hour now": "うち587番ポートの最繁時受付数（現在、通／時）",
        "messages that move to the own relay in their busiest hour": "当社送信サーバーへ移るメール（最繁時、通／時）",
        "messages that move in their busiest hour": "移るメール（最繁時、通／時）",
        "of these to its port 587 (mail programs; at most all who are told to use it)":
            "うち587番ポートへ（メールソフトの分、上限は案内される全回線）",
        "messages of the own relay in its busiest hour afterwards": "変更後の当社送信サーバーの最繁時（通／時）",
        "messages of its port 587 in their busiest hour afterwards": "変更後の587番ポートの最繁時（通／時）",
        "connections of bots in their busiest hour, should they find the relay":
            "ボットが送信サーバーを使い始めた場合の接続（最繁時、回／時）",
    }.items()},
    **COVERAGE,
}
DIFFICULTIES: dict[int, Text] = {
    1: {"en": "1 – one setting, same provider and account", "ja": "1：設定1か所（同じ事業者・同じアカウント）"},
    2: {"en": "2 – another server and account", "ja": "2：送信サーバーとアカウントの変更"},
    3: {"en": "3 – a mail server's configuration, or another contract",
        "ja": "3：メールサーバーの設定、または契約の変更"},
    4: {"en": "4 – find and clean the infected device", "ja": "4：感染した機器の特定と駆除"},
}


def worded(frame: pl.DataFrame, language: Language) -> pl.DataFrame:
    """A frame of statements with words for keys: measure, of, interval; English measures stay as they are."""
    tables = {"interval": INTERVALS} | ({} if language == "en" else {"measure": MEASURES, "of": MEASURES})
    return frame.with_columns(
        pl.Series(name, [None if key is None else text(table, key, language) for key in frame[name].to_list()],
                  dtype=pl.String)
        for name, table in tables.items() if name in frame.columns)
