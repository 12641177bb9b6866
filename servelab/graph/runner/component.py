"""One component of a graph: the strategy ``seldon`` with a unit's variables, kept alive on ports of its own."""

import asyncio
import contextlib
import logging
import time

from servelab.errors import ServelabError, StartFailed
from servelab.graph.gateway.live import Endpoint
from servelab.graph.runner import health, job
from servelab.graph.runner.health import Health
from servelab.graph.runner.job import Place
from servelab.graph.runner.ports import Port
from servelab.graph.runner.program import Program
from servelab.process import Process

BACKOFF, LONGEST_BACKOFF = 0.2, 10.0  # seconds before a component that died is started again, doubled each time
SETTLED = 30.0  # seconds after which a component that dies is no longer one that keeps dying
_log = logging.getLogger(__name__)


class Component:
    """Started once, then restarted on the same ports whenever it dies or hangs, until ``stop``.

    ``workers`` processes answer; ``grpc`` also serves Seldon's gRPC.
    """

    def __init__(
        self, place: Place, program: Program, workers: int = 1, grpc: bool = False, probing: Health | None = None
    ) -> None:
        self.place, self.program = place, program
        self.restarts = 0
        self.ready = False
        self._workers = workers
        self._probing = probing or Health()
        self._http, self._grpc = Port(), Port() if grpc else None
        self._process: Process | None = None
        self._ended = asyncio.Event()
        self._began = 0.0
        self._keeper: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens, before and after a restart."""
        return Endpoint(self._http.address, self._grpc.address if self._grpc else None)

    @property
    def pids(self) -> list[int]:
        """Its live processes, the main one first."""
        return self._process.pids if self._process else []

    async def start(self) -> None:
        """Return once it is ready; StartFailed, with what its log says, when it ends or time runs out before."""
        try:
            await self._start()
        except BaseException:
            await self._end(kill=True)  # it answers nobody yet
            raise
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Let it finish what is in flight; afterwards nothing that it started lives."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self._end()
        for port in (self._http, self._grpc):
            if port:
                port.release()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._ended.clear()

        def on_exit() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it
                loop.call_soon_threadsafe(self._ended.set)

        self._began = time.monotonic()
        try:
            wanted = await asyncio.to_thread(job.of, self.place, self.program, self.endpoint, self._workers)
            self._process = Process(wanted, on_exit)
        except OSError as error:  # no process or file more to be had
            raise StartFailed(f"{self.place} ({self.program.model_name}) could not be started: {error}") from error
        await self._wait_ready(self._process)
        self.ready = True

    async def _wait_ready(self, process: Process) -> None:
        endpoint, found = self.endpoint, 0
        deadline = self._began + self._probing.start
        while (left := deadline - time.monotonic()) > 0:
            if self._ended.is_set():
                what = f"ended at its start with exit status {process.exited()}"
                raise StartFailed(f"{self.place} ({self.program.model_name}) {what}: {_last_words(process)}")
            found = await health.status(endpoint.http, left)
            if found == 200 and (endpoint.grpc is None or await health.accepts(endpoint.grpc, left)):
                return
            await asyncio.sleep(0.05)
        said = f"it answered {found}" if found else "it did not answer"
        what = f"was not ready within {self._probing.start:.0f} s: {said}"
        raise StartFailed(f"{self.place} ({self.program.model_name}) {what}.\n{process.tail()}")

    async def _keep(self) -> None:
        """Start it again whenever it ends or hangs."""
        pause = BACKOFF
        while True:
            trouble = await self._trouble()
            self.ready = False
            if time.monotonic() - self._began > SETTLED:
                pause = BACKOFF
            _log.warning("%s %s; it is started again", self.place, trouble)
            await self._end(kill=True)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_BACKOFF)
            self.restarts += 1
            try:
                await self._start()
            except ServelabError as error:  # whatever it was, the next attempt may succeed
                _log.warning("%s", error)
            else:
                _log.warning("%s is ready again", self.place)

    async def _trouble(self) -> str:
        """Wait until it ends or hangs; which of the two, in words. At once where its last start failed."""
        if not self.ready:
            return "did not become ready"
        verdict = health.Verdict(self._probing)
        worked = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), self._probing.period)
                status = self._process and self._process.exited()
                return "lost its supervisor" if status is None else f"ended (exit status {status})"
            if await health.status(self.endpoint.http, self._probing.timeout):
                verdict.answered()
            elif self._process and not self._ended.is_set():
                before, worked = worked, await asyncio.to_thread(self._process.cpu_seconds)
                if verdict.silent(busy=worked - before > 0.1 * self._probing.timeout):
                    return f"hung: it answered none of {self._probing.failures} probes or more"

    async def _end(self, kill: bool = False) -> None:
        self.ready = False
        if self._process:
            if kill:
                await asyncio.to_thread(self._process.kill)
            await asyncio.to_thread(self._process.stop)
            self._process = None


def _last_words(process: Process) -> str:
    """A message, or an exception's last line, and where the traceback is: no line of gunicorn's own, none indented."""
    lines = process.log.read_text("utf-8", "replace").splitlines() if process.log and process.log.exists() else []
    words = [line for line in lines if line and not line[0].isspace() and not line.startswith(("[", "Traceback"))]
    return f"{words[-1]}\nIts log: {process.log}" if words else process.tail()
