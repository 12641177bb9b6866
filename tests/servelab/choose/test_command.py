"""`servelab choose` as its users type it, and the page that is made of it."""

import json
import subprocess
from pathlib import Path

import pytest

from bench.report import forms
from servelab.choose import CARDS, Answers, page
from servelab.paths import ROOT
from servelab.strategy import discover
from tests.servelab.choose.measured import ARM, figures

SERVELAB = ROOT / ".venv" / "bin" / "servelab"


def choose(*arguments: object, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(SERVELAB), "choose", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, input=typed, text=True, check=False, timeout=60)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "figures.json"
    file.write_text(forms.to_json(figures(ARM)))
    return file


def test_it_names_who_fits_with_figures_and_their_folder(own: Path) -> None:
    done = choose("--figures", own, "--latency", 50, "--need", "nothing")
    assert done.returncode == 0, done.stderr
    assert "1. flask (Flask on gunicorn): CPU 300 µs, p50 1 ms and p99 5 ms at 150/s" in done.stdout
    assert "Figures: docs/measured/mnist" in done.stdout
    assert "mlflow, seldon, seldon-ab, by latency: it was not measured" in " ".join(done.stdout.split())


def test_json_has_the_same(own: Path) -> None:
    found = json.loads(choose("--figures", own, "--json", "--price", 0.05, "--budget", 50).stdout)
    assert [each["strategy"] for each in found["recommended"]] == ["flask"]
    assert found["recommended"][0]["scaled"]["per_month"] == pytest.approx(36.5)
    assert found["recommended"][0]["measured"]["cpu_us"] == 300.0
    assert found["answers"]["budget"] == 50.0
    assert set(found["ruled_out"]) == set(discover()) - {"flask"}


def test_without_a_terminal_nothing_is_asked() -> None:
    done = choose(typed="batch\n")
    assert done.returncode == 0, done.stderr
    assert "Your answers: when online, model image" in done.stdout
    assert "nothing was asked, as this is no terminal: these are the defaults" in done.stderr
    assert choose("--rate", 50).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "fast"], "rate: expected a number above 0"),
        (["--need", "speed"], "need: expected some of versions, ab,"),
        (["--budget", "10"], "budget: expected a price of a core-hour beside it"),
        (["--figures", "nowhere.json"], "cannot read nowhere.json"),
        (["--when", "soon"], "when: expected online or batch; found 'soon'"),
        (["--write", "--rate", "50"], "--write is for docs/choosing.md"),
        (["--write", "--json"], "leave the others out"),
        (["--write", "--figures", "own.json"], "leave the others out"),
    ],
)
def test_bad_answers_end_with_what_was_expected(arguments: list[str], words: str) -> None:
    done = choose(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("marks", page.parts(), ids=lambda marks: marks[0].split(":")[0].split()[-1])
def test_the_page_is_up_to_date(marks: tuple[str, str]) -> None:
    begin, end = marks
    assert f"{begin}\n{page.parts()[marks]}\n{end}" in page.PAGE.read_text("utf-8"), "run: make docs"


def test_six_cards_each_scarce_of_another_thing() -> None:
    assert len(CARDS) == len({card.name for card in CARDS}) == len({card.scarce for card in CARDS}) == 6
    assert {card.answers.when for card in CARDS} == {"online", "batch"}
    assert all(card.answers != Answers() for card in CARDS)
