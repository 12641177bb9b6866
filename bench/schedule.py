"""When requests are meant to be sent: pure functions, made before the run from a seed.

A schedule is a sorted float64 array of *intended* send times in seconds from the start, each in [0, seconds). It never
looks at answers: a client that waits for them slows down with the server and hides its stalls (Schroeder, Wierman and
Harchol-Balter, "Open Versus Closed", NSDI 2006).
"""

import numpy as np
from numpy.typing import NDArray

Schedule = NDArray[np.float64]


def poisson(rate: float, seconds: float, seed: int) -> Schedule:
    """Arrivals of a Poisson process at `rate` per second over `seconds`, the same for the same seed.

    Arrivals of many independent users look like this, and they see time averages (Wolff, "PASTA", 1982). Drawn by its
    order-statistics property: a Poisson count, then that many independent uniform times, sorted.

    Raises ValueError unless rate and seconds are positive and finite.
    """
    _require_positive(rate=rate, seconds=seconds)
    random = np.random.default_rng(seed)
    count = random.poisson(rate * seconds)
    return np.sort(random.random(count) * seconds)


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"a schedule needs {name} > 0, found {value}")
