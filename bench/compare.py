"""Two runs of the same arms, an old and a new one: what has changed, and whether a bound is broken. Pure.

The runs share no rounds, so nothing pairs them: their boots are two independent samples. The interval and the test
know how boots of one run scatter; they cannot know that the machine itself was another one that day (other tenants,
another kernel). So runs are compared only under one comparability key, and a change near a bound deserves a third run.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import stats

from bench.statistics import FEWEST_BOOTS, LEVEL, SEED, Values, boots_of, deviations, log_ratio, reach
from bench.verdict import ByFigure, Nested, interval_text, p_text, ratio_text

SPLITS = 20_000  # of all boots into old and new: exact to here (8 and 8 boots have 12,870), beyond random
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one arm, new / old."""

    arm: str
    figure: str
    ratio: float  # of geometric means over boots
    low: float  # its 95 % interval
    high: float
    p: float  # two-sided, of "both runs are draws of the same": permutation of boots
    old: int  # boots; rounds in a screening
    new: int
    screening: bool  # one of the runs has fewer than six boots, so rounds stand in for them
    old_failed: int = 0  # rounds whose figure is infinite or zero because requests failed
    new_failed: int = 0

    def __str__(self) -> str:
        failed = (
            f", failed rounds {self.old_failed} before and {self.new_failed} now"
            if self.old_failed or self.new_failed
            else ""
        )
        return (
            f"{self.arm} {self.figure}: {ratio_text(self.ratio)} of before {interval_text(self.low, self.high)}, "
            f"p {p_text(self.p)}{failed}{', screening' * self.screening}"
        )

    @property
    def judgeable(self) -> bool:
        """Whether there is a ratio at all, and enough of both runs for an interval and for a p-value below 5 %."""
        smallest = 2 / math.comb(self.old + self.new, self.old)  # when every value of one run exceeds all of the other
        return self.low > 0 and self.high < math.inf and math.isfinite(self.ratio) and smallest < LEVEL


@dataclass(frozen=True, slots=True)
class Bound:
    """What `--fail-if` says: the largest change of a figure that is let pass."""

    figure: str  # in lower case
    change: float  # as a share: 0.1 of p50>+10%, -0.02 of achieved<-2%

    @classmethod
    def parse(cls, text: str) -> Self:
        """`p50>+10%`, `cpu>+5%` (worse when it grows) or `achieved<-2%` (worse when it shrinks).

        Raises ValueError that says what was expected.
        """
        match = _BOUND.fullmatch(text)
        if not match:
            raise ValueError(f"expected a bound such as p50>+10%, cpu>+5% or achieved<-2%; found '{text}'")
        figure, change = match["figure"].lower(), float(match["change"]) / 100
        if change <= -1:
            raise ValueError(f"expected a loss of less than 100% in a bound; found '{text}'")
        return cls(figure, change)

    def __str__(self) -> str:
        return f"{self.figure}{'>' if self.grows else '<'}{100 * self.change:+g}%"

    @property
    def grows(self) -> bool:
        """Whether it is an increase that breaks the bound."""
        return math.copysign(1, self.change) > 0

    def broken_by(self, change: Change) -> bool:
        """The point is beyond the bound and the interval excludes "no change", or more rounds failed than before."""
        if change.new_failed > change.old_failed:
            return True
        if self.grows:
            return change.ratio > 1 + self.change and change.low > 1
        return change.ratio < 1 + self.change and change.high < 1


_BOUND = re.compile(r"\s*(?P<figure>[A-Za-z][\w.]*)\s*(?:>\s*(?=\+)|<\s*(?=-))(?P<change>[+-]\d+(?:\.\d+)?)\s*%\s*")


def changes(old: Mapping[str, ByFigure], new: Mapping[str, ByFigure], *, seed: int = SEED) -> list[Change]:
    """Every figure of every arm that both runs have; each maps arm -> figure -> for each boot, its rounds' values."""
    return [
        _change(arm, figure, old[arm][figure], new[arm][figure], seed)
        for arm in old
        if arm in new
        for figure in old[arm]
        if figure in new[arm]
    ]


