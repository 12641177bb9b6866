"""The table of lessons in notebooks/README.md, from the lessons' folders."""

from notebooks.course.lesson import NOTEBOOKS, Lesson, folders, load
from servelab import page

PAGE = NOTEBOOKS / "README.md"
BEGIN, END = "<!-- lessons: made by `make docs` -->", "<!-- end of lessons -->"


def table() -> str:
    """One row a lesson: its notebook, its idea, its exercise, the minutes it takes, its tier."""
    lines = ["| lesson | idea | exercise | minutes | tier |", "| --- | --- | --- | --- | --- |"]
    return "\n".join(lines + [_row(load(folder)) for folder in folders()])


def write() -> None:
    """Put the table between its two marks."""
    page.put(PAGE, BEGIN, END, table())


def _row(lesson: Lesson) -> str:
    title = f"{lesson.number} [{lesson.title}]({lesson.name}/{lesson.notebook.name})"
    cells = (title, lesson.idea, lesson.exercise.task, lesson.minutes, lesson.tier)
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"
