"""What sampling misses: the domain's tables, bounds and ratios by hand, and what holds whatever the counts."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from math import exp, log, sqrt

import numpy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from op25b.errors import SettingsError
from op25b.sampling import Estimate, Population, detection, missed, packets_needed, stratify, with_detection
from op25b.sampling.bounds import Counts, chao1
from op25b.sampling.likeness import chi_squared_above, unlikeness
from op25b.sampling.pilot import Stratum, pilot_ratio
from op25b.sampling.volume import product, volume
from op25b.settings import Sampling
from tests.sampling_worlds import MIXTURE, draw, estimates

FIRST = date(2007, 6, 1)
_ROW = {"day": pl.Date, "subscriber": pl.String, "exporter": pl.String, "sampling_interval": pl.Int32,
        "client_packets": pl.Int64, "server_packets": pl.Int64}
MISSED = {  # the domain's table of miss probabilities: N → K = 3, 15, 30, 100, 300, 1000, 3000; K for 95 %
    100: ((0.970, 0.860, 0.740, 0.366, 0.049, 0.000, 0.000), 299),
    500: ((0.994, 0.970, 0.942, 0.819, 0.548, 0.135, 0.002), 1497),
    1000: ((0.997, 0.985, 0.970, 0.905, 0.741, 0.368, 0.050), 2995),
    4096: ((0.999, 0.996, 0.993, 0.976, 0.929, 0.783, 0.481), 12270),
}
# The domain's table of estimate / true, medians: N → raw seen, Chao1, pilot ratio.
OF_TRUE = {100: (0.68, 0.88, 1.01), 500: (0.40, 0.59, 1.02), 1000: (0.30, 0.48, 1.05), 4096: (0.15, 0.33, 0.98)}
strata = st.lists(st.tuples(st.integers(1, 4000), st.integers(2, 4096)), min_size=1, max_size=3)
packets = st.lists(st.integers(1, 10_000), min_size=5, max_size=30)


def rows(*table: tuple[int, str, str | None, int | None, int, int]) -> pl.DataFrame:
    """Rows of `sampled_day`: day of June, subscriber, exporter, N, packets to the server, packets back."""
    return pl.DataFrame([(FIRST + timedelta(day - 1), *rest) for day, *rest in table], orient="row", schema=_ROW)


def days(count: int) -> list[date]:
    return [FIRST + timedelta(n) for n in range(count)]


@pytest.mark.parametrize("interval", MISSED)
def test_the_domains_table_of_what_is_missed(interval: int) -> None:
    expected, needed = MISSED[interval]
    assert [round(missed(k, interval), 3) for k in (3, 15, 30, 100, 300, 1000, 3000)] == list(expected)
    assert packets_needed(interval) == needed


def test_nothing_is_missed_where_every_packet_is_seen() -> None:
    assert (missed(1, 1), missed(0, 1), packets_needed(1)) == (0.0, 1.0, 1)


@pytest.mark.parametrize("interval", OF_TRUE)
def test_the_domains_table_of_estimates(interval: int) -> None:
    """30 replicates of 3,000 lines, a pilot of 150: medians within 0.05 of the domain's, which had as many.

    The domain does not give its mixture of lines. `MIXTURE` was fitted to the columns of raw counts and Chao1; that
    the pilot's ratio then is right is not fitted.
    """
    found = numpy.array([estimates(draw(MIXTURE, 3000, seed), 150, interval, seed) for seed in range(30)])
    assert numpy.median(found, axis=0) == pytest.approx(OF_TRUE[interval], abs=0.05)
    raw, bound, ratio = numpy.median(found, axis=0)
    assert raw < bound < ratio
    assert abs(ratio - 1) < 0.06


def test_chao1_by_hand() -> None:
    """20 lines, 10 in one packet, 4 in two: unseen 10 × 9 / (2 × 5) = 9.

    v = 9 + 10 × 19² / (4 × 25) + 100 × 4 × 81 / (4 × 625) = 9 + 36.1 + 12.96; C = exp(1.96 √log(1 + v / 81)).
    """
    spread = exp(1.959964 * sqrt(log(1 + 58.06 / 81)))
    found = chao1([Counts(20, 10, 4)])
    assert (found.value, found.low, found.high) == pytest.approx((29, 20 + 9 / spread, 20 + 9 * spread))


def test_chao1_of_strata_and_of_lines_seen_whole() -> None:
    """The same twice, and 5 lines at 1:1: the sum. Mixing the strata's f1 and f2 gives less than 18 unseen."""
    found = chao1([Counts(20, 10, 4), Counts(20, 10, 1)], exact=5)
    assert found.value == pytest.approx(45 + 9 + 22.5)
    mixed = chao1([Counts(40, 20, 5)], exact=5)
    assert mixed.value == pytest.approx(45 + 20 * 19 / 12)
    assert chao1([Counts(7, 1, 0)], exact=5) == Estimate(12, 12, 12)


