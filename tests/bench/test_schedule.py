import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.schedule import poisson

rates = st.floats(0.1, 5_000)
lengths = st.floats(0.01, 10)
seeds = st.integers(0, 2**63)


@given(rates, lengths, seeds)
def test_times_are_sorted_and_in_the_window(rate: float, seconds: float, seed: int) -> None:
    times = poisson(rate, seconds, seed)
    assert times.dtype == np.float64
    assert (np.diff(times) >= 0).all()
    assert ((times >= 0) & (times < seconds)).all()


@given(rates, lengths, seeds)
def test_a_seed_gives_one_schedule(rate: float, seconds: float, seed: int) -> None:
    assert np.array_equal(poisson(rate, seconds, seed), poisson(rate, seconds, seed))


def test_seeds_give_different_schedules() -> None:
    assert not np.array_equal(poisson(1_000, 1, 1), poisson(1_000, 1, 2))


@given(st.floats(100, 5_000), seeds)
def test_the_count_is_poisson(rate: float, seed: int) -> None:
    """Mean and variance of a Poisson count are both rate x seconds; 7 standard deviations are never left by chance."""
    count = len(poisson(rate, 4.0, seed))
    assert abs(count - rate * 4) < 7 * (rate * 4) ** 0.5


@given(seeds)
def test_gaps_are_exponential(seed: int) -> None:
    """The gaps' coefficient of variation is 1 (constant arrivals: 0, bursts: above 1), as their mean is 1 / rate."""
    gaps = np.diff(poisson(1_000, 20.0, seed))
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.06)
    assert gaps.mean() == pytest.approx(1e-3, rel=0.06)


@given(seeds)
def test_counts_in_short_bins_are_not_bursty(seed: int) -> None:
    """Index of dispersion in 10 ms: 1 for a Poisson process, 5 to 90 for common load generators."""
    counts = np.bincount((poisson(500, 20.0, seed) / 0.01).astype(int), minlength=2_000)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1), (float("inf"), 1)])
def test_a_meaningless_schedule_is_refused(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"a schedule needs (rate|seconds) > 0, found"):
        poisson(rate, seconds, 1)