def _change(arm: str, figure: str, old: Nested, new: Nested, seed: int) -> Change:
    logs = [[[_log(value) for value in boot] for boot in run] for run in (old, new)]
    boots = [boots_of(run) for run in logs]
    screening = min(map(len, boots)) < FEWEST_BOOTS
    before, after = (
        np.concatenate([np.empty(0), *run]) if screening else np.array([boot.mean() for boot in run]) for run in boots
    )
    failed = [sum(math.isinf(value) for boot in run for value in boot) for run in logs]
    point = float(after.mean() - before.mean()) if len(before) and len(after) else math.nan
    down, up, p = _scatter(before, after, seed)
    return Change(
        arm, figure, math.exp(point), math.exp(point + down), math.exp(point + up), p,
        len(before), len(after), screening, *failed,
    )  # fmt: skip


def _log(value: float | None) -> float:
    return -math.inf if value == 0 else log_ratio(value, 1.0)


def _scatter(before: Values, after: Values, seed: int) -> tuple[float, float, float]:
    """How far the interval reaches down and up, and the p-value: bootstrap and permutation of independent units."""
    if min(len(before), len(after)) < 2:
        return -math.inf, math.inf, 1.0
    differences = deviations(after, seed + 1) - deviations(before, seed)
    test = stats.permutation_test((after, before), _difference, vectorized=True, n_resamples=SPLITS, rng=seed)
    return *reach(differences, _freedom(before, after)), float(test.pvalue)


def _difference(after: Values, before: Values, axis: int) -> Values:
    difference: Values = after.mean(axis=axis) - before.mean(axis=axis)
    return difference


def _freedom(before: Values, after: Values) -> float:
    """Welch's degrees of freedom (1947); without any scatter, the smaller sample's."""
    parts = [float(values.var(ddof=1)) / len(values) for values in (before, after)]
    below = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (before, after), strict=True))
    return sum(parts) ** 2 / below if below else min(len(before), len(after)) - 1


def regressions(found: Sequence[Change], bounds: Sequence[Bound]) -> list[str]:
    """What breaks which bound, in words; empty when nothing does.

    A bound that cannot be judged, or whose figure no arm has, is broken: it is there to stop what nobody looks at.
    """
    result: list[str] = []
    for bound in bounds:
        about = [change for change in found if change.figure.lower() == bound.figure]
        if not about:
            known = ", ".join(dict.fromkeys(change.figure for change in found)) or "none"
            result.append(f"{bound}: no arm has this figure in both runs; they share: {known}")
        for change in about:
            if bound.broken_by(change):
                result.append(f"{bound}: {change}")
            elif not change.judgeable:
                result.append(f"{bound}: cannot be judged: {change}; {_REMEDY}")
    return result


_REMEDY = (
    f"repeat both runs with more boots (--boots {FEWEST_BOOTS} or more), "
    "and where a round has too few requests for the figure, with longer ones (--seconds)"
)


def unlike(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Where two comparability keys (nested mappings) differ, in words; empty for keys that are the same."""
    before, now = dict(_leaves(old)), dict(_leaves(new))
    return [
        f"{name} was {before.get(name, ABSENT)}, is {now.get(name, ABSENT)}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name, ABSENT) != now.get(name, ABSENT)
    ]


def _leaves(key: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in key.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def missing(old: Mapping[str, ByFigure], new: Mapping[str, ByFigure]) -> list[str]:
    """Arms that only one of the runs has, in words."""
    lost, added = ([arm for arm in one if arm not in other] for one, other in ((old, new), (new, old)))
    return [f"{arm} is only in the old run" for arm in lost] + [f"{arm} is only in the new run" for arm in added]


def lines(found: Sequence[Change], broken: Sequence[str] = ()) -> list[str]:
    """The comparison for a terminal: all changes, then the broken bounds."""
    return [*map(str, found), *(f"BROKEN {each}" for each in broken)]
