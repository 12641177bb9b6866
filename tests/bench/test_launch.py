"""The engine process ends with whoever started it, however that ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import psutil
import pytest

from bench.load.job import Job
from bench.load.launch import launch
from tests.bench.lab import REQUEST, LabServer, every

T = TypeVar("T")
STARTER = """
import sys
from tests.bench.lab import LabServer, every
print("started", flush=True)
LabServer(int(sys.argv[1]), 0, "").drive(every(0.1, 600), seconds=60.0, pids=())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_engine_outlives_its_parent(lab: Callable[..., LabServer], how: signal.Signals) -> None:
    server = lab()
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(server.port)], stderr=subprocess.DEVNULL)
    try:
        engine = wait_for(lambda: psutil.Process(starter.pid).children())[0]
        wait_for(engine.net_connections)
        starter.send_signal(how)
        assert starter.wait(30) != 0
        gone, alive = psutil.wait_procs([engine], timeout=30)
        assert (gone, alive) == ([engine], [])
    finally:
        starter.kill()
        starter.wait()


VARIANT = "from bench.load import engine; engine.os.cpu_count = lambda: 77; engine.main()"


def test_a_variant_of_the_engine_runs_by_its_own_command(lab: Callable[..., LabServer]) -> None:
    job = Job("127.0.0.1", lab().port, 0.1, lead=0.0)
    outturn = launch(job, [REQUEST], every(0.01, 10), command=(sys.executable, "-c", VARIANT))
    assert outturn.records.answered() == 10
    assert outturn.records.counters.cpus == 77


def wait_for(what: Callable[[], list[T]]) -> list[T]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise TimeoutError
