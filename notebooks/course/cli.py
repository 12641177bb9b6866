"""``python -m notebooks.course``: what make lesson, check, hint, solution, lessons, check-all and docs call."""

import argparse
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from notebooks.course import index, lab, learner, offline
from notebooks.course.lesson import Lesson, folder, folders, load
from servelab import command
from servelab.errors import ServelabError

if TYPE_CHECKING:
    from notebooks.course import run as runs


def main() -> None:
    """Run one command."""
    options = _parser().parse_args()
    command.run("course", lambda: int(options.run(options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m notebooks.course", description="Lessons that run.")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    verbs.add_parser("list", help="the lessons").set_defaults(run=_list)

    derive = _verb(verbs, "derive", "write the notebooks, and the table of notebooks/README.md", _derive)
    derive.add_argument("number", nargs="*", help="lessons (default: all)")

    run = _verb(verbs, "run", "execute lessons from top to bottom, each anew, without a network", _run)
    run.add_argument("number", nargs="*", help="lessons (default: all)")
    run.add_argument("--write", action="store_true", help="write the seconds that it took into lesson.toml")

    opened = _verb(
        verbs, "lab", "open JupyterLab, at a lesson's notebook in notebooks/work/NN where one is named", _lab
    )
    opened.add_argument("number", nargs="?")
    opened.add_argument("--port", type=int, help="exactly that one (default: 8888, or the next free one)")

    begin = _verb(verbs, "lesson", "begin a lesson: notebook and starter to notebooks/work/NN", _lesson)
    begin.add_argument("number")
    begin.add_argument("--again", action="store_true", help="move what is there aside, and begin anew")
    for name, what, body in (("check", "check your work", _check), ("hint", "the next hint", _hint),
                             ("solution", "the solution, beside your files", _solution)):  # fmt: skip
        _verb(verbs, name, what, body).add_argument("number")

    check_all = _verb(
        verbs, "check-all", "prove that every starter fails its check and every solution passes", _check_all
    )
    check_all.add_argument("number", nargs="*", help="lessons (default: all)")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str, body: object
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=what)
    parser.set_defaults(run=body)
    return parser


def _chosen(numbers: Iterable[str]) -> list[Path]:
    return [folder(number) for number in numbers] or folders()


def _list(options: argparse.Namespace) -> int:  # noqa: ARG001 - one signature for all commands
    for path in folders():
        lesson = load(path)
        print(f"{lesson.number}  {lesson.title:<44}  {lesson.minutes:>3} min  tier {lesson.tier}  {lesson.idea}")
    return 0


def _derive(options: argparse.Namespace) -> int:
    for path in _chosen(options.number):
        _write_notebook(load(path))
    index.write()
    return 0


def _write_notebook(lesson: Lesson) -> None:
    from bench.results import write_whole  # on use, as in all that follows: jupytext and the bench are slow to import
    from notebooks.course import notebook

    write_whole(lesson.notebook, notebook.text(lesson))


def _run(options: argparse.Namespace) -> int:
    from notebooks.course import run as runs

    chosen = _chosen(options.number)
    if not offline.permitted():
        print("course: this system permits no network namespace (unshare); the lessons run with the network as it is")
    executed = failed = 0
    for path in chosen:
        try:
            done = runs.anew(load(path))
            if done.ok and options.write:
                _write_seconds(done)
        except ServelabError as error:
            failed += 1
            print(f"{path.name[:2]}  FAILED\n{_indented(str(error))}", flush=True)
            continue
        executed += 1
        failed += not done.ok
        print(_line(done), flush=True)
    verdict = f"{failed} failed" if failed else "none failed"
    print(f"{executed} of {len(chosen)} lessons executed, {verdict}")
    return 0 if executed == len(chosen) and not failed else 1


def _line(done: "runs.Execution") -> str:
    lesson = done.lesson
    head = f"{lesson.number}  {lesson.title:<44}  {'ok    ' if done.ok else 'FAILED'}  "
    line = f"{head}{done.seconds:>4.0f} s of {lesson.limit}"
    return "\n".join([line, *(_indented(failure) for failure in done.failures)])


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())


def _write_seconds(done: "runs.Execution") -> None:
    from bench.results import write_whole

    file = done.lesson.folder / "lesson.toml"
    ran = f"ran = {max(round(done.seconds), 1)}"
    write_whole(file, re.sub(r"^ran *= *\d+", ran, file.read_text("utf-8"), flags=re.MULTILINE))
    _write_notebook(load(done.lesson.folder))


def _lesson(options: argparse.Namespace) -> int:
    print(learner.begin(load(folder(options.number)), options.again))
    return 0


def _lab(options: argparse.Namespace) -> int:
    return lab.become(load(folder(options.number)) if options.number else None, options.port)


def _check(options: argparse.Namespace) -> int:
    return learner.check(load(folder(options.number)))


def _hint(options: argparse.Namespace) -> int:
    print(learner.hint(load(folder(options.number))))
    return 0


def _solution(options: argparse.Namespace) -> int:
    print(learner.solution(load(folder(options.number))))
    return 0


def _check_all(options: argparse.Namespace) -> int:
    chosen = _chosen(options.number)
    wrong = 0
    for path in chosen:
        began = time.monotonic()
        try:
            lesson = load(path)
            faults = learner.proved(lesson)
        except ServelabError as error:
            faults = [str(error)]
        wrong += bool(faults)
        print(f"{path.name[:2]}  {'FAILED' if faults else 'ok'}  {time.monotonic() - began:.0f} s", flush=True)
        for fault in faults:
            print(_indented(fault), flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} exercises: starter fails, solution passes")
    return 1 if wrong else 0
