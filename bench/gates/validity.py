"""The gates that void a row: the load was not the one asked for, or answers or times are not what they seem."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final, NamedTuple

from bench import stationarity
from bench.audit import CPU_BOUND, RATE_BOUND
from bench.bottleneck import ENGINE_BUSY
from bench.figures import Figures
from bench.gates.finding import Broken, Evidence, Gate
from bench.gates.neighbourhood import noisy

LATE_MS: Final = 1.0  # the engine's own p99 lateness, or
LATE_SHARE: Final = 0.05  # this share of the median response time where that is more
ARRIVAL_P: Final = 0.01
DISPERSION: Final = 2.0  # times the schedule's own; pools of waiting users reach 6 and more
LITTLE: Final = 0.02  # of the mean number in flight, and
LITTLE_ERRORS: Final = 4.0  # standard errors, where there is one: once in 15,000 honest rows
MEDIAN_ERROR: Final = 1.25  # standard error of a median in terms of that of a mean


def _wrong(evidence: Evidence) -> Broken | None:
    for number, figures in enumerate(evidence.rounds, 1):
        if figures.wrong:
            advice = "Its figures are withheld: find out why it answers otherwise under load."
            return f"round {number}, {figures.wrong}", "the golden output", advice
    return None


def _late(evidence: Evidence) -> Broken | None:
    judged = [late for figures in evidence.rounds if (late := _lateness(figures))]
    broken = [late for late in judged if late.ms > late.bound]
    if len(broken) * 2 <= len(judged):
        return None
    worst = sorted(broken, key=lambda late: late.ms)[len(broken) // 2]
    figure = (
        f"in {len(broken)} of {len(judged)} rounds the engine took requests up late, {worst.name} {worst.ms:.2f} ms"
    )
    return figure, f"{worst.bound:.2f} ms", "Its tail is the engine's own: quiet the machine, or lower --rate."


class _Late(NamedTuple):
    name: str
    ms: float
    bound: float


def _lateness(figures: Figures) -> _Late | None:
    """The highest percentile of the engine's lateness that the round has requests enough for.

    Of a round that a neighbour disturbed the median: its tail is the neighbour's doing, which has a finding of its own.
    """
    half = figures.response["p50"]
    bound = LATE_MS if half is None else max(LATE_MS, LATE_SHARE * half)
    names = ("p50",) if noisy([figures]) else ("p99", "p95", "p90")
    return next((_Late(name, late, bound) for name in names if (late := figures.lateness[name]) is not None), None)


def _bound(evidence: Evidence) -> Broken | None:
    advice = "Response times hold its own queue: lower --rate."
    busy = median(figures.engine_busy for figures in evidence.rounds)
    if busy > ENGINE_BUSY:
        return f"the engine used {busy:.0%} of its CPU", f"{ENGINE_BUSY:.0%}", advice
    load = _median(evidence.rounds, lambda figures: figures.load)
    if load is not None and load > ENGINE_BUSY:
        return f"the load is {load:.0%} of the engine's own ceiling", f"{ENGINE_BUSY:.0%}", advice
    return None


def _arrivals(evidence: Evidence) -> Broken | None:
    judged = [
        (f.arrival_p, f.dispersion) for f in evidence.rounds if f.arrival_p is not None and f.dispersion is not None
    ]
    off = [(p, ratio) for p, ratio in judged if p < ARRIVAL_P or ratio > DISPERSION]
    if len(off) * 2 <= len(judged):
        return None
    p, ratio = median(p for p, _ in off), median(ratio for _, ratio in off)
    figure = (
        f"in {len(off)} of {len(judged)} rounds requests left by another process than the schedule "
        f"(Kolmogorov-Smirnov p = {p:.2g}, dispersion {ratio:.2g} times the schedule's)"
    )
    advice = "The engine is broken, or exchanged for another generator: bench selftest tells."
    return figure, f"p >= {ARRIVAL_P:g}, {DISPERSION:g} times", advice


def _little(evidence: Evidence) -> Broken | None:
    """Sampled in-flight against the stamps' (Little, Operations Research 9, 1961), by the median over rounds."""
    judged = [figures for figures in evidence.rounds if math.isfinite(figures.in_flight_error)]
    if not judged:
        return None
    off = median(figures.in_flight - figures.in_flight_records for figures in judged)
    stamped = median(figures.in_flight_records for figures in judged)
    error = MEDIAN_ERROR * median(figures.in_flight_error for figures in judged) / math.sqrt(len(judged))
    if abs(off) <= max(LITTLE * stamped, LITTLE_ERRORS * error):
        return None
    sampled = median(figures.in_flight for figures in judged)
    return (
        f"{sampled:.3g} requests were in flight when sampled, {stamped:.3g} by the stamps",
        f"{LITTLE:.0%} and {LITTLE_ERRORS:g} standard errors",
        "Rate times mean time must give the number in flight (Little's law): stamps were lost or are wrong.",
    )


def _cached(evidence: Evidence) -> Broken | None:
    if not (evidence.cached and evidence.cached.cached):
        return None
    cpu, rate = evidence.cached.ratios
    return (
        f"unique inputs cost {cpu:.2f} times the CPU time of a repeated one, answered {rate:.2f} times as fast",
        f"{CPU_BOUND:g} and {RATE_BOUND:g} times",
        "It remembers answers, and the timed inputs repeat: switch its cache off.",
    )


def _drifting(evidence: Evidence) -> Broken | None:
    advice = "It has not settled, so no single figure describes it: warm up longer, or lower --rate if a queue grows."
    told = [warm_up for warm_up in evidence.warm_ups if warm_up.requests >= stationarity.FEWEST]
    failed = [warm_up.why for warm_up in told if not warm_up.stationary]
    if len(failed) > max(1, len(told) // 2):
        return (
            f"{len(failed)} of {len(told)} warm-ups did not settle; of the last, {failed[-1]}",
            "half of them",
            advice,
        )
    drifts = [math.nan if figures.drift is None else figures.drift for figures in evidence.rounds]
    unsettled, figure = stationarity.non_stationary(drifts)
    return (figure, "as many up as down", advice) if unsettled else None


def _median(rounds: Sequence[Figures], figure: Callable[[Figures], float | None]) -> float | None:
    known = [value for each in rounds if (value := figure(each)) is not None]
    return median(known) if known else None


GATES: Mapping[str, Gate] = {
    "WRONG_ANSWER": _wrong,
    "GENERATOR_LATE": _late,
    "GENERATOR_BOUND": _bound,
    "ARRIVALS_OFF": _arrivals,
    "LITTLE_BROKEN": _little,
    "CACHED_ANSWERS": _cached,
    "NON_STATIONARY": _drifting,
}
