"""What the pages of the course use: the repository as working folder, sources shown, a folder to write in, tables."""

import atexit
import functools
import inspect
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

from servelab.errors import ServelabError
from servelab.paths import ROOT

LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".md": "markdown",
             ".sh": "bash", ".proto": "protobuf", ".ini": "ini", "Dockerfile": "dockerfile"}  # fmt: skip


def begin() -> None:
    """Begin a page: the repository's root is the working folder, its programs come first, plots are drawn as SVG."""
    os.chdir(ROOT)
    programs = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != programs:
        os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
    os.environ["TTY_COMPATIBLE"] = "0"  # shell lines get a terminal; on it a progress bar would fill the page
    shell = get_ipython()
    if shell is not None:  # else it is not a notebook that runs this
        shell.config.InlineBackend.figure_formats = {"svg"}  # read when the first plot is drawn


def source(what: str | Path | Callable[..., Any], lines: tuple[int, int] | None = None) -> None:
    """Show a file of the repository, or a function, with where it stands.

    ``lines``: from this line to that one, both included, counted from 1. Raises ServelabError when there is none.
    """
    if callable(what):
        text, first = inspect.getsource(what), inspect.getsourcelines(what)[1]
        file = Path(inspect.getsourcefile(what) or "")
        lines = (first, first + text.count("\n") - 1)
    else:
        file = ROOT / what
        try:
            text = file.read_text("utf-8")
        except OSError as error:
            raise ServelabError(f"expected a file to show; cannot read {file}: {error.strerror}") from None
        if lines:
            text = _cut(text, lines, what)
    where = str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else file.name
    where += f", lines {lines[0]} to {lines[1]}" if lines else ""
    language = LANGUAGES.get(file.suffix) or LANGUAGES.get(file.name, "text")
    fence = "`" * 4  # a Markdown file has fences of three
    markdown = f"*{where}*\n\n{fence}{language}\n{text.rstrip()}\n{fence}"
    display({"text/markdown": markdown, "text/plain": f"# {where}\n{text}"}, raw=True)


def _cut(text: str, lines: tuple[int, int], what: object) -> str:
    every = text.splitlines(keepends=True)
    if not 1 <= lines[0] <= lines[1] <= len(every):
        raise ServelabError(f"expected lines {lines[0]} to {lines[1]} of {what}; it has {len(every)}")
    return "".join(every[lines[0] - 1 : lines[1]])


@functools.cache
def scratch() -> Path:
    """A temporary folder for this page, removed when its kernel ends."""
    folder = Path(tempfile.mkdtemp(prefix="lesson-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def table(rows: Iterable[Iterable[object]], head: Sequence[str]) -> None:
    """Print rows below a head, columns aligned: numbers to the right, the rest to the left."""
    filled = [list(row) for row in rows]
    cells = [list(head), *([str(value) for value in row] for row in filled)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    right = [bool(filled) and all(isinstance(row[i], int | float) for row in filled) for i in range(len(head))]
    for row in [cells[0], ["-" * width for width in widths], *cells[1:]]:
        parts = [cell.rjust(width) if is_right else cell.ljust(width)
                 for cell, width, is_right in zip(row, widths, right, strict=True)]  # fmt: skip
        print("  ".join(parts).rstrip())
