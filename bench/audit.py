"""Does a server remember answers? Unique inputs against one repeated input, in a closed loop.

A benchmark asks the same few questions again and again; a cache answers them for nothing, at a speed that no user will
ever see. MLPerf's TEST04 audits for it in the same way. A paced load would hide it: only a server that is never idle
shows what a request costs it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from bench.load.records import Records

Batch = NDArray[Any]
Drive = Callable[[Sequence[Batch]], Records]
"""Runs one closed-loop window that asks these batches in turn."""

CPU_BOUND: Final = 1.15
"""Of the median ratio. Flask on a shared machine: 1.02 +- 0.02 as it is; with a dictionary of bodies and answers in its
process 1.36 for iris, its smallest work, and 1.80 for mnist."""
RATE_BOUND: Final = 1.5
"""For a server whose work is not on this machine's CPUs. A rate is several times noisier than CPU time: 0.7 to 1.5 in
single pairs of an honest server."""
AGREE: Final = 0.75  # of the pairs must show it: one neighbour at work does not
PAIRS: Final = 4
MORE_PAIRS: Final = 8  # when the first do not settle it
CLEAR: Final = (1.08, 1.25)  # medians of CPU and rate below which they do: half of the bounds
CERTAIN: Final = (1.6, 3.0)  # and above which: four times the bounds
ENOUGH: Final = 1.5  # unique inputs for each request that a window had so far: none is to come twice
FEWEST, MOST = 500, 20_000
MOST_BYTES: Final = 64_000_000  # of unique inputs at a time; of large ones fewer are asked, and come twice if need be


@dataclass(frozen=True, slots=True)
class CacheAudit:
    """How much more unique inputs cost than a repeated one, by pairs of neighbouring windows."""

    cpu: Sequence[float]  # server CPU time per request, unique / repeated
    rate: Sequence[float]  # requests/s, repeated / unique

    @property
    def cached(self) -> bool:
        """Whether the server answers from memory: most pairs agree, and their median is beyond a bound."""
        return _beyond(self.cpu, CPU_BOUND) or _beyond(self.rate, RATE_BOUND)

    @property
    def ratios(self) -> tuple[float, float]:
        """The medians of CPU and rate; 1 where nothing was measured."""
        return (median(self.cpu) if self.cpu else 1.0, median(self.rate) if self.rate else 1.0)


def cached(inputs: Sequence[Batch], drive: Drive, *, seed: int) -> CacheAudit:
    """Audit a warm server by windows in the order R U U R, so that a steady drift cancels.

    inputs: golden batches, each (N, *input shape). Four pairs of windows, and eight more if those leave it open.
    """
    random = np.random.default_rng(seed)
    repeated = [_typical(inputs, random)]
    found = CacheAudit([], [])
    count = FEWEST
    for number in range(PAIRS + MORE_PAIRS):
        if number == PAIRS and _settled(found):
            break
        if number % 2:
            different, same = drive(unique(inputs, count, random)), drive(repeated)
        else:
            same = drive(repeated)
            count = min(MOST, max(count, int(ENOUGH * len(same.outcome))))
            different = drive(unique(inputs, count, random))
        if same.answered() and different.answered():
            cpu = [_cpu(different) / _cpu(same)] if _cpu(same) else []
            found = CacheAudit([*found.cpu, *cpu], [*found.rate, _rate(same) / _rate(different)])
    return found


def _settled(found: CacheAudit) -> bool:
    """Whether the first pairs leave nothing open."""
    honest = all(ratio < clear for ratio, clear in zip(found.ratios, CLEAR, strict=True))
    return honest or any(ratio > certain for ratio, certain in zip(found.ratios, CERTAIN, strict=True))


def unique(inputs: Sequence[Batch], count: int, random: np.random.Generator) -> list[Batch]:
    """`count` new batches of the shape of the first: each position drawn from the goldens' values at that position.

    So all values stay in their domain, and their text is as long in the mean. No more than fit into MOST_BYTES.
    """
    rows = np.concatenate(list(inputs))
    values = rows.reshape(len(rows), -1)
    count, batch = min(count, max(1, MOST_BYTES // inputs[0].nbytes)), len(inputs[0])
    picks = random.integers(len(values), size=(count * batch, values.shape[1]))
    drawn = np.take_along_axis(values, picks, axis=0).reshape(count, batch, *rows.shape[1:])
    return list(drawn)


def _typical(inputs: Sequence[Batch], random: np.random.Generator) -> Batch:
    """The golden batch whose text is as long as unique ones are in the mean: a longer one costs more to read."""
    mean = np.mean([_length(batch) for batch in unique(inputs, 200, random)])
    return min(inputs, key=lambda batch: abs(_length(batch) - mean))


def _length(batch: Batch) -> int:
    return len(orjson.dumps(np.ascontiguousarray(batch), option=orjson.OPT_SERIALIZE_NUMPY))


def _cpu(records: Records) -> float:
    return records.counters.server_cpu_ns / records.answered()


def _rate(records: Records) -> float:
    return records.answered() / records.counters.window_ns


def _beyond(ratios: Sequence[float], bound: float) -> bool:
    if not ratios:
        return False
    agree = sum(ratio > (1 + bound) / 2 for ratio in ratios)
    return agree >= AGREE * len(ratios) and median(ratios) > bound
