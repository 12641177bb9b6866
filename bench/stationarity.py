"""Has a server settled? Tests on response times in the order in which requests were intended. Pure.

No fixed warm-up is right: many programs never reach a steady state (Barrett et al., "Virtual Machine Warmup Blows Hot
and Cold", OOPSLA 2017). The tests work on ranks, so that a stall or a failed request (infinite) weighs no more than any
other slow one, and on blocks longer than the memory of a queue, so that correlated neighbours are not taken for change.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FEWEST = 100  # requests: each half then has ten blocks of five
MIN_EFFECT = 0.10  # of the median: with enough requests any trifle is significant
_BATCH = 5  # the five of MSER-5
_KEPT = 0.2  # of the series: MSER-5 is not asked about its very end, where a few like values look like a steady state
_BLOCKS = 20  # at most: their order is what is permuted
_BLOCK = 5  # requests at least
_INNER = 1 / 3  # a change is looked for this far from both ends: a stall near an end is no new level
_CHANGE_LEVEL = 0.002  # of one change test; a warm-up takes up to two, and must be wrong in less than 1 %
_PERMUTATIONS = 999
_SEED = 20_171_027  # any; fixed so that the same series gets the same verdict
_DRIFT_LEVEL = 0.05

Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The verdict on a warm-up phase."""

    requests: int  # seen
    truncation: float  # share of them, 0..1, that MSER-5 would discard
    stationary: bool
    why: str = ""  # it is not


def warm_up(latencies_ns: Series) -> WarmUp:
    """Judge response times (any unit, +inf for failures, in the order of intended times) of a phase just ended.

    Stationary when MSER-5 would discard less than half, and the second half holds no change of level. MSER-5 has no
    error rate of its own, so a late truncation point counts only if the level does change. On stationary, correlated,
    heavy-tailed noise the verdict is wrong in less than 1 % (simulation in the tests).
    """
    n = len(latencies_ns)
    if n < FEWEST:
        return WarmUp(n, 0.0, False, f"{n} requests are too few to tell: expected {FEWEST} or more")
    share = mser5(latencies_ns) / n
    if math.isinf(np.median(latencies_ns)):
        return WarmUp(n, share, False, "half of the requests or more failed")
    if share > 0.5 and (change := _change(latencies_ns)):
        return WarmUp(n, share, False, f"it settled only after {share:.0%} of the phase: {change}")
    if change := _change(latencies_ns[n // 2 :]):
        return WarmUp(n, share, False, f"its second half still changes: {change}")
    return WarmUp(n, share, True)


def mser5(values: Series) -> int:
    """How many values to discard so that the mean of the rest has the least marginal standard error.

    White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 1997, on means of
    five, of ranks. At least a fifth is kept.
    """
    count = len(values) // _BATCH
    means = stats.rankdata(values)[: count * _BATCH].reshape(count, _BATCH).mean(axis=1)
    kept = np.arange(count, 0, -1)
    sums, squares = (np.cumsum(powers[::-1])[::-1] for powers in (means, means**2))
    errors = (squares - sums**2 / kept) / kept**2
    return _BATCH * int(np.argmin(errors[: math.floor(count * (1 - _KEPT)) + 1]))


def _change(values: Series) -> str:
    """The change of level in a series in words; "" if there is none."""
    p, at = change_point(values)
    before, after = np.median(values[:at]), np.median(values[at:])
    effect = float(after / before) if before > 0 else math.inf
    if p > _CHANGE_LEVEL or abs(math.log(effect)) <= math.log1p(MIN_EFFECT):
        return ""
    return f"median {abs(effect - 1):.0%} {'higher' if effect > 1 else 'lower'} from request {at} of {len(values)} on"


def change_point(values: Series) -> tuple[float, int]:
    """p-value of "the level is the same throughout", and where the series is split best (an index into it).

    The largest CUSUM of the block means of ranks, among those far from both ends, against the same of permuted blocks
    (seeded): whatever correlates within a block stays together. At least two values.
    """
    blocks = np.array_split(stats.rankdata(values), max(2, min(_BLOCKS, len(values) // _BLOCK)))
    means = np.array([block.mean() for block in blocks])
    means -= means.mean()
    first = max(1, math.ceil(len(blocks) * _INNER))
    inner = slice(first - 1, max(first, math.floor(len(blocks) * (1 - _INNER))))
    observed = np.abs(np.cumsum(means)[inner])
    permuted = np.abs(np.cumsum(means[_orders(len(blocks))], axis=1)[:, inner]).max(axis=1)
    as_far = int((permuted >= observed.max() - 1e-9 * len(values)).sum())
    at = sum(len(block) for block in blocks[: first + int(observed.argmax())])
    return (as_far + 1) / (_PERMUTATIONS + 1), at


@lru_cache(maxsize=_BLOCKS)
def _orders(count: int) -> NDArray[np.intp]:
    return np.argsort(np.random.default_rng(_SEED).random((_PERMUTATIONS, count)), axis=1)


def drift(response: Series, intended: Series) -> float:
    """log(median of the second half / of the first) of a window's response times, split at the middle intended time.

    +-inf where one half mostly failed, nan where both did or one is empty.
    """
    if not len(intended):
        return math.nan
    late = intended >= (intended.min() + intended.max()) / 2
    if late.all():
        return math.nan
    first, second = float(np.median(response[~late])), float(np.median(response[late]))
    if first <= 0 or second <= 0 or (math.isinf(first) and math.isinf(second)):
        return math.nan
    return math.log(second) - math.log(first)


def non_stationary(drifts: Sequence[float]) -> tuple[bool, str]:
    """Whether rounds drift the same way, and the figure to show.

    A round counts as drifting when its median changed by more than 10 % from half to half. Where nothing drifts, up and
    down are as likely, so "this many or more the same way" has at most a binomial chance, held below 5 %; rounds that
    drift by less make it far smaller. It takes six rounds: fewer can always agree by chance. Unknown drifts (nan) count
    as rounds without one.
    """
    bound = math.log1p(MIN_EFFECT)
    up, down = (sum(sign * each > bound for each in drifts) for sign in (1, -1))
    most = max(up, down)
    chance = min(1.0, 2 * float(stats.binom.sf(most - 1, len(drifts), 0.5))) if len(drifts) else 1.0
    known = [each for each in drifts if not math.isnan(each)]
    typical = math.expm1(float(np.median(known))) if known else 0.0
    way = "up" if up >= down else "down"
    figure = f"the median went {way} by more than {MIN_EFFECT:.0%} within {most} of {len(drifts)} rounds"
    return chance < _DRIFT_LEVEL, f"{figure}, by {typical:+.0%} in the middle one"
