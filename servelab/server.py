"""A server is a running strategy: start it, wait until it predicts, talk to it, stop everything that it started."""

import contextlib
import json
import math
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil
from numpy.typing import ArrayLike, NDArray

import shared_models
from servelab import supervisor
from servelab.client import Client
from servelab.errors import RequestFailed, StartFailed
from servelab.strategy import Strategy

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - how to reach a server that listens everywhere
GRACE = 30.0  # seconds that a server has to finish what is in flight; gunicorn's own graceful timeout


def raise_on_sigterm() -> None:
    """Let a SIGTERM to a command end it as Ctrl-C does, so that its servers are stopped in order."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


class Server:
    """A running server. Leaving its ``with`` block, an exception, Ctrl-C and kill -9 all stop what it started."""

    def __init__(
        self,
        strategy: Strategy,
        model: shared_models.Model,
        address: tuple[str, int],
        job: dict[str, Any],
        image: bool = False,
    ) -> None:
        self.strategy = strategy
        self.image = image
        self.model = model
        self.host, self.port = address
        reachable = _LOOPBACK.get(self.host, self.host)
        self.url = f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{self.port}"
        self.log = Path(job["log"]) if job["log"] else None
        self._job = job
        self.ready_seconds = self.first_seconds = math.nan
        """From the start to the end of the first prediction, and how long that one took; known once it is ready."""
        self._began = time.monotonic()
        # A session of its own: a Ctrl-C in the terminal reaches us alone, and we stop the server in order.
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._supervisor.stdin is not None  # noqa: S101 - they are pipes
        assert self._supervisor.stdout is not None  # noqa: S101
        self._supervisor.stdin.write(json.dumps(job).encode() + b"\n")
        self._supervisor.stdin.flush()
        self._events: queue.SimpleQueue[dict[str, int]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(self._supervisor.stdout,), daemon=True).start()
        self.status: int | None = None
        self.client = self.connect()

    def connect(self, protocol: str | None = None, timeout: float = 30.0) -> Client:
        """A client with a connection of its own, in the strategy's dialect or another that it speaks."""
        return Client(self.url, protocol or self.strategy.protocol, self.model, timeout)

    def predict(self, batch: ArrayLike) -> NDArray[Any]:
        """The predictions of a batch, shape (N, *input shape) -> (N, classes); raises RequestFailed."""
        return self.client.predict(batch)

    @property
    def pids(self) -> list[int]:
        """The live processes of the server; the supervisor is not one of them."""
        try:
            children = psutil.Process(self._supervisor.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child.pid for child in children if _lives(child)]

    def wait_ready(self, timeout: float) -> None:
        """Wait until it predicts the model's first golden input; StartFailed when it ends or time runs out before."""
        sample = self.model.golden().inputs[:1]
        deadline = time.monotonic() + timeout
        problem = "it never accepted a connection"
        while time.monotonic() < deadline:
            if self.exited() is not None:
                raise StartFailed(self._report(f"ended at its start with exit status {self.status}"))
            asked = time.monotonic()
            try:
                with self.connect(timeout=max(deadline - asked, 0.1)) as probe:
                    probe.predict(sample)
            except RequestFailed as error:
                problem = str(error)
                time.sleep(0.03)
            else:
                answered = time.monotonic()
                if self.image or self._listens():
                    self.ready_seconds, self.first_seconds = answered - self._began, answered - asked
                    return
                problem = f"another program listens on port {self.port} and answers in its place"
                time.sleep(0.03)
        raise StartFailed(self._report(f"did not predict within {timeout:.0f} s: {problem}"))

    def _listens(self) -> bool:
        """Whether one of the server's own processes listens on its port, where the system tells."""
        for pid in self.pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                try:
                    sockets = psutil.Process(pid).net_connections("inet")
                except psutil.AccessDenied:
                    return True
                if any(s.status == psutil.CONN_LISTEN and s.laddr.port == self.port for s in sockets):
                    return True
        return False

    def exited(self) -> int | None:
        """The exit status of the server's main process, or None while it runs."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.status = self._events.get_nowait().get("exited", self.status)
        return self.status

    def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit status."""
        while self.exited() is None and self._supervisor.poll() is None:
            time.sleep(0.1)
        return self.status or 0

    def stop(self) -> None:
        """Stop it in order: what is in flight is finished, and no process that it started lives afterwards."""
        self.client.close()
        assert self._supervisor.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError):
            self._supervisor.stdin.close()
        longest = self._job["grace"] + supervisor.TERM_TO_KILL + supervisor.GIVE_UP + 5
        try:
            self._supervisor.wait(longest)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()

    def _listen(self, events: IO[bytes]) -> None:
        with events:
            for line in events:
                self._events.put(json.loads(line))

    def _report(self, what: str) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()[-15:] if self.log and self.log.exists() else []
        tail = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
        said = f"The end of its log, {self.log}:\n{tail}" if self.log else "What it said stands above."
        return (
            f"{self.strategy.name}, serving {self.model.name}, {what}.\n{said}\n"
            f"Its command was: {' '.join(self._job['command'])}\nSee what the machine lacks with: make doctor"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
