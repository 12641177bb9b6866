"""The statistics kept to their promises, on simulated runs whose truth is known. `pytest -rP` prints the figures.

A simulated run has what real ones have: weather that all arms of a round share, a level of its own for every boot of
every arm, and rounds that are correlated within a boot (AR(1)).
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bench.planning import Spread, plan, spreads
from bench.stationarity import non_stationary, warm_up
from bench.statistics import Comparison, compare, deviations, interval, power
from bench.verdict import Verdict, verdicts

Logs = NDArray[np.float64]
A_A_SETS = 2_000
SIZE = 0.055  # the promise: 5 %, and what 2,000 sets scatter


def ar1(random: np.random.Generator, shape: tuple[int, ...], correlation: float) -> Logs:
    """Standard normal series along the last axis with that lag-1 correlation."""
    noise = random.normal(size=shape)
    series = np.empty(shape)
    series[..., 0] = noise[..., 0]
    for i in range(1, shape[-1]):
        series[..., i] = correlation * series[..., i - 1] + math.sqrt(1 - correlation**2) * noise[..., i]
    return series


def simulated(
    random: np.random.Generator, arms: int, boots: int, rounds: int, *, boot: float = 0.1, within: float = 0.1,
    correlation: float = 0.4, heavy: bool = False,
) -> Logs:  # fmt: skip
    """Log figures of arms that do not differ, shape (arms, boots, rounds)."""
    weather = 0.3 * random.normal(size=(1, boots, rounds))
    shape = (arms, boots, 1)
    levels = boot * (random.standard_t(3, size=shape) if heavy else random.normal(size=shape))
    return weather + levels + within * ar1(random, (arms, boots, rounds), correlation)


def judged(logs: Logs) -> list[Verdict]:
    values = np.exp(logs).tolist()
    return verdicts({f"arm{number}": {"CPU": arm} for number, arm in enumerate(values)})


def differ(found: list[Verdict]) -> bool:
    return any(verdict.word == "different" for verdict in found)


@pytest.mark.parametrize("boots", [6, 8])
@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy-tailed"])
def test_identical_arms_are_called_different_in_less_than_5_percent(boots: int, heavy: bool) -> None:
    random = np.random.default_rng(boots)
    found = [judged(simulated(random, 2, boots, 3, heavy=heavy)) for _ in range(A_A_SETS)]
    flagged = np.mean([differ(each) for each in found])
    p_below = np.mean([each[0].comparison.p < 0.05 for each in found])
    print(f"A/A, {boots} boots x 3: 'different' {flagged:.1%}, p < 0.05 in {p_below:.1%} of {A_A_SETS} sets")
    assert not any(each[0].comparison.screening for each in found)
    assert flagged <= p_below <= SIZE
    assert p_below > 0.01  # a test that never rejects would pass too


def test_the_family_of_all_pairs_keeps_its_level() -> None:
    random = np.random.default_rng(4)
    flagged = np.mean([differ(judged(simulated(random, 3, 8, 2))) for _ in range(A_A_SETS // 2)])
    print(f"A/A of 3 arms, 8 boots x 2: some pair 'different' {flagged:.1%}")
    assert flagged <= SIZE


@pytest.mark.parametrize(
    ("boots", "rounds", "boot", "correlation", "most"),
    [(4, 3, 0.0, 0.0, SIZE), (4, 3, 0.0, 0.4, 0.14), (3, 2, 0.0, 0.4, 0.08), (4, 3, 0.1, 0.4, 0.45)],
    ids=["independent", "correlated", "quick", "boots differ"],
)
def test_a_screening_is_only_as_good_as_its_rounds_are_independent(
    boots: int, rounds: int, boot: float, correlation: float, most: float
) -> None:
    """This is why it is called a screening."""
    random = np.random.default_rng(7)
    sets = [simulated(random, 2, boots, rounds, boot=boot, correlation=correlation) for _ in range(A_A_SETS // 2)]
    found = [judged(each) for each in sets]
    flagged = np.mean([differ(each) for each in found])
    print(f"screening A/A, {boots} boots x {rounds}, correlation {correlation}, boot sd {boot}: {flagged:.1%}")
    assert all(each[0].comparison.screening for each in found)
    assert flagged <= most


@pytest.mark.parametrize("n", [4, 6, 8, 12])
@pytest.mark.parametrize("tails", ["normal", "t4"])
def test_the_interval_covers_the_truth(n: int, tails: str) -> None:
    covered = coverage(units_of(n, tails), interval)
    print(f"coverage of the 95 % interval, n = {n}, {tails}: {covered:.1%}")
    assert 0.935 <= covered <= 0.97  # standard error 0.005


def test_without_the_correction_it_would_not() -> None:
    def percentile(units: Logs) -> tuple[float, float]:
        means = deviations(units, 1) * math.sqrt(5 / 6)
        return units.mean() + np.quantile(means, 0.025), units.mean() + np.quantile(means, 0.975)

    covered = coverage(units_of(6, "normal"), percentile)
    print(f"coverage of the plain percentile interval, n = 6, normal: {covered:.1%}")
    assert covered < 0.9


def units_of(n: int, tails: str) -> Logs:
    random = np.random.default_rng(n)
    return random.normal(size=(2_000, n)) if tails == "normal" else random.standard_t(4, size=(2_000, n))


def coverage(sets: Logs, interval: Callable[[Logs], tuple[float, float]]) -> float:
    """The share of sets whose interval holds the true mean, zero."""
    ends = np.array([interval(units) for units in sets])
    return float(np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0)))


@pytest.mark.parametrize(
    ("effect", "arms", "spread"),
    [
        (0.13, 2, Spread(0.10, 0.0)),  # a server's CPU on a noisy machine
        (0.10, 2, Spread(0.04, 0.22)),  # its p50
        (0.20, 5, Spread(0.08, 0.05)),
        (0.07, 2, Spread(0.02, 0.05)),  # near the smallest effect of interest
    ],
)
def test_planning_and_simulation_agree(effect: float, arms: int, spread: Spread) -> None:
    """The planned run finds the planned effect 4 times in 5: not much less often, and not because it is too large."""
    (design,) = plan(effect, arms, {"CPU": spread})
    random = np.random.default_rng(11)
    level = 0.05 / math.comb(arms, 2)
    shares = {}
    for boots in (design.boots, design.boots - 2):
        d = math.log1p(effect) + spread.boot * random.normal(size=(1_000, boots, 1))
        d = d + spread.round * random.normal(size=(1_000, boots, design.rounds))
        shares[boots] = np.mean([_found(compare(each.tolist()), level) for each in d])
    print(f"{effect:.0%} among {arms} arms, {spread}: planned {design.boots} x {design.rounds}; found in {shares}")
    assert 0.76 <= shares[design.boots] <= 0.92
    assert shares[design.boots - 2] < 0.8


def _found(comparison: Comparison, level: float) -> bool:
    return comparison.p <= level and comparison.low > 1 and comparison.ratio > 1.05


def test_six_boots_find_less_than_a_t_test_would() -> None:
    """All six must agree in sign. The rule of thumb (2.8 sd / effect)^2 gives six boots for 13 % at sd 0.10."""
    effect = math.log(1.13) / 0.10
    random = np.random.default_rng(6)
    found = np.mean([compare([[x] for x in random.normal(effect, 1, 6)]).p < 0.05 for _ in range(2_000)])
    said = {boots: f"{power(boots, effect):.0%}" for boots in (6, 8)}
    print(f"13 % at sd 0.10 with 6 boots: found {found:.0%}; power() by boots: {said}")
    assert found == pytest.approx(power(6, effect), abs=0.04)
    assert found == pytest.approx(stats.norm.cdf(effect) ** 6, abs=0.04)
    assert found < 0.6
    assert power(8, effect) >= 0.8


def test_the_spread_of_a_run_is_recovered() -> None:
    random = np.random.default_rng(3)
    logs = simulated(random, 3, 150, 4, boot=0.1, within=0.2, correlation=0.0)
    found = spreads({str(i): {"CPU": arm} for i, arm in enumerate(np.exp(logs).tolist())})["CPU"]
    assert found.boot == pytest.approx(0.1 * math.sqrt(2), rel=0.2)
    assert found.round == pytest.approx(0.2 * math.sqrt(2), rel=0.1)


def latencies(random: np.random.Generator, *shape: int, sigma: float = 0.5) -> Logs:
    """Series of stationary lognormal response times of about 1 ms, correlated as measured (0.4)."""
    return np.asarray(1e6 * np.exp(sigma * ar1(random, shape, 0.4)))


def unsettled(series: Logs) -> float:
    """The share of series that are called non-stationary."""
    return float(np.mean([not warm_up(each).stationary for each in series]))


def test_a_settled_server_is_called_non_stationary_in_at_most_1_percent() -> None:
    random = np.random.default_rng(9)
    for n in (200, 300, 1_000):
        wrong = unsettled(latencies(random, 1_000, n, sigma=1.2))
        print(f"stationary noise, {n} requests: called non-stationary {wrong:.1%}")
        assert wrong <= 0.01


def test_a_server_that_stalls_at_its_own_rhythm_is_settled() -> None:
    """200 ms every 2 s are its steady state; two tries (a second warm-up) make a wrong verdict rarer still."""
    random = np.random.default_rng(10)
    times = np.sort(random.random((300, 600)) * 3, axis=1)
    into = (times + 2 * random.random((300, 1))) % 2
    waits = np.where(into < 0.2, (0.2 - into) * 1e9, 0.0)
    flagged = unsettled(latencies(random, 300, 600) + waits)
    print(f"stalling server called non-stationary {flagged:.1%}")
    assert flagged <= 0.05


@pytest.mark.parametrize(
    ("kind", "n", "least"),
    [("late step", 300, 0.95), ("late step", 2_000, 1.0), ("ramp", 5_000, 0.9), ("slow", 2_000, 0.9)],
)
def test_a_server_that_still_changes_is_found(kind: str, n: int, least: float) -> None:
    random = np.random.default_rng(12)
    shapes = {
        "late step": np.where(np.arange(n) < 0.7 * n, 3.0, 1.0),  # a JIT compiler that takes over late
        "slow": np.where(np.arange(n) < 0.8 * n, 1.0, 1.5),  # something that fills up
        "ramp": np.exp(np.linspace(0, math.log(3), n)),
    }
    found = unsettled(latencies(random, 100, n) * shapes[kind])
    print(f"{kind}, {n} requests: found {found:.0%}")
    assert found >= least


def test_a_warm_up_that_ends_early_is_stationary() -> None:
    random = np.random.default_rng(13)
    shape = np.where(np.arange(1_000) < 250, 3.0, 1.0)
    found = [warm_up(each * shape) for each in latencies(random, 200, 1_000)]
    assert np.mean([each.stationary for each in found]) >= 0.98
    assert np.median([each.truncation for each in found]) == pytest.approx(0.25, abs=0.02)


def test_noise_between_rounds_is_no_drift() -> None:
    random = np.random.default_rng(14)
    for rounds in (6, 12, 16):
        wrong = [np.mean([non_stationary(x)[0] for x in sd * random.normal(size=(2_000, rounds))]) for sd in (0.1, 0.3)]
        print(f"{rounds} rounds that do not drift, sd 0.1 and 0.3: called drifting {wrong[0]:.2%} and {wrong[1]:.2%}")
        assert max(wrong) <= 0.015


def test_rounds_that_all_drift_are_found() -> None:
    random = np.random.default_rng(15)
    found = np.mean([non_stationary(x)[0] for x in random.normal(math.log(1.4), 0.1, size=(500, 12))])
    assert found >= 0.95
