import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench import figures
from bench.arrivals import audit, index_of_dispersion
from bench.bottleneck import ran_out, server_busy
from bench.figures import Figures, Percentiles, median_percentiles, needed, percentiles
from bench.load.records import NEVER, Counters, Outcome, Records
from bench.load.schedule import Schedule, poisson
from bench.resources import Memory

MS = 1_000_000
Draw = Callable[[float, float, int], Schedule]


def counters(**changes: object) -> Counters:
    fields: dict[str, object] = {
        "zero_ns": 5,
        "lead": 0.0,
        "seconds": 2.0,
        "window_ns": 2_000_000_000,
        "server_cpu_ns": 600_000,
        "bystander_cpu_ns": 0,
    }
    fields |= {"engine_cpu_ns": 500_000_000, "opened": 1, "connections": 8, "cap_reached": 0, "resent": 0}
    fields |= {"busy_ns": 0, "steal_ns": 0, "pressure_ns": 0, "cpus": 2, "in_flight": 0.0, "in_flight_error": 0.0}
    fields |= {"loop": "uvloop", "busy_ns": 0, "steal_ns": 0, "pressure_ns": 0, "cpus": 2}
    return Counters(**(fields | {"in_flight": 0.0, "in_flight_error": 0.0} | changes))  # type: ignore[arg-type]


def records(intended: list[int], done: list[int], outcome: list[Outcome], **changes: object) -> Records:
    stamps = np.array(intended, np.int64) * MS
    ends = np.array([end * MS if end >= 0 else NEVER for end in done], np.int64)
    status = np.where(np.array(outcome) == Outcome.OK, 200, 0).astype(np.int16)
    return Records(stamps, stamps, stamps, ends, status, np.array(outcome, np.int8), counters(**changes))


def of_round(found: Records, **changes: object) -> Figures:
    fields = {"batch": 1, "memory": Memory(0, None), "processes_changed": False, "wrong": ""} | changes
    return figures.of_round(found, **fields)  # type: ignore[arg-type]


def constant(rate: float, seconds: float, seed: int) -> Schedule:
    return (np.arange(rate * seconds) + np.random.default_rng(seed).random()) / rate


def by(schedule: Schedule, lag: Schedule, seconds: float = 3.0) -> Records:
    """Requests taken up `lag` s after the schedule's times and answered in 2 ms."""
    intended = np.round(schedule * 1e9).astype(np.int64)
    taken = intended + np.round(lag * 1e9).astype(np.int64)
    ok, status = np.zeros(len(schedule), np.int8), np.full(len(schedule), 200, np.int16)
    return Records(intended, taken, taken, taken + 2 * MS, status, ok, counters(lead=0.0, seconds=seconds))


def test_the_sample_that_a_percentile_needs() -> None:
    assert [needed(q) for q in figures.QUANTILES.values()] == [5, 29, 59, 299, 2995]


@given(st.floats(0.01, 0.999))
def test_the_needed_sample_is_the_smallest_that_bounds_the_quantile(quantile: float) -> None:
    n = needed(quantile)
    assert quantile**n <= 0.05 * (1 + 1e-9)
    assert n == 1 or quantile ** (n - 1) > 0.05 * (1 - 1e-9)


@given(st.lists(st.floats(0, 1e12) | st.just(math.inf), min_size=299, max_size=1_000))
def test_a_percentile_is_a_value_of_the_sample_that_enough_do_not_exceed(values: list[float]) -> None:
    sample = np.array(values)
    for name, quantile in figures.QUANTILES.items():
        found = percentiles(sample)[name]
        assert (found is None) == (len(sample) < needed(quantile))
        if found is None:
            continue
        assert found in sample / MS
        assert (sample / MS <= found).mean() >= quantile
        assert (sample / MS < found).mean() < quantile


@pytest.mark.parametrize(
    ("n", "known"),
    [(0, ""), (4, ""), (5, "p50"), (28, "p50"), (29, "p50 p90"), (58, "p50 p90"), (59, "p50 p90 p95"),
     (298, "p50 p90 p95"), (299, "p50 p90 p95 p99"), (2994, "p50 p90 p95 p99"), (2995, "p50 p90 p95 p99 p99.9")],
)  # fmt: skip
def test_no_percentile_from_too_few(n: int, known: str) -> None:
    found = percentiles(np.arange(n, dtype=np.float64))
    assert [name for name, value in found.items() if value is not None] == known.split()


def test_failures_are_infinite_and_push_the_tail_out() -> None:
    done = [i + 2 if i % 50 else -1 for i in range(300)]
    outcome = [Outcome.OK if i % 50 else Outcome.TIMEOUT for i in range(300)]
    found = of_round(records(list(range(300)), done, outcome))
    assert found.response == {"p50": 2.0, "p90": 2.0, "p95": 2.0, "p99": math.inf, "p99.9": None}
    assert found.errors == {"timeout": 6}
    assert found.requests == 300


