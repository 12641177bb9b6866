"""The figures of runs: what is taken from which run, withheld from a void row, printed, and derived for the docs."""

import json
import math
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import results
from bench.errors import BenchError
from bench.figures import Figures
from bench.journal import fields_of
from bench.report import book, derive, forms, pages
from bench.report.command import gather, report
from servelab.choose import load
from servelab.choose.figures import Figures as Reported
from servelab.paths import ROOT
from servelab.strategy import Deviation, discover
from tests.bench.runs import BUDGET, GOOD, PAIRS, TIMES, a_boot, a_run

BENCH = ROOT / ".venv" / "bin" / "bench"


def saved(folder: Path, model: str = "mnist", pairs: Sequence[tuple[Figures, Figures]] = PAIRS, **plan: Any) -> Path:
    """A run's folder with its journal."""
    run = a_run(pairs, **plan)
    environment = {**run.environment, "model": {"name": model}, "revision": "abc"}
    made = results.create(folder.parent, replace(run.plan, model=model), model, "1", environment)
    with results.writer(made) as lines:
        for kind, values in {"pilot": run.pilots.values(), "boot": run.boots, "round": run.rounds}.items():
            for value in values:
                lines.append(kind, **fields_of(value))
        lines.append("rate", rate=400.0)
    return made.rename(folder)


def reported(**changes: Any) -> Reported:
    run = a_run(**changes)
    return derive.figures([replace(run, environment={**run.environment, "revision": None})])


def test_the_committed_files_are_what_the_journals_say() -> None:
    assert book.stale() == [], "run: make docs"


