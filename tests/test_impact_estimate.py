"""Estimates from counts alone: literal values, brute force on small tables, and the cases in which none is given."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from op25b.impact.estimate import Pairs, chao2, expected, growth, ratio, unseen_refused, wilson
from op25b.sampling import Estimate

seen_on = st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=12)
frequencies = st.dictionaries(st.integers(1, 20), st.integers(1, 500), min_size=1)


@pytest.mark.parametrize(("part", "whole", "low", "high"), [
    (5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 1000, 0.0002, 0.0056),
])
def test_wilson(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(part, whole) == pytest.approx((low, high), abs=1e-4)


def test_a_share_of_nothing_has_no_interval() -> None:
    assert wilson(0, 0) is None


def test_ratio_of_lines_that_differ() -> None:
    """Lines with 2 messages on 1 connection, 2 on 2, and 5 on 3: 9 / 6; residuals 0.5, -1, 0.5."""
    found = ratio(Pairs(3, 9, 6, 4 + 4 + 25, 1 + 4 + 9, 2 + 4 + 15))
    half = 1.959964 * (1.5 * 3 / 2) ** 0.5 / 6
    assert (found.value, found.low, found.high) == pytest.approx((1.5, 1.5 - half, 1.5 + half))


def test_ratio_that_cannot_be_told() -> None:
    assert ratio(Pairs(0, 0, 0, 0, 0, 0)) == Estimate(None, None, None)
    assert ratio(Pairs(1, 3, 2, 9, 4, 6)) == Estimate(1.5, None, None)


def test_chao2_by_hand() -> None:
    """20 lines on 20 days, 10 on one day, 5 on two: unseen 19/20 × 10 × 9 / (2 × 6) = 7.125.

    v = 5 (0.95 × 4 / 2 + 0.9025 × 8 + 0.9025 × 16 / 4) = 63.65, K = exp(1.96 √log(1 + 63.65 / 50.77)) = 5.85.
    """
    found = chao2({1: 10, 2: 5, 7: 5}, 20)
    assert found.value == pytest.approx(27.125)
    assert found.low == pytest.approx(20 + 7.125 / 5.853, abs=0.01)
    assert found.high == pytest.approx(20 + 7.125 * 5.853, abs=0.05)


def test_chao2_without_lines_on_one_day_or_two() -> None:
    assert chao2({3: 8}, 20) == Estimate(8, 8, 8)
    assert chao2({1: 4, 3: 8}, 20) == Estimate(12 + 19 / 20 * 6, 12, None)


@given(seen_on, st.integers(1, 6))
def test_a_shorter_window_sees_the_mean_over_all_such_windows(lines: list[set[int]], length: int) -> None:
    counts = {k: sum(len(days) == k for days in lines) for k in range(1, 7)}
    windows = [sum(bool(days & set(window)) for days in lines) for window in combinations(range(6), length)]
    assert expected(counts, 6, length) == pytest.approx(sum(windows) / len(windows))


@given(frequencies, st.integers(20, 60))
def test_a_longer_window_sees_more_and_never_more_than_there_are(counts: dict[int, int], days: int) -> None:
    lengths = [expected(counts, days, length) for length in range(1, 3 * days)]
    assert all(later >= sooner - 1e-6 for sooner, later in pairwise(lengths))
    assert lengths[days - 1] == pytest.approx(sum(counts.values()))
    limit = chao2(counts, days)
    assert lengths[-1] <= (limit.value or 0) + 1e-6
    assert limit.low is not None
    assert limit.low >= sum(counts.values())


def test_growth_says_the_same_each_time_and_lies_within_its_interval() -> None:
    counts = {1: 30, 2: 20, 5: 40, 14: 10}
    found = growth(counts, 14, [7, 14, 28])
    assert found == growth(counts, 14, [7, 14, 28])
    for point in found:
        assert point.low is not None
        assert point.high is not None
        assert point.value is not None
        assert point.low < point.value < point.high


@pytest.mark.parametrize(("counts", "days", "addresses", "why"), [
    ({}, 30, False, "nobody"), ({2: 5}, 13, False, "too-short"), ({1: 6, 2: 5}, 30, False, "singles"),
    ({1: 5, 2: 5}, 30, True, "addresses"), ({1: 5, 2: 5}, 14, False, None),
])
def test_what_is_refused(counts: dict[int, int], days: int, addresses: bool, why: str | None) -> None:
    assert unseen_refused(counts, days, addresses=addresses) == why


def test_on_simulated_lines_the_bound_is_one_and_twice_the_window_is_foretold() -> None:
    """3000 lines that send on a day with chances from 1 in 200 to 1: 30 days observed, then 30 more."""
    random = numpy.random.default_rng(7)
    misses = []
    for _ in range(20):
        chances = numpy.clip(random.lognormal(-2.5, 1.0, 3000), 0.005, 1)
        days = random.random((60, 3000)) < chances
        times = days[:30].sum(axis=0)
        counts = {int(k): int((times == k).sum()) for k in set(times.tolist()) if k}
        assert (chao2(counts, 30).value or 0) < 3000
        (later,) = growth(counts, 30, [60])
        assert later.value is not None
        actual = int(days.any(axis=0).sum())
        misses.append((later.value - actual) / actual)
        assert abs(misses[-1]) < 0.02
    assert abs(sum(misses) / len(misses)) < 0.01
