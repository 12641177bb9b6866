"""The controls' own controls: what they accept and refuse, and the saboteurs that need no quiet machine."""

import argparse
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from bench import gates, stationarity
from bench.progress import Progress
from bench.selftest import command, controls, judge, sabotage
from bench.selftest.controls import Planned, Tick
from bench.selftest.crosscheck import Arrived, CrossCheck, markdown
from bench.selftest.judge import Control
from bench.selftest.sabotage import Case
from servelab.paths import ROOT

BENCH = str(Path(sys.executable).with_name("bench"))
OF_A_BUSY_MACHINE = ("GENERATOR_LATE", "NON_STATIONARY")
"""Gates that a machine at other work may trip; a saboteur's own gate is judged even so."""


def nothing(_: str) -> None:
    """A tick that tells nobody."""


@pytest.mark.parametrize("case", sabotage.CASES, ids=lambda case: case.name)
def test_each_saboteur_trips_its_own_gate_and_no_other(case: Case) -> None:
    control = case.control(nothing, OF_A_BUSY_MACHINE)
    assert control.passed, control


def test_every_saboteur_has_a_gate_of_its_own() -> None:
    own = [case.own for case in sabotage.CASES if case.own]
    assert len(set(own)) == len(own) == 5
    assert set(own) <= set(gates.CODES)


def test_a_saboteur_that_goes_unnoticed_fails() -> None:
    """An honest server and engine, said to be caching."""
    case = Case("nobody", "is nobody found?", "ARRIVALS_OFF")
    control = case.control(nothing, OF_A_BUSY_MACHINE)
    assert not control.passed
    assert control.figure == "none"


