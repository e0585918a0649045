"""The sequential test: the worked numbers of the literature, Wald's verdicts, and that the pipeline's sums agree."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from op25b.engine.duckdb import SEQUENTIAL
from op25b.engine.pipelines import pipelines
from op25b.errors import SettingsError
from op25b.sequential import SequentialTest
from op25b.settings import Findings
from tests.pipelines.rows import new_workspace

SPOT = SequentialTest(alpha=0.01, beta=0.01, theta0=0.2, theta1=0.9)


def test_steps_and_barriers_of_spot() -> None:
    """ln(0.9/0.2), ln(0.1/0.8), ln(0.01/0.99), ln(0.99/0.01)."""
    assert SPOT.failed == pytest.approx(1.504, abs=5e-4)
    assert SPOT.worked == pytest.approx(-2.079, abs=5e-4)
    assert (SPOT.acquit, SPOT.accuse) == pytest.approx((-4.595, 4.595), abs=5e-4)
    assert Findings().sequential_test == SPOT


@pytest.mark.parametrize(("test", "compromised", "normal"), [
    pytest.param(SPOT, 3.93, 3.30, id="SPOT's defaults"),
    pytest.param(SequentialTest(0.001, 0.01, 0.2, 0.9), 5.92, 3.37, id="fewer false accusations take longer"),
    pytest.param(SequentialTest(0.01, 0.01, 0.05, 0.6), 3.93, 6.46, id="both hypotheses less prone to fail"),
])
def test_observations_expected(test: SequentialTest, compromised: float, normal: float) -> None:
    assert test.expected(compromised=True) == pytest.approx(compromised, abs=0.006)
    assert test.expected(compromised=False) == pytest.approx(normal, abs=0.006)


@pytest.mark.parametrize(("observations", "expected"), [
    ([1, 1, 1], ("open", 3)),
    ([1, 1, 1, 1], ("bot", 4)),  # 4 x 1.504 = 6.02 >= 4.595: four in a row are the fewest that accuse
    ([0, 0, 0], ("normal", 3)),  # 3 x -2.079 = -6.24 <= -4.595
    ([0, 0], ("open", 2)),
    ([0, 1, 1, 1, 1, 1], ("bot", 6)),  # -2.079 + 5 x 1.504 = 5.44; after four of them only 3.94
    ([], ("open", 0)),
])
def test_verdicts(observations: list[int], expected: tuple[str, int]) -> None:
    assert SPOT.verdict(observations) == expected


def test_the_fewest_observations_of_a_verdict() -> None:
    assert SPOT.fewest == 3
    assert SequentialTest(0.3, 0.3, 0.2, 0.9).fewest == 1


@pytest.mark.parametrize("setting", ["theta0 = 0.9", "theta1 = 0.1", "alpha = 0.995", "beta = 1.0",
                                     "min_probability = 0.9"])
def test_settings_that_make_no_test(tmp_path_factory: pytest.TempPathFactory, setting: str) -> None:
    with pytest.raises(SettingsError, match="findings"):
        new_workspace(tmp_path_factory.mktemp("w"), f"[findings]\n{setting}\n")


# ---- the same by windows, as pipelines/sender.sql does ----

def cusum(observations: list[int], test: SequentialTest) -> tuple[float, float]:
    """Highest rise and deepest fall, by Page's recursion: never below 0."""
    rise = fall = highest = deepest = 0.0
    for observed in observations:
        step = test.failed if observed else test.worked
        rise, fall = max(0.0, rise + step), max(0.0, fall - step)
        highest, deepest = max(highest, rise), max(deepest, fall)
    return highest, deepest


def by_windows(observations: list[int], test: SequentialTest = SPOT) -> tuple[str | None, int, int]:
    """Verdict, contacts and failures that the pipeline's SQL gives a line with these first contacts, a minute apart."""
    start = datetime(2007, 6, 2)
    contacts = pl.DataFrame({
        "subscriber": ["a"] * len(observations), "destination_group": ["other"] * len(observations),
        "organisation": [f"{n:05}" for n in range(len(observations))], "failed": observations,
        "first_seen": [start + timedelta(minutes=n) for n in range(len(observations))],
    }, schema={"subscriber": pl.String, "destination_group": pl.String, "organisation": pl.String, "failed": pl.Int64,
               "first_seen": pl.Datetime("us")})
    sql = pipelines()["sender"].sql
    sequence = sql[sql.index("WITH sequence AS"):sql.index("judged AS (")].rstrip().rstrip(",")
    with duckdb.connect() as connection:
        connection.register("contact", contacts.to_arrow())
        connection.register("sequential_test",
                            pl.DataFrame({name: [getattr(test, name)] for name in SEQUENTIAL}).to_arrow())
        found = connection.execute(f"""
            {sequence}
            SELECT CASE WHEN s.rise >= t.accuse THEN 'bot' WHEN s.fall >= -t.acquit THEN 'normal' ELSE 'open' END,
                c.contacts, c.failed
            FROM contacted AS c CROSS JOIN sequential_test AS t LEFT JOIN tested AS s ON s.subscriber = c.subscriber
        """).fetchall()
    return found[0] if found else (None, 0, 0)


@pytest.mark.parametrize(("observations", "expected"), [
    ([1, 1, 1, 1], ("bot", 4, 4)), ([1, 1, 1], ("open", 3, 3)), ([0, 0, 0], ("normal", 3, 0)), ([0], ("open", 1, 0)),
    # Wald's test started at the beginning would have acquitted and stopped; the later run of failures is found.
    ([0, 0, 0, 1, 1, 1, 1], ("bot", 7, 4)),
    ([1, 0] * 4, ("open", 8, 4)),  # from 1.504 down by 0.575 a pair
    ([1, 0] * 6, ("normal", 12, 6)),
])
def test_windows(observations: list[int], expected: tuple[str, int, int]) -> None:
    assert by_windows(observations) == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=40))
def test_windows_are_pages_recursion(observations: list[int]) -> None:
    rise, fall = cusum(observations, SPOT)
    expected = "bot" if rise >= SPOT.accuse else "normal" if fall >= -SPOT.acquit else "open"
    assert by_windows(observations) == (expected, len(observations), sum(observations))


@given(st.lists(st.integers(0, 1), max_size=60), st.integers(0, 20))
def test_whatever_walds_test_accuses_from_any_start_pages_does_too(observations: list[int], start: int) -> None:
    if SPOT.verdict(observations[start:])[0] == "bot":
        assert cusum(observations, SPOT)[0] >= SPOT.accuse
