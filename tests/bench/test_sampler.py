"""Sampling the in-flight count: independent of the stamps, and right about its own error."""

import asyncio
import math
import time
from collections.abc import Callable
from time import monotonic_ns

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.sampler import Moments, Sampler
from bench.schedule import poisson
from tests.bench.lab import LabServer, every


@given(st.integers(0, 2**62), st.integers(1, 10**9), st.integers(0, 10**6))
def test_every_stretch_of_time_has_one_sample(start: int, every: int, index: int) -> None:
    moment = Moments(start, every)[index]
    assert index * every <= moment - start <= (index + 1) * every


def test_no_period_keeps_in_step_with_the_samples() -> None:
    """At whatever part of a stretch something happens: as many samples before it as its share."""
    moments = Moments(0, 1_000)
    parts = np.array([moments[i] % 1_000 for i in range(10_000)])
    assert np.histogram(parts, bins=20, range=(0, 1_000))[0] == pytest.approx(500, rel=0.05)


def sampled(count: Callable[[], int], seconds: float, every: float = 0.001) -> tuple[float, float]:
    async def body() -> tuple[float, float]:
        sampler = Sampler(asyncio.get_running_loop(), count, every, seconds)
        await asyncio.sleep(seconds)
        return sampler.stop()

    return asyncio.run(body())


def test_a_count_that_stands_still_has_no_error() -> None:
    assert sampled(lambda: 3, 0.3) == (3.0, 0.0)


def test_the_mean_is_that_of_the_time_and_the_error_bounds_it() -> None:
    """1 in the second half of each 20 ms, else 0; by far most of 600 samples come on time."""
    mean, error = sampled(lambda: monotonic_ns() // 10_000_000 % 2, 0.6)
    assert 0 < error < 0.2
    assert abs(mean - 0.5) < 5 * error + 0.1


def test_one_sample_or_none_has_no_error_to_speak_of() -> None:
    assert sampled(lambda: 1, 0.2, every=10.0) == (1.0, math.inf)

    async def none() -> None:
        assert Sampler(asyncio.get_running_loop(), lambda: 1, 1.0, 1.0).stop() == (0.0, math.inf)

    asyncio.run(none())


def test_what_piles_up_in_a_pause_is_not_taken_for_what_was_there() -> None:
    """A loop that stands still for 0.2 s wakes up to 200 samples that are due; none of them may see what comes then."""
    state = 0

    async def body() -> float:
        nonlocal state
        sampler = Sampler(asyncio.get_running_loop(), lambda: state, 0.001, 0.4)
        await asyncio.sleep(0.1)
        time.sleep(0.2)
        state = 1
        await asyncio.sleep(0.001)
        state = 0
        await asyncio.sleep(0.1)
        return sampler.stop()[0]

    assert asyncio.run(body()) < 0.3


def test_samples_agree_with_the_stamps(lab: Callable[..., LabServer]) -> None:
    """Little's law, live: the sampled mean lies between the two of the stamps, give or take its error."""
    records = lab(delay=0.02).drive(poisson(300, 1.25, seed=5), lead=0.25).records
    taken, intended = records.in_flight()
    allowed = 4 * records.counters.in_flight_error + 0.1 * intended
    assert taken - allowed < records.counters.in_flight < intended + allowed
    assert records.counters.in_flight > 3


def test_a_steady_rate_is_sampled_at_all_its_phases(lab: Callable[..., LabServer]) -> None:
    """500/s and 500 samples/s: samples in step with the arrivals would see always or never a request."""
    records = lab(delay=0.001).drive(every(0.002, 500), sample_every=0.002).records
    taken, intended = records.in_flight()
    assert 0.7 * taken < records.counters.in_flight < 1.3 * intended
    counters = records.counters
    assert counters.cpus > 0
    assert counters.busy_ns >= 0
    assert counters.steal_ns >= 0
    assert counters.pressure_ns <= 1.1 * counters.window_ns
