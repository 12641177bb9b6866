"""Boots, rounds and minutes for an effect. That they keep what they promise is in test_size."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bench.planning import DEFAULTS, MOST_BOOTS, Spread, fewest_boots, lines, plan, spread, spreads
from bench.statistics import compare

CPU = {"CPU": Spread(0.0, 0.1)}


@pytest.mark.parametrize(("arms", "boots"), [(2, 6), (3, 7), (4, 8), (5, 9), (6, 10), (15, 13)])
def test_the_fewest_boots_by_arms(arms: int, boots: int) -> None:
    assert fewest_boots(arms) == boots
    assert plan(3.0, arms, CPU)[0].boots == boots  # even where the effect is huge


def test_a_plan_by_hand() -> None:
    """Boots alike, rounds of sd 0.1, 13 %: eight boots of one round; arms x (pilot + boots x (start + turns))."""
    (design,) = plan(0.13, 2, CPU, seconds=5, boot_seconds=10, pilot_seconds=8)
    assert (design.boots, design.rounds, design.enough) == (8, 1, True)
    assert design.minutes == 2 * (8 + 8 * 15) / 60
    assert design.finds <= 0.13


def test_rounds_are_taken_where_they_help_and_cost_less_than_boots() -> None:
    assert plan(0.1, 2, {"it": Spread(0.1, 0.0)})[0].rounds == 1
    slow, fast = (plan(0.1, 2, {"it": Spread(0.02, 0.2)}, boot_seconds=cost)[0] for cost in (60, 0.1))
    assert slow.rounds > fast.rounds
    assert slow.boots < fast.boots


@settings(deadline=None, max_examples=10)
@given(st.floats(0.06, 1), st.floats(1.1, 3), st.sampled_from([2, 3, 5]))
def test_a_smaller_effect_never_takes_less(effect: float, factor: float, arms: int) -> None:
    for small, large in zip(plan(effect, arms), plan(effect * factor, arms), strict=True):
        assert (not small.enough) or small.minutes >= large.minutes


def test_every_figure_has_its_own() -> None:
    by_figure = {design.figure: design for design in plan(0.1)}
    assert list(by_figure) == list(DEFAULTS)
    assert by_figure["CPU"].minutes < by_figure["p50"].minutes < by_figure["p95"].minutes < by_figure["p99"].minutes


def test_an_impossible_plan_says_what_is_possible() -> None:
    (design,) = plan(0.06, 2, {"p99": Spread(0.2, 0.8)})
    assert (design.enough, design.boots) == (False, MOST_BOOTS)
    assert design.finds > 0.06
    text = lines([design], 0.06, 2)[1]
    assert text.startswith("p99: not with 200 boots: --boots 200 --rounds 10 find ")
    assert "not 6.0%, in 6.7 h (sd 0.20 between boots, 0.80 between rounds)" in text


def test_lines() -> None:
    assert lines(plan(0.13, 2, CPU), 0.13, 2) == [
        "To find a difference of 13% between 2 arms (1 comparison in each figure), 80% of the time:",
        "CPU: --boots 8 --rounds 1, 5 min (sd 0.00 between boots, 0.10 between rounds)",
    ]
    assert "5 arms (10 comparisons in each figure)" in lines(plan(0.13, 5, CPU), 0.13, 5)[0]


def test_meaningless_questions_are_refused() -> None:
    expected = (
        "expected an effect above 5%, the smallest of interest; found 3%: ask for a larger effect, or lower --sesoi"
    )
    with pytest.raises(ValueError, match=f"^{expected}$"):
        plan(0.03)
    with pytest.raises(ValueError, match=r"^expected 2 arms or more to compare, found 1$"):
        plan(0.1, 1)


def components(d: list[list[float]]) -> tuple[float, float]:
    found = spread(d)
    assert found is not None
    return found.boot, found.round


def test_components_of_spread() -> None:
    random = np.random.default_rng(1)
    d = 0.1 * random.normal(size=(400, 1)) + 0.3 * random.normal(size=(400, 4))
    found = components(d.tolist())
    assert found[0] == pytest.approx(0.1, rel=0.25)
    assert found[1] == pytest.approx(0.3, rel=0.05)
    sizes = [boot[: 1 + number % 4].tolist() for number, boot in enumerate(d)]  # a resumed run
    uneven = components(sizes)
    assert uneven[0] == pytest.approx(0.1, rel=0.4)
    assert uneven[1] == pytest.approx(0.3, rel=0.1)
    assert Spread(*found).of_boot(4) == pytest.approx(compare(d.tolist()).sd, rel=0.02)


def test_components_that_cannot_be_told() -> None:
    assert spread([[0.1, 0.2]]) is None
    assert spread([[0.1, 0.2], [math.nan]]) is None
    assert components([[0.0], [0.1], [0.2]]) == pytest.approx((0.1, 0))
    assert components([[0.0, 0.2], [0.2, 0.0]]) == pytest.approx((0, math.sqrt(0.02)))


def test_spreads_of_a_run() -> None:
    level: list[list[float | None]] = [[1.0, 1.1], [1.2, 1.0], [0.9, 1.0]]
    unknown: list[list[float | None]] = [[None, None]] * 3
    arms = {"a": {"CPU": level, "p99": unknown}, "b": {"CPU": level[::-1], "p99": unknown}}
    found = spreads(arms)
    assert list(found) == ["CPU"]
    assert plan(0.5, 2, found)[0].figure == "CPU"
    assert spreads({}) == {}


def test_only_what_is_judged_within_a_run_is_planned_for() -> None:
    """Rates and memory are compared between runs, and have no verdict."""
    level: list[list[float | None]] = [[1.0, 1.1], [1.2, 1.0]]
    arms = {name: {"achieved": level, "RSS": level, "p50": level, "CPU": level} for name in "ab"}
    assert list(spreads(arms)) == ["CPU", "p50"]
    del arms["b"]["CPU"]
    assert list(spreads(arms)) == ["p50"]
