"""What happened to every request of one timed window: stamps and outcomes, none dropped."""

from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

Stamps = NDArray[np.int64]
NEVER = -1
"""A stamp that was not taken: the request was never sent, or never answered."""


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
    engine_cpu_ns: int  # of the engine in the same span
    opened: int  # connections opened
    connections: int  # connections allowed
    cap_reached: int  # requests that had to wait because every allowed connection was busy
    resent: int  # requests repeated because a kept-alive connection was closed under them, unanswered
    loop: str  # the event loop's module: uvloop or asyncio


@dataclass(frozen=True, slots=True)
class Records:
    """The stamps of a window, one element per intended request, in ns from its start; NEVER where there is none.

    intended: when the schedule wanted it sent (closed loop: when its turn came)
    taken:    when the engine got round to it; taken - intended is the engine's own lateness
    sent:     when it was handed to a connection; sent - taken is the wait for a free or new connection
    done:     when the whole answer had been parsed
    """

    intended: Stamps
    taken: Stamps
    sent: Stamps
    done: Stamps
    status: NDArray[np.int16]
    outcome: NDArray[np.int8]
    counters: Counters

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Requests of the counted window, without the lead-in."""
        return self.intended >= self.counters.lead * 1e9

    def response(self) -> NDArray[np.float64]:
        """done - intended of the counted requests, in ns; +inf for every outcome but OK."""
        return self._until_done(self.intended)

    def service(self) -> NDArray[np.float64]:
        """done - sent of the counted requests, in ns; +inf for every outcome but OK."""
        return self._until_done(self.sent)

    def lag(self) -> NDArray[np.float64]:
        """sent - intended of the counted requests that were sent, in ns."""
        return self._until(self.sent)

    def lateness(self) -> NDArray[np.float64]:
        """taken - intended of the counted requests that were taken up, in ns: the part of the lag the engine causes."""
        return self._until(self.taken)

    def errors(self) -> dict[str, int]:
        """How many counted requests ended in each outcome but OK, by its name in small letters."""
        outcome = self.outcome[self.counted]
        return {kind.name.lower(): n for kind in Outcome if kind and (n := int((outcome == kind).sum()))}

    def answered(self) -> int:
        """How many counted requests ended OK."""
        return int((self.outcome[self.counted] == Outcome.OK).sum())

    def _until(self, stamp: Stamps) -> NDArray[np.float64]:
        chosen = self.counted & (stamp != NEVER)
        spent: Stamps = (stamp - self.intended)[chosen]
        return spent.astype(np.float64)

    def _until_done(self, start: Stamps) -> NDArray[np.float64]:
        spent = np.where(self.outcome == Outcome.OK, (self.done - start).astype(np.float64), np.inf)
        return spent[self.counted]

    def save(self, file: Path) -> None:
        """Write everything to a compressed npz file."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        counters = {f"counters_{name}": np.array(value) for name, value in asdict(self.counters).items()}
        with file.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays, **counters)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as stored:
            counters = {name: stored[f"counters_{name}"].item() for name in Counters.__dataclass_fields__}
            return cls(**{name: stored[name] for name in _ARRAYS}, counters=Counters(**counters))


_ARRAYS = ("intended", "taken", "sent", "done", "status", "outcome")
