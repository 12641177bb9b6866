"""What a run's rounds say about each arm: rows, ratios, findings. Pure."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from statistics import median

from bench import gates
from bench.figures import Figures, Percentiles, median_percentiles
from bench.gates import Finding

FLOOR = "in-process"


@dataclass(frozen=True, slots=True)
class Round:
    """One round: every arm once under the same schedule, in this order, and the floor."""

    number: int
    seed: int
    order: tuple[str, ...]
    arms: Mapping[str, Figures]
    floor: Percentiles
    floor_cpu_us: float


@dataclass(frozen=True, slots=True)
class Row:
    """An arm over all its rounds: medians of the per-round figures. The floor has no rates, memory or errors."""

    name: str
    response: Percentiles
    cpu_us: float
    memory_mb: float | None = None
    memory_kind: str = ""
    offered: float | None = None
    achieved: float | None = None
    capacity: float | None = None
    errors: Mapping[str, int] = field(default_factory=dict)  # summed over rounds
    void: bool = False


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of an arm divided by the base arm's, paired by round."""

    arm: str
    base: str
    figure: str
    median: float
    low: float  # smallest over rounds
    high: float  # largest over rounds
    rounds: int  # that had both figures, finite


@dataclass(frozen=True, slots=True)
class Summary:
    """The floor, a row for each arm, every other arm against the first, and what a reader must know."""

    floor: Row
    rows: Sequence[Row]
    ratios: Sequence[Ratio]
    findings: Sequence[Finding]


def summarise(rounds: Sequence[Round], capacity: Mapping[str, float]) -> Summary:
    """Summarise finished rounds; `capacity` names the arms, in the order of the rows. A void arm gets no ratios."""
    by_arm = {arm: [r.arms[arm] for r in rounds] for arm in capacity}
    findings = gates.inspect(by_arm)
    void = {finding.arm for finding in findings if finding.voids}
    rows = [_row(arm, figures, capacity[arm], void=arm in void) for arm, figures in by_arm.items()]
    base, *others = by_arm
    ratios = [] if base in void else [r for arm in others if arm not in void for r in _ratios(arm, base, by_arm)]
    floor = Row(FLOOR, median_percentiles(r.floor for r in rounds), median(r.floor_cpu_us for r in rounds))
    return Summary(floor, rows, ratios, findings)


def _row(name: str, rounds: Sequence[Figures], capacity: float, *, void: bool) -> Row:
    return Row(
        name=name,
        response=median_percentiles(figures.response for figures in rounds),
        cpu_us=median(figures.cpu_us for figures in rounds),
        memory_mb=median(figures.memory_mb for figures in rounds),
        memory_kind=rounds[0].memory_kind,
        offered=median(figures.offered for figures in rounds),
        achieved=median(figures.achieved for figures in rounds),
        capacity=capacity,
        # A plain dict: dataclasses.asdict makes another thing of a Counter.
        errors=dict(sum((Counter(figures.errors) for figures in rounds), Counter[str]())),
        void=void,
    )


def _ratios(arm: str, base: str, rounds: Mapping[str, Sequence[Figures]]) -> Iterable[Ratio]:
    for figure, value in _COMPARED.items():
        ratios = [_divided(value(a), value(b)) for a, b in zip(rounds[arm], rounds[base], strict=True)]
        if known := [ratio for ratio in ratios if ratio is not None]:
            yield Ratio(arm, base, figure, median(known), min(known), max(known), len(known))


def _divided(value: float | None, base: float | None) -> float | None:
    if value is None or base is None or not (math.isfinite(value) and math.isfinite(base) and base > 0):
        return None
    return value / base


def _p50(figures: Figures) -> float | None:
    return figures.response["p50"]


_COMPARED: Mapping[str, Callable[[Figures], float | None]] = {"CPU": attrgetter("cpu_us"), "p50": _p50}
