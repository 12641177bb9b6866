"""The load engine, a process of its own: `python -m bench.load.engine FOLDER`, started by bench.load.launch.

It sends the pre-encoded requests of an assignment, stamps each, and writes what happened. Nothing in the window parses
JSON, collects garbage or starts a timer per request, and no memory grows with the length of a run: the schedule is a
mapped file, and beyond RAW_RECORDS requests are counted into histograms. It ends at once when its parent has gone.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

from bench.load.child import end_with_parent, loop_factory
from bench.load.job import Assignment, Job, Outturn
from bench.load.pacer import SECOND, pace
from bench.load.pool import Pool
from bench.load.records import RAW_RECORDS, Counters
from bench.load.sampler import Sampler
from bench.load.schedule import Schedule
from bench.load.tape import Tape
from bench.resources import MachineTimes, cpu_between, cpu_ns, family, machine_times

START_DELAY: Final = 50_000_000
"""ns between the decision to start and time zero, enough to lay out the tape, so that the first request is not late."""
CLOSED_LOOP_SAMPLES: Final = 10
"""One sample of the in-flight count for so many of an open loop's: it hardly leaves the number of connections."""
SPARE_FILES: Final = 64
"""Open files besides connections: the standard streams, the loop's own, libraries."""


class Meter:
    """Reads all counters of a window at its two ends: the end of the lead-in and the last outcome."""

    def __init__(self, job: Job, pool: Pool, sample_every: float) -> None:
        self._job = job
        self._pool = pool
        self._every = sample_every
        self._servers, self._bystanders = CpuTime(job.pids), CpuTime(job.bystanders)
        self._begin()

    def start(self) -> None:
        """Begin anew."""
        self.sampler.stop()
        self._begin()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self.sampler = Sampler(loop, lambda: self._pool.in_flight, self._every, self._job.seconds)
        self._servers.begin()
        self._bystanders.begin()
        self._engine, self._machine, self._clock = self._read()

    def stop(self) -> dict[str, Any]:
        """The fields of Counters that count from one end to the other."""
        engine, machine, clock = self._read()
        servers, bystanders, machine = self._servers.spent(), self._bystanders.spent(), machine - self._machine
        in_flight, in_flight_error = self.sampler.stop()
        return {
            "window_ns": clock - self._clock,
            "server_cpu_ns": servers,
            "bystander_cpu_ns": bystanders,
            "engine_cpu_ns": engine - self._engine,
            "busy_ns": machine.busy,
            "steal_ns": machine.steal,
            "pressure_ns": machine.pressure,
            "in_flight": in_flight,
            "in_flight_error": in_flight_error,
        }

    def _read(self) -> tuple[int, MachineTimes, int]:
        return time.process_time_ns(), machine_times(), monotonic_ns()


class CpuTime:
    """Of a family of processes; who belongs to it is asked at its making and at its end, not while requests leave."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = family(pids)
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._before = cpu_ns(self._pids)

    def spent(self) -> int:
        """ns since then, of those who have joined meanwhile too."""
        return cpu_between(self._before, cpu_ns(family(self._pids)))


class Times(Sequence[int]):
    """Intended times in monotonic ns, made from the schedule as they are asked for: it may be a mapped file."""

    def __init__(self, schedule: Schedule, zero: int) -> None:
        self._seconds = schedule.data  # its items are plain floats, quicker than numpy's
        self._zero = zero

    def __len__(self) -> int:
        return len(self._seconds)

    def __getitem__(self, index: int) -> int:  # type: ignore[override] # nobody slices it
        return self._zero + round(self._seconds[index] * SECOND)


async def open_loop(pool: Pool, times: Sequence[int]) -> None:
    """Submit request i at times[i] whatever the server does; return when each has its outcome."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    left = len(times)
    if not left:
        return

    def finished(_: int) -> None:
        nonlocal left
        left -= 1
        if not left:
            over.set_result(None)

    pool.finished = finished
    pacer = pace(loop, times, pool.submit)
    try:
        await over
    finally:
        pacer.close()


async def closed_loop(pool: Pool, start: int, end: int) -> None:
    """Keep every connection of the pool busy until `end`. A request's turn comes when the one before it is done."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    count = 0

    def finished(done: int) -> None:
        nonlocal count
        if done < end:
            count += 1
            pool.submit(count, done)
        elif not pool.in_flight:
            over.set_result(None)

    pool.finished = finished
    await asyncio.sleep((start - monotonic_ns()) / SECOND)
    count = pool.cap - 1
    for index in range(pool.cap):
        pool.submit(index, monotonic_ns())
    await over


async def drive(assignment: Assignment) -> Outturn:
    """Run one window in the running loop. RuntimeError when a callback of the engine itself fails."""
    job, schedule = assignment.job, assignment.schedule
    loop = asyncio.get_running_loop()
    zero = monotonic_ns() + START_DELAY
    kept = RAW_RECORDS if schedule is None else min(RAW_RECORDS, len(schedule))
    tape = Tape(kept if job.raw else 0, zero, job.lead * SECOND)
    pool = Pool(loop, (job.host, job.port), assignment.requests, tape,
                cap=job.connections, timeout=job.timeout, keep=frozenset(job.keep))  # fmt: skip
    if schedule is None:
        load = closed_loop(pool, zero, zero + int((job.lead + job.seconds) * SECOND))
        meter = Meter(job, pool, job.sample_every * CLOSED_LOOP_SAMPLES)
    else:
        load = open_loop(pool, Times(schedule, zero))
        meter = Meter(job, pool, job.sample_every)
    loop.call_at(loop.time() + START_DELAY / SECOND + job.lead, meter.start)
    try:
        await _unless_broken(load)
        metered = meter.stop()
    finally:
        await pool.close()
    counters = Counters(
        zero_ns=zero,
        lead=job.lead,
        seconds=job.seconds,
        opened=pool.opened,
        connections=pool.cap,
        cap_reached=pool.cap_reached,
        resent=pool.resent,
        loop=type(loop).__module__.partition(".")[0],
        cpus=os.cpu_count() or 1,
        **metered,
    )
    return Outturn(tape.records(counters, meter.sampler.times), pool.answers)


async def _unless_broken(load: Coroutine[Any, Any, None]) -> None:
    """Await the load; an exception in any callback ends it, because a broken engine must not give figures."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(load)
    faults: list[dict[str, Any]] = []

    def broken(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        faults.append(context)
        task.cancel()

    loop.set_exception_handler(broken)
    try:
        await task
    except asyncio.CancelledError:
        if not faults:
            raise
        raise RuntimeError(f"the engine is broken: {faults[0]['message']}") from faults[0].get("exception")
    finally:
        loop.set_exception_handler(None)


def _allow_connections(count: int) -> None:
    """Raise the soft limit of open files where it would stop the engine before its connection cap."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def main() -> None:
    folder = Path(sys.argv[1])
    end_with_parent()
    assignment = Assignment.load(folder)
    if assignment.job.cpu is not None:
        os.sched_setaffinity(0, {assignment.job.cpu})
    _allow_connections(assignment.job.connections)
    gc.collect()
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=loop_factory(assignment.job.uvloop)) as runner:
        outturn = runner.run(drive(assignment))
    outturn.save(folder)


if __name__ == "__main__":
    main()
