"""Warm-up and drift. Error rates are in test_size."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from bench.stationarity import WarmUp, change_point, drift, mser5, non_stationary, warm_up

Series = NDArray[np.float64]


def noise(n: int, seed: int = 1) -> Series:
    return np.asarray(1e6 * np.exp(0.3 * np.random.default_rng(seed).normal(size=n)))


def test_a_settled_server() -> None:
    found = warm_up(noise(1_000))
    assert (found.requests, found.stationary, found.why) == (1_000, True, "")
    assert found.truncation < 0.1


def test_a_warm_up_within_the_first_half_is_cut_off() -> None:
    found = warm_up(noise(1_000) * np.where(np.arange(1_000) < 300, 4, 1))
    assert found.stationary
    assert found.truncation == pytest.approx(0.3, abs=0.02)


def test_a_late_warm_up_is_named_with_its_place_and_size() -> None:
    found = warm_up(noise(1_000) * np.where(np.arange(1_000) < 700, 4, 1))
    assert not found.stationary
    assert found.why.startswith("it settled only after 70% of the phase: median ")
    assert found.truncation == pytest.approx(0.7, abs=0.02)


def test_a_change_in_the_second_half_is_named() -> None:
    found = warm_up(noise(2_000) * np.where(np.arange(2_000) < 1_500, 1, 1.5))
    assert not found.stationary
    assert found.why.startswith("its second half still changes: median ")
    assert " higher from request 500 of 1000 on" in found.why


def test_a_trifle_is_no_change_however_many_requests_show_it() -> None:
    series = noise(200_000) * np.where(np.arange(200_000) < 150_000, 1, 1.03)
    p, at = change_point(series[100_000:])
    assert p < 0.01
    assert at == 50_000
    assert warm_up(series).stationary


def test_failures_are_slow_requests_and_not_errors_of_the_test() -> None:
    series = noise(1_000)
    series[::10] = math.inf
    assert warm_up(series).stationary
    series[::2] = series[1::4] = math.inf
    assert warm_up(series).why == "half of the requests or more failed"
    series = noise(1_000)
    series[750:] = math.inf
    assert not warm_up(series).stationary


def test_too_few_requests_are_told_so() -> None:
    why = "99 requests are too few to tell: expected 100 or more"
    assert warm_up(noise(99)) == WarmUp(99, 0.0, False, why)
    assert warm_up(noise(0)).requests == 0


@settings(deadline=None)
@given(st.integers(100, 2_000), st.integers(0, 100), st.floats(1e-9, 1e9))
def test_the_unit_does_not_matter(n: int, seed: int, scale: float) -> None:
    assert warm_up(noise(n, seed) * scale) == warm_up(noise(n, seed))


@given(st.integers(5, 500), st.integers(0, 100))
def test_mser5_keeps_a_fifth_and_whole_batches(n: int, seed: int) -> None:
    at = mser5(noise(n, seed))
    assert at % 5 == 0
    assert 0 <= at <= 0.8 * n


@given(st.integers(2, 500), st.integers(0, 100))
def test_a_change_point_lies_inside_and_its_p_value_is_one(n: int, seed: int) -> None:
    p, at = change_point(noise(n, seed))
    assert 0 < p <= 1
    assert 0 < at < n


def test_constant_times_do_not_change() -> None:
    assert change_point(np.ones(300))[0] == 1
    assert warm_up(np.ones(300)).stationary
    assert warm_up(np.zeros(300)).stationary


def test_drift_compares_the_halves_of_the_window_in_time() -> None:
    intended = np.array([0.0, 1, 2, 3, 4, 9, 10])  # five requests in the first half, two in the second
    assert drift(np.array([1.0, 1, 1, 1, 9, 2, 2]), intended) == pytest.approx(math.log(2))
    assert drift(np.array([2.0, 2, 2, 2, 9, 1, 1]), intended) == pytest.approx(-math.log(2))


@pytest.mark.parametrize(
    ("response", "expected"),
    [([1, math.inf], math.inf), ([math.inf, 1], -math.inf), ([math.inf, math.inf], math.nan), ([0, 1], math.nan)],
)
def test_drift_to_and_from_failure(response: list[float], expected: float) -> None:
    assert drift(np.array(response), np.array([0.0, 1])) == pytest.approx(expected, nan_ok=True)


def test_drift_of_nothing_is_unknown() -> None:
    assert math.isnan(drift(np.empty(0), np.empty(0)))
    assert math.isnan(drift(np.ones(3), np.ones(3)))


@pytest.mark.parametrize(
    ("drifts", "flagged"),
    [
        ([0.3] * 6, True),
        ([-0.3] * 6, True),
        ([math.inf] * 6, True),
        ([0.3] * 5, False),  # five can agree by chance
        ([0.3] * 6 + [-0.3], False),
        ([0.3] * 11 + [-0.3], True),
        ([0.05] * 12, False),  # consistent and small
        ([0.3] * 3 + [0.0] * 9, False),
        ([math.nan] * 12, False),
        ([], False),
    ],
)
def test_rounds_drift_together_or_not(drifts: list[float], flagged: bool) -> None:
    assert non_stationary(drifts)[0] is flagged


def test_the_figure_of_drifting_rounds() -> None:
    expected = "the median went up by more than 10% within 7 of 8 rounds, by +35% in the middle one"
    assert non_stationary([0.3] * 7 + [0.0]) == (False, expected)
    assert non_stationary([-0.3] * 8)[1].startswith(
        "the median went down by more than 10% within 8 of 8 rounds, by -26%"
    )
