"""Lessons executed: each under the supervisor, within its limit, its executed notebook kept with what it depends on."""

import contextlib
import fcntl
import hashlib
import os
import platform
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from bench import machine
from notebooks.course import execution, lab, notebook, offline
from notebooks.course.lesson import Lesson
from servelab import environment, supervisor
from servelab.paths import ROOT, home
from servelab.process import Process
from servelab.start import log_file

AROUND = 30.0  # seconds beside the page's own limit: a kernel starts, servers that were left behind are stopped
GRACE = 5.0  # seconds that an execution has to end when it is told to
# What lessons depend on, beside their own folders.
SOURCES = ("notebooks/course", "servelab", "bench", "shared_models", "strategies", "pipelines", "k8s", "docs/measured")
MADE = {"__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache"}  # folders that are not sources


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a lesson's page: the executed notebook (None when there is none), and every failure."""

    lesson: Lesson
    seconds: float
    failures: tuple[str, ...]
    book: NotebookNode | None = None

    @property
    def ok(self) -> bool:
        """Whether everything was as the page promises."""
        return not self.failures


def execute(lesson: Lesson) -> Execution:
    """Execute a lesson's page anew; its environments are built first. What it starts ends with it.

    No lesson may need a network: where the system permits that, it reaches this machine's loopback alone.
    Raises LessonError, EnvironmentFailed.
    """
    faults = notebook.faults(lesson, notebook.derive(lesson))
    for name in lesson.strategies:
        environment.named(name).ensure()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lesson-", ignore_cleanup_errors=True) as scratch:
        result = Path(scratch) / "executed.ipynb"
        job = _job(lesson, result, Path(scratch))
        ended, log = _within(job, lesson.limit + AROUND)
        book = nbformat.read(result, as_version=4) if result.exists() else None
    seconds = time.monotonic() - began
    if book is None:
        what = f"the page's kernel did not end within {lesson.limit + AROUND:g} s" if ended is None else (
            f"the page's execution ended with status {ended}")  # fmt: skip
        return Execution(lesson, seconds, (*faults, f"{what}.\n{log}"))
    Path(str(job["log"])).unlink(missing_ok=True)
    found = book.metadata.pop(execution.KEY)
    return Execution(lesson, float(found["seconds"]), (*faults, *found["failures"]), book)


def _job(lesson: Lesson, result: Path, scratch: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "notebooks.course.execution", str(lesson.folder), str(result)]
    own = {
        supervisor.COOKIE: uuid.uuid4().hex,
        execution.COOKIE: uuid.uuid4().hex,
        "TMPDIR": str(scratch),  # what a page leaves there is removed with it
        "IPYTHONDIR": str(scratch / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
    }
    return {
        "command": offline.wrapped(command),
        "cwd": str(ROOT),
        "env": os.environ | lab.KERNEL | own,
        "log": str(log_file(f"lesson-{lesson.number}")),
        "stop": "main",
        "grace": GRACE,
    }


def _within(job: dict[str, object], seconds: float) -> tuple[int | None, str]:
    """Run a job to its end, at most so many seconds; its exit status (None: it had to be stopped), its log's end."""
    process = Process(job)
    deadline = time.monotonic() + seconds
    try:
        while (status := process.exited()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return status, process.tail()
    finally:
        process.stop()


def ensure(lesson: Lesson) -> Execution:
    """The execution of a lesson as it stands now: the kept one when nothing that it depends on has changed since."""
    with _alone(lesson):
        return _stored(lesson) or _kept_anew(lesson)


def anew(lesson: Lesson) -> Execution:
    """Execute a lesson, whatever is kept of it, and keep that."""
    with _alone(lesson):
        return _kept_anew(lesson)


@contextlib.contextmanager
def _alone(lesson: Lesson) -> Iterator[None]:
    """While another process executes the lesson, this one waits."""
    file = kept(lesson).with_suffix(".lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kept(lesson: Lesson) -> Path:
    """Where the executed notebook of a lesson is kept."""
    return home() / "lessons" / f"{lesson.name}.ipynb"


def _kept_anew(lesson: Lesson) -> Execution:
    """Execute and keep it, with what it depends on; an execution with failures leaves none behind."""
    before = key(lesson)  # a change that comes meanwhile may not have been executed
    done = execute(lesson)
    file = kept(lesson)
    if not done.ok or done.book is None:
        file.unlink(missing_ok=True)
        return done
    done.book.metadata[execution.KEY] = {
        "key": before,
        "seconds": done.seconds,
        "machine": f"{machine.cores()} cores, {machine.cpu_model()}",
    }
    partial = file.with_suffix(".partial")
    nbformat.write(done.book, partial)
    partial.replace(file)
    return done


def _stored(lesson: Lesson) -> Execution | None:
    with contextlib.suppress(OSError, ValueError, nbformat.ValidationError):
        book = nbformat.read(kept(lesson), as_version=4)
        facts = book.metadata.get(execution.KEY, {})
        if facts.get("key") == key(lesson):
            return Execution(lesson, facts["seconds"], (), book)
    return None


def key(lesson: Lesson) -> str:
    """SHA-256 over the lesson's folder, the sources that every lesson runs on, the toolkit's locks and its Python."""
    digest = hashlib.sha256(platform.python_version().encode())
    for folder in (lesson.folder, *(ROOT / name for name in SOURCES)):
        for file in _files(folder):
            digest.update(f"{file.relative_to(folder)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    for lock in sorted(ROOT.glob("requirements*.txt")):
        digest.update(hashlib.sha256(lock.read_bytes()).digest())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not MADE & set(path.relative_to(folder).parts) and path.suffix != ".ipynb":
            yield path
