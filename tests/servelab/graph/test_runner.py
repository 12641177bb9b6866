"""Versions of real deployments: nothing is lost between two, what fails leaves the old one, what dies comes back."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Self

import psutil
import pytest

from servelab.graph import manifest
from servelab.graph.runner import foreground
from tests.servelab.graph.lab import IRIS, LATE, SEVEN, Lab, ab, document, eventually, iris, laboratory, unit


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with laboratory() as found:
        yield found


def version(answer: Any) -> str:
    """Which version of iris answered, by its first probability."""
    return {"0.98": "1"}.get(f"{answer['data']['ndarray'][0][0]:.2f}", "2")


class Asking:
    """Threads that ask one after the other until told to stop, and keep every answer."""

    def __init__(self, lab: Lab, name: str, threads: int = 4) -> None:
        self.answers: list[tuple[int, Any]] = []
        self._lab, self._name, self._stop = lab, name, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(self._lab.ask(self._name, IRIS))
            except OSError as error:
                self.answers.append((0, error))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_no_request_is_lost_between_two_versions(lab: Lab) -> None:
    assert lab.apply(iris("steady")).state == "Available"
    with Asking(lab, "steady") as asking:
        for number in ("2", "1", "2"):
            entry = lab.apply(iris("steady", number))
            assert (entry.state, entry.description) == ("Available", "")
            assert version(lab.ask("steady", IRIS)[1]) == number
    assert Counter(status for status, _ in asking.answers) == {200: len(asking.answers)}
    assert {version(answer) for _, answer in asking.answers} == {"1", "2"}


def test_what_is_in_flight_ends_in_its_own_version(lab: Lab) -> None:
    lab.apply(document("slow", unit("classifier", "MODEL", LATE, seconds=2.0)))
    old = lab.pids("slow")["classifier"]
    answers: list[tuple[int, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(lab.ask("slow", IRIS)))
    asking.start()
    eventually(lambda: lab.runner.entries["default", "slow"].serving.live.requests)  # type: ignore[union-attr]
    lab.apply(document("slow", unit("classifier", "MODEL", LATE, seconds=0.0)))
    asking.join()
    assert answers[0][0] == 200
    eventually(lambda: not [pid for pid in old if psutil.pid_exists(pid)])


def test_a_failed_version_leaves_the_old_one_and_says_why(lab: Lab) -> None:
    lab.apply(iris("brave"))
    entry = lab.apply(document("brave", unit("classifier", "MODEL", LATE, broken=True)))
    assert entry.state == "Failed"
    assert "flux capacitor" in entry.description
    assert version(lab.ask("brave", IRIS)[1]) == "1"

    async def back() -> None:
        lab.runner.rollback(("default", "brave"))

    before = lab.pids("brave")
    lab.loop.wait(back())
    assert (entry.state, entry.description) == ("Available", "")
    assert lab.pids("brave") == before


def test_rollback_serves_the_version_before_and_back(lab: Lab) -> None:
    key = ("default", "turning")
    lab.apply(iris("turning", "1"))
    lab.apply(iris("turning", "2"))

    async def back() -> None:
        lab.runner.rollback(key)

    for expected in ("1", "2"):
        lab.loop.wait(back())
        assert lab.loop.wait(lab.runner.settled(key)).state == "Available"
        assert version(lab.ask("turning", IRIS)[1]) == expected


def test_the_same_again_starts_nothing(lab: Lab) -> None:
    lab.apply(iris("same"))
    before = lab.pids("same")
    entry = lab.apply(iris("same"))
    assert (entry.generation, lab.pids("same")) == (1, before)


def test_of_two_applies_the_newer_serves(lab: Lab) -> None:
    lab.begin(iris("hasty", "1"))
    entry = lab.apply(iris("hasty", "2"))
    assert (entry.state, entry.generation) == ("Available", 2)
    assert version(lab.ask("hasty", IRIS)[1]) == "2"


def test_a_version_given_up_and_replaced_at_once_leaves_nothing(lab: Lab) -> None:
    """Its cleaning up is under way when the next change comes."""
    key = lab.begin(iris("wavering"))
    lab.loop.wait(lab.runner.settled(key))
    half = unit("router", "ROUTER", SEVEN, unit("m", "MODEL", LATE, loading=600.0))  # of two, one becomes ready
    lab.begin(document("wavering", half))
    eventually(lambda: len(_components("wavering")) > len(lab.pids("wavering")["classifier"]) + 2)
    time.sleep(1.0)
    wanted = manifest.parse(iris("wavering", "2"))

    async def waver() -> None:
        lab.runner.rollback(key)
        await asyncio.sleep(0)
        lab.runner.apply(wanted)

    lab.loop.wait(waver())
    assert lab.loop.wait(lab.runner.settled(key)).state == "Available"
    eventually(lambda: _components("wavering") == set(lab.pids("wavering")["classifier"]), 20)


def test_one_that_is_deleted_while_a_run_starts_it_does_not_end_the_run(lab: Lab) -> None:
    wanted = manifest.parse(document("unloved", unit("m", "MODEL", LATE, loading=600.0)))

    async def start() -> str:
        first = asyncio.create_task(foreground._first(lab.runner, [wanted], asyncio.Event()))
        while ("default", "unloved") not in lab.runner.entries:
            await asyncio.sleep(0.01)
        await lab.runner.delete(("default", "unloved"))
        return await first

    assert lab.loop.wait(start()) == ""


@pytest.mark.parametrize("while_creating", [False, True])
def test_a_deleted_one_is_gone(lab: Lab, while_creating: bool) -> None:
    key = lab.begin(iris("brief"))
    if not while_creating:
        lab.loop.wait(lab.runner.settled(key))
    lab.loop.wait(lab.runner.delete(key))
    assert lab.ask("brief", IRIS)[0] == 404
    assert not _components("brief")


def _components(deployment: str) -> set[int]:
    """The processes of all components of a deployment, whichever version."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if _deployment(child) == deployment}


