"""The evidence: each item a condition on a line's measures, how much it speaks for or against each class, and words.

Weights are log-odds (natural logarithm): +1 makes a class 2.7 times as likely against not being it, +3 twenty times. A
class's score is its prior plus the weights of all items that hold. They are this project's judgement, in the order that
the literature gives the features (fan-out, failures and reciprocity first: domain of `op25b.senders.rules`); the
verdict of the own relay's spam filter has the weight of the sequential test's own barrier, ln(0.99/0.01) = 4.6.
What a score is worth as a probability is fitted on simulated worlds: `op25b.senders.probability`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from op25b.settings import Findings

PRIOR = {"bot": -2.0, "scanner": -4.0, "own-server": -1.5, "mail-program": -0.5, "device": -2.5, "mobile-sender": 3.0}
NOT_PROPOSED = -3.0  # for a class whose rule does not hold


def _c(name: str) -> pl.Expr:
    return pl.col(name)


def percent(share: pl.Expr) -> pl.Expr:
    """A share as text: whole per cent, `?` where it cannot be told."""
    return pl.format("{} %", (share * 100).round(0).cast(pl.Int64)).fill_null("?")


@dataclass(frozen=True)
class Item:
    """One piece of evidence; `en` and `ja` have a `{}` for each of `values`."""

    name: str
    holds: Callable[[Findings], pl.Expr]
    weights: dict[str, float]
    en: str
    ja: str
    values: tuple[pl.Expr, ...] = ()

    def words(self, language: str) -> pl.Expr:
        """The sentence with its numbers."""
        text = self.ja if language == "ja" else self.en
        numbers = [value.cast(pl.String).fill_null("0") for value in self.values]
        return pl.format(text, *numbers) if numbers else pl.lit(text)


def _named(name: str) -> Callable[[Findings], pl.Expr]:
    return lambda _: _c(name)


def _where(condition: pl.Expr) -> Callable[[Findings], pl.Expr]:
    return lambda _: condition


_HOME, _REST = _c("home_organisations") > 0, _c("rest_organisations") > 0
_FAILED = (percent(_c("rest_unproductive")),)
_TESTED = (_c("sprt_failed"), _c("sprt_n"))

ITEMS = (
    # ---- how widely it sends ----
    Item("sprays", _named("sprays"), {"bot": 1.5, "scanner": 0.5},
         "up to {} destinations within 5 minutes", "5分間に最大{}か所の宛先へ接続", (_c("destinations_5min"),)),
    Item("sprays widely", _where(_c("sprays_widely") & ~_c("answers")),
         {"bot": 1.5, "scanner": 0.5, "own-server": -1.5},
         "about {} with any that sampling hides: five times what the rule allows, or more",
         "基準の5倍を超える広がり（サンプリングで見えない分を含め約{}か所）",
         (_c("likely_destinations_5min").round(0).cast(pl.Int64),)),
    Item("floods", _named("floods"), {"bot": 1.0},
         "up to {} connections within 5 minutes", "5分間に最大{}回の接続", (_c("sessions_5min"),)),
    Item("wide", _named("wide"), {"bot": 1.0, "own-server": 1.0},
         "destination organisations apart from its providers: {}", "利用事業者以外の宛先組織 {}",
         (_c("rest_organisations"),)),
    Item("once each", _named("once_each"), {"bot": 0.5, "own-server": -0.5},
         "hardly any organisation is contacted twice ({} connections, {} organisations)",
         "同じ組織への再接続がほとんどない（接続{}回、組織{}）", (_c("rest_sessions"), _c("rest_organisations"))),
    Item("returns", _where(_c("returns") & ~_c("floods")), {"own-server": 1.0, "bot": -1.0},
         "it comes back to its peers ({} connections, {} organisations)", "同じ組織へ繰り返し接続（接続{}回、組織{}）",
         (_c("rest_sessions"), _c("rest_organisations"))),
    Item("many", lambda s: (_c("judged_organisations") >= s.bot_slow_organisations) & _c("passes"),
         {"own-server": 1.0, "mail-program": -1.5, "device": -1.5},
         "it talks to {} organisations, and most connections work", "{}組織へ接続し、多くが成立",
         (_c("judged_organisations"),)),
    Item("several", lambda s: (_c("other_organisations") >= s.server_min_destinations) & _c("passes") & ~_c("few"),
         {"own-server": 1.0, "mail-program": -0.5},
         "organisations that are no known provider: {}", "既知の事業者以外の組織 {}", (_c("other_organisations"),)),
    Item("few", _where(_c("few") & _HOME), {"mail-program": 1.0, "own-server": -1.0, "device": 0.5},
         "destination organisations: {}, addresses: {}", "宛先の組織数 {}、アドレス数 {}",
         (_c("judged_organisations"), _c("judged_destinations"))),
    Item("one provider", _where(_HOME & (_c("judged_organisations") == 1)), {"mail-program": 0.5, "device": 0.5},
         "all go to one organisation", "すべて一つの組織宛て"),
    Item("stands out", _where(_HOME & ~_c("few") & ~_c("reads")), {"mail-program": -0.5},
         "one organisation stands out from {} others, but no mail is read there",
         "他の{}組織と異なる使い方の宛先があるが、受信は確認できない", (_c("rest_organisations"),)),
    Item("nothing else", _where(~_REST & ~_c("relay_accused")), {"bot": -4.0, "scanner": -4.0},
         "nothing goes anywhere but to its providers", "利用事業者以外への接続なし"),
    # ---- what becomes of it ----
    Item("fails", _where(_c("fails") & ~_c("fails_mostly")), {"bot": 1.5, "own-server": -1.0, "mail-program": -0.5},
         "{} of what it tries apart from its providers fails or carries no mail (mobile carriers left out)",
         "利用事業者以外への送信の失敗・メールなしの割合 {}（携帯宛てを除く）", _FAILED),
    Item("fails mostly", _named("fails_mostly"), {"bot": 3.0, "own-server": -2.5, "mail-program": -0.5},
         "{} of what it tries apart from its providers fails or carries no mail (mobile carriers left out)",
         "利用事業者以外への送信の失敗・メールなしの割合 {}（携帯宛てを除く）", _FAILED),
    Item("passes", _where(_c("passes") & _c("works")), {"own-server": 1.0, "mail-program": 0.5, "device": 0.5},
         "few of its connections failed or carried no mail: {} (mobile carriers left out)",
         "接続の失敗・メールなしの割合は少ない：{}（携帯宛てを除く）", (percent(_c("unproductive_share")),)),
    Item("few failures", _where(_c("passes") & _c("works") & ~_c("sampled")), {"bot": -1.0},
         "few of its connections fail", "失敗が少ない"),
    Item("accused", _named("accused"), {"bot": 2.0, "own-server": -0.5},
         "first contacts that failed: {} of {}; the sequential test says bot",
         "初回接続の失敗 {}/{}件、逐次検定の判定はボット", _TESTED),
    Item("too often", _where(_c("too_often") & ~_c("accused")), {"bot": 1.5, "own-server": -0.5},
         "first contacts that failed: {} of {}, more than chance explains",
         "初回接続の失敗 {}/{}件（偶然とは考えにくい）",
         _TESTED),
    Item("acquitted", _where(_c("acquitted") & ~_c("sampled") & ~_c("too_often")), {"bot": -1.0, "own-server": 0.5},
         "first contacts that failed: {} of {}; the sequential test says normal",
         "初回接続の失敗 {}/{}件、逐次検定の判定は正常", _TESTED),
    Item("relay accused", _named("relay_accused"), {"bot": 4.6},
         "our own sending server refused its mail as spam again and again (messages: {}, bounced: {}, rejected: {})",
         "当社送信サーバーで迷惑メールとして繰り返し拒否（メール{}通、不達{}、拒否{}）",
         (_c("relay_messages"), _c("relay_bounced"), _c("relay_rejected"))),
    Item("sweeps", _where(_c("sweeps") & _c("no_mail")), {"scanner": 3.0, "bot": -1.5},
         "it sweeps through address ranges (addresses: {}, networks: {})",
         "アドレス範囲を順に試行（アドレス{}、ネットワーク{}）",
         (_c("rest_destinations"), _c("rest_organisations"))),
    Item("mostly refused", _named("mostly_refused"), {"scanner": 1.5},
         "most addresses have no mail server and refuse ({} connections)",
         "多くの宛先にメールサーバーがなく拒否（{}回）",
         (_c("rest_refused"),)),
    Item("no mail", _where(_c("no_mail") & _c("hardly_answered")), {"scanner": 2.0},
         "no connection carried as much as a mail ({} established of {})", "メールの大きさの通信がない（成立{}/{}回）",
         (_c("rest_established"), _c("rest_known").round(0).cast(pl.Int64))),
    Item("some mail", _where((_c("rest_mail_sized") > 0) & _REST), {"scanner": -5.0},
         "connections that carried a mail: {}", "メールの大きさの通信 {}回", (_c("rest_mail_sized"),)),
    # ---- whether it answers, and reads ----
    Item("answers", _named("answers"), {"own-server": 3.0, "bot": -2.5, "mail-program": -1.0, "scanner": -2.0,
                                        "device": -2.0},
         "inbound port-25 sessions answered: {}, peers: {}", "外部からの25番接続{}件に応答（接続元{}か所）",
         (_c("answered_inbound"), _c("inbound_peers"))),
    Item("answers many", _named("answers_many"), {"own-server": 1.5, "bot": -1.0},
         "called by at least three peers; days on which it was: {}", "{}日にわたり3か所以上から接続",
         (_c("inbound_days"),)),
    Item("silent", _named("silent"), {"own-server": -1.0, "bot": 0.5},
         "its own port 25 never answered anybody", "回線側の25番ポートの応答は皆無"),
    Item("reads", _where(_c("program_reading") > 0), {"mail-program": 3.0, "own-server": -0.5},
         "POP/IMAP sessions with the same organisation: {}", "同じ事業者でPOP/IMAP受信{}回", (_c("program_reading"),)),
    Item("submits", _where(_c("program_submitting") > 0), {"mail-program": 1.0},
         "sessions on 465 or 587 with the same organisation: {}", "同じ事業者への465/587番の接続{}回",
         (_c("program_submitting"),)),
    Item("reads nowhere", _where(_HOME & (_c("program_reading") == 0)), {"device": 0.5},
         "no mail is read where it is sent", "送信先での受信なし"),
    Item("named", _named("program_named"), {"mail-program": 1.5, "device": 0.5},
         "the destination is a known provider", "宛先は既知のメール事業者"),
    # ---- when, and how evenly ----
    Item("often", _where(_HOME & (_c("program_working") >= 2)), {"mail-program": 1.0, "device": 0.5},
         "{} of {} connections with its providers worked", "利用事業者への接続{}回が成立（全{}回）",
         (_c("program_working").round(0).cast(pl.Int64), _c("program_sessions"))),
    Item("once", _where(_c("judged_sessions") == 1), {"mail-program": -1.0, "own-server": -0.5, "device": -2.0},
         "a single connection was seen", "観測された接続は1回のみ"),
    Item("seen little", _where(_c("sampled") & (_c("judged_sessions") < 5) & ~_c("reads") & ~_c("program_named")),
         {"mail-program": -1.5, "own-server": -1.0, "device": -1.0},
         "sampled, and only {} connections seen", "サンプリングのため観測は{}回のみ", (_c("judged_sessions"),)),
    Item("regular", _where(_c("program_regular") & ~_c("reads")), {"mail-program": -3.0},
         "its connections come at even times, as from a schedule", "接続の時刻が規則的（定時処理のよう）"),
    Item("scheduled", _where(_c("device_gap_variation").is_not_null() | _c("device_minute_spread").is_not_null()),
         {"device": 2.5}, "even pauses or fixed minutes (variation of pauses: {}, spread of the minute of the day: {})",
         "間隔・時刻が規則的（間隔の変動 {}、時刻のばらつき（分） {}）",
         (percent(_c("device_gap_variation")),
          _c("device_minute_spread").round(0).cast(pl.Int64).cast(pl.String).fill_null("?"))),
    Item("uniform", _named("device_uniform"), {"device": 2.0, "mail-program": -1.5},
         "messages of even size (they vary by {})", "メールの大きさがほぼ一定（変動 {}）",
         (percent(_c("device_size_variation")),)),
    Item("sleepless", _where(_c("device_sleepless")), {"device": 1.0, "mail-program": -0.5},
         "by night as by day ({} between 0 and 6 o'clock)", "昼夜の区別なく送信（0～6時に{}）",
         (percent(_c("night_share")),)),
    Item("round the clock", _where(_c("round_the_clock") & _REST), {"own-server": 0.5, "bot": 0.3},
         "active in {} of 24 hours", "24時間のうち{}時間で活動", (_c("active_hours"),)),
    # ---- mobile carriers ----
    Item("mobile", _where(_c("mobile_carrier_sessions") > 0), {"mobile-sender": 1.0},
         "connections to mobile carriers: {} ({} established)", "携帯電話事業者宛て{}回（成立{}回）",
         (_c("mobile_carrier_sessions"), _c("mobile_carrier_established"))),
    Item("no mobile", _where(_c("mobile_carrier_sessions") == 0), {"mobile-sender": -12.0},
         "none to mobile carriers", "携帯電話事業者宛てなし"),
)
# Facts without weight, said where they help to judge the rest.
FACTS = (
    Item("success", _where(_c("sessions") > 0), {}, "{} of {} connections were established", "{}回成立（接続{}回中）",
         (_c("established"), _c("sessions"))),
    Item("spread", _where(_c("sessions") > 0), {}, "destination organisations: {}, addresses: {}",
         "宛先の組織数 {}、アドレス数 {}", (_c("organisations"), _c("destinations"))),
    Item("failure", _where(_c("judged_sessions") > 0), {},
         "{} of its connections failed (mobile carriers left out)", "接続の失敗率 {}（携帯宛てを除く）",
         (percent(_c("failure_share")),)),
    Item("unknown", _where(_c("unknown") > 0), {},
         "connections whose outcome is not known (sampling, or no flags): {}",
         "結果が分からない接続 {}回（サンプリング等のため）", (_c("unknown"),)),
    Item("relay", _where(_c("relay_messages") > 0), {}, "messages through our own sending server: {}",
         "当社送信サーバー経由のメール{}通", (_c("relay_messages"),)),
)


def scores(settings: Findings) -> dict[str, pl.Expr]:
    """The score of each class in log-odds, from the columns of `measures.lines` and `rules.conditions`."""
    return {name: pl.lit(prior) + pl.sum_horizontal([
        pl.when(item.holds(settings).fill_null(value=False)).then(item.weights[name]).otherwise(0.0)
        for item in ITEMS if name in item.weights
    ]) for name, prior in PRIOR.items()}
