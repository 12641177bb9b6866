"""What a learner's folder holds: nothing of the learner's is ever overwritten."""

import json
from pathlib import Path

import pytest

from notebooks.course import learner
from notebooks.course.lesson import Lesson, LessonError
from tests.notebooks import lessons


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    monkeypatch.setattr(learner, "NOTEBOOKS", tmp_path)
    return lessons.lesson(tmp_path)


def test_a_lesson_begins_with_its_notebook_and_its_starter(tiny: Lesson, tmp_path: Path) -> None:
    said = learner.begin(tiny)
    assert sorted(path.name for path in (tmp_path / "work/42").iterdir()) == ["42-tiny.ipynb", "sums.py"]
    for needed in ("make lab N=42", "make check N=42", "make hint N=42", "make solution N=42", "work/42/sums.py"):
        assert needed in said
    assert "add two numbers" in said


def test_only_what_must_change_is_named_as_to_be_edited(tiny: Lesson) -> None:
    (tiny.folder / "exercise/used.py").write_text("x = 1\n")
    (tiny.folder / "exercise/notes.md").write_text("x\n")
    said = learner.begin(tiny)
    assert next(line.split()[1:] for line in said.splitlines() if "  edit " in line)[0].endswith("work/42/sums.py")
    assert "used.py" not in said
    assert (learner.work(tiny) / "used.py").is_file()


def test_a_lesson_that_cannot_begin_anew_moves_nothing(tiny: Lesson) -> None:
    learner.begin(tiny)
    (tiny.folder / "exercise/sums.py").write_text("# solution: begin\n")
    with pytest.raises(LessonError, match="line 1"):
        learner.begin(tiny, again=True)
    assert (learner.work(tiny) / "sums.py").is_file()


def test_links_lead_where_they_led(tiny: Lesson, tmp_path: Path) -> None:
    learner.begin(tiny)
    cells = json.loads((tmp_path / "work/42/42-tiny.ipynb").read_text())["cells"]
    assert "(../../../docs/measuring.md)" in "".join(cells[0]["source"])


@pytest.mark.parametrize(
    ("link", "turned"),
    [
        ("../../docs/x.md#part", "../../../docs/x.md#part"),
        ("../README.md", "../../README.md"),
        ("then/app.py", "../../42-tiny/then/app.py"),
        ("https://example.org/a", "https://example.org/a"),
        ("#part", "#part"),
    ],
)
def test_a_link_is_turned(link: str, turned: str) -> None:
    assert learner.relinked(f"[a]({link})\n", "../../42-tiny") == f"[a]({turned})\n"
    code = f"`[a]({link})`\n\n```text\n[a]({link})\n```\n"
    assert learner.relinked(code, "../../42-tiny") == code


def test_what_the_learner_wrote_stays(tiny: Lesson, tmp_path: Path) -> None:
    learner.begin(tiny)
    mine = tmp_path / "work/42/sums.py"
    mine.write_text("mine\n")
    assert "1 file of yours is kept as it is" in learner.begin(tiny)
    assert mine.read_text() == "mine\n"
    assert "moved what was there to" in learner.begin(tiny, again=True)
    assert "NotImplementedError" in mine.read_text()
    assert (tmp_path / "work/42-before-1/sums.py").read_text() == "mine\n"
    learner.begin(tiny, again=True)
    assert (tmp_path / "work/42-before-2").is_dir()


def test_hints_come_one_after_the_other_then_the_solution_is_left(tiny: Lesson) -> None:
    learner.begin(tiny)
    assert learner.hint(tiny).startswith("1 Python has an operator\n\nLook for a cross.\n\n(1 more: make hint N=42)")
    assert "That was the last. make solution N=42" in learner.hint(tiny)
    for _ in range(2):
        assert "make solution N=42" in learner.hint(tiny)
        assert "all 2 hints" in learner.hint(tiny)


def test_a_lesson_without_hints_is_named(tiny: Lesson) -> None:
    (tiny.folder / "hints.md").write_text("# Hints\n")
    with pytest.raises(LessonError, match=r"headed '## 1 \.\.\.'"):
        learner.hints(tiny)


def test_the_solution_is_put_beside_the_learners_files(tiny: Lesson, tmp_path: Path) -> None:
    learner.begin(tiny)
    said = learner.solution(tiny)
    assert '-    raise NotImplementedError("add them")\n+    return one + other\n' in said
    assert "NotImplementedError" in (tmp_path / "work/42/sums.py").read_text()
    solved = (tmp_path / "work/42/solution/sums.py").read_text()
    (tmp_path / "work/42/sums.py").write_text(solved)
    assert "Your files are those of the solution." in learner.solution(tiny)


def test_a_lesson_that_was_not_begun_says_what_to_type(tiny: Lesson) -> None:
    for verb in (learner.check, learner.hint, learner.solution):
        with pytest.raises(LessonError, match="Begin with: make lesson N=42"):
            verb(tiny)


def test_check_prints_and_has_a_status(tiny: Lesson, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learner.begin(tiny)
    assert learner.check(tiny) == 1
    assert "FAIL  Two numbers are added" in capsys.readouterr().out
    learner.solution(tiny)
    (tmp_path / "work/42/sums.py").write_text((tmp_path / "work/42/solution/sums.py").read_text())
    assert learner.check(tiny) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("all 2 checks passed")


def test_an_exercise_is_proved_by_starter_and_solution(tiny: Lesson) -> None:
    assert learner.proved(tiny) == []
    (tiny.folder / "exercise/sums.py").write_text("def add(one, other):\n    return one + other\n")
    assert learner.proved(tiny) == ["the starter passes its check: expected it to fail until the exercise is done"]
    (tiny.folder / "exercise/sums.py").write_text("def add(one, other):\n    return one\n")
    (found,) = learner.proved(tiny)
    assert "the solution fails its check" in found
    assert "expected add(1, 2) = 3; found 1" in found


@pytest.mark.parametrize("starter", ["return one + [other]", "raise SystemExit(1)", "import nowhere", "return nowhere"])
def test_a_starter_must_be_judged_not_break_its_check(tiny: Lesson, starter: str) -> None:
    """Whoever has only begun is told what is missing, by words that somebody wrote for that."""
    text = lessons.SOLVED.replace('raise NotImplementedError("add them")', starter)
    (tiny.folder / "exercise/sums.py").write_text(text)
    (found,) = learner.proved(tiny)
    assert "the starter breaks its check: expected failures that it foresees" in found
    assert "sums.py:" in found


def test_a_check_that_crashes_on_the_starter_does_not_fail_it(tiny: Lesson) -> None:
    check = tiny.folder / "check.py"
    check.write_text(check.read_text().replace("found := add(one, other)", "found := {3: 3, 7: 7}[add(one, other)]"))
    text = lessons.SOLVED.replace('raise NotImplementedError("add them")', "return 0")
    (tiny.folder / "exercise/sums.py").write_text(text)
    (found,) = learner.proved(tiny)
    assert "the starter breaks its check" in found
    assert "where the check itself stopped" in found
