"""Half an hour of an A/B test's load on a graph runner, while versions change and components die.

    python -m bench.soak --minutes 30

Every SECONDS_PER_APPLY another version is applied; every SECONDS_PER_KILL a component of the one that serves is killed
(SIGKILL to its main process) or, every third time, stopped (SIGSTOP to all of it). A request may fail only while a
component that was hurt is not back, and by that component's name; none may hang, none may be answered wrongly, and the
split must be the router's.
"""

import argparse
import asyncio
import contextlib
import itertools
import math
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson
import psutil
import yaml

import shared_models
from servelab.kubernetes import Api, Reference

GRAPH = Path(__file__).resolve().parent.parent / "k8s" / "seldon" / "ab-test.yaml"
AB_TEST = Reference("default", "ab-test")
ROW = ["dog", 0, 4, 0.2, 0.79]
SECONDS_PER_APPLY, SECONDS_PER_KILL = 20.0, 30.0
COMPONENT_LIMIT = 3.0  # seconds for one answer of a component, by annotation
HUNG = 60.0  # seconds after which a request will not end: four components' limits and a restart are far less
SIGMAS = 4.5  # of the split: one run in 150,000 would fail by chance
GROWTH = 32 * 2**20  # bytes of memory that the runner may gain after its first version
FILES = 32  # open files that it may gain


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: when it was sent and done (s), its status (0: none came), the router's choice, what an error said."""

    sent: float
    done: float
    status: int
    chosen: int | None
    said: str = ""


@dataclass(slots=True)
class Hurt:
    """A component that was killed or stopped, and the time until it, or what replaced it, was there again."""

    unit: str
    how: str
    began: float
    ended: float = math.inf

    def explains(self, asked: Asked) -> bool:
        """Whether the request was on its way while the component was gone, and failed by its name."""
        return asked.sent <= self.ended and asked.done >= self.began and asked.said.startswith(f"{self.unit}:")


@dataclass(slots=True)
class Tally:
    """All that happened."""

    asked: list[Asked] = field(default_factory=list)
    hurts: list[Hurt] = field(default_factory=list)
    applies: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Asked]:
        """The requests without a prediction."""
        return [asked for asked in self.asked if asked.status != 200]

    @property
    def unexplained(self) -> list[Asked]:
        """Those that no component's death explains."""
        return [asked for asked in self.failed if not any(hurt.explains(asked) for hurt in self.hurts)]


@dataclass(frozen=True, slots=True)
class Reading:
    """The runner at one time: memory in bytes, open files, processes below it."""

    memory: int
    files: int
    processes: int


def main() -> int:
    """Run the soak, print its table; 1 when something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second, sent on time (default: 50)")
    options = parser.parse_args()
    return asyncio.run(_soak(options.minutes * 60, options.rate))


async def _soak(seconds: float, rate: float) -> int:
    tally = Tally()
    async with _runner() as (process, url):
        api = Api(url, timeout=HUNG)
        await _apply(api, tally, 0)
        await asyncio.sleep(2.0)
        runner = psutil.Process(process.pid)
        before = _read(runner)
        end = time.monotonic() + seconds
        hurting = asyncio.create_task(_hurt(api, runner, tally, end))
        applying = asyncio.create_task(_reapply(api, tally, end))
        await _load(url, tally, rate, end)
        await asyncio.gather(hurting, applying)
        await _apply(api, tally, 0)
        after = await _settled(runner, before)
    if process.returncode != 130:
        tally.problems.append(f"the runner ended with status {process.returncode}; expected 130")
    _judge(tally, before, after)
    print(_table(tally, before, after, seconds))
    return 1 if tally.problems else 0


@contextlib.asynccontextmanager
async def _runner() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A graph runner as users start it; afterwards no process of it may live."""
    program = str(Path(sys.executable).parent / "servelab")
    process = await asyncio.create_subprocess_exec(
        program, "graph", "run", "--port", "0", "--no-grpc", stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout  # noqa: S101 - it is a pipe
    found = None
    while not found and (line := await process.stdout.readline()):
        found = re.match(r"HTTP on (\S+)", line.decode())
    try:
        if not found:
            raise SystemExit("bench.soak: the runner did not start; what it said stands above")
        yield process, found[1]
    finally:
        below = psutil.Process(process.pid).children(recursive=True) if process.returncode is None else []
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        if left := [child.pid for child in below if child.is_running()]:
            raise SystemExit(f"bench.soak: the runner left processes behind: {left}")


async def _load(url: str, tally: Tally, rate: float, end: float) -> None:
    """Requests at that rate, each on time whatever became of those before it."""
    target = f"{url}/seldon/default/ab-test/api/v1.0/predictions"
    right = _answers()
    began = time.monotonic()
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(HUNG), connector=aiohttp.TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as group,
    ):
        for number in itertools.count():
            await asyncio.sleep(began + number / rate - time.monotonic())
            if time.monotonic() > end:
                break
            group.create_task(_ask(session, target, right, tally))


