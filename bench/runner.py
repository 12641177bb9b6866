"""A comparison from plan to result: start the servers, check that they answer alike, find a rate, time rounds."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

import servelab
import shared_models
from bench import figures, floor, machine, results
from bench.answers import Questions
from bench.errors import BenchError
from bench.figures import Figures
from bench.job import LEAD_SECONDS, Job, Outturn
from bench.launch import launch
from bench.progress import Progress
from bench.resources import Placement, memory, placement, running_on
from bench.results import Plan, Result
from bench.schedule import Schedule, poisson
from bench.summary import Round, summarise
from servelab import conformance, environment, protocols, strategy as strategies
from servelab.errors import ConformanceError, RequestFailed
from servelab.strategy import Strategy

WARM_UP_SECONDS: Final = 3.0  # thousands of requests; a fixed time is a first form (Barrett et al., OOPSLA 2017)
PILOT_SECONDS: Final = 2.0
PILOT_CONNECTIONS: Final = 16  # keeps a server of a few threads saturated without drowning it
LOAD_SHARE: Final = 0.4  # of the slowest capacity: queues stay short, as they are in healthy operation
MOST_REQUESTS: Final = 10_000_000  # in one turn; their stamps are kept in memory
COMPARED: Final = 16  # answers of each timed window that are decoded and compared


@dataclass(frozen=True, slots=True)
class Arm:
    """A running contestant with its requests."""

    name: str
    server: servelab.Server
    questions: Questions
    requests: Sequence[bytes]
    placement: Placement

    def drive(self, job: Job, schedule: Schedule | None = None) -> tuple[Outturn, bool]:
        """One window; also tells whether the server's processes changed meanwhile."""
        pids = tuple(sorted(self.server.pids))
        outturn = launch(replace(job, pids=pids, cpu=self.placement.engine), self.requests, schedule)
        return outturn, pids != tuple(sorted(self.server.pids))

    def job(self, seconds: float, connections: int, keep: tuple[int, ...] = ()) -> Job:
        return Job(self.server.host, self.server.port, seconds, connections=connections, keep=keep)


def run(plan: Plan, progress: Progress, root: Path = results.ROOT) -> Result:
    """Carry the plan out. Raises BenchError, ServelabError and ModelError; leaves no process behind in any case."""
    model = shared_models.load(plan.model, plan.version)
    questions = Questions.of(model, plan.batch)
    results.require_writable(root)
    contestants = [strategies.load(arm) for arm in plan.arms]
    _require_different_names([strategy.name for strategy in contestants])
    if plan.rate:
        _require_reasonable(plan.rate, plan.seconds)
    progress.start(len(contestants) * (4 + plan.pairs))
    with _running(plan, questions, contestants, progress) as arms:
        for arm in arms:
            _check(arm, progress)
        capacity = {arm.name: _pilot(arm, progress) for arm in arms}
        rate = plan.rate or _rate(capacity)
        _require_reasonable(rate, plan.seconds)
        folder = results.new_folder(root, model.name)
        rounds = [_round(plan, model, arms, number, rate, folder, progress) for number in range(1, plan.pairs + 1)]
    result = Result(
        plan=plan,
        version=model.version,
        rate=rate,
        capacity=capacity,
        environment=machine.describe(model, contestants),
        rounds=rounds,
        summary=summarise(rounds, capacity),
        folder=folder,
    )
    results.save(result)
    return result


@contextmanager
def _running(
    plan: Plan, questions: Questions, contestants: Sequence[Strategy], progress: Progress
) -> Iterator[list[Arm]]:
    """All servers, up and predicting, on their CPUs; stopped on the way out."""
    progress.phase(f"environments of {', '.join(plan.arms)}")
    with ThreadPoolExecutor() as pool:  # before any pinning: an installer may use every CPU
        list(pool.map(lambda strategy: environment.of(strategy).ensure(), contestants))
    place = placement(plan.workers)
    with ExitStack() as stack:
        arms = []
        for strategy in contestants:
            progress.phase(f"start {strategy.name}")
            with running_on(place.servers):
                server = servelab.serve(strategy, plan.model, plan.version, workers=plan.workers)
            stack.enter_context(server)
            arms.append(Arm(strategy.name, server, questions, _encode(server, questions), place))
            progress.advance()
        yield arms


