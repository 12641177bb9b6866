import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench import machine, resources
from bench.resources import Placement, Spent, cpu_between, cpu_ns, family, machine_times, memory, placement, running_on

SPIN = "import time\nprint(flush=True)\nwhile True: pass"
RECYCLING = """
import os, sys, time
for line in sys.stdin:  # a parent that has one child at a time: each line ends one and starts one that burns 0.3 s
    if line.startswith("end"):
        os.close(tell)
        os.wait()
    else:
        hear, tell = os.pipe()
        ready, done = os.pipe()
        if not os.fork():
            os.close(tell)
            end = time.process_time() + 0.3
            while time.process_time() < end: pass
            os.close(done)
            os.close(ready)
            os.read(hear, 1)
            os._exit(0)
        os.close(done)
        os.read(ready, 1)
    print(flush=True)
"""
BURNT = 0.3e9
TICKS = 60e6  # of 10 ms, at both ends, of several processes; and what a fork costs
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
    assert cpu_ns([spinner])[spinner].own == pytest.approx(exact[spinner].own, abs=100e6)


def test_processes_that_are_gone_are_left_out(spinner: int) -> None:
    psutil.Process(spinner).kill()
    psutil.Process(spinner).wait()
    assert cpu_ns([spinner, os.getpid()]).keys() == {os.getpid()}
    assert memory([spinner]).rss == 0


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
        before = {parent.pid: Spent(0, 0)}
        parent.stdout.readline()
        assert cpu_between(before, cpu_ns([parent.pid])) >= 0.28e9
        parent.stdin.close()


@pytest.fixture
def recycling() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", RECYCLING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def tell(parent: "subprocess.Popen[str]", word: str) -> dict[int, Spent]:
    """Say it, wait until it is done, and read what the parent and its children have spent."""
    assert parent.stdin is not None
    assert parent.stdout is not None
    print(word, file=parent.stdin, flush=True)
    parent.stdout.readline()
    return cpu_ns(family([parent.pid]))


@linux
def test_recycled_children_count_in_the_window_in_which_they_worked(recycling: "subprocess.Popen[str]") -> None:
    idle = cpu_ns(family([recycling.pid]))
    readings = [idle, *(tell(recycling, word) for word in ("begin", "end", "begin", "end"))]
    assert [len(reading) for reading in readings] == [1, 2, 1, 2, 1]
    windows = [cpu_between(one, other) for one, other in itertools.pairwise(readings)]
    assert windows == pytest.approx([BURNT, 0, BURNT, 0], abs=TICKS), "nobody worked in the second and the last"
    assert min(windows) >= 0
    assert sum(windows) == pytest.approx(cpu_between(idle, readings[-1]), abs=TICKS)
    assert cpu_between(readings[1], readings[3]) == pytest.approx(BURNT, abs=TICKS), "one worked, and two were there"


@linux
def test_a_child_that_a_stranger_reaps_takes_nothing_from_the_others(
    recycling: "subprocess.Popen[str]", spinner: int
) -> None:
    (child,) = tell(recycling, "begin").keys() - {recycling.pid}
    before = cpu_ns([child, spinner])
    tell(recycling, "end")
    after = cpu_ns([child, spinner])
    assert after.keys() == {spinner}
    assert cpu_between(before, after) == after[spinner].own - before[spinner].own


def test_a_family_are_all_descendants() -> None:
    code = "import subprocess, sys\nwith subprocess.Popen(['sleep', '30']) as p: print(p.pid, flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            assert family([parent.pid]) == family([parent.pid, child]) == {parent.pid, child}
            assert family([child]) == {child}
        finally:
            psutil.Process(child).kill()
    assert family([child]) == {child}, "one that is gone is no error"
    assert family([]) == set()


def test_memory_is_that_of_all_processes(spinner: int) -> None:
    used = memory([spinner, os.getpid()])
    rss = sum(psutil.Process(pid).memory_info().rss for pid in (spinner, os.getpid()))
    assert used.rss == pytest.approx(rss, rel=0.1)
    assert used.pss is not None
    assert 1e6 < used.pss <= rss * 1.1


def test_memory_without_pss_says_so(spinner: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "memory_full_info", psutil.Process.memory_info)  # as on macOS: no PSS in it
    used = memory([spinner])
    assert used.pss is None
    assert used.rss > 1e6


def test_the_machine_is_at_least_as_busy_as_a_process_on_it(spinner: int) -> None:
    before, spent = machine_times(), cpu_ns([spinner])
    time.sleep(0.5)
    passed, spent_after = machine_times() - before, cpu_ns([spinner])
    assert passed.busy >= cpu_between(spent, spent_after) - 30e6  # ticks are 10 ms
    assert passed.busy <= 5e9 * (os.cpu_count() or 1), "seconds are nanoseconds here"
    assert passed.steal >= 0
    assert passed.pressure >= 0


@linux
def test_machine_times_are_those_of_the_kernel() -> None:
    words = Path("/proc/stat").read_text().split()
    user, nice, system, _, _, irq, softirq, steal = (
        int(word) * 10**9 // os.sysconf("SC_CLK_TCK") for word in words[1:9]
    )
    found = machine_times()
    assert found.busy == pytest.approx(user + nice + system + irq + softirq, abs=1e9)
    assert found.steal == pytest.approx(steal, abs=1e9)


def test_a_machine_without_pressure_information_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "PRESSURE", tmp_path / "cpu")
    assert machine_times().pressure == 0
    (tmp_path / "cpu").write_text("some avg10=1.00 avg60=2.00 avg300=0.50 total=1234\nfull avg10=0.00 total=9\n")
    assert machine_times().pressure == 1_234_000


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
