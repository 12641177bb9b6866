"""Connections to one server, and the requests that wait for one.

One request at a time on each connection. A free connection is reused last in, first out, so that a light load keeps to
a few warm ones; a request that finds none free waits first in, first out, its clock running, while new connections are
opened up to a cap.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Final, cast

import httptools

from bench.load.records import NEVER, Outcome
from bench.load.tape import Tape

OK, STATUS = Outcome.OK, Outcome.STATUS  # looked up once
SWEEP_SECONDS: Final = 0.05
"""How often timeouts are looked for: no timer per request, and a timeout is at most this late."""

Request = tuple[int, int, int]
"""A request under way: its index, when it was intended, when it was taken up."""


class Connection(asyncio.Protocol):
    """One connection: writes a request, parses its answer, stamps both. `request` is the one under way."""

    __slots__ = ("heard", "kept", "parser", "pool", "request", "sent", "served", "transport")

    transport: asyncio.Transport

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.parser = httptools.HttpResponseParser(self)
        self.request: Request | None = None
        self.sent = NEVER
        self.heard = False  # has any byte of the present answer arrived?
        self.served = False  # has this connection answered before?
        self.kept: list[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting from it
        self.pool.connected(self)

    def send(self, request: Request, now: int) -> None:
        pool, index = self.pool, request[0]
        self.request = request
        self.sent = now
        self.heard = False
        if pool.keep:
            self.kept = [] if index in pool.keep else None
        self.transport.write(pool.requests[index % pool.kinds])

    def data_received(self, data: bytes) -> None:
        self.heard = True
        if self.kept is not None:
            self.kept.append(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # a fault of ours, not of the server: the engine stops
        except httptools.HttpParserError:
            self.fail(Outcome.MALFORMED)

    def on_message_complete(self) -> None:
        now = monotonic_ns()
        parser, pool, request = self.parser, self.pool, self.request
        status = parser.get_status_code()
        if status < 200:  # an interim answer, such as 100 Continue: the real one follows
            return
        if request is None:  # an answer that nobody asked for, such as 408 on a quiet connection
            self.transport.abort()
            return
        self.request = None
        self.served = True
        if self.kept is not None:
            pool.answers[request[0]] = b"".join(self.kept)
        sent = self.sent
        if parser.should_keep_alive():
            pool.release(self)
        else:
            pool.retire(self)
        pool.finish(request, sent, now, OK if status < 300 else STATUS, status)

    def fail(self, outcome: Outcome) -> None:
        """Give up the request under way, if any, and the connection with it."""
        request, self.request = self.request, None
        self.transport.abort()
        if request:
            self.pool.finish(request, self.sent, monotonic_ns(), outcome)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        request, self.request = self.request, None
        del self.parser  # it refers back to this object, and nothing collects cycles while a window runs
        self.pool.lost(self)
        if request is None:
            return
        if self.served and not self.heard:
            # Closed while kept alive, as the request crossed it: every HTTP client repeats it (RFC 9112, 9.3.1).
            self.pool.resend(request)
        else:
            self.pool.finish(request, self.sent, monotonic_ns(), Outcome.CLOSED)


class Pool:
    """All connections. `submit` takes a request; `finished(done)` is called at its one outcome, when it is on tape."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: tuple[str, int],
        requests: Sequence[bytes],
        tape: Tape,
        *,
        cap: int,
        timeout: float,
        keep: frozenset[int],
    ) -> None:
        self.requests = requests
        self.kinds = len(requests)
        self.tape = tape
        self.cap = cap
        self.keep = keep
        self.answers: dict[int, bytes] = {}  # whole answers, headers and body, of the requests in `keep`
        self.finished: Callable[[int], None] = _nothing
        self.opened = self.cap_reached = self.resent = 0
        self.in_flight = 0  # submitted and not finished
        self._loop = loop
        self._address = address
        self._timeout = int(timeout * 1e9)
        self._free: list[Connection] = []
        self._queue: deque[Request] = deque()
        self._live: set[Connection] = set()
        self._retired: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)

    def submit(self, index: int, intended: int) -> None:
        """Send request `index` now, or as soon as there is a connection for it."""
        now = monotonic_ns()
        request = (index, intended, now)
        self.in_flight += 1
        if self._free:
            self._free.pop().send(request, now)
            return
        self._queue.append(request)
        if not self._grow():
            self.cap_reached += 1

    def finish(self, request: Request, sent: int, done: int, outcome: Outcome, status: int = 0) -> None:
        self.in_flight -= 1
        _, intended, taken = request
        self.tape.write(intended, taken, sent, done, status, outcome)
        self.finished(done)

    def connected(self, connection: Connection) -> None:
        self.opened += 1
        self._live.add(connection)
        self.release(connection)

    def release(self, connection: Connection) -> None:
        """The connection is free: it takes the request that has waited longest."""
        if self._queue:
            connection.send(self._queue.popleft(), monotonic_ns())
        else:
            self._free.append(connection)

    def retire(self, connection: Connection) -> None:
        """The server said that it closes: let it do so first and keep the TIME_WAIT. The sweep does what it forgets."""
        self._live.discard(connection)
        self._retired.add(connection)
        self._grow()

    def lost(self, connection: Connection) -> None:
        self._live.discard(connection)
        self._retired.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        self._grow()

    def resend(self, request: Request) -> None:
        self.resent += 1
        if self._free:
            self._free.pop().send(request, monotonic_ns())
        else:
            self._queue.appendleft(request)
            self._grow()

    def _grow(self) -> bool:
        """Open a connection for every waiting request that has none coming. False when the cap forbids one."""
        needed = len(self._queue) - len(self._connecting)
        allowed = self.cap - len(self._live) - len(self._connecting)
        for _ in range(min(needed, allowed)):
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
        return needed <= allowed

    async def _connect(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - narrows the type for the checker
        try:
            await self._loop.create_connection(lambda: Connection(self), *self._address)
        except OSError:
            self._connecting.discard(task)
            if self._queue:
                self._drop(Outcome.REFUSED)
            self._grow()
        else:
            self._connecting.discard(task)

    def _sweep(self) -> None:
        """Time out what waits or is under way too long; close what the server said it would close."""
        limit = monotonic_ns() - self._timeout
        while self._queue and self._queue[0][1] < limit:
            self._drop(Outcome.TIMEOUT)
        for connection in [c for c in self._live if c.request and c.request[1] < limit]:
            connection.fail(Outcome.TIMEOUT)
        for connection in self._retired:
            connection.transport.close()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def _drop(self, outcome: Outcome) -> None:
        """The request that has waited longest is never sent."""
        self.finish(self._queue.popleft(), NEVER, monotonic_ns(), outcome)

    async def close(self) -> None:
        self._sweeper.cancel()
        self._queue.clear()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for connection in self._live | self._retired:
            connection.transport.abort()
        # The turn in which they hear of it. No wait until all have heard: uvloop does not tell a connection that had
        # just been made when its task was cancelled.
        await asyncio.sleep(0)


def _nothing(done: int) -> None:
    """The default for `Pool.finished`."""
