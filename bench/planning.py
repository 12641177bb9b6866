"""How many boots and rounds a run needs to show an effect, and how long that takes. Pure.

The variance of a boot's mean is that between boots plus that between rounds over their number, so rounds help only
against the second, and cost less (Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013). Their
optimum has a closed form; here small tests need more boots than it says, so the cheapest plan is looked for instead.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.statistics import LEVEL, POWER, boots_of, fewest_units, smallest_change
from bench.verdict import SESOI, ByFigure, log_ratios

MOST_BOOTS = 200
MOST_ROUNDS = 10  # per boot
_BOOT_SHARE = 0.16  # of the rounds' standard deviation: F = 1.10 between boots of 4 rounds (the larger of two series)


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of the log-ratio of two arms: of a boot's true mean, and of its rounds around that."""

    boot: float
    round: float

    def of_boot(self, rounds: int) -> float:
        """The standard deviation of a boot's mean over so many rounds."""
        return math.hypot(self.boot, self.round / math.sqrt(rounds))


# Measured between rounds of 2 s at 100 requests/s on a 2-core virtual machine, two identical servers; of a range, the
# larger. A run of one's own says more: `spreads` takes them from it.
DEFAULTS: Mapping[str, Spread] = {
    figure: Spread(_BOOT_SHARE * sd, sd) for figure, sd in (("CPU", 0.10), ("p50", 0.22), ("p95", 0.60), ("p99", 0.73))
}


@dataclass(frozen=True, slots=True)
class Design:
    """What it takes to show the effect in one figure."""

    figure: str
    spread: Spread
    boots: int  # of each arm
    rounds: int  # per boot
    minutes: float
    finds: float  # the smallest change, as a share, that this finds 4 times in 5
    enough: bool  # it does find the effect; False: the most that is offered does not


def fewest_boots(arms: int) -> int:
    """With fewer boots no pair of so many arms can be called different: the test's smallest p-value is too large."""
    return fewest_units(LEVEL / _comparisons(arms))


def plan(
    effect: float,
    arms: int = 2,
    spreads: Mapping[str, Spread] = DEFAULTS,
    *,
    seconds: float = 5.0,
    boot_seconds: float = 10.0,
    pilot_seconds: float = 8.0,
    sesoi: float = SESOI,
) -> list[Design]:
    """For each figure, the quickest boots x rounds that call an `effect` (0.1: 10 %) different 4 times in 5.

    `seconds` is one turn of one arm in a round with what surrounds it, `boot_seconds` a start with its checks and its
    warm-up, `pilot_seconds` what is asked of each arm once (the ceiling, cached answers). Every pair of arms is taken
    to be tested at Holm's strictest level. Raises ValueError where the effect is within the smallest of interest: that
    is never called different.
    """
    if arms < 2:
        raise ValueError(f"expected 2 arms or more to compare, found {arms}")
    if effect <= sesoi:
        raise ValueError(
            f"expected an effect above {sesoi:.0%}, the smallest of interest; found {effect:.0%}: "
            "ask for a larger effect, or lower --sesoi"
        )

    def minutes(boots: int, rounds: int) -> float:
        return arms * (pilot_seconds + boots * (boot_seconds + rounds * seconds)) / 60

    return [
        min(
            (_design(figure, spread, effect, arms, rounds, minutes, sesoi) for rounds in _ROUNDS),
            key=lambda design: (not design.enough, design.minutes if design.enough else design.finds, design.boots),
        )
        for figure, spread in spreads.items()
    ]


_ROUNDS = range(1, MOST_ROUNDS + 1)


def _design(
    figure: str,
    spread: Spread,
    effect: float,
    arms: int,
    rounds: int,
    minutes: Callable[[int, int], float],
    sesoi: float,
) -> Design:
    sd, level = spread.of_boot(rounds), LEVEL / _comparisons(arms)

    def found(boots: int) -> float:
        return smallest_change(boots, sd, level, sesoi)

    sizes = range(fewest_boots(arms), MOST_BOOTS + 1)
    index = bisect_left(sizes, True, key=lambda boots: found(boots) <= effect)
    boots = sizes[min(index, len(sizes) - 1)]
    return Design(figure, spread, boots, rounds, minutes(boots, rounds), found(boots), index < len(sizes))


def _comparisons(arms: int) -> int:
    return math.comb(arms, 2)


def spreads(arms: Mapping[str, ByFigure]) -> dict[str, Spread]:
    """The spread of each figure of DEFAULTS that a run's own values can tell, pooled over all pairs of its arms."""
    pairs = list(combinations(arms.values(), 2))
    shared = [figure for figure in DEFAULTS if all(figure in by_figure for by_figure in arms.values())]
    found = {figure: [spread(log_ratios(a[figure], b[figure])) for a, b in pairs] for figure in shared}
    return {figure: pooled for figure, each in found.items() if (pooled := _pooled(each))}


def _pooled(each: Sequence[Spread | None]) -> Spread | None:
    known = [spread for spread in each if spread]
    if not known:
        return None
    boot, within = (math.sqrt(np.mean([getattr(s, name) ** 2 for s in known])) for name in ("boot", "round"))
    return Spread(boot, within)


def spread(d: Sequence[Sequence[float]]) -> Spread | None:
    """Variance components of log-ratios (boots of rounds) by one-way analysis of variance, boots of any size.

    None below two boots. With one round per boot the two cannot be told apart, and all is taken to be between boots:
    then a plan asks for boots, which is right either way.
    """
    boots = boots_of(d)
    k, n = len(boots), sum(len(boot) for boot in boots)
    if k < 2:
        return None
    if n == k:
        return Spread(float(np.std(np.concatenate(boots), ddof=1)), 0.0)
    grand = float(np.concatenate(boots).mean())
    within = sum(float(((boot - boot.mean()) ** 2).sum()) for boot in boots) / (n - k)
    between = sum(len(boot) * (float(boot.mean()) - grand) ** 2 for boot in boots) / (k - 1)
    size = (n - sum(len(boot) ** 2 for boot in boots) / n) / (k - 1)
    return Spread(math.sqrt(max(0.0, (between - within) / size)), math.sqrt(within))


def lines(designs: Sequence[Design], effect: float, arms: int) -> list[str]:
    """The plan for a terminal."""
    comparisons = _comparisons(arms)
    of = f"{arms} arms ({comparisons} comparison{'s' * (comparisons > 1)} in each figure)"
    return [
        f"To find a difference of {effect:.0%} between {of}, {POWER:.0%} of the time:",
        *(_line(design, effect) for design in designs),
    ]


def _line(design: Design, effect: float) -> str:
    spread = f"sd {design.spread.boot:.2f} between boots, {design.spread.round:.2f} between rounds"
    size = f"--boots {design.boots} --rounds {design.rounds}"
    if design.enough:
        return f"{design.figure}: {size}, {_duration(design.minutes)} ({spread})"
    return (
        f"{design.figure}: not with {MOST_BOOTS} boots: {size} find {design.finds:.1%}, not {effect:.1%}, "
        f"in {_duration(design.minutes)} ({spread}); lengthen or quieten the rounds"
    )


def _duration(minutes: float) -> str:
    return f"{math.ceil(minutes)} min" if minutes < 120 else f"{minutes / 60:.1f} h"
