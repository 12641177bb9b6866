"""Boots: several workers answer alike, and a stop finishes what is in flight and leaves nothing behind."""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psutil
from numpy.typing import NDArray

from servelab.conformance.answers import parity
from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.load import good_among_bad
from servelab.conformance.subject import Subject, describe
from servelab.conformance.wire import Closed, Connection, NoReply, Silent
from servelab.process import GRACE
from servelab.protocols.base import Request
from servelab.strategy import Strategy
from shared_models import Model

FLIGHTS = 3  # large requests in flight when the stop comes
NUMBERS = 800_000  # in each of them: a tenth of a second and more of work for a server
# A container's network ends with its main process, and what of an answer is still in a socket's buffer with it: only a
# small answer can be promised there.
NUMBERS_IN_CONTAINER = 20_000
BODY = 9 << 20  # bytes of each at least, more than the kernel holds for a server that does not read
TAKEN_WITHIN = 5.0  # seconds; a server that handles one request at a time takes the others when it is free
STOPPED_WITHIN = GRACE + 10  # seconds for the answers in flight and the stop together
ANSWERED_WITHIN = 30.0


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:  # noqa: ARG001 - they apply to all
    """The checks that end a server, last of its boot; and those of a boot with two workers."""
    yield Check("lifecycle/stop-in-flight", _stop_in_flight, ends_server=True)
    yield Check("lifecycle/two-workers", _two_workers, workers=2)
    yield Check("lifecycle/two-workers-stop-in-flight", _stop_in_flight, workers=2, ends_server=True)


def _two_workers(subject: Subject) -> None:
    parity(subject.server)
    good_among_bad(subject)


def _stop_in_flight(subject: Subject) -> None:
    """Stop while large requests are in flight: each is answered rightly, and no process is left afterwards.

    In flight means: the server has read the head and most of the body (all but the last byte went out, which is
    more than the kernel holds on its behalf), and the last byte was sent before the stop. A connection that is kept
    alive and idle must not hold up the stop.
    """
    numbers = NUMBERS_IN_CONTAINER if subject.server.image else NUMBERS
    request, expected = subject.good(max(1, numbers // subject.golden.inputs[0].size))
    request = replace(request, body=request.body.ljust(BODY))
    data = subject.to_bytes(request)
    processes = _processes(subject)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(FLIGHTS) as pool:
        idle = stack.enter_context(subject.connect())
        idle.exchange(subject.to_bytes(subject.good()[0]))
        flights = [stack.enter_context(subject.connect(TAKEN_WITHIN)) for _ in range(FLIGHTS)]
        taken = [c for c, whole in zip(flights, pool.map(lambda c: _take(c, data[:-1]), flights), strict=True) if whole]
        if not taken:
            raise CheckFailed(f"sent {describe(request)}\nexpected the server to read it within {TAKEN_WITHIN:g} s")
        for connection in taken:
            connection.send(data[-1:])
        time.sleep(0.05)  # so that the last bytes are with the server before the signal is
        began = time.monotonic()
        stop = threading.Thread(target=subject.server.stop)
        stop.start()
        problems = [problem for problem in pool.map(lambda c: _landed(subject, c, request, expected), taken) if problem]
        stop.join()
    seconds = time.monotonic() - began
    if problems:
        raise CheckFailed(f"the stop broke {len(problems)} of {len(taken)} requests in flight: {problems[0]}")
    if seconds > STOPPED_WITHIN:
        raise CheckFailed(f"expected answers and stop within {STOPPED_WITHIN:g} s; they took {seconds:.1f} s")
    _require_gone(subject, processes)


def _take(connection: Connection, data: bytes) -> bool:
    """Whether the server reads all of it in time."""
    try:
        return connection.send(data)
    except Silent:
        return False


def _landed(subject: Subject, connection: Connection, sent: Request, expected: NDArray[Any]) -> str:
    try:
        subject.require_right(connection.reply(ANSWERED_WITHIN), expected, sent)
    except (NoReply, CheckFailed) as error:
        return str(error)
    return ""


def _processes(subject: Subject) -> list[psutil.Process]:
    found = []
    for pid in subject.server.pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def _require_gone(subject: Subject, processes: list[psutil.Process]) -> None:
    """CheckFailed when a process of the server lives, or somebody still listens."""
    alive = [process.pid for process in processes if _lives(process)]
    if alive:
        raise CheckFailed(f"expected no process after the stop; found {alive}")
    with contextlib.suppress(Closed), subject.connect():
        raise CheckFailed(f"expected nobody to listen after the stop; {subject.server.url} still accepts connections")


def _lives(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and waits for its parent to ask how does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
