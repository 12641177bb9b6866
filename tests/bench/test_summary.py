"""From rounds to rows, findings and every printed form: pure functions on values."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench import gates, results, table
from bench.figures import Figures
from bench.records import Outcome, Records
from bench.results import Plan, Result
from bench.summary import Round, summarise
from tests.bench.test_figures import records

TIMES = {"p50": 1.0, "p95": 2.0, "p99": 3.0}
GOOD = Figures(
    requests=1000, errors={}, response=TIMES, service=TIMES, lag=TIMES, lateness={"p50": 0.02, "p95": 0.05, "p99": 0.1},
    offered=400.0, achieved=400.0, cpu_us=250.0, memory_mb=60.0, memory_kind="PSS", engine_busy=0.1,
    cap_reached=0, resent=0,
)  # fmt: skip
SLOW = replace(GOOD, response={"p50": 2.0, "p95": 5.0, "p99": None}, cpu_us=500.0)
FLOOR = {"p50": 0.01, "p95": 0.012, "p99": 0.02}


def result(folder: Path, *pairs: tuple[Figures, Figures]) -> Result:
    rounds = [
        Round(i, i, ("a", "b"), {"a": a, "b": b}, FLOOR, 9.5) for i, (a, b) in enumerate(pairs or [(GOOD, SLOW)], 1)
    ]
    capacity = {"a": 3000.0, "b": 1234.5}
    machine = {"cpu": "A Processor", "cores": 2, "memory_mb": 8000, "system": "An OS", "python": "3.11.0",
               "model": {"name": "mnist"}}  # fmt: skip
    plan = Plan(arms=("a", "b"), model="mnist", pairs=len(rounds))
    return Result(plan, "1", 400.0, capacity, machine, rounds, summarise(rounds, capacity), folder)


def test_ratios_are_paired_by_round() -> None:
    """Each round has its own weather: 1 against 2 and 10 against 20 is twice, whatever the medians are."""
    pairs = [(replace(GOOD, cpu_us=base), replace(GOOD, cpu_us=2 * base)) for base in (100.0, 1000.0, 300.0)]
    cpu, p50 = result(Path(), *pairs).summary.ratios
    assert (cpu.arm, cpu.base, cpu.figure, cpu.median, cpu.low, cpu.high, cpu.rounds) == ("b", "a", "CPU", 2, 2, 2, 3)
    assert (p50.figure, p50.median) == ("p50", 1.0)


def test_a_result_with_errors_is_saved(tmp_path: Path) -> None:
    failing = replace(GOOD, errors={"timeout": 3, "status": 1}, response=dict.fromkeys(TIMES, math.inf))
    results.save(result(tmp_path, (GOOD, failing), (GOOD, failing)))
    stored = results.load(tmp_path)
    assert stored["summary"]["rows"][1]["errors"] == {"timeout": 6, "status": 2}
    assert stored["summary"]["rows"][1]["response"]["p50"] == "inf"


def test_a_figure_that_is_infinite_has_no_ratio() -> None:
    dead = replace(GOOD, cpu_us=math.inf, response={"p50": math.inf, "p95": math.inf, "p99": math.inf})
    assert result(Path(), (GOOD, dead)).summary.ratios == []


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("WRONG_ANSWER", {"wrong": "request 3: the largest difference is 0.5"}),
        ("ERRORS", {"errors": {"timeout": 3}}),
        ("RATE_MISSED", {"achieved": 390.0}),
        ("GENERATOR_LATE", {"lateness": TIMES}),
        ("GENERATOR_BOUND", {"engine_busy": 0.9}),
        ("FEW_REQUESTS", {"requests": 298}),
        ("CAP_REACHED", {"cap_reached": 2}),
        ("RESENT", {"resent": 11}),
        ("PROCESSES_CHANGED", {"processes_changed": True}),
    ],
)
def test_each_gate_trips_on_its_own_fault_and_no_other(code: str, change: dict[str, object]) -> None:
    assert gates.inspect({"good": [GOOD]}) == []
    (finding,) = gates.inspect({"good": [GOOD], "bad": [replace(GOOD, **change)]})  # type: ignore[arg-type]
    assert (finding.code, finding.arm) == (code, "bad")
    assert finding.figure
    assert finding.bound
    assert finding.advice
    assert finding.voids == (code == "WRONG_ANSWER")


def test_one_lost_round_does_not_trip_the_rate_gate_but_most_do() -> None:
    slow = replace(GOOD, achieved=300.0)
    assert gates.inspect({"a": [GOOD, GOOD, slow]}) == []
    assert [finding.code for finding in gates.inspect({"a": [GOOD, slow, slow]})] == ["RATE_MISSED"]


def test_the_advice_for_few_requests_gives_enough() -> None:
    (finding,) = gates.inspect({"a": [replace(GOOD, requests=100, offered=40.0, achieved=40.0)]})
    assert finding.advice == "Lengthen the rounds: --seconds 9."
    assert finding.figure.endswith("too few for p99")


def printed(found: Result, width: int = 80) -> str:
    stream = io.StringIO()
    table.show(found, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_a_piped_table_is_plain_and_whole(tmp_path: Path) -> None:
    text = printed(result(tmp_path))
    assert "\x1b" not in text
    assert "…" not in text
    heads = ["arm", "p50 ms", "p95 ms", "p99 ms", "CPU µs", "PSS MB", "offered/s", "achieved/s", "capacity/s", "errors"]
    line = next(line for line in text.splitlines() if line.strip().startswith("arm"))
    assert [head.strip() for head in line.split("  ") if head.strip()] == heads
    grid = text.split("Response times")[0]
    assert max(map(len, grid.splitlines()[1:])) <= 110
    rows = {line.split()[0]: line.split()[1:] for line in grid.splitlines() if line.strip()}
    assert rows["a"] == ["1.00", "2.00", "3.00", "250", "60.0", "400", "400", "3,000", "0"]
    assert rows["b"] == ["2.00", "5.00", "-", "500", "60.0", "400", "400", "1,234", "0"]
    assert rows["in-process"] == ["0.010", "0.012", "0.020", "9.50", "-", "-", "-", "-", "-"]
    assert text.startswith("SCREENING: ")
    assert "b / a: CPU 2.00 (2.00..2.00), p50 2.00 (2.00..2.00)" in text
    assert f"Saved: {tmp_path}" in text


def test_twelve_pairs_are_no_screening(tmp_path: Path) -> None:
    assert "screening" not in printed(result(tmp_path, *[(GOOD, GOOD)] * 12)).lower()


def test_infinite_percentiles_and_errors_are_shown(tmp_path: Path) -> None:
    bad = replace(GOOD, response={"p50": 1.0, "p95": math.inf, "p99": math.inf}, errors={"timeout": 60, "closed": 2})
    text = printed(result(tmp_path, (bad, GOOD)))
    assert next(line.split()[:4] for line in text.splitlines() if line.startswith(" a ")) == ["a", "1.00", "inf", "inf"]
    assert "warning ERRORS: a: 60 timeout, 2 closed (bound: none)." in text


def test_a_void_row_withholds_its_figures_and_its_ratios(tmp_path: Path) -> None:
    found = result(tmp_path, (GOOD, replace(GOOD, wrong="request 7: expected 0.5; found 0.9")))
    text = printed(found)
    row = next(line for line in text.splitlines() if line.startswith(" b (VOID)"))
    assert row.split() == ["b", "(VOID)", "-", "-", "-", "-", "-", "400", "-", "-", "0"]
    assert "VOID WRONG_ANSWER: b: round 1, request 7: expected 0.5; found 0.9" in text
    assert "b / a" not in text


def test_a_finding_that_arms_share_is_one_line(tmp_path: Path) -> None:
    few = replace(GOOD, requests=100)
    assert printed(result(tmp_path, (few, few))).count("FEW_REQUESTS: a, b:") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (math.inf, "inf"), (0.0, "0"), (0.00812, "0.008"), (0.4711, "0.471"), (1.42, "1.42"), (15.95, "15.9"),
     (348.4, "348"), (3807.2, "3,807"), (0, "0"), (1234567, "1,234,567")],
)  # fmt: skip
def test_numbers_have_three_significant_digits(value: float | None, text: str) -> None:
    assert table.number(value) == text


def test_csv_holds_the_same_rows(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(table.to_csv(result(tmp_path)))))
    assert [row["arm"] for row in rows] == ["a", "b", "in-process"]
    assert (rows[0]["p50_ms"], rows[0]["cpu_us"], rows[0]["void"]) == ("1.0", "250.0", "false")
    assert (rows[1]["p99_ms"], rows[2]["offered_per_s"]) == ("", "")


def test_markdown_holds_the_same_rows(tmp_path: Path) -> None:
    lines = table.to_markdown(result(tmp_path)).splitlines()
    grid = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in grid}) == 1
    assert grid[2] == "| a | 1.00 | 2.00 | 3.00 | 250 | 60.0 | 400 | 400 | 3,000 | 0 |"


def test_a_saved_run_reads_back(tmp_path: Path) -> None:
    folder = results.new_folder(tmp_path, "mnist")
    bad = replace(GOOD, response={"p50": 1.0, "p95": math.inf, "p99": None})
    found = result(folder, (GOOD, bad), (GOOD, bad))
    file = results.save(found)
    assert results.load(folder) == found.to_dict() == json.loads(results.dumps(found.to_dict()))
    stored = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert stored["rounds"][0]["arms"]["b"]["response"] == {"p50": 1.0, "p95": "inf", "p99": None}
    assert stored["plan"]["arms"] == ["a", "b"]
    assert stored["screening"] is True
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["run.json"], "no half-written file is left"


def test_two_runs_in_one_second_have_two_folders(tmp_path: Path) -> None:
    assert len({results.new_folder(tmp_path, "some/where/mnist") for _ in range(3)}) == 3


def test_stamps_of_a_round_read_back(tmp_path: Path) -> None:
    written = records([0, 10], [3, -1], [Outcome.OK, Outcome.TIMEOUT])
    file = results.save_round(results.new_folder(tmp_path, "iris"), 3, "flask:quickstart", written)
    assert file.name == "03-flask-quickstart.npz"
    read = Records.load(file)
    assert read.counters == written.counters
    for name in ("intended", "taken", "sent", "done", "status", "outcome"):
        assert np.array_equal(getattr(read, name), getattr(written, name))
        assert getattr(read, name).dtype == getattr(written, name).dtype
