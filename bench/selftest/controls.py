"""The controls themselves: real servers, the real engine, and figures as a run takes them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench import statistics
from bench.figures import Figures
from bench.load.ceiling import ceiling as ceiling_of
from bench.resources import placement
from bench.selftest import judge
from bench.selftest.judge import BURNT_US, ERRORS, Control
from bench.selftest.lab import PLAIN, Faults
from bench.selftest.subject import REQUEST, serving

Tick = Callable[[str], None]
"""Told what comes next, so many times as the control has steps."""

WORK: Final = Faults(busy_us=200)  # an honest server of the size of a small web framework
STALLING: Final = Faults(stall=0.2, every=2.0)
COMPARISONS: Final = 20
PAIRS: Final = 6  # of a screening
BUSY_PAIRS: Final = 12
RATE: Final = 600.0
SHORT: Final = 0.3  # seconds of a window; starting the engine takes nearly as long
LONG: Final = 12.0  # six stalls


@dataclass(frozen=True, slots=True)
class Planned:
    """A control that can be run."""

    steps: int
    run: Callable[[Tick], Control]


def ceiling(tick: Tick) -> Control:
    tick("ceiling of the engine")
    return judge.ceiling(ceiling_of(REQUEST, PLAIN, 16, 2.0, placement(1)))


def same(tick: Tick) -> Control:
    p_values: dict[str, list[float]] = {"CPU": [], "p50": []}
    for number in range(COMPARISONS):
        tick(f"two boots of one server, comparison {number + 1} of {COMPARISONS}")
        pairs = list(compared(WORK, WORK, PAIRS, seed=1 + number))
        for figure, value in FIGURES.items():
            d = [statistics.log_ratio(value(b), value(a)) for a, b in pairs]
            p_values[figure].append(statistics.compare([d]).p)
    return judge.same(p_values)


def busy(tick: Tick) -> Control:
    tick(f"a server that burns {BURNT_US:g} µs more")
    more = Faults(busy_us=WORK.busy_us + BURNT_US)
    return judge.busy(np.array([b.cpu_us - a.cpu_us for a, b in compared(WORK, more, BUSY_PAIRS, seed=101)]))


def stall(tick: Tick) -> Control:
    tick("a server that stalls")
    with serving(STALLING) as subject:
        return judge.stall(subject.turn(RATE, LONG, seed=201).figures.response)


def errors(tick: Tick) -> Control:
    tick("a server that fails at times")
    with serving(Faults(errors=ERRORS)) as subject:
        records, figures = subject.turn(RATE, LONG / 2, seed=301)
    return judge.errors(figures.requests, sum(figures.errors.values()), records.response())


FIGURES: Mapping[str, Callable[[Figures], float | None]] = {
    "CPU": lambda figures: figures.cpu_us,
    "p50": lambda figures: figures.response["p50"],
}


def compared(a: Faults, b: Faults, pairs: int, seed: int) -> Iterator[tuple[Figures, Figures]]:
    """Rounds of two fresh servers, one at a time under the same schedule, the order turning from round to round."""
    with serving(a) as first, serving(b) as second:
        arms = {"a": first, "b": second}
        for number in range(pairs):
            order = sorted(arms, reverse=bool(number % 2))
            found = {arm: arms[arm].turn(RATE, SHORT, 1_000 * seed + number).figures for arm in order}
            yield found["a"], found["b"]


PLANNED: Mapping[str, Planned] = {
    "ceiling": Planned(1, ceiling),
    "same": Planned(COMPARISONS, same),
    "busy": Planned(1, busy),
    "stall": Planned(1, stall),
    "errors": Planned(1, errors),
}