def test_pilot_ratio_by_hand() -> None:
    """Of two kinds of lines, half each, one is always seen and one never; 30 seen ones are 60, and 4 at 1:1."""
    found = pilot_ratio([Stratum(30, numpy.array([1.0, 0.0] * 20))], exact=4)
    assert found.value == 64
    assert found.low is not None
    assert found.high is not None
    assert 34 < found.low < 64 < found.high
    among = pilot_ratio([Stratum(30, numpy.array([1.0, 0.0] * 20))], 1, members=numpy.array([1.0, 1, 1, 0] * 10))
    assert among.value == 1 + 60 * 3 / 4


def test_no_stratum_leaves_what_was_seen() -> None:
    assert pilot_ratio([], exact=9) == Estimate(9, 9, 9)


def test_pilot_without_packets_tells_nothing() -> None:
    assert pilot_ratio([Stratum(3, numpy.zeros(40))], 0) == Estimate(None, None, None)


@settings(deadline=None)
@given(st.integers(0, 50), strata, packets)
def test_an_estimate_is_never_below_what_was_seen(exact: int, seen: list[tuple[int, int]], sent: list[int]) -> None:
    """... and follows from the counts alone, and a higher level only widens its interval."""
    detected = [Stratum(lines, 1 - (1 - 1 / n) ** numpy.array(sent, dtype=float)) for lines, n in seen]
    floor = exact + sum(lines for lines, _ in seen)
    found = pilot_ratio(detected, exact)
    assert found == pilot_ratio(detected, exact)
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert floor <= found.low <= found.high
    assert found.value >= floor - 1e-6
    narrow = pilot_ratio(detected, exact, level=0.5)
    assert found.low <= (narrow.low or 0)
    assert (narrow.high or 0) <= found.high


@settings(deadline=None)
@given(st.integers(1, 1000), packets)
def test_the_estimate_grows_with_the_interval(seen: int, sent: list[int]) -> None:
    """The same lines seen at a coarser sampling stand for more; at 1:1 for themselves."""
    found = [pilot_ratio([Stratum(seen, numpy.array([1 - missed(k, n) for k in sent]))], 0).value or 0
             for n in (1, 2, 10, 100, 1000, 10_000)]
    assert found[0] == seen
    assert all(finer <= coarser + 1e-6 for finer, coarser in pairwise(found))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=4))
def test_chao1_is_never_below_what_was_seen(counts: list[tuple[int, int, int]]) -> None:
    given_counts = [Counts(once + twice + more, once, twice) for once, twice, more in counts]
    found = chao1(given_counts)
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert sum(each.seen for each in given_counts) <= found.low <= found.value <= found.high


def test_detection_of_each_line() -> None:
    """a: one packet at 1:1000 stands for 1,000, which are seen with 1 - 0.999^1000; b: at 1:1; c: interval unknown.

    d was seen at 1:100 (2 packets) and at 1:1000 (1): 1 - 0.99^200 × 0.999^1000.
    """
    found = detection(rows((1, "a", "e", 1000, 1, 0), (1, "b", "p", 1, 3, 2), (1, "c", "e", 1000, 1, 0),
                           (2, "c", "e", None, 4, 0), (1, "d", "e", 100, 1, 1), (2, "d", "f", 1000, 0, 1)))
    assert found.sort("subscriber").rows() == [
        ("a", 1000, 1, 1000, pytest.approx(1 - 0.999**1000)), ("b", 1, 5, 5, 1.0), ("c", None, 5, None, None),
        ("d", 1000, 3, 1200, pytest.approx(1 - 0.99**200 * 0.999**1000))]


