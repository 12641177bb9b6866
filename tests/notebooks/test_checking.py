"""Checks run the learner's code: every failure is told, and whatever that code does, the check ends and says so."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import psutil
import pytest

from notebooks.course import checking, exercise
from notebooks.course.check import Unfinished, Work
from notebooks.course.checking import Report
from notebooks.course.lesson import Lesson, LessonError
from tests.notebooks import lessons


@pytest.fixture
def tiny(tmp_path: Path) -> Lesson:
    return lessons.lesson(tmp_path)


def examined(lesson: Lesson, program: str, seconds: float = 30.0) -> Report:
    folder = lesson.folder.parent / "work"
    folder.mkdir(exist_ok=True)
    (folder / "sums.py").write_text(program)
    return checking.run(lesson, folder, seconds=seconds)


def told(report: Report) -> str:
    return "\n".join(map(checking.shown, report.outcomes))


def test_the_solution_passes_and_the_starter_fails(tiny: Lesson, tmp_path: Path) -> None:
    exercise.write_solution(tiny, tmp_path / "solved")
    report = checking.run(tiny, tmp_path / "solved")
    assert report.ok
    assert told(report) == "ok    Two numbers are added\nok    Nothing is added to zero"
    assert checking.ending(report).startswith("all 2 checks passed in ")
    exercise.write_starter(tiny, tmp_path / "begun")
    report = checking.run(tiny, tmp_path / "begun")
    assert not report.ok
    assert "FAIL  Two numbers are added\n      found:   not written yet: add them\n      look at: sums.py:6:" in told(
        report
    )
    assert checking.ending(report).startswith("2 of 2 checks failed in ")


def test_every_failure_is_told(tiny: Lesson) -> None:
    report = examined(tiny, "def add(one, other):\n    return 0\n")
    assert [len(outcome.failures) for outcome in report.outcomes] == [2, 1]
    assert "expected add(1, 2) = 3; found 0" in told(report)
    assert "expected add(3, 4) = 7; found 0" in told(report)


@pytest.mark.parametrize(
    ("program", "what", "where"),
    [
        (
            "def add(one, other):\n    return one / 0\n",
            "ZeroDivisionError: division by zero",
            "sums.py:2: return one / 0",
        ),
        ("def add(one, other)\n", "SyntaxError: expected ':'", "sums.py:1: def add(one, other)"),
        ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'", "sums.py:1: import nowhere"),
        ("def plus(one, other):\n    return 1\n", "AttributeError: module 'sums' has no attribute 'add'", "check.py:"),
        ("raise SystemExit(0)\n", "SystemExit: 0", "sums.py:1: raise SystemExit(0)"),
        ("import os\nos._exit(3)\n", "its process ended with status 3", "a crash?"),
        ("while True: pass\n", "expected all checks to end within 2 s", "an endless loop"),
    ],
)
def test_whatever_the_learners_code_does_is_a_failure(tiny: Lesson, program: str, what: str, where: str) -> None:
    report = examined(tiny, program, seconds=2.0 if "while" in program else 30.0)
    assert not report.ok
    assert what in told(report)
    assert where in told(report)


def test_a_missing_file_is_named(tiny: Lesson, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "expected the file sums.py; found none" in told(checking.run(tiny, tmp_path / "empty"))


def test_a_missing_function_is_named(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text("def add(one, other):\n    return one + other\n\n\nmean = 3\n")
    work = Work(tmp_path)
    assert work.module("sums", "add").add(1, 2) == 3
    with pytest.raises(Unfinished, match=r"expected add and mean and total in sums.py; found no mean and no total"):
        work.module("sums", "add", "mean", "total")


def test_each_check_imports_the_learners_code_anew(tiny: Lesson, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/helper.py").write_text("calls = []\n")
    program = "import helper\n\n\ndef add(one, other):\n    helper.calls.append(1)\n    return one + other\n\n\n"
    report = examined(tiny, program + "assert helper.calls == [], 'left over'\n")
    assert report.ok, told(report)
    assert not list((tmp_path / "work").rglob("__pycache__"))


def test_what_the_program_prints_is_kept_apart(tiny: Lesson) -> None:
    with redirect_stdout(io.StringIO()) as screen:
        report = examined(tiny, "def add(one, other):\n    print('adding')\n    return one + other\n")
    assert report.ok
    assert screen.getvalue() == ""
    assert checking.tail(report) == "Your program printed:\n    adding\n    adding\n    adding"
    many = checking.tail(Report((), 0.0, "".join(f"{i}\n" for i in range(99))))
    assert "the last 20 of 99 lines" in many


def test_nothing_that_it_started_lives_on(tiny: Lesson, tmp_path: Path) -> None:
    program = (
        "import subprocess\n\n\ndef add(one, other):\n"
        "    child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        f"    open({str(tmp_path / 'pids')!r}, 'a').write(f'{{child.pid}}\\n')\n    return one + other\n"
    )
    assert examined(tiny, program).ok
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def test_a_check_that_checks_nothing_does_not_pass(tiny: Lesson) -> None:
    (tiny.folder / "check.py").write_text("def helper() -> None: ...\n")
    report = examined(tiny, "")
    assert not report.ok
    assert checking.ending(report).startswith("nothing was checked")
    (tiny.folder / "check.py").unlink()
    with pytest.raises(LessonError, match=r"expected .*check\.py"):
        examined(tiny, "")
