"""Starters are derived from solutions by marks: nothing of a solution is in a starter, no mark is in either."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from notebooks.course import exercise
from notebooks.course.lesson import LessonError, load
from tests.notebooks import lessons

INDENT = st.sampled_from(["", "    ", "        "])
PIECES = st.lists(st.tuples(st.sampled_from(["both", "line", "block", "starter"]), INDENT, st.integers(1, 3)))


def built(pieces: list[tuple[str, str, int]]) -> tuple[str, list[tuple[str, str]]]:
    """A file with marks, and each of its lines with whose it is; every line is another."""
    text: list[str] = []
    lines: list[tuple[str, str]] = []
    for kind, indent, size in pieces:
        new = [f"{indent}x{len(lines) + i} = 'value' # comment" for i in range(size if kind == "block" else 1)]
        lines += [("solution" if kind in ("line", "block") else kind, line) for line in new]
        if kind == "block":
            text += [f"{indent}# solution: begin", *new, f"{indent}# solution: end"]
        elif kind == "line":
            text.append(f"{new[0]}  # solution")
        elif kind == "starter":
            text.append(f"{indent}# starter: {new[0].strip()}")
        else:
            text += new
    return "".join(f"{line}\n" for line in text), lines


@given(PIECES)
def test_each_side_has_its_own_lines_in_order_and_no_mark(pieces: list[tuple[str, str, int]]) -> None:
    text, lines = built(pieces)
    for side, made in (("solution", exercise.solution(text)), ("starter", exercise.starter(text))):
        assert made.splitlines() == [line for whose, line in lines if whose in ("both", side)]
        assert "# solution" not in made
        assert "# starter" not in made


@given(PIECES)
def test_a_starter_has_no_line_of_the_solution(pieces: list[tuple[str, str, int]]) -> None:
    text, lines = built(pieces)
    starter = exercise.starter(text).splitlines()
    assert [line for whose, line in lines if whose == "solution" and line in starter] == []


@given(PIECES)
def test_what_is_derived_has_nothing_left_to_derive(pieces: list[tuple[str, str, int]]) -> None:
    for made in map(str, (exercise.solution(built(pieces)[0]), exercise.starter(built(pieces)[0]))):
        assert exercise.solution(made) == exercise.starter(made) == made


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# solution: begin\nx\n", "line 1: expected '# solution: end' for it"),
        ("x\n# solution: end\n", "line 2: expected .* in turns; found '# solution: end'"),
        ("# solution: begin\n# solution: begin\n", "line 2: expected .* in turns"),
        ("x = 1  # solution: because\n", "line 1: expected '# solution' at the end of a line"),
        ("#solution\n", "line 1: expected '# solution' at the end of a line"),
        ("x = 1  # starter: y = 2\n", "line 1: .*'# starter: code' alone"),
    ],
)
def test_a_mark_that_is_none_is_an_error_not_a_leak(text: str, message: str) -> None:
    for derived in (exercise.solution, exercise.starter):
        with pytest.raises(LessonError, match=message):
            derived(text)


def test_the_strategy_is_laid_below_the_exercise(tmp_path: Path) -> None:
    facts = lessons.FACTS.replace("[exercise]", '[exercise]\nstrategy = "flask"')
    folder = lessons.make(tmp_path, facts)
    (folder / "exercise/flask").mkdir()
    (folder / "exercise/flask/server.py").write_text("x = 1  # solution\n# starter: x = 0\n")
    (folder / "exercise/data.bin").write_bytes(b"\xff# solution")
    lesson = load(folder)
    exercise.write_starter(lesson, tmp_path / "work")
    assert (tmp_path / "work/flask/server.py").read_text() == "x = 0\n"
    assert (tmp_path / "work/flask/strategy.toml").is_file()
    assert "NotImplementedError" in (tmp_path / "work/sums.py").read_text()
    assert (tmp_path / "work/data.bin").read_bytes() == b"\xff# solution"
    exercise.write_solution(lesson, tmp_path / "solved")
    assert (tmp_path / "solved/flask/server.py").read_text() == "x = 1\n"
    assert list(map(str, exercise.to_edit(lesson))) == ["flask/server.py", "sums.py"]


def test_what_editors_leave_is_no_part_of_an_exercise(tmp_path: Path) -> None:
    lesson = lessons.lesson(tmp_path)
    for name in (".ipynb_checkpoints", "__pycache__"):
        (lesson.folder / "exercise" / name).mkdir()
        (lesson.folder / "exercise" / name / "sums.py").write_text("")
    (lesson.folder / "exercise/__init__.py").write_text("")
    assert [path.name for path in exercise.files(lesson)] == ["__init__.py", "sums.py"]


def test_a_wrong_mark_names_its_file(tmp_path: Path) -> None:
    lesson = lessons.lesson(tmp_path)
    (lesson.folder / "exercise/sums.py").write_text("# solution: begin\n")
    with pytest.raises(LessonError, match=r"sums\.py, line 1: expected"):
        exercise.write_starter(lesson, tmp_path / "work")
