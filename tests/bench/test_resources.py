import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from bench import machine, resources
from bench.resources import Placement, cpu_between, cpu_ns, memory, placement, running_on

SPIN = "import time\nprint(flush=True)\nwhile True: pass"
linux = pytest.mark.skipif(sys.platform != "linux", reason="CPU clocks and affinity of other processes are Linux's")


@pytest.fixture
def spinner() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_cpu_time_of_another_process_agrees_with_the_system(spinner: int) -> None:
    before, told_before = cpu_ns([spinner]), psutil.Process(spinner).cpu_times()
    time.sleep(0.5)
    after, told = cpu_ns([spinner]), psutil.Process(spinner).cpu_times()
    ticks = (told.user + told.system - told_before.user - told_before.system) * 1e9
    assert cpu_between(before, after) == pytest.approx(ticks, abs=50e6)  # ticks are 10 ms, at both ends
    assert cpu_between(before, after) > 0


def test_the_portable_way_agrees(spinner: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = cpu_ns([spinner])
    monkeypatch.setattr(resources, "LINUX", False)
    assert cpu_ns([spinner])[spinner] == pytest.approx(exact[spinner], abs=100e6)


def test_processes_that_are_gone_are_left_out(spinner: int) -> None:
    psutil.Process(spinner).kill()
    psutil.Process(spinner).wait()
    assert cpu_ns([spinner, os.getpid()]).keys() == {os.getpid()}
    assert cpu_between({1: 5, 2: 7}, {2: 10, 3: 100}) == 3
    assert memory([spinner]).size == 0


@linux
def test_the_work_of_children_that_have_ended_counts() -> None:
    """A server may work in short-lived helpers; no look at the live processes ever sees them."""
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    code = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        before = {parent.pid: 0}
        parent.stdout.readline()
        assert cpu_between(before, cpu_ns([parent.pid])) >= 0.28e9
        parent.stdin.close()


def test_memory_is_pss_where_the_system_tells_it(spinner: int) -> None:
    used = memory([spinner, os.getpid()])
    assert used.kind == "PSS"
    rss = sum(psutil.Process(pid).memory_info().rss for pid in (spinner, os.getpid()))
    assert 1e6 < used.size <= rss * 1.1


def test_memory_falls_back_to_rss_and_says_so(spinner: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "memory_full_info", psutil.Process.memory_info)  # as on macOS: no PSS in it
    used = memory([spinner])
    assert used.kind == "RSS"
    assert used.size > 1e6


@linux
def test_processes_started_meanwhile_stay_where_they_are_put() -> None:
    before = os.sched_getaffinity(0)
    chosen = {min(before)}
    with running_on(chosen):
        process = subprocess.Popen(["sleep", "30"])
    try:
        assert os.sched_getaffinity(process.pid) == chosen
        assert os.sched_getaffinity(0) == before
    finally:
        process.kill()
        process.wait()


@linux
def test_the_engine_has_the_last_cpu_to_itself() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    expected = Placement(frozenset(cpus[:-1]), cpus[-1]) if len(cpus) > 1 else Placement(None, None)
    assert placement(workers=1) == expected
    assert placement(workers=2) == Placement(None, None)
    with running_on({cpus[0]}):
        assert placement(workers=1) == Placement(None, None), "one CPU is nobody's own"


def test_the_processor_has_a_name() -> None:
    assert machine.cpu_model()
