"""``servelab graph`` as a newcomer types it: the seed's graph and request, clear errors, and no process left."""

import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from servelab.paths import ROOT
from tests.servelab.graph.lab import LATE, ODD_IMAGES, document, eventually, iris, unit

SERVELAB = str(Path(sys.executable).parent / "servelab")
AB_TEST = ROOT / "k8s" / "seldon" / "ab-test.yaml"
# The request of the course's own text.
SEED = {"data": {"ndarray": [["dog", 0, 4, 0.2, 0.79]]}}


@contextlib.contextmanager
def running(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A runner in the foreground: its process, its URL, what it said."""
    words = [SERVELAB, "graph", "run", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    said = ""
    try:
        for line in process.stdout:
            said += line
            if found := re.match(r"HTTP on (http://\S+?),? .*\(Ctrl-C", line):
                break
        else:
            raise AssertionError(said)
        yield process, found[1], said
    finally:
        process.terminate()
        process.communicate(timeout=60)


def graph(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run([SERVELAB, "graph", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def file(folder: Path, content: object) -> Path:
    path = folder / "graph.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def post(url: str, body: object) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.status, json.loads(response.read())


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(map(lives, processes))


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture(scope="module")
def seed() -> Iterator[tuple[str, str]]:
    """The seed's graph, run: its URL and what the runner said."""
    with running(AB_TEST, "--no-grpc") as (_, url, said):
        yield url, said


def test_the_seeds_graph_answers_the_seeds_request(seed: tuple[str, str]) -> None:
    status, answer = post(f"{seed[0]}/seldon/default/ab-test/api/v1.0/predictions", SEED)
    assert status == 200
    data, meta = answer["data"], answer["meta"]
    assert isinstance(data, dict)
    assert isinstance(meta, dict)
    assert sum(data["ndarray"][0]) == pytest.approx(1, abs=1e-5)
    assert len(data["names"]) == len(data["ndarray"][0])
    chosen = meta["routing"]["router"]
    assert chosen in (0, 1)
    assert meta["requestPath"] == {
        "input-transformer": "servelab/input-transformer:1",
        "model-b" if chosen else "model-a": "servelab/model-infer:1",
    }


def test_the_printed_line_can_be_pasted(seed: tuple[str, str]) -> None:
    line = re.search(r"^ *try +(curl .*)$", seed[1], re.MULTILINE)
    assert line
    words = shlex.split(line[1])
    assert json.loads(words[-1]) == SEED
    assert post(words[1], json.loads(words[-1]))[0] == 200
    if shutil.which("curl"):
        assert b'"ndarray"' in subprocess.run([*words, "--silent"], capture_output=True, check=True).stdout


def test_it_says_what_it_ignores_and_what_it_is(seed: tuple[str, str]) -> None:
    assert "cpu and memory are ignored" in seed[1]
    assert "stand-in" in seed[1]
    assert "Seldon Core on Kubernetes, with the same YAML" in seed[1]


def test_apply_status_rollback_delete(seed: tuple[str, str], tmp_path: Path) -> None:
    runner = ("--runner", seed[0])
    for version in ("1", "2"):
        status, said = graph("apply", file(tmp_path, iris("guest", version)), *runner)
        assert status == 0, said
        assert f"default/guest generation {version}: Available" in said
    assert "default/ab-test generation 1: Available" in graph("status", *runner)[1]
    assert "generation 3: Available" in graph("rollback", "guest", *runner)[1]
    assert "ab-test" not in graph("status", "guest", *runner)[1]
    assert graph("delete", "guest", *runner)[0] == 0
    status, said = graph("status", "guest", *runner)
    assert status == 2
    assert "no deployment 'guest'; there is: ab-test" in said
    assert "no deployment 'ab-tst' (did you mean 'ab-test'?)" in graph("rollback", "ab-tst", *runner)[1]
    said = graph("delete", "ab-tst", "--namespace", "default", *runner)[1]
    assert "no deployment 'ab-tst' in namespace 'default' (did you mean 'ab-test'?)" in said


def test_a_version_that_fails_ends_apply_with_its_reason(seed: tuple[str, str], tmp_path: Path) -> None:
    broken = unit("m", "MODEL", "model-infer:1", container_name="iris", colour="blue")
    status, said = graph("apply", file(tmp_path, document("broken", broken)), "--runner", seed[0])
    assert status == 1
    assert "default/broken generation 1: Failed" in said
    assert re.search(r"ended at its start .*: expected PREDICTIVE_UNIT_PARAMETERS .* 'colour'\nIts log: ", said)
    assert "Traceback" not in said
    graph("delete", "broken", "--runner", seed[0])


def test_sigterm_finishes_what_is_in_flight_and_leaves_no_process(tmp_path: Path) -> None:
    slow = document("slow", unit("m", "MODEL", LATE, seconds=1.5))
    with running(file(tmp_path, slow), "--image", f"{LATE}={ODD_IMAGES[LATE]}") as (process, url, _):
        processes = descendants(process)
        assert processes
        host = url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("POST", "/api/v1.0/predictions", json.dumps(SEED), {"Content-Type": "application/json"})
        time.sleep(0.5)
        process.terminate()
        assert connection.getresponse().status == 200
        connection.close()
        assert process.wait(60) == 130
        assert gone(processes)


def test_a_second_ctrl_c_waits_for_nothing_and_leaves_no_process(tmp_path: Path) -> None:
    slow = document("slow", unit("m", "MODEL", LATE, seconds=8.0))
    with running(file(tmp_path, slow), "--image", f"{LATE}={ODD_IMAGES[LATE]}", "--no-grpc") as (process, url, _):
        processes = descendants(process)
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        connection.request("POST", "/api/v1.0/predictions", json.dumps(SEED), {"Content-Type": "application/json"})
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)  # signals that come together are one
        process.send_signal(signal.SIGINT)
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        connection.close()
        assert process.wait(60) == 130
        eventually(lambda: gone(processes))
        assert process.stdout
        assert "Traceback" not in process.stdout.read()