def test_the_committed_journals_name_no_path_and_no_user() -> None:
    for journal in book.MEASURED.glob("*/journal.jsonl"):
        assert re.findall(r'"(?:[^"]*[ :=])?/[^"]*"|home|@', journal.read_text()) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A docs/measured of its own, up to date."""
    for model in ("iris", "mnist"):
        saved(tmp_path / "docs" / "measured" / model, model)
    book.write(tmp_path / "docs" / "measured")
    return tmp_path / "docs" / "measured"


def test_what_was_written_is_up_to_date(copy: Path) -> None:
    assert book.stale(copy) == []
    assert {path.name for path in (copy.parent / "strategies").iterdir()} == {f"{name}.md" for name in discover()}
    assert [run.model for run in load(copy / "figures.json").runs] == ["iris", "mnist"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("figures.json", '"cpu_us": 250.0', '"cpu_us": 249.0'),
        ("iris/run.json", '"cpu_us": 250.0', '"cpu_us": 250.1'),
        ("../strategies/flask.md", "| status | active |", "| status | legacy |"),
    ],
)
def test_an_edit_by_hand_is_found_and_undone(copy: Path, name: str, old: str, new: str) -> None:
    file = copy / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    assert [path.resolve() for path in book.stale(copy)] == [file.resolve()]
    book.write(copy)
    assert file.read_text() == text


def test_a_changed_journal_makes_its_files_stale(copy: Path) -> None:
    journal = copy / "mnist" / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"cpu_us": 250.0', '"cpu_us": 300.0'))
    assert {file.name for file in book.stale(copy)} >= {"run.json", "figures.json"}


def test_a_page_of_a_strategy_that_is_gone_goes(copy: Path) -> None:
    page = copy.parent / "strategies" / "gone.md"
    page.write_text("# Gone")
    assert book.stale(copy) == [page]
    book.write(copy)
    assert not page.exists()


def test_figures_without_a_journal_are_of_nothing(copy: Path) -> None:
    made_up = copy / "animals" / "run.json"
    made_up.parent.mkdir()
    made_up.write_text((copy / "iris" / "run.json").read_text())
    assert book.stale(copy) == [made_up]
    book.write(copy)
    assert not made_up.exists()


def test_another_processors_last_digit_is_no_edit(copy: Path) -> None:
    file = copy / "iris" / "run.json"
    content = json.loads(file.read_text())
    content["rate"] *= 1 + 1e-15
    file.write_text(json.dumps(content))
    assert book.stale(copy) == []
    file.write_text("{")
    assert book.stale(copy) == [file]


def test_figures_are_medians_with_four_digits() -> None:
    arm = reported(pairs=[(replace(GOOD, cpu_us=value), GOOD) for value in (123.456, 1000.0, 10.0)]).runs[0].arms[0]
    assert (arm.name, arm.cpu_us, arm.p99_ms, arm.processes, arm.cores, arm.requests) == ("a", 123.5, 3.0, 1, 1, 3000)


def test_a_void_row_gives_no_figures() -> None:
    run = reported(pairs=[(GOOD, replace(GOOD, wrong="request 7: expected 0.5; found 0.9"))]).runs[0]
    arm = run.arms[1]
    assert (arm.void, arm.findings) == (True, ("WRONG_ANSWER",))
    assert {arm.cpu_us, arm.p50_ms, arm.p99_ms, arm.capacity_per_s, arm.rss_mb, arm.ready_s} == {None}
    assert forms.rows(run)[1] == ["b (VOID)", *["-"] * 6, "1", "0"]


def test_infinite_times_stay_in_every_form(tmp_path: Path) -> None:
    found = reported(pairs=[(replace(GOOD, response=TIMES | {"p99": math.inf}, errors={"timeout": 20}), GOOD)])
    file = tmp_path / "figures.json"
    file.write_text(forms.to_json(found))
    assert load(file) == found
    assert load(file).runs[0].arms[0].p99_ms == math.inf
    assert "| inf |" in forms.to_markdown(found)


def test_cores_are_those_that_its_processes_could_keep_busy() -> None:
    boots = [a_boot("a", budget=replace(BUDGET, workers=5)), a_boot("b", budget=replace(BUDGET, workers=2, cpus=4))]
    assert [(arm.processes, arm.cores) for arm in reported(boots=boots).runs[0].arms] == [(5, 1), (2, 2)]


@pytest.mark.parametrize("plan", [{"concurrency": 8}, {"batch": 4}])
def test_runs_without_a_rate_of_single_predictions_are_refused(plan: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="expected an open loop of single predictions"):
        report(saved(tmp_path / "other", **plan))


def test_of_a_folder_with_runs_the_newest_complete_one_of_each_model_counts(tmp_path: Path) -> None:
    saved(tmp_path / "20260101-000000-mnist")
    newest = saved(tmp_path / "20260102-000000-mnist")
    iris = saved(tmp_path / "20260101-000001-iris", "iris")
    saved(tmp_path / "20260103-000000-mnist", concurrency=4)
    saved(tmp_path / "20260104-000000-mnist", rounds=2)  # not complete
    (tmp_path / "20260105-000000-mnist").mkdir()
    (tmp_path / "20260105-000000-mnist" / "journal.jsonl").write_text("{}\n")
    assert {run.folder for run in gather([tmp_path])} == {newest, iris}
    assert [run.model for run in report(tmp_path).runs] == ["iris", "mnist"]


def test_two_runs_of_one_model_do_not_compare(tmp_path: Path) -> None:
    folders = [saved(tmp_path / name) for name in ("one", "two")]
    with pytest.raises(BenchError, match=r"expected one run of each model.*one.*two"):
        report(*folders)


def test_a_folder_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(BenchError, match="Make one with: bench run"):
            report(folder)


@pytest.mark.parametrize(("old", "new"), [('"cpu_us": 250.0', '"cpu_us": "x"'), ('"cores"', '"coresx"')])
def test_a_journal_that_was_edited_badly_is_refused(old: str, new: str, tmp_path: Path) -> None:
    journal = saved(tmp_path / "run") / "journal.jsonl"
    text = journal.read_text()
    assert old in text
    journal.write_text(text.replace(old, new))
    with pytest.raises(BenchError, match=r"run: expected the journal as bench run wrote it.*make the run again"):
        report(tmp_path / "run")


def test_a_table_is_whole_and_says_where_it_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    forms.show(reported(), Console(width=40, highlight=False))
    text = capsys.readouterr().out
    assert "…" not in text
    assert re.search(r"a +250 +1\.00 +3\.00 +3,000 +90\.0 +1\.25 +1 +0", text)
    assert "SCREENING: mnist version 1, Server scenario, Poisson arrivals at 400.0/s" in text
    assert "From: 20261120-120000-mnist, revision -" in text.replace(f"{Path.cwd()}/", "")


def test_markdown_has_the_same_rows() -> None:
    lines = forms.to_markdown(reported()).splitlines()
    assert "| a | 250 | 1.00 | 3.00 | 3,000 | 90.0 | 1.25 | 1 | 0 |" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_a_page_says_what_the_contract_says() -> None:
    for strategy in discover().values():
        page = pages.page(strategy, Reported(1, ()))
        assert page.startswith(f"# {strategy.title}\n")
        for word in (strategy.family, strategy.licence, f"make serve-{strategy.name}", "Nothing yet: it took no part",
                     strategy.health, *(route.route for route in strategy.also),
                     *(each.why for each in strategy.deviations)):  # fmt: skip
            assert word in page, (strategy.name, word)


def test_a_page_links_its_figures_and_withholds_void_ones() -> None:
    flask = replace(discover()["flask"], deviations=(Deviation("v1/x", "on purpose"),))
    known = reported(pairs=[(replace(GOOD, wrong="request 1"), GOOD)])
    run = replace(known.runs[0], folder="docs/measured/mnist")
    for number, line in enumerate((" (VOID) | - | - | - | - | - | - | - | 1 | 0 |", " | 250 | 2")):
        arms = (replace(run.arms[number], name="flask"),)
        page = pages.page(flask, Reported(1, (replace(run, arms=arms),)))
        assert f"| [mnist](../measured/mnist/run.json){line}" in page
        assert ("[WRONG_ANSWER](../../bench/explain/WRONG_ANSWER.md); its figures are withheld" in page) == (
            number == 0
        )
        assert "- `v1/x`: on purpose" in page


def test_the_command_prints_what_choose_reads(tmp_path: Path) -> None:
    folder = saved(tmp_path / "runs" / "20260101-000000-mnist")
    done = subprocess.run([BENCH, "report", folder.parent, "--json"], capture_output=True, text=True, check=True)
    (tmp_path / "figures.json").write_text(done.stdout)
    assert load(tmp_path / "figures.json") == report(folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nowhere"], "expected the folder of a run"), (["--write", "results"], "--write is for docs/measured")],
)
def test_bad_arguments_end_with_what_was_expected(arguments: list[str], words: str) -> None:
    done = subprocess.run([BENCH, "report", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (2, True, False)
