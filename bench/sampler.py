"""How many requests are in flight, sampled by a timer of its own.

Little's law (Operations Research 9, 1961) ties this mean to rate and time in the system. As no stamp has a part in it,
records that have lost some disagree with it.
"""

import asyncio
import math
import statistics
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Final

from bench.pacer import SECOND, pace

BATCHES: Final = 20  # of consecutive samples, enough for a standard error; Law, Simulation Modeling, ch. 9
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
    """Reads `count()` about every `every` seconds from now until `stop()`; keeps sums of batches of samples alone."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: Callable[[], int], every: float, seconds: float) -> None:
        self._count = count
        self._size = max(1, int(seconds / every) // BATCHES)
        self._full: list[int] = []  # sums of whole batches
        self._sum = self._samples = 0  # of the present one
        self._gap = max(1, int(every * SECOND))
        self._pacer = pace(loop, Moments(monotonic_ns(), self._gap), self._sample)

    def _sample(self, _: int, when: int) -> None:
        if monotonic_ns() - when > self._gap:
            return  # after a pause, samples that were due in it would all see what has piled up by its end
        self._sum += self._count()
        self._samples += 1
        if self._samples == self._size:
            self._full.append(self._sum)
            self._sum = self._samples = 0

    def stop(self) -> tuple[float, float]:
        """The mean, and its standard error by batch means: 0 without a sample, and +inf from fewer than two batches."""
        self._pacer.close()
        samples = len(self._full) * self._size + self._samples
        mean = (sum(self._full) + self._sum) / samples if samples else 0.0
        means = [total / self._size for total in self._full]
        error = statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1 else math.inf
        return mean, error
