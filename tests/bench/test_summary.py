"""From rounds to rows, verdicts and findings: pure functions on values."""

from dataclasses import replace

import pytest

from bench import summary
from bench.errors import BenchError
from bench.summary import Row, summarise
from tests.bench.runs import BUDGET, GOOD, TIMES, a_boot, a_run

SLOW = replace(GOOD, cpu_us=500.0)


def test_a_row_is_the_median_over_rounds() -> None:
    rounds = [(100.0, 80.0), (900.0, 90.0), (200.0, 85.0)]
    pairs = [(replace(GOOD, cpu_us=cpu, rss_mb=rss), GOOD) for cpu, rss in rounds]
    pairs[1] = (replace(pairs[1][0], ran_out="server"), GOOD)
    boots = [a_boot(arm, number, ready_s=number, first_ms=10.0 * number) for number in (1, 2, 3) for arm in "ab"]
    row = summarise(a_run(pairs, boots=boots)).rows[0]
    assert (row.name, row.cpu_us, row.rss_mb, row.ran_out) == ("a", 200.0, 85.0, "idle")
    assert (row.ready_s, row.first_ms, row.capacity, row.load) == (2, 20.0, 3000.0, 0.01)
    assert row.tax_ms == pytest.approx(0.99)
    assert (row.per_core_hour, row.per_million(0.036)) == (18e6, 0.002)
    assert row.per_million(None) is None


def test_errors_are_summed_over_rounds() -> None:
    failing = replace(GOOD, errors={"timeout": 3, "status": 1})
    assert summarise(a_run([(GOOD, failing), (GOOD, failing)])).rows[1].errors == {"timeout": 6, "status": 2}


def test_verdicts_are_paired_by_round() -> None:
    """Each round has its own weather: 1 against 2 and 10 against 20 is twice, whatever the medians are."""
    weather = (100.0, 1000.0, 300.0, 250.0, 80.0, 700.0)
    pairs = [(replace(GOOD, cpu_us=base), replace(GOOD, cpu_us=2 * base)) for base in weather]
    (table,) = summarise(a_run(pairs)).tables
    cpu = next(each for each in table.verdicts if each.figure == "CPU")
    assert (cpu.arm, cpu.base, cpu.word) == ("b", "a", "different")
    assert cpu.comparison.ratio == pytest.approx(2.0)
    assert table.groups["CPU"] == [["a"], ["b"]]
    p50 = next(each for each in table.verdicts if each.figure == "p50")
    assert (p50.word, table.groups["p50"]) == ("equivalent", [["a", "b"]])


def test_arms_of_unequal_budgets_meet_in_no_table() -> None:
    boots = [a_boot("a"), a_boot("b", budget=replace(BUDGET, workers=2))]
    first, second = summarise(a_run(boots=boots)).tables
    assert ([row.name for row in first.rows], [row.name for row in second.rows]) == (["a"], ["b"])
    assert (first.budget, second.budget) == ("1 worker", "2 workers")
    assert first.verdicts == second.verdicts == []
    (both,) = summarise(a_run(boots=boots, together=True)).tables
    assert [row.name for row in both.rows] == ["a", "b"]
    assert both.verdicts
    assert "UNEQUAL_BUDGET" in {finding.code for finding in summarise(a_run(boots=boots, together=True)).findings}


def test_a_void_arm_gets_no_verdict() -> None:
    wrong = replace(GOOD, wrong="request 7: expected 0.5; found 0.9")
    found = summarise(a_run([(GOOD, wrong)]))
    assert [row.void for row in found.rows] == [False, True]
    assert found.tables[0].verdicts == []


def test_disturbed_rounds_do_not_count() -> None:
    run = a_run([(GOOD, SLOW), (replace(GOOD, cpu_us=9_000.0), SLOW), (GOOD, SLOW)])
    noisy = replace(run, rounds=[run.rounds[0], replace(run.rounds[1], noise="foreign CPU 40 %"), run.rounds[2]])
    found = summarise(noisy)
    assert (found.kept, found.dropped, found.rows[0].cpu_us) == (2, 1, 250.0)
    assert summarise(replace(noisy, plan=replace(run.plan, keep_noisy=True))).kept == 3


def test_without_a_quiet_round_every_row_is_void() -> None:
    run = a_run()
    found = summarise(replace(run, rounds=[replace(run.rounds[0], noise="foreign CPU 40 %")]))
    assert {finding.code for finding in found.findings if finding.voids} == {"NOISY_NEIGHBOUR"}
    assert all(row.void for row in found.rows)


def test_a_run_without_rounds_has_no_result() -> None:
    with pytest.raises(BenchError, match="no finished round yet; go on with: bench resume"):
        summarise(replace(a_run(), rounds=[]))


def test_a_figure_that_some_rounds_lack_is_not_made_of_the_others() -> None:
    few = replace(GOOD, response=TIMES | {"p99": None})
    assert summarise(a_run([(few, GOOD), (GOOD, GOOD)])).rows[0].response["p99"] is None


def test_another_run_meets_every_arms_figures_by_boot() -> None:
    found = summary.by_arm(a_run([(GOOD, SLOW), (GOOD, SLOW)]))
    assert found["b"]["CPU"] == [[500.0], [500.0]]
    assert found["a"]["p99"] == [[3.0], [3.0]]


def test_nothing_costs_nothing() -> None:
    assert Row("x", TIMES, 0.0).per_million(1.0) == 0
