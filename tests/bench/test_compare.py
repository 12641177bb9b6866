"""Two runs against each other: changes, bounds, comparability."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bench.agreement import lines as agreement, repeats
from bench.compare import Bound, Change, changes, lines, missing, regressions, unlike
from bench.statistics import Comparison
from bench.verdict import Verdict, Word, verdicts

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
    (broken,) = regressions([found], [Bound.parse("p50>+10%")])
    assert broken == (
        "p50>+10%: cannot be judged: flask p50: 2.00 of before [0, inf], p 1, screening; repeat both runs with more "
        "boots (--boots 6 or more), and where a round has too few requests for the figure, with longer ones (--seconds)"
    )


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
        (math.nan, math.nan, math.nan, "p50>+0%", True),  # nothing is known of one run
        (1.0, 0, math.inf, "p50>+10%", True),  # too little is known of one run
        (1.0, 0, math.inf, "achieved<-2%", False),  # but not of this figure
    ],
)
def test_a_bound_is_broken_by_the_point_and_the_interval(
    ratio: float, low: float, high: float, bound: str, broken: bool
) -> None:
    change = replace(CHANGE, ratio=ratio, low=low, high=high)
    other = replace(CHANGE, figure="achieved", ratio=1.0, low=0.99, high=1.01)
    assert bool(regressions([change, other], [Bound.parse(bound)])) is broken


def test_a_bound_that_cannot_be_judged_is_broken() -> None:
    """Otherwise a run too short to say anything would pass."""
    unknown: dict[str, Any] = {"flask": {"p50": [[None, None]] * 8}}
    for old, new in ((run(1.0), unknown), (unknown, run(1.0)), (unknown, unknown), (run(1.0, 1, 1), run(1.0))):
        broken = regressions(changes(old, new), [Bound.parse("p50>+10%")])
        assert len(broken) == 1
        assert broken[0].startswith("p50>+10%: cannot be judged: flask p50: ")
    always_failed = changes(run(math.inf), run(math.inf))  # no more than before, and no ratio
    assert "cannot be judged" in regressions(always_failed, [Bound.parse("p50>+10%")])[0]
    failed_once = changes(run(1.0), run(1.0) | {"flask": {"p50": [[math.inf], [1.0]]}})
    assert "cannot be judged" not in regressions(failed_once, [Bound.parse("p50>+10%")])[0]  # broken, for what it is


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
        "BROKEN p50>+10%: flask p50: 1.20 of before [1.10, 1.30], p 0.01",
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


def said(ratio: float, low: float, high: float, word: Word = "different", pair: str = "flask fastapi") -> Verdict:
    arm, base = pair.split()
    return Verdict("CPU", arm, base, Comparison(ratio, low, high, 0.01, 8, "boot", 0.05, 0.1), 0.01, word)


OLD = said(1.58, 1.51, 1.69)


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (said(1.55, 1.49, 1.62), "1.55 [1.49, 1.62] now: intervals overlap, verdicts agree"),
        (said(1.40, 1.30, 1.50), "1.40 [1.30, 1.50] now: intervals apart, verdicts agree"),
        (said(0.62, 0.59, 0.66), "0.62 [0.59, 0.66] now: intervals apart, OPPOSITE VERDICTS"),
        (said(0.62, 0.59, 0.66, pair="fastapi flask"), "1.61 [1.52, 1.69] now: intervals overlap, verdicts agree"),
        (said(1.61, 1.51, 1.70, pair="fastapi flask"), "0.62 [0.59, 0.66] now: intervals apart, OPPOSITE VERDICTS"),
        (
            said(1.50, 0.97, 2.00, "not distinguishable"),
            "1.50 [0.97, 2.00] now: intervals overlap, different before, not distinguishable now",
        ),
        (
            said(1.50, 0, math.inf, "not distinguishable", "fastapi flask"),
            "0.67 [0, inf] now: intervals overlap, different before, not distinguishable now",
        ),
    ],
)
def test_two_runs_agree_or_not(now: Verdict, text: str) -> None:
    assert agreement([OLD], [now])[0] == f"CPU: flask of fastapi 1.58 [1.51, 1.69] before, {text}"


def test_agreement_counts_all_pairs() -> None:
    others = [replace(OLD, figure=figure) for figure in ("p50", "p99")]
    against = replace(said(0.62, 0.59, 0.66), figure="p50")
    assert agreement([OLD, others[0]], [OLD, *others])[-1] == "2 pairs: no opposite verdict, 2 of 2 intervals overlap"
    assert agreement([OLD, others[0]], [OLD, against])[-1] == "2 pairs: 1 opposite verdict, 1 of 2 intervals overlap"
    assert agreement([OLD], [said(0.6, 0.5, 0.7)])[-1] == "1 pair: 1 opposite verdict, 0 of 1 intervals overlap"
    assert agreement([others[0], OLD], [against, said(0.6, 0.5, 0.7)])[-1].startswith("2 pairs: 2 opposite verdicts,")
    assert agreement([OLD], others) == agreement([], []) == []


@settings(deadline=None, max_examples=10)
@given(st.floats(0.5, 2), st.integers(0, 100))
def test_a_run_agrees_with_itself_whatever_the_order_of_its_arms(level: float, seed: int) -> None:
    arms = {"a": run(1.0, seed=seed)["flask"], "b": run(level, seed=seed + 1)["flask"]}
    there, back = verdicts(arms), verdicts(dict(reversed(arms.items())))
    (same,) = repeats(there, back)
    assert same.overlaps
    assert not same.contradicts
    assert same.now.comparison.ratio == pytest.approx(there[0].comparison.ratio)


def test_two_boots_of_each_can_break_no_bound_and_hold_none() -> None:
    """Even where every value of one run exceeds all of the other, p is 2 / 6."""
    old = {"flask": {"p50": [[1.0], [1.01]]}}
    (change,) = changes(old, {"flask": {"p50": [[1.0], [1.02]]}})
    assert not change.judgeable
    assert "cannot be judged" in regressions([change], [Bound.parse("p50>+10%")])[0]