async def _ask(session: aiohttp.ClientSession, url: str, right: list[np.ndarray[Any, Any]], tally: Tally) -> None:
    sent = time.monotonic()
    status, chosen, said = 0, None, ""
    try:
        async with session.post(url, json={"data": {"ndarray": [ROW]}}) as response:
            status, content = response.status, orjson.loads(await response.read())
        if status == 200:
            chosen = content["meta"]["routing"]["router"]
            found = np.array(content["data"]["ndarray"])
            if not any(np.allclose(found, each, atol=1e-6) for each in right):
                tally.problems.append(f"a wrong answer: {content}")
        else:
            said = str(content["status"]["info"])
    except TimeoutError:
        tally.problems.append(f"a request hung for {HUNG:.0f} s")
    except (aiohttp.ClientError, ValueError, KeyError, TypeError) as error:
        said = f"{type(error).__name__}: {error}"
    tally.asked.append(Asked(sent, time.monotonic(), status, chosen, said))


def _answers() -> list[np.ndarray[Any, Any]]:
    """What each version answers, by the transformer's own preprocessor."""
    preprocessor = shared_models.load_card("animals", "1").preprocessor
    assert preprocessor  # noqa: S101 - the model's card has one
    rows = preprocessor.transform(np.array([ROW]))
    return [shared_models.load("animals", version).predict(rows) for version in ("1", "2")]


async def _reapply(api: Api, tally: Tally, end: float) -> None:
    for number in itertools.count(1):
        await asyncio.sleep(SECONDS_PER_APPLY)
        if time.monotonic() > end:
            return
        await _apply(api, tally, number)


async def _apply(api: Api, tally: Tally, number: int) -> None:
    """The seed's graph, its two models in turn in either order, and a number that makes each a version of its own."""
    document = yaml.safe_load(GRAPH.read_text())
    document["spec"]["annotations"] = {
        "seldon.io/rest-timeout": str(int(COMPONENT_LIMIT * 1000)),
        "servelab/soak": str(number),
    }
    router = document["spec"]["predictors"][0]["graph"]["children"][0]
    versions = ("1", "2") if number % 2 == 0 else ("2", "1")
    for model, version in zip(router["children"], versions, strict=True):
        model["parameters"][1]["value"] = version
    applied = await asyncio.to_thread(api.apply, document)
    found = await asyncio.to_thread(api.settled, applied, 180.0)
    tally.applies += 1
    if found["status"]["state"] != "Available":
        tally.problems.append(f"apply {number} ended {found['status']['state']}: {found['status']['description']}")


async def _hurt(api: Api, runner: psutil.Process, tally: Tally, end: float) -> None:
    """Kill or stop one component after the other, each once the one before is back."""
    for number, unit in enumerate(itertools.cycle(("model-a", "router", "model-b", "input-transformer"))):
        await asyncio.sleep(SECONDS_PER_KILL)
        if time.monotonic() > end:
            return
        processes = _processes(runner, await _port(api, unit))
        stopped = number % 3 == 2
        hurt = Hurt(unit, "stopped" if stopped else "killed", time.monotonic())
        tally.hurts.append(hurt)
        for process in processes if stopped else processes[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGSTOP if stopped else signal.SIGKILL)
        await _back(api, processes)
        hurt.ended = time.monotonic()


async def _back(api: Api, processes: list[psutil.Process]) -> None:
    """Wait until the processes are gone and every component of what serves is ready."""
    deadline = time.monotonic() + HUNG
    while time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        status = (await asyncio.to_thread(api.get, AB_TEST))["status"]
        ready = all(predictor["availableReplicas"] for predictor in status["deploymentStatus"].values())
        if ready and not any(process.is_running() for process in processes):
            return


