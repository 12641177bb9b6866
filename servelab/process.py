"""A program under its supervisor (supervisor.py): started, watched, and stopped with everything that it started."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psutil

from servelab import supervisor

GRACE = 30.0  # seconds that a server has to finish what is in flight; gunicorn's own graceful timeout


class Process:
    """A running job, as supervisor.py describes it: {"command", "cwd", "env", "log", "stop", "grace"}.

    ``on_exit`` is called, by another thread, once its main process or its supervisor has ended.
    """

    def __init__(self, job: dict[str, Any], on_exit: Callable[[], None] | None = None) -> None:
        self.job = job
        self.log = Path(job["log"]) if job["log"] else None
        self._on_exit = on_exit
        self._ended = threading.Event()
        self._status: int | None = None
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
        threading.Thread(target=self._listen, args=(self._supervisor.stdout,), daemon=True).start()

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self._supervisor.pid

    @property
    def pids(self) -> list[int]:
        """The live processes of the job; the supervisor is not one of them."""
        try:
            children = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child.pid for child in children if _lives(child)]

    def cpu_seconds(self) -> float:
        """The CPU time that its live processes have used."""
        total = 0.0
        for pid in self.pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                used = psutil.Process(pid).cpu_times()
                total += used.user + used.system
        return total

    def exited(self) -> int | None:
        """The exit status of the main process, or None while it runs."""
        return self._status

    def wait(self) -> int:
        """Wait until it ends by itself; returns its exit status."""
        while not self._ended.wait(0.1):  # in short turns: a signal is heard between them
            pass
        return self._status or 0

    def stop(self) -> None:
        """Stop it in order: what is in flight is finished, and no process that it started lives afterwards."""
        assert self._supervisor.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError):
            self._supervisor.stdin.close()
        longest = self.job["grace"] + supervisor.TERM_TO_KILL + supervisor.GIVE_UP + 5
        try:
            self._supervisor.wait(longest)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()

    def kill(self) -> None:
        """SIGKILL to every process of the job: for one that answers nobody and would sleep through its grace."""
        for pid in self.pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()

    def tail(self, lines: int = 15) -> str:
        """The end of its log, indented, with the name of the file; or where its output went instead."""
        if self.log is None:
            return "What it said stands above."
        said = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        # A traceback out of an import is mostly of the import system's own frames.
        found = [line for line in said if not line.startswith('  File "<frozen importlib')][-lines:]
        text = "\n".join(f"    {line}" for line in found) or "    (nothing)"
        return f"The end of its log, {self.log}:\n{text}"

    def _listen(self, events: IO[bytes]) -> None:
        with events:
            for line in events:
                if (status := json.loads(line).get("exited")) is not None:
                    self._status = status
                    self._tell()
        self._tell()

    def _tell(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            if self._on_exit:
                self._on_exit()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
