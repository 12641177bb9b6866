"""A lesson's page in the book: the executed notebook, with where it ran, its promises marked, its hints folded."""

import re

import nbformat
from nbformat import NotebookNode

from notebooks.course import expected, learner
from notebooks.course.execution import KEY
from notebooks.course.lesson import Lesson
from notebooks.course.run import Execution

AFTER_EXERCISE = re.compile(r"^(?=## When to use and when not)", re.MULTILINE)


def page(lesson: Lesson, done: Execution) -> NotebookNode:
    """The page of a lesson that was executed without failure. ``done`` is left as it is."""
    book = nbformat.from_dict(done.book)
    machine = book.metadata.pop(KEY)["machine"]
    book.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}  # lines of shell are no Python
    book.cells.insert(1, nbformat.v4.new_markdown_cell(f"*The outputs of this page come from {machine}.*"))
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = AFTER_EXERCISE.sub(lambda _: f"{folds(lesson)}\n\n", expected.FENCE.sub(_marked, cell.source))
    return NotebookNode(book)


def _marked(fence: re.Match[str]) -> str:
    """A promise of what is printed, as a block of a class of its own: the page shows what was printed as well."""
    return f"```{{code-block}} text\n:class: promise\n\n{fence[2]}```" if expected.is_output(fence[1]) else fence[0]


def folds(lesson: Lesson) -> str:
    """The exercise's task, and each hint behind a fold of its own."""
    parts = [f"**In one line:** {lesson.exercise.task}. `make check N={lesson.number}` says what is left."]
    for hint in learner.hints(lesson):
        title, _, text = hint.partition("\n")
        parts.append(f"<details>\n<summary>Hint {title}</summary>\n\n{text.strip()}\n\n</details>")
    return "\n\n".join(parts)
