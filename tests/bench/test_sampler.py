"""Sampling the in-flight count: independent of the stamps, and right about its own error."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from time import monotonic_ns

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.load.sampler import Moments, Sampler
from bench.load.schedule import poisson
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


def test_samples_are_bounded_however_long_the_window() -> None:
    async def body() -> int:
        sampler = Sampler(asyncio.get_running_loop(), lambda: 1, 1e-3, seconds=1e4)
        await asyncio.sleep(0.5)
        sampler.stop()
        return len(sampler.times)

    assert 1 <= asyncio.run(body()) <= 6


@pytest.mark.parametrize("fault", [{"delay": 0.02}, {"close": True}, {"error_every": 3}, {"cut_every": 5}])
def test_samples_agree_with_the_stamps_however_crowded_the_machine(
    lab: Callable[..., LabServer], fault: dict[str, float]
) -> None:
    """At the instants of the samples the stamps have the very counts that were sampled."""
    records = lab(**fault).drive(poisson(300, 1.25, seed=5), lead=0.25).records
    assert records.in_flight() > 0
    assert records.counters.in_flight == pytest.approx(records.in_flight(), abs=1e-9)
    assert len(records.sampled) > 100


def test_lost_stamps_disagree_with_the_samples(lab: Callable[..., LabServer]) -> None:
    records = lab(delay=0.02).drive(poisson(300, 1.0, seed=5)).records
    done = np.where(np.arange(len(records.done)) % 3, records.done, records.sent)
    assert replace(records, done=done).in_flight() < 0.8 * records.counters.in_flight


def test_a_steady_rate_is_sampled_at_all_its_phases(lab: Callable[..., LabServer]) -> None:
    """500/s and 500 samples/s: samples in step with the arrivals would see always or never a request."""
    records = lab(delay=0.001).drive(every(0.002, 500), sample_every=0.002).records
    under_way = (records.done - records.taken).sum() / records.counters.window_ns
    assert 0.7 * under_way < records.counters.in_flight < 1.3 * under_way
    counters = records.counters
    assert counters.cpus > 0
    assert counters.busy_ns >= 0
    assert counters.steal_ns >= 0
    assert counters.pressure_ns <= 1.1 * counters.window_ns
