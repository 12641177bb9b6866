import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench import figures
from bench.figures import Percentiles, median_percentiles, needed, percentiles
from bench.records import NEVER, Counters, Outcome, Records

MS = 1_000_000


def counters(**changes: object) -> Counters:
    fields = {"zero_ns": 5, "lead": 0.0, "seconds": 2.0, "window_ns": 2_000_000_000, "server_cpu_ns": 600_000}
    fields |= {"engine_cpu_ns": 500_000_000, "opened": 1, "connections": 8, "cap_reached": 0, "resent": 0}
    return Counters(**(fields | {"loop": "uvloop"} | changes))  # type: ignore[arg-type]


def records(intended: list[int], done: list[int], outcome: list[Outcome], **changes: object) -> Records:
    stamps = np.array(intended, np.int64) * MS
    ends = np.array([end * MS if end >= 0 else NEVER for end in done], np.int64)
    status = np.where(np.array(outcome) == Outcome.OK, 200, 0).astype(np.int16)
    return Records(stamps, stamps, stamps, ends, status, np.array(outcome, np.int8), counters(**changes))


def test_the_sample_that_a_percentile_needs() -> None:
    assert [needed(q) for q in (0.95, 0.99, 0.999)] == [59, 299, 2995]


@given(st.floats(0.01, 0.999))
def test_the_needed_sample_is_the_smallest_that_bounds_the_quantile(quantile: float) -> None:
    n = needed(quantile)
    assert quantile**n <= 0.05 * (1 + 1e-9)
    assert n == 1 or quantile ** (n - 1) > 0.05 * (1 - 1e-9)


@given(st.lists(st.floats(0, 1e12) | st.just(math.inf), min_size=299, max_size=1_000))
def test_a_percentile_is_a_value_of_the_sample_that_enough_do_not_exceed(values: list[float]) -> None:
    sample = np.array(values)
    for name, found in percentiles(sample).items():
        assert found is not None
        quantile = figures.QUANTILES[name]
        assert found in sample / MS
        assert (sample / MS <= found).mean() >= quantile
        assert (sample / MS < found).mean() < quantile


@pytest.mark.parametrize(("n", "known"), [(0, ""), (4, ""), (5, "p50"), (58, "p50"), (59, "p50 p95"), (298, "p50 p95"),
                                          (299, "p50 p95 p99")])  # fmt: skip
def test_no_percentile_from_too_few(n: int, known: str) -> None:
    found = percentiles(np.arange(n, dtype=np.float64))
    assert [name for name, value in found.items() if value is not None] == known.split()


def test_failures_are_infinite_and_push_the_tail_out() -> None:
    done = [i + 2 if i % 50 else -1 for i in range(300)]
    outcome = [Outcome.OK if i % 50 else Outcome.TIMEOUT for i in range(300)]
    found = figures.of_round(
        records(list(range(300)), done, outcome), batch=1, memory=(0, "PSS"), processes_changed=False, wrong=""
    )
    assert found.response == {"p50": 2.0, "p95": 2.0, "p99": math.inf}
    assert found.errors == {"timeout": 6}
    assert found.requests == 300


def test_rates_and_cpu_of_a_round() -> None:
    ok = records(list(range(100)), list(range(1, 101)), [Outcome.OK] * 100)
    found = figures.of_round(ok, batch=3, memory=(5_000_000, "RSS"), processes_changed=False, wrong="")
    assert found.offered == found.achieved == 50.0
    assert found.cpu_us == 2.0, "600 us over 100 answers of 3 predictions"
    assert (found.memory_mb, found.memory_kind, found.engine_busy) == (5.0, "RSS", 0.25)
    late = records(list(range(100)), list(range(1, 101)), [Outcome.OK] * 100, window_ns=4_000_000_000)
    behind = figures.of_round(late, batch=1, memory=(0, "PSS"), processes_changed=False, wrong="").achieved
    assert behind == pytest.approx(25.0, rel=1e-3)
    assert figures.capacity(late) == 25.0


def test_the_wait_for_the_last_answer_is_no_loss_of_rate() -> None:
    slow = records(list(range(100)), list(range(500, 600)), [Outcome.OK] * 100, window_ns=2_500_000_000)
    found = figures.of_round(slow, batch=1, memory=(0, "PSS"), processes_changed=False, wrong="")
    assert found.offered == found.achieved == 50.0


def test_waiting_for_an_overloaded_server_is_a_loss_of_rate() -> None:
    answered = [40 * (i + 1) for i in range(100)]  # one every 40 ms, for 4 s, of requests that came within 0.1 s
    queued = records(list(range(100)), answered, [Outcome.OK] * 100, window_ns=4_000_000_000)
    queued = replace(queued, sent=queued.done - 40 * MS)
    found = figures.of_round(queued, batch=1, memory=(0, "PSS"), processes_changed=False, wrong="")
    assert found.achieved == pytest.approx(25, rel=0.02)


def test_the_lead_in_counts_nowhere() -> None:
    both = records([0, 10, 20, 30], [5, -1, 21, 32], [Outcome.OK, Outcome.CLOSED, Outcome.OK, Outcome.OK], lead=0.02)
    assert both.response().tolist() == [1 * MS, 2 * MS]
    assert both.errors() == {}
    assert both.answered() == 2


def test_rounds_are_summarised_by_their_median_and_only_when_all_have_the_figure() -> None:
    rounds: list[Percentiles] = [{"p50": 1.0, "p95": 4.0, "p99": None}, {"p50": 9.0, "p95": math.inf, "p99": 5.0}]
    rounds.append({"p50": 2.0, "p95": math.inf, "p99": 5.0})
    assert median_percentiles(rounds) == {"p50": 2.0, "p95": math.inf, "p99": None}
