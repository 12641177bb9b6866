"""What a run may say about its arms: verdicts on all pairs, groups instead of ranks, and their words. Pure.

A verdict takes three things at once: an interval without "no difference", a p-value that holds for all pairs of arms in
that figure together (Holm), and an effect worth a word. Two arms that are not found different are not thereby equal:
*equivalent* is a claim of its own, and needs the whole interval within the smallest effect of interest (Schuirmann's
two one-sided tests, 1987).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, Self

from bench.statistics import LEVEL, SEED, Comparison, compare, fewest_units, holm, log_ratio, units_of

SESOI = 0.05

Nested = Sequence[Sequence[float | None]]
"""One figure of one arm: for each boot, its value in each round. None: too few requests; +inf: too many failed."""
ByFigure = Mapping[str, Nested]
Word = Literal["different", "equivalent", "not distinguishable"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """An arm against a base in one figure."""

    figure: str
    arm: str
    base: str
    comparison: Comparison
    p_holm: float  # adjusted for all pairs of arms in this figure
    word: Word

    def __str__(self) -> str:
        c = self.comparison
        judged = f"p {p_text(self.p_holm)}: {self.word}{_left_out(c)}{', screening' * c.screening}"
        interval = interval_text(c.low, c.high)
        return f"{self.figure}: {self.arm} {ratio_text(c.ratio)} of {self.base} {interval}, {judged}"

    def inverted(self) -> Self:
        """The same, said of the base against the arm."""
        return replace(self, arm=self.base, base=self.arm, comparison=self.comparison.inverted())


def log_ratios(arm: Nested, base: Nested) -> list[list[float]]:
    """The pairs of two arms of one run, boot by boot and round by round; both must have the same shape."""
    return [[log_ratio(*pair) for pair in zip(*boots, strict=True)] for boots in zip(arm, base, strict=True)]


def verdicts(arms: Mapping[str, ByFigure], *, sesoi: float = SESOI, seed: int = SEED) -> list[Verdict]:
    """All pairs of arms (the earlier one is the base) in every figure in which they have at least one pair of values.

    The family of tests that Holm's adjustment covers is all pairs of arms in one figure: each figure is a question of
    its own. `sesoi` is the smallest effect of interest: 0.05 means a ratio above 1.05, or below 1 / 1.05.
    """
    figures = dict.fromkeys(figure for by_figure in arms.values() for figure in by_figure)
    return [each for figure in figures for each in _family(figure, arms, sesoi, seed)]


def _family(figure: str, arms: Mapping[str, ByFigure], sesoi: float, seed: int) -> list[Verdict]:
    pairs = list(combinations([arm for arm in arms if figure in arms[arm]], 2))
    ratios = {(base, arm): log_ratios(arms[arm][figure], arms[base][figure]) for base, arm in pairs}
    known = {pair: d for pair, d in ratios.items() if len(units_of(d)[0])}
    found = {pair: compare(d, comparisons=len(known), sesoi=sesoi, seed=seed) for pair, d in known.items()}
    adjusted = holm([comparison.p for comparison in found.values()])
    return [
        Verdict(figure, arm, base, comparison, p, _word(comparison, p, math.log1p(sesoi)))
        for ((base, arm), comparison), p in zip(found.items(), adjusted, strict=True)
    ]


def _word(comparison: Comparison, p: float, least: float) -> Word:
    """`least`: the smallest log-ratio of interest.

    A round in which only one arm failed is an infinite ratio. It is left out of the interval and the test, which does
    no harm where it points the same way; where it points the other way, an arm that fails in its slow rounds would look
    fast by the rest. Arms of which one fails are never equivalent.
    """
    low, point, high = math.log(comparison.low or math.ulp(0)), math.log(comparison.ratio), math.log(comparison.high)
    against = comparison.infinite_below if point > 0 else comparison.infinite_above
    if p < LEVEL and abs(point) > least and not low <= 0 <= high and not against:
        return "different"
    if -least < low and high < least and not comparison.infinite:
        return "equivalent"
    return "not distinguishable"


def opposite(first: Verdict, second: Verdict) -> bool:
    """Whether two verdicts on the same pair contradict each other: both "different", in different directions.

    Raises ValueError when they are not on the same figure and pair.
    """
    if first.figure != second.figure or {first.arm, first.base} != {second.arm, second.base}:
        raise ValueError(f"expected verdicts on one pair in one figure; found '{first}' and '{second}'")
    aligned = second if second.arm == first.arm else second.inverted()
    sides = [each.comparison.ratio > 1 for each in (first, aligned)]
    return first.word == second.word == "different" and sides[0] != sides[1]


def groups(figure: str, arms: Mapping[str, ByFigure], found: Sequence[Verdict]) -> list[list[str]]:
    """The largest sets of arms none of which differs from another, by their geometric mean, least first.

    An arm may be in two: a like b and b like c do not make a like c. Arms without a verdict are in none.
    """
    like: dict[str, set[str]] = {}
    for each in (each for each in found if each.figure == figure):
        for one, other in ((each.base, each.arm), (each.arm, each.base)):
            like.setdefault(one, set()).update({other} - ({other} if each.word == "different" else set()))
    points = {arm: _log_point(arms[arm][figure]) for arm in like}
    order = sorted(points, key=points.__getitem__)  # of equal points, the one that was asked for first
    cliques = [sorted(clique, key=order.index) for clique in _cliques(set(), set(like), set(), like)]
    return sorted(cliques, key=lambda clique: [order.index(arm) for arm in clique])


def _log_point(values: Nested) -> float:
    return float(units_of([[log_ratio(value, 1.0) for value in boot] for boot in values])[0].mean())


def _cliques(clique: set[str], more: set[str], done: set[str], like: Mapping[str, set[str]]) -> list[set[str]]:
    """All maximal cliques that hold `clique`, some of `more` and none of `done` (Bron and Kerbosch 1973)."""
    if not more:
        return [clique] if clique and not done else []
    arm = min(more)
    with_it = _cliques(clique | {arm}, more & like[arm], done & like[arm], like)
    return with_it + _cliques(clique, more - {arm}, done | {arm}, like)


def lines(found: Sequence[Verdict], grouped: Mapping[str, Sequence[Sequence[str]]]) -> list[str]:
    """For each figure: every arm against the first, the groups, and what the run could have seen."""
    result: list[str] = []
    for figure in dict.fromkeys(each.figure for each in found):
        family = [each for each in found if each.figure == figure]
        result += [str(each) for each in family if each.base == family[0].base]
        sets = " ".join(f"[{', '.join(clique)}]" for clique in grouped[figure])
        if any(math.isfinite(each.comparison.mde) for each in family):  # else nothing could have been told apart
            result.append(f"{figure} in groups that cannot be told apart, least first: {sets}")
        result.append(seen(family))
    return result


def seen(family: Sequence[Verdict]) -> str:
    """The minimum detectable effect of one figure's verdicts, in words: of the pair that shows least."""
    figure, worst = family[0].figure, max((each.comparison for each in family), key=lambda c: c.mde)
    units = f"{worst.units} {worst.unit}{'s' * (worst.units != 1)}{' (screening)' * worst.screening}"
    if math.isinf(worst.mde):
        comparisons = "1 comparison takes" if len(family) == 1 else f"{len(family)} comparisons take"
        fewest = fewest_units(LEVEL / len(family))
        return f"{figure}: {units} cannot show a difference: {comparisons} {fewest} or more: BOOTS={fewest}"
    least = f"{worst.mde:.0%}" if worst.mde >= 0.0995 else f"{worst.mde:.1%}"  # 5.0%: of interest, 5.4%: seen
    return f"{figure}: differences from {least} on are found 4 times in 5 by {units}"


def _left_out(c: Comparison) -> str:
    why = [f"{count} {kind}" for count, kind in ((c.missing, "unknown"), (c.infinite, "infinite")) if count]
    return f" ({' and '.join(why)} pair{'s' * (c.missing + c.infinite > 1)} left out)" if why else ""


def ratio_text(ratio: float) -> str:
    """Two decimals, or two digits where those say too little."""
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.2g}"


def interval_text(low: float, high: float) -> str:
    """An interval of ratios."""
    return f"[{ratio_text(low)}, {ratio_text(high)}]"


def p_text(p: float) -> str:
    """Two digits, and no more precision than a small p-value has."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"
