"""What is said on the command line, and the plan that comes of it."""

import argparse
from pathlib import Path

import pytest

from bench import options, results
from bench.errors import BenchError
from bench.results import Plan
from servelab import strategy as strategies

ENVIRONMENT = {"model": {"name": "iris"}, "locks": {"flask": None}, "key": {}}


def plan_of(*words: str) -> Plan:
    parser = argparse.ArgumentParser()
    options.add(parser)
    return options.plan_of(parser.parse_args(words))


def test_without_a_word_every_active_strategy_is_compared_in_boots_enough_for_a_verdict() -> None:
    plan = plan_of()
    known = strategies.discover().values()
    assert set(plan.arms) == {s.name for s in known if s.status == "active" and s.tier == 0 and "mnist" in s.models}
    assert plan.boots >= 8


def test_a_screening_takes_the_web_frameworks_and_keeps_every_round() -> None:
    plan = plan_of("--quick", "--model", "iris")
    assert {strategies.load(arm).family for arm in plan.arms} == {"web framework"}
    assert (plan.keep_noisy, plan.boots, plan.rounds) == (True, 3, 2)


def test_what_is_said_counts_for_more_than_quick_and_like(tmp_path: Path) -> None:
    assert plan_of("flask", "--quick", "--boots", "7").boots == 7
    old = Plan(arms=("flask",), model="iris", boots=2, seconds=1.5)
    folder = results.create(tmp_path, old, "iris", "1", ENVIRONMENT)
    with results.writer(folder) as lines:
        lines.append("rate", rate=123.0)
    again = plan_of("--like", str(folder), "--seconds", "3")
    assert (again.arms, again.model, again.boots, again.seconds, again.rate) == (("flask",), "iris", 2, 3.0, 123.0)


def test_many_arms_take_more_boots() -> None:
    assert plan_of("a", "b").boots == 8
    assert plan_of("a", "b", "c", "d", "e", "f").boots == 10
    assert plan_of("a", "b", "c", "d", "e", "f", "--boots", "6").boots == 6


def test_paths_are_made_absolute_because_a_run_may_go_on_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = plan_of("flask", "./mine:quickstart", "--model", "./model", "--arrivals", "trace:monday.txt")
    assert plan.arms == ("flask", f"{tmp_path / 'mine'}:quickstart")
    assert (plan.model, plan.arrivals) == (f"{tmp_path / 'model'}", f"trace:{tmp_path / 'monday.txt'}")
    assert plan_of("flask", "--arrivals", "gamma:2").arrivals == "gamma:2"


@pytest.mark.parametrize("more", [("--rate", "5"), ("--arrivals", "constant")])
def test_waiting_clients_have_no_schedule(more: tuple[str, str]) -> None:
    with pytest.raises(BenchError, match="leave --rate and --arrivals out"):
        plan_of("flask", "--concurrency", "4", *more)


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), ("0%", 0.0), ("12.5%", 0.125)])
def test_a_share_is_written_either_way(text: str, share: float) -> None:
    assert options.share(text) == pytest.approx(share)
