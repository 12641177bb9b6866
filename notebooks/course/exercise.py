"""An exercise is kept as its solution; the starter is derived from it by the marks in its files.

    x = f(y)  # solution                     only in the solution, there without the mark
    # solution: begin
    ...                                      only in the solution
    # solution: end
    # starter: raise NotImplementedError     only in the starter, there as code with the same indentation

The sign of a comment is #: files of another kind are copied as they are.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from notebooks.course.lesson import Lesson, LessonError
from servelab.paths import STRATEGIES

MARKED = {".py", ".toml", ".yaml", ".yml"}
IGNORED = shutil.ignore_patterns("__pycache__", ".*")
BEGIN, END = re.compile(r"\s*# solution: begin\s*"), re.compile(r"\s*# solution: end\s*")
LINE = re.compile(r"(.*?\S)\s*# solution\s*")
STARTER = re.compile(r"(\s*)# starter: (.*?)\s*")
LIKE = re.compile(r"#\s*(solution|starter)\b")  # what looks like a mark


Side = Literal["both", "solution", "starter"]


def solution(text: str) -> str:
    """The text without marks, and without what is the starter's alone. Raises LessonError on a mark that is none."""
    return _of("solution", text)


def starter(text: str) -> str:
    """The text without any line of the solution. Raises LessonError on a mark that is none."""
    return _of("starter", text)


def _of(side: Side, text: str) -> str:
    return "".join(f"{line}\n" for whose, line in sorted_out(text) if whose in ("both", side))


def sorted_out(text: str) -> Iterator[tuple[Side, str]]:
    """Each line without its mark, and whose it is; the lines that are marks and nothing else are left out."""
    begun = 0
    for number, line in enumerate(text.splitlines(), 1):
        if BEGIN.fullmatch(line) or END.fullmatch(line):
            if bool(begun) == bool(BEGIN.fullmatch(line)):
                raise LessonError(f"line {number}: expected '# solution: begin' and '# solution: end' in turns; "
                                  f"found {line.strip()!r}")  # fmt: skip
            begun = 0 if begun else number
        elif found := STARTER.fullmatch(line):
            yield "starter", found[1] + found[2]
        elif found := LINE.fullmatch(line):
            yield "solution", found[1]
        elif LIKE.search(line):
            raise LessonError(f"line {number}: expected '# solution' at the end of a line, or '# solution: begin', "
                              f"'# solution: end' or '# starter: code' alone; found {line.strip()!r}")  # fmt: skip
        else:
            yield "solution" if begun else "both", line
    if begun:
        raise LessonError(f"line {begun}: expected '# solution: end' for it; found none")


def write_starter(lesson: Lesson, folder: Path) -> None:
    """Fill ``folder`` with what the learner begins with."""
    _write(lesson, folder, starter)


def write_solution(lesson: Lesson, folder: Path) -> None:
    """Fill ``folder`` with the same files, solved."""
    _write(lesson, folder, solution)


def to_edit(lesson: Lesson) -> list[Path]:
    """The files that the learner must change, from the learner's folder; the rest of exercise/ is there to be used."""
    return [path.relative_to(lesson.folder / "exercise") for path in files(lesson)
            if _made(path, starter) != _made(path, solution)]  # fmt: skip


def _write(lesson: Lesson, folder: Path, derived: Callable[[str], str]) -> None:
    if lesson.exercise.strategy:
        name = lesson.exercise.strategy
        shutil.copytree(STRATEGIES / name, folder / name, ignore=IGNORED, dirs_exist_ok=True)
    for path in files(lesson):
        target = folder / path.relative_to(lesson.folder / "exercise")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_made(path, derived))


def _made(path: Path, derived: Callable[[str], str]) -> bytes:
    if path.suffix not in MARKED:
        return path.read_bytes()
    try:
        return derived(path.read_text("utf-8")).encode()
    except LessonError as error:
        raise LessonError(f"{path}, {error}") from None


def files(lesson: Lesson) -> list[Path]:
    """The files of exercise/."""
    folder = lesson.folder / "exercise"
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()
             and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)]  # fmt: skip
    if not found:
        raise LessonError(f"expected the exercise's files, solved and with marks, in {folder}; found none")
    return found
