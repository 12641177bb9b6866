"""Which rounds a run still lacks, and what its folder gives back."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bench import results
from bench.audit import CacheAudit
from bench.budget import Budget
from bench.errors import BenchError
from bench.journal import fields_of
from bench.results import Boot, Pilot, Plan, Round, Run
from bench.stationarity import WarmUp

ENVIRONMENT = {"model": {"name": "iris"}, "locks": {"b": None, "a": None}, "key": {}}
BUDGET = Budget(workers=1, cpus=1, native_threads="default", access_log=False, threads=3, keep_alive=True)


def a_round(number: int, attempt: int = 1, boot: int = 1, noise: str = "") -> Round:
    return Round(number, attempt, boot, 7, ("a", "b"), {}, {"p50": 0.1}, 9.0, noise)


def a_run(rounds: Sequence[Round], boots: int = 3, per_boot: int = 2, **more: Any) -> Run:
    plan = Plan(arms=("a", "b"), boots=boots, rounds=per_boot, **more)
    return Run(Path("x"), plan, "1", ENVIRONMENT, {}, None, [], rounds)


def test_nothing_done_is_everything_missing_boot_by_boot() -> None:
    assert a_run([]).missing() == [[1, 2], [3, 4], [5, 6]]


def test_what_is_missing_of_a_boot_is_made_in_another() -> None:
    assert a_run([a_round(1), a_round(2), a_round(3)]).missing() == [[4], [5, 6]]


def test_a_disturbed_round_is_made_again_once() -> None:
    once = [a_round(1, noise="foreign CPU 40 %"), a_round(2)]
    assert a_run(once).missing()[0] == [1]
    assert a_run([*once, a_round(1, attempt=2, noise="steal 9 %")]).missing()[0] == [3, 4]
    assert a_run([*once, a_round(1, attempt=2)]).kept == [once[1], a_round(1, attempt=2)]
    assert a_run(once, keep_noisy=True).missing()[0] == [3, 4]


@given(st.integers(1, 9), st.integers(1, 4), st.sets(st.integers(1, 36)))
def test_done_and_missing_are_all(boots: int, per_boot: int, done: set[int]) -> None:
    done &= set(range(1, boots * per_boot + 1))
    missing = a_run([a_round(number) for number in done], boots, per_boot).missing()
    assert sorted([*done, *(number for group in missing for number in group)]) == list(range(1, boots * per_boot + 1))
    assert all(1 <= len(group) <= per_boot for group in missing)


def test_a_folder_gives_back_what_was_written(tmp_path: Path) -> None:
    plan = Plan(arms=("b", "a"), model="iris", rate=40.0)
    folder = results.create(tmp_path, plan, "iris", "1", ENVIRONMENT)
    assert folder.name.endswith("-iris")
    pilot = Pilot("a", 50_000.0, CacheAudit([1.0, 1.1], [0.9]))
    boot = Boot("a", 1, 1.5, 20.0, 900.0, WarmUp(3000, 0.1, True), BUDGET)
    with results.writer(folder) as lines:
        for kind, value in (("pilot", pilot), ("boot", boot), ("round", a_round(1))):
            lines.append(kind, **fields_of(value))
        lines.append("rate", rate=40.0)
    run = Run.load(folder)
    assert (run.plan, run.version, run.names, run.rate) == (plan, "1", ["b", "a"], 40.0)
    assert (run.pilots, run.boots, run.rounds) == ({"a": pilot}, [boot], [a_round(1)])
    assert (run.started, run.capacity("a")) == (1, 900.0)


def test_a_screening_has_too_few_boots_that_count() -> None:
    rounds = [a_round(number, boot=number) for number in range(1, 9)]
    assert not a_run(rounds, boots=8, per_boot=1).screening
    assert a_run([replace(each, noise="steal 9 %") for each in rounds[:3]] + rounds[3:], boots=8, per_boot=1).screening


def test_a_closed_loop_has_no_rate_to_be_compared_by() -> None:
    assert replace(a_run([]), rate=40.0).key["requests per second"] == 40.0
    assert replace(a_run([], concurrency=4), rate=40.0).key["requests per second"] is None


def test_two_runs_in_a_second_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = {results.create(tmp_path, Plan(("a",)), "iris", "1", ENVIRONMENT) for _ in range(3)}
    assert len(folders) == 3


def test_another_folder_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"expected the folder of a run, with journal.jsonl in it"):
        Run.load(tmp_path)
    (tmp_path / "journal.jsonl").write_text('{"kind": "run", "format": 99}\n')
    with pytest.raises(BenchError, match="expected the journal of a run in format 2"):
        Run.load(tmp_path)


def test_results_go_where_they_can_be_written(tmp_path: Path) -> None:
    results.require_writable(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="expected a folder to save results in"):
        results.require_writable(tmp_path / "file" / "below")
