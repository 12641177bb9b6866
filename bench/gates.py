"""Checks on what was measured. A finding is a value: a code, the figure, the bound it broke, and what to do.

Most are warnings in this first form; a wrong answer voids the row, because its speed means nothing.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.figures import QUANTILES, Figures, median_percentiles, needed

RATE_TOLERANCE = 0.01  # of the offered rate
LATE_MS = 1.0  # the engine's own p99 lateness, or
LATE_SHARE = 0.05  # this share of the median response time where that is more
RESENT_SHARE = 0.01
ENGINE_BUSY = 0.7  # of its CPU: queueing in the engine starts to show in the answers' times


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about an arm that a reader of its row must know."""

    code: str
    arm: str
    figure: str
    bound: str
    advice: str
    voids: bool = False

    def __str__(self) -> str:
        kind = "VOID" if self.voids else "warning"
        return f"{kind} {self.code}: {self.arm}: {self.figure} (bound: {self.bound}). {self.advice}"


Rounds = Sequence[Figures]
Broken = tuple[str, str, str]
"""The figure, the bound, and what to do."""


def inspect(rounds: Mapping[str, Rounds]) -> list[Finding]:
    """All findings about the rounds of all arms."""
    return [
        Finding(code, arm, *broken, voids=code in _VOIDING)
        for arm, figures in rounds.items()
        for code, gate in _GATES.items()
        if (broken := gate(figures))
    ]


def _wrong(rounds: Rounds) -> Broken | None:
    for number, figures in enumerate(rounds, 1):
        if figures.wrong:
            advice = "Its figures are withheld: find out why it answers otherwise under load."
            return f"round {number}, {figures.wrong}", "the golden output", advice
    return None


def _errors(rounds: Rounds) -> Broken | None:
    total = sum((Counter(figures.errors) for figures in rounds), Counter[str]())
    if not total:
        return None
    advice = "They count as infinite response times. Read the server's log, or lower --rate."
    return ", ".join(f"{n} {kind}" for kind, n in total.items()), "none", advice


def _rate(rounds: Rounds) -> Broken | None:
    share = median(figures.achieved / figures.offered if figures.offered else 1.0 for figures in rounds)
    if abs(share - 1) <= RATE_TOLERANCE:
        return None
    advice = "The server does not keep up at this rate: lower --rate, or lengthen --seconds."
    return f"achieved {share:.1%} of the offered rate", f"within {RATE_TOLERANCE:.0%}", advice


def _late(rounds: Rounds) -> Broken | None:
    late = median_percentiles(figures.lateness for figures in rounds)["p99"]
    half = median_percentiles(figures.response for figures in rounds)["p50"]
    if late is None or half is None or late <= (bound := max(LATE_MS, LATE_SHARE * half)):
        return None
    advice = "Its tail percentiles are the engine's own: quiet the machine, or lower --rate."
    return f"the engine took requests up with p99 {late:.2f} ms delay", f"{bound:.2f} ms", advice


def _busy(rounds: Rounds) -> Broken | None:
    busy = median(figures.engine_busy for figures in rounds)
    if busy <= ENGINE_BUSY:
        return None
    return f"the engine used {busy:.0%} of its CPU", f"{ENGINE_BUSY:.0%}", "It nears its own ceiling: lower --rate."


def _few(rounds: Rounds) -> Broken | None:
    fewest = min(figures.requests for figures in rounds)
    missing = [name for name, quantile in QUANTILES.items() if fewest < needed(quantile)]
    if not missing:
        return None
    enough = needed(QUANTILES[missing[-1]])
    rate = max(min(figures.offered for figures in rounds), 0.1)
    advice = f"Lengthen the rounds: --seconds {math.ceil(1.2 * enough / rate)}."
    return f"{fewest} requests in a round, too few for {', '.join(missing)}", str(enough), advice


def _cap(rounds: Rounds) -> Broken | None:
    reached = sum(figures.cap_reached for figures in rounds)
    if not reached:
        return None
    advice = "Their clocks ran on, so response times hold; raise --connections to send them."
    return f"{reached} requests waited because every allowed connection was busy", "0", advice


def _resent(rounds: Rounds) -> Broken | None:
    resent, requests = sum(figures.resent for figures in rounds), sum(figures.requests for figures in rounds)
    if resent <= RESENT_SHARE * requests:
        return None
    advice = "The server closes kept-alive connections unannounced: look at its keep-alive time."
    return f"{resent} of {requests} requests were repeated on another connection", f"{RESENT_SHARE:.0%}", advice


def _processes(rounds: Rounds) -> Broken | None:
    changed = sum(figures.processes_changed for figures in rounds)
    if not changed:
        return None
    advice = "CPU time of processes that are gone is missing: read the server's log for restarts."
    return f"server processes ended or began in {changed} rounds", "0", advice


_GATES: Mapping[str, Callable[[Rounds], Broken | None]] = {
    "WRONG_ANSWER": _wrong,
    "ERRORS": _errors,
    "RATE_MISSED": _rate,
    "GENERATOR_LATE": _late,
    "GENERATOR_BOUND": _busy,
    "FEW_REQUESTS": _few,
    "CAP_REACHED": _cap,
    "RESENT": _resent,
    "PROCESSES_CHANGED": _processes,
}
_VOIDING = {"WRONG_ANSWER"}
