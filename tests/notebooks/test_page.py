"""What pages show and print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from notebooks.course import page
from servelab.errors import ServelabError
from servelab.paths import ROOT


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What is displayed; outside a notebook there is nothing to display it."""
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(page, "display", lambda data, raw: seen.append(data))  # noqa: ARG005
    return seen


def test_a_file_is_shown_with_its_path(shown: list[dict[str, str]]) -> None:
    page.source("strategies/flask/server.py", lines=(1, 1))
    first = (ROOT / "strategies/flask/server.py").read_text().splitlines()[:1]
    assert "strategies/flask/server.py, lines 1 to 1" in shown[0]["text/markdown"]
    assert "````python\n" + "\n".join(first) + "\n````" in shown[0]["text/markdown"]


def test_a_function_is_shown_with_its_lines(shown: list[dict[str, str]]) -> None:
    page.source(page.scratch.__wrapped__)
    assert "def scratch() -> Path:" in shown[0]["text/markdown"]
    assert "notebooks/course/page.py, lines " in shown[0]["text/markdown"]


@pytest.mark.parametrize("wrong", ["strategies/nowhere.py", "strategies"])
def test_a_file_that_cannot_be_shown_is_named(wrong: str) -> None:
    with pytest.raises(ServelabError, match=f"expected a file to show; cannot read .*{wrong}"):
        page.source(wrong)


def test_lines_that_are_not_there_are_named(shown: list[dict[str, str]]) -> None:
    with pytest.raises(ServelabError, match=r"expected lines .* of strategies/flask/server.py; it has \d+"):
        page.source("strategies/flask/server.py", lines=(1, 9999))
    assert shown == []


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    page.table([("flask", 1), ("fastapi", 200)], ("who", "count"))
    assert capsys.readouterr().out == "who      count\n-------  -----\nflask        1\nfastapi    200\n"
    page.table([], ("who",))
    assert capsys.readouterr().out == "who\n---\n"


def test_begin_makes_the_repository_the_working_folder_and_scratch_goes_away(tmp_path: Path) -> None:
    code = (
        "import os; from notebooks.course import page; page.begin(); page.begin()\n"
        "assert page.scratch() == page.scratch(); (page.scratch() / 'x').touch()\n"
        "print(os.getcwd(), page.scratch(), os.environ['PATH'].split(os.pathsep)[0], sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
                          env=os.environ | {"TMPDIR": str(tmp_path)})  # fmt: skip
    folder, scratch, programs = done.stdout.splitlines()
    assert Path(folder) == ROOT
    assert Path(scratch).parent == tmp_path
    assert not Path(scratch).exists()
    assert Path(programs) == Path(sys.executable).parent
