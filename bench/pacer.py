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

Fire = Callable[[int], None]


class Pacer(Protocol):
    """Calls `fire(index)` once for every time, in order, never early. `close()` ends it at once."""

    def close(self) -> None: ...


def pace(loop: asyncio.AbstractEventLoop, times: Sequence[int], fire: Fire) -> Pacer:
    """Start calling `fire` at `times`: sorted, absolute, in ns on the monotonic clock. By timerfd where it exists."""
    return TimerfdPacer(loop, times, fire) if LINUX else ThreadPacer(loop, times, fire)


class _Drain:
    """The part that both pacers share: fire everything that is due, tell when the next one is."""

    __slots__ = ("_fire", "_next", "_times")

    def __init__(self, times: Sequence[int], fire: Fire) -> None:
        self._times = times
        self._fire = fire
        self._next = 0

    def __call__(self) -> int | None:
        """Fire all that is due by now, and by the end of that. Returns the next time in ns, None after the last."""
        times, index = self._times, self._next
        try:
            while index < len(times) and times[index] <= monotonic_ns():
                self._fire(index)
                index += 1
        finally:
            self._next = index
        return times[index] if index < len(times) else None


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class TimerfdPacer:
    """timerfd_create(2), armed at the absolute time of the next request. Linux; Python 3.13 has it in `os`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, times: Sequence[int], fire: Fire) -> None:
        self._loop = loop
        self._drain = _Drain(times, fire)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._when = _Itimerspec()
        self._fd: int | None = self._checked(
            self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC), "timerfd_create"
        )
        loop.add_reader(self._fd, self._wake)
        if times:
            self._arm(times[0])

    def _wake(self) -> None:
        if self._fd is None:
            return
        try:
            os.read(self._fd, 8)  # the number of expirations: it must be read to silence the descriptor
        except BlockingIOError:
            return
        following = self._drain()
        if following is not None:
            self._arm(following)

    def _arm(self, when: int) -> None:
        """A time that has passed meanwhile fires at once, so nothing is lost between the drain and this call."""
        if self._fd is None:
            return
        self._when.seconds, self._when.nanoseconds = divmod(when, SECOND)
        self._checked(
            self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._when), None), "timerfd_settime"
        )

    def _checked(self, result: int, call: str) -> int:
        if result < 0:
            raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")
        return result

    def close(self) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None


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
