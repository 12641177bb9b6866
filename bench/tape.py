"""What the engine writes during a window: plain arrays, allocated before it so that nothing grows in it."""

from array import array

import numpy as np

from bench.records import NEVER, Counters, Records, Stamps

PENDING = -1


class Tape:
    """One place per request for each stamp (monotonic ns), the status and the outcome."""

    __slots__ = ("done", "intended", "outcome", "sent", "status", "taken")

    def __init__(self, size: int) -> None:
        self.intended, self.taken, self.sent, self.done = (array("q", [NEVER]) * size for _ in range(4))
        self.status = array("h", [0]) * size
        self.outcome = array("b", [PENDING]) * size

    def records(self, count: int, counters: Counters) -> Records:
        """The first `count` requests, their stamps counted from the start of the window."""

        def stamps(written: "array[int]") -> Stamps:
            values = np.array(written[:count], np.int64)
            return np.where(values == NEVER, NEVER, values - counters.zero_ns)

        return Records(
            intended=stamps(self.intended),
            taken=stamps(self.taken),
            sent=stamps(self.sent),
            done=stamps(self.done),
            status=np.array(self.status[:count], np.int16),
            outcome=np.array(self.outcome[:count], np.int8),
            counters=counters,
        )
