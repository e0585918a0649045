"""What stands beside an estimate under sampling, in Japanese and English: why it is given, doubted or refused."""

from __future__ import annotations

from collections.abc import Iterable

from op25b.sampling.population import Figure
from op25b.settings import Language
from op25b.texts import CLASSES, Text, text

WHY: dict[str, Text] = {
    "exact": {"ja": "全パケットを観測しているため、期間中に送信した回線のすべてです。",
              "en": "every packet was seen: these are all that sent in the window"},
    "lower-bound": {"ja": "下限の推定値（Chao1）です。わずかしか送らない回線は、これにも含まれません。",
                    "en": "a lower bound (Chao1): lines that send little are missed by it too"},
    "pilot": {"ja": "全パケットを観測する装置の{lines}回線で補正しました。他の回線がそれらと同様であることが前提です。",
              "en": "calibrated by {lines} lines on exporters that see every packet; it holds as far as the other "
                    "lines are like them"},
    "pilot-differs": {"ja": "{stratum}で観測した回線は、基準の回線を同様に間引いたものと異なります"
                            "（p = {chance}）。同じ種類の回線を持つ装置を基準にしてください。",
                      "en": "the lines seen at {stratum} do not look as the pilot's would, sampled alike "
                            "(p = {chance}): choose a pilot with the same kind of lines"},
    "pilot-untested": {"ja": "{stratum}の回線が基準の回線と同様かどうかは、数が少なく確認できません。",
                       "en": "too few lines were seen at {stratum} to tell whether they are like the pilot's"},
    "no-pilot": {"ja": "全パケットを観測する装置がなく、見えない回線の割合が分かりません。同じ期間、1台を1:1で出力し、"
                       "[sampling] pilot に指定してください。",
                 "en": "no exporter sees every packet, so nothing tells how many lines are missed: export one edge at "
                       "1:1 over the same days"},
    "pilot-small": {"ja": "基準の装置で送信した回線が{lines}しかなく、{least}に足りません。",
                    "en": "only {lines} lines on the pilot sent such mail, fewer than {least} (min_pilot): take a "
                          "larger edge or a longer window"},
    "pilot-window": {"ja": "基準の装置の通信があるのは{all}日のうち{days}日だけです。--since と --until で期間を"
                           "合わせてください。",
                     "en": "the pilot has traffic on {days} of the {all} days only: choose its days with --since and "
                           "--until"},
    "pilot-few": {"ja": "基準の装置に該当する回線が{lines}しかなく、{least}に足りません。",
                  "en": "only {lines} such lines on the pilot, fewer than {least}"},
    "no-packets": {"ja": "基準の装置の記録にパケット数がありません。",
                   "en": "the records of the pilot have no packets"},
    "unknown-interval": {"ja": "{lines}回線の通信はサンプリング間隔が不明です。[[inputs.flows]] の sampling_interval を"
                               "設定してください。",
                         "en": "the sampling interval of {lines} lines' traffic is not known: set sampling_interval "
                               "under [[inputs.flows]]"},
    "addresses": {"ja": "リース記録がなく、アドレスが変わると別の回線に見えるため、推定できません。",
                  "en": "without leases, whoever changes addresses looks like several lines that send little"},
    "nobody": {"ja": "サンプリングされた通信に該当する回線がありません。",
               "en": "no such line was seen in sampled traffic"},
    "singles": {"ja": "観測した回線の{share}は1パケットしか見えておらず、見えない回線については何も言えません。",
                "en": "{share} of the lines seen were seen in one packet only, so that next to nothing is known of "
                      "those that were not"},
    "scaled": {"ja": "観測したパケットを間隔倍しました（不偏）。",
               "en": "what was seen times the sampling interval, which is unbiased"},
    "per-packet": {"ja": "パケット数の推定値に、基準の回線での1パケットあたりの数を掛けました。",
                   "en": "estimated packets times the number per packet on the pilot's lines"},
    "one-message": {"ja": "送信サーバーのログがないため、1接続1通と仮定しています。",
                    "en": "one message per connection is assumed, as there is no relay log"},
}


_SEEN: Text = {"en": "low: what was seen", "ja": "下限：観測した回線"}


def _refused(en: str, ja: str) -> Text:
    return {"en": f"not estimated: {en}; {_SEEN['en']}", "ja": f"推定せず：{ja}。{_SEEN['ja']}"}