def test_rates_and_cpu_of_a_round() -> None:
    ok = records(list(range(100)), list(range(1, 101)), [Outcome.OK] * 100)
    found = of_round(ok, batch=3, memory=Memory(5_000_000, 3_000_000))
    assert found.offered == found.achieved == 50.0
    assert found.cpu_us == 2.0, "600 us over 100 answers of 3 predictions"
    assert (found.rss_mb, found.pss_mb, found.engine_busy) == (5.0, 3.0, 0.25)
    late = records(list(range(100)), list(range(1, 101)), [Outcome.OK] * 100, window_ns=4_000_000_000)
    behind = of_round(late).achieved
    assert behind == pytest.approx(25.0, rel=1e-3)
    assert figures.capacity(late) == 25.0


def test_the_wait_for_the_last_answer_is_no_loss_of_rate() -> None:
    slow = records(list(range(100)), list(range(500, 600)), [Outcome.OK] * 100, window_ns=2_500_000_000)
    found = of_round(slow)
    assert found.offered == found.achieved == 50.0


def test_waiting_for_an_overloaded_server_is_a_loss_of_rate() -> None:
    answered = [40 * (i + 1) for i in range(100)]  # one every 40 ms, for 4 s, of requests that came within 0.1 s
    queued = records(list(range(100)), answered, [Outcome.OK] * 100, window_ns=4_000_000_000)
    queued = replace(queued, sent=queued.done - 40 * MS)
    found = of_round(queued)
    assert found.achieved == pytest.approx(25, rel=0.02)


def test_the_lead_in_counts_nowhere() -> None:
    both = records([0, 10, 20, 30], [5, -1, 21, 32], [Outcome.OK, Outcome.CLOSED, Outcome.OK, Outcome.OK], lead=0.02)
    assert both.response().tolist() == [1 * MS, 2 * MS]
    assert both.errors() == {}
    assert both.answered() == 2


def test_rounds_are_summarised_by_their_median_and_only_when_all_have_the_figure() -> None:
    def turn(p50: float, p95: float, p99: float | None) -> Percentiles:
        return {"p50": p50, "p90": p50, "p95": p95, "p99": p99, "p99.9": None}

    rounds = [turn(1.0, 4.0, None), turn(9.0, math.inf, 5.0), turn(2.0, math.inf, 5.0)]
    assert median_percentiles(rounds) == turn(2.0, math.inf, None)


def test_shares_of_the_machine() -> None:
    """In 2 s of two CPUs: 3 s busy of which 0.8 s are the server's and 0.5 s the engine's, so 1.7 s are foreign."""
    used = {"server_cpu_ns": 800 * MS, "engine_cpu_ns": 500 * MS, "busy_ns": 3000 * MS, "steal_ns": 100 * MS}
    found = of_round(records([0], [1], [Outcome.OK], **used, pressure_ns=400 * MS), server_cpus=1)
    assert (found.server_busy, found.engine_busy) == (0.4, 0.25)
    assert found.foreign == pytest.approx(1.7 / 4)
    assert (found.steal, found.pressure) == (0.025, 0.2)
    assert of_round(records([0], [1], [Outcome.OK], **used), server_cpus=2).server_busy == 0.4, "one worker has one"
    assert of_round(records([0], [1], [Outcome.OK], **used), server_cpus=2, workers=2).server_busy == 0.2
    beside = of_round(records([0], [1], [Outcome.OK], **used, bystander_cpu_ns=1600 * MS))
    assert (beside.bystanders, beside.foreign) == pytest.approx((0.4, 0.1 / 4)), "other arms' servers are not foreign"
    unknown = of_round(records([0], [1], [Outcome.OK], server_cpu_ns=800 * MS))
    assert unknown.foreign == 0.0


def test_load_is_the_offered_rate_by_the_ceiling() -> None:
    ok = records(list(range(100)), list(range(1, 101)), [Outcome.OK] * 100)
    assert of_round(ok, ceiling=1000.0).load == 0.05
    assert of_round(ok).load is None


def test_the_number_in_flight_by_the_stamps_counts_from_when_a_request_was_taken() -> None:
    """Two requests of 100 and 300 ms in 2 s, taken up 50 ms late each."""
    found = records([0, 500], [150, 850], [Outcome.OK, Outcome.OK])
    found = replace(found, taken=found.intended + 50 * MS)
    figures = of_round(found)
    assert (figures.in_flight_records, figures.in_flight_error) == pytest.approx((0.4 / 2, 0))


@given(st.floats(0.05, 20))
def test_drift_is_the_log_ratio_of_the_halves(factor: float) -> None:
    times = [10_000 * MS if i < 100 else round(10_000 * MS * factor) for i in range(200)]
    found = records([i * 10 for i in range(200)], [0] * 200, [Outcome.OK] * 200)
    found = replace(found, done=found.intended + np.array(times))
    assert of_round(found).drift == pytest.approx(math.log(factor), abs=1e-6)


def test_no_drift_from_few_or_failed() -> None:
    assert of_round(records([0, 1_500], [1, 1_502], [Outcome.OK] * 2)).drift is None
    assert of_round(records([i * 10 for i in range(200)], [-1] * 200, [Outcome.TIMEOUT] * 200)).drift is None


