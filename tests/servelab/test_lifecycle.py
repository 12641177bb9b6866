"""Start, readiness and stop, with a real server that forks: whatever ends us, nothing that it started lives on."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

import servelab
from servelab.errors import StartFailed
from tests import folders

ROW = [[5.1, 3.5, 1.4, 0.2]]
# A plain child, one that ignores SIGTERM, and one that detached itself from everything but its environment.
FORKS = """
sleeper = "import time; time.sleep(600)"
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", sleeper])
subprocess.Popen([sys.executable, "-c", deaf])
if middle := os.fork():
    os.waitpid(middle, 0)
else:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", sleeper])
    os._exit(0)
"""
PARENT = """
import sys, time, servelab
from pathlib import Path
with servelab.serve(Path(sys.argv[1]), grace=0.5) as server:
    while len(server.pids) < 4: time.sleep(0.02)
    print(*server.pids, flush=True)
    {then}
"""


@contextlib.contextmanager
def parent(folder: Path, then: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    process = subprocess.Popen([sys.executable, "-c", PARENT.format(then=then), str(folder)], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, start_new_session=True)  # fmt: skip
    try:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 4
        yield process, pids
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_gone(pids: list[int], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while alive := [pid for pid in pids if psutil.pid_exists(pid)]:
        assert time.monotonic() < deadline, f"still alive: {alive}"
        time.sleep(0.05)


def test_it_predicts_when_the_block_begins_and_is_gone_when_it_ends(tmp_path: Path) -> None:
    with servelab.serve(folders.make(tmp_path), model="iris") as server:
        assert server.predict(ROW).argmax() == 0
        assert server.url.startswith("http://127.0.0.1:")
        assert server.log
        assert server.log.is_file()
        pids = server.pids
        assert len(pids) == 1
    wait_gone(pids)
    assert server.pids == []


@pytest.mark.parametrize("then", ["raise RuntimeError", "sys.exit(3)", "pass"])
def test_no_orphan_survives_how_the_block_ends(tmp_path: Path, then: str) -> None:
    with parent(folders.make(tmp_path, hook=FORKS), then) as (process, pids):
        process.wait(timeout=20)
        wait_gone(pids, seconds=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_orphan_survives_ctrl_c_or_kill_9_of_the_parent(tmp_path: Path, number: signal.Signals) -> None:
    with parent(folders.make(tmp_path, hook=FORKS), "time.sleep(600)") as (process, pids):
        process.send_signal(number)
        wait_gone(pids)


def test_the_main_process_hears_of_a_killed_supervisor(tmp_path: Path) -> None:
    with servelab.serve(folders.make(tmp_path)) as server:
        pids = server.pids
        psutil.Process(server._supervisor.pid).kill()
        wait_gone(pids)


def test_what_is_in_flight_is_finished(tmp_path: Path) -> None:
    slow = """
quick = predict
def predict(instances):
    time.sleep(1.0 if len(instances) > 1 else 0)
    return quick(instances)
def finish(*_):
    threading.Thread(target=server.shutdown).start()
