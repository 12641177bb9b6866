"""Call back at absolute times, on time.

Event-loop timers count in milliseconds: `call_at` and `asyncio.sleep` are half a millisecond late or, under uvloop, up
to one early. A kernel timer read through the loop is about 25 microseconds late at the median and costs one wake-up
for all requests that are due.
"""

import asyncio
import ctypes
import os
import sys
import threading
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Protocol

SECOND = 1_000_000_000
LINUX: bool = sys.platform == "linux"
_CLOCK_MONOTONIC = 1  # <bits/time.h>
_TFD_TIMER_ABSTIME = 1  # <sys/timerfd.h>; TFD_NONBLOCK and TFD_CLOEXEC equal O_NONBLOCK and O_CLOEXEC

Fire = Callable[[int, int], None]


class Pacer(Protocol):
    """Calls `fire(index, time)` once for every time, in order, never early. `close()` ends it at once."""

    def close(self) -> None: ...


def pace(loop: asyncio.AbstractEventLoop, times: Sequence[int], fire: Fire) -> Pacer:
    """Start calling `fire` at `times`: sorted, absolute, in ns on the monotonic clock. By timerfd where it exists."""
    return TimerfdPacer(loop, times, fire) if LINUX else ThreadPacer(loop, times, fire)


class _Drain:
    """The part that both pacers share: fire everything that is due, tell when the next one is."""

    __slots__ = ("_count", "_fire", "_next", "_times")

    def __init__(self, times: Sequence[int], fire: Fire) -> None:
        self._times = times
        self._count = len(times)
        self._fire = fire
        self._next = 0

    def __call__(self) -> int | None:
        """Fire all that is due by now, and by the end of that. Returns the next time in ns, None after the last."""
        times, index = self._times, self._next
        try:
            while index < self._count:
                when = times[index]
                if when > monotonic_ns():
                    return when
                self._fire(index, when)
                index += 1
        finally:
            self._next = index
        return None


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class Timer:
    """timerfd_create(2), set to absolute times; Linux alone. Python 3.13 has it in `os`."""

    def __init__(self, *, blocking: bool = False) -> None:
        """`fd` can be read when the time has come. Raises OSError."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._when = _Itimerspec()
        self._pointer = ctypes.byref(self._when)
        flags = os.O_CLOEXEC | (0 if blocking else os.O_NONBLOCK)
        self.fd = _checked(libc.timerfd_create(_CLOCK_MONOTONIC, flags), "timerfd_create")

    def set(self, when: int) -> None:
        """Also silences a timer that has gone off. A time that has passed goes off at once."""
        self._when.seconds, self._when.nanoseconds = divmod(when, SECOND)
        _checked(self._settime(self.fd, _TFD_TIMER_ABSTIME, self._pointer, None), "timerfd_settime")


def _checked(result: int, call: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")
    return result


class TimerfdPacer:
    """By a timer of the kernel, read through the loop, that is set to the time of the next request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, times: Sequence[int], fire: Fire) -> None:
        self._loop = loop
        self._drain = _Drain(times, fire)
        self._timer: Timer | None = Timer()
        loop.add_reader(self._timer.fd, self._wake)
        if len(times):
            self._timer.set(times[0])

    def _wake(self) -> None:
        following = self._drain() if self._timer else None
        if following is None:
            self.close()
        elif self._timer:  # a request that was fired may have closed it
            self._timer.set(following)  # what came due since the drain is not lost: it goes off at once

    def close(self) -> None:
        if self._timer:
            self._loop.remove_reader(self._timer.fd)
            os.close(self._timer.fd)
            self._timer = None


class ThreadPacer:
    """A thread that sleeps to the next time and wakes the loop: portable, with the lag of a thread switch."""

    def __init__(self, loop: asyncio.AbstractEventLoop, times: Sequence[int], fire: Fire) -> None:
        self._loop = loop
        self._times = times
        self._drain = _Drain(times, fire)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for when in self._times:
            while (delay := when - monotonic_ns()) > 0:
                if self._closed.wait(delay / SECOND):
                    return
            self._loop.call_soon_threadsafe(self._drain)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
