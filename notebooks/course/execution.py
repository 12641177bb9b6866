"""Executes one lesson's notebook and judges what it did. A program of its own, run under the supervisor by run.py.

    python -m notebooks.course.execution FOLDER RESULT

RESULT becomes the executed notebook; its metadata say how long it took and everything that was not as promised.
"""

import asyncio
import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from notebooks.course import expected, notebook
from notebooks.course.lesson import load

COOKIE = "SERVELAB_LESSON"  # an environment variable that everything a lesson starts carries
KEY = "servelab"  # where the executed notebook's metadata say what this program found
TO_LEAVE = 2.0  # seconds that a process has to be gone once the last cell is done
SHOWN = 2000  # characters of what was printed that a failure shows
HELPER = "multiprocessing.resource_tracker"  # Python's own, which lives as long as the kernel
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Page:
    """One execution of a page: what it printed since the last promise, and what went wrong."""

    book: NotebookNode
    printed: str = ""
    failures: list[str] = field(default_factory=list)
    code: int = 0  # code cells so far
    last: NotebookNode | None = None  # the last of them

    def fail(self, what: str) -> None:
        """Note a failure of the last code cell, with its source."""
        source = "" if self.last is None else f"cell {self.code}:\n{_indented(self.last.source)}\n"
        self.failures.append(source + what)

    def promised(self, cell: NotebookNode) -> None:
        """Judge the fences of a Markdown cell by what was printed since the last one."""
        fences = expected.outputs(cell.source)
        for fence in fences:
            line = expected.missing(fence, self.printed)
            if line is not None:
                shown = self.printed.strip()[-SHOWN:] or "(nothing)"
                self.fail(f"expected this line of the page's fence after it, in its place in the order:\n"
                          f"{_indented(line)}\nfound, since the fence before:\n{_indented(shown)}")  # fmt: skip
        if fences:
            self.printed = ""


async def execute(book: NotebookNode, limit: float, resources: str) -> Page:
    """Run every cell in a new kernel, for ``limit`` seconds in all; outputs are put into ``book``.

    Ends the page at the first cell that fails: what comes after it was written for what it did not do.
    """
    page = Page(book)
    deadline = time.monotonic() + limit
    client = NotebookClient(
        book, timeout_func=lambda _: max(deadline - time.monotonic(), 0.1), kernel_name="python3", record_timing=False,
        resources={"metadata": {"path": resources}}, shutdown_kernel="graceful",
    )  # fmt: skip
    async with client.async_setup_kernel():
        for index, cell in enumerate(book.cells):
            if cell.cell_type == "markdown":
                page.promised(cell)
            elif cell.source.strip():
                page.code, page.last = page.code + 1, cell
                if not await _ran(client, page, cell, index, limit):
                    break
                page.printed += printed(cell)
        else:
            page.failures += await _left()
    return page


async def _ran(client: NotebookClient, page: Page, cell: NotebookNode, index: int, limit: float) -> bool:
    """Run one cell; whether the page can go on."""
    try:
        await client.async_execute_cell(cell, index)
    except CellExecutionError as error:
        page.fail(f"found {error.ename}: {ANSI.sub('', error.evalue)}\n{_indented(_trace(cell))}")
    except CellTimeoutError:
        page.fail(f"expected the whole page to end within its limit of {limit:g} s; it was still in this cell")
    except DeadKernelError:
        page.fail("the kernel died in this cell")
    else:
        if notebook.FAILS in cell.metadata.get("tags", []) and not any(o.output_type == "error" for o in cell.outputs):
            page.fail(f"expected this cell to fail (its tag is {notebook.FAILS}); it did not")
        return True
    return False


def printed(cell: NotebookNode) -> str:
    """What a code cell printed: its streams, its results as text, and the last line of an error that was meant."""
    return "".join(ANSI.sub("", text) for output in cell.outputs for text in _texts(output))


def _texts(output: NotebookNode) -> Iterator[str]:
    if output.output_type == "stream":
        yield output.text
    elif output.output_type == "error":
        yield f"{output.ename}: {output.evalue}\n"
    elif "text/markdown" not in output.data:  # that is the page's own prose, such as a source file that it shows
        yield output.data.get("text/plain", "") + "\n"


def _trace(cell: NotebookNode) -> str:
    lines = [ANSI.sub("", "\n".join(output.traceback)) for output in cell.outputs if output.output_type == "error"]
    return "\n".join(lines)[-SHOWN:]


async def _left() -> list[str]:
    """The processes that the page leaves behind, other than its kernel, which still runs."""
    deadline = time.monotonic() + TO_LEAVE
    while (found := carriers()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    if not found:
        return []
    them = _indented("\n".join(map(described, found)))
    advice = "Stop it where it was started (with ...:), or under 'Clean up'."
    return [f"expected no process to be left behind; found:\n{them}\n{advice}"]


def carriers() -> list[psutil.Process]:
    """The live processes that carry this one's cookie, without this one, its kernel, and what ends with the kernel."""
    cookie, found = os.environ.get(COOKIE), []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get(COOKIE) == cookie and process.status() != psutil.STATUS_ZOMBIE
            kernel = os.getpid() in (process.pid, process.ppid())
            if ours and not kernel and HELPER not in " ".join(process.cmdline()):
                found.append(process)
    return found


def described(process: psutil.Process) -> str:
    """``1234  python server.py``."""
    try:
        return f"{process.pid}  {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"{process.pid}  (ended meanwhile)"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())


def main() -> None:
    """Execute the lesson in the folder, and write the result."""
    folder, result = Path(sys.argv[1]), Path(sys.argv[2])
    lesson = load(folder)
    book = notebook.derive(lesson)
    began = time.monotonic()
    page = asyncio.run(execute(book, lesson.limit, str(folder)))
    book.metadata[KEY] = {"seconds": round(time.monotonic() - began, 1), "failures": page.failures}
    partial = result.with_suffix(".partial")
    nbformat.write(book, partial)
    partial.replace(result)  # a result is there whole, or not at all


if __name__ == "__main__":
    main()
