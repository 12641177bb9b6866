"""Two arms compared by paired log-ratios: the point, its interval, the test, what the sample could have seen. Pure.

The unit of replication is the boot: rounds of one boot share memory layout, hash seed and luck, and requests of one
round share more (Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013). With fewer than six boots
no test over boots can reach 5 %, so rounds stand in for them and the comparison is only a *screening*: its p-value
holds as far as rounds are independent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

FEWEST_BOOTS = 6  # a sign-flip test of n units never goes below 2 / 2**n: 5 give 0.063, 6 give 0.031
LEVEL = 0.05
POWER = 0.8
RESAMPLES = 10_000
EXACT_UNITS = 16  # up to here all 2**n flips are tried
SEED = 20_150_731  # any; fixed so that a result read again says the same
_POWER_SETS = 2_000  # simulated for the power of a small test: its standard error is then at most 0.011
_Z_POWER = 0.8416  # the normal quantile of POWER
_POWER_UNITS = 12  # beyond, the noncentral t distribution gives the sign-flip test's power within 0.02

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against a base in one figure."""

    ratio: float  # arm / base: exp of the mean over units of their mean log-ratio; nan without a single pair
    low: float  # its 95 % interval
    high: float
    p: float  # two-sided, of "the two do not differ"; never below 2 / 2**units
    units: int
    unit: Literal["boot", "round"]
    sd: float  # of the units' log-ratios; inf below two units
    mde: float  # smallest change, as a share (0.1 is 10 %), that is found 4 times in 5; inf where none can be
    missing: int = 0  # pairs left out because a figure was not known (too few requests, say)
    infinite_above: int = 0  # pairs left out because failed requests made the arm's figure infinite, not the base's
    infinite_below: int = 0  # and the base's, not the arm's

    @property
    def screening(self) -> bool:
        """Too few boots, so that rounds stand in for them."""
        return self.unit == "round"

    @property
    def infinite(self) -> int:
        """Pairs left out because failed requests made exactly one of the two infinite."""
        return self.infinite_above + self.infinite_below

    def inverted(self) -> Self:
        """The base against the arm."""
        return replace(
            self, ratio=_inverse(self.ratio), low=_inverse(self.high), high=_inverse(self.low),
            infinite_above=self.infinite_below, infinite_below=self.infinite_above,
        )  # fmt: skip


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio else math.inf


def log_ratio(value: float | None, base: float | None) -> float:
    """log(value / base): nan where there is no ratio (unknown, zero, both infinite), +-inf where one is infinite."""
    if value is None or base is None or not (value > 0 and base > 0):
        return math.nan
    return math.nan if math.isinf(value) and math.isinf(base) else math.log(value) - math.log(base)


def compare(d: Sequence[Sequence[float]], *, comparisons: int = 1, sesoi: float = 0.0, seed: int = SEED) -> Comparison:
    """Compare by log-ratios `d`: for each boot, those of its rounds, as `log_ratio` makes them.

    Boots weigh the same whatever their number of rounds (a resumed run has short ones). Pairs without a finite ratio
    are left out and counted. The mde allows for Holm's first step among `comparisons` tests of one family, and for
    `sesoi`, the change (as a share) that the point must exceed. The same `d` and `seed` give the same result.
    """
    units, unit = units_of(d)
    pairs = [pair for boot in d for pair in boot]
    low, high = interval(units, seed)
    sd = float(units.std(ddof=1)) if len(units) > 1 else math.inf
    return Comparison(
        ratio=math.exp(units.mean()) if len(units) else math.nan,
        low=math.exp(low),
        high=math.exp(high),
        p=sign_flip(units, seed),
        units=len(units),
        unit=unit,
        sd=sd,
        mde=smallest_change(len(units), sd, LEVEL / comparisons, sesoi),
        missing=sum(map(math.isnan, pairs)),
        infinite_above=pairs.count(math.inf),
        infinite_below=pairs.count(-math.inf),
    )


def units_of(d: Sequence[Sequence[float]]) -> tuple[Values, Literal["boot", "round"]]:
    """The independent values in nested ones: the means of boots where there are six or more, else those of rounds."""
    boots = boots_of(d)
    if len(boots) >= FEWEST_BOOTS:
        return np.array([boot.mean() for boot in boots]), "boot"
    return np.concatenate([np.empty(0), *boots]), "round"


def boots_of(d: Sequence[Sequence[float]]) -> list[Values]:
    """The finite values of each boot that has any."""
    finite = ([value for value in boot if math.isfinite(value)] for boot in d)
    return [np.array(boot, dtype=np.float64) for boot in finite if boot]


