"""Every lesson is executed from top to bottom: without a network, where the system lets us take it away."""

import shutil
from pathlib import Path

import pytest

from notebooks.course import lesson as course, run

pytestmark = pytest.mark.lesson
FOLDERS = course.folders()
executed: set[str] = set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_lesson_is_as_it_says(folder: Path) -> None:
    done = run.ensure(course.load(folder))
    assert done.ok, "\n\n".join(done.failures)
    assert done.book is not None
    code = [cell for cell in done.book.cells if cell.cell_type == "code"]
    assert len(code) >= 3
    assert [cell.source for cell in code if cell.execution_count is None] == []
    executed.add(folder.name)


def test_as_many_lessons_were_executed_as_there_are_folders(request: pytest.FixtureRequest) -> None:
    chosen = [item for item in request.session.items if item.name.startswith("test_a_lesson_is_as_it_says")]
    if len(chosen) < len(FOLDERS):
        pytest.skip("only some of them were asked for")
    assert len(executed) == len(FOLDERS) == len(list(course.NOTEBOOKS.glob("[0-9][0-9]-*")))


def test_a_sabotaged_lesson_fails(tmp_path: Path) -> None:
    """A real lesson, with one promise that its code does not keep."""
    folder = shutil.copytree(FOLDERS[0], tmp_path / FOLDERS[0].name)
    page = folder / "lesson.py"
    text = page.read_text("utf-8")
    page.write_text(text.replace("# ```text output\n", "# ```text output\n# a line that nothing prints\n", 1), "utf-8")
    done = run.execute(course.load(folder))
    assert not done.ok
    assert len(done.failures) == 1
    assert "a line that nothing prints" in done.failures[0]
