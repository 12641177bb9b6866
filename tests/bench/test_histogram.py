import math

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from bench.load.histogram import DIGITS, LONGEST, PRECISION, Distribution, Histogram

times = st.integers(0, LONGEST).map(float) | st.integers(0, 5_000).map(float) | st.just(math.inf)
samples = st.lists(times, min_size=1, max_size=200).map(lambda values: np.array(values, np.float64))
shares = st.floats(0, 1)


def counted(*parts: NDArray[np.float64]) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part)
    return histogram


@given(samples, shares)
def test_a_quantile_is_the_smallest_that_enough_do_not_exceed(sample: NDArray[np.float64], q: float) -> None:
    found = Distribution.of(sample).quantile(q)
    assert found in sample
    assert (sample <= found).mean() >= q - 1e-9
    assert (sample < found).mean() < q or found == sample.min()


@given(samples, shares)
def test_a_histogram_has_the_quantiles_of_its_sample_to_its_precision(sample: NDArray[np.float64], q: float) -> None:
    exact, found = Distribution.of(sample), counted(sample).distribution()
    assert found.n == exact.n
    assert found.quantile(q) == pytest.approx(exact.quantile(q), rel=PRECISION)


@given(samples)
def test_an_array_counts_as_the_librarys_own_values_do(sample: NDArray[np.float64]) -> None:
    library = HdrHistogram(1, LONGEST, DIGITS)
    for value in sample[np.isfinite(sample)]:
        library.record_value(int(value))
    text, infinite = counted(sample).encode()
    assert text == library.encode().decode()
    assert infinite == np.isinf(sample).sum()


@given(samples, samples)
def test_parts_count_as_the_whole(one: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    assert counted(one, other).encode() == counted(np.concatenate([one, other])).encode()


@given(samples)
def test_what_was_written_is_read(sample: NDArray[np.float64]) -> None:
    histogram = counted(sample)
    again = Histogram.decode(*histogram.encode())
    assert np.array_equal(again.distribution().values, histogram.distribution().values)
    assert np.array_equal(again.distribution().ranks, histogram.distribution().ranks)
    again.add(sample)
    assert again.distribution().n == 2 * len(sample), "and goes on counting"


def test_longer_than_the_longest_counts_as_that() -> None:
    assert counted(np.array([5.0 * LONGEST])).distribution().quantile(1) == pytest.approx(LONGEST, rel=PRECISION)


def test_no_sample_has_no_quantile() -> None:
    empty = Histogram().distribution()
    assert empty.n == Distribution.of(np.array([])).n == 0
    with pytest.raises(ValueError, match="needs a sample"):
        empty.quantile(0.5)