def _deployment(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("SELDON_DEPLOYMENT_ID", ""))
    except psutil.Error:
        return ""


def test_a_router_that_names_no_child_is_an_error_of_that_request(lab: Lab) -> None:
    lab.apply(iris("neighbour"))
    lab.apply(document("lost", unit("router", "ROUTER", SEVEN, unit("only", "MODEL", LATE))))
    for _ in range(3):
        status, answer = lab.ask("lost", IRIS)
        assert status == 500
        assert "7" in answer["status"]["info"]
        assert lab.ask("neighbour", IRIS)[0] == 200


def test_feedback_without_routing_is_refused_and_the_rest_keeps_serving(lab: Lab) -> None:
    lab.apply(ab("told"))
    status, answer = lab.ask("told", {"request": IRIS, "reward": 1.0}, "feedback")
    assert status == 400
    assert "SELDON_ENABLE_ROUTING_INJECTION" in answer["status"]["info"]
    status, answer = lab.ask("told", {"reward": "much"}, "feedback")
    assert status in (400, 500)
    assert answer["status"]["status"] in ("FAILURE", 1)
    assert lab.ask("told", IRIS)[0] == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_hung_model_costs_its_own_requests_only(lab: Lab, number: signal.Signals) -> None:
    lab.apply(ab("hurt"))
    pids = lab.pids("hurt")
    for pid in pids["model-2"]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    began = time.monotonic()
    answers = [lab.ask("hurt", IRIS) for _ in range(12)]
    assert time.monotonic() - began < 60
    assert {answer["meta"]["routing"]["router"] for status, answer in answers if status == 200} >= {0}
    assert all("model-2" in answer["status"]["info"] for status, answer in answers if status != 200)
    serving = lab.runner.entries["default", "hurt"].serving
    assert serving
    model = serving.running.components["p", "model-2"]
    eventually(lambda: model.restarts and model.ready)
    eventually(lambda: {lab.ask("hurt", IRIS)[1]["meta"]["routing"]["router"] for _ in range(8)} == {0, 1})
    assert lab.pids("hurt")["model-1"] == pids["model-1"]
