"""Verdicts, groups, and their words."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bench import verdict
from bench.statistics import compare
from bench.verdict import Verdict, Word, groups, lines, opposite, verdicts

JITTER = (0.99, 1.01, 1.0, 1.02, 0.98, 1.005, 0.995, 1.0)


def arm(level: float, jitter: Sequence[float] = JITTER) -> dict[str, list[list[float | None]]]:
    return {"CPU": [[level * each] for each in jitter]}


def test_a_verdict_of_each_kind() -> None:
    base = arm(100, (1.0,) * 8)
    noisy = (0.8, 1.2, 0.9, 1.3, 1.0, 0.85, 1.15, 1.1)
    (different, alike, unclear) = (verdicts({"base": base, "it": it})[0] for it in (arm(61), arm(100), arm(100, noisy)))
    assert (different.word, alike.word, unclear.word) == ("different", "equivalent", "not distinguishable")
    assert str(different) == "CPU: it 0.61 of base [0.60, 0.62], p 0.0078: different"


def test_an_effect_below_the_smallest_of_interest_is_not_different() -> None:
    small = verdicts({"base": arm(100, (1.0,) * 8), "it": arm(104)})[0]
    assert small.comparison.low > 1
    assert small.p_holm < 0.05
    assert small.word == "not distinguishable"
    assert verdicts({"base": arm(100, (1.0,) * 8), "it": arm(104)}, sesoi=0.02)[0].word == "different"


def test_p_is_adjusted_within_a_figure() -> None:
    arms = {name: arm(level) | {"p50": arm(level)["CPU"]} for name, level in (("a", 1), ("b", 2), ("c", 4))}
    found = verdicts(arms)
    assert [(each.figure, each.base, each.arm) for each in found] == [
        (figure, *pair) for figure in ("CPU", "p50") for pair in combinations("abc", 2)
    ]
    assert {each.p_holm for each in found} == {3 * 2 / 2**8}


def test_too_many_arms_for_the_boots_are_told_so() -> None:
    arms = {str(level): arm(level) for level in (1, 2, 4, 8, 16)}
    found = verdicts(arms)
    assert {each.word for each in found} == {"not distinguishable"}
    assert verdict.seen(found) == "CPU: 8 boots cannot show a difference: 10 comparisons take 9 or more: BOOTS=9"


@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 2), st.integers(0, 1000))
def test_the_order_of_the_arms_does_not_matter(level: float, seed: int) -> None:
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.05, 8)).tolist()
    one, other = arm(1), arm(level, noise)
    (there,), (back,) = verdicts({"a": one, "b": other}), verdicts({"b": other, "a": one})
    assert there.word == back.word
    assert there.comparison.ratio == pytest.approx(1 / back.comparison.ratio)
    assert there.p_holm == back.p_holm
    assert not opposite(there, back)


def test_scale_does_not_matter() -> None:
    one, two = ([verdicts({"a": arm(unit), "b": arm(1.3 * unit)})[0]] for unit in (1e-3, 1e6))
    assert one[0].word == two[0].word
    assert one[0].comparison.low == pytest.approx(two[0].comparison.low)


def test_pairs_that_cannot_be_made_are_named_and_failures_are_not_judged() -> None:
    """An arm that fails in its slow rounds would look fast by the others."""
    base, it = arm(100, JITTER * 2), arm(61, JITTER * 2)
    base["CPU"][0][0] = None
    assert str(verdicts({"base": base, "it": it})[0]).endswith("different (1 unknown pair left out)")
    it["CPU"][1][0] = it["CPU"][2][0] = math.inf
    text = str(verdicts({"base": base, "it": it})[0])
    assert text.endswith("not distinguishable (1 unknown and 2 infinite pairs left out)")


def slow_and_failing(failing: str) -> str:
    """`it`, 20 times slower in 15 boots; in the 16th, one of the two failed."""
    arms = {"base": arm(1, JITTER * 2), "it": arm(20, JITTER[::-1] * 2)}
    arms[failing]["CPU"][-1][0] = math.inf
    return str(verdicts(arms)[0])


def test_a_failed_round_hides_no_difference_that_it_confirms() -> None:
    text = slow_and_failing("it")
    assert text.startswith("CPU: it 20.01 of base [")
    assert text.endswith(": different (1 infinite pair left out)")
    assert slow_and_failing("base").endswith(": not distinguishable (1 infinite pair left out)")


@pytest.mark.parametrize("failing", ["base", "it"])
def test_an_arm_that_fails_is_not_equivalent_to_one_that_does_not(failing: str) -> None:
    arms = {"base": arm(100, (*JITTER, 1.0)), "it": arm(100, (*JITTER[::-1], 1.0))}
    assert verdicts(arms)[0].word == "equivalent"
    arms[failing]["CPU"][-1][0] = math.inf
    assert verdicts(arms)[0].word == "not distinguishable"


def test_a_figure_that_an_arm_never_has_gets_no_verdict() -> None:
    empty: dict[str, list[list[float | None]]] = {"CPU": [[None]] * 8}
    found = verdicts({"a": arm(1), "b": arm(2), "c": empty})
    assert [(each.arm, each.base) for each in found] == [("b", "a")]
    assert found[0].p_holm == 2 / 2**8  # a test that was not made costs the others nothing


def test_arms_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        verdicts({"a": arm(1), "b": {"CPU": [[1.0]]}})


def word(figure: str, a: str, b: str, kind: Word, ratio: float = 1.5) -> Verdict:
    comparison = replace(compare([[0.1]] * 8), ratio=ratio)
    return Verdict(figure, b, a, comparison, 0.01, kind)


def test_groups_overlap_because_being_alike_is_not_transitive() -> None:
    arms = {name: arm(level) for name, level in (("c", 3), ("a", 1), ("b", 2))}
    found = [
        word("CPU", "a", "b", "not distinguishable"),
        word("CPU", "b", "c", "equivalent"),
        word("CPU", "a", "c", "different"),
    ]
    assert groups("CPU", arms, found) == [["a", "b"], ["b", "c"]]


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1])))
def test_groups_are_all_maximal_sets_without_a_difference(different: set[tuple[int, int]]) -> None:
    names = "abcdef"
    arms = {name: arm(1 + i) for i, name in enumerate(names)}
    found = [
        word("CPU", names[i], names[j], "different" if (i, j) in different else "equivalent")
        for i, j in combinations(range(6), 2)
    ]
    alike = [
        set(some)
        for size in range(1, 7)
        for some in combinations(range(6), size)
        if not any(pair in different for pair in combinations(some, 2))
    ]
    maximal = sorted(sorted(some) for some in alike if not any(some < other for other in alike))
    assert groups("CPU", arms, found) == [[names[i] for i in some] for some in maximal]


def test_lines_show_the_first_arm_as_base_the_groups_and_what_could_be_seen() -> None:
    arms = {"flask": arm(100), "fastapi": arm(61, (1.0,) * 8), "bentoml": arm(101, JITTER[::-1])}
    found = verdicts(arms)
    shown = lines(found, {"CPU": groups("CPU", arms, found)})
    assert shown[0].startswith("CPU: fastapi 0.61 of flask [")
    assert shown[1].startswith("CPU: bentoml 1.01 of flask [")
    assert shown[2] == "CPU in groups that cannot be told apart, least first: [fastapi] [flask, bentoml]"
    assert shown[3].startswith("CPU: differences from ")
    assert shown[3].endswith(" on are found 4 times in 5 by 8 boots")
    assert len(shown) == 4


def test_a_screening_says_so() -> None:
    found = verdicts({"a": arm(1, JITTER[:5]), "b": arm(2, JITTER[:5])})
    assert str(found[0]).endswith(", p 0.062: not distinguishable, screening")
    expected = "CPU: 5 rounds (screening) cannot show a difference: 1 comparison takes 6 or more: BOOTS=6"
    assert verdict.seen(found) == expected


def test_what_is_seen_is_never_below_the_smallest_effect_of_interest() -> None:
    arms = {"base": arm(100), "it": arm(130)}  # the same jitter: no scatter of the ratios
    assert verdict.seen(verdicts(arms)) == "CPU: differences from 5.0% on are found 4 times in 5 by 8 boots"
    assert verdict.seen(verdicts(arms, sesoi=0.2)) == "CPU: differences from 20% on are found 4 times in 5 by 8 boots"


def test_opposite_verdicts() -> None:
    up, down = word("CPU", "a", "b", "different", 1.5), word("CPU", "a", "b", "different", 0.7)
    swapped = word("CPU", "b", "a", "different", 1.5)
    assert opposite(up, down)
    assert opposite(up, swapped)
    assert not opposite(down, swapped)
    assert not opposite(up, replace(down, word="not distinguishable"))
    with pytest.raises(ValueError, match="expected verdicts on one pair in one figure"):
        opposite(up, word("p50", "a", "b", "different"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.611, "0.61"), (0.0123, "0.012"), (1.0, "1.00"), (12.345, "12.35"), (123.4, "123"), (math.inf, "inf")],
)
def test_ratios_in_words(value: float, text: str) -> None:
    assert verdict.ratio_text(value) == text
