"""The engine as a process against real servers: what it stamps, and what it makes of every kind of failure."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench.answers import Answer
from bench.errors import BenchError
from bench.load.job import Job
from bench.load.launch import launch
from bench.load.records import NEVER, Outcome
from bench.load.schedule import poisson
from tests.bench.lab import REQUEST, LabServer, every

Lab = Callable[..., LabServer]
FORKING = "import os, time\nprint(flush=True)\ntime.sleep(0.7)\nif not os.fork():\n  while True: pass\nos.wait()"
both_loops = pytest.mark.parametrize("uvloop", [True, False], ids=["uvloop", "asyncio"])


@both_loops
def test_open_loop_stamps_every_request(lab: Lab, uvloop: bool) -> None:
    schedule = poisson(300, 1.0, seed=1)
    records = lab().drive(schedule, uvloop=uvloop).records
    assert records.counters.loop == ("uvloop" if uvloop else "asyncio")
    assert (records.outcome == Outcome.OK).all()
    assert (records.status == 200).all()
    assert np.allclose(records.intended / 1e9, schedule, atol=2e-9)
    assert (records.intended <= records.taken).all(), "never early"
    assert (records.taken <= records.sent).all()
    assert (records.sent < records.done).all()
    assert np.array_equal(records.response(), (records.done - records.intended).astype(float))
    assert records.counters.server_cpu_ns > 0
    assert records.counters.engine_cpu_ns > 0
    assert 0 < records.counters.in_flight <= 300


@both_loops
def test_closed_loop_never_rests_and_never_exceeds_its_connections(lab: Lab, uvloop: bool) -> None:
    records = lab(delay=0.005).drive(seconds=0.5, connections=4, uvloop=uvloop).records
    assert (records.outcome == Outcome.OK).all()
    assert records.counters.opened == 4
    assert records.counters.cap_reached == 0
    moments = np.concatenate([records.sent, records.done])
    change = np.repeat([1, -1], len(records.sent))
    in_flight = np.cumsum(change[np.lexsort((change, moments))])
    assert in_flight.max() == 4
    assert len(records.outcome) >= 4 * 5


@pytest.fixture
def forking() -> Iterator[int]:
    """A process that starts a child at work, most likely when the window has begun."""
    command = [sys.executable, "-c", FORKING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        os.killpg(process.pid, signal.SIGKILL)


def test_a_worker_that_began_in_the_window_is_the_servers(lab: Lab, forking: int) -> None:
    server = lab()
    counters = server.drive(every(0.3, 5), seconds=1.5, pids=(server.pid, forking)).records.counters
    assert counters.server_cpu_ns > 0.03e9, "what five requests do not take, and what a busy child gets anywhere"
    assert counters.bystander_cpu_ns == 0


def test_other_arms_servers_are_told_from_the_server(lab: Lab, forking: int) -> None:
    counters = lab().drive(every(0.3, 5), seconds=1.5, bystanders=(forking,)).records.counters
    assert counters.bystander_cpu_ns > 0.03e9
    assert counters.server_cpu_ns < counters.bystander_cpu_ns


def test_the_lead_in_is_recorded_but_not_counted(lab: Lab) -> None:
    records = lab().drive(every(0.01, 60), seconds=0.4, lead=0.2).records
    assert len(records.outcome) == 60
    assert records.counted.sum() == len(records.response()) == records.answered() == 40


def test_answers_of_the_chosen_requests_are_kept_whole(lab: Lab) -> None:
    answers = lab(answer="[1, 2, 3]", chunked=True, interim=True).drive(every(0.01, 20), keep=(0, 7, 19)).answers
    assert set(answers) == {0, 7, 19}
    for raw in answers.values():
        answer = Answer.parse(raw)
        assert (answer.status, bytes(answer.body)) == (200, b"[1, 2, 3]")
        assert answer.headers == {"transfer-encoding": "chunked"}


@pytest.mark.parametrize("chunked", [False, True])
def test_answers_that_come_byte_by_byte_are_parsed(lab: Lab, chunked: bool) -> None:
    outturn = lab(dribble=True, chunked=chunked, interim=True, answer="x" * 100).drive(every(0.02, 25), keep=(3,))
    assert (outturn.records.outcome == Outcome.OK).all()
    assert bytes(Answer.parse(outturn.answers[3]).body) == b"x" * 100


@both_loops
@pytest.mark.parametrize("dribble", [False, True])
def test_a_server_that_closes_every_connection_is_reconnected(lab: Lab, uvloop: bool, dribble: bool) -> None:
    records = lab(close=True, dribble=dribble).drive(poisson(200, 1.0, seed=2), uvloop=uvloop).records
    assert (records.outcome == Outcome.OK).all()
    assert len(records.outcome) <= records.counters.opened <= len(records.outcome) + records.counters.resent + 50
    assert records.counters.cap_reached == 0


def test_closed_loop_over_connections_that_close(lab: Lab) -> None:
    records = lab(close=True).drive(seconds=0.5, connections=4).records
    assert (records.outcome == Outcome.OK).all()
    assert len(records.outcome) > 20


def test_a_request_on_a_connection_that_was_closed_meanwhile_is_repeated(lab: Lab) -> None:
    """Every second request meets a connection that closes without a word: repeated, counted, its clock running on."""
    records = lab(once=True).drive(every(0.02, 50)).records
    assert (records.outcome == Outcome.OK).all()
    assert records.counters.resent > 0
    assert (records.sent <= records.done).all()


def test_kept_alive_connections_may_be_closed_under_a_request(lab: Lab) -> None:
    """The server closes after 10 ms of quiet, about as long as the gaps between requests: all are answered."""
    records = lab(idle=0.01).drive(poisson(100, 1.0, seed=4)).records
    assert (records.outcome == Outcome.OK).all()
    assert records.counters.opened > 1


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("silent_every", Outcome.TIMEOUT),
        ("error_every", Outcome.STATUS),
        ("garbage_every", Outcome.MALFORMED),
        ("cut_every", Outcome.CLOSED),
    ],
)
def test_every_failure_is_counted_as_what_it_is(lab: Lab, fault: str, outcome: Outcome) -> None:
    records = lab(**{fault: 10}).drive(every(0.01, 100), timeout=3.0).records
    assert records.errors() == {outcome.name.lower(): 10}
    assert records.answered() == 90
    assert np.isinf(records.response()).sum() == 10
    assert (records.status[records.outcome == Outcome.STATUS] == 500).all()


def test_a_timeout_counts_from_the_intended_time(lab: Lab) -> None:
    """Two connections, both soon held by a silent server: requests that wait for one time out as well."""
    records = lab(silent_every=1).drive(every(0.01, 20), connections=2, timeout=0.5).records
    assert records.errors() == {"timeout": 20}
    assert (records.done >= records.intended + 0.5e9).all()
    assert (records.sent == NEVER).any()
    assert records.counters.cap_reached == 18
    assert records.counters.window_ns > 0.5e9, "to the last outcome; a crowded machine begins to count late"


def test_a_server_that_dies_leaves_errors_and_no_gaps(lab: Lab) -> None:
    records = lab(die_after=100).drive(every(0.005, 200), timeout=2.0).records
    assert records.answered() <= 99
    assert records.answered() > 0
    assert set(records.errors()) <= {"refused", "closed"}
    assert sum(records.errors().values()) + records.answered() == 200
    assert records.outcome[-1] == Outcome.REFUSED


def test_no_server_at_all_is_an_outcome_too(lab: Lab) -> None:
    server = lab()
    psutil.Process(server.pid).kill()
    psutil.Process(server.pid).wait()
    assert server.drive(every(0.01, 20)).records.errors() == {"refused": 20}


def test_a_closed_loop_against_no_server_ends_in_time(lab: Lab) -> None:
    records = lab(die_after=20).drive(seconds=0.3, connections=4).records
    assert records.answered() <= 19
    assert set(records.errors()) <= {"refused", "closed"}
    assert records.counters.window_ns < 5e9


def test_the_limit_of_open_files_gives_way_to_the_connections(lab: Lab) -> None:
    """300 requests at once meet a server that answers none for a second: each has a connection of its own."""
    server = lab(delay=1.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        records = server.drive(np.zeros(300), connections=300, timeout=60.0).records
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (records.outcome == Outcome.OK).all()
    assert records.counters.opened == 300


def test_the_clock_runs_while_a_request_waits_for_a_connection(lab: Lab) -> None:
    """100/s against one connection that takes 20 ms: a queue grows, response times with it, service times do not."""
    records = lab(delay=0.02).drive(every(0.01, 100), connections=1, timeout=60.0).records
    assert (records.outcome == Outcome.OK).all()
    assert (records.sent[1:] >= records.done[:-1]).all(), "one at a time, first in, first out"
    assert (records.sent <= records.done).all(), "each has its own stamps"
    assert records.counters.cap_reached >= 90
    assert records.response()[-1] > 0.9e9, "the last waited for 99 others at 20 ms, and was intended after 990 ms"
    assert np.median(records.response()) > 5 * np.median(records.service())
    assert np.median(records.lateness()) < np.median(records.lag()), "waiting is no fault of the engine"


def test_a_stall_is_seen_by_every_request_it_delays(lab: Lab) -> None:
    """The server writes down its own stalls of 200 ms every 2 s; that, not a quiet machine, is the oracle."""
    server = lab(stall=[0.2, 2.0], log=True)
    schedule = poisson(200, 6.0, seed=3)
    records = server.drive(schedule, seconds=6.0, connections=8).records
    stalls = np.loadtxt(Path(server.log) / "stalls", ndmin=2, dtype=np.int64) - records.counters.zero_ns
    stalls = stalls[(stalls[:, 0] > 0) & (stalls[:, 1] < 6e9)]
    assert len(stalls) >= 2
    owed = np.zeros(len(schedule))
    for start, end in stalls:
        inside = (records.intended > start) & (records.intended < end)
        owed[inside] = end - records.intended[inside]
    assert (records.response() >= owed).all(), "no request that fell into a stall looks faster than the stall"
    p99 = np.sort(owed)[int(np.ceil(0.99 * len(owed))) - 1]
    assert 130e6 < p99 < 230e6, "the oracle itself: about 180 ms for Poisson arrivals"
    assert np.sort(records.response())[int(np.ceil(0.99 * len(owed))) - 1] >= p99
    # What tools print that count from the send: only the requests on the 8 connections have felt the stall.
    slow = 100e6
    assert (records.service() > slow).sum() < 0.7 * (records.response() > slow).sum()
    assert np.median(records.service()) < 0.1 * p99


def test_an_engine_that_fails_says_why() -> None:
    with pytest.raises(BenchError, match=r"(?s)the load engine failed: .*sched_setaffinity.*Invalid argument"):
        launch(Job("127.0.0.1", 1, 0.1, cpu=10_000), [REQUEST], every(0.01, 1))
