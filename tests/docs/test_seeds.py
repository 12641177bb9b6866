"""docs/seeds.md keeps its promises: lessons that exist or are listed as later, and every path."""

import re
from pathlib import Path

import pytest

from notebooks.course import lesson as lessons
from servelab.paths import ROOT

TEXT = (ROOT / "docs/seeds.md").read_text("utf-8")
HERE = {folder.name[:2] for folder in lessons.folders()}
LATER = set(re.findall(r"^\| (\d\d) \|", TEXT, re.MULTILINE))
SEEDS = {number: part for part in re.split(r"^## (?=Seed )", TEXT, flags=re.MULTILINE)[1:]
         for number in [part.split()[1].rstrip(":")]}  # fmt: skip
ROWS = {"000": 12, "001": 14, "002": 3, "003": 14, "004": 13}  # what each document was found to name


def rows(section: str) -> list[list[str]]:
    lines = re.findall(r"^\| (?:✓|later) \|.*$", section, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def named(cell: str) -> set[str]:
    return set(re.findall(r"\b\d\d\b", cell))


def test_every_row_of_every_seed_is_here() -> None:
    assert {seed: len(rows(section.partition("\n## ")[0])) for seed, section in SEEDS.items()} == ROWS


@pytest.mark.parametrize("seed", SEEDS)
def test_lessons_that_are_named_exist_or_are_listed_as_later(seed: str) -> None:
    for state, what, taught, *_ in rows(SEEDS[seed].partition("\n## ")[0]):
        linked, plain = set(re.findall(r"\[(\d\d)\]", taught)), named(re.sub(r"\[\d\d\]", "", taught))
        assert linked <= HERE, what
        assert plain <= LATER - HERE, what
        assert linked | plain or taught == "-", f"no lesson for: {what}"
        if plain and state == "✓":
            assert "later" in taught, what
        assert state == "✓" or not linked, what


def test_every_later_lesson_is_asked_for_by_a_seed() -> None:
    asked = {
        number for section in SEEDS.values() for row in rows(section) for cell in row[2:] for number in named(cell)
    }
    assert asked >= LATER - {"23"}  # autoscaling: KFServing's row says it in other words
    assert not LATER & HERE


@pytest.mark.parametrize("folder", lessons.folders(), ids=lambda folder: folder.name[:2])
def test_a_lesson_stands_in_the_sections_of_the_seeds_that_it_names(folder: Path) -> None:
    lesson = lessons.load(folder)
    today = TEXT.partition("## Their code today")[2].partition("\n## ")[0]
    for seed in lesson.seeds:
        code = [line for line in today.splitlines() if line.startswith(f"| {seed} ")]
        assert f"[{lesson.number}]" in SEEDS[seed] + "".join(code), f"lesson {lesson.number} says seed {seed}"


def test_links_by_label_lead_to_lessons() -> None:
    defined = dict(re.findall(r"^\[(\d\d)\]: (\S+)$", TEXT, re.MULTILINE))
    assert {number for number, path in defined.items() if not (ROOT / "docs" / path).exists()} == set()
    assert set(re.findall(r"\[(\d\d)\](?!:)", TEXT)) == set(defined)


def test_the_reading_list_has_every_rfc_that_the_code_cites() -> None:
    listed = (ROOT / "docs/reading.md").read_text("utf-8")
    cited = {
        number
        for room in ("servelab", "bench", "shared_models", "strategies", "pipelines")
        for file in (ROOT / room).rglob("*.py")
        for number in re.findall(r"RFC (\d+)", file.read_text("utf-8"))
    }
    assert {number for number in cited if f"RFC {number}" not in listed} == set()
