"""A server is a running strategy: start it, wait until it predicts, talk to it, stop everything that it started."""

import contextlib
import math
import signal
import time
from types import TracebackType
from typing import Any, Self

import psutil
from numpy.typing import ArrayLike, NDArray

import shared_models
from servelab.client import Client
from servelab.errors import RequestFailed, StartFailed
from servelab.process import Process
from servelab.strategy import Strategy

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - how to reach a server that listens everywhere


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
        self.ready_seconds = self.first_seconds = math.nan
        """From the start to the end of the first prediction, and how long that one took; known once it is ready."""
        self._began = time.monotonic()
        self._supervisor = Process(job)
        self.log = self._supervisor.log
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
        return self._supervisor.pids

    def wait_ready(self, timeout: float) -> None:
        """Wait until it predicts the model's first golden input; StartFailed when it ends or time runs out before."""
        sample = self.model.golden().inputs[:1]
        deadline = time.monotonic() + timeout
        problem = "it never accepted a connection"
        while time.monotonic() < deadline:
            if self.exited() is not None:
                raise StartFailed(self._report(f"ended at its start with exit status {self.exited()}"))
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
        return self._supervisor.exited()

    def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit status."""
        return self._supervisor.wait()

    def stop(self) -> None:
        """Stop it in order: what is in flight is finished, and no process that it started lives afterwards."""
        self.client.close()
        self._supervisor.stop()

    def _report(self, what: str) -> str:
        command = " ".join(self._supervisor.job["command"])
        return (
            f"{self.strategy.name}, serving {self.model.name}, {what}.\n{self._supervisor.tail()}\n"
            f"Its command was: {command}\nIf its log does not say why: make doctor shows what the machine lacks"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