def test_detection_beside_other_columns() -> None:
    senders = pl.DataFrame({"subscriber": ["b", "a", "z"], "class": ["bot", "unclear", "bot"]})
    found = with_detection(senders, rows((1, "a", "e", 10, 1, 0), (1, "b", "p", 1, 3, 0)))
    assert found.rows() == [("b", "bot", 1.0), ("a", "unclear", pytest.approx(1 - 0.9**10)), ("z", "bot", None)]
    assert with_detection(senders, None)["detection_probability"].to_list() == [1.0, 1.0, 1.0]


def test_volumes_are_scaled_with_their_variance() -> None:
    """3 packets at 1:100 and 5 at 1:1: 305, variance 3 × 100 × 99; bytes 40, 40, 1500: variance 9900 × Σ b²."""
    table = pl.DataFrame({"sampling_interval": [100, 1], "packets": [3, 5], "bytes": [1580, 700],
                          "squared_bytes": [40.0**2 * 2 + 1500**2, 1e6]})
    found, half = volume(table, "packets"), 1.959964 * sqrt(3 * 9900)
    assert (found.value, found.low, found.high) == pytest.approx((305, 8, 305 + half))
    found, half = volume(table, "bytes", "squared_bytes"), 1.959964 * sqrt(9900 * (3200 + 1500**2))
    assert (found.value, found.low, found.high) == pytest.approx((158_700, 2280, 158_700 + half))


def test_volumes_of_an_unknown_interval_are_not_told() -> None:
    table = pl.DataFrame({"sampling_interval": [100, None], "packets": [3, 5]})
    assert volume(table, "packets") == Estimate(None, None, None)


def test_product_of_estimates() -> None:
    """10 ± 3 times 2 ± 0.8: 30 % and 40 % give 50 %."""
    found = product(Estimate(10, 7, 13), Estimate(2, 1.2, 2.8))
    assert (found.value, found.low, found.high) == pytest.approx((20, 10, 30))
    assert product(Estimate(10, 7, 13), Estimate(None, None, None)) == Estimate(None, None, None)
    assert product(Estimate(10, 7, 13), Estimate(2, None, None)) == Estimate(20, None, None)


@pytest.mark.parametrize(("value", "degrees", "above"), [(3.841, 1, 0.05), (5.991, 2, 0.05), (11.345, 3, 0.01),
                                                         (13.277, 4, 0.01)])
def test_chi_squared(value: float, degrees: int, above: float) -> None:
    assert chi_squared_above(value, degrees) == pytest.approx(above, rel=1e-3)


@pytest.mark.parametrize("interval", [100, 1000])
def test_a_pilot_of_the_same_lines_is_rarely_doubted_and_one_of_others_nearly_always(interval: int) -> None:
    """At p < 0.01: of 100 pilots of the same lines at most 5; of those whose lines send four times as much 90."""
    doubted = {"same": 0, "other": 0}
    for seed in range(100):
        random = numpy.random.default_rng(seed)
        sent = draw(MIXTURE, 3000, seed)
        seen = random.binomial(sent[200:], 1 / interval)
        for name, factor in (("same", 1), ("other", 4)):
            thinned = random.binomial(factor * sent[:200, None], 1 / interval, (200, 100))
            chance = unlikeness(thinned, seen[seen > 0])
            doubted[name] += chance is not None and chance < 0.01
    assert doubted["same"] <= 5
    assert doubted["other"] >= 90


def test_few_lines_cannot_be_compared() -> None:
    assert unlikeness(numpy.array([[1, 0], [0, 2]]), numpy.array([1, 1, 3])) is None