@given(st.sampled_from([50, 500, 5_000, 20_000]), st.integers(0, 50), st.sampled_from([poisson, constant]),
       st.sampled_from([2e-5, 1e-3, 2e-2]))  # fmt: skip
def test_honest_lateness_never_looks_like_other_arrivals(rate: float, seed: int, draw: Draw, lag: float) -> None:
    """Whatever the rate: lateness that the engine admits has a gate of its own."""
    schedule = draw(rate, 3.0, seed)
    found = of_round(by(schedule, np.random.default_rng(seed).exponential(lag, len(schedule))), schedule=schedule)
    assert found.arrival_p == 1.0
    assert found.dispersion is not None
    assert found.dispersion <= 1.01


def bursts(schedule: Schedule) -> Schedule:
    return schedule[np.arange(len(schedule)) // 10 * 10]


def ticks(schedule: Schedule) -> Schedule:
    return np.ceil(schedule / 0.05) * 0.05


def early(schedule: Schedule) -> Schedule:
    """By its stamps it means to keep to the schedule, and sends what falls into 50 ms at their beginning."""
    return np.floor(schedule / 0.05) * 0.05 - schedule


@pytest.mark.parametrize("rate", [50, 200, 1_000, 5_000, 20_000])
@pytest.mark.parametrize("draw", [poisson, constant])
@pytest.mark.parametrize("seed", range(3))
def test_bursts_and_ticks_are_other_arrivals(rate: float, draw: Draw, seed: int) -> None:
    schedule = draw(rate, 3.0, seed)
    none = np.zeros_like(schedule)
    for other in (by(bursts(schedule), none), by(ticks(schedule), none), by(schedule, early(schedule))):
        found = of_round(other, schedule=schedule)
        assert found.arrival_p is not None
        assert found.arrival_p < 1e-6


def test_the_same_process_by_another_seed_is_no_other_process() -> None:
    """The test keeps its level, and the dispersion stays near that of the schedule."""
    rejected = 0
    for seed in range(200):
        found = audit(poisson(300, 3, seed), poisson(300, 3, 1000 + seed))
        rejected += found.p < 0.01
        assert 0.5 < found.dispersion < 1.6
    assert rejected <= 8


def test_dispersion_of_known_processes() -> None:
    assert index_of_dispersion(poisson(1000, 60, 1)) == pytest.approx(1.0, abs=0.1)
    assert index_of_dispersion(constant(1000, 60, 1)) < 0.1
    assert index_of_dispersion(bursts(poisson(200, 60, 1))) == pytest.approx(9, abs=2)


def test_arrivals_of_hardly_any_requests_are_judged_by_their_number() -> None:
    assert audit(np.array([1.0]), np.array([1.0])).p == 1.0
    assert audit(np.array([1.0, 2.0]), np.array([1.0])).p == 0.0


@pytest.mark.parametrize(
    ("changes", "side"),
    [({}, "idle"), ({"engine_busy": 0.8}, "generator"), ({"load": 0.8}, "generator"), ({"foreign": 0.2}, "neighbour"),
     ({"steal": 0.05}, "neighbour"), ({"server_busy": 0.95}, "server"), ({"kept": 0.9}, "server"),
     ({"kept": 0.9, "engine_busy": 0.9, "foreign": 0.5}, "generator"), ({"kept": 0.9, "foreign": 0.5}, "neighbour"),
     ({"bystanders": 0.2}, "neighbour"), ({"closed": True}, "server"),
     ({"closed": True, "engine_busy": 0.9}, "generator"), ({"closed": True, "foreign": 0.5}, "neighbour")],
)  # fmt: skip
def test_the_side_that_ran_out(changes: dict[str, Any], side: str) -> None:
    quiet: dict[str, Any] = {"engine_busy": 0.1, "load": 0.1, "foreign": 0.02, "bystanders": 0.0, "steal": 0.0}
    assert ran_out(**(quiet | {"server_busy": 0.4, "kept": 1.0, "closed": False} | changes)) == side


def test_a_closed_loop_is_never_idle() -> None:
    assert of_round(records([0], [1], [Outcome.OK])).ran_out == "server"
    assert of_round(records([0], [1], [Outcome.OK]), schedule=np.array([0.0])).ran_out == "idle"


@pytest.mark.parametrize(
    ("used", "cpus", "workers", "share"),
    [(0.95, 1, 1, 0.95), (0.95, 8, 1, 0.95), (1.2, 8, 1, 1.2), (1.9, 8, 2, 0.95), (1.9, 2, 4, 0.95), (4.0, 8, 1, 0.5),
     (0.0, 8, 1, 0.0)],
)  # fmt: skip
def test_a_server_is_busy_in_terms_of_what_its_workers_can_use(
    used: float, cpus: int, workers: int, share: float
) -> None:
    """A worker of Python threads is at its end with one CPU; native threads that use four of eight are not."""
    assert server_busy(used, cpus, workers) == pytest.approx(share)
