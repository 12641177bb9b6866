"""Builds the book: python -m docs.book [--output FOLDER]

Executes what is not executed yet of the lessons, gathers every page, and lets Sphinx make HTML of them, without a
network. A warning of Sphinx is an error. The output is a folder that any browser opens from a file.
"""

import argparse
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from nbformat import NotebookNode

from docs import lesson_page
from docs.gather import FIRST, BookError, gather
from notebooks.course import lesson as lessons, run
from servelab import command, paths
from servelab.paths import ROOT
from servelab.strategy import discover

# Folders of a book: its assembled pages, the site, what Sphinx and MyST-NB note.
PARTS = ("source", "html", "doctrees", "jupyter_execute")
# The first page lies in docs/, so that links are the same here and in the repository; this one leads to it.
DOOR = '<!doctype html><meta charset="utf-8"><title>{title}</title><meta http-equiv="refresh" content="0; url={url}">\n'


def build(output: Path) -> Path:
    """Build the whole book into ``output``, anew; returns its first page. Raises BookError, LessonError."""
    _former(output)  # raises now, not when all lessons were executed
    return html(ROOT, executed(), needed(), output)


def executed() -> dict[str, NotebookNode]:
    """Every lesson, executed as it stands now, by its notebook's path. Raises BookError for lessons that fail."""
    found, failed = {}, []
    for folder in lessons.folders():
        lesson = lessons.load(folder)
        print(f"book: lesson {lesson.number}, {lesson.title}", file=sys.stderr, flush=True)
        done = run.ensure(lesson)
        if done.ok:
            found[str(lesson.notebook.relative_to(ROOT))] = lesson_page.page(lesson, done)
        failed += [f"lesson {lesson.number}: {failure}" for failure in done.failures]
    if failed:
        raise BookError("\n".join([*failed, "Run such a lesson alone: make lessons N=NN"]))
    return found


def needed() -> dict[str, str]:
    """The pages that the book must hold; a strategy's own README stands below the page of its facts and figures."""
    pages = {str(path.relative_to(ROOT)): "" for path in (ROOT / "docs").rglob("*.md")}
    return pages | {f"strategies/{name}/README.md": f"docs/strategies/{name}.md" for name in discover()}


def html(root: Path, executed: Mapping[str, NotebookNode], needed: Mapping[str, str], output: Path) -> Path:
    """The book of a repository's pages and executed lessons, below ``output``; returns its first page."""
    with _alone(output):
        return _html(root, executed, needed, output)


def _html(root: Path, executed: Mapping[str, NotebookNode], needed: Mapping[str, str], output: Path) -> Path:
    source, site, doctrees, _ = (output / name for name in PARTS)
    for folder in _former(output):
        shutil.rmtree(folder)
    gather(root, executed, needed).write(source)
    sphinx = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--builder", "html"]
    folders = ["--conf-dir", str(ROOT / "docs"), "--doctree-dir", str(doctrees), str(source), str(site)]
    done = subprocess.run([*sphinx, *folders], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.replace(f"{source}/", "").strip()
        raise BookError(f"expected Sphinx to have nothing to warn of; found:\n{said}")
    first = f"{Path(FIRST).with_suffix('')}.html"
    (site / "index.html").write_text(DOOR.format(title="servelab", url=first), "utf-8")
    return site / "index.html"


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    """While another process builds a book in the same folder, this one waits, and says so."""
    output.mkdir(parents=True, exist_ok=True)
    folder = os.open(output, os.O_RDONLY)  # the folder is the lock: nothing is left behind
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"book: waiting for another book that is being built in {output}", file=sys.stderr, flush=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _former(output: Path) -> list[Path]:
    """The folders of a former book. Raises BookError when anything else is there: it would be somebody's."""
    if output.is_file():
        raise BookError(f"expected a folder to build in; found the file {output}. Name another: --output FOLDER")
    found = sorted(output.iterdir()) if output.exists() else []
    if others := [path.name for path in found if path.name not in PARTS]:
        raise BookError(f"expected an empty folder, or a former book; found {output} with {', '.join(others)}. "
                        "Name another: --output FOLDER")  # fmt: skip
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m docs.book", description="Build the book.")
    parser.add_argument("--output", type=Path, help="the folder to build in (default: .servelab/book)")
    options = parser.parse_args()
    command.run("book", lambda: _built(options.output or paths.home() / "book"))


def _built(output: Path) -> int:
    print(build(output))
    return 0


if __name__ == "__main__":
    main()
