"""What a server spends: CPU time and memory of its processes. And which CPUs it and the engine run on."""

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import psutil

LINUX: bool = sys.platform == "linux"
PRESSURE = Path("/proc/pressure/cpu")


class Spent(NamedTuple):
    """CPU time, user and system, of a process since it began, in ns."""

    own: int
    reaped: int  # of its children that have ended and been waited for, and of theirs


_NOTHING = Spent(0, 0)


def family(pids: Iterable[int]) -> set[int]:
    """These processes and all that descend from them; takes about a ms."""
    found = set(pids)
    for pid in set(found):
        with contextlib.suppress(psutil.Error):
            if psutil.Process(pid).ppid() not in found:
                found.update(child.pid for child in psutil.Process(pid).children(recursive=True))
    return found


def cpu_ns(pids: Iterable[int]) -> dict[int, Spent]:
    """What each live process has spent; processes that are gone are left out.

    On Linux from the per-process CPU clock, exact to the ns where /proc counts ticks of 10 ms.
    """
    spent = {}
    for pid in pids:
        with contextlib.suppress(OSError, psutil.Error):
            spent[pid] = Spent(_clock_ns(pid) if LINUX else _psutil_ns(pid), _reaped_ns(pid))
    return spent


def cpu_between(before: Mapping[int, Spent], after: Mapping[int, Spent]) -> int:
    """CPU time in ns that a family of processes spent between two readings of all who were alive.

    A process that is new at the second reading began with nothing. The time of one that has gone is now among what its
    parent has reaped, with what it had spent before the first reading, which does not count. Where a stranger reaped it
    its last share is lost.
    """
    own = sum(spent.own - before.get(pid, _NOTHING).own for pid, spent in after.items())
    reaped = sum(spent.reaped - before.get(pid, _NOTHING).reaped for pid, spent in after.items())
    gone = sum(sum(spent) for pid, spent in before.items() if pid not in after)
    return own + max(0, reaped - gone)


def _clock_ns(pid: int) -> int:
    # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel, which clock_getcpuclockid(3) returns
    return time.clock_gettime_ns((~pid << 3) | 2)


def _reaped_ns(pid: int) -> int:
    """In ticks of 10 ms."""
    times = psutil.Process(pid).cpu_times()
    return int((times.children_user + times.children_system) * 1e9)


def _psutil_ns(pid: int) -> int:
    times = psutil.Process(pid).cpu_times()
    return int((times.user + times.system) * 1e9)


@dataclass(frozen=True, slots=True)
class MachineTimes:
    """What all CPUs together have done since the machine started, in ns; 0 where the system does not tell."""

    busy: int  # user, nice, system, irq and softirq time
    steal: int  # a CPU was wanted here and the hypervisor gave it to another guest
    pressure: int  # at least one runnable thread had no CPU ("some" of the kernel's pressure stall information)

    def __sub__(self, earlier: Self) -> "MachineTimes":
        return MachineTimes(self.busy - earlier.busy, self.steal - earlier.steal, self.pressure - earlier.pressure)


def machine_times() -> MachineTimes:
    """Read the machine's counters: /proc/stat in ticks of 10 ms, pressure in microseconds."""
    times = psutil.cpu_times()
    named = ("user", "nice", "system", "irq", "softirq", "steal")
    user, nice, system, irq, softirq, steal = (round(getattr(times, name, 0.0) * 1e9) for name in named)
    return MachineTimes(user + nice + system + irq + softirq, steal, _pressure_ns())


def _pressure_ns() -> int:
    try:
        some = PRESSURE.read_text().partition("\n")[0]
    except OSError:  # another system, or a kernel without it
        return 0
    return int(some.rpartition("total=")[2]) * 1_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process tree in bytes."""

    rss: int  # resident; pages that processes share count in each
    pss: int | None  # resident, shared pages divided among their users; None where the system does not tell it for all


def memory(pids: Iterable[int]) -> Memory:
    """Sum over the live processes."""
    processes = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
    pss = [_pss(process) for process in processes]
    known = [size for size in pss if size is not None]
    return Memory(sum(map(_rss, processes)), sum(known) if len(known) == len(pss) else None)


def _pss(process: psutil.Process) -> int | None:
    try:
        return getattr(process.memory_full_info(), "pss", None)
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        return None


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Which CPUs the servers run on and which one is the engine's own; None leaves it to the system."""

    servers: frozenset[int] | None
    engine: int | None


def placement(workers: int) -> Placement:
    """The last CPU for the engine and the others for the servers, where that leaves one for each worker."""
    if not hasattr(os, "sched_getaffinity"):
        return Placement(None, None)
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) <= workers:
        return Placement(None, None)
    return Placement(frozenset(cpus[:-1]), cpus[-1])


@contextlib.contextmanager
def running_on(cpus: Iterable[int] | None) -> Iterator[None]:
    """Keep this thread, and the processes it starts meanwhile for good, on these CPUs. None changes nothing."""
    if cpus is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
