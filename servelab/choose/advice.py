"""The answer: who remains, in which order and why; who is ruled out; the way there; what the numbers cannot say. Pure.

The order and the way are those of the course's sources: seed 004 (batch first where nobody waits; a prototype on a
cloud service where that may be paid for, then an own server, then a library; schedule, people, budget and performance
decide) and seed 001 (a serving library where models, settings and batches become many).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from servelab.choose import around, rules
from servelab.choose.figures import Figures, Measured
from servelab.choose.questions import NEEDS, Answers
from servelab.choose.rules import Case, Scaled
from servelab.choose.words import number
from servelab.strategy import Strategy

LAST = 9
FAMILIES = {
    "web framework": "an own server first: server programming is what every library is made of, and whoever knows it "
    "is tied to no tool (seed 004)",
    "serving library": "a library brings the parts that every service repeats, and that become laborious by hand when "
    "models, settings and batches are many (seeds 001 and 004)",
    "graph": "several components answer as one: transformers, routers, versions side by side (seed 003)",
    "pipeline": "training, judging and deploying are steps that are run again, not done by hand (seed 003)",
    "batch": "batch first where nobody waits: a function on a timetable is the simplest thing that works (seed 004)",
}
LIBRARY_FIRST = "a library first: without having run a server, an own one is hard in a few days (seed 004)"
MORE_PARTS = "it has more parts than your answers ask for: take it when you need what it is made for"
STAND_IN = (
    "its figures are of this repository's graph runner, a laptop's stand-in: for users, the same file goes to Seldon "
    "Core on a cluster (k8s/README.md), where they are others"
)


@dataclass(frozen=True, slots=True)
class Recommended:
    """A strategy that remains, with its measured figures and why it stands where it stands."""

    case: Case
    shared: tuple[str, ...]  # reasons that hold for others, too
    own: tuple[str, ...]  # what its figures say

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it stands where it stands."""
        return self.shared + self.own

    @property
    def name(self) -> str:
        return self.case.strategy.name

    @property
    def scaled(self) -> Scaled | None:
        return self.case.scaled


@dataclass(frozen=True, slots=True)
class Advice:
    """What the answers lead to."""

    answers: Answers
    run: Measured | None  # whose figures were used
    recommended: tuple[Recommended, ...]  # the first one first
    ruled_out: dict[str, dict[str, str]]  # strategy -> answer -> why
    nearest: dict[str, str]  # where nothing remains: strategy -> the one answer that rules it out
    path: tuple[str, ...]  # what to do, in this order
    missing: tuple[str, ...]  # what there is no strategy for yet, and what to do meanwhile
    limits: tuple[str, ...]  # what the numbers cannot say

    @property
    def names(self) -> tuple[str, ...]:
        """Who is recommended, the first one first."""
        return tuple(each.name for each in self.recommended)


def advise(answers: Answers, strategies: Iterable[Strategy], figures: Figures) -> Advice:
    """Which of the strategies fit. Archived ones are left out."""
    run = figures.of(answers.model)
    known = [each for each in strategies if each.status != "archived"]
    cases = [Case(each, answers, run, run.arm(each.name) if run else None) for each in known]
    out = {case.strategy.name: why for case in cases if (why := rules.ruled_out(case))}
    left = sorted((case for case in cases if case.strategy.name not in out), key=_order)
    recommended = tuple(Recommended(case, tuple(_shared(case, left)), tuple(_own(case, left))) for case in left)
    return Advice(
        answers=answers,
        run=run,
        recommended=recommended,
        ruled_out=out,
        nearest={} if left else dict(_nearest(out)),
        path=tuple(around.path(answers, left)),
        missing=tuple(around.missing(answers, known, run)),
        limits=tuple(around.limits(answers, left, run)),
    )


def _nearest(out: Mapping[str, Mapping[str, str]]) -> Iterable[tuple[str, str]]:
    """Who would remain with one other answer."""
    for name, why in out.items():
        if len(why) == 1 and why.keys() <= rules.LOOSEST.keys():
            yield name, next(iter(why))


def _order(case: Case) -> tuple[bool, int, float, str]:
    """Active ones first, then the fewest moving parts, then the least CPU time per prediction; unmeasured ones last."""
    steps = ["web framework", "serving library", "graph", "pipeline"]
    if around.library_first(case.answers):
        steps[:2] = reversed(steps[:2])
    family = case.strategy.family
    cpu = case.measured.cpu_us if case.measured else None
    return (
        case.strategy.status == "legacy",
        LAST if rules.on_a_cluster(case) or family not in steps else steps.index(family),
        float("inf") if cpu is None else cpu,
        case.strategy.name,
    )


def _shared(case: Case, left: Sequence[Case]) -> Iterable[str]:
    answers = case.answers
    yield _of_its_kind(case, left)
    if rules.stands_in(case):
        yield STAND_IN
    if answers.need:
        yield f"it has {', '.join(answers.need)}: {'; '.join(NEEDS[need] for need in answers.need)}"


def _own(case: Case, left: Sequence[Case]) -> Iterable[str]:
    answers = case.answers
    if case.run is None or case.measured is None:
        yield f"no figures: {rules.unknown(case)}"
        return
    if answers.latency is not None and case.response is not None:
        yield (
            f"its {answers.percentile} was {case.response:.3g} ms at {number(case.run.rate)}/s, "
            f"and {answers.latency:.12g} ms are allowed"
        )
        if case.scaled and case.scaled.beyond:
            yield f"for you a copy gets {number(case.scaled.each_per_s)}/s, where its {answers.percentile} is not known"
    cpu, least = case.measured.cpu_us, min((c for each in left if (c := _cpu(each))), default=None)
    if cpu and least:
        more = "the least" if cpu == least else f"{cpu / least:.2g} times the least"
        yield f"a prediction costs {number(cpu)} µs of processor time, {more} of those that remain"
    if case.scaled and (bill := rules.cost(case.scaled, answers)):
        yield f"{number(answers.rate)}/s take {bill}"


def _of_its_kind(case: Case, left: Sequence[Case]) -> str:
    """Why its kind stands where it stands."""
    strategy, answers = case.strategy, case.answers
    if strategy.family == "serving library" and around.library_first(answers):
        return LIBRARY_FIRST
    if rules.of_parts(case) and not all(map(rules.of_parts, left)):
        return MORE_PARTS
    return FAMILIES.get(strategy.family, strategy.summary)


def _cpu(case: Case) -> float | None:
    return case.measured.cpu_us if case.measured else None
