"""The figures of one round, and of an arm over its rounds. Pure: records in, numbers out.

Percentiles belong to a round and are summarised over rounds by their median. They are never pooled: requests of one
round are correlated, and pooled ones make two identical servers differ (Kalibera and Jones, ISMM 2013).
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.records import Records

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
MILLISECOND = 1e6  # in ns, the unit of all stamps

Percentiles = Mapping[str, float | None]
"""In ms by name; +inf where failed requests reach that far down, None where the sample is too small to say."""


def needed(quantile: float) -> int:
    """The smallest sample that bounds a quantile from above at 95 %: 59 for p95, 299 for p99, 2,995 for p99.9.

    With n values the largest lies above the quantile with probability 1 - quantile ** n.
    """
    return math.ceil(math.log(0.05) / math.log(quantile))


def percentiles(values_ns: NDArray[np.float64]) -> dict[str, float | None]:
    """Percentiles of times in ns, as ms: the smallest value that enough of the sample does not exceed."""
    ordered = np.sort(values_ns)
    return {
        name: float(ordered[math.ceil(quantile * len(ordered)) - 1]) / MILLISECOND
        if len(ordered) >= needed(quantile)
        else None
        for name, quantile in QUANTILES.items()
    }


@dataclass(frozen=True, slots=True)
class Figures:
    """One round of one arm."""

    requests: int  # intended in the counted window
    errors: Mapping[str, int]  # by kind
    response: Percentiles  # done - intended
    service: Percentiles  # done - sent
    lag: Percentiles  # sent - intended
    lateness: Percentiles  # taken - intended: the engine's own part of the lag
    offered: float  # requests/s that the schedule intended
    achieved: float  # answers/s until the last one had come
    cpu_us: float  # of all server processes, per prediction
    memory_mb: float
    memory_kind: str  # PSS or RSS
    engine_busy: float  # the engine's share of one CPU, 0..1
    cap_reached: int
    resent: int
    processes_changed: bool = False  # a server process ended or began, so CPU time is missing
    wrong: str = ""  # the first wrong answer among those compared


def of_round(
    records: Records, *, batch: int, memory: tuple[float, str], processes_changed: bool, wrong: str
) -> Figures:
    """The figures of a timed round; `memory` in bytes, with its kind."""
    counters = records.counters
    requests, answered = int(records.counted.sum()), records.answered()
    window = counters.window_ns / 1e9
    # The last answer is awaited beyond the window: the time that a server takes for one request is no loss of rate,
    # the time that requests waited for it is.
    service = records.service()
    once = float(np.median(service)) / 1e9 if answered * 2 > requests else 0.0
    return Figures(
        requests=requests,
        errors=records.errors(),
        response=percentiles(records.response()),
        service=percentiles(service),
        lag=percentiles(records.lag()),
        lateness=percentiles(records.lateness()),
        offered=requests / counters.seconds,
        achieved=answered / max(counters.seconds, window - once),
        cpu_us=counters.server_cpu_ns / 1e3 / (answered * batch) if answered else math.inf,
        memory_mb=memory[0] / 1e6,
        memory_kind=memory[1],
        engine_busy=counters.engine_cpu_ns / counters.window_ns,
        cap_reached=counters.cap_reached,
        resent=counters.resent,
        processes_changed=processes_changed,
        wrong=wrong,
    )


def capacity(records: Records) -> float:
    """Answers/s of a closed-loop window."""
    return records.answered() / (records.counters.window_ns / 1e9)


def median_percentiles(rounds: Iterable[Percentiles]) -> dict[str, float | None]:
    """The median of each percentile over rounds; None unless every round had enough requests to give it."""
    listed = list(rounds)
    result: dict[str, float | None] = {}
    for name in QUANTILES:
        values = [value for percentiles in listed if (value := percentiles[name]) is not None]
        result[name] = statistics.median(values) if len(values) == len(listed) else None
    return result
