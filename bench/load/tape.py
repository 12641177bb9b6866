"""What the engine writes during a window: one row per request, at its outcome.

Both pages are there before the window, so that nothing grows in it: a long one that is kept, and for what comes when
that is full a short one, counted into histograms each time it has filled up (a pause of about 0.5 ms).
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

import numpy as np

from bench.load.records import NEVER, Counters, Records, Requests, Totals

_LAYOUT: Final = np.dtype(
    {
        "names": ["intended", "taken", "sent", "done", "status", "outcome"],
        "formats": ["i8", "i8", "i8", "i8", "i2", "i1"],
        "itemsize": 40,
    }
)
_ROW: Final = Struct("=qqqqhb5x")
_SIZE: Final = _ROW.size
PAGE: Final = 1024
"""Rows of the short page."""


class Tape:
    """The first `raw` requests are kept row by row. Stamps are monotonic ns, `zero` the one that records count from."""

    __slots__ = ("_at", "_end", "_kept", "_pack", "_page", "_short", "_totals", "_zero")

    def __init__(self, raw: int, zero: int, start: float) -> None:
        """`start`: of the counted window, in ns after zero."""
        self._zero = zero
        self._pack = _ROW.pack_into
        self._kept = bytearray(raw * _SIZE)
        self._short = bytearray(PAGE * _SIZE)
        self._totals = Totals(start)
        self._page = self._kept
        self._at, self._end = 0, len(self._page)

    def write(self, intended: int, taken: int, sent: int, done: int, status: int, outcome: int) -> None:
        """Add a request that has its outcome."""
        if self._at == self._end:
            self._turn()
        at = self._at
        self._pack(self._page, at, intended, taken, sent, done, status, outcome)
        self._at = at + _SIZE

    def records(self, counters: Counters, sampled: Sequence[int] = ()) -> Records:
        """All that was written, in the order in which it was intended; `sampled`: monotonic ns."""
        found = last = self._requests(self._page, self._at)
        totals = None
        if self._page is self._short:
            found, totals = self._requests(self._kept, len(self._kept)), self._totals
            totals.add(found)
            totals.add(last)
        order = np.lexsort((found.taken, found.intended))
        columns = {name: getattr(found, name)[order] for name in _LAYOUT.names or ()}
        return Records(**columns, counters=counters, totals=totals, sampled=np.array(sampled, np.int64) - self._zero)

    def _turn(self) -> None:
        """The page is full: go on with the short one, counted if it was that."""
        if self._page is self._short:
            self._totals.add(self._requests(self._short, self._end))
        self._page, self._at, self._end = self._short, 0, len(self._short)

    def _requests(self, page: bytearray, end: int) -> Requests:
        rows = np.frombuffer(page, _LAYOUT, end // _SIZE)
        stamps = {name: np.where(rows[name] == NEVER, NEVER, rows[name] - self._zero)
                  for name in ("intended", "taken", "sent", "done")}  # fmt: skip
        return Requests(**stamps, status=rows["status"].copy(), outcome=rows["outcome"].copy())
