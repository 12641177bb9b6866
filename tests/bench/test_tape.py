"""Requests on tape: each of them while they are few, in histograms when they are not, with the same figures."""

import asyncio
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.load import engine
from bench.load.child import loop_factory
from bench.load.histogram import PRECISION
from bench.load.job import Assignment, Job
from bench.load.null_server import running
from bench.load.records import KINDS, NEVER, Outcome, Records
from bench.load.schedule import constant
from bench.load.tape import PAGE, Tape
from tests.bench.lab import REQUEST, LabServer
from tests.bench.test_figures import counters

ZERO = 10**15
LEAD = 2_000_000
Row = tuple[int, int, int, int, int, int]


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Requests in the order of their ends, as the engine writes them."""
    found = []
    intended = 0
    for _ in range(draw(st.integers(0, 60))):
        intended += draw(st.integers(0, 200_000))
        taken = intended + draw(st.integers(0, 100_000))
        outcome = draw(st.sampled_from(Outcome))
        sent = taken + draw(st.integers(0, 10**7))
        done = sent + draw(st.integers(0, 10**9))
        if outcome == Outcome.REFUSED:
            sent = NEVER - ZERO
        status = 200 if outcome == Outcome.OK else 0
        found.append((intended, taken, sent, done, status, outcome))
    return sorted(found, key=lambda row: row[3])


def written(rows: list[Row], raw: int) -> Records:
    tape = Tape(raw, ZERO, LEAD)
    for *stamps, status, outcome in rows:
        intended, taken, sent, done = (stamp + ZERO for stamp in stamps)
        tape.write(intended, taken, sent, done, status, outcome)
    return tape.records(counters(zero_ns=ZERO, lead=LEAD / 1e9))


@given(rows())
def test_requests_come_back_in_the_order_in_which_they_were_intended(rows: list[Row]) -> None:
    found = written(rows, raw=len(rows))
    assert found.totals is None
    columns = zip(found.intended, found.taken, found.sent, found.done, found.status, found.outcome, strict=True)
    expected = [(*row[:2], NEVER if row[2] < 0 else row[2], *row[3:]) for row in rows]
    assert sorted(tuple(map(int, row)) for row in columns) == sorted(expected)
    assert (np.diff(found.intended) >= 0).all()


@given(rows(), st.integers(0, 40))
def test_more_requests_than_are_kept_give_the_same_figures(rows: list[Row], raw: int) -> None:
    kept, few = written(rows, raw=len(rows)), written(rows, raw)
    assert len(few.outcome) == min(raw, len(rows))
    assert (few.totals is None) == (len(rows) <= raw)
    assert few.requests() == kept.requests() == int(kept.counted.sum())
    assert few.errors() == kept.errors()
    assert few.answered() == kept.answered()
    assert few.in_flight() == kept.in_flight()
    for kind in KINDS:
        exact, found = kept.distribution(kind), few.distribution(kind)
        assert found.n == exact.n
        for q in (0.01, 0.5, 0.99, 1.0) if exact.n else ():
            assert found.quantile(q) == pytest.approx(exact.quantile(q), rel=PRECISION)


@given(rows(), st.integers(0, 5))
def test_what_was_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, rows: list[Row], raw: int) -> None:
    file = tmp_path_factory.mktemp("records") / "records.npz"
    found = written(rows, raw)
    found.save(file)
    again = Records.load(file)
    assert np.array_equal(again.done, found.done)
    assert again.counters == found.counters
    assert (again.totals is None) == (found.totals is None)
    assert again.errors() == found.errors()
    assert again.in_flight() == found.in_flight()
    for kind in KINDS:
        assert np.array_equal(again.distribution(kind).values, found.distribution(kind).values)
        assert np.array_equal(again.distribution(kind).ranks, found.distribution(kind).ranks)


def test_what_is_in_flight_is_time_under_way_over_the_window() -> None:
    """One request under way throughout, one from halfway of the counted window, one in the lead-in alone."""
    end = LEAD + 1_000_000
    rows = [(0, 10, 10, LEAD, 200, 0), (0, 0, 5, end, 200, 0), (LEAD + 400_000, LEAD + 500_000, end, end, 200, 0)]
    tape = Tape(3, ZERO, LEAD)
    for *stamps, status, outcome in rows:
        intended, taken, sent, done = (stamp + ZERO for stamp in stamps)
        tape.write(intended, taken, sent, done, status, outcome)
    found = tape.records(counters(zero_ns=ZERO, lead=LEAD / 1e9, window_ns=1_000_000))
    assert found.in_flight() == 1.5


def test_memory_does_not_grow_with_the_number_of_requests() -> None:
    def peak(requests: int) -> int:
        tracemalloc.start()
        tape = Tape(100, ZERO, LEAD)
        for i in range(requests):
            tape.write(ZERO + i, ZERO + i, ZERO + i, ZERO + 2 * i, 200, 0)
        tape.records(counters())
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(30 * PAGE) <= peak(3 * PAGE) + 10_000


def test_memory_of_the_engine_does_not_grow_with_the_number_of_requests() -> None:
    """Ten times the requests in the same time; 40 bytes for each would be 0.7 MB more, lists of stamps far above."""

    def peak(requests: int, port: int) -> int:
        schedule = constant(requests / 4, 4.0, seed=1)
        job = Job("127.0.0.1", port, 4.0, lead=0.0, raw=False, timeout=60.0, connections=8)
        with asyncio.Runner(loop_factory=loop_factory(uvloop=True)) as runner:
            tracemalloc.start()
            records = runner.run(engine.drive(Assignment(job, [REQUEST], schedule))).records
            used = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert records.answered() == pytest.approx(requests, abs=1)
        assert len(records.outcome) == 0
        return used

    with running(b"1") as server:
        assert peak(20_000, server.port) < peak(2_000, server.port) + 500_000


def test_a_long_run_keeps_its_first_requests_and_counts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "RAW_RECORDS", 100)
    with running(b"1") as server, asyncio.Runner() as runner:
        job = Job("127.0.0.1", server.port, 1.0, lead=0.0, timeout=60.0)
        records = runner.run(engine.drive(Assignment(job, [REQUEST], constant(300, 1.0, seed=1)))).records
    assert len(records.outcome) == 100
    assert records.requests() == records.answered() == records.distribution("response").n == 300


def test_a_run_without_raw_records_has_all_figures(lab: Callable[..., LabServer]) -> None:
    outturn = lab(error_every=10).drive(constant(200, 1.0, seed=1), raw=False)
    records = outturn.records
    assert len(records.outcome) == 0
    assert records.requests() == 200
    assert records.errors() == {"status": 20}
    assert records.answered() == 180
    assert records.distribution("response").quantile(0.95) == np.inf
    assert 0 < records.distribution("service").quantile(0.5) < records.distribution("response").quantile(0.8)
    assert records.distribution("lag").n == records.distribution("lateness").n == 200
    assert records.in_flight() > 0
