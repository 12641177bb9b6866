"""What happened to every request of one timed window: stamps and outcomes, none dropped.

Of a long window the first RAW_RECORDS requests are kept one by one, and all of them in histograms.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from bench.load.histogram import Distribution, Histogram

Stamps = NDArray[np.int64]
NEVER: Final = -1
"""A stamp that was not taken: the request was never sent."""
RAW_RECORDS: Final = 1_000_000
"""Requests that are kept one by one, 40 bytes each; a longer window adds histograms of all of them."""

Kind = Literal["response", "service", "lag", "lateness"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Outcome(IntEnum):
    """Every intended request ends in exactly one of these; all but OK count as an infinite response time."""

    OK = 0  # a whole answer with a 2xx status
    STATUS = 1  # a whole answer with another status
    TIMEOUT = 2  # no whole answer within the timeout, counted from the intended time
    REFUSED = 3  # the server took no connection
    CLOSED = 4  # the server closed the connection before the end of its answer
    MALFORMED = 5  # what came back is not HTTP


@dataclass(frozen=True, slots=True)
class Counters:
    """Facts of a window that are not per request; times in ns."""

    zero_ns: int  # the monotonic clock at the start, from which all stamps count
    lead: float  # seconds at the start that are driven and recorded but not counted
    seconds: float  # the counted window
    window_ns: int  # from the start of the counted window to the last outcome
    server_cpu_ns: int  # user and system time of the server's processes in the same span
    bystander_cpu_ns: int  # of the other arms' servers in the same span
    engine_cpu_ns: int  # of the engine in the same span
    opened: int  # connections opened
    connections: int  # connections allowed
    cap_reached: int  # requests that had to wait because every allowed connection was busy
    resent: int  # requests repeated because a kept-alive connection was closed under them, unanswered
    loop: str  # the event loop's module: uvloop or asyncio
    busy_ns: int  # CPU time of everything on the machine, all CPUs, in the same span; 0 where unknown
    steal_ns: int  # time that the hypervisor gave to others while a CPU here was wanted, all CPUs
    pressure_ns: int  # time in which at least one runnable thread had no CPU; 0 where unknown
    cpus: int  # CPUs of the machine
    in_flight: float  # requests taken up and not finished: mean over the same span, sampled by a timer of its own
    in_flight_error: float  # its standard error by batch means; +inf from fewer than two batches


@dataclass(frozen=True, slots=True)
class Requests:
    """The stamps of some requests, one element for each, in ns from the start of the window.

    intended: when the schedule wanted it sent (closed loop: when its turn came)
    taken:    when the engine got round to it; taken - intended is the engine's own lateness
    sent:     when it was handed to a connection, or NEVER; sent - taken is the wait for a free or new connection
    done:     when the whole answer had been parsed, or the request was given up
    """

    intended: Stamps
    taken: Stamps
    sent: Stamps
    done: Stamps
    status: NDArray[np.int16]
    outcome: NDArray[np.int8]

    def times(self, kind: Kind, start: float) -> NDArray[np.float64]:
        """Times in ns of the requests intended from `start` on; see the methods of Records."""
        counted = self.intended >= start
        if kind in ("response", "service"):
            since = self.intended if kind == "response" else self.sent
            spent = np.where(self.outcome == Outcome.OK, (self.done - since).astype(np.float64), np.inf)
            return spent[counted]
        until = self.sent if kind == "lag" else self.taken
        lags: Stamps = (until - self.intended)[counted & (until != NEVER)]
        return lags.astype(np.float64)

    def spent(self, start: float) -> int:
        """The time that all requests together were under way, from `taken` to `done`, after `start`; in ns."""
        return int(np.maximum(self.done - np.maximum(self.taken, int(start)), 0).sum())


@dataclass(slots=True)
class Totals:
    """What is known of all requests of a window when not each is kept: outcomes counted, times in histograms."""

    start: float  # of the counted window, in ns
    outcomes: list[int] = field(default_factory=lambda: [0] * len(Outcome))  # of the counted requests
    times: dict[Kind, Histogram] = field(default_factory=lambda: {kind: Histogram() for kind in KINDS})
    spent: int = 0  # ns that all requests together were under way in the counted span

    def add(self, requests: Requests) -> None:
        counted = requests.intended >= self.start
        found = np.bincount(requests.outcome[counted], minlength=len(Outcome))
        self.outcomes = [have + int(more) for have, more in zip(self.outcomes, found, strict=True)]
        for kind, histogram in self.times.items():
            histogram.add(requests.times(kind, self.start))
        self.spent += requests.spent(self.start)

    def to_json(self) -> str:
        times = {kind: histogram.encode() for kind, histogram in self.times.items()}
        return json.dumps({name: getattr(self, name) for name in self.__dataclass_fields__} | {"times": times})

    @classmethod
    def from_json(cls, text: str) -> Self:
        fields: dict[str, Any] = json.loads(text)
        times = {kind: Histogram.decode(*encoded) for kind, encoded in fields["times"].items()}
        return cls(**(fields | {"times": times}))


@dataclass(frozen=True, slots=True)
class Records(Requests):
    """The requests of a window in the order in which they were intended; the first of them, where `totals` has all."""

    counters: Counters
    totals: Totals | None = None
    sampled: Stamps = field(default_factory=lambda: np.zeros(0, np.int64))  # when Counters.in_flight was sampled

    @property
    def start(self) -> float:
        """Where the counted window begins, in ns."""
        return self.counters.lead * 1e9

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Requests of the counted window, without the lead-in."""
        return self.intended >= self.start

    def response(self) -> NDArray[np.float64]:
        """done - intended of the counted requests that are kept, in ns; +inf for every outcome but OK."""
        return self.times("response", self.start)

    def service(self) -> NDArray[np.float64]:
        """done - sent of the counted requests that are kept, in ns; +inf for every outcome but OK."""
        return self.times("service", self.start)

    def lag(self) -> NDArray[np.float64]:
        """sent - intended of the counted requests that are kept and were sent, in ns."""
        return self.times("lag", self.start)

    def lateness(self) -> NDArray[np.float64]:
        """taken - intended of the counted requests that are kept, in ns: the part of the lag the engine causes."""
        return self.times("lateness", self.start)

    def distribution(self, kind: Kind) -> Distribution:
        """The same times of all counted requests, kept or not."""
        if self.totals:
            return self.totals.times[kind].distribution()
        return Distribution.of(self.times(kind, self.start))

    def requests(self) -> int:
        """How many requests were counted."""
        return sum(self._outcomes())

    def answered(self) -> int:
        """How many counted requests ended OK."""
        return self._outcomes()[Outcome.OK]

    def errors(self) -> dict[str, int]:
        """How many counted requests ended in each outcome but OK, by its name in small letters."""
        return {kind.name.lower(): n for kind, n in zip(Outcome, self._outcomes(), strict=True) if kind and n}

    def in_flight(self) -> float:
        """Mean number of requests under way by the stamps, from when taken to when done.

        At the instants of the samples, so that it equals Counters.in_flight unless stamps are wrong, however crowded
        the machine. Over the counted span where there are none, or not every request is kept.
        """
        if self.totals or not len(self.sampled):
            spent = self.totals.spent if self.totals else Requests.spent(self, self.start)
            return spent / self.counters.window_ns
        return self._before_samples(self.taken) - self._before_samples(self.done)

    def _before_samples(self, stamps: Stamps) -> float:
        """How many of the stamps lie before a sample, in the mean."""
        return float(np.searchsorted(np.sort(stamps), self.sampled, side="right").mean())

    def _outcomes(self) -> Sequence[int]:
        if self.totals:
            return self.totals.outcomes
        found: list[int] = np.bincount(self.outcome[self.counted], minlength=len(Outcome)).tolist()
        return found

    def save(self, file: Path) -> None:
        """Write everything to a compressed npz file."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        others = {f"counters_{name}": np.array(value) for name, value in asdict(self.counters).items()}
        if self.totals:
            others["totals"] = np.array(self.totals.to_json())
        with file.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays, **others)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as stored:
            counters = {name: stored[f"counters_{name}"].item() for name in Counters.__dataclass_fields__}
            totals = Totals.from_json(stored["totals"].item()) if "totals" in stored else None
            arrays = {name: stored[name] for name in _ARRAYS}
            return cls(**arrays, counters=Counters(**counters), totals=totals)


_ARRAYS = (*Requests.__dataclass_fields__, "sampled")
