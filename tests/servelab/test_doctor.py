"""What the doctor says of a machine, of ports that somebody holds, of strategies and of lessons."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from servelab import doctor, lessons
from servelab.finding import Finding, fine, render, to_json
from servelab.paths import ROOT
from tests import folders


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this very process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / ".venv" / "bin" / "servelab"), "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def found(what: str, findings: list[Finding]) -> Finding:
    return next(finding for finding in findings if finding.what == what)


def test_the_command_says_what_is_fine_and_how_to_get_the_rest() -> None:
    done = run()
    assert done.returncode == 0, done.stdout
    for what in (
        "Python 3.11 or 3.12",
        "CPU architecture",
        "make",
        "curl",
        "cores",
        "memory",
        "disk",
        "container engine",
        "cluster",
        "port 5000",
        "port 3389",
        "port 8080",
        "port 9000",
        "strategy flask",
        "environment of pipelines-v2",  # what the strategy kfp is composed of
    ):
        assert what in done.stdout


def test_the_json_holds_what_the_text_says() -> None:
    done = run("--json")
    content = json.loads(done.stdout)
    assert content["ok"] == (done.returncode == 0)
    assert {"what": "strategy flask", "optional": True}.items() <= next(
        finding for finding in content["findings"] if finding["what"] == "strategy flask"
    ).items()
    assert all(set(each) == {"what", "ok", "found", "remedy", "optional"} for each in content["findings"])


def test_a_strategy_on_a_cluster_needs_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    text = render(doctor.examine())
    assert "make one with: make k8s-up" in text
    line, remedy = text[text.index("strategy seldon-minikube") :].splitlines()[:2]
    assert "kubectl, minikube, helm not on PATH" in line
    assert "make k8s-up" in remedy


def test_a_broken_strategy_is_shown_among_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folders.make(tmp_path, "broken") / "strategy.toml").write_text("name = 3")
    monkeypatch.setattr("servelab.strategy.STRATEGIES", tmp_path)
    text = render(doctor.examine())
    assert "MISSING  strategy broken" in text
    assert "name must be a string; found 3" in text


def test_a_taken_port_is_found_with_its_holder(tmp_path: Path, taken: int) -> None:
    assert not doctor.port_is_free(taken)
    folder = folders.make(tmp_path)
    file = folder / "strategy.toml"
    file.write_text(file.read_text().replace("port = 8999", f"port = {taken}"))
    finding = found(f"strategy {folder}", doctor.examine([str(folder)]))
    assert not finding.ok
    assert f"port {taken} in use by" in finding.found
    assert f"process {os.getpid()}" in finding.found
    assert f"stop the program on port {taken}" in finding.remedy


def test_a_strategy_that_is_named_must_be_able_to_serve(tmp_path: Path) -> None:
    folder = folders.make(tmp_path)
    finding = found(f"strategy {folder}", doctor.examine([str(folder)]))
    assert not finding.optional
    assert finding.ok == doctor.port_is_free(8999)


def test_a_free_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert doctor.port_is_free(port)


def lesson(parent: Path, text: str, name: str = "07-a-title", page: str = "") -> None:
    (parent / name).mkdir()
    (parent / name / "lesson.toml").write_text(text)
    (parent / name / "lesson.py").write_text(page)


def test_a_lesson_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servelab.lessons.LESSONS", tmp_path)
    monkeypatch.setenv("SERVELAB_HOME", str(tmp_path / "home"))  # where no environment is built yet
    lesson(tmp_path, 'title = "A"\ntier = 0', "00-a")
    lesson(tmp_path, 'title = "B"\ntier = 1\nstrategies = ["flask", "pipelines/v1"]', "01-b")
    lesson(tmp_path, 'title = "C"\ntier = 2\nstrategies = []', "02-c")
    lesson(tmp_path, 'title = "D"\ntier = 0\nstrategies = ["flaks"]', "03-d")
    lesson(tmp_path, "tier = 0", "04-e")
    lesson(tmp_path, 'title = "F"\ntier = 0\nstrategies = 3', "05-f")
    a, b, c, d, e, f = lessons.examine(engine=False, cluster=False)
    assert (a.what, a.ok, a.found) == ("lesson 00 A", True, "ready")
    assert b.ok
    assert b.found == "installs first, from the network: flask, pipelines/v1; all but its part in a container"
    assert (c.ok, c.found) == (True, "ready; all but its part on a cluster")
    assert (d.ok, d.optional) == (False, False)
    assert "did you mean 'flask'?" in d.remedy
    assert "expected the key 'title'; found none" in e.remedy
    assert (f.ok, f.found) == (False, "broken")
    _, b, c, *_ = lessons.examine(engine=True, cluster=True)
    assert "but its part" not in b.found + c.found


@pytest.mark.parametrize(
    ("page", "needs"),
    [("# !curl -s URL\n", "needs curl"), ('# %% language="bash"\n# curl -s URL\n', "needs curl and bash"),
     ("# curl is a program\n", None)],
)  # fmt: skip
def test_a_lesson_needs_the_programs_that_it_calls(
    page: str, needs: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servelab.lessons.LESSONS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    lesson(tmp_path, 'title = "A"\ntier = 0', page=page)
    (finding,) = lessons.examine(engine=True, cluster=True)
    assert (finding.ok, finding.optional, finding.found) == (needs is None, True, needs or "ready")


def test_a_missing_thing_is_shown_with_its_remedy() -> None:
    missing = Finding("x", ok=False, found="absent", remedy="get it")
    assert render([missing]).splitlines() == ["MISSING  x  absent", "            -> get it"]
    assert json.loads(to_json([missing]))["ok"] is fine([missing]) is False
