"""What stands around a recommendation: the way there, what is missing here, and what the numbers cannot say. Pure."""

import math
from collections.abc import Iterable, Sequence

from servelab.choose import rules
from servelab.choose.figures import MODELS, Measured
from servelab.choose.questions import NEEDS, Answers
from servelab.choose.rules import Case
from servelab.choose.words import number
from servelab.strategy import Strategy

FEW_PEOPLE = 3
STEPS = {
    "web framework": "An own server",
    "serving library": "A serving library, for what you would otherwise build by hand",
}
NO_BATCH = (
    "There is no batch strategy here yet. Until there is: a program that calls the model as a function "
    "(shared_models.load) and writes the answers to a table, started by cron or another scheduler; "
    "strategies/bentoml/batch.py does it for lines of JSON"
)
NO_CLOUD = (
    "There is no cloud strategy here yet, so no figures for one. Until there is: put the prototype's container image "
    "(make image-NAME) on a service that runs containers, and measure it with: bench probe URL"
)


def library_first(answers: Answers) -> bool:
    """The exception to "an own server first": little time, and nobody who has run one."""
    return answers.know == "python" and answers.time == "days"


def path(answers: Answers, left: Sequence[Case]) -> Iterable[str]:
    """What to do, in this order."""
    if answers.when == "batch":
        yield "Batch first: run the model as a function on a timetable; it is the simplest, and latency does not matter"
        if "pipeline" in answers.need:
            yield "Make that run the last step of a pipeline: pipelines/README.md"
        yield "Put the answers into a database, and let the application look them up"
        yield "Make it an API step by step, once somebody has to wait for an answer to something new (the cold start)"
        return
    few = answers.people <= FEW_PEOPLE or answers.time == "days"
    if answers.cloud == "yes":
        yield "A prototype on a cloud service: there is less to build" + (
            ", which counts for few people or little time" if few else ""
        )
    else:
        yield "A prototype on your own machine, as no cloud service may be paid for"
    order = reversed(STEPS) if library_first(answers) else STEPS
    for family in order:
        if names := [case.strategy.name for case in left if case.strategy.family == family]:
            yield f"{STEPS[family]}: {', '.join(names)}"
    if more := [c.strategy.name for c in left if c.strategy.family not in STEPS]:
        beyond = " beyond that" if len(more) < len(left) else ""
        yield f"For what you need{beyond}: {', '.join(more)}"
    if left and answers.cluster == "there":
        yield "On your cluster: the image of an own server or a library, or the graph by Seldon Core (k8s/README.md)"


def missing(answers: Answers, strategies: Sequence[Strategy], run: Measured | None) -> Iterable[str]:
    """What there is no strategy for yet, and what to do meanwhile."""
    families = {strategy.family for strategy in strategies}
    if answers.when == "batch" and "batch" not in families:
        yield NO_BATCH + _floor(answers, run)
    if answers.cloud == "yes" and "cloud contract" not in families:
        yield NO_CLOUD
    for need in rules.nobody_has(strategies, answers):
        yield (
            f"No strategy here has {need} for {answers.model} models ({NEEDS[need]}). Until one has: leave {need} out "
            "of the needs, and see what would be right without it"
        )


def _floor(answers: Answers, run: Measured | None) -> str:
    """What the plain call in process costs, which is what a batch job pays for the model."""
    if run is None:
        return ""
    cost = number(run.floor_cpu_us)
    words = f". The plain call costs {cost} µs of processor time, so a million take {cost} s of a core"
    if answers.price is None:
        return words
    return f"{words}, and {rules.per_million(run.floor_cpu_us, answers.price):.3g} of your money"


def limits(answers: Answers, left: Sequence[Case], run: Measured | None) -> Iterable[str]:
    """What the numbers cannot say, for these answers."""
    if run is None:
        yield "Nothing was measured: the order is by kind alone"
        return
    if run.model != MODELS[answers.model]:
        yield f"Nothing was measured with {MODELS[answers.model]}: these are figures of {run.model}"
    machine = run.machine
    yield (
        f"They are of one machine ({machine.cpu}, {machine.cores} cores): believe ratios before milliseconds, and "
        "measure on yours: bench run, then bench report results --json > my-figures.json, then servelab choose "
        "--figures my-figures.json"
    )
    if run.screening or not run.complete:
        yield "The run has too few boots, or is not complete: its figures are hints"
    if answers.when == "batch":
        yield "The model is small: time a call of yours, with as many rows as a run has"
        return
    yield from _of_servers(answers, left, run)


def _of_servers(answers: Answers, left: Sequence[Case], run: Measured) -> Iterable[str]:
    """What figures of servers cannot say."""
    yield (
        f"The model is small: {run.floor_cpu_us:.3g} µs of the CPU time is its own. Yours adds its time to each, and "
        "makes the differences smaller"
    )
    yield "Client and server shared the machine: a network between them adds its own time"
    if answers.need:
        yield "A need is held against each strategy as it is here: to an own server you can add what it lacks"
    if beyond := [case for case in left if case.scaled and case.scaled.beyond]:
        names = [case.strategy.name for case in beyond]
        most = max(case.scaled.each_per_s for case in beyond if case.scaled)
        yield (
            f"Response times were measured at {number(run.rate)}/s. At your rate a copy of {', '.join(names)} gets "
            "more, where they are not known (and the busier a server, the less CPU time a prediction costs). Measure "
            f"it: bench run {' '.join(names)} --model {run.model} --rate {math.ceil(most)}"
        )
    if len({case.measured.processes for case in left if case.measured}) > 1:
        yield "The strategies worked with unequal numbers of processes: compare their CPU time before anything else"
    if any(case.scaled and case.scaled.copies > 1 for case in left):
        yield "Copies were not measured beside each other: it is assumed that each has cores and an even share"
    if unmeasured := [case.strategy.name for case in left if case.measured is None]:
        yield f"There are no figures of {', '.join(unmeasured)}"
