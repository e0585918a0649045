"""For each class the rule that proposes it: conditions on the measures of a line, with the thresholds of `[findings]`.

Sources: more than 10 distinct destinations in 5 minutes is the rule of CESNET NEMEA's smtp_spam_detector; the
sequential test is SPOT's (`op25b.sequential`); a server that answers on port 25 is no bot for talking to many (domain:
bots send, servers do both). The other thresholds are this project's own, with their reasons in op25b.toml.
"""

from __future__ import annotations

import polars as pl

from op25b.settings import Findings

# In order of precedence as the main class; of the three rivals the more probable one leads.
RIVALS = ("own-server", "mail-program", "device")
CLASSES = ("bot", "scanner", "own-server", "mail-program", "device", "unclear", "mobile-sender")


def _c(name: str) -> pl.Expr:
    return pl.col(name)


def conditions(settings: Findings) -> dict[str, pl.Expr]:
    """Named conditions that rules and evidence share; NULL (cannot be told) counts as no."""
    share, burst = settings.bot_failure_share, settings.bot_destinations_5min
    rest, sweeping = _c("rest_unproductive"), _c("rest_spread") >= settings.scan_addresses_per_organisation
    # The same question as the sequential test's, of all contacts at once: two standard deviations above theta0.
    surely = settings.theta0 * _c("sprt_n") + 2 * (settings.theta0 * (1 - settings.theta0) * _c("sprt_n")).sqrt()
    conditions = {
        "answers": _c("answered_inbound") > 0,
        "answers_many": _c("inbound_peers") >= 3,
        "silent": (_c("answered_inbound") == 0) & _c("inbound_visible"),
        "works": _c("judged_working") > 0,
        "reads": _c("program_reads"),
        "few": _c("judged_organisations") <= settings.client_max_providers,
        "passes": (_c("unproductive_share") < share).fill_null(value=False) | (
            _c("by_contact") & (_c("sprt_share") < share)),
        "fails": rest >= share,
        "fails_mostly": rest >= 2 * share,
        "sprays": (_c("destinations_5min") > burst) & (_c("rest_destinations") > burst),
        "sprays_widely": (_c("likely_destinations_5min") > 5 * burst) & (_c("rest_destinations") > burst) & (
            _c("destinations_5min") >= 3),
        "floods": (_c("sessions_5min") > settings.bot_sessions_5min) & (
            _c("rest_sessions") > settings.bot_sessions_5min),
        "wide": _c("rest_organisations") >= settings.bot_wide_organisations,
        "slow": _c("rest_organisations") >= settings.bot_slow_organisations,
        "once_each": (_c("rest_organisations") >= settings.bot_slow_organisations) & (_c("rest_repeats") < 2),
        "returns": (_c("rest_repeats") >= 3) & (_c("rest_organisations") >= settings.server_min_destinations),
        "too_often": _c("by_contact") & (_c("sprt_share") >= share) & (_c("sprt_failed") >= surely),
        "accused": (_c("sprt") == "bot") & (_c("sprt_share") >= share),
        "accused_mostly": (_c("sprt") == "bot") & (_c("sprt_share") >= 2 * share),
        "acquitted": _c("sprt") == "normal",
        "relay_accused": _c("relay_sprt") == "bot",
        "sweeps": sweeping & (_c("rest_destinations") >= settings.scan_destinations),
        "mostly_refused": (_c("rest_refused") * 2 >= _c("rest_known")) & (_c("rest_known") > 0),
        "no_mail": (_c("rest_mail_sized") == 0) & (_c("rest_known") > 0),
        "hardly_answered": (_c("rest_established") <= settings.scan_established_share * _c("rest_known"))
                           & (_c("rest_known") > 0),
        "round_the_clock": (_c("active_hours") >= 20) | (_c("night_share") >= settings.device_night_share),
    }
    return {name: condition.fill_null(value=False) for name, condition in conditions.items()}


def rules(settings: Findings) -> dict[str, pl.Expr]:
    """For each class of CLASSES but `unclear`, whether its rule holds, from the columns of `conditions`."""
    answers, reads = _c("answers"), _c("reads")
    other = _c("other_organisations") >= settings.server_min_destinations
    many = ~_c("few") | other
    scanner = (_c("rest_destinations") >= settings.scan_destinations) & _c("no_mail") & _c("hardly_answered") & (
        _c("sweeps") | _c("mostly_refused")) & ~answers
    # A server that answers the world is a bot only where most of what it tries fails (lists have dead addresses), and
    # not where nothing at all gets out, as behind a block.
    accusable = ~answers | (_c("established") > 0)
    fast = (_c("sprays") | _c("floods")) & pl.when(answers).then(_c("fails_mostly")).otherwise(_c("fails"))
    slow = _c("slow") & pl.when(answers).then(_c("accused_mostly")).otherwise(
        _c("accused") | (_c("too_often") & _c("once_each") & _c("silent")))
    # So many organisations, so fast or none of them twice, and nobody ever calls back: a tenth need fail.
    wide = _c("silent") & _c("wide") & ((_c("sprays") & ~_c("returns")) | _c("once_each")) & (
        _c("rest_unproductive") >= settings.bot_failure_share / 3).fill_null(value=False)
    # Sampling hides failures (few packets) and shows mail: there the pace of a line that never answers is enough.
    paced = _c("sampled") & _c("silent") & _c("sprays_widely")
    bot = (((fast | slow) & accusable) | wide | paced) & ~scanner | _c("relay_accused")
    # A machine whose port 25 answers the world is a mail server, however many it talks to; one that is never called
    # may be one that only sends. Where sampling hides the failures, that must at least come back to its peers.
    sends_only = ((many & ~reads) | _c("slow")) & _c("passes") & ~(_c("sampled") & _c("once_each"))
    server = (_c("works") & (answers | sends_only)) | (_c("answers_many") & (
        _c("judged_sessions") > 0))
    program = (_c("home_organisations") > 0) & (reads | (~answers & (_c("few") | bot | scanner)))
    return {"bot": bot, "scanner": scanner, "own-server": server, "mail-program": program,
            "device": _c("device_seen") & ~answers, "mobile-sender": _c("mobile_carrier_sessions") > 0}
