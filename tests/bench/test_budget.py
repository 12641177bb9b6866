"""What real servers of the standard library run on, read from their processes."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import budget
from bench.budget import Budget
from bench.resources import Spent, cpu_ns, family, running_on

linux = pytest.mark.skipif(sys.platform != "linux", reason="affinity and CPU clocks of other processes are Linux's")
ONE = Budget(workers=1, cpus=1, native_threads="default", access_log=False, threads=4, keep_alive=True)
SERVER = """
import os, select, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

workers, access_log, life = int(sys.argv[1]), sys.argv[2] == "True", int(sys.argv[3])

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        sum(range(1_200_000 if life else 40_000))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    if not access_log:
        def log_message(self, *_):
            pass

def start(server):  # the parent is a master that only watches
    if pid := os.fork():
        return pid
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    for _ in range(life):
        server.handle_request()
    if not life:
        server.serve_forever()
    os._exit(0)

servers = [HTTPServer(("127.0.0.1", 0), Handler) for _ in range(workers)]
children = {start(server): server for server in servers}
print(*[server.server_port for server in servers], *children, flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    pid, _ = os.waitpid(-1, os.WNOHANG)
    if pid:
        server = children.pop(pid)
        children[start(server)] = server
"""


class Running:
    """A server of so many worker processes under one that only watches; its log is a file."""

    def __init__(self, process: "subprocess.Popen[str]", workers: int, log: Path) -> None:
        assert process.stdout is not None
        numbers = [int(word) for word in process.stdout.readline().split()]
        self.ports, self.workers = numbers[:workers], numbers[workers:]
        self.master = process.pid
        self.log = log

    @property
    def pids(self) -> set[int]:
        return family([self.master])

    def ask(self, requests: int, ports: int | None = None) -> Budget:
        before, size = cpu_ns(self.pids), self.log.stat().st_size
        for number in range(requests):
            port = self.ports[: ports or len(self.ports)][number % (ports or len(self.ports))]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                assert answer.read() == b"ok"
        growth = self.log.stat().st_size - size
        return budget.read(before, cpu_ns(self.pids), growth, requests, connection_kept=False)


def end(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def begin(workers: int = 1, access_log: bool = False, life: int = 0, **env: str) -> Running:
            log = tmp_path / "log"
            clean = {key: value for key, value in os.environ.items() if key not in budget.NATIVE_THREADS}
            process = stack.enter_context(subprocess.Popen(
                [sys.executable, "-c", SERVER, str(workers), str(access_log), str(life)], env=clean | env, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stack.enter_context(log.open("wb"))))  # fmt: skip
            running = Running(process, workers, log)
            stack.callback(lambda: end(running.pids))
            return running

        yield begin


@linux
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_are_the_processes_that_work(start: Callable[..., Running], workers: int) -> None:
    assert start(workers).ask(120).workers == workers


@linux
def test_a_worker_that_nobody_asked_is_seen_in_another_boot(start: Callable[..., Running]) -> None:
    running = start(2)
    idle, busy = running.ask(60, ports=1), running.ask(60)
    assert (idle.workers, busy.workers) == (1, 2)
    assert budget.over([idle, busy, idle]) == busy


@linux
def test_workers_that_are_started_again_and_again_are_as_many(start: Callable[..., Running]) -> None:
    """Of those that were there before none is left, and what they did their master has reaped."""
    running = start(2, life=20)
    before = running.pids
    assert running.ask(60).workers == 2
    assert before & running.pids == {running.master}


@linux
def test_cpus_are_those_that_the_workers_may_use(start: Callable[..., Running]) -> None:
    allowed = os.sched_getaffinity(0)
    assert start().ask(20).cpus == len(allowed)
    with running_on({min(allowed)}):
        pinned = start()
    assert pinned.ask(20).cpus == 1


@linux
def test_native_threads_are_those_declared_to_the_workers(start: Callable[..., Running]) -> None:
    assert start().ask(20).native_threads == "default"
    declared = start(OMP_NUM_THREADS="2", MKL_NUM_THREADS="1", HOME="/").ask(20)
    assert declared.native_threads == "MKL_NUM_THREADS=1 OMP_NUM_THREADS=2"


@pytest.mark.parametrize("access_log", [False, True])
def test_an_access_log_grows_with_the_requests(start: Callable[..., Running], access_log: bool) -> None:
    assert start(access_log=access_log).ask(30).access_log is access_log


def test_a_few_lines_are_no_access_log() -> None:
    assert not budget.read({}, {}, 5_000, 1_000, connection_kept=True).access_log
    assert not budget.read({}, {}, 5_000, 0, connection_kept=True).access_log


def test_threads_are_of_the_workers(start: Callable[..., Running]) -> None:
    running = start(2)
    assert running.ask(60).threads == sum(psutil.Process(pid).num_threads() for pid in running.workers)


def test_processes_that_are_gone_are_no_error() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    found = budget.read({process.pid: Spent(0, 0)}, {process.pid: Spent(10**9, 0)}, 0, 100, connection_kept=True)
    assert (found.workers, found.threads, found.keep_alive) == (1, 0, True)
    assert found.cpus == os.cpu_count()


def test_one_line_says_all() -> None:
    assert ONE.describe() == "1 worker, 1 CPU, native threads default, no access log, 4 threads, keep-alive"
    other = replace(ONE, workers=2, cpus=2, access_log=True, keep_alive=False)
    assert other.describe() == (
        "2 workers, 2 CPUs, native threads default, an access log, 4 threads, a connection per request"
    )


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        ({}, [("", ["a", "b", "c"])]),
        ({"threads": 40, "keep_alive": False}, [("", ["a", "b", "c"])]),
        ({"workers": 2}, [("1 worker", ["a", "c"]), ("2 workers", ["b"])]),
        ({"native_threads": "OMP_NUM_THREADS=1"},
         [("native threads default", ["a", "c"]), ("native threads OMP_NUM_THREADS=1", ["b"])]),
        ({"cpus": 4, "access_log": True}, [("1 CPU, no access log", ["a", "c"]), ("4 CPUs, an access log", ["b"])]),
    ],
)  # fmt: skip
def test_arms_are_grouped_by_what_must_be_equal(changes: dict[str, Any], groups: list[tuple[str, list[str]]]) -> None:
    assert budget.groups({"a": ONE, "b": replace(ONE, **changes), "c": ONE}) == groups