async def _port(api: Api, unit: str) -> int:
    """Where the component of that unit listens, in the version that serves."""
    found = (await asyncio.to_thread(api.get, AB_TEST))["status"]["components"]
    return next(int(component["port"]) for name, component in found.items() if name.endswith(f"/{unit}"))


def _processes(runner: psutil.Process, port: int) -> list[psutil.Process]:
    """The processes of the component of that port, its main one first."""
    found = []
    for child in runner.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if child.environ().get("PREDICTIVE_UNIT_HTTP_SERVICE_PORT") == str(port):
                found.append(child)
    return sorted(found, key=lambda process: process.create_time())


def _read(runner: psutil.Process) -> Reading:
    return Reading(runner.memory_info().rss, runner.num_fds(), len(runner.children(recursive=True)))


async def _settled(runner: psutil.Process, before: Reading) -> Reading:
    """A reading once old versions have stopped, or a minute later."""
    deadline = time.monotonic() + HUNG
    while (after := _read(runner)).processes > before.processes and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    return after


def _judge(tally: Tally, before: Reading, after: Reading) -> None:
    for asked in tally.unexplained[:5]:
        tally.problems.append(f"lost: status {asked.status} after {asked.done - asked.sent:.2f} s: {asked.said}")
    if len(tally.unexplained) > 5:
        tally.problems.append(f"and {len(tally.unexplained) - 5} lost requests more")
    for hurt in tally.hurts:
        if hurt.ended - hurt.began > HUNG:
            tally.problems.append(f"{hurt.unit}, {hurt.how}, did not come back within {HUNG:.0f} s")
    first, answered, bound = _split(tally)
    if abs(first - answered / 2) > bound:
        tally.problems.append(f"the split: {first} of {answered}; expected {answered / 2:.0f} ± {bound:.0f}")
    if after.memory - before.memory > GROWTH:
        tally.problems.append(f"the runner's memory grew by {(after.memory - before.memory) / 2**20:.0f} MiB")
    if after.files - before.files > FILES:
        tally.problems.append(f"the runner's open files grew from {before.files} to {after.files}")
    if after.processes != before.processes:
        tally.problems.append(f"expected {before.processes} processes at the end; found {after.processes}")


def _split(tally: Tally) -> tuple[int, int, float]:
    """Requests that the first model answered, all that were answered, and how far from a half chance may take it.

    A failed request was drawn, too: each may have been the first model's or the second's.
    """
    chosen = [asked.chosen for asked in tally.asked if asked.chosen is not None]
    return chosen.count(0), len(chosen), SIGMAS * math.sqrt(len(chosen)) / 2 + len(tally.failed)


def _table(tally: Tally, before: Reading, after: Reading, seconds: float) -> str:
    times = np.array([asked.done - asked.sent for asked in tally.asked if asked.status == 200] or [math.nan]) * 1000
    first, answered, bound = _split(tally)
    killed, stopped = (sum(hurt.how == how for hurt in tally.hurts) for how in ("killed", "stopped"))
    away = [hurt.ended - hurt.began for hurt in tally.hurts] or [0.0]
    mebibytes = [reading.memory / 2**20 for reading in (before, after)]
    rows = {
        "minutes": f"{seconds / 60:.1f}",
        "requests": f"{len(tally.asked)}, of which {len(tally.failed)} failed",
        "failed in a hurt component": f"{len(tally.failed) - len(tally.unexplained)}",
        "lost": f"{len(tally.unexplained)}",
        "response time (ms)": f"p50 {np.percentile(times, 50):.1f}, p99 {np.percentile(times, 99):.1f}, "
        f"longest {times.max():.0f}",
        "versions applied": f"{tally.applies}",
        "components hurt": f"{killed} killed, {stopped} stopped; back after {max(away):.1f} s at most",
        "split": f"{first} of {answered}, expected {answered / 2:.0f} ± {bound:.0f}",
        "memory of the runner (MiB)": f"{mebibytes[0]:.1f} to {mebibytes[1]:.1f}",
        "open files of the runner": f"{before.files} to {after.files}",
        "processes below the runner": f"{before.processes} to {after.processes}",
        "verdict": "good" if not tally.problems else f"{len(tally.problems)} problems",
    }
    width = max(map(len, rows))
    return "\n".join([*(f"{name:<{width}}  {value}" for name, value in rows.items()), *tally.problems])


if __name__ == "__main__":
    sys.exit(main())
