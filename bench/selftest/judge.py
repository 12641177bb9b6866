"""What a control found against what it must find. Pure: figures in, a verdict out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench import statistics
from bench.figures import Percentiles

CEILING: Final = 10_000.0  # requests/s: a tenth of what a quiet CPU gives, and far more than the controls send
FLAGS: Final = 4  # of 20 at the 3.1 % of six pairs: an honest bench has so many once in 300 times
BURNT_US: Final = 100.0
RECOVERED_US: Final = (70.0, 130.0)
STALL_P95_MS: Final = (60.0, 140.0)  # the truth: 100. A tenth of all arrivals meets the stall, and waits 0 to 200 ms
STALL_P99_MS: Final = (150.0, 215.0)  # the truth: 180
ERRORS: Final = 0.01
ERRORS_LEVEL: Final = 0.001  # an honest count lies outside its bounds once in 1,000 times


@dataclass(frozen=True, slots=True)
class Control:
    """One control: what it asks, what was found, what had to be found."""

    name: str
    question: str
    figure: str
    bound: str
    passed: bool
    seconds: float = 0.0  # that it took


def ceiling(rate: float) -> Control:
    """`rate` in requests/s of the closed-loop engine against the null server."""
    return Control(
        "ceiling",
        "how fast is the engine itself?",
        f"{rate:,.0f} requests/s",
        f"at least {CEILING:,.0f}",
        rate >= CEILING,
    )


def same(p_values: Mapping[str, Sequence[float]]) -> Control:
    """p-values of comparisons of two boots of one server, by figure."""
    flags = {figure: sum(p < statistics.LEVEL for p in ps) for figure, ps in p_values.items()}
    total = max(map(len, p_values.values()))
    return Control(
        "same",
        "are two boots of one server called different?",
        f"of {total}: " + ", ".join(f"{figure} {n}" for figure, n in flags.items()),
        f"fewer than {FLAGS} each at p < {statistics.LEVEL:g}",
        all(n < FLAGS for n in flags.values()),
    )


def busy(differences: NDArray[np.float64]) -> Control:
    """Server CPU time per request in us, B - A by pair, where B burns BURNT_US more."""
    low, high = statistics.interval(differences)
    point = float(differences.mean())
    least, most = RECOVERED_US
    return Control(
        "busy",
        f"are {BURNT_US:g} µs more of CPU time per request seen?",
        f"{point:+.0f} µs (95 %: {low:+.0f} to {high:+.0f})",
        f"{least:g} to {most:g}, interval above 0",
        low > 0 and least <= point <= most,
    )


def stall(response: Percentiles) -> Control:
    """Response times of a server that stands still for 200 ms every 2 s, in ms."""
    p95, p99 = (np.nan if (value := response[name]) is None else value for name in ("p95", "p99"))
    return Control(
        "stall",
        "is a stall of 200 ms every 2 s seen?",
        f"p95 {p95:.0f} ms, p99 {p99:.0f} ms",
        "p95 {:g} to {:g}, p99 {:g} to {:g}".format(*STALL_P95_MS, *STALL_P99_MS),
        STALL_P95_MS[0] <= p95 <= STALL_P95_MS[1] and STALL_P99_MS[0] <= p99 <= STALL_P99_MS[1],
    )


def errors(requests: int, failed: int, response: NDArray[np.float64]) -> Control:
    """`failed` of `requests`, a share ERRORS of which was ordered to, and all response times (+inf where none came)."""
    least, most = stats.binom.interval(1 - ERRORS_LEVEL, requests, ERRORS)
    infinite = int(np.isinf(response).sum())
    return Control(
        "errors",
        f"are {100 * ERRORS:g} % of failures seen, and kept as infinite times?",
        f"{failed} of {requests:,} failed, {infinite} infinite",
        f"{least:.0f} to {most:.0f}, as many infinite of {requests:,}",
        least <= failed <= most and infinite == failed and len(response) == requests,
    )


def gates(name: str, question: str, own: str, voids: Collection[str], excused: Collection[str] = ()) -> Control:
    """`voids`: the codes that void the row. `own` must be among them ("" for an honest run), and no other.

    `excused` are not judged: those that tell of a machine at other work.
    """
    judged = sorted(set(voids) - (set(excused) - {own}))
    return Control(name, question, ", ".join(judged) or "none", own or "none", judged == ([own] if own else []))
