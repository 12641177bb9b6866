"""Were the arrivals delivered that the schedule asked for? Pure: two sorted series of times in seconds in, figures out.

"200 requests/s" is no workload until it is said how they arrive: many clients deliver them in bursts, and a burst of
ten is another test than ten requests. So what was delivered is held against the schedule itself, not its rate.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.load.schedule import Schedule

WINDOW: Final = 0.010  # s, in which the index of dispersion counts
ROUNDING: Final = 2e-6  # s: a gap between two stamps may differ by this from the schedule's


@dataclass(frozen=True, slots=True)
class Delivered:
    """How far the arrivals that were delivered are from the schedule's."""

    p: float  # two-sample Kolmogorov-Smirnov of the gaps: the chance that the same process gives two so different ones
    dispersion: float  # index of dispersion in WINDOW, divided by the schedule's own or by 1 (Poisson), if that is more


def audit(schedule: Schedule, delivered: Schedule, tolerance: float = ROUNDING) -> Delivered:
    """Compare delivered arrivals with a schedule, both in s from the same zero; gaps may differ by `tolerance` s.

    The tolerance makes the statistic zero when each gap is as scheduled up to so much, whatever its distribution:
    without it a constant rate would be rejected for a jitter of nanoseconds. Counts may differ.
    """
    if min(len(schedule), len(delivered)) < 2:
        return Delivered(p=float(len(schedule) == len(delivered)), dispersion=1.0)
    wanted, found = np.diff(schedule), np.diff(np.sort(delivered))
    # F(x - t) > G(x), or G(x - t) > F(x): two one-sided tests with one sample moved by the tolerance
    more = stats.ks_2samp(found + tolerance, wanted, alternative="greater", method="asymp").pvalue
    less = stats.ks_2samp(found - tolerance, wanted, alternative="less", method="asymp").pvalue
    own = max(1.0, index_of_dispersion(schedule))
    return Delivered(p=float(min(1.0, 2 * min(more, less))), dispersion=index_of_dispersion(delivered) / own)


def index_of_dispersion(times: NDArray[np.float64], window: float = WINDOW) -> float:
    """Variance over mean of the number of arrivals per window: 1 for Poisson, 0 for a constant rate, more in bursts."""
    if not len(times):
        return 1.0
    index = np.floor(times / window).astype(np.int64)  # windows begin at zero, so that two series share theirs
    counts = np.bincount(index - index.min())
    return float(counts.var() / counts.mean())
