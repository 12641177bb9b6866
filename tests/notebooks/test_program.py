"""Programs of one's own under the supervisor: started when they listen, stopped with what they started."""

import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from notebooks.course import program
from servelab.errors import ServelabError, StartFailed

SERVE = """
import http.server, os, subprocess, sys
child = subprocess.Popen(["sleep", "300"], start_new_session=True)
print("child", child.pid, os.environ["WHERE"], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_a_program_is_started_and_stopped_with_its_children(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SERVE)
    (tmp_path / "hello.txt").write_text("hello")
    with program.start(["python", "serve.py", "{port}"], cwd=tmp_path, port=0, env={"WHERE": "at {port}"}) as running:
        with urllib.request.urlopen(f"{running.url}/hello.txt", timeout=10) as answer:
            assert answer.read() == b"hello"
        word, child, where, port = running.text().split()[:4]
        assert (word, where, port) == ("child", "at", str(running.port))
        assert int(child) in running.pids
        assert running.exited() is None
    assert not psutil.pid_exists(int(child))
    assert running.pids == []
    assert "GET /hello.txt" in running.text(), "what it printed stays"


def test_a_program_without_a_port_is_not_waited_for() -> None:
    with program.start([sys.executable, "-c", "print('done')"]) as running:
        deadline = time.monotonic() + 20
        while running.exited() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert running.exited() == 0
        assert running.text() == "done\n"
        with pytest.raises(ServelabError, match="without a port"):
            running.url  # noqa: B018 - it raises


def test_a_program_that_ends_or_never_listens_says_what_it_printed() -> None:
    with pytest.raises(StartFailed, match=r"ended at its start with exit status 3(.|\n)*why it ended"):
        program.start([sys.executable, "-c", "print('why it ended'); exit(3)"], port=0)
    with pytest.raises(StartFailed, match=r"took no connection on port \d+ within 0.5 s(.|\n)*busy"):
        program.start([sys.executable, "-uc", "print('busy'); import time; time.sleep(60)"], port=0, ready=0.5)


def test_a_taken_port_is_told_before_anything_starts() -> None:
    command = ["python", "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    with program.start(command, port=0) as first, pytest.raises(StartFailed, match="cannot listen on"):
        program.start(command, port=first.port)


def test_run_keeps_the_two_streams_apart(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd()); print(os.environ['A'], file=sys.stderr); sys.exit(4)"
    done = program.run(["python", "-c", code], cwd=tmp_path, env={"A": "b"})
    assert (done.returncode, done.stdout, done.stderr) == (4, f"{tmp_path}\n", "b\n")


def test_braces_mean_the_port_where_there_is_one() -> None:
    code = "import os; port = 1; print(f'{port}', os.environ['A'])"
    assert program.run(["python", "-c", code], env={"A": "{port}"}).stdout == "1 {port}\n"


def test_run_in_a_strategys_environment() -> None:
    done = program.run(["python", "-c", "import flask, sys; print(sys.prefix)"], strategy="flask")
    assert done.returncode == 0, done.stderr
    assert "envs/flask-py" in done.stdout


def test_run_stops_what_does_not_end(tmp_path: Path) -> None:
    code = (
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); "
        "print('so far', flush=True); time.sleep(60)"
    )
    with pytest.raises(ServelabError, match=r"to end within 2 s(.|\n)*so far"):
        program.run(["python", "-c", code], timeout=2)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_the_end_of_the_shortest_program_is_seen() -> None:
    assert [program.run(["sh", "-c", f"exit {i}"], timeout=20).returncode for i in range(20)] == list(range(20))


def test_a_program_that_is_not_there_is_told() -> None:
    done = program.run(["no-such-program"])
    assert done.returncode == 127
    assert "no-such-program" in done.stderr