def test_strata_of_exporters() -> None:
    """p sees everything; two at 1:100 share a stratum; m's N changes on 2 June; u does not say."""
    table = rows((1, "a", "p", 1, 5, 0), (1, "b", "e", 100, 1, 0), (2, "c", "f", 100, 1, 0), (1, "d", "m", 100, 1, 0),
                 (2, "e", "m", 1000, 2, 0), (2, "f", "u", None, 1, 0))
    found = stratify(table, days(2))
    assert found.exporters.rows() == [
        ("e", 100, "1:100", False), ("f", 100, "1:100", False), ("m", 100, "1:100, 1:1000 (m)", False),
        ("m", 1000, "1:100, 1:1000 (m)", False), ("p", 1, "1:1", True), ("u", None, "unknown", False)]
    assert found.schedule.rows() == [
        ("1:100", FIRST, 100.0), ("1:100", days(2)[1], 100.0),
        ("1:100, 1:1000 (m)", FIRST, 100.0), ("1:100, 1:1000 (m)", days(2)[1], 1000.0)]
    assert found.lines(table)["subscriber", "stratum"].rows() == [
        ("a", "1:1"), ("b", "1:100"), ("c", "1:100"), ("d", "1:100, 1:1000 (m)"), ("e", "1:100, 1:1000 (m)"),
        ("f", "unknown")]


def test_a_line_seen_twice_counts_once() -> None:
    """a: on the pilot and elsewhere; b: most of its traffic at 1:1000 (3,000 packets against 400)."""
    table = rows((1, "a", "p", 1, 1, 0), (1, "a", "e", 1000, 9, 0), (1, "b", "e", 1000, 3, 0), (1, "b", "f", 100, 4, 0))
    found = stratify(table, days(1)).lines(table)
    assert found.rows() == [("a", "1:1", 1, 0), ("b", "1:1000", 3, 0)]


def test_the_interval_of_a_day_of_change_is_that_of_its_packets() -> None:
    """300 packets at 1:100 as 3 sampled ones, 1,000 at 1:1000 as one: 1300 / 4."""
    table = rows((1, "a", "e", 100, 3, 0), (1, "a", "e", 1000, 1, 0))
    assert stratify(table, days(1)).schedule["interval"].to_list() == [325.0]


def test_intervals_at_once_are_strata_of_their_own() -> None:
    """On three days e samples at 1:10 and 1:100, as of two interfaces; records that name no exporter are told by N."""
    table = rows(*((day, "a", "e", n, 1, 0) for day in (1, 2, 3) for n in (10, 100)), (1, "b", None, 1, 9, 0),
                 (1, "c", None, 500, 1, 0))
    found = stratify(table, days(3))
    assert found.exporters.rows() == [("e", 10, "1:10", False), ("e", 100, "1:100", False), (None, 1, "1:1", True),
                                      (None, 500, "1:500", False)]


def test_a_pilot_named_in_the_settings() -> None:
    table = rows((1, "a", "edge-1", 1, 5, 0), (1, "b", "edge-2", 1, 5, 0), (1, "c", "edge-3", 100, 1, 0))
    found = stratify(table, days(1), ["edge-2"])
    assert found.exporters.filter("pilot")["exporter"].to_list() == ["edge-2"]
    assert found.lines(table)["stratum"].to_list() == ["1:1", "1:1", "1:100"]
    with pytest.raises(SettingsError, match="did you mean 'edge-1'"):
        stratify(table, days(1), ["edgy-1"])
    with pytest.raises(SettingsError, match="not every record of 'edge-3' has the sampling interval 1"):
        stratify(table, days(1), ["edge-3"])


def population(table: pl.DataFrame, length: int = 1, **settings: object) -> Population:
    found = stratify(table, days(length))
    pilot_days = found.pilot(table)["day"].n_unique()
    return Population(found, table, Sampling.model_validate(settings), length, pilot_days)


def many(count: int, exporter: str | None, interval: int | None, packets: int, day: int = 1) -> list[tuple[
        int, str, str | None, int | None, int, int]]:
    return [(day, f"{exporter}-{packets}-{n}", exporter, interval, packets, 0) for n in range(count)]


