from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.load.schedule import Arrivals, Schedule, constant, gamma, poisson, replay, thinned, trace

rates = st.floats(0.1, 5_000)
lengths = st.floats(0.01, 10)
seeds = st.integers(0, 2**63)
RENEWALS: list[Callable[[float, float, int], Schedule]] = [
    poisson,
    constant,
    lambda rate, seconds, seed: gamma(rate, seconds, seed, 0.3),
    lambda rate, seconds, seed: gamma(rate, seconds, seed, 3.0),
]
every_kind = pytest.mark.parametrize("make", RENEWALS, ids=["poisson", "constant", "gamma:0.3", "gamma:3"])
Make = Callable[[float, float, int], Schedule]


def dispersion(times: Schedule, window: float = 0.01) -> float:
    counts = np.bincount((times / window).astype(int))
    return float(counts.var() / counts.mean())


@every_kind
@given(rate=rates, seconds=lengths, seed=seeds)
def test_times_are_sorted_and_in_the_window(make: Make, rate: float, seconds: float, seed: int) -> None:
    times = make(rate, seconds, seed)
    assert times.dtype == np.float64
    assert (np.diff(times) >= 0).all()
    assert ((times >= 0) & (times < seconds)).all()


@every_kind
@given(rate=rates, seconds=lengths, seed=seeds)
def test_a_seed_gives_one_schedule(make: Make, rate: float, seconds: float, seed: int) -> None:
    assert np.array_equal(make(rate, seconds, seed), make(rate, seconds, seed))


@every_kind
def test_seeds_give_different_schedules(make: Make) -> None:
    assert not np.array_equal(make(1_000, 1, 1), make(1_000, 1, 2))


@given(st.floats(100, 5_000), seeds)
def test_the_count_is_poisson(rate: float, seed: int) -> None:
    """Mean and variance of a Poisson count are both rate x seconds; 7 standard deviations are never left by chance."""
    count = len(poisson(rate, 4.0, seed))
    assert abs(count - rate * 4) < 7 * (rate * 4) ** 0.5


@given(rates, lengths, seeds)
def test_a_constant_rate_leaves_no_request_out(rate: float, seconds: float, seed: int) -> None:
    assert abs(len(constant(rate, seconds, seed)) - rate * seconds) <= 1 + 1e-9
    times = constant(rate, seconds, seed)
    assert np.allclose(np.diff(times), 1 / rate)
    assert len(times) == 0 or times[0] <= 1 / rate


@pytest.mark.parametrize("cv", [0.2, 0.5, 1.0, 2.0, 4.0])
@given(seed=seeds)
def test_gamma_gaps_have_the_mean_and_the_variation_that_was_asked_for(cv: float, seed: int) -> None:
    times = gamma(1_000, 40.0, seed, cv)
    gaps = np.diff(times)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.2)
    assert len(times) == pytest.approx(40_000, abs=7 * cv * 200)


@pytest.mark.parametrize("cv", [0.2, 3.0])
def test_a_gamma_schedule_is_in_equilibrium_from_its_first_moment(cv: float) -> None:
    """As many arrivals in the first 5 ms as in any others; a process begun with a whole gap has fewer, or more."""
    counts = [np.histogram(gamma(200, 0.05, seed, cv), bins=10, range=(0, 0.05))[0] for seed in range(8_000)]
    first, later = np.mean(counts, 0)[0], np.mean(counts, 0)[1:].mean()
    assert later == pytest.approx(1.0, abs=0.1)
    assert first == pytest.approx(later, abs=0.12)


@given(seeds)
def test_gaps_are_exponential(seed: int) -> None:
    """The gaps' coefficient of variation is 1 (constant arrivals: 0, bursts: above 1), as their mean is 1 / rate."""
    gaps = np.diff(poisson(1_000, 20.0, seed))
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.06)
    assert gaps.mean() == pytest.approx(1e-3, rel=0.06)


