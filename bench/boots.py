"""One start of every arm: started, checked, warmed up, looked at. What follows on it is timed."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

import servelab
import shared_models
from bench import audit, budget, figures, stationarity
from bench.answers import Answer, Questions
from bench.audit import Batch
from bench.errors import BenchError
from bench.load.ceiling import ceiling
from bench.load.job import Job, Outturn
from bench.load.launch import launch
from bench.load.records import Records
from bench.load.schedule import Schedule
from bench.progress import Progress
from bench.resources import Placement, cpu_ns, running_on
from bench.results import Boot, Pilot, Plan
from servelab import conformance, environment, protocols
from servelab.errors import ConformanceError, RequestFailed
from servelab.strategy import Strategy

SATURATING: Final = 16  # connections that keep a server of a few threads busy without drowning it
WARM_UP_SECONDS: Final = 3.0  # at least; Barrett et al. (OOPSLA 2017): a fixed time alone proves nothing
WARM_UP_REQUESTS: Final = 200  # at least
WARM_UPS: Final = 3  # windows at most, for servers of a few requests per second
STEADY_SECONDS: Final = 2.0  # the end of a warm-up, which gives the capacity
CEILING_SECONDS: Final = 1.0
AUDIT_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Arm:
    """A running contestant with its requests."""

    name: str
    server: servelab.Server
    questions: Questions
    requests: Sequence[bytes]
    placement: Placement

    def drive(self, job: Job, schedule: Schedule | None = None, requests: Sequence[bytes] = ()) -> tuple[Outturn, bool]:
        """One window; also tells whether the server's processes changed meanwhile."""
        pids = tuple(sorted(self.server.pids))
        outturn = launch(replace(job, pids=pids, cpu=self.placement.engine), requests or self.requests, schedule)
        return outturn, pids != tuple(sorted(self.server.pids))

    def job(self, seconds: float, connections: int, keep: tuple[int, ...] = ()) -> Job:
        return Job(self.server.host, self.server.port, seconds, connections=connections, keep=keep)

    @property
    def log_size(self) -> int:
        """Bytes that the server has written to its log."""
        return self.server.log.stat().st_size if self.server.log else 0


def install(contestants: Sequence[Strategy]) -> None:
    """Build the environments that are missing; an installer may use every CPU, so this comes before any pinning."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda strategy: environment.of(strategy).ensure(), contestants))


@contextmanager
def booted(
    plan: Plan, questions: Questions, contestants: Sequence[Strategy], place: Placement, progress: Progress
) -> Iterator[list[Arm]]:
    """All servers, up and predicting, on their CPUs; stopped on the way out.

    The version is always named: a server with a default of its own (an alias in a registry) might serve another.
    """
    version = shared_models.load(plan.model, plan.version).version
    with ExitStack() as stack:
        arms = []
        for strategy in contestants:
            progress.phase(f"start {strategy.name}")
            with running_on(place.servers):
                server = servelab.serve(strategy, plan.model, version, workers=plan.workers)
            stack.enter_context(server)
            asked = Questions.of(server.model, plan.batch, strategy) if strategy.versions else questions
            arms.append(Arm(strategy.name, server, asked, encode(server, questions.inputs), place))
        yield arms


def encode(server: servelab.Server, batches: Sequence[Batch]) -> list[bytes]:
    """The bytes that the typed client would send for each batch."""
    protocol = protocols.get(server.strategy.protocol)
    host = f"{server.host}:{server.port}"
    return [protocol.encode(batch, server.model).to_bytes(host) for batch in batches]


def prepare(arm: Arm, number: int, progress: Progress) -> Boot:
    """Check that the answers are right, warm the server up, and see what it runs on."""
    progress.phase(f"check the answers of {arm.name}")
    _check(arm)
    progress.phase(f"warm up {arm.name}")
    before, log = cpu_ns(arm.server.pids), arm.log_size
    records = [_saturate(arm)]
    while sum(len(each.outcome) for each in records) < WARM_UP_REQUESTS and len(records) < WARM_UPS:
        records.append(_saturate(arm))
    warm_up = stationarity.warm_up(records[-1].times("service", 0))
    if not warm_up.stationary:
        records.append(_saturate(arm))
        warm_up = stationarity.warm_up(records[-1].times("service", 0))
    capacity = figures.capacity(records[-1])
    if not capacity:
        raise BenchError(f"{arm.name} answered nothing in its warm-up ({records[-1].errors()}); read {arm.server.log}")
    requests = sum(len(each.outcome) for each in records)
    kept = sum(each.counters.opened for each in records) < requests / 2
    used = budget.read(before, cpu_ns(arm.server.pids), arm.log_size - log, requests, connection_kept=kept)
    ready, first = arm.server.ready_seconds, arm.server.first_seconds * 1e3
    return Boot(arm.name, number, ready, first, capacity, warm_up, used)


def _check(arm: Arm) -> None:
    try:
        conformance.parity(arm.server)
    except ConformanceError as error:
        raise BenchError(f"refused to time {arm.name}: {error}") from None
    except RequestFailed as error:
        raise BenchError(f"{arm.name} does not answer: {error}\nRead its log, {arm.server.log}") from None


def _saturate(arm: Arm) -> Records:
    """A closed loop; its first part is driven and recorded but not counted."""
    job = replace(arm.job(STEADY_SECONDS, SATURATING), lead=WARM_UP_SECONDS - STEADY_SECONDS)
    return arm.drive(job)[0].records


def pilot(arm: Arm, plan: Plan, progress: Progress) -> Pilot:
    """How near the generator comes to its own limit with these bodies, and whether the server remembers answers."""
    progress.phase(f"ceiling of the generator with the requests of {arm.name}")
    outturn, _ = arm.drive(replace(arm.job(0.2, 1, keep=(0,)), lead=0.0))
    if 0 not in outturn.answers:
        raise BenchError(f"{arm.name} gave no whole answer ({outturn.records.errors()}); read {arm.server.log}")
    answer = bytes(Answer.parse(outturn.answers[0]).body)
    most = ceiling(arm.requests[0], answer, plan.concurrency or SATURATING, CEILING_SECONDS, arm.placement)
    progress.phase(f"does {arm.name} remember answers?")

    def drive(batches: Sequence[Batch]) -> Records:
        job = replace(arm.job(AUDIT_SECONDS, SATURATING), lead=0.1)
        return arm.drive(job, requests=encode(arm.server, batches))[0].records

    return Pilot(arm.name, most, audit.cached(arm.questions.inputs, drive, seed=plan.seed))
