"""What a run's rounds say about each arm: rows, verdicts, findings. Pure."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench import budget, gates, verdict
from bench.errors import BenchError
from bench.figures import Figures, Percentiles, median_percentiles
from bench.gates import Evidence, Finding
from bench.results import Round, Run
from bench.verdict import Verdict

FLOOR = "in-process"
HOUR_US = 3600e6
Value = Callable[[Figures], float | None]
COMPARED: Mapping[str, Value] = {
    "CPU": lambda figures: figures.cpu_us,
    "p50": lambda figures: figures.response["p50"],
    "p95": lambda figures: figures.response["p95"],
    "p99": lambda figures: figures.response["p99"],
}
ALSO: Mapping[str, Value] = {"achieved": lambda figures: figures.achieved, "RSS": lambda figures: figures.rss_mb}
"""Compared between runs only: within one, achieved rates are equal by design and memory hardly scatters."""


@dataclass(frozen=True, slots=True)
class Row:
    """An arm over all its rounds: medians of the per-round figures. The floor has only times and CPU."""

    name: str
    response: Percentiles
    cpu_us: float
    service: Percentiles = field(default_factory=dict)
    tax_ms: float | None = None  # response p50 less the floor's
    rss_mb: float | None = None
    pss_mb: float | None = None
    ready_s: float | None = None
    first_ms: float | None = None
    offered: float | None = None
    achieved: float | None = None
    capacity: float | None = None
    load: float | None = None  # offered, as a share of the generator's ceiling
    ran_out: str = ""
    errors: Mapping[str, int] = field(default_factory=dict)  # summed over rounds
    budget: str = ""
    void: bool = False

    @property
    def per_core_hour(self) -> float:
        """Predictions that one core computes in an hour."""
        return HOUR_US / self.cpu_us if self.cpu_us else math.inf

    def per_million(self, price: float | None) -> float | None:
        """What a million predictions cost at this price of a core-hour."""
        return None if price is None else 1e6 * price / self.per_core_hour


@dataclass(frozen=True, slots=True)
class Table:
    """Arms of one budget, which may be compared: rows, verdicts between them, and who cannot be told apart."""

    budget: str
    rows: Sequence[Row]
    verdicts: Sequence[Verdict]
    groups: Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Summary:
    """The floor, a table for each budget, and what a reader must know."""

    floor: Row
    tables: Sequence[Table]
    findings: Sequence[Finding]
    kept: int
    dropped: int

    @property
    def rows(self) -> list[Row]:
        return [row for table in self.tables for row in table.rows]


def summarise(run: Run) -> Summary:
    """Summarise a run's finished rounds. A void arm gets no verdicts."""
    if not run.rounds:
        raise BenchError(f"{run.folder} has no finished round yet; go on with: bench resume {run.folder}")
    kept = run.kept or run.rounds  # without a quiet round every row is void, and its figures are withheld
    evidence = {arm: _evidence(arm, run, kept) for arm in run.names}
    shared = budget.groups({arm: _budget(run, arm) for arm in evidence})
    findings = [
        *(gates.inspect(evidence) if run.kept else []),
        *gates.neighbours(list(evidence), len(run.kept), len(run.dropped)),
        *gates.unequal(shared),
    ]
    void = {finding.arm for finding in findings if finding.voids}
    floor = Row(FLOOR, median_percentiles(r.floor for r in kept), median(r.floor_cpu_us for r in kept))
    rows = {arm: _row(arm, run, each.rounds, floor, void=arm in void) for arm, each in evidence.items()}
    grouped = [("", run.names)] if run.plan.together else shared
    tables = [_table(words, [rows[arm] for arm in arms], kept, run) for words, arms in grouped]
    return Summary(floor, tables, findings, len(run.kept), len(run.dropped))


def _evidence(arm: str, run: Run, rounds: Sequence[Round]) -> Evidence:
    return Evidence(
        rounds=[each.arms[arm] for each in rounds],
        warm_ups=[boot.warm_up for boot in run.boots if boot.arm == arm],
        cached=run.pilots[arm].cached,
    )


def _budget(run: Run, arm: str) -> budget.Budget:
    return budget.over([boot.budget for boot in run.boots if boot.arm == arm])


def _row(name: str, run: Run, rounds: Sequence[Figures], floor: Row, *, void: bool) -> Row:
    boots = [boot for boot in run.boots if boot.arm == name]
    response = median_percentiles(figures.response for figures in rounds)
    half, least = response["p50"], floor.response["p50"]
    return Row(
        name=name,
        response=response,
        service=median_percentiles(figures.service for figures in rounds),
        tax_ms=half - least if half is not None and least is not None else None,
        cpu_us=median(figures.cpu_us for figures in rounds),
        rss_mb=median(figures.rss_mb for figures in rounds),
        pss_mb=_median(figures.pss_mb for figures in rounds),
        ready_s=median(boot.ready_s for boot in boots),
        first_ms=median(boot.first_ms for boot in boots),
        offered=median(figures.offered for figures in rounds),
        achieved=median(figures.achieved for figures in rounds),
        capacity=run.capacity(name),
        load=_median(figures.load for figures in rounds),
        ran_out=Counter(figures.ran_out for figures in rounds).most_common(1)[0][0],
        # A plain dict: dataclasses.asdict makes another thing of a Counter.
        errors=dict(sum((Counter(figures.errors) for figures in rounds), Counter[str]())),
        budget=_budget(run, name).describe(),
        void=void,
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _table(words: str, rows: Sequence[Row], rounds: Sequence[Round], run: Run) -> Table:
    valid = [row.name for row in rows if not row.void]
    figures = {arm: by_boot(arm, rounds, COMPARED) for arm in valid}
    verdicts = verdict.verdicts(figures, sesoi=run.plan.sesoi, seed=run.plan.seed) if len(valid) > 1 else []
    names = dict.fromkeys(each.figure for each in verdicts)
    groups = {name: verdict.groups(name, figures, verdicts) for name in names}
    return Table(words, rows, verdicts, groups)


def by_boot(arm: str, rounds: Sequence[Round], asked: Mapping[str, Value]) -> dict[str, list[list[float | None]]]:
    """figure -> one list for each boot -> its value in each round of that boot, the same order for every arm."""
    boots = sorted({each.boot for each in rounds})
    return {
        name: [[value(each.arms[arm]) for each in rounds if each.boot == boot] for boot in boots]
        for name, value in asked.items()
    }


def by_arm(run: Run) -> dict[str, dict[str, list[list[float | None]]]]:
    """What of a run can be compared with another: every arm's figures, by boot and round."""
    return {arm: by_boot(arm, run.kept, {**COMPARED, **ALSO}) for arm in run.names}
