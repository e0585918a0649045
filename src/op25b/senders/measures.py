"""What the rules and the evidence look at: measures of each destination cluster, and of each line, from the tables.

A cluster of a line (a row of `sender_destination`) has one role: `mobile` (carriers: today's block makes everybody
fail there), `home` (an organisation that is used as a mail program or a device uses its provider), `pool` (a known
provider of a line with few organisations that is no home: its many addresses are no spray) or `rest`. Bots, scanners
and servers are judged by the rest, so that neither hides a mail program at the line's provider, nor that one them.
"""

from __future__ import annotations

import polars as pl

from op25b.settings import Findings

_FEWEST = 5  # regularity of fewer pauses or sizes is chance
_FEWEST_DAYS = 4
_FEWEST_SIZES = 10  # that alone tell a program from a person


def _c(name: str) -> pl.Expr:
    return pl.col(name)


def _part(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return part / pl.when(whole > 0).then(whole)


def _variation(total: pl.Expr, squares: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Standard deviation / mean of `count` numbers, from their sum and the sum of their squares."""
    mean = total / count
    spread = (squares / count - mean.pow(2)).clip(0).sqrt()
    return pl.when((count >= _FEWEST) & (mean > 0)).then(spread / mean)


def clusters(destinations: pl.DataFrame, settings: Findings) -> pl.DataFrame:
    """Add its measures and its role to each destination cluster; one row in, one row out.

    `known` counts sessions whose outcome is told, under sampling by the packets seen: SYNs alone for a failure, others
    for a success. `unproductive` is the share of them that carried no mail: refused, unanswered, or tiny; NULL where
    most outcomes are not told. `regular`: even pauses, or the same minute each day; `uniform`: even sizes; `sleepless`:
    by night as by day.
    """
    days, sessions = _c("days"), _c("sessions")
    mobile, one = _c("destination_group") == "mobile-carrier", _c("organisation").is_not_null()
    failed = _c("refused") + _c("no_answer") + _in_vain(settings)
    frame = destinations.with_columns(
        (_c("established") + _c("carried") + failed).alias("known"),
        failed.alias("failed"), (failed + _c("tiny")).alias("lost"),
        (_c("established") - _c("tiny") + _c("carried")).alias("working"),
        (_c("unknown") - _c("in_vain") - _c("carried")).alias("untold"),
        mobile.alias("mobile"),
        ((_c("reading") + _c("submitting") > 0) & one & ~mobile).alias("reads"),
        _variation(_c("gap_seconds"), _c("gap_squares"), _c("gaps")).alias("gap_variation"),
        _variation(_c("mail_bytes"), _c("mail_bytes_squares"), _c("mail_sized")).alias("size_variation"),
        pl.when(one & (days >= _FEWEST_DAYS)).then(
            (_c("day_minutes_squares") / days - (_c("day_minutes") / days).pow(2)).clip(0).sqrt()
        ).alias("minute_spread"),
    )
    frame = frame.with_columns(
        unproductive(_c("known"), _c("lost"), _c("untold")),
        _c("organisations").filter(~_c("mobile")).sum().over("subscriber").alias("line_organisations"),
        sessions.filter(~_c("mobile")).sum().over("subscriber").alias("line_sessions"),
    )
    passes = (_c("unproductive") < settings.bot_failure_share).fill_null(value=False)
    others = _part(_c("line_sessions") - sessions, _c("line_organisations") - 1)
    stands_out = (one & ~mobile & passes & (_c("working") >= 3) & (2 * _c("mail_sized") >= _c("working"))
                  & (sessions >= settings.client_standing_out * others)).fill_null(value=False)
    few = _c("line_organisations") <= settings.client_max_providers
    home = _c("reads") | stands_out | (one & ~mobile & few & passes & (_c("working") > 0))
    even = ((_c("gap_variation") < settings.device_regularity) | (_c("minute_spread") < settings.device_minutes))
    frame = frame.with_columns(
        pl.when(mobile).then(pl.lit("mobile")).when(home).then(pl.lit("home"))
        .when(few & (_c("destination_group") == "known-provider")).then(pl.lit("pool"))
        .otherwise(pl.lit("rest")).alias("role"),
        (even & one).fill_null(value=False).alias("regular"),
        ((_c("size_variation") < settings.device_regularity) & one).fill_null(value=False).alias("uniform"),
        ((_part(_c("night_sessions"), sessions) >= settings.device_night_share) & (sessions >= _FEWEST)
         ).fill_null(value=False).alias("sleepless"),
    )
    # A person's mails vary in size by more than their mean; ten that hardly vary are made by a program.
    looks_made = _c("regular") | (_c("uniform") & (_c("sleepless") | (_c("mail_sized") >= _FEWEST_SIZES)))
    return frame.with_columns(
        ((_c("role") == "home") & ~_c("reads") & looks_made & (sessions >= _FEWEST)
         & (_c("line_organisations") - _c("organisations") < settings.device_max_organisations)).alias("device"))


def _in_vain(settings: Findings) -> pl.Expr:
    """Attempts in vain behind those that sampling showed, on the scale of the sessions with mail that it showed.

    A session is seen in proportion to its packets, so attempts are seen `mail_packets / attempt_packets` times less
    often than sessions with mail. Of these one in `mail_packets` is seen by its SYN alone and looks like an attempt:
    they are taken off, and one more, as a single SYN tells nothing.
    """
    worked = _c("established") + _c("carried")
    surplus = (_c("in_vain") - worked / (settings.mail_packets - 1) - 1).clip(0)
    sampled = (_c("in_vain") > 0) & (_c("sampling_interval") > 1)
    return pl.when(sampled).then(surplus * settings.mail_packets / settings.attempt_packets).otherwise(_c("in_vain"))


def unproductive(known: pl.Expr, lost: pl.Expr, untold: pl.Expr) -> pl.Expr:
    """The share that carried no mail, named `unproductive`; NULL where more outcomes are unknown than known."""
    return pl.when((known > 0) & (known >= untold)).then(lost / known).alias("unproductive")


_SUMS = ("sessions", "organisations", "destinations", "known", "failed", "lost", "untold", "working", "mail_sized",
         "established", "refused")


def _summed(role: str) -> list[pl.Expr]:
    chosen = _c("role") == role
    return [_c(name).filter(chosen).sum().alias(f"{role}_{name}") for name in _SUMS]


def lines(senders: pl.DataFrame, clustered: pl.DataFrame, settings: Findings) -> pl.DataFrame:
    """Add the measures of each line to its `sender` row; one row in, one row out.

    `judged` are all sessions but those toward mobile carriers. `failure_share` is that of failed connections among
    them, `unproductive_share` also counts sessions too small for a mail; `rest_unproductive` the same of the rest, or
    the share of first contacts in vain where that is less (servers try again).
    `likely_destinations_5min` counts what sampling must have hidden as well.
    `program_*` speaks of the homes that are no devices, or of all homes where none other is.
    """
    home, made, judged = _c("role") == "home", _c("device"), ~_c("mobile")
    person = home & (~made | ~made.filter(home).not_().any().over("subscriber"))
    clustered = clustered.with_columns(person.alias("person"))
    asked = clustered.group_by("subscriber").agg(
        *[_c(name).filter(judged).sum().alias(f"judged_{name}") for name in _SUMS],
        *_summed("rest"), *_summed("home"),
        _c("organisations").filter(judged & (_c("destination_group") == "other")).sum().alias("other_organisations"),
        _c("reading").filter("person").sum().alias("program_reading"),
        _c("submitting").filter("person").sum().alias("program_submitting"),
        (_c("destination_group") == "known-provider").filter("person").any().alias("program_named"),
        _c("working").filter("person").sum().alias("program_working"),
        _c("sessions").filter("person").sum().alias("program_sessions"),
        _c("regular").filter("person").any().alias("program_regular"),
        _c("uniform").filter("person").any().alias("program_uniform"),
        _c("sleepless").filter("person").any().alias("program_sleepless"),
        (_c("reads") & _c("person")).any().alias("program_reads"),
        made.any().alias("device_seen"),
        _c("gap_variation").filter(made).min().alias("device_gap_variation"),
        _c("minute_spread").filter(made).min().alias("device_minute_spread"),
        _c("size_variation").filter(made).min().alias("device_size_variation"),
        _c("uniform").filter(made).any().alias("device_uniform"),
        _c("sleepless").filter(made).any().alias("device_sleepless"),
        _c("sessions").filter(made).sum().alias("device_sessions"),
    )
    frame = senders.join(asked, on="subscriber", how="left").with_columns(
        _part(_c("established"), _c("sessions")).alias("established_share"),
        _part(_c("top_sessions"), _c("sessions")).alias("top_share"),
        _part(_c("top3_sessions"), _c("sessions")).alias("top3_share"),
        _part(_c("organisations").cast(pl.Float64), _c("days_active")).alias("organisations_per_day"),
        _part(_c("night_sessions"), _c("sessions")).alias("night_share"),
        _c("hours").bitwise_count_ones().cast(pl.Int64).alias("active_hours"),
        _part(_c("sprt_failed"), _c("sprt_n")).alias("sprt_share"),
        _part(_c("rest_sessions"), _c("rest_organisations")).alias("rest_repeats"),
        _part(_c("rest_destinations"), _c("rest_organisations")).alias("rest_spread"),
        unproductive(_c("judged_known"), _c("judged_lost"), _c("judged_untold")).alias("unproductive_share"),
        unproductive(_c("rest_known"), _c("rest_lost"), _c("rest_untold")).alias("rest_unproductive"),
    )
    told = _c("unproductive_share").is_not_null()
    # A session with a mail has about twice the client's packets in all; one in so many is seen.
    unseen = (_c("sampling_interval") / (2 * settings.mail_packets)).clip(1).fill_null(1)
    by_contact = (_c("sampling_interval") == 1) & (
        (_c("sprt_n") >= settings.bot_slow_organisations)
        | ((_c("sprt_n") >= settings.server_min_destinations) & (_c("sessions_5min") <= settings.bot_sessions_5min)))
    return frame.with_columns(
        by_contact.fill_null(value=False).alias("by_contact"),
        (_c("sampling_interval") > 1).fill_null(value=False).alias("sampled"),
        (_c("destinations_5min") * unseen).alias("likely_destinations_5min"),
        # A server tries a dead or greylisting one again and again, a bot goes on: so failures count once per contact
        # where there are enough of them.
        pl.when(by_contact)
        .then(pl.min_horizontal("rest_unproductive", "sprt_share")).otherwise("rest_unproductive")
        .alias("rest_unproductive"),
        pl.when(told).then(_c("judged_failed") / _c("judged_known")).alias("failure_share"),
        _c("judged_working").alias("working_sessions"))