import threading
signal.signal(signal.SIGTERM, finish)
"""
    answers: list[np.ndarray] = []
    with servelab.serve(folders.make(tmp_path, hook=slow)) as server:
        client = server.connect()
        asking = threading.Thread(target=lambda: answers.append(client.predict(ROW * 2)))
        asking.start()
        time.sleep(0.3)
        threading.Timer(1.0, client.close).start()
    asking.join()
    assert len(answers) == 1


def test_a_crash_at_start_shows_the_log_and_what_to_do(tmp_path: Path) -> None:
    folder = folders.make(tmp_path, hook="sys.exit('the flux capacitor is missing')")
    with pytest.raises(StartFailed, match=r"(?s)exit status 1.*flux capacitor.*make doctor"):
        servelab.serve(folder)


def test_the_end_of_the_log_is_not_lost_among_the_frames_of_an_import(tmp_path: Path) -> None:
    folder = folders.make(tmp_path, hook="import importlib\nimportlib.import_module('capacitor.flux')")
    with pytest.raises(StartFailed, match=r"(?s)capacitor\.flux.*No module named 'capacitor'") as found:
        servelab.serve(folder)
    assert "frozen importlib" not in str(found.value)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    folder = folders.make(tmp_path)
    toml = folder / "strategy.toml"
    toml.write_text(toml.read_text().replace(sys.executable, "no-such-program"))
    with pytest.raises(StartFailed, match=r"(?s)exit status 127.*cannot start no-such-program"):
        servelab.serve(folder)


def test_a_server_that_never_predicts_is_stopped(tmp_path: Path) -> None:
    folder = folders.make(tmp_path, hook="predict = lambda instances: 1 / 0")
    with pytest.raises(StartFailed, match=r"did not predict within 1 s"):
        servelab.serve(folder, timeout=1)
    mine = psutil.Process().children(recursive=True)
    assert [child for child in mine if str(folder) in str(child.environ())] == []


def test_a_server_that_accepts_and_never_answers_is_given_up_in_time(tmp_path: Path) -> None:
    folder = folders.make(tmp_path, hook="def predict(instances): time.sleep(600)")
    began = time.monotonic()
    with pytest.raises(StartFailed, match=r"did not predict within 1 s"):
        servelab.serve(folder, timeout=1, grace=0.2)
    assert time.monotonic() - began < 15


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed, match=rf"cannot listen on 127\.0\.0\.1:{port}.*PORT="):
            servelab.serve(folders.make(tmp_path), port=port)


def test_another_server_on_the_port_is_not_taken_for_ours(tmp_path: Path) -> None:
    """It answers in our server's place, which lost the race for the port and does not say so."""
    with servelab.serve(folders.make(tmp_path, "first")) as first:
        second = folders.make(tmp_path, "second", hook="time.sleep(600)")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("servelab.start.usable_port", lambda *_: first.port)
            with pytest.raises(StartFailed, match=r"another program listens on port"):
                servelab.serve(second, timeout=1, grace=0.2)


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    folder = folders.make(tmp_path)
    with pytest.raises(StartFailed, match="at least one worker; found 0"):
        servelab.serve(folder, workers=0)
    toml = folder / "strategy.toml"
    toml.write_text(toml.read_text().replace('["iris", "mnist"]', '["mnist"]'))
    with pytest.raises(StartFailed, match="plain serves mnist; found model 'iris'"):
        servelab.serve(folder)


def test_a_model_of_ones_own_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    mine = tmp_path / "mine"
    shutil.copytree(servelab.paths.ROOT / "shared_models" / "iris" / "1", mine)
    monkeypatch.chdir(tmp_path)
    with servelab.serve(folders.make(tmp_path), model="./mine") as server:
        assert server.predict(ROW).argmax() == 0


def test_prepare_runs_before_the_server_and_its_failure_is_told(tmp_path: Path) -> None:
    made = tmp_path / "made"
    folder = folders.make(tmp_path, more=f'prepare = ["python", "-c", "open(r\'{made}\', \'w\')"]')
    with servelab.serve(folder):
        assert made.is_file()
    folder = folders.make(tmp_path, "fails", more='prepare = ["python", "-c", "raise SystemExit(\'no store\')"]')
    with pytest.raises(StartFailed, match=r"(?s)fails: its prepare command exited 1.*no store"):
        servelab.serve(folder)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty at first, of this process and of those that it starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def with_scratch(parent: Path, prepare: str = "", hook: str = "") -> Path:
    """A strategy whose prepare command fills the server's own folder, and whose server looks for that."""
    code = f"import sys; open(sys.argv[1] + '/file', 'w'); {prepare}"
    more = f"prepare = {json.dumps(['python', '-c', code, '{scratch}'])}"
    hook = f"assert os.path.exists(os.environ['SCRATCH'] + '/file')\n{hook}"
    return folders.make(parent, more=more, hook=hook, env={"SCRATCH": "{scratch}"})


def wait_empty(folder: Path, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while left := list(folder.iterdir()):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


def test_a_server_has_a_folder_of_its_own_that_goes_with_it(tmp_path: Path, temporary: Path) -> None:
    folder = with_scratch(tmp_path)
    with servelab.serve(folder), servelab.serve(folder):
        assert len(list(temporary.glob("servelab-plain-*"))) == 2
    wait_empty(temporary)


def test_its_folder_goes_with_a_killed_parent(tmp_path: Path, temporary: Path) -> None:
    with parent(with_scratch(tmp_path, hook=FORKS), "time.sleep(600)") as (process, _):
        assert len(list(temporary.glob("servelab-plain-*"))) == 1
        process.kill()
        wait_empty(temporary)


@pytest.mark.parametrize(("prepare", "hook"), [("raise SystemExit('no store')", ""), ("", "sys.exit(3)")])
def test_its_folder_goes_when_the_start_fails(prepare: str, hook: str, tmp_path: Path, temporary: Path) -> None:
    with pytest.raises(StartFailed):
        servelab.serve(with_scratch(tmp_path, prepare, hook))
    wait_empty(temporary)
