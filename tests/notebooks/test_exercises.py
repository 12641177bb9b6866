"""Every exercise is one: its starter is valid and fails its check, its solution passes."""

import ast
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from notebooks.course import exercise, learner, lesson as course

FOLDERS = course.folders()
READS: dict[str, Callable[[str], object]] = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": lambda text: list(yaml.safe_load_all(text)),
}


@pytest.mark.lesson
@pytest.mark.timeout(400)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_starter_fails_its_check_and_the_solution_passes(folder: Path) -> None:
    assert learner.proved(course.load(folder)) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_starter_and_solution_can_be_read_and_differ(folder: Path, tmp_path: Path) -> None:
    lesson = course.load(folder)
    exercise.write_starter(lesson, tmp_path / "starter")
    exercise.write_solution(lesson, tmp_path / "solution")
    for file in (path.relative_to(folder / "exercise") for path in exercise.files(lesson)):
        made = [(tmp_path / side / file) for side in ("starter", "solution")]
        for path in made:
            if path.suffix in READS:
                READS[path.suffix](path.read_text("utf-8"))
    assert exercise.to_edit(lesson)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_there_are_hints(folder: Path) -> None:
    found = learner.hints(course.load(folder))
    assert len(found) >= 2
    assert [text.split()[0].rstrip(".:") for text in found] == [str(number) for number in range(1, len(found) + 1)]