@given(seeds)
def test_counts_in_short_bins_are_as_bursty_as_was_asked_for(seed: int) -> None:
    """Index of dispersion in 10 ms: 1 for a Poisson process, 5 to 90 for common load generators."""
    assert dispersion(poisson(500, 20.0, seed)) == pytest.approx(1, abs=0.25)
    assert dispersion(constant(500, 20.0, seed)) < 0.1
    assert dispersion(gamma(500, 20.0, seed, 3.0)) > 2.5


@given(st.floats(1, 1_000), st.floats(0.1, 5), seeds, st.integers(1, 5))
def test_thinned_parts_make_up_the_whole(rate: float, seconds: float, seed: int, parts: int) -> None:
    whole = poisson(rate, seconds, seed)
    dealt = thinned(whole, parts, seed)
    assert len(dealt) == parts
    assert np.array_equal(np.sort(np.concatenate(dealt)), whole)
    assert all((np.diff(part) >= 0).all() for part in dealt)


@given(seeds)
def test_thinned_parts_are_poisson_too(seed: int) -> None:
    for part in thinned(poisson(2_000, 20.0, seed), 2, seed):
        gaps = np.diff(part)
        assert len(part) == pytest.approx(20_000, abs=7 * 20_000**0.5)
        assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.06)


@given(st.lists(st.integers(0, 100_000), min_size=2, max_size=50, unique=True), st.floats(1, 500), lengths)
def test_a_replayed_trace_has_the_rate_that_was_asked_for(found: list[int], rate: float, seconds: float) -> None:
    times = np.sort(np.array(found)) / 1e3
    made = replay(times, rate, seconds)
    assert made[0] == 0
    assert (np.diff(made) >= 0).all()
    assert made[-1] < seconds
    # Whole repetitions have it exactly; what is left has at most one repetition more or less.
    assert abs(len(made) - rate * seconds) <= len(times) + 1e-6


def test_a_trace_keeps_its_shape(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("# from a log\n10.0\n10.5\n\n10.1  # out of order\n")
    assert trace(file, None, 1.0) == pytest.approx([0, 0.1, 0.5, 0.75, 0.85])
    assert trace(file, 8.0, 0.5) == pytest.approx([0, 0.05, 0.25, 0.375, 0.425])


@pytest.mark.parametrize("text", ["", "1.0\n", "2\n2\n", "1\nsoon\n", "1\ninf\n"])
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "trace").write_text(text)
    with pytest.raises(ValueError, match=r"expected .*trace"):
        _ = Arrivals.parse(f"trace:{tmp_path / 'trace'}").own_rate


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1), (float("inf"), 1)])
@every_kind
def test_a_meaningless_schedule_is_refused(make: Make, rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"a schedule needs (rate|seconds) > 0, found"):
        make(rate, seconds, 1)


@pytest.mark.parametrize(
    ("text", "label", "same"),
    [
        ("poisson", "Poisson arrivals", poisson(100, 2, 7)),
        ("constant", "constant arrivals", constant(100, 2, 7)),
        ("gamma:2", "gamma arrivals (CV 2)", gamma(100, 2, 7, 2.0)),
    ],
)
def test_arrivals_are_what_they_are_called(text: str, label: str, same: Schedule) -> None:
    arrivals = Arrivals.parse(text)
    assert arrivals.label == label
    assert np.array_equal(arrivals.schedule(100, 2, 7), same)


def test_arrivals_of_a_trace(tmp_path: Path) -> None:
    file = tmp_path / "monday.txt"
    file.write_text("0\n1\n3\n")
    arrivals = Arrivals.parse(f"trace:{file}")
    assert arrivals.label == "arrivals of monday.txt"
    assert np.array_equal(arrivals.schedule(10, 2, 1), trace(file, 10, 2))
    assert arrivals.own_rate == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "text", ["", "Poisson", "poisson:2", "gamma", "gamma:", "gamma:fast", "gamma:0", "gamma:inf", "trace", "trace:"]
)
def test_other_words_are_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*gamma:CV.*found"):
        Arrivals.parse(text)


def test_a_trace_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a text file.*nowhere"):
        _ = Arrivals.parse("trace:/nowhere").own_rate
