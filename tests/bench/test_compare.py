"""Two runs against each other: changes, bounds, comparability."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bench.compare import Bound, Change, changes, lines, missing, regressions, unlike

CHANGE = Change("flask", "p50", 1.2, 1.1, 1.3, 0.01, 8, 8, screening=False)


def run(level: float, boots: int = 8, rounds: int = 2, seed: int = 1, sd: float = 0.03) -> dict[str, Any]:
    noise = np.exp(sd * np.random.default_rng(seed).normal(size=(boots, rounds)))
    return {"flask": {"p50": (level * noise).tolist()}}


def test_a_change_is_found_with_its_size() -> None:
    (found,) = changes(run(1.0), run(1.2, seed=2))
    assert found.low < 1.2 < found.high
    assert found.low > 1.1
    assert found.p < 0.001
    assert (found.old, found.new, found.screening) == (8, 8, False)


def test_two_runs_of_the_same_hold_no_change() -> None:
    covered, rejected = [], []
    for seed in range(100):
        (found,) = changes(run(1.0, 6, 1, seed), run(1.0, 6, 1, 1_000 + seed, sd=0.06))
        covered.append(found.low <= 1 <= found.high)
        rejected.append(found.p < 0.05)
    assert np.mean(covered) >= 0.88  # 0.95, and what 100 scatter
    assert np.mean(rejected) <= 0.11


@settings(deadline=None, max_examples=10)
@given(st.floats(0.5, 2), st.integers(0, 100))
def test_the_runs_swapped_give_the_inverse(level: float, seed: int) -> None:
    old, new = run(1.0, 6, seed=seed), run(level, 6, seed=seed + 1)
    (there,), (back,) = changes(old, new), changes(new, old)
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.low == pytest.approx(1 / back.high, rel=0.01)  # other resamples
    assert there.p == back.p
    assert there.low <= there.ratio <= there.high


def test_few_boots_in_either_run_make_a_screening_of_rounds() -> None:
    (found,) = changes(run(1.0), run(1.2, boots=3, rounds=4))
    assert (found.old, found.new, found.screening) == (16, 12, True)
    assert str(found).endswith(", screening")


def test_one_round_says_nothing() -> None:
    (found,) = changes(run(1.0, 1, 1), run(2.0, 1, 1))
    assert (found.low, found.high, found.p) == (0, math.inf, 1)
    assert not regressions([found], [Bound.parse("p50>+10%")])


def test_unknown_values_are_left_out_and_failed_rounds_counted() -> None:
    old, new = run(1.0), run(1.0)
    new["flask"]["p50"][0] = [None, None]
    new["flask"]["p50"][1] = [math.inf, 1.0]
    old["flask"]["p50"][2] = [0.0, 1.0]
    (found,) = changes(old, new)
    assert (found.old, found.new, found.old_failed, found.new_failed) == (8, 7, 1, 1)
    assert "failed rounds 1 before and 1 now" in str(found)


def test_only_what_both_runs_have_is_compared_and_the_rest_is_named() -> None:
    old, new = run(1.0) | {"gone": {"p50": [[1.0]]}}, run(1.0) | {"added": {"p50": [[1.0]]}}
    assert [change.arm for change in changes(old, new)] == ["flask"]
    assert missing(old, new) == ["gone is only in the old run", "added is only in the new run"]


@pytest.mark.parametrize(
    ("text", "figure", "change", "shown"),
    [
        ("p50>+10%", "p50", 0.1, "p50>+10%"),
        ("CPU>+5%", "cpu", 0.05, "cpu>+5%"),
        ("p99.9 > +12.5 %", "p99.9", 0.125, "p99.9>+12.5%"),
        ("achieved<-2%", "achieved", -0.02, "achieved<-2%"),
        ("p50>+0%", "p50", 0.0, "p50>+0%"),
        ("achieved<-0%", "achieved", 0.0, "achieved<-0%"),
    ],
)
def test_bounds(text: str, figure: str, change: float, shown: str) -> None:
    bound = Bound.parse(text)
    assert (bound.figure, str(bound)) == (figure, shown)
    assert bound.change == pytest.approx(change)


@pytest.mark.parametrize(
    "text", ["", "p50", "p50>10%", "p50>-10%", "p50<+10%", "p50>+10", "p50>+x%", ">+10%", "p50=+1%"]
)
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the whole text is compared
        Bound.parse(text)
    assert str(refused.value) == f"expected a bound such as p50>+10%, cpu>+5% or achieved<-2%; found '{text}'"


def test_a_loss_of_everything_is_no_bound() -> None:
    with pytest.raises(ValueError, match=r"^expected a loss of less than 100% in a bound; found 'achieved<-100%'$"):
        Bound.parse("achieved<-100%")


@pytest.mark.parametrize(
    ("ratio", "low", "high", "bound", "broken"),
    [
        (1.2, 1.1, 1.3, "p50>+10%", True),
        (1.2, 0.9, 1.5, "p50>+10%", False),  # may be no change at all
        (1.05, 1.02, 1.08, "p50>+10%", False),  # a change within the bound
        (0.5, 0.4, 0.6, "p50>+10%", False),  # an improvement
        (0.9, 0.85, 0.95, "p50<-2%", True),
        (0.9, 0.80, 1.01, "p50<-2%", False),
        (1.2, 1.1, 1.3, "p50<-2%", False),
        (1.01, 1.005, 1.02, "p50>+0%", True),
        (math.nan, 0, math.inf, "p50>+0%", False),
    ],
)
def test_a_bound_is_broken_by_the_point_and_the_interval(
    ratio: float, low: float, high: float, bound: str, broken: bool
) -> None:
    change = replace(CHANGE, ratio=ratio, low=low, high=high)
    assert bool(regressions([change], [Bound.parse(bound)])) is broken


def test_new_failures_break_every_bound_of_their_figure() -> None:
    """Failed rounds make no ratio: without this a server that dies would pass."""
    failing = replace(CHANGE, ratio=0.9, low=0.8, high=0.95, new_failed=2)
    assert regressions([failing], [Bound.parse("p50>+10%"), Bound.parse("cpu>+10%")])[0].startswith(
        "p50>+10%: flask p50"
    )
    assert not regressions([replace(failing, old_failed=2)], [Bound.parse("p50>+10%")])


def test_a_run_that_only_fails_now_is_a_regression() -> None:
    (found,) = changes(run(1.0), run(math.inf))
    assert math.isnan(found.ratio)
    assert regressions([found], [Bound.parse("p50>+10%")])


def test_a_bound_on_a_figure_that_nobody_has_is_broken() -> None:
    assert regressions([CHANGE], [Bound.parse("p98>+10%")]) == [
        "p98>+10%: no arm has this figure in both runs; they share: p50"
    ]
    assert regressions([], [Bound.parse("p98>+10%")]) == [
        "p98>+10%: no arm has this figure in both runs; they share: none"
    ]


def test_lines() -> None:
    broken = regressions([CHANGE], [Bound.parse("p50>+10%")])
    assert lines([CHANGE], broken) == [
        "flask p50: 1.20 of before [1.10, 1.30], p 0.01",
        "REGRESSION p50>+10%: flask p50: 1.20 of before [1.10, 1.30], p 0.01",
    ]


def test_differences_of_comparability_keys() -> None:
    old = {"machine": {"cpu": "A", "cores": 2}, "model": "x", "locks": {"flask": "1"}}
    new = {"machine": {"cpu": "B", "cores": 2}, "model": "x", "locks": {"fastapi": "2"}}
    assert unlike(old, old) == []
    assert unlike(old, new) == [
        "machine.cpu was A, is B",
        "locks.flask was 1, is absent",
        "locks.fastapi was absent, is 2",
    ]
