"""Pages are executed as they promise: a lesson with one thing wrong fails, says what, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from notebooks.course import cli, execution, index, lesson as course, offline, run
from notebooks.course.lesson import Lesson
from servelab.paths import ROOT
from tests.notebooks import lessons

pytestmark = pytest.mark.lesson


def failures(lesson: Lesson) -> str:
    done = run.execute(lesson)
    assert not done.ok
    return "\n".join(done.failures)


def test_a_page_as_promised_is_executed(tmp_path: Path) -> None:
    done = run.execute(lessons.lesson(tmp_path, hook="import matplotlib.pyplot as plt\nplt.plot([1, 2]);"))
    assert done.failures == ()
    assert done.book is not None
    assert 0 < done.seconds < done.lesson.limit
    printed, plotted = done.book.cells[2].outputs
    assert printed.text == "one 2 three\n"
    assert "image/svg+xml" in plotted.data


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('print("one"', 'print("own"', ["cell 2:", "    one 2", "found, since", "own 2 three"]),
        ("# one 2 ... three", "# one 2 ... four", ["expected this line", "    four", "one 2 three"]),
        ("[][1]", "[0][0]", ["cell 3:", "    [0][0]", "expected this cell to fail"]),
        ("# HOOK", "1 / 0", ["cell 2:", "    1 / 0", "ZeroDivisionError: division by zero"]),
        ("# HOOK", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", ["cell 2:", "the kernel died"]),
        ("## Clean up", "## Tidy up", ["expected the headings"]),
    ],
)
def test_one_thing_wrong_fails_and_is_told(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    assert old in lessons.PAGE
    found = failures(lessons.lesson(tmp_path, page=lessons.PAGE.replace(old, new)))
    assert [text for text in said if text not in found] == [], found


def test_what_is_left_behind_is_named_and_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    hook = (
        "import subprocess\nleft = subprocess.Popen(['sleep', '301'], start_new_session=True)\n"
        f"open({str(pid)!r}, 'w').write(str(left.pid))"
    )
    found = failures(lessons.lesson(tmp_path, hook=hook))
    assert "expected no process to be left behind" in found
    assert "sleep 301" in found
    assert not psutil.pid_exists(int(pid.read_text()))


def test_a_server_left_behind_is_named(tmp_path: Path) -> None:
    hook = "import servelab\nserver = servelab.serve('flask', model='iris')"
    facts = lessons.FACTS.replace("tier = 0", 'tier = 0\nstrategies = ["flask"]')
    found = failures(lessons.lesson(tmp_path, facts, hook=hook))
    assert "expected no process to be left behind" in found
    assert "server.py" in found


@pytest.mark.parametrize("endless", ["import time; time.sleep(1000)", "while True: pass"])
def test_an_endless_cell_is_ended_at_the_limit(tmp_path: Path, endless: str) -> None:
    lesson = lessons.lesson(tmp_path, lessons.FACTS.replace("limit = 30", "limit = 8"), hook=endless)
    began = time.monotonic()
    found = failures(lesson)
    assert "expected the whole page to end within its limit of 8 s; it was still in this cell" in found
    assert endless in found
    assert time.monotonic() - began < lesson.limit + run.AROUND


@pytest.mark.skipif(not offline.permitted(), reason="no network namespace is permitted here")
def test_without_network_the_loopback_is_all_there_is(tmp_path: Path) -> None:
    hook = (
        "import psutil, socket\nprint(sorted(psutil.net_if_addrs()))\n"
        "with socket.create_server(('127.0.0.1', 0)) as server: socket.create_connection(server.getsockname()).close()"
    )
    page = lessons.PAGE.replace("# one 2 ... three", "# one 2 ... three\n# ['lo']")
    done = run.execute(lessons.lesson(tmp_path, page=page, hook=hook))
    assert done.failures == ()


def test_an_execution_is_kept_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVELAB_HOME", str(tmp_path / "home"))
    counter = tmp_path / "count"
    lesson = lessons.lesson(tmp_path, hook=f"open({str(counter)!r}, 'a').write('x')")
    first = run.ensure(lesson)
    assert first.ok
    assert run.kept(lesson).is_file()
    again = run.ensure(lesson)
    assert (again.seconds, counter.read_text()) == (first.seconds, "x")
    assert again.book is not None
    facts = again.book.metadata[execution.KEY]
    assert set(facts) == {"key", "seconds", "machine"}
    lesson.source.write_text(lesson.source.read_text().replace("one 2 ... three", "one 2 ... four"))
    assert not run.ensure(lesson).ok
    assert counter.read_text() == "xx"
    assert not run.kept(lesson).exists(), "a failed execution is not kept"


def test_what_changes_during_an_execution_is_executed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVELAB_HOME", str(tmp_path / "home"))
    page = tmp_path / "42-tiny/lesson.py"
    lesson = lessons.lesson(tmp_path, hook=f"open({str(page)!r}, 'a').write('# changed')")
    before = run.key(lesson)
    assert run.ensure(lesson).ok
    book = nbformat.read(run.kept(lesson), as_version=4)
    assert book.metadata[execution.KEY]["key"] == before != run.key(lesson)


def test_two_at_once_execute_a_lesson_one_after_the_other(tmp_path: Path) -> None:
    turn = f"open({str(tmp_path / 'turns')!r}, 'a').write(f'{{os.getpid()}} ')"
    folder = lessons.make(tmp_path, hook=f"import os, time\n{turn}\ntime.sleep(1)\n{turn}")
    command = [sys.executable, "-m", "notebooks.course", "run", str(folder)]
    own = os.environ | {"SERVELAB_HOME": str(tmp_path / "home")}
    both = [subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert ["none failed" in each.communicate(timeout=90)[0] for each in both] == [True, True]
    first, second, *others = (tmp_path / "turns").read_text().split()
    assert first == second
    assert len(set(others)) == 1
    assert [path.name for path in (tmp_path / "home/lessons").glob("*.partial")] == []


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of three lessons: one good, one that hangs, one whose facts are wrong."""
    monkeypatch.setenv("SERVELAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(course, "NOTEBOOKS", tmp_path)
    page, facts = lessons.PAGE.replace("42 ·", "41 ·"), lessons.FACTS.replace("limit = 30", "limit = 3")
    lessons.make(tmp_path, facts, page, "import time; time.sleep(99)", "41-hangs")
    lessons.make(tmp_path)
    lessons.make(tmp_path, name="43-wrong", facts="")
    return tmp_path


def ran(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["course", *arguments])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    return int(str(ended.value.code))


def test_a_failing_lesson_stops_no_other_and_fails_the_whole(
    three: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, "run") == 1
    said = capsys.readouterr().out
    assert "41  Tiny" in said
    assert "42  Tiny" in said
    assert said.index("FAILED") < said.index("it was still in this cell") < said.index("ok ")
    assert "the key 'title' is missing" in said
    assert said.splitlines()[-1] == "2 of 3 lessons executed, 2 failed"
    assert [path.name for path in (three / "home/lessons").glob("*.ipynb")] == ["42-tiny.ipynb"]
    assert ran(monkeypatch, "run", "42") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 1 lessons executed, none failed"


def test_the_seconds_are_written_into_the_facts(
    three: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = three / "42-tiny"
    facts = (folder / "lesson.toml").read_text().replace("ran = 1", "ran = 29")
    (folder / "lesson.toml").write_text(facts)
    assert ran(monkeypatch, "run", "--write", "42") == 0
    written = course.load(folder)
    assert written.ran < 29
    assert (folder / "lesson.toml").read_text() == facts.replace("ran = 29", f"ran = {written.ran}")
    assert f"in {written.ran} s" in (folder / "42-tiny.ipynb").read_text()
    capsys.readouterr()
    assert run.ensure(written).book is not None
    assert run._stored(written) is not None, "its own seconds do not make an execution stale"


def test_the_table_is_made_from_the_folders(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("41-hangs", "43-wrong"):
        (three / name).rename(three / f"not-{name}")
    page = three / "README.md"
    page.write_text(f"# Course\n\n{index.BEGIN}\nold\n{index.END}\nend\n")
    monkeypatch.setattr(index, "PAGE", page)
    assert ran(monkeypatch, "derive") == 0
    row = "| 42 [Tiny](42-tiny/42-tiny.ipynb) | a page is run from top to bottom | add two numbers | 1 | 0 |"
    assert row in page.read_text()
    assert "old" not in page.read_text()
    assert (three / "42-tiny/42-tiny.ipynb").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    pid = tmp_path / "pid"
    hook = (
        "import subprocess\nchild = subprocess.Popen(['sleep', '302'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\nchild.wait()"
    )
    folder = lessons.make(tmp_path, hook=hook)
    command = [sys.executable, "-m", "notebooks.course", "run", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"SERVELAB_HOME": str(tmp_path / "home")}) as running:  # fmt: skip
        deadline = time.monotonic() + 60
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(number)
        said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert not psutil.pid_exists(int(pid.read_text()))
