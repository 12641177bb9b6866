"""A program of one's own, in a strategy's environment, under the supervisor: for pages and checks.

``with program.start(["python", "app.py"], strategy="fastapi", cwd=folder, port=3389) as running: ...running.url...``
"""

import os
import shlex
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from servelab import environment, supervisor
from servelab.errors import ServelabError, StartFailed
from servelab.paths import ROOT
from servelab.process import Process
from servelab.start import log_file, usable_port

GRACE = 3.0  # seconds that a program has to end in order
HOST = "127.0.0.1"
NOTHING: Mapping[str, str] = MappingProxyType({})


class Running:
    """A program that runs. Leaving its ``with`` block stops it, with everything that it started."""

    def __init__(self, job: dict[str, Any], port: int | None) -> None:
        self.port = port
        self._process = Process(job)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, of a program that was started with a port."""
        if self.port is None:
            raise ServelabError("this program was started without a port: expected port=0 for a free one")
        return f"http://{HOST}:{self.port}"

    @property
    def pids(self) -> list[int]:
        """Its live processes."""
        return self._process.pids

    def text(self) -> str:
        """What it has printed so far."""
        log = self._process.log
        return log.read_text("utf-8", "replace") if log is not None and log.exists() else ""

    def exited(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self._process.exited()

    def stop(self) -> None:
        """Stop it; what it printed stays."""
        self._process.stop()

    def wait_ready(self, seconds: float) -> None:
        """Wait until it takes a connection; StartFailed when it ends or time runs out before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (status := self.exited()) is not None:
                raise StartFailed(f"{self._command()} ended at its start with exit status {status}.\n{self._tail()}")
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(0.03)
        raise StartFailed(f"{self._command()} took no connection on port {self.port} within {seconds:g} s.\n"
                          f"{self._tail()}")  # fmt: skip

    def _command(self) -> str:
        return shlex.join(self._process.job["command"])

    def _tail(self) -> str:
        return self._process.tail()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    command: Sequence[str | os.PathLike[str]],
    strategy: str | None = None,
    cwd: str | os.PathLike[str] = ROOT,
    port: int | None = None,
    env: Mapping[str, str] = NOTHING,
    ready: float = 30.0,
) -> Running:
    """Start a program and return once it takes connections on ``port`` (0: a free one; None: at once).

    ``{port}`` in the command and in ``env`` becomes the port, where there is one. ``strategy``: a strategy,
    ``pipelines/v1`` or ``pipelines/v2``, whose environment it runs in; None: the toolkit's. ``ready``: seconds that it
    has to start. Raises StartFailed, EnvironmentFailed, StrategyError.
    """
    if port is not None:
        port = usable_port(HOST, port)
    job = _job(command, strategy, cwd, env, port) | {"log": str(log_file(f"program-{Path(command[0]).name}"))}
    running = Running(job, port)
    try:
        if port is not None:
            running.wait_ready(ready)
    except BaseException:
        running.stop()
        raise
    return running


def run(
    command: Sequence[str | os.PathLike[str]],
    strategy: str | None = None,
    cwd: str | os.PathLike[str] = ROOT,
    env: Mapping[str, str] = NOTHING,
    timeout: float = 30.0,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its exit status, and what it printed on each of its two streams.

    Raises ServelabError when it does not end within ``timeout`` seconds; it and what it started are stopped then.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        # The supervisor has one log; the shell puts the second stream into a file of its own.
        apart = ["/bin/sh", "-c", 'err=$1; shift; exec "$@" 2>"$err"', "sh", str(err), *command]
        process = Process(_job(apart, strategy, cwd, env, None) | {"log": str(out), "grace": 1.0})
        deadline = time.monotonic() + timeout
        try:
            while (status := process.exited()) is None and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:
            process.stop()
        printed = [file.read_text("utf-8", "replace") if file.exists() else "" for file in (out, err)]
    words = [os.fspath(word) for word in command]
    if status is None:
        raise ServelabError(f"expected {shlex.join(words)} to end within {timeout:g} s; it did not, and was stopped. "
                            f"It had printed:\n{''.join(printed).strip()[-2000:] or '(nothing)'}")  # fmt: skip
    return subprocess.CompletedProcess(words, status, *printed)


def _job(command: Sequence[str | os.PathLike[str]], strategy: str | None, cwd: str | os.PathLike[str],
         env: Mapping[str, str], port: int | None) -> dict[str, Any]:  # fmt: skip
    where = environment.named(strategy) if strategy else environment.toolkit()
    where.ensure()

    def filled(word: str) -> str:
        return word if port is None else word.replace("{port}", str(port))

    own = {key: filled(value) for key, value in env.items()} | {supervisor.COOKIE: uuid.uuid4().hex}
    return {
        "command": [filled(os.fspath(word)) for word in command],
        "cwd": os.fspath(ROOT / cwd),
        "env": where.variables() | own,
        "stop": "main",
        "grace": GRACE,
    }
