"""The facts of a lesson: read from its folder, with errors that name the file, the key and what is allowed."""

from pathlib import Path

import pytest

from notebooks.course import lesson as course
from notebooks.course.lesson import LessonError
from tests.notebooks import lessons

ASKED_FOR = ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "16", "17", "26", "29", "30"]


def test_every_lesson_is_there() -> None:
    assert [path.name[:2] for path in course.folders()] == ASKED_FOR


def test_a_lesson_is_its_facts(tmp_path: Path) -> None:
    tiny = lessons.lesson(tmp_path)
    assert (tiny.number, tiny.name, tiny.heading) == ("42", "42-tiny", "# 42 · Tiny")
    assert tiny.exercise.task == "add two numbers"
    assert tiny.strategies == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Tiny"', "", r"lesson\.toml: the key 'title' is missing; add it as a string"),
        ("tier = 0", "tier = 3", r"tier must be one of 0, 1, 2; found 3"),
        ("tier = 0", "teir = 0", r"unknown key 'teir' \(did you mean 'tier'\?\)"),
        ("minutes = 1", "minutes = 0", r"minutes must be at least 1; found 0"),
        ("minutes = 1", 'minutes = "1"', r"minutes must be a whole number; found '1'"),
        ("ran = 1", "ran = 31", r"ran = 31 s is over limit = 30 s"),
        ('seeds = ["000"]', 'seeds = ["009"]', r"seeds: unknown '009'.*; expected some of: 000, 001"),
        ("tier = 0", 'tier = 0\nstrategies = ["flaks"]', r"strategies: unknown 'flaks' \(did you mean 'flask'\?\)"),
        ('task = "add', 'strategy = "flaks"\ntask = "add', r"exercise\.strategy: unknown 'flaks'"),
        ('task = "add', 'strategy = "pipelines/v1"\ntask = "add', r"exercise\.strategy: unknown 'pipelines/v1'"),
        ('idea = "a page', 'idea = "\\n a page', r"idea must be one line of text"),
        ('task = "add two numbers"', "", r"exercise\.task' is missing"),
        ("[exercise]", "[exercise", r"expected a TOML file"),
    ],
)
def test_wrong_facts_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in lessons.FACTS
    folder = lessons.make(tmp_path, lessons.FACTS.replace(old, new))
    with pytest.raises(LessonError, match=message):
        course.load(folder)


def test_a_folder_without_facts_or_with_another_name_is_named(tmp_path: Path) -> None:
    with pytest.raises(LessonError, match="named like 04-flask-by-hand"):
        course.load(lessons.make(tmp_path, name="tiny"))
    (tmp_path / "43-empty").mkdir()
    with pytest.raises(LessonError, match=r"expected .*lesson\.toml"):
        course.load(tmp_path / "43-empty")


def test_a_lesson_is_found_by_number_or_path(tmp_path: Path) -> None:
    first = course.folders()[0]
    assert course.folder("0") == course.folder("00") == course.folder(str(first)) == first
    assert course.folder(f"{lessons.make(tmp_path)}/") == tmp_path / "42-tiny"
    for wrong in ("99", "", "x"):
        with pytest.raises(LessonError, match=r"expected a lesson's number, as in N=04.*00, "):
            course.folder(wrong)
