"""The ``servelab`` command as its users type it: what it prints, and how it fails."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import servelab
from servelab.errors import RequestFailed
from servelab.paths import ROOT
from servelab.strategy import discover
from tests import folders

SERVELAB = ROOT / ".venv" / "bin" / "servelab"
ONE = ROOT / "shared_models" / "mnist" / "samples" / "1.jpg"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SERVELAB, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


def test_predict_prints_the_seeds_sentence() -> None:
    done = run("predict", "--image", ONE)
    assert (done.returncode, done.stdout) == (0, "예측한 값은: 1입니다.\n")


def test_predict_answers_a_batch_by_a_running_server(tmp_path: Path) -> None:
    rows = json.dumps([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
    with servelab.serve(folders.make(tmp_path), model="iris") as server:
        done = run("predict", "--model", "iris", "--instances", rows, "--url", server.url)
    assert done.stdout == "예측한 값은: setosa입니다.\n예측한 값은: virginica입니다.\n"


def test_list_shows_every_strategy() -> None:
    done = run("list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(discover())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "flaks"], "did you mean 'flask'?"),
        (["predict", "--image", "none.jpg"], "expected an image file; cannot read none.jpg: No such file"),
        (["predict", "--image", str(ROOT / "README.md")], "expected"),
        (["predict", "--instances", "[[1, 2"], "expected --instances as JSON"),
        (["predict", "--model", "iris", "--instances", "[[1, 2]]"], "found"),
        (["predict", "--model", "nope", "--instances", "[[1, 2]]"], "iris"),
        (["predict", "--model", "iris", "--instances", "[[1,2,3,4]]", "--url", "localhost"], "expected a URL such as"),
        (
            ["predict", "--model", "iris", "--instances", '[["a",1,2,3]]', "--url", "http://127.0.0.1:1"],
            "found strings",
        ),
        (["predict", "--model", "iris", "--instances", "[[1,2],[3]]", "--url", "http://127.0.0.1:1"], "regular array"),
        (
            ["predict", "--model", "iris", "--instances", "[[1,2,3,4]]", "--url", "http://h/한"],
            "expected a URL such as",
        ),
        (["serve", "flask", "--workers", "0"], "at least one worker; found 0"),
        (["serve", "flask", "--port", "70000"], "port"),
        (["image", "flask"], "no container engine answers"),
        (["new-strategy", "flask"], "is there already"),
        (["new-strategy", "My Server"], "lower-case letters, digits and hyphens"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/engine")
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_in_the_foreground_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    folder = folders.make(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(SERVELAB), "serve", str(folder), "--model", "iris", "--port", str(port)]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert serving.stdout is not None
    assert f"Standard library serves iris version 1 on http://127.0.0.1:{port}" in serving.stdout.readline()
    with servelab.connect(f"http://127.0.0.1:{port}", model="iris") as client:
        assert client.predict([[5.1, 3.5, 1.4, 0.2]]).argmax() == 0
        os.killpg(serving.pid, number)
        serving.communicate(timeout=60)
        assert serving.returncode == 130
        with pytest.raises(RequestFailed):
            client.predict([[5.1, 3.5, 1.4, 0.2]])


def test_a_server_that_dies_ends_the_foreground_command(tmp_path: Path) -> None:
    hook = "import threading\nthreading.Timer(1.5, lambda: os._exit(7)).start()"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = run("serve", folders.make(tmp_path, hook=hook), "--model", "iris", "--port", port)
    assert done.returncode == 7
