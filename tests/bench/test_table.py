"""Every printed form of a result shows the same rows, whole."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import results, table
from bench.results import Run
from bench.table import Result
from tests.bench.runs import BUDGET, GOOD, PAIRS, TIMES, a_boot, a_run

HEADS = ["arm", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "p99.9 ms", "service p50", "service p99", "tax ms", "offered/s",
         "achieved/s", "errors", "load %", "ran out"]  # fmt: skip


def printed(run: Run, width: int = 80) -> str:
    stream = io.StringIO()
    table.show(Result.of(run), Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def lines_of(text: str, name: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(f" {name} ")]


def test_a_piped_table_is_plain_and_whole() -> None:
    text = printed(a_run())
    assert "\x1b" not in text
    assert "…" not in text
    titles = next(line for line in text.splitlines() if line.strip().startswith("arm"))
    assert [head.strip() for head in titles.split("  ") if head.strip()] == HEADS
    latency, cost = lines_of(text, "a")
    assert latency == [
        "a",
        "1.00",
        "1.50",
        "2.00",
        "3.00",
        "-",
        "1.00",
        "3.00",
        "0.990",
        "400",
        "400",
        "0",
        "1.00",
        "idle",
    ]
    assert cost == ["a", "250", "14.4", "90.0", "60.0", "1.25", "20.0", "3,000"]
    assert lines_of(text, "in-process")[0][:4] == ["in-process", "0.010", "0.011", "0.012"]
    assert text.startswith("SCREENING: mnist version 1, Server scenario, Poisson arrivals at 400.0/s")
    assert "Saved: 20261120-120000-mnist" in text


def test_verdicts_stand_below_their_table() -> None:
    text = printed(a_run(PAIRS * 6))
    assert "screening" not in text.lower()
    assert "CPU: b 2.00 of a [2.00, 2.00], p 0.031: different" in text
    assert "cannot be told apart, least first: [a] [b]" in text


def test_a_price_makes_a_cost() -> None:
    assert lines_of(printed(a_run(price=0.036)), "a")[1][3] == "0.00250"
    assert "cost/million" not in printed(a_run())


def test_infinite_percentiles_and_errors_are_shown() -> None:
    times = TIMES | {"p95": math.inf, "p99": math.inf}
    text = printed(a_run([(replace(GOOD, response=times, errors={"timeout": 60, "closed": 2}), GOOD)]))
    assert lines_of(text, "a")[0][3:5] == ["inf", "inf"]
    assert "warning ERRORS: a: 60 timeout, 2 closed (bound: none)." in text


def test_a_void_row_withholds_its_figures() -> None:
    text = printed(a_run([(GOOD, replace(GOOD, wrong="request 7: expected 0.5; found 0.9"))]))
    latency, cost = lines_of(text, "b (VOID)")
    assert latency[2:] == ["-"] * 8 + ["400", "-", "0", "1.00", "idle"]
    assert cost[2:] == ["-"] * 7
    assert "VOID WRONG_ANSWER: b: round 1, request 7: expected 0.5; found 0.9" in text
    assert "b 1" not in text


def test_a_finding_that_arms_share_is_one_line() -> None:
    few = replace(GOOD, requests=100)
    assert printed(a_run([(few, few)])).count("FEW_REQUESTS: a, b:") == 1


def test_unequal_budgets_are_separate_tables() -> None:
    text = printed(a_run(boots=[a_boot("a"), a_boot("b", budget=replace(BUDGET, workers=2))]))
    assert text.index("With 1 worker:") < text.index("With 2 workers:")
    assert "2 workers, 1 CPU, native threads default, no access log, 3 threads, keep-alive" in text


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({}, "Server scenario, Poisson arrivals at 400.0/s (40 % of the slowest capacity in the first boot)"),
        ({"rate": 400.0}, "(as asked)"),
        ({"arrivals": "gamma:2"}, "version 1, gamma arrivals (CV 2) at"),
        ({"concurrency": 1}, "SingleStream scenario, closed loop of one client"),
        ({"concurrency": 8}, "version 1, closed loop of 8 clients"),
        ({"concurrency": 1, "batch": 8}, "MultiStream scenario, closed loop of one client"),
    ],
)
def test_a_scenario_has_the_name_that_mlperf_gives_it(plan: dict[str, Any], words: str) -> None:
    assert words in printed(a_run(**plan)).splitlines()[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (math.inf, "inf"), (0.0, "0"), (0.00812, "0.008"), (0.4711, "0.471"), (1.42, "1.42"), (15.95, "15.9"),
     (348.4, "348"), (3807.2, "3,807"), (0, "0"), (1234567, "1,234,567"), ("idle", "idle")],
)  # fmt: skip
def test_numbers_have_three_significant_digits(value: float | None, text: str) -> None:
    assert table.number(value) == text


def test_csv_holds_the_same_rows() -> None:
    rows = list(csv.DictReader(io.StringIO(table.to_csv(Result.of(a_run())))))
    assert [row["arm"] for row in rows] == ["a", "b", "in-process"]
    assert (rows[0]["p50_ms"], rows[0]["cpu_us"], rows[0]["void"]) == ("1.0", "250.0", "false")
    assert (rows[1]["p99.9_ms"], rows[2]["offered_per_s"]) == ("", "")


def test_markdown_holds_the_same_rows() -> None:
    lines = table.to_markdown(Result.of(a_run())).splitlines()
    grid = [line for line in lines if line.startswith("|")]
    assert "| a | 250 | 14.4 | 90.0 | 60.0 | 1.25 | 20.0 | 3,000 |" in grid
    assert len({line.count("|") for line in grid[:5]}) == 1


def test_json_is_strict_and_says_all() -> None:
    bad = replace(GOOD, response=TIMES | {"p95": math.inf})
    text = results.dumps(Result.of(a_run([(GOOD, bad)])).to_dict())
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["rounds"][0]["arms"]["b"]["response"]["p95"] == "inf"
    assert (found["plan"]["arms"], found["screening"], found["complete"]) == (["a", "b"], True, True)
    assert found["summary"]["tables"][0]["rows"][1]["response"]["p95"] == "inf"


def test_an_incomplete_run_says_how_to_go_on(tmp_path: Path) -> None:
    text = printed(a_run(folder=tmp_path / "half", boots=[a_boot("a"), a_boot("b")], rounds=2))
    assert "INCOMPLETE: " in text
    assert "bench resume" in text
