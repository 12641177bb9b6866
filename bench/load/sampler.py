"""How many requests are in flight, sampled by a timer of its own.

Little's law (Operations Research 9, 1961) ties this mean to rate and time in the system. As no stamp of a request has a
part in it, records that have lost some disagree with it. A sample that comes late, after the loop or the whole process
had to wait, says nothing about the time it was due; so each is held against the records at the time it was taken.
"""

import asyncio
import math
from array import array
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Final

import numpy as np

from bench.load.pacer import SECOND, pace

BATCHES: Final = 20  # of consecutive samples, enough for a standard error; Law, Simulation Modeling, ch. 9
SAMPLES: Final = 100_000  # 1.6 MB
GOLDEN: Final = (math.sqrt(5) - 1) / 2


class Moments(Sequence[int]):
    """Sampling times without an end to speak of, none stored: one in each stretch of `every` ns from `start`.

    Where in its stretch walks by the golden ratio, so that no periodic schedule keeps in step with it.
    """

    def __init__(self, start: int, every: int) -> None:
        self._start = start
        self._every = every

    def __len__(self) -> int:
        return 1 << 62

    def __getitem__(self, index: int) -> int:  # type: ignore[override] # nobody slices it
        return self._start + int((index + index * GOLDEN % 1.0) * self._every)


class Sampler:
    """Reads `count()` about every `every` seconds from now until `stop()`: SAMPLES times at most in `seconds`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: Callable[[], int], every: float, seconds: float) -> None:
        self.times = array("q")  # when each sample was taken, late or not, in monotonic ns
        self._counts = array("q")
        self._count = count
        gap = max(1, int(max(every, seconds / SAMPLES) * SECOND))
        self._pacer = pace(loop, Moments(monotonic_ns(), gap), self._sample)

    def _sample(self, _index: int, _when: int) -> None:
        self.times.append(monotonic_ns())
        self._counts.append(self._count())

    def stop(self) -> tuple[float, float]:
        """The mean, and its standard error by batch means: 0 without a sample, and +inf from fewer than BATCHES."""
        self._pacer.close()
        counts = np.array(self._counts, np.float64)
        size = len(counts) // BATCHES
        if not size:
            return float(counts.mean()) if len(counts) else 0.0, math.inf
        means = counts[: size * BATCHES].reshape(BATCHES, size).mean(axis=1)
        return float(counts.mean()), float(means.std(ddof=1) / math.sqrt(BATCHES))
