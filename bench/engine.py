"""The load engine, a process of its own: `python -m bench.engine FOLDER`, started by bench.launch.

It sends the pre-encoded requests of an assignment, stamps each, and writes what happened. Nothing in the window parses
JSON, allocates arrays, collects garbage or starts a timer per request. It ends at once when its parent has gone.
"""

import asyncio
import gc
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

import numpy as np

from bench.job import Assignment, Job, Outturn
from bench.pacer import SECOND, pace
from bench.pool import Pool
from bench.records import Counters
from bench.resources import cpu_between, cpu_ns
from bench.tape import Tape

START_DELAY: Final = 20_000_000
"""ns between the decision to start and time zero, so that the first request is not late."""
SPARE_FILES: Final = 64
"""Open files besides connections: the standard streams, the loop's own, libraries."""
CLOSED_LOOP_CEILING: Final = 200_000
"""Requests/s that closed-loop arrays have room for: above what one Python process can send (130,000/s measured)."""


class Meter:
    """CPU time of the server's processes and of this one, from the end of the lead-in to the last outcome."""

    def __init__(self, pids: tuple[int, ...]) -> None:
        self._pids = pids
        self.start()

    def start(self) -> None:
        self._servers, self._engine, self._clock = self._read()

    def stop(self) -> tuple[int, int, int]:
        """Nanoseconds of server CPU, of engine CPU, and by the clock."""
        servers, engine, clock = self._read()
        return cpu_between(self._servers, servers), engine - self._engine, clock - self._clock

    def _read(self) -> tuple[dict[int, int], int, int]:
        return cpu_ns(self._pids), time.process_time_ns(), monotonic_ns()


async def open_loop(pool: Pool, times: list[int]) -> int:
    """Submit request i at times[i] whatever the server does; return their number when each has its outcome."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    left = len(times)
    if not left:
        return 0

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
    return len(times)


async def closed_loop(pool: Pool, start: int, end: int) -> int:
    """Keep every connection of the pool busy until `end`; return how many requests that was."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    intended = pool.tape.intended
    count = busy = 0

    def turn() -> None:
        nonlocal count, busy
        intended[count] = monotonic_ns()
        count += 1
        busy += 1
        pool.submit(count - 1)

    def finished(_: int) -> None:
        nonlocal busy
        busy -= 1
        if monotonic_ns() < end and count < len(intended):
            turn()
        elif not busy:
            over.set_result(None)

    pool.finished = finished
    await asyncio.sleep((start - monotonic_ns()) / SECOND)
    for _ in range(pool.cap):
        turn()
    await over
    return count


async def drive(assignment: Assignment) -> Outturn:
    """Run one window in the running loop. RuntimeError when a callback of the engine itself fails."""
    job, schedule = assignment.job, assignment.schedule
    loop = asyncio.get_running_loop()
    span = job.lead + job.seconds
    tape = Tape(int(span * CLOSED_LOOP_CEILING) if schedule is None else len(schedule))
    pool = Pool(loop, (job.host, job.port), assignment.requests, tape,
                cap=job.connections, timeout=job.timeout, keep=frozenset(job.keep))  # fmt: skip
    zero = monotonic_ns() + START_DELAY
    if schedule is None:
        load = closed_loop(pool, zero, zero + int(span * SECOND))
    else:
        tape.intended = array("q", zero + np.round(schedule * SECOND).astype(np.int64))
        load = open_loop(pool, tape.intended.tolist())
    meter = Meter(job.pids)
    loop.call_at(loop.time() + START_DELAY / SECOND + job.lead, meter.start)
    try:
        count = await _unless_broken(load)
        server_cpu, engine_cpu, window = meter.stop()
    finally:
        await pool.close()
    counters = Counters(
        zero_ns=zero,
        lead=job.lead,
        seconds=job.seconds,
        window_ns=window,
        server_cpu_ns=server_cpu,
        engine_cpu_ns=engine_cpu,
        opened=pool.opened,
        connections=pool.cap,
        cap_reached=pool.cap_reached,
        resent=pool.resent,
        loop=type(loop).__module__.partition(".")[0],
    )
    return Outturn(tape.records(count, counters), pool.answers)


async def _unless_broken(load: Coroutine[Any, Any, int]) -> int:
    """Await the load; an exception in any callback ends it, because a broken engine must not give figures."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(load)
    faults: list[dict[str, Any]] = []

    def broken(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        faults.append(context)
        task.cancel()

    loop.set_exception_handler(broken)
    try:
        return await task
    except asyncio.CancelledError:
        if not faults:
            raise
        raise RuntimeError(f"the engine is broken: {faults[0]['message']}") from faults[0].get("exception")
    finally:
        loop.set_exception_handler(None)


def _loop_factory(job: Job) -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where it is installed (a third of the CPU time per request), else asyncio."""
    if job.uvloop:
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


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


def _end_with_parent() -> None:
    """The parent holds the other end of stdin and writes nothing: end-of-file says that it has gone."""
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a lock held here would break the end of the interpreter
        pass
    os._exit(1)


def main() -> None:
    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    assignment = Assignment.load(folder)
    if assignment.job.cpu is not None:
        os.sched_setaffinity(0, {assignment.job.cpu})
    _allow_connections(assignment.job.connections)
    gc.collect()
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=_loop_factory(assignment.job)) as runner:
        outturn = runner.run(drive(assignment))
    outturn.save(folder)


if __name__ == "__main__":
    main()