def interval(units: Values, seed: int = SEED) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of independent units, corrected for small samples; infinite below two.

    The percentile interval is too narrow by sqrt((n - 1) / n) and by z / t (Hesterberg, "What Teachers Should Know
    About the Bootstrap", The American Statistician 2015). He reads quantiles further out to make up for both, but few
    values have none so far out. Stretching the interval about the mean by the same two factors covers 94 to 95 % from
    four units on (simulated in the tests); the plain interval covers 86 % at six, quantiles further out 88 % at four
    and 93 to 94 % at six.
    """
    if len(units) < 2:
        return -math.inf, math.inf
    down, up = reach(deviations(units, seed), len(units) - 1)
    return float(units.mean()) + down, float(units.mean()) + up


def deviations(units: Values, seed: int) -> Values:
    """Bootstrap means less the mean, with the variance of an unbiased estimate; two units or more."""
    n = len(units)
    means: Values = _weights(n, seed) @ (units - units.mean())
    return means * math.sqrt(n / (n - 1))


def reach(deviations: Values, freedom: float) -> tuple[float, float]:
    """How far a 95 % interval reaches from the mean, down (<= 0) and up (>= 0)."""
    stretch = stats.t.ppf(1 - LEVEL / 2, freedom) / stats.norm.ppf(1 - LEVEL / 2)
    down, up = stretch * np.quantile(deviations, [LEVEL / 2, 1 - LEVEL / 2])
    return min(0.0, float(down)), max(0.0, float(up))  # equal units: not past the mean by a rounding


@lru_cache(maxsize=32)
def _weights(n: int, seed: int) -> Values:
    """Bootstrap resamples of n units as the weight of each unit in each resample, shape (RESAMPLES, n)."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n


def sign_flip(units: Values, seed: int = SEED) -> float:
    """Two-sided p-value of "each unit might as well have had the other sign", by the sum (Fisher 1935).

    Exact, over all 2**n flips, to 16 units; beyond, from as many random flips as 16 units have, the observed one
    among them. 1.0 without units.
    """
    n = len(units)
    flips = _flips(n) if n <= EXACT_UNITS else _random_flips(n, seed)
    return float(_share_as_far(units[None, :], flips)[0])


def _share_as_far(sets: Values, flips: Values) -> Values:
    """For each row of `sets`, the share of flips whose sum is as far from zero as that of the first, no flip."""
    sums = np.abs(sets @ flips.T)
    # Equal sums may differ in their last bits.
    share: Values = (sums >= sums[:, :1] - 1e-9 * np.abs(sets).sum(axis=1, keepdims=True)).mean(axis=1)
    return share


@lru_cache(maxsize=EXACT_UNITS + 1)
def _flips(n: int) -> Values:
    """All signs of n units, the last unit's kept, shape (2**(n - 1), n): the other half mirrors them."""
    numbers = np.arange(2 ** max(n - 1, 0))
    return np.where((numbers[:, None] >> np.arange(n)) & 1, -1.0, 1.0)


def _random_flips(n: int, seed: int) -> Values:
    flips = np.random.default_rng(seed).choice([-1.0, 1.0], size=(2 ** (EXACT_UNITS - 1), n))
    flips[0] = 1.0
    return flips


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the chance of any false one in the family (Holm 1979), in the order given."""
    adjusted, least = [1.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        least = max(least, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = least
    return adjusted


def fewest_units(level: float) -> int:
    """The smallest number of units whose sign-flip test can go down to `level`."""
    return max(2, math.ceil(math.log2(2 / level) - 1e-9))


def smallest_change(n: int, sd: float, level: float = LEVEL, sesoi: float = 0.0) -> float:
    """The smallest change, as a share, that n units of that standard deviation show 4 times in 5; inf if none.

    The test must find it, and its point estimate must come out beyond `sesoi`, the smallest effect of interest.
    """
    effect = detectable(n, level)
    if math.isinf(effect):
        return math.inf
    return math.expm1(max(sd * effect, math.log1p(sesoi) + _Z_POWER * sd / math.sqrt(n)))


@lru_cache(maxsize=2048)
def detectable(n: int, level: float = LEVEL) -> float:
    """The effect, in standard deviations of a unit, that the sign-flip test of n units finds 4 times in 5; or inf."""
    if n < fewest_units(level):
        return math.inf
    return float(optimize.brentq(lambda effect: power(n, effect, level) - POWER, 0.0, 5.0, xtol=1e-3))


def power(n: int, effect: float, level: float = LEVEL) -> float:
    """The chance that the sign-flip test of n normal units finds an effect given in their standard deviations.

    Small tests have few p-values and are weaker than a t test: with six units all must agree in sign, which takes
    1.8 standard deviations for 80 % where the t test takes 1.4. So that case is computed, other small ones simulated
    (seeded), and larger ones taken as t tests at the level that their p-values can attain.
    """
    if n < fewest_units(level):
        return 0.0
    finest = 2.0 ** (1 - min(n, 60))  # p-values are its multiples
    attained = finest * math.floor(level / finest + 1e-9)
    if attained == finest:
        return float(stats.norm.cdf(effect) ** n + stats.norm.cdf(-effect) ** n)
    if n <= _POWER_UNITS:
        noise = np.random.default_rng(SEED).normal(size=(_POWER_SETS // 2, n))
        return float((_share_as_far(np.vstack([noise, -noise]) + effect, _flips(n)) <= level + 1e-12).mean())
    critical = stats.t.ppf(1 - attained / 2, n - 1)
    return float(stats.nct.sf(critical, n - 1, effect * math.sqrt(n)))
