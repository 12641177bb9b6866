"""What a learner does with a lesson: begin it, check it, ask for a hint, see the solution. All in notebooks/work/NN."""

import difflib
import re
import shutil
import tempfile
from pathlib import Path

from notebooks.course import checking, exercise, links
from notebooks.course.lesson import NOTEBOOKS, Lesson, LessonError
from servelab.paths import ROOT

HINT = re.compile(r"^## (?=\d)", re.MULTILINE)
COUNT = ".hints"  # in the learner's folder: how many hints were shown
SOLUTION = "solution"


def work(lesson: Lesson) -> Path:
    """The learner's folder of a lesson."""
    return NOTEBOOKS / "work" / lesson.number


def begin(lesson: Lesson, again: bool = False) -> str:
    """Put the notebook and the starter into the learner's folder; returns what to open and what to type next.

    Files that are there are the learner's and stay as they are; ``again`` moves the whole folder aside first.
    """
    folder = work(lesson)
    said = []
    with tempfile.TemporaryDirectory() as made:
        exercise.write_starter(lesson, Path(made))
        Path(made, lesson.notebook.name).write_text(_for_work(lesson), "utf-8")
        if again and folder.exists():
            aside = _aside(folder)
            folder.rename(aside)
            said.append(f"moved what was there to {_name(aside)}")
        kept = _laid(Path(made), folder)
    if kept:
        what = "1 file of yours is kept as it is" if kept == 1 else f"{kept} files of yours are kept as they are"
        said.append(f"{what}; to begin anew: make lesson N={lesson.number} AGAIN=1")
    said += [
        f"{lesson.number} · {lesson.title}",
        f"  the idea       {lesson.idea}",
        f"  read and run   make lab N={lesson.number}      (opens {_name(folder / lesson.notebook.name)})",
        f"  the exercise   {lesson.exercise.task}",
        f"  edit           {', '.join(_name(folder / file) for file in exercise.to_edit(lesson))}",
        f"  check it       make check N={lesson.number}",
        f"  stuck?         make hint N={lesson.number}, and then make solution N={lesson.number}",
    ]
    return "\n".join(said)


def _for_work(lesson: Lesson) -> str:
    """The notebook with its links turned: it lies one folder deeper there."""
    from notebooks.course import notebook  # on use: jupytext is slow to import, and a check or a hint needs none

    book = notebook.derive(lesson)
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = relinked(cell.source, f"../../{lesson.name}")
    return notebook.written(book)


def relinked(markdown: str, base: str) -> str:
    """The Markdown with ``base`` before its relative links, outside of code."""
    return links.followed(markdown, lambda path, _: _joined(base, path))


def _joined(base: str, link: str) -> str:
    head = base.split("/")
    while link.startswith("../") and head[-1] != "..":
        head, link = head[:-1], link[3:]
    return "/".join([*head, link])


def _laid(made: Path, folder: Path) -> int:
    """Copy what is not there yet; returns how many files are the learner's own by now, and were left alone."""
    kept = 0
    for path in sorted(file for file in made.rglob("*") if file.is_file()):
        target = folder / path.relative_to(made)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        else:
            kept += target.read_bytes() != path.read_bytes()
    return kept


def _aside(folder: Path) -> Path:
    count = 1
    while (aside := folder.with_name(f"{folder.name}-before-{count}")).exists():
        count += 1
    return aside


def check(lesson: Lesson) -> int:
    """Check the learner's folder and print every failure; 0 when nothing failed, else 1."""
    folder = _begun(lesson)
    report = checking.run(lesson, folder, lambda outcome: print(checking.shown(outcome), flush=True))
    if text := checking.tail(report):
        print(f"\n{text}\n")
    print(checking.ending(report))
    return 0 if report.ok else 1


def hints(lesson: Lesson) -> list[str]:
    """The hints of a lesson, each with its heading. Raises LessonError when there are none."""
    file = lesson.folder / "hints.md"
    text = file.read_text("utf-8") if file.is_file() else ""
    found = [part.strip() for part in HINT.split(text)[1:]]
    if not found:
        raise LessonError(f"expected hints in {file}, headed '## 1 ...', '## 2 ...'; found none")
    return found


def hint(lesson: Lesson) -> str:
    """The next hint; after the last one, what is left."""
    all_of_them = hints(lesson)
    counter = _begun(lesson) / COUNT
    shown = int(counter.read_text()) if counter.is_file() and counter.read_text().strip().isdigit() else 0
    if shown >= len(all_of_them):
        return (f"You have seen all {len(all_of_them)} hints: {_name(lesson.folder / 'hints.md')} has them. "
                f"What is left is the solution: make solution N={lesson.number}")  # fmt: skip
    counter.write_text(f"{shown + 1}\n")
    left = len(all_of_them) - shown - 1
    more = (
        f"{left} more: make hint N={lesson.number}" if left else f"That was the last. make solution N={lesson.number}"
    )
    return f"{all_of_them[shown]}\n\n({more})"


def solution(lesson: Lesson) -> str:
    """Put the solution into the learner's folder, below solution/; returns what differs from the learner's files."""
    folder = _begun(lesson)
    target = folder / SOLUTION
    shutil.rmtree(target, ignore_errors=True)
    exercise.write_solution(lesson, target)
    differences: list[str] = []
    for path in exercise.files(lesson):
        file = path.relative_to(lesson.folder / "exercise")
        differences += difflib.unified_diff(
            _lines(folder / file), _lines(target / file), f"yours/{file}", f"solution/{file}"
        )
    said = "".join(differences) or "Your files are those of the solution.\n"
    return f"{said}\nThe solution is in {_name(target)}; your own files are as they were."


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [line + "\n" for line in text.splitlines()]


def _begun(lesson: Lesson) -> Path:
    folder = work(lesson)
    if not folder.is_dir():
        raise LessonError(
            f"expected your folder {_name(folder)}; found none. Begin with: make lesson N={lesson.number}"
        )
    return folder


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def proved(lesson: Lesson) -> list[str]:
    """What is wrong with an exercise: its solution fails its check, or its starter passes or breaks it."""
    found = []
    with tempfile.TemporaryDirectory(prefix="exercise-") as scratch:
        begun, solved = Path(scratch, "starter") / lesson.number, Path(scratch, "solution") / lesson.number
        exercise.write_starter(lesson, begun)
        exercise.write_solution(lesson, solved)
        report = checking.run(lesson, begun)
        if report.ok:
            found.append("the starter passes its check: expected it to fail until the exercise is done")
        elif report.unforeseen:
            found.append(f"the starter breaks its check: expected failures that it foresees; found\n{_told(report)}")
        report = checking.run(lesson, solved)
        if not report.ok:
            found.append(f"the solution fails its check:\n{_told(report)}")
    return found


def _told(report: checking.Report) -> str:
    failed = [checking.shown(outcome) for outcome in report.outcomes if outcome.failures]
    return "\n".join([*failed, checking.tail(report), checking.ending(report)])
