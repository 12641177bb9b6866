"""Seldon's metrics without the manager process that the stock command keeps them in."""

import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent.socket as sockets  # type: ignore[import-untyped]
from gevent.server import StreamServer  # type: ignore[import-untyped]
from seldon_core.metrics import SeldonMetrics  # type: ignore[import-untyped]

PATIENCE = 2.0  # seconds for another worker's metrics


class Metrics(SeldonMetrics):  # type: ignore[misc]
    """Counters, gauges and timers in the worker's own memory; workers ask each other when somebody scrapes one.

    The stock ones live in a process of their own, and each request talks to it six times, with or without metrics.
    """

    def __init__(self, folder: str = "") -> None:
        """``folder`` is where the workers of one server find each other."""
        self._lock = threading.Lock()
        self._whole = threading.Lock()
        self.data: dict[int, Any] = {}
        self.worker_id_func = os.getpid
        self._extra_default_labels: dict[str, str] = {}
        self._folder = folder
        if folder:
            self._tell(Path(folder) / f"{os.getpid()}")

    def __del__(self) -> None:
        """There is no manager to shut down."""

    def update(self, custom_metrics: list[dict[str, Any]], method: str) -> None:
        """Take in what a component reported."""
        if custom_metrics:
            with self._whole:  # REST and gRPC run in different threads
                super().update(custom_metrics, method)

    def collect(self) -> Iterator[Any]:
        """The samples of all workers, each under its number."""
        everyone = Metrics()
        everyone.data = pickle.loads(self._pickled())  # noqa: S301 - of our own process
        for path in Path(self._folder).iterdir() if self._folder else ():
            if path.name != f"{os.getpid()}":
                everyone.data |= _ask(path)
        yield from SeldonMetrics.collect(everyone)

    def _tell(self, path: Path) -> None:
        listener = sockets.socket(sockets.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self._server = StreamServer(listener, lambda client, _: client.sendall(self._pickled()))
        self._server.start()

    def _pickled(self) -> bytes:
        with self._whole:
            return pickle.dumps(self.data)


def _ask(path: Path) -> dict[int, Any]:
    """The metrics of the worker that listens there; none of one that has ended."""
    parts = []
    with sockets.socket(sockets.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(str(path))
            while part := connection.recv(1 << 16):
                parts.append(part)
        except OSError:
            return {}
    return pickle.loads(b"".join(parts))  # type: ignore[no-any-return]  # noqa: S301 - of our own process
