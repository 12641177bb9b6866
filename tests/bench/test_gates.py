"""Each gate trips on its own fault and on no other; honest noise of a shared machine trips none that voids."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import audit, budget, gates
from bench.audit import CacheAudit
from bench.budget import Budget
from bench.figures import Figures
from bench.gates import Evidence
from bench.load.records import Records
from bench.load.sampler import BATCHES
from bench.load.schedule import poisson
from bench.stationarity import WarmUp
from tests.bench.test_audit import goldens, simulated
from tests.bench.test_figures import counters, of_round

TIMES = {"p50": 1.0, "p90": 1.5, "p95": 2.0, "p99": 3.0, "p99.9": None}
GOOD = Figures(
    requests=1000, errors={}, response=TIMES, service=TIMES, lag=TIMES, offered=400.0, achieved=400.0, cpu_us=250.0,
    lateness={"p50": 0.02, "p90": 0.04, "p95": 0.05, "p99": 0.1, "p99.9": None}, rss_mb=80.0, pss_mb=60.0,
    engine_busy=0.1, server_busy=0.3, foreign=0.02, steal=0.0, pressure=0.05, in_flight=0.4, in_flight_error=0.01,
    in_flight_records=0.4, cap_reached=0, resent=0, ran_out="idle", arrival_p=1.0, dispersion=1.0,
    ceiling=10_000.0, drift=0.01,
)  # fmt: skip
SETTLED = WarmUp(3000, 0.1, True)
RESTLESS = WarmUp(3000, 0.8, False, "its second half still changes")
REMEMBERS = CacheAudit(cpu=[1.4, 1.3, 1.35, 1.36], rate=[1.4, 1.2, 1.5, 1.3])
VOIDING = {"WRONG_ANSWER", "GENERATOR_LATE", "GENERATOR_BOUND", "ARRIVALS_OFF", "LITTLE_BROKEN", "CACHED_ANSWERS",
           "NON_STATIONARY", "NOISY_NEIGHBOUR"}  # fmt: skip


def evidence(*rounds: Figures, **others: Any) -> Evidence:
    return Evidence(rounds, **({"warm_ups": [SETTLED] * 4} | others))


def changed(count: int = 6, **changes: Any) -> Evidence:
    return evidence(*[replace(GOOD, **changes)] * count)


def codes(found: Evidence) -> list[str]:
    return [finding.code for finding in gates.inspect({"arm": found})]


def late(ms: float, **others: Any) -> dict[str, Any]:
    return {"lateness": dict.fromkeys(TIMES, ms)} | others


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        ("WRONG_ANSWER", changed(1, wrong="request 3: the largest difference is 0.5")),
        ("GENERATOR_LATE", changed(**late(1.2))),
        ("GENERATOR_LATE", changed(**late(2.0), requests=1000, response=TIMES | {"p50": 39.0})),
        ("GENERATOR_BOUND", changed(engine_busy=0.75)),
        ("GENERATOR_BOUND", changed(ceiling=500.0)),
        ("ARRIVALS_OFF", changed(arrival_p=0.001)),
        ("ARRIVALS_OFF", changed(dispersion=2.5)),
        ("LITTLE_BROKEN", changed(in_flight=0.5)),
        ("LITTLE_BROKEN", changed(in_flight_records=0.27)),
        ("LITTLE_BROKEN", changed(in_flight=0.3)),
        ("CACHED_ANSWERS", evidence(GOOD, cached=REMEMBERS)),
        ("CACHED_ANSWERS", evidence(GOOD, cached=CacheAudit([1.0] * 4, [1.8] * 4))),
        ("NON_STATIONARY", changed(drift=0.5)),
        ("NON_STATIONARY", changed(drift=-0.5)),
        ("NON_STATIONARY", evidence(GOOD, warm_ups=[RESTLESS, RESTLESS, SETTLED])),
        ("ERRORS", changed(errors={"timeout": 3})),
        ("RATE_MISSED", changed(achieved=390.0)),
        ("NEAR_CEILING", changed(ceiling=700.0)),
        ("FEW_REQUESTS", changed(requests=298)),
        ("CAP_REACHED", changed(cap_reached=2)),
        ("RESENT", changed(resent=11)),
        ("PROCESSES_CHANGED", changed(processes_changed=True)),
        ("BUSY_BYSTANDER", changed(bystanders=0.06)),
        ("INDICATIVE", changed(foreign=0.3)),
    ],
)
def test_each_gate_trips_on_its_own_fault_and_no_other(code: str, bad: Evidence) -> None:
    assert codes(changed()) == []
    (finding,) = gates.inspect({"good": changed(), "bad": bad})
    assert (finding.code, finding.arm) == (code, "bad")
    assert finding.figure
    assert finding.bound
    assert finding.advice.endswith(".")
    assert finding.voids == (code in VOIDING)
    assert str(finding).startswith(f"{'VOID' if finding.voids else 'warning'} {code}: bad: ")


@pytest.mark.parametrize(
    "changes",
    [
        late(0.9),
        late(1.9) | {"response": TIMES | {"p50": 40.0}},  # 5 % of it are 2 ms
        {"engine_busy": 0.69},
        {"ceiling": 801.0},
        {"ceiling": None},
        {"arrival_p": 0.02, "dispersion": 1.9},
        {"arrival_p": None, "dispersion": None},  # a closed loop
        {"dispersion": 0.0},  # a constant rate
        {"in_flight": 0.415},  # within four standard errors
        {"in_flight": 40.5, "in_flight_records": 40.0},  # within 2 %
        {"in_flight": 9.0, "in_flight_error": np.inf},  # nothing is known of its error
        {"drift": 0.05},
        {"drift": None},
        {"achieved": 397.0},
        {"requests": 299},  # too few for p99.9, which nobody misses
        {"resent": 10},
        {"bystanders": 0.04},
    ],
)  # fmt: skip
def test_what_lies_within_the_bounds_is_no_finding(changes: dict[str, Any]) -> None:
    assert codes(changed(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [late(25.0), {"engine_busy": 0.9}, {"arrival_p": 1e-6, "dispersion": 9.0}, {"in_flight": 0.8}, {"drift": 1.0},
     {"achieved": 300.0}],
)  # fmt: skip
def test_one_round_alone_trips_nothing(changes: dict[str, Any]) -> None:
    rounds = [GOOD] * 5 + [replace(GOOD, **changes)]
    assert codes(evidence(*rounds)) == []


def test_most_rounds_do() -> None:
    rounds = [GOOD] * 2 + [replace(GOOD, **late(25.0), achieved=300.0)] * 4
    assert codes(evidence(*rounds)) == ["GENERATOR_LATE", "RATE_MISSED"]


def test_a_wrong_answer_in_one_round_is_enough() -> None:
    assert codes(evidence(*[GOOD] * 5, replace(GOOD, wrong="request 7: expected 0.5"))) == ["WRONG_ANSWER"]


def test_lateness_of_few_requests_is_judged_by_a_lower_percentile() -> None:
    few = {"p50": 1.5, "p90": 1.6, "p95": 1.7, "p99": None, "p99.9": None}
    (finding,) = [f for f in gates.inspect({"a": changed(lateness=few, requests=100)}) if f.voids]
    assert "p95 1.70 ms" in finding.figure


def test_the_tail_of_a_disturbed_round_is_the_neighbours_but_not_its_median() -> None:
    tail = {"p50": 0.3, "p90": 2.0, "p95": 3.0, "p99": 6.0, "p99.9": None}
    assert codes(changed(lateness=tail)) == ["GENERATOR_LATE"]
    assert codes(changed(lateness=tail, foreign=0.5)) == ["INDICATIVE"]
    assert codes(changed(**late(20.0), foreign=0.5)) == ["GENERATOR_LATE", "INDICATIVE"]


def test_little_is_judged_by_all_rounds_together() -> None:
    """Each round alone leaves it open; all in the same direction do not."""
    off = replace(GOOD, in_flight=0.44)  # 3.2 standard errors of a median of one
    assert codes(evidence(off)) == []
    assert codes(evidence(*[off] * 6)) == ["LITTLE_BROKEN"]
    under = replace(GOOD, in_flight=0.36)
    assert codes(evidence(off, under, off, under, off, under)) == []


def test_a_warm_up_that_was_too_short_to_tell_is_not_held_against_it() -> None:
    short = WarmUp(40, 0.0, False, "40 requests are too few to tell")
    assert codes(evidence(GOOD, warm_ups=[short] * 8)) == []
    assert codes(evidence(GOOD, warm_ups=[RESTLESS])) == [], "one boot alone may have met a neighbour"
    assert codes(evidence(GOOD, warm_ups=[RESTLESS] * 4 + [SETTLED] * 4)) == []


def test_the_advice_for_few_requests_gives_enough() -> None:
    (finding,) = gates.inspect({"a": changed(requests=100, offered=40.0, achieved=40.0)})
    assert finding.advice == "Lengthen the rounds: --seconds 9."
    assert finding.figure.endswith("too few for p99")


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"foreign": 0.11}, "other programs"), ({"steal": 0.03}, "hypervisor"),
     ({"pressure": 0.4, "foreign": 0.07}, "waited for a CPU")],
)  # fmt: skip
def test_a_round_is_noisy_when_the_surroundings_of_any_turn_are(changes: dict[str, Any], word: str) -> None:
    assert word in gates.noisy([GOOD, replace(GOOD, **changes)])
    assert gates.noisy([GOOD, GOOD]) == ""


def test_no_figure_of_an_arm_makes_a_round_noisy() -> None:
    """Outcome-blind: slow, failing, busy and with many threads of its own that wait for a CPU."""
    bad = replace(GOOD, response=dict.fromkeys(TIMES, 1e4), errors={"timeout": 900}, pressure=0.9, server_busy=1.0,
                  achieved=1.0, drift=3.0, cpu_us=1e6, engine_busy=0.9, in_flight=200.0, bystanders=0.5)  # fmt: skip
    assert gates.noisy([bad]) == ""


@pytest.mark.parametrize(
    ("kept", "dropped", "code"),
    [(6, 0, ""), (6, 4, ""), (5, 4, "INDICATIVE"), (1, 9, "INDICATIVE"), (0, 3, "NOISY_NEIGHBOUR"), (0, 0, "")],
)
def test_dropped_rounds(kept: int, dropped: int, code: str) -> None:
    found = gates.neighbours(["a", "b"], kept, dropped)
    assert [(finding.code, finding.arm) for finding in found] == ([(code, "a"), (code, "b")] if code else [])
    assert all(finding.voids == (code in VOIDING) for finding in found)


def test_unequal_budgets_are_told_of_every_arm() -> None:
    one = Budget(1, 1, "default", False, 4, True)
    assert gates.unequal(budget.groups({"a": one, "b": one})) == []
    found = gates.unequal(budget.groups({"a": one, "b": replace(one, workers=2), "c": one}))
    assert [(finding.arm, finding.figure) for finding in found] == [("a", "1 worker"), ("c", "1 worker"),
                                                                    ("b", "2 workers")]  # fmt: skip


def test_every_code_is_listed_once() -> None:
    assert len(set(gates.CODES)) == len(gates.CODES)
    assert set(gates.CODES) >= VOIDING


Random = np.random.Generator


def honest(random: Random, hiccup: bool) -> Figures:
    """A round of an honest server and engine on a noisy machine: a queue with lognormal service, seen by the gates.

    Up to two workers, 5 to 70 % busy; the level of a round varies, the engine is late by tens of microseconds and at
    times by a millisecond; in a hiccup everything stands still for 20 ms.
    """
    seconds, workers = random.choice([1.0, 2.5]), random.integers(1, 3)
    mean = np.exp(random.normal(np.log(0.002), 0.7))
    rate = min(2_000.0, workers * random.uniform(0.05, 0.7) / mean)
    sigma = random.uniform(0.1, 1.2)
    intended = poisson(rate, seconds, int(random.integers(1 << 30)))
    taken = intended + random.lognormal(np.log(25e-6), 0.9, len(intended))
    service = mean * np.exp(random.normal(0, 0.25)) * random.lognormal(-(sigma**2) / 2, sigma, len(intended))
    stall = random.uniform(0, seconds) if hiccup else np.inf
    taken = np.where((taken > stall) & (taken < stall + 0.02), stall + 0.02, taken)
    done = queue(taken, service, int(workers), stall)
    in_flight, error = sampled(taken, done, random, seconds)
    when, took, end = (np.round(times * 1e9).astype(np.int64) for times in (intended, taken, done))
    n, window = len(intended), max(seconds, done.max(initial=0.0))
    found = counters(lead=0.0, seconds=seconds, window_ns=round(window * 1e9), busy_ns=round(0.6e9 * window),
                     server_cpu_ns=round(0.3e9 * window), engine_cpu_ns=round(0.1e9 * window),
                     pressure_ns=round(random.uniform(0, 0.5) * 1e9 * window), in_flight=in_flight)  # fmt: skip
    records = Records(when, took, took, end, np.full(n, 200, np.int16), np.zeros(n, np.int8), found)
    # As of a long window, of which not every request is kept: there the samples and the stamps differ by chance.
    return replace(of_round(records, schedule=intended, ceiling=8_000.0), in_flight_error=error)


def queue(start: NDArray[Any], service: NDArray[Any], workers: int, stall: float) -> NDArray[Any]:
    """When each request is done: first come, first served, and nobody works in the 20 ms after `stall`."""
    free = [0.0] * workers
    done = []
    for begin, work in zip(start, service, strict=True):
        worker = free.index(min(free))
        now = max(begin, free[worker])
        free[worker] = now + work + (0.02 if now <= stall < now + work else 0.0)
        done.append(free[worker])
    return np.array(done)


def sampled(start: NDArray[Any], done: NDArray[Any], random: Random, seconds: float) -> tuple[float, float]:
    """The number in flight as the engine samples it: every ms at a random moment, its error by means of batches."""
    times = np.arange(0, max(seconds, done.max(initial=0.0)), 0.001) + random.uniform(0, 0.001)
    counts = np.searchsorted(start, times, "right") - np.searchsorted(np.sort(done), times, "right")
    size = len(counts) // BATCHES
    means = counts[: size * BATCHES].reshape(BATCHES, size).mean(axis=1)
    return float(counts.mean()), float(means.std(ddof=1) / np.sqrt(BATCHES))


def honest_rows(seeds: Sequence[int]) -> Iterator[Evidence]:
    for seed in seeds:
        random = np.random.default_rng(seed)
        count = int(random.integers(1, 9))
        unlucky = random.integers(count) if count > 2 else -1  # of one round or two, a hiccup is half of all there is
        rounds = [honest(random, hiccup=number == unlucky) for number in range(count)]
        yield Evidence(rounds, [SETTLED], audit.cached(goldens("iris"), simulated(seed, 1.02, 0.1, 0.25), seed=seed))


def test_honest_noise_voids_no_row() -> None:
    found = [[f for f in gates.inspect({"arm": row}) if f.voids] for row in honest_rows(range(500))]
    tripped = [str(finding) for findings in found for finding in findings]
    assert sum(map(bool, found)) <= 5, tripped
