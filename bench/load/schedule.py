"""When requests are meant to be sent: pure functions, made before the run from a seed.

A schedule is a sorted float64 array of *intended* send times in seconds from the start, each in [0, seconds). It never
looks at answers: a client that waits for them slows down with the server and hides its stalls (Schroeder, Wierman and
Harchol-Balter, "Open Versus Closed", NSDI 2006).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

Schedule = NDArray[np.float64]


def poisson(rate: float, seconds: float, seed: int) -> Schedule:
    """Arrivals of a Poisson process at `rate` per second over `seconds`, the same for the same seed.

    Arrivals of many independent users look like this, and they see time averages (Wolff, "PASTA", 1982). Drawn by its
    order-statistics property: a Poisson count, then that many independent uniform times, sorted.

    Raises ValueError unless rate and seconds are positive and finite, as the others do.
    """
    _require_positive(rate=rate, seconds=seconds)
    random = np.random.default_rng(seed)
    count = random.poisson(rate * seconds)
    return np.sort(random.random(count) * seconds)


def constant(rate: float, seconds: float, seed: int) -> Schedule:
    """One arrival every 1 / rate seconds, the first at a random part of that: machines that poll, not users."""
    _require_positive(rate=rate, seconds=seconds)
    phase = np.random.default_rng(seed).random()
    return _before(seconds, (np.arange(np.ceil(rate * seconds), dtype=np.float64) + phase) / rate)


def gamma(rate: float, seconds: float, seed: int, cv: float) -> Schedule:
    """Arrivals with independent gamma gaps of coefficient of variation `cv`: 1 is Poisson, more comes in bursts.

    The process is in equilibrium from the start: the gap that time zero falls into is longer than others by its
    length (Cox, Renewal Theory, 1962, ch. 5), a gamma gap of one more shape, and zero is anywhere in it.
    """
    _require_positive(rate=rate, seconds=seconds, cv=cv)
    random = np.random.default_rng(seed)
    shape, scale = cv**-2, cv**2 / rate
    times = random.random(1) * random.gamma(shape + 1, scale, 1)
    while times[-1] < seconds:
        gaps = random.gamma(shape, scale, int(rate * seconds) + 100)
        times = np.concatenate([times, times[-1] + np.cumsum(gaps)])
    return _before(seconds, times)


def trace(file: Path, rate: float | None, seconds: float) -> Schedule:
    """The arrivals of a recorded trace, from its beginning and over again until `seconds`; see `read_trace`."""
    return replay(read_trace(file), rate, seconds)


def replay(times: Schedule, rate: float | None, seconds: float) -> Schedule:
    """Recorded times (sorted, in s), moved to begin at zero, stretched to a mean of `rate` per second, and repeated.

    Without a rate the trace keeps its own: a repetition begins one mean gap after the last arrival.
    """
    span = times[-1] - times[0]
    own = (len(times) - 1) / span
    rate = float(own) if rate is None else rate
    _require_positive(rate=rate, seconds=seconds)
    once = (times - times[0]) * (own / rate)
    period = len(times) / rate
    starts = np.arange(np.ceil(seconds / period)) * period
    return _before(seconds, np.add.outer(starts, once).ravel())


def read_trace(file: Path) -> Schedule:
    """Arrival times in seconds from a text file, one on a line; empty lines and what follows a # are passed over.

    Raises ValueError unless it holds at least two times, not all the same.
    """
    try:
        lines = (line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines())
        times = np.sort(np.array([float(line) for line in lines if line]))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"expected a text file with one arrival time in seconds a line, found {file}: {error}"
        ) from None
    if len(times) < 2 or not np.isfinite(times).all() or times[0] == times[-1]:
        raise ValueError(f"expected two or more different, finite times in {file}, found {len(times)} lines of times")
    return times


def thinned(schedule: Schedule, parts: int, seed: int) -> list[Schedule]:
    """Deal the arrivals out at random to so many engines; together they send the whole schedule.

    Parts of a Poisson process are independent Poisson processes (Kingman, Poisson Processes, 1993, ch. 5).
    """
    owner = np.random.default_rng(seed).integers(parts, size=len(schedule))
    return [schedule[owner == part] for part in range(parts)]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A kind of schedule as it is written on a command line: poisson, constant, gamma:CV or trace:FILE."""

    kind: str
    cv: float = 1.0  # of gamma
    file: Path = Path()  # of trace

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, saying what was expected and what was found."""
        kind, _, detail = text.partition(":")
        if kind in ("poisson", "constant") and text == kind:
            return cls(kind)
        if kind == "gamma":
            return cls(kind, cv=_cv(detail))
        if kind == "trace" and detail:
            return cls(kind, file=Path(detail))
        raise ValueError(f"expected arrivals poisson, constant, gamma:CV (as gamma:2) or trace:FILE, found {text!r}")

    def schedule(self, rate: float, seconds: float, seed: int) -> Schedule:
        """The same for the same arguments; a trace has no use for the seed."""
        if self.kind == "poisson":
            return poisson(rate, seconds, seed)
        if self.kind == "constant":
            return constant(rate, seconds, seed)
        if self.kind == "gamma":
            return gamma(rate, seconds, seed, self.cv)
        return trace(self.file, rate, seconds)

    @property
    def own_rate(self) -> float | None:
        """Requests/s of a trace as it was recorded; None for the other kinds, which come at any rate.

        Raises ValueError when its file is no trace.
        """
        if self.kind != "trace":
            return None
        times = read_trace(self.file)
        return float((len(times) - 1) / (times[-1] - times[0]))

    @property
    def label(self) -> str:
        """For a headline: "Poisson arrivals"."""
        if self.kind == "gamma":
            return f"gamma arrivals (CV {self.cv:g})"
        if self.kind == "trace":
            return f"arrivals of {self.file.name}"
        return "Poisson arrivals" if self.kind == "poisson" else "constant arrivals"


def _cv(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.01 <= value <= 100:  # beyond, a schedule is a constant one or a single burst
        raise ValueError(f"expected gamma:CV with a coefficient of variation from 0.01 to 100, found {text!r}")
    return value


def _before(seconds: float, times: Schedule) -> Schedule:
    return times[times < seconds]


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"a schedule needs {name} > 0, found {value}")
