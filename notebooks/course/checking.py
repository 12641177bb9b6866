"""Runs a lesson's check on a folder, under the supervisor: an endless loop is reported, and nothing is left behind."""

import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from notebooks.course.check import Failure
from notebooks.course.lesson import Lesson, LessonError
from servelab import environment, supervisor
from servelab.paths import ROOT
from servelab.process import Process

SECONDS = 60.0  # that a whole check may take
SHOWN = 20  # lines of what the learner's program printed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found; no failures: all is well."""

    check: str
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole check: its outcomes, the seconds it took, and what the learner's program printed meanwhile."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    printed: str

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and something was checked."""
        return bool(self.outcomes) and not any(outcome.failures for outcome in self.outcomes)

    @property
    def unforeseen(self) -> tuple[Failure, ...]:
        """The failures that are no judgement of a check's."""
        return tuple(each for outcome in self.outcomes for each in outcome.failures if each.unforeseen)


def nothing(_: Outcome) -> None:
    """Show nothing."""


def run(lesson: Lesson, folder: Path, show: Callable[[Outcome], None] = nothing, seconds: float = SECONDS) -> Report:
    """Check the learner's ``folder``; ``show`` is told of each check when it is done.

    The lesson's environments are built first, outside the ``seconds``. Raises LessonError, EnvironmentFailed.
    """
    file = lesson.folder / "check.py"
    if not file.is_file():
        raise LessonError(f"expected {file}, the lesson's check; found none")
    for name in lesson.strategies:
        environment.named(name).ensure()
    with tempfile.TemporaryDirectory(prefix="check-", ignore_cleanup_errors=True) as scratch:
        report, log = Path(scratch, "report"), Path(scratch, "printed")
        report.touch()
        job = _job([file, folder.resolve(), report], log, Path(scratch))
        began = time.monotonic()
        outcomes = []
        process = Process(job)
        try:
            for outcome in _followed(report, process, seconds):
                outcomes.append(outcome)
                show(outcome)
        finally:
            took = time.monotonic() - began
            process.stop()
        printed = log.read_text("utf-8", "replace") if log.exists() else ""
    return Report(tuple(outcomes), took, printed)


def _job(arguments: list[Path], log: Path, scratch: Path) -> dict[str, object]:
    own = {
        supervisor.COOKIE: uuid.uuid4().hex,
        "PYTHONDONTWRITEBYTECODE": "1",  # the learner's folder stays as it is
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(scratch),
    }
    return {
        "command": [sys.executable, "-m", "notebooks.course.check", *map(str, arguments)],
        "cwd": str(ROOT),
        "env": os.environ | own,
        "log": str(log),
        "stop": "main",
        "grace": 1.0,
    }


def _followed(report: Path, process: Process, seconds: float) -> Iterator[Outcome]:
    """The outcomes as they are reported; the last one tells of a check that never ended, or ended everything."""
    deadline = time.monotonic() + seconds
    running, seen = "the start of the check", 0
    while True:
        ended, late = process.exited(), time.monotonic() > deadline  # asked first: what it reported last is read then
        whole = report.read_text("utf-8").split("\n")[:-1]
        for told in map(json.loads, whole[seen:]):
            if "done" in told:
                return
            running = told.get("begun", running)
            if "check" in told:
                yield Outcome(told["check"], tuple(Failure(**failure) for failure in told["failures"]))
        seen = len(whole)
        if ended is not None:
            what = f"expected the check to run to its end; its process ended with status {ended}"
            yield Outcome(running, (Failure(what, "what was printed, below: sys.exit, os._exit, a crash?", True),))
            return
        if late:
            what = f"expected all checks to end within {seconds:g} s; this one was still running, and was stopped"
            yield Outcome(running, (Failure(what, "an endless loop, or a server that never answers?", True),))
            return
        time.sleep(0.05)


def shown(outcome: Outcome) -> str:
    """An outcome as it is printed; whatever the learner's program said can be."""
    lines = [f"{'FAIL' if outcome.failures else 'ok  '}  {outcome.check}"]
    for failure in outcome.failures:
        lines += [_hanging("found:   ", failure.what), _hanging("look at: ", failure.look)]
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate cannot


def _hanging(label: str, text: str) -> str:
    indent = " " * (6 + len(label))
    return f"{'':6}{label}" + text.strip().replace("\n", f"\n{indent}")


def ending(report: Report) -> str:
    """The last line of a check."""
    failed = sum(bool(outcome.failures) for outcome in report.outcomes)
    count = len(report.outcomes)
    verdict = f"{failed} of {count} checks failed" if failed else f"all {count} checks passed"
    return f"{verdict if count else 'nothing was checked'} in {report.seconds:.0f} s"


def tail(report: Report) -> str:
    """The end of what the learner's program printed, kept apart from the outcomes; empty when it printed nothing."""
    lines = report.printed.rstrip().splitlines()
    if not lines:
        return ""
    cut = f" (the last {SHOWN} of {len(lines)} lines)" if len(lines) > SHOWN else ""
    return "\n".join([f"Your program printed{cut}:", *(f"    {line}" for line in lines[-SHOWN:])])
