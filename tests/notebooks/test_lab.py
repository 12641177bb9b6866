"""JupyterLab as ``make lab`` starts it: the learner's notebook, this environment's kernel, and nobody else asked."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

from notebooks.course import lab, lesson as course
from servelab import supervisor
from servelab.paths import ROOT
from servelab.process import Process
from servelab.start import usable_port
from tests.notebooks import lessons

TOKEN = "of-this-test"  # noqa: S105 - of a server on this machine's loopback, for seconds


def ask(url: str, body: object = None) -> Any:
    headers = {"Authorization": f"token {TOKEN}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
        return json.load(answer)


@pytest.mark.lesson
def test_it_runs_our_kernel_and_asks_nobody_for_news(tmp_path: Path) -> None:
    port = usable_port("127.0.0.1", 0)
    command = lab.command(None, ("--no-browser", f"--port={port}", f"--IdentityProvider.token={TOKEN}"))
    own = {"HOME": str(tmp_path), supervisor.COOKIE: uuid.uuid4().hex}  # a user without settings
    process = Process({"command": command, "cwd": str(ROOT), "env": os.environ | lab.KERNEL | own,
                       "log": str(tmp_path / "log"), "stop": "main", "grace": 5.0})  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.exited() is None:
            try:
                kernel = ask(f"{url}/api/kernels", {"name": "python3", "path": "notebooks"})
                break
            except urllib.error.URLError:
                time.sleep(0.2)
        assert kernel["name"] == "python3", process.tail()
        commands = [psutil.Process(pid).cmdline() for pid in process.pids]
        assert [words[0] for words in commands if "ipykernel_launcher" in words] == [sys.executable]
        asked = ask(f"{url}/lab/api/settings/@jupyterlab/apputils-extension:notification")["schema"]["properties"]
        assert (asked["fetchNews"]["default"], asked["checkForUpdates"]["default"]) == ("false", False)
        listening = [each.laddr for pid in process.pids for each in psutil.Process(pid).net_connections("tcp")
                     if each.status == psutil.CONN_LISTEN]  # fmt: skip
        assert {address.ip for address in listening} == {"127.0.0.1"}
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{url}/api/kernels", timeout=20)
    finally:
        process.stop()


@pytest.mark.parametrize(("port", "words"), [("80000", "expected a port"), ("TAKEN", "PORT="), ("x", "invalid int")])
def test_a_port_that_cannot_be_had_is_told_at_once(port: str, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = port.replace("TAKEN", str(taken.getsockname()[1]))
        command = [sys.executable, "-m", "notebooks.course", "lab", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_it_opens_the_learners_notebook_and_begins_the_lesson_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("notebooks.course.learner.NOTEBOOKS", tmp_path)
    monkeypatch.setattr(lab, "ROOT", tmp_path)
    tiny = course.load(lessons.make(tmp_path))
    opened = "--LabApp.default_url=/lab/tree/work/42/42-tiny.ipynb"
    assert lab.command(tiny)[-1] == opened
    assert "make check N=42" in capsys.readouterr().out
    assert (tmp_path / "work/42/42-tiny.ipynb").is_file()
    assert lab.command(tiny)[-1] == opened
    assert capsys.readouterr().out == ""
