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

import numpy as np
import psutil
import pytest

from bench import results
from bench.load.records import Records
from bench.results import Plan, Run
from servelab.paths import ROOT
from tests import folders

BENCH = str(Path(sys.executable).with_name("bench"))
QUICK = ("--model", "iris", "--boots", "1", "--rounds", "2", "--seconds", "0.5", "--rate", "100", "--keep-noisy")
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
OTHER_MACHINE = {"model": {"name": "iris"}, "locks": {"flask": None}, "key": {"machine": "a toaster"}}
HONEST = {"always": 1, "later": 400}


def bench(*arguments: str, results: Path | None = None, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [BENCH, *arguments, *(["--results", str(results)] if results else [])]
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
    quick = [word for word in QUICK if word not in ("--rate", "100")]
    done = bench("run", *arms, *quick, "--together", "--json", results=tmp_path)
    found = json.loads(done.stdout)
    rows = {row["name"]: row for table in found["summary"]["tables"] for row in table["rows"]}
    assert list(rows) == arms
    assert done.returncode == int(any(row["void"] for row in rows.values())), done.stderr
    assert found["rate"] == pytest.approx(0.4 * min(boot["capacity"] for boot in found["boots"]), rel=1e-3)
    assert set(found["environment"]["locks"]) == set(found["pilots"]) == set(arms)
    assert len(found["environment"]["model"]["sha256"]) == 64
    for row in rows.values():
        assert 0 < row["ready_s"] < 60
        assert row["first_ms"] > 0
        assert row["rss_mb"] > row["pss_mb"] > 10
        assert row["budget"].startswith("1 worker, 1 CPU")
    for pilot in found["pilots"].values():
        assert pilot["ceiling"] > 1_000
        assert len(pilot["cached"]["cpu"]) >= 4

    first, second = found["rounds"]
    assert (first["order"], second["order"]) == (second["order"][::-1], first["order"][::-1])
    assert sorted(first["order"]) == sorted(arms)
    assert first["seed"] != second["seed"]
    for turn in (first, second):
        assert len({figures["requests"] for figures in turn["arms"].values()}) == 1, "all arms meet the same schedule"
        for figures in turn["arms"].values():
            assert (figures["errors"], figures["wrong"]) == ({}, "")
            assert figures["cpu_us"] > turn["floor_cpu_us"]

    folder = tmp_path / found["folder"]
    assert json.loads((folder / "run.json").read_text()) == found
    stamps = {file.stem: Records.load(file) for file in (folder / "rounds").iterdir()}
    assert set(stamps) == {f"{n}-1-{arm}" for n in ("01", "02") for arm in ("flask", "fastapi", "flask-quickstart")}
    assert (stamps["01-1-flask"].intended == stamps["01-1-fastapi"].intended).all()
    schedule = np.load(folder / "schedules" / "01.npy")
    assert np.allclose(stamps["01-1-flask"].intended / 1e9, schedule, atol=1e-8)
    assert "\x1b" not in done.stderr
    assert f"round 2 of 2: flask at {found['rate']:g}/s" in done.stderr.splitlines()
    shown = bench("show", str(folder), "--json")
    assert json.loads(shown.stdout) == found


def test_a_closed_loop_has_no_schedule(tmp_path: Path) -> None:
    quick = [word for word in QUICK if word not in ("--rate", "100")]
    done = bench("run", "flask", *quick, "--concurrency", "2", "--no-raw", results=tmp_path)
    assert "closed loop of 2 clients: response times say nothing about an open one" in done.stdout
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["journal.jsonl", "run.json"]


def test_a_killed_run_loses_no_finished_round_and_goes_on(tmp_path: Path) -> None:
    command = [BENCH, "run", "flask", *QUICK, "--boots", "3", "--rounds", "1", "--results", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT) as run:
        with reading_until(run, "round 2 of 3: flask at 100/s"):
            run.kill()
        run.communicate(timeout=60)
    (folder,) = tmp_path.iterdir()
    before = Run.load(folder)
    assert [each.number for each in before.rounds] in ([1], [1, 2])
    assert "INCOMPLETE" in bench("show", str(folder)).stdout
    done = bench("resume", str(folder), "--json")
    after = Run.load(folder)
    assert done.returncode in (0, 1), done.stderr
    assert after.rounds[: len(before.rounds)] == before.rounds
    assert [each.number for each in after.rounds] == [1, 2, 3]
    assert after.rounds[-1].boot > before.rounds[-1].boot, "a server that was killed cannot go on"
    assert (after.rate, after.pilots, after.resumed) == (before.rate, before.pilots, 1)
    assert json.loads(done.stdout)["complete"] is True
    again = bench("resume", str(folder))
    assert Run.load(folder) == after, "nothing is left to do"
    assert again.returncode == done.returncode


def test_a_run_of_another_machine_is_not_mixed_with_this_one(tmp_path: Path) -> None:
    folder = results.create(tmp_path, Plan(("flask",), model="iris"), "iris", "1", OTHER_MACHINE)
    compared = bench("compare", str(folder), str(folder))
    assert compared.returncode == 2
    assert "no finished round yet" in compared.stderr
    refused = bench("resume", str(folder))
    assert refused.returncode == 2
    assert "was begun under other conditions: " in refused.stderr
    assert "a toaster" in refused.stderr


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
        (("run", "flask", "--boots", "0"), "argument --boots: expected a whole number from 1 on, found 0"),
        (("run", "flask", "--seconds", "-1"), "argument --seconds: expected a finite number above 0, found -1"),
        (("run", "flask", "--seconds", "soon"), "argument --seconds"),
        (("run", "flask", "--json", "--csv"), "not allowed with argument"),
        (("run", "flask", "--arrivals", "posson"), "bench: expected arrivals poisson, constant, gamma:CV"),
        (("run", "flask", "--sesoi", "x"), "argument --sesoi: expected a share such as 5%"),
        (("run", "--like", "nowhere"), "expected the folder of a run, with journal.jsonl in it"),
        (("resume", "nowhere"), "expected the folder of a run"),
        (("show", "nowhere"), "expected the folder of a run"),
        (("compare", "nowhere", "nowhere"), "expected the folder of a run"),
        (("compare", "a", "b", "--fail-if", "p50>10"), "argument --fail-if: expected a bound such as p50>+10%"),
        (("plan", "--effect", "3%"), "expected an effect above 5%"),
        (
            ("run", "flask", "--arrivals", "trace:nowhere"),
            "expected a text file with one arrival time in seconds a line",
        ),
        (("run", "flask", "--concurrency", "2", "--rate", "9"), "leave --rate and --arrivals out"),
        (("explain", "GENERATOR_LAT"), "Did you mean GENERATOR_LATE?"),
    ],
)
def test_a_mistake_is_one_clear_message(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = bench(*arguments, results=tmp_path if arguments[0] == "run" else None)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