@pytest.mark.parametrize("whom", ["runner", "while it starts"])
def test_kill_9_of_the_runner_leaves_no_process(tmp_path: Path, whom: str) -> None:
    path = file(tmp_path, iris("orphan"))
    if whom == "runner":
        with running(path) as (process, _, _):
            processes = descendants(process)
            os.kill(process.pid, signal.SIGKILL)
            eventually(lambda: gone(processes))
        return
    with subprocess.Popen([SERVELAB, "graph", "run", path, "--port", "0"], stdout=subprocess.DEVNULL) as process_:
        eventually(lambda: psutil.Process(process_.pid).children())
        processes = psutil.Process(process_.pid).children(recursive=True)
        process_.kill()
        eventually(lambda: gone(processes))


def test_without_a_file_it_waits_for_one() -> None:
    with running() as (_, url, said):
        assert f".venv/bin/servelab graph apply FILE --runner {url}" in said
        assert graph("status", "--runner", url) == (
            0,
            f"nothing is applied at {url}; apply a graph with: .venv/bin/servelab graph apply FILE\n",
        )


def test_a_taken_port_and_no_worker_are_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = graph("run", AB_TEST, "--port", str(port))
        assert status == 2
        assert f"cannot listen on 127.0.0.1:{port}" in said
        assert "--port" in said
    status, said = graph("run", "--port", str(port), "--grpc-port", str(port))
    assert status == 2
    assert f"cannot listen on 127.0.0.1, ports ({port}, {port})" in said
    assert graph("run", "--workers", "0")[1].strip().endswith("expected at least one worker; found 0")


def test_a_first_version_that_fails_ends_the_run(tmp_path: Path) -> None:
    broken = unit("m", "MODEL", "model-infer:1", container_name="iris", run_name="77")
    status, said = graph("run", file(tmp_path, document("broken", broken)), "--port", "0")
    assert status == 2
    assert "iris has no version '77'" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nowhere.yaml"), "nowhere.yaml: expected a file that can be read"),
        (("apply", "nowhere.yaml"), "nowhere.yaml: expected a file that can be read"),
        (("status", "--runner", "http://127.0.0.1:1"), "http://127.0.0.1:1 gave no answer to GET"),
        (
            ("apply", AB_TEST, "--runner", "http://127.0.0.1:1"),
            "Start a graph runner by `.venv/bin/servelab graph run`",
        ),
        (("status", "--runner", "localhost"), "expected a URL such as"),
        (("run", AB_TEST, "--image", "x"), "expected --image IMAGE=FILE.py:Class; found 'x'"),
        (("run", AB_TEST, "--image", "x=y"), "expected --image IMAGE=FILE.py:Class; found 'y' for x"),
        (("run", AB_TEST, "--image", "x=y.py:Z"), "--image x: expected a file; found none at y.py"),
        (("run", AB_TEST, "--model-uri", "=/tmp"), "expected --model-uri URI=FOLDER; found '=/tmp'"),
        (("run", AB_TEST, AB_TEST), "found default/ab-test twice"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[str | Path, ...], message: str) -> None:
    status, said = graph(*arguments)
    assert status == 2
    assert message in said


def test_an_unknown_image_says_what_was_perhaps_meant(tmp_path: Path) -> None:
    path = file(tmp_path, document("typo", unit("m", "MODEL", "servelab/modle-infer:1")))
    for action in ("run", "check", "prepare"):
        status, said = graph(action, path)
        assert status == 2
        assert "did you mean 'model-infer'?" in said
        assert "--image servelab/modle-infer:1=FILE.py:Class" in said


def test_check_and_prepare(tmp_path: Path) -> None:
    status, said = graph("check", AB_TEST)
    assert status == 0
    assert "router ROUTER servelab/router:1 (n_branches=2)" in said
    assert "note: requests and limits" in said
    assert graph("prepare", AB_TEST) == (0, "")
    wrong = iris("x")
    wrong["spec"]["predictors"][0]["graph"]["type"] = "MODLE"
    status, said = graph("check", file(tmp_path, wrong))
    assert status == 1
    assert "spec.predictors[0].graph.type" in said
