"""A comparison from plan to result: boots of all arms, and rounds in which every arm has its turn."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

import shared_models
from bench import boots, budget, compare, figures, floor, gates, machine, results
from bench.answers import Questions
from bench.boots import Arm
from bench.bottleneck import FOREIGN
from bench.errors import BenchError
from bench.figures import Figures
from bench.journal import Journal, fields_of
from bench.load.job import LEAD_SECONDS, Outturn
from bench.load.schedule import Arrivals, Schedule
from bench.progress import Progress
from bench.resources import memory, placement
from bench.results import ATTEMPTS, Plan, Round, Run
from servelab import protocols, strategy as strategies
from servelab.strategy import Strategy

LOAD_SHARE: Final = 0.4  # of the slowest capacity: queues stay short, as they are in healthy operation
MOST_REQUESTS: Final = 10_000_000  # in one turn
SAME: Final = ("key", "locks", "sources", "libraries")  # of the environment of a run that is resumed
MOST_BODY: Final = 16 << 20  # bytes: what a strategy promises to take
COMPARED: Final = 16  # answers of each timed window that are decoded and compared


def run(plan: Plan, progress: Progress, root: Path = results.ROOT) -> Run:
    """Carry the plan out. Raises BenchError, ServelabError and ModelError; leaves no process behind in any case."""
    model, contestants = _materials(plan)
    _require_body(model, plan.batch)
    if rate := plan.rate or arrivals(plan).own_rate:
        _require_reasonable(rate, plan.seconds)
    results.require_writable(root)
    progress.phase(f"environments of {', '.join(plan.arms)}")
    boots.install(contestants)
    _warn_of_neighbours(plan, progress)
    environment = machine.describe(model, contestants, plan)
    folder = results.create(root, plan, model.name, model.version, environment)
    try:
        return _carry_out(Run.load(folder), progress)
    except BaseException:
        if not Run.load(folder).rounds:  # nothing was measured: nothing is lost
            shutil.rmtree(folder)
        raise


def resume(folder: Path, progress: Progress) -> Run:
    """Make the rounds that a run lacks. Raises BenchError where they could not be compared with those it has."""
    found = Run.load(folder)
    if not found.missing():
        return found
    model, contestants = _materials(found.plan)
    here = machine.describe(model, contestants, found.plan)
    before, now = ({name: each.get(name) for name in SAME} for each in (found.environment, here))
    if changes := compare.unlike(before, now):
        raise BenchError(
            f"{folder} was begun under other conditions: {'; '.join(changes)}. "
            "Rounds of both cannot be mixed: start a new run with bench run"
        )
    boots.install(contestants)
    with results.writer(folder) as lines:
        lines.append("resume", time=datetime.now(UTC).isoformat(timespec="seconds"), revision=here["revision"])
    return _carry_out(found, progress)


def _warn_of_neighbours(plan: Plan, progress: Progress) -> None:
    """Before minutes are spent on rounds that will not count."""
    share, programs = machine.busy()
    if share > FOREIGN:
        drop = "Rounds that they disturb do not count, unless --keep-noisy"
        keep = "This run counts rounds that they disturb: trust CPU per prediction alone"
        progress.note(
            f"warning: other programs use {share:.0%} of the machine's CPU time now: {', '.join(programs)}. "
            + (keep if plan.keep_noisy else drop)
        )


def arrivals(plan: Plan) -> Arrivals:
    """How requests of this plan arrive. Raises BenchError."""
    try:
        found = Arrivals.parse(plan.arrivals)
        _ = found.own_rate  # a trace that cannot be read is told before anything is started
    except ValueError as error:
        raise BenchError(str(error)) from None
    return found


def _materials(plan: Plan) -> tuple[shared_models.Model, list[Strategy]]:
    model = shared_models.load(plan.model, plan.version)
    contestants = [strategies.load(arm) for arm in plan.arms]
    names = [strategy.name for strategy in contestants]
    if len(set(names)) < len(names):
        raise BenchError(
            f"arms need different names; found {', '.join(names)}. Name each once; of two folders of one name, "
            "rename one, and the name in its strategy.toml"
        )
    return model, contestants


def _carry_out(begun: Run, progress: Progress) -> Run:
    """Make all missing rounds of a run, new or resumed; whatever ends it early, say what it leaves."""
    try:
        _make_missing(begun, progress)
    except BaseException:
        if kept := len(Run.load(begun.folder).rounds):
            progress.note(f"kept {kept} rounds; go on with: bench resume {begun.folder}")
        raise
    return Run.load(begun.folder)


def _make_missing(begun: Run, progress: Progress) -> None:
    plan = begun.plan
    model, contestants = _materials(plan)
    missing = begun.missing()
    progress.start(sum(len(contestants) * (2 + len(numbers)) for numbers in missing))
    with results.writer(begun.folder) as lines:
        for boot, numbers in enumerate(missing, begun.started + 1):
            order = _shuffled(contestants, plan.seed, boot)
            questions, place = Questions.of(model, plan.batch), placement(plan.workers)
            with boots.booted(plan, questions, order, place, progress) as arms:
                _prepare(Run.load(begun.folder), arms, boot, lines, progress)
                _Session(Run.load(begun.folder), model, arms, boot, lines, progress).make(numbers)


def _shuffled(items: Sequence[Strategy], seed: int, boot: int) -> list[Strategy]:
    """The order in which arms are started: a server keeps the pages and the luck of its start."""
    order = np.random.default_rng((seed, boot)).permutation(len(items))
    return [items[index] for index in order]


def _prepare(known: Run, arms: Sequence[Arm], number: int, lines: Journal, progress: Progress) -> None:
    """Warm every arm up and note what was found, at the first boot also the rate of all rounds."""
    capacity = {}
    for arm in arms:
        boot = boots.prepare(arm, number, progress)
        capacity[arm.name] = boot.capacity
        lines.append("boot", **fields_of(boot))
        if arm.name not in known.pilots:
            lines.append("pilot", **fields_of(boots.pilot(arm, known.plan, progress)))
        progress.advance(2)
    if known.rate is None:
        share = float(f"{LOAD_SHARE * min(capacity.values()):.4g}")  # more digits would pretend
        rate = known.plan.rate or arrivals(known.plan).own_rate or share
        if not known.plan.concurrency:
            _require_reasonable(rate, known.plan.seconds)
        lines.append("rate", rate=rate)


def _require_body(model: shared_models.Model, batch: int) -> None:
    row = len(protocols.get("v1").encode(model.golden().inputs[:1], model).body)
    if row * batch > MOST_BODY:
        raise BenchError(
            f"expected a batch whose body stays within 16 MiB, about {MOST_BODY // row:,} rows of {model.name}; "
            f"found --batch {batch}"
        )


def _require_reasonable(rate: float, seconds: float) -> None:
    if not 1 <= rate * seconds <= MOST_REQUESTS:
        raise BenchError(
            f"{rate:g}/s for {seconds:g} s is {rate * seconds:g} requests a turn; "
            f"expected 1 to {MOST_REQUESTS:,}: change --rate or --seconds"
        )


@dataclass(frozen=True, slots=True)
class _Session:
    """The rounds of one boot; `run` is what was known when it began."""

    run: Run
    model: shared_models.Model
    arms: Sequence[Arm]
    boot: int
    lines: Journal
    progress: Progress

    def make(self, numbers: Sequence[int]) -> None:
        """Make each of these rounds; then, once more, those that a neighbour disturbed."""
        attempts = Counter(each.number for each in self.run.rounds)
        disturbed = [number for number in numbers if not self._round(number, attempts[number] + 1)]
        for number in disturbed:
            if attempts[number] + 1 < ATTEMPTS:
                self._round(number, attempts[number] + 2)

    def _round(self, number: int, attempt: int) -> bool:
        """Every arm once under one schedule; whether the round counts."""
        plan, seed = self.run.plan, self.run.plan.seed * 10_000 + number
        schedule = self._schedule(number, seed)
        found = {}
        for arm in self._order(number):
            load = f"{plan.concurrency} clients" if schedule is None else f"{self.run.rate:g}/s"
            self.progress.phase(f"round {number} of {plan.slots}: {arm.name} at {load}")
            found[arm.name] = self._turn(arm, number, attempt, schedule, seed)
            self.progress.advance()
        noise = gates.noisy(list(found.values()))
        in_process, cpu_us = floor.measure(self.model, self.arms[0].questions.inputs)
        made = Round(number, attempt, self.boot, seed, tuple(found), found, in_process, cpu_us, noise)
        self.lines.append("round", **fields_of(made))
        if noise and not plan.keep_noisy:
            self.progress.note(f"round {number} does not count: {noise}")
        return plan.keep_noisy or not noise

    def _order(self, number: int) -> list[Arm]:
        """Random for every pair of rounds, and reversed within the pair: AB, BA."""
        arms = sorted(self.arms, key=lambda arm: arm.name)
        order = np.random.default_rng((self.run.plan.seed, (number - 1) // 2)).permutation(len(arms))
        return [arms[index] for index in (order if number % 2 else order[::-1])]

    def _schedule(self, number: int, seed: int) -> Schedule | None:
        plan = self.run.plan
        if plan.concurrency:
            return None
        schedule: Schedule = arrivals(plan).schedule(self.run.rate or 0.0, LEAD_SECONDS + plan.seconds, seed)
        file = self.run.folder / "schedules" / f"{number:02d}.npy"
        file.parent.mkdir(exist_ok=True)
        np.save(file, schedule)
        return schedule

    def _compared(self, arm: Arm, schedule: Schedule | None, seed: int) -> tuple[int, ...]:
        """Which requests of the counted window have their answers compared: a seeded sample."""
        if schedule is None:  # as many as a slow turn of this arm will surely have
            capacity = self.run.capacity(arm.name)
            counted = np.arange(1.5 * capacity * LEAD_SECONDS, capacity * (LEAD_SECONDS + self.run.plan.seconds) / 2)
        else:
            counted = np.flatnonzero(schedule >= LEAD_SECONDS)
        random = np.random.default_rng(seed)
        chosen = random.choice(counted, min(COMPARED, len(counted)), replace=False)
        return tuple(chosen.astype(int).tolist())

    def _turn(self, arm: Arm, number: int, attempt: int, schedule: Schedule | None, seed: int) -> Figures:
        plan = self.run.plan
        job = arm.job(plan.seconds, plan.concurrency or plan.connections, self._compared(arm, schedule, seed))
        others = tuple(pid for other in self.arms if other is not arm for pid in other.server.pids)
        outturn, changed = arm.drive(replace(job, bystanders=others), schedule)
        if plan.raw:
            outturn.records.save(results.turn_file(self.run.folder, number, attempt, arm.name))
        return figures.of_round(
            outturn.records,
            batch=plan.batch,
            memory=memory(arm.server.pids),
            processes_changed=changed,
            wrong=_wrong(arm, outturn),
            schedule=schedule,
            ceiling=self.run.pilots[arm.name].ceiling,
            server_cpus=len(arm.placement.servers or ()) or machine.cores(),
            workers=budget.over([boot.budget for boot in self.run.boots if boot.arm == arm.name]).workers,
        )


def _wrong(arm: Arm, outturn: Outturn) -> str:
    """What is wrong with the answers that were to be compared; "" where all are right."""
    if outturn.records.answered() and not outturn.answers:
        return "none of the answers could be compared"
    return arm.questions.wrong(outturn.answers, protocols.get(arm.server.strategy.protocol))