# What low and high of a statement of `simulate` are.
UNDER_SAMPLING: dict[str, Text] = {
    "sampled": {
        "en": "value: seen in sampled packets; low: the sure ones of these; high: with those that sampling missed",
        "ja": "値：サンプリングで観測した回線、下限：うち確かなもの、上限：見えない回線を含む推定"},
    "sampled-open": {
        "en": "value: seen in sampled packets; low: the sure ones of these; how many were missed is not known",
        "ja": "値：サンプリングで観測した回線、下限：うち確かなもの。見えない回線の数は不明"},
    "sampled-traffic": {
        "en": "connections of which a packet was sampled, far fewer than there are (see 'op25b estimate')",
        "ja": "パケットを観測できた接続のみで、実際よりはるかに少ない数です（op25b estimate を参照）"},
    "sampled-pilot": {
        "en": "estimated by the lines on exporters that see every packet",
        "ja": "全パケットを観測する装置の回線による推定"},
    "sampled-bound": {
        "en": "a lower bound (Chao1) with its interval: the pilot cannot be used",
        "ja": "下限の推定値（Chao1）とその区間。基準の装置が使えないため"},
    "sampled-exact": {"en": "every packet was seen", "ja": "全パケットを観測"},
    "refused-no-pilot": _refused("no exporter sees every packet, and too many lines were seen in one packet only",
                                 "全パケットを観測する装置がなく、1パケットしか見えない回線が多すぎるため"),
    "refused-pilot-small": _refused("too few lines send mail on the exporter that sees every packet",
                                    "全パケットを観測する装置で送信する回線が少なすぎるため"),
    "refused-pilot-window": _refused("the exporter that sees every packet has traffic on some of the days only",
                                     "全パケットを観測する装置の通信が期間の一部にしかないため"),
    "refused-pilot-few": _refused("too few such lines on the exporter that sees every packet",
                                  "全パケットを観測する装置に該当する回線が少なすぎるため"),
    "refused-no-packets": _refused("the records of the exporter that sees every packet have no packet counts",
                                   "全パケットを観測する装置の記録にパケット数がないため"),
    "refused-unknown-interval": _refused("the sampling interval of some traffic is not known",
                                         "サンプリング間隔の不明な通信があるため"),
}
# What `op25b estimate` counts; of classes, `class:` and their name.
ESTIMATES: dict[str, Text] = {
    "senders": {"en": "lines that send to external port 25", "ja": "外部の25番ポートへ送信する回線"},
    "newly_blocked": {"en": "lines newly blocked", "ja": "新たに規制される回線"},
    "lose_mail": {"en": "lines that lose mail that works today", "ja": "現在成立している送信を失う回線"},
    "need_notice": {"en": "lines that need a notice", "ja": "案内が必要な回線"},
    "packets": {"en": "packets to and from external port 25", "ja": "外部の25番ポートとのパケット"},
    "bytes": {"en": "bytes to and from external port 25", "ja": "外部の25番ポートとのバイト数"},
    "connections": {"en": "connections to external port 25", "ja": "外部の25番ポートへの接続"},
    "newly_blocked_packets": {"en": "packets newly blocked, both directions", "ja": "新たに規制されるパケット（往復）"},
    "newly_blocked_bytes": {"en": "bytes newly blocked, both directions", "ja": "新たに規制されるバイト数（往復）"},
    "newly_blocked_connections": {"en": "connections newly blocked", "ja": "新たに規制される接続"},
    "newly_blocked_messages": {"en": "messages newly blocked, bots left out",
                               "ja": "新たに規制されるメール（ボットを除く）"},
}
METHODS: dict[str, Text] = {
    "raw": {"en": "seen", "ja": "観測"}, "chao1": {"en": "at least (Chao1)", "ja": "下限（Chao1）"},
    "pilot": {"en": "by the pilot", "ja": "基準の装置による推定"}, "scaled": {"en": "times N", "ja": "N倍"},
}
CHART: Text = {"en": "Lines seen, at least and estimated, by what is counted, with intervals",
               "ja": "観測した回線数、下限、推定値とその区間"}


def estimated(what: str, language: Language) -> str:
    """What a row of `op25b estimate` counts, in words; of classes the lines that are of it."""
    name = what.removeprefix("class:")
    if name == what:
        return text(ESTIMATES, what, language)
    words = text(CLASSES, name, language)
    return f"うち{words}" if language == "ja" else f"of these: {words}"


def why(figure: Figure, language: Language) -> str:
    """All that is to be said of a figure; empty where there is nothing."""
    return _joined((WHY[key][language].format(**{name: f"{value:,}" if isinstance(value, int) else value
                                                for name, value in values.items()})
                    for key, values in figure.reasons), language)


def _joined(sentences: Iterable[str], language: Language) -> str:
    return ("" if language == "ja" else "; ").join(sentences)