def test_saboteurs_are_judged_by_their_load_and_by_rounds_enough_for_a_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest run, by an engine that could hardly do more."""
    monkeypatch.setattr(sabotage, "_ceiling", lambda: 1.1 * sabotage.RATE)
    control = Case("nobody", "is the load seen?", "GENERATOR_BOUND").control(nothing, OF_A_BUSY_MACHINE)
    assert control.passed, control
    assert stationarity.non_stationary([0.5] * sabotage.ROUNDS)[0]


def test_the_ceiling_must_be_high() -> None:
    assert judge.ceiling(10_000).passed
    assert not judge.ceiling(9_999).passed


@given(st.integers(0, 20), st.integers(0, 20))
def test_four_flags_in_any_figure_are_too_many(cpu: int, p50: int) -> None:
    p_values = {name: [0.03] * n + [0.9] * (20 - n) for name, n in (("CPU", cpu), ("p50", p50))}
    control = judge.same(p_values)
    assert control.passed == (max(cpu, p50) < 4)
    assert control.figure == f"of 20: CPU {cpu}, p50 {p50}"


@pytest.mark.parametrize(
    ("point", "spread", "passed"),
    [(100, 20, True), (75, 20, True), (60, 5, False), (140, 5, False), (100, 400, False), (0, 20, False)],
)
def test_a_difference_must_be_right_and_certain(point: float, spread: float, passed: bool) -> None:
    differences = point + spread * np.linspace(-1, 1, 12)
    assert judge.busy(differences).passed == passed


@pytest.mark.parametrize(
    ("p95", "p99", "passed"),
    [(100, 180, True), (0.4, 180, False), (100, 8.5, False), (150, 180, False), (100, 260, False), (100, None, False)],
)
def test_a_stall_must_show_in_both_percentiles(p95: float, p99: float | None, passed: bool) -> None:
    assert judge.stall({"p95": p95, "p99": p99}).passed == passed


@pytest.mark.parametrize(
    ("failed", "infinite", "passed"), [(50, 50, True), (50, 49, False), (0, 0, False), (20, 20, False), (90, 90, False)]
)
def test_errors_must_be_as_many_as_ordered_and_stay_in_the_distribution(
    failed: int, infinite: int, passed: bool
) -> None:
    response = np.array([math.inf] * infinite + [1e6] * (5_000 - infinite))
    assert judge.errors(5_000, failed, response).passed == passed


def test_dropped_errors_fail_even_if_counted() -> None:
    assert not judge.errors(5_000, 50, np.full(4_950, 1e6)).passed


@pytest.mark.parametrize(
    ("own", "voids", "excused", "passed"),
    [
        ("", [], [], True),
        ("", ["GENERATOR_LATE"], [], False),
        ("", ["GENERATOR_LATE"], ["GENERATOR_LATE"], True),
        ("ARRIVALS_OFF", ["ARRIVALS_OFF"], [], True),
        ("ARRIVALS_OFF", [], [], False),
        ("ARRIVALS_OFF", ["ARRIVALS_OFF", "LITTLE_BROKEN"], ["GENERATOR_LATE"], False),
        ("GENERATOR_LATE", [], ["GENERATOR_LATE"], False),
        ("GENERATOR_LATE", ["GENERATOR_LATE"], ["GENERATOR_LATE"], True),
    ],
)
def test_a_saboteur_must_trip_one_gate(own: str, voids: list[str], excused: list[str], passed: bool) -> None:
    assert judge.gates("any", "?", own, voids, excused).passed == passed


def test_the_command_runs_a_control_and_prints_json() -> None:
    done = subprocess.run([BENCH, "selftest", "--only", "errors", "--json"], capture_output=True, text=True,
                          cwd=ROOT, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (control,) = json.loads(done.stdout)
    assert control["name"] == "errors"
    assert control["passed"]
    assert re.fullmatch(r"\d+ of [\d,]+ failed, \d+ infinite", control["figure"])


def test_an_unknown_control_is_refused_by_name() -> None:
    done = subprocess.run([BENCH, "selftest", "--only", "eror"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'eror'" in done.stderr
    assert "ceiling" in done.stderr


PASSING = Control("good", "is it?", "1", "1", True, 2.0)
FAILING = Control("bad", "is it?", "2", "1", False, 3.0)


@pytest.mark.parametrize(("found", "status"), [(PASSING, 0), (FAILING, 1)])
def test_the_exit_status_is_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: Control, status: int
) -> None:
    monkeypatch.setattr(controls, "PLANNED", {"one": Planned(1, lambda _: found)})
    parser = argparse.ArgumentParser()
    command.add(parser)
    arguments = parser.parse_args(["--only", "one"])
    assert arguments.run(arguments) == status
    out = capsys.readouterr().out
    assert ("PASS" in out) == found.passed
    assert f"{int(found.passed)} of 1 controls passed" in out


def test_only_some_controls_run_in_their_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def planned(name: str) -> Planned:
        def run(_: Tick) -> Control:
            ran.append(name)
            return PASSING

        return Planned(1, run)

    monkeypatch.setattr(controls, "PLANNED", {name: planned(name) for name in "abc"})
    with Progress(Console(quiet=True)) as progress:
        assert len(command.run(progress, ("c", "a"))) == 2
    assert ran == ["a", "c"]


def test_the_markdown_table_has_a_row_for_each_control() -> None:
    lines = command.markdown([PASSING, FAILING]).splitlines()
    assert lines[2:4] == ["| good | is it? | 1 | 1 | PASS |", "| bad | is it? | 2 | 1 | FAIL |"]
    assert lines[-1].startswith("1 of 2 controls passed, in 5 s, on ")


@pytest.mark.parametrize("marks", [command.SELFTEST, command.CROSS_CHECK])
def test_the_page_has_a_place_for_each_table(marks: tuple[str, str]) -> None:
    begin, end = (command.PAGE.read_text().partition(mark) for mark in marks)
    assert begin[1]
    assert end[1]
    assert len(begin[0]) < len(end[0])


def test_arrivals_are_described_by_their_burstiness() -> None:
    even = Arrived.of(np.arange(400) / 250)
    assert (even.rate, even.most, even.largest_gap_ms) == pytest.approx((250, 3, 4))
    assert even.variation == pytest.approx(0, abs=1e-6)
    clumped = Arrived.of(np.repeat(np.arange(40) / 20, 10))
    assert clumped.most == 10
    assert clumped.dispersion > 5
    assert clumped.variation == pytest.approx(3, rel=0.05)


def test_the_cross_check_shows_the_range_over_rounds() -> None:
    found = CrossCheck(
        latency={"tool": [np.array([0.101, 14.0, 98.4, 182.0]), np.array([0.131, 16.0, 115.0, 182.0])]},
        arrived={"tool": Arrived(200.4, 2.634, 5.91, 51.2, 8)},
    )
    lines = markdown(found).splitlines()
    assert lines[2] == "| tool | 0.10 to 0.13 | 14 to 16 | 98 to 115 | 182 |"
    assert lines[-1] == "| tool | 200 | 2.63 | 5.91 | 51 | 8 |"
