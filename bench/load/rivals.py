"""Other load generators, where they are installed, on the same task: what a request costs them in CPU time."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import BenchError

CONNECTIONS: Final = 32

WRK_SCRIPT: Final = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = string.rep("0", {size})
"""

LOCUSTFILE: Final = """\
import time
import gevent
from locust import FastHttpUser, constant, events, task

started = 0.0

class User(FastHttpUser):
    wait_time = constant(0)

    @task
    def predict(self):
        self.client.post("/", data=b"0" * {size}, headers={{"Content-Type": "application/json"}})

@events.test_start.add_listener
def start(environment, **_):
    global started
    started = time.process_time()
    gevent.spawn(end, environment.runner)

def end(runner):  # its own --run-time counts from before it was loaded
    gevent.get_hub().loop.update_now()
    gevent.sleep({seconds})
    runner.quit()

@events.test_stop.add_listener
def stop(environment, **_):
    total = environment.stats.total
    print("FOUND", total.num_requests - total.num_failures, time.process_time() - started, flush=True)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What was answered, and the CPU time of the generator in s, user and system."""

    requests: int
    cpu: float

    @property
    def us(self) -> float:
        """CPU microseconds per request."""
        return self.cpu / self.requests * 1e6


def found(tool: str) -> str | None:
    """Where a tool is: in the environment variable of its name in capitals, or on PATH."""
    return shutil.which(os.environ.get(tool.upper()) or tool)


def wrk(command: str, port: int, size: int, seconds: int) -> Cost:
    """wrk with one thread: the process as a whole, of which its start is a few milliseconds."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        script = Path(folder) / "post.lua"
        script.write_text(WRK_SCRIPT.format(size=size))
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script)]
        text, cpu = _run([command, *options, f"http://127.0.0.1:{port}/"])
    return Cost(int(_match(r"(\d+) requests in", text)), cpu)


def locust(command: str, port: int, size: int, seconds: int) -> Cost:
    """Locust's FastHttpUser in one process, from the start of the test to its end: without the time to load it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "locustfile.py"
        file.write_text(LOCUSTFILE.format(size=size, seconds=seconds))
        options = ["--headless", "--users", str(CONNECTIONS), "--spawn-rate", str(CONNECTIONS), "--stop-timeout", "0"]
        options += ["--host", f"http://127.0.0.1:{port}", "--locustfile", str(file)]
        text, _ = _run([command, *options])
    return Cost(int(_match(r"FOUND (\d+)", text)), float(_match(r"FOUND \d+ (\S+)", text)))


def bare_timer(rate: float, seconds: float, seed: int) -> tuple[float, float]:
    """Median and 99th percentile of the lag of a loop that does nothing but wait for its timer, in us."""
    text, _ = _run([sys.executable, "-m", "bench.load.bare_timer", str(rate), str(seconds), str(seed)])
    median, p99 = text.split()
    return float(median), float(p99)


def _run(command: list[str]) -> tuple[str, float]:
    """The output of a command that succeeds, and the CPU time in s of it and all that it waited for."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise BenchError(f"expected {command[0]} to end well, found status {process.returncode}: {text[-500:]}")
    return text, used.ru_utime + used.ru_stime


def _match(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if not found:
        raise BenchError(f"expected {pattern!r} in what the tool printed, found: {text[-500:]}")
    return found[1]
