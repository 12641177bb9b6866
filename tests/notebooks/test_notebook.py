"""Notebooks are derived from lesson.py, the same bytes each time, and every page has the order of the course."""

import json
from pathlib import Path

import nbformat
import pytest

from notebooks.course import index, lesson as course, notebook
from notebooks.course.lesson import LessonError
from tests.notebooks import lessons


@pytest.mark.parametrize("folder", course.folders(), ids=lambda folder: folder.name)
def test_the_committed_notebook_is_current(folder: Path) -> None:
    lesson = course.load(folder)
    assert lesson.notebook.is_file(), "run: make docs"
    assert lesson.notebook.read_text("utf-8") == notebook.text(lesson), "run: make docs"


@pytest.mark.parametrize("folder", course.folders(), ids=lambda folder: folder.name)
def test_the_page_has_the_order_of_the_course(folder: Path) -> None:
    lesson = course.load(folder)
    assert notebook.faults(lesson, notebook.derive(lesson)) == []
    assert lesson.limit >= 60, "a busy machine is slower"


def test_the_table_of_lessons_is_up_to_date() -> None:
    assert index.table() in index.PAGE.read_text("utf-8"), "run: make docs"


def test_a_notebook_is_valid_has_no_outputs_and_is_the_same_each_time(tmp_path: Path) -> None:
    tiny = lessons.lesson(tmp_path, page=lessons.PAGE.replace("# HOOK", "# !echo shell"))
    text = notebook.text(tiny)
    assert text == notebook.text(tiny)
    book = json.loads(text)
    nbformat.validate(nbformat.from_dict(book))
    assert [cell["outputs"] for cell in book["cells"] if cell["cell_type"] == "code"] == [[], [], []]
    assert set(book["metadata"]) == {"kernelspec", "language_info"}
    assert "!echo shell" in text
    assert "# !echo shell" not in text
    assert book["cells"][4]["metadata"] == {"tags": ["raises-exception"]}


def test_the_facts_stand_below_the_title(tmp_path: Path) -> None:
    first = notebook.derive(lessons.lesson(tmp_path)).cells[0].source.splitlines()
    assert first[0] == "# 42 · Tiny"
    assert "about 1 minutes" in first[2]
    assert "ran top to bottom in 1 s; limit 30 s" in first[2]


def test_a_changed_cell_leaves_the_names_of_the_others(tmp_path: Path) -> None:
    before = notebook.derive(lessons.lesson(tmp_path / "a")).cells
    after = notebook.derive(lessons.lesson(tmp_path / "b", hook="# %%\nprint('more')\n# %%\nprint('more')")).cells
    ids = [cell.id for cell in after]
    assert len(set(ids)) == len(ids) == len(before) + 2
    changed = [cell.id for cell in before if cell.id not in ids]
    assert len(changed) <= 1


def test_a_lesson_without_a_page_is_named(tmp_path: Path) -> None:
    tiny = lessons.lesson(tmp_path)
    tiny.source.unlink()
    with pytest.raises(LessonError, match=r"expected .*lesson\.py"):
        notebook.derive(tiny)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("# # 42 · Tiny", "# # 42: Tiny", "begin with '# 42 · Tiny'"),
        ("page.begin()", "page.table([], [])", "hold the line page.begin()"),
        ("# ## Why", "# ## What for", "expected the headings"),
        ("# ## Clean up", "# ## Clean up\n# ## Why", "expected the headings"),
        ("# ```text output\n# one 2", "# ```text\n# one 2", "below the heading 'You should see'"),
        ("# ```text output\n# IndexError", "# ```text\n# IndexError", "below the heading 'Break it'"),
        ("# IndexError: list index\n", "# ...\n", "below the heading 'Break it'"),
    ],
)
def test_a_page_out_of_order_says_what_is_wrong(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in lessons.PAGE
    tiny = lessons.lesson(tmp_path, page=lessons.PAGE.replace(old, new))
    found = notebook.faults(tiny, notebook.derive(tiny))
    assert len(found) == 1
    assert fault in found[0]


def test_headings_in_fences_are_none(tmp_path: Path) -> None:
    page = lessons.PAGE.replace("# ## Why", "# ```text\n# ## Not a heading\n# ```\n# ## Why")
    tiny = lessons.lesson(tmp_path, page=page)
    assert notebook.faults(tiny, notebook.derive(tiny)) == []
