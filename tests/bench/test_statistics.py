"""Point, interval and test of paired log-ratios. What they promise over many runs is in test_size."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from bench.statistics import (
    boots_of,
    compare,
    detectable,
    fewest_units,
    holm,
    log_ratio,
    power,
    sign_flip,
    smallest_change,
    units_of,
)

values = st.floats(-3, 3).map(lambda x: round(x, 6))
runs = st.lists(st.lists(values, min_size=1, max_size=3), min_size=1, max_size=9)
units = st.lists(values, min_size=1, max_size=9).map(np.array)


@settings(deadline=None)
@given(runs)
def test_swapping_the_arms_inverts_the_ratio_and_keeps_the_rest(d: list[list[float]]) -> None:
    one, other = compare(d), compare([[-x for x in boot] for boot in d])
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert other.low == pytest.approx(1 / one.high if math.isfinite(one.high) else 0)
    assert other.p == one.p
    assert (other.units, other.unit) == (one.units, one.unit)
    assert other.sd == pytest.approx(one.sd)
    assert other.mde == pytest.approx(one.mde)


@settings(deadline=None)
@given(runs)
def test_the_interval_holds_the_point_and_p_is_never_below_its_least(d: list[list[float]]) -> None:
    found = compare(d)
    assert found.low <= found.ratio * (1 + 1e-12)
    assert found.high >= found.ratio * (1 - 1e-12)
    assert 2 / 2**found.units <= found.p <= 1


@given(units)
def test_p_is_the_share_of_all_flips(x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    sums = [abs(sum(s * each for s, each in zip(signs, x, strict=True)))
            for signs in itertools.product((1, -1), repeat=len(x))]  # fmt: skip
    assert sign_flip(x) == pytest.approx(np.mean([each >= abs(sum(x)) - 1e-9 for each in sums]))


@given(units, st.floats(1e-6, 1e6))
def test_p_knows_no_scale(x: np.ndarray[tuple[int], np.dtype[np.float64]], scale: float) -> None:
    assert sign_flip(x * scale) == sign_flip(x)


def test_p_agrees_with_scipy() -> None:
    x = np.random.default_rng(1).normal(0.4, 1, 9)
    theirs = stats.permutation_test((x,), np.sum, permutation_type="samples", n_resamples=10_000)
    assert sign_flip(x) == pytest.approx(theirs.pvalue)


def test_beyond_sixteen_units_p_is_estimated() -> None:
    random = np.random.default_rng(2)
    x = random.normal(0.4, 1, 18)
    assert sign_flip(x) == pytest.approx(stats.ttest_1samp(x, 0).pvalue, abs=0.02)
    assert 1 / 2**15 <= sign_flip(np.ones(18)) < 1e-3  # the observed flip counts: never zero
    assert sign_flip(x, seed=1) == sign_flip(x, seed=1)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-6, 1e9))
def test_a_log_ratio_knows_no_unit(value: float, base: float, scale: float) -> None:
    assert log_ratio(value * scale, base * scale) == pytest.approx(log_ratio(value, base), abs=1e-9)


@pytest.mark.parametrize(
    ("value", "base", "expected"),
    [
        (None, 1.0, math.nan), (1.0, None, math.nan), (0.0, 1.0, math.nan), (1.0, 0.0, math.nan),
        (math.inf, math.inf, math.nan), (math.inf, 1.0, math.inf), (1.0, math.inf, -math.inf), (math.e, 1.0, 1.0),
    ],
)  # fmt: skip
def test_a_pair_without_a_ratio(value: float | None, base: float | None, expected: float) -> None:
    assert log_ratio(value, base) == pytest.approx(expected, nan_ok=True)


def test_pairs_that_are_left_out_are_counted() -> None:
    found = compare([[0.1, math.nan], [0.2, math.inf], [math.nan], [-math.inf, 0.3]])
    assert (found.missing, found.infinite_above, found.infinite_below, found.units) == (2, 1, 1, 3)
    assert found.infinite == 2
    assert found.ratio == pytest.approx(math.exp(0.2))


def test_a_comparison_the_other_way_round() -> None:
    d = [[x] for x in (*np.random.default_rng(8).normal(0.3, 0.1, 8), math.inf)]
    there, back = compare(d), compare([[-x] for (x,) in d])
    turned = there.inverted()
    assert turned.ratio == pytest.approx(back.ratio)
    assert turned.low == pytest.approx(back.low, rel=0.01)  # equal but for the resamples
    assert turned.high == pytest.approx(back.high, rel=0.01)
    assert (turned.infinite_above, turned.infinite_below) == (0, 1)
    assert (turned.p, turned.sd, turned.units) == (back.p, back.sd, back.units)
    alone = compare([[0.5]]).inverted()
    assert (alone.low, alone.high) == (0, math.inf)


def test_nothing_known_says_nothing() -> None:
    nothing: list[list[list[float]]] = [[], [[]], [[math.nan]], [[0.5]]]
    for d in nothing:
        found = compare(d)
        assert (found.low, found.high, found.p, found.mde) == (0, math.inf, 1, math.inf)


def test_six_boots_are_units_and_weigh_the_same() -> None:
    """A boot that was cut short and made up by a resumed run has other numbers of rounds; its mean counts once."""
    boots = [[0.1, 0.3], [0.2], [0.2, 0.2, 0.2], [0.0, 0.4], [0.2], [0.8, 1.2]]
    found, kind = units_of(boots)
    assert kind == "boot"
    assert found == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.2, 1.0])
    assert not compare(boots).screening


def test_fewer_boots_are_a_screening_by_rounds() -> None:
    found = compare([[0.1, 0.2]] * 5)
    assert (found.unit, found.units, found.screening) == ("round", 10, True)
    lost = compare([[0.1, 0.2]] * 5 + [[math.nan, math.nan]])  # a boot without a pair is none
    assert (lost.unit, lost.missing) == ("round", 2)


def test_boots_of_nothing_are_left_out() -> None:
    assert [boot.tolist() for boot in boots_of([[1.0, math.nan], [], [math.inf], [2.0]])] == [[1.0], [2.0]]


def test_the_same_data_and_seed_say_the_same() -> None:
    d = [[x] for x in np.random.default_rng(5).normal(size=8)]
    assert compare(d, seed=3) == compare(d, seed=3)
    assert compare(d, seed=3).low != compare(d, seed=4).low


def test_a_comparison_by_hand() -> None:
    found = compare([[math.log(2.0)]] * 7 + [[math.log(2.0) + 0.01]])
    assert found.ratio == pytest.approx(2, rel=0.01)
    assert found.p == 2 / 2**8
    assert found.low == pytest.approx(2, rel=0.01)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_only_raises_and_keeps_the_order(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))
    by_p = [q for _, q in sorted(zip(ps, adjusted, strict=True))]
    assert by_p == sorted(by_p)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize(("level", "units"), [(0.05, 6), (0.05 / 3, 7), (0.05 / 6, 8), (0.05 / 10, 9), (2 / 2**7, 7)])
def test_how_many_units_reach_a_level(level: float, units: int) -> None:
    assert fewest_units(level) == units
    assert 2 / 2**units <= level < 2 / 2 ** (units - 1)


def test_what_a_test_can_detect() -> None:
    assert detectable(5) == math.inf
    assert detectable(6) == pytest.approx(stats.norm.ppf(0.8 ** (1 / 6)), rel=0.002)  # all six have one sign
    assert detectable(2_000) < detectable(2_000, 0.005) < 0.09
    assert detectable(30) == pytest.approx(2.8 / math.sqrt(30), rel=0.06)  # as a large sample has it
    sizes = [detectable(n) for n in range(6, 40)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("n", [8, 12, 13, 20])
def test_power_runs_from_the_level_to_one(n: int) -> None:
    assert 0.02 <= power(n, 0.0) <= 0.06  # large tests count only the side of the effect
    assert power(n, 5.0) == pytest.approx(1, abs=1e-3)


def test_more_comparisons_leave_less_to_see() -> None:
    d = [[x] for x in np.random.default_rng(6).normal(0, 0.1, 8)]
    mdes = [compare(d, comparisons=n).mde for n in (1, 3, 6, 10)]
    assert mdes[:3] == sorted(mdes[:3])
    assert mdes[3] == math.inf  # eight boots cannot reach 0.005


def test_what_is_found_is_of_interest_too() -> None:
    """Below the smallest effect of interest nothing is called different, however quiet the boots are."""
    assert smallest_change(8, 0.0, sesoi=0.05) == pytest.approx(0.05)
    assert smallest_change(8, 0.01, sesoi=0.05) > 0.05
    assert smallest_change(8, 0.3, sesoi=0.05) == smallest_change(8, 0.3)  # the test is the harder of the two
    assert smallest_change(5, 0.0, sesoi=0.05) == math.inf
    assert compare([[0.2]] * 8, sesoi=0.05).mde == pytest.approx(0.05)
