"""A lesson's page as a notebook: derived from lesson.py and lesson.toml, the same bytes each time, without outputs."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from notebooks.course import expected
from notebooks.course.lesson import Lesson, LessonError

HEADINGS = ("Why", "Do", "You should see", "What happened", "Break it", "Exercise", "When to use and when not",
            "Then and now", "Clean up")  # fmt: skip
BEGINS = re.compile(r"^page\.begin\(\)", re.MULTILINE)
MARK = re.compile(rf"{expected.FENCE.pattern}|^## (?P<heading>[^\n]+)$", re.MULTILINE | re.DOTALL)
FAILS = "raises-exception"  # the tag of a cell that is meant to fail; Jupyter's own word
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def derive(lesson: Lesson) -> NotebookNode:
    """The notebook of a lesson. Raises LessonError when there is no lesson.py."""
    try:
        text = lesson.source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LessonError(f"expected {lesson.source}, the lesson's page, in UTF-8; {error}") from None
    read = jupytext.reads(text, fmt="py:percent")
    cells: list[NotebookNode] = []
    seen: set[str] = set()
    for cell in read.cells:
        source = cell.source if cells else _with_facts(lesson, cell.source)
        make: Any = nbformat.v4.new_markdown_cell if cell.cell_type == "markdown" else nbformat.v4.new_code_cell
        tags = cell.metadata.get("tags")
        identity = _identity(cell.cell_type, cell.source, seen)
        cells.append(make(source, id=identity, metadata={"tags": tags} if tags else {}))
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return NotebookNode(nbformat.v4.new_notebook(cells=cells, metadata=metadata))


def text(lesson: Lesson) -> str:
    """The derived notebook as the file that is committed."""
    return written(derive(lesson))


def written(book: NotebookNode) -> str:
    """A notebook as the text of its file."""
    return str(nbformat.writes(book, indent=1, sort_keys=True)).rstrip("\n") + "\n"


def _identity(kind: str, source: str, seen: set[str]) -> str:
    """A cell's id from its content, so that a change elsewhere leaves it alone; the second of a kind is numbered."""
    name = hashlib.sha256(f"{kind}\n{source}".encode()).hexdigest()[:8]
    count = sum(each.partition("-")[0] == name for each in seen)
    identity = f"{name}-{count}" if count else name
    seen.add(identity)
    return identity


def _with_facts(lesson: Lesson, source: str) -> str:
    title, _, rest = source.partition("\n")
    return f"{title}\n\n*{facts(lesson)}*\n{rest}" if title.startswith("# ") else source


def facts(lesson: Lesson) -> str:
    """Tier, minutes, strategies and measured seconds, in one line."""
    tier = ("runs on a laptop", "a part needs a container engine", "a part needs a cluster")[lesson.tier]
    needs = f"environments: {', '.join(lesson.strategies)}" if lesson.strategies else "the toolkit's environment alone"
    return (f"Tier {lesson.tier}: {tier} · about {lesson.minutes} minutes · {needs} · "
            f"ran top to bottom in {lesson.ran} s; limit {lesson.limit} s")  # fmt: skip


def faults(lesson: Lesson, book: NotebookNode) -> list[str]:
    """What the page lacks of the fixed order that every page of the course has; empty when it lacks nothing."""
    return list(_faults(lesson, book))


def _faults(lesson: Lesson, book: NotebookNode) -> Iterator[str]:
    first = book.cells[0].source.partition("\n")[0] if book.cells else ""
    if first != lesson.heading:
        yield f"expected the page to begin with {lesson.heading!r} (the title of lesson.toml); found {first!r}"
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    if not code or not BEGINS.search(code[0]):
        yield f"expected its first code cell to hold the line page.begin(); found {code[0] if code else 'no code'!r}"
    prose = "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    headings, promised = [], set()
    for mark in MARK.finditer(prose):
        if mark["heading"] is not None:
            headings.append(mark["heading"].strip())
        elif headings and expected.is_output(mark[1]) and expected.pieces(mark[2]):
            promised.add(headings[-1])
    if tuple(headings) != HEADINGS:
        yield f"expected the headings {list(HEADINGS)}, each once and in this order; found {headings}"
    for needed in sorted({"You should see", "Break it"} - promised):
        yield f"expected at least one fence ```text output below the heading {needed!r}; found none"