def quoted(found: Population) -> tuple[str, str | None, float | None, list[str]]:
    (row,) = [each for each in found.figures("senders") if each.headline]
    return row.method, row.refused, row.estimate.value, [key for key, _ in row.reasons]


PILOT = many(40, "p", 1, 1000)


@pytest.mark.parametrize(("table", "expected"), [
    (PILOT, ("raw", None, 40, ["exact"])),
    (PILOT + many(90, "e", 1000, 1), ("pilot", None, pytest.approx(40 + 90 / (1 - 0.999**1000)),
                                      ["pilot", "pilot-differs"])),
    (many(90, "e", 1000, 1), ("pilot", "no-pilot", None, ["no-pilot", "singles"])),
    (many(9, "p", 1, 500) + many(90, "e", 1000, 1), ("pilot", "pilot-small", None, ["pilot-small", "singles"])),
    (many(30, "e", 1000, 1) + many(60, "e", 1000, 2), ("chao1", None, 90 + 30 * 29 / 122, ["lower-bound", "no-pilot"])),
    (PILOT + many(90, "u", None, 1), ("pilot", "unknown-interval", None, ["unknown-interval"])),
    (many(40, "p", 1, 0) + many(90, "e", 1000, 2), ("chao1", None, 130, ["lower-bound", "no-packets"])),
])
def test_which_number_is_quoted(table: list[tuple[int, str, str | None, int | None, int, int]],
                                expected: tuple[object, ...]) -> None:
    assert quoted(population(rows(*table))) == expected


def test_a_refused_number_still_has_its_floor() -> None:
    found = [each for each in population(rows(*many(90, "e", 1000, 1))).figures("senders") if each.headline]
    assert found[0].estimate == Estimate(None, 90, None)


def test_limits_of_refusal_are_settings() -> None:
    assert quoted(population(rows(*many(90, "e", 1000, 1)), max_singles=1.0))[:2] == ("chao1", None)
    assert quoted(population(rows(*many(9, "p", 1, 500), *many(90, "e", 1000, 1)), min_pilot=9))[:2] == ("pilot", None)


def test_a_pilot_of_other_days_is_refused() -> None:
    table = rows(*PILOT, *(row for day in range(1, 11) for row in many(90, "e", 1000, 2, day)))
    assert quoted(population(table, 10))[3] == ["lower-bound", "pilot-window"]


def test_directions_that_one_side_does_not_export_do_not_count() -> None:
    """The pilot exports both directions, 1000 packets each; e only those to the server: 1 - 0.999^1000 is seen."""
    both = [(day, who, exporter, n, k, k) for day, who, exporter, n, k, _ in PILOT]
    found = population(rows(*both, *many(90, "e", 1000, 1)))
    assert found.sampled["1:1000"].share == pytest.approx(1 - 0.999**1000)


def test_members_follow_the_pilots_share() -> None:
    """10 of the pilot's 40 lines have it: a quarter of all. Of 4 nothing is told."""
    found = population(rows(*PILOT, *many(90, "e", 1000, 1)))
    whole = 90 / (1 - 0.999**1000)
    (row,) = [each for each in found.members("some", found.pilot_lines.head(10)) if each.headline]
    assert (row.method, row.estimate.value) == ("pilot", pytest.approx(10 + whole / 4))
    (row,) = [each for each in found.members("some", found.pilot_lines.head(4)) if each.headline]
    assert row.refused == "pilot-few"


def test_strata_are_summed_and_share_one_pilot() -> None:
    found = population(rows(*PILOT, *many(90, "e", 1000, 1), *many(50, "f", 100, 9)))
    by_stratum = {each.stratum: each for each in found.figures("senders") if each.method == "pilot"}
    coarse, fine = 90 / (1 - 0.999**1000), 50 / (1 - 0.99**1000)
    assert by_stratum["1:1000"].estimate.value == pytest.approx(coarse)
    assert by_stratum["1:100"].estimate.value == pytest.approx(fine)
    assert by_stratum["all"].estimate.value == pytest.approx(40 + coarse + fine)