def _encode(server: servelab.Server, questions: Questions) -> list[bytes]:
    """The bytes that the typed client would send for each batch."""
    protocol = protocols.get(server.strategy.protocol)
    host = f"{server.host}:{server.port}"
    return [protocol.encode(batch, server.model).to_bytes(host) for batch in questions.inputs]


def _check(arm: Arm, progress: Progress) -> None:
    progress.phase(f"check the answers of {arm.name}")
    try:
        conformance.parity(arm.server)
    except ConformanceError as error:
        raise BenchError(f"refused to time {arm.name}: {error}") from None
    except RequestFailed as error:
        raise BenchError(f"{arm.name} does not answer: {error}\nRead its log, {arm.server.log}") from None
    progress.advance()


def _pilot(arm: Arm, progress: Progress) -> float:
    """Warm the server up, then saturate it for a moment: answers/s."""
    progress.phase(f"warm up {arm.name}")
    arm.drive(arm.job(WARM_UP_SECONDS, PILOT_CONNECTIONS))
    progress.advance()
    progress.phase(f"pilot of {arm.name}")
    outturn, _ = arm.drive(arm.job(PILOT_SECONDS, PILOT_CONNECTIONS))
    progress.advance()
    capacity = figures.capacity(outturn.records)
    if not capacity:
        raise BenchError(
            f"{arm.name} answered nothing in its pilot ({outturn.records.errors()}); read {arm.server.log}"
        )
    return capacity


def _require_different_names(names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise BenchError(
            f"arms need different names; found {', '.join(names)}. Name each once; of two folders of one name, "
            "rename one, and the name in its strategy.toml"
        )


def _require_reasonable(rate: float, seconds: float) -> None:
    if not 1 <= rate * seconds <= MOST_REQUESTS:
        raise BenchError(
            f"{rate:g}/s for {seconds:g} s is {rate * seconds:g} requests a turn; "
            f"expected 1 to {MOST_REQUESTS:,}: change --rate or --seconds"
        )


def _rate(capacity: dict[str, float]) -> float:
    return float(f"{LOAD_SHARE * min(capacity.values()):.4g}")  # more digits would pretend


def _round(
    plan: Plan,
    model: shared_models.Model,
    arms: Sequence[Arm],
    number: int,
    rate: float,
    folder: Path,
    progress: Progress,
) -> Round:
    """Every arm once under one schedule; the order turns around from round to round (AB, BA)."""
    seed = plan.seed * 10_000 + number
    order = arms if number % 2 else arms[::-1]
    found = {}
    for arm in order:
        progress.phase(f"round {number} of {plan.pairs}: {arm.name} at {rate:g}/s")
        found[arm.name] = _turn(plan, arm, number, poisson(rate, LEAD_SECONDS + plan.seconds, seed), seed, folder)
        progress.advance()
    in_process, cpu_us = floor.measure(model, order[0].questions.inputs)
    return Round(number, seed, tuple(found), found, in_process, cpu_us)


def _turn(plan: Plan, arm: Arm, number: int, schedule: Schedule, seed: int, folder: Path) -> Figures:
    keep = np.random.default_rng(seed).choice(len(schedule), min(COMPARED, len(schedule)), replace=False)
    job = arm.job(plan.seconds, plan.connections, tuple(keep.tolist()))
    outturn, changed = arm.drive(job, schedule)
    results.save_round(folder, number, arm.name, outturn.records)
    used = memory(arm.server.pids)
    wrong = arm.questions.wrong(outturn.answers, protocols.get(arm.server.strategy.protocol))
    return figures.of_round(
        outturn.records, batch=plan.batch, memory=(used.size, used.kind), processes_changed=changed, wrong=wrong
    )
