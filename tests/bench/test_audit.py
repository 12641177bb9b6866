"""Unique inputs are like the goldens; honest servers pass whatever their noise; one that remembers answers is found."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

import shared_models
from bench import audit
from bench.answers import Questions
from bench.audit import CacheAudit, unique
from bench.load.records import Outcome, Records
from bench.selftest.lab import Faults
from bench.selftest.subject import serving
from tests.bench.test_figures import records

Batches = Sequence[NDArray[Any]]


@cache
def goldens(model: str, batch: int = 1) -> Batches:
    return Questions.of(shared_models.load(model), batch).inputs


def text(batch: NDArray[Any]) -> bytes:
    return orjson.dumps(batch, option=orjson.OPT_SERIALIZE_NUMPY)


@pytest.mark.parametrize(("model", "batch"), [("iris", 1), ("iris", 7), ("mnist", 1), ("mnist", 3)])
def test_unique_inputs_stay_in_the_domain_and_do_not_come_twice(model: str, batch: int) -> None:
    inputs = goldens(model, batch)
    found = unique(inputs, 300, np.random.default_rng(1))
    assert {(each.shape, each.dtype) for each in found} == {(inputs[0].shape, inputs[0].dtype)}
    assert len({text(each) for each in found}) >= 295, "iris draws from the equivalent of 100,000 rows"
    known = np.concatenate(list(inputs)).reshape(-1, inputs[0][0].size)
    drawn = np.concatenate(found).reshape(-1, known.shape[1])
    assert all(np.isin(drawn[:, column], known[:, column]).all() for column in range(known.shape[1]))
    lengths = [float(np.mean([len(text(each)) for each in some])) for some in (found, inputs)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.02)


def test_large_inputs_are_as_many_as_memory_allows() -> None:
    """A photograph's 600 kB each: not 500, and never none."""
    photographs = [np.full((1, 3, 224, 224), value, np.float32) for value in (1, 2)]
    found = unique(photographs, 500, np.random.default_rng(1))
    assert 0.9 * audit.MOST_BYTES < sum(each.nbytes for each in found) <= audit.MOST_BYTES
    assert len(unique([np.zeros((110, 3, 224, 224), np.float32)], 500, np.random.default_rng(1))) == 1


def test_the_same_seed_draws_the_same_inputs() -> None:
    one, two, other = (np.concatenate(unique(goldens("iris"), 50, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def simulated(seed: int, cost: float, cpu: float = 0.06, rate: float = 0.15) -> Callable[[Batches], Records]:
    """A server whose repeated answer costs 1 and whose unique ones cost `cost`, with noise (SD of the log) in both."""
    random = np.random.default_rng(seed)

    def drive(batches: Batches) -> Records:
        work = 1.0 if len(batches) == 1 else cost
        count = max(1, int(1_000 / work * random.lognormal(0, rate)))
        spent = int(250_000 * work * random.lognormal(0, cpu) * count)
        ok = [Outcome.OK] * count
        return records(list(range(count)), list(range(count)), ok, server_cpu_ns=spent, window_ns=500_000_000)

    return drive


@pytest.mark.parametrize(("cpu", "rate"), [(0.03, 0.05), (0.06, 0.15), (0.12, 0.3)])
def test_honest_servers_pass_on_noisy_machines(cpu: float, rate: float) -> None:
    """They show up to 3 % for a repeated input, which stays in the processor's caches."""
    found = [audit.cached(goldens("iris"), simulated(seed, 1.03, cpu, rate), seed=seed) for seed in range(500)]
    assert sum(each.cached for each in found) <= 5


@pytest.mark.parametrize("cost", [1.36, 1.8, 20.0])
def test_servers_that_remember_are_found_on_noisy_machines(cost: float) -> None:
    found = [audit.cached(goldens("iris"), simulated(seed, cost, 0.08, 0.2), seed=seed) for seed in range(200)]
    assert sum(each.cached for each in found) >= 196


def test_work_that_is_not_on_this_machine_is_found_by_its_rate() -> None:
    assert not CacheAudit([1.0] * 8, [1.2] * 8).cached
    assert CacheAudit([1.0] * 8, [2.0] * 8).cached
    assert CacheAudit([], [2.0] * 8).cached, "no CPU time is known of a remote server"
    assert not CacheAudit([], []).cached


def test_a_neighbour_at_work_in_some_pairs_proves_nothing() -> None:
    assert not CacheAudit([1.0, 3.0, 1.02, 2.5, 1.6, 0.99, 1.01, 1.5], [1.0] * 8).cached


def test_windows_are_interleaved_and_no_unique_input_is_asked_twice() -> None:
    asked: list[Batches] = []
    answer = simulated(1, 1.0)

    def drive(batches: Batches) -> Records:
        asked.append(batches)
        return answer(batches)

    audit.cached(goldens("iris"), drive, seed=1)
    assert [len(batches) == 1 for batches in asked] == [True, False, False, True] * 2, "R U U R"
    assert len({text(batches[0]) for batches in asked if len(batches) == 1}) == 1
    seen = [text(each) for batches in asked if len(batches) > 1 for each in batches]
    assert len(seen) >= 4 * 1_000, "as many as a window has requests"
    assert len(set(seen)) >= 0.95 * len(seen), "iris draws from the equivalent of 100,000 rows"


def test_the_repeated_input_is_as_long_as_unique_ones_are() -> None:
    repeated: list[int] = []

    def drive(batches: Batches) -> Records:
        repeated.extend(len(text(each)) for each in batches if len(batches) == 1)
        return simulated(1, 1.0)(batches)

    audit.cached(goldens("mnist"), drive, seed=1)
    mean = np.mean([len(text(each)) for each in unique(goldens("mnist"), 1_000, np.random.default_rng(9))])
    assert repeated[0] == pytest.approx(mean, rel=0.02)


def test_suspicion_takes_more_windows_than_a_clear_case() -> None:
    honest, caching = (audit.cached(goldens("iris"), simulated(1, cost, 0.01, 0.01), seed=1) for cost in (1.0, 1.4))
    assert (len(honest.cpu), len(caching.cpu)) == (audit.PAIRS, audit.PAIRS + audit.MORE_PAIRS)


def test_a_server_that_answers_nothing_is_not_judged() -> None:
    dead = records([0, 1], [-1, -1], [Outcome.TIMEOUT] * 2)
    assert audit.cached(goldens("iris"), lambda _: dead, seed=1) == CacheAudit([], [])


def real(remembers: bool) -> CacheAudit:
    """The audit of a lab server, which has no framework around the model."""
    with serving(Faults(model="mnist", cache=remembers)) as subject:

        def drive(batches: Batches) -> Records:
            return subject.asking(batches).drive(0.2, connections=8).records

        assert subject.material
        drive(subject.material.questions.inputs)
        return audit.cached(subject.material.questions.inputs, drive, seed=1)


def test_a_real_server_that_remembers_is_told_from_one_that_does_not() -> None:
    """By their ratio, as on a crowded machine new inputs cost an honest one more, too: they push each other out of the
    processor's caches. That an honest server is not accused on a quiet one is for `bench selftest`."""
    honest, remembering = real(False), real(True)
    assert remembering.cached, remembering
    assert remembering.ratios[0] > 1.5 * honest.ratios[0], (honest, remembering)
