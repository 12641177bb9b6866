"""`bench run` as people call it, with real strategies and with ones that lie."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bench.records import Records
from servelab.paths import ROOT
from tests import folders

BENCH = str(Path(sys.executable).with_name("bench"))
QUICK = ("--model", "iris", "--pairs", "2", "--seconds", "0.5", "--rate", "100")
Liar = Callable[[str], Path]
# Right for the first so many requests, wrong from then on: parity alone asks for 151 of them.
LIES = """
import itertools
right, asked = predict, itertools.count()
def predict(instances):
    rows = right(instances)
    if next(asked) >= {honest}:
        rows = [[row[0] + 0.5, *row[1:]] for row in rows]
    return rows
"""
HONEST = {"always": 1, "later": 400}


def bench(*arguments: str, results: Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [BENCH, *arguments, "--results", str(results)]
    environment = os.environ | ({"SERVELAB_HOME": str(home)} if home else {})
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=240, check=False)


@pytest.fixture
def liar(tmp_path: Path) -> Liar:
    """`liar("always")` or `liar("later")` makes the folder of a strategy that answers wrongly then."""

    def make(lie: str) -> Path:
        return folders.make(tmp_path, f"liar-{lie}", hook=LIES.format(honest=HONEST[lie]))

    return make


def test_real_strategies_and_a_plain_program(tmp_path: Path) -> None:
    arms = ["flask", "fastapi", "flask:quickstart"]
    done = bench("run", *arms, "--model", "iris", "--pairs", "2", "--seconds", "0.5", "--json", results=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["name"] for row in found["summary"]["rows"]] == arms
    assert {(ratio["arm"], ratio["base"]) for ratio in found["summary"]["ratios"]} == {
        (arm, "flask") for arm in arms[1:]
    }
    assert found["rate"] == pytest.approx(0.4 * min(found["capacity"].values()), rel=1e-3)
    assert set(found["environment"]["locks"]) == set(arms)
    assert len(found["environment"]["model"]["sha256"]) == 64

    first, second = found["rounds"]
    assert (first["order"], second["order"]) == (arms, arms[::-1])
    assert first["seed"] != second["seed"]
    for turn in (first, second):
        assert len({figures["requests"] for figures in turn["arms"].values()}) == 1, "all arms meet the same schedule"
        for figures in turn["arms"].values():
            assert (figures["errors"], figures["wrong"]) == ({}, "")
            assert figures["cpu_us"] > turn["floor_cpu_us"]
            assert figures["memory_mb"] > 10

    folder = tmp_path / found["folder"]
    assert json.loads((folder / "run.json").read_text()) == found
    stamps = {file.stem: Records.load(file) for file in (folder / "rounds").iterdir()}
    assert set(stamps) == {f"{n}-{arm}" for n in ("01", "02") for arm in ("flask", "fastapi", "flask-quickstart")}
    assert (stamps["01-flask"].intended == stamps["01-fastapi"].intended).all()
    assert "\x1b" not in done.stderr
    assert f"round 2 of 2: flask at {found['rate']:g}/s" in done.stderr.splitlines()


def test_wrong_answers_are_not_timed(tmp_path: Path, liar: Liar) -> None:
    folder = liar("always")
    done = bench("run", f"{folder}", *QUICK, results=tmp_path / "results", home=tmp_path / "home")
    assert done.returncode == 2
    assert done.stdout == ""
    message = done.stderr.splitlines()[-1]
    assert message.startswith("bench: refused to time liar-always: ")
    assert re.search(r"largest difference is 0\.5.* at index \d+", message)
    assert list((tmp_path / "results").iterdir()) == []
    assert processes_with(str(folder)) == []


def test_answers_that_turn_wrong_under_load_void_the_row(tmp_path: Path, liar: Liar) -> None:
    done = bench("run", f"{liar('later')}", *QUICK, results=tmp_path / "results", home=tmp_path / "home")
    assert done.returncode == 1, done.stderr
    assert "liar-later (VOID)" in done.stdout
    assert "VOID WRONG_ANSWER: liar-later: round 1, request" in done.stdout
    assert "the largest difference is 0.5" in done.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    command = [BENCH, "run", "flask", "--model", "iris", "--seconds", "60", "--results", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as run:
        with reading_until(run, "warm up flask"):
            started = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(how)
        out, error = run.communicate(timeout=60)
    assert run.returncode == 130
    assert out == ""
    assert error.splitlines()[-1] == "bench: interrupted; every server is stopped"
    assert len(started) >= 2, "a supervisor and a server at least"
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []


@contextmanager
def reading_until(process: subprocess.Popen[str], line: str) -> Iterator[None]:
    assert process.stderr is not None
    for told in process.stderr:
        if told.strip() == line:
            break
    yield


def processes_with(word: str) -> list[psutil.Process]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = [p for p in psutil.process_iter(["cmdline"]) if any(word in part for part in p.info["cmdline"] or ())]
        if not found:
            break
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "flaks"), "bench: no strategy 'flaks' (did you mean 'flask'?)"),
        (("run", "flask", "flask"), "bench: arms need different names; found flask, flask"),
        (("run", "flask", "--model", "irsi"), "irsi"),
        (("run", "flask", "--rate", "0.1", "--seconds", "1"), "is 0.1 requests a turn; expected 1 to 10,000,000"),
        (("run", "flask", "--rate", "1e300"), "requests a turn; expected 1 to 10,000,000"),
        (("run", "flask", "--pairs", "0"), "argument --pairs: expected a whole number from 1 on, found 0"),
        (("run", "flask", "--seconds", "-1"), "argument --seconds: expected a number above 0, found -1"),
        (("run", "flask", "--seconds", "soon"), "argument --seconds"),
        (("run", "flask", "--json", "--csv"), "not allowed with argument"),
    ],
)
def test_a_mistake_is_one_clear_message(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = bench(*arguments, results=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
