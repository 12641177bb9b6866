"""Who is ruled out, by which answer. Pure.

Every rule looks at one answer and at one strategy. A stricter answer only ever rules out more: that is a test.
What time, people and know-how ask for are rules of thumb, and their words say so; the rest is from a strategy's
contract (strategy.toml) or from the figures.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from servelab.choose.figures import MODELS, Arm, Measured
from servelab.choose.questions import NEEDS, Answers
from servelab.choose.words import number
from servelab.strategy import Strategy

HOURS_PER_MONTH = 730  # 365 days x 24 h / 12
BUSY = 0.4  # of its capacity is what a copy is given: the share at which the slowest arm of a run is timed
HOUR_US = 3600e6
CLUSTER = 2  # the tier of strategies that need one
PEOPLE_FOR_A_CLUSTER = 2
UNMEASURED = "it was not measured with this model"
KNOW = ("python", "web", "platform")
TIME = ("days", "weeks", "months")


@dataclass(frozen=True, slots=True)
class Case:
    """One strategy under the answers, with the figures that there are for it."""

    strategy: Strategy
    answers: Answers
    run: Measured | None
    arm: Arm | None

    @property
    def measured(self) -> Arm | None:
        """Its figures, unless they are void."""
        return None if self.arm is None or self.arm.void else self.arm

    @property
    def response(self) -> float | None:
        """ms, at the percentile that was asked for."""
        return getattr(self.measured, f"{self.answers.percentile}_ms") if self.measured else None

    @property
    def scaled(self) -> "Scaled | None":
        """What the rate that was asked for would take."""
        if self.run is None or self.measured is None:
            return None
        return scale(self.measured, self.run.rate, self.answers)


@dataclass(frozen=True, slots=True)
class Scaled:
    """A strategy at another rate than the measured one: so many copies of what was measured, side by side."""

    copies: int  # each busy to 40 % of its capacity at most
    cores: int  # of all copies
    each_per_s: float  # requests/s that a copy gets
    beyond: bool  # more than it got when its response times were measured: those are not known here
    per_million: float | None  # of the user's money: CPU time of a million predictions
    per_month: float | None  # of all cores, kept all month


def scale(arm: Arm, measured_rate: float, answers: Answers) -> Scaled | None:
    """None where the capacity or the CPU time is not known."""
    if arm.capacity_per_s is None or arm.cpu_us is None:
        return None
    copies = max(1, math.ceil(answers.rate / (BUSY * arm.capacity_per_s)))
    cores, each = copies * arm.cores, answers.rate / copies
    price = answers.price
    return Scaled(
        copies=copies,
        cores=cores,
        each_per_s=each,
        beyond=each > measured_rate,
        per_million=None if price is None else per_million(arm.cpu_us, price),
        per_month=None if price is None else cores * HOURS_PER_MONTH * price,
    )


def per_million(cpu_us: float, price: float) -> float:
    """What the CPU time of a million predictions costs, at a price of a core-hour."""
    return 1e6 * price * cpu_us / HOUR_US


Rule = Callable[[Case], str]
"""Why the answer rules the strategy out; "" when it does not."""


def _when(case: Case) -> str:
    batch = case.strategy.family == "batch"
    if case.answers.when == "batch" and not batch:
        return "nobody waits for an answer, so its server would stand idle between two runs"
    if case.answers.when == "online" and batch:
        return "it answers by a timetable, and somebody waits"
    return ""


def _model(case: Case) -> str:
    served, wanted = case.strategy.models, MODELS[case.answers.model]
    return "" if wanted in served else f"it serves {', '.join(served)}, and no {case.answers.model} model"


def _need(case: Case) -> str:
    lacking = [need for need in case.answers.need if not has(case.strategy, need, case.answers.model)]
    return f"it has no {' and no '.join(lacking)}" if lacking else ""


def has(strategy: Strategy, need: str, kind: str) -> bool:
    """Whether its contract says that it has what is needed, for this kind of model."""
    match need:
        case "upload":
            return bool(strategy.routes("image", MODELS[kind]))
        case "ab":
            return len(strategy.versions) > 1
        case "pipeline":
            return strategy.family == "pipeline"
        case _:
            return need in strategy.capabilities


def _latency(case: Case) -> str:
    bound, name = case.answers.latency, case.answers.percentile
    if bound is None or case.answers.when == "batch":
        return ""
    if case.run is None or case.measured is None:
        return f"{unknown(case)}, so nothing shows that it keeps a {case.answers.bound}"
    if case.response is None:
        return f"its {name} is not known: there were too few requests"
    if case.response > bound:
        # All the digits that are kept: a bound that was just missed must not look kept.
        return f"its {name} was {case.response:.4g} ms at {number(case.run.rate)}/s, and {bound:.12g} ms are allowed"
    return ""


def _budget(case: Case) -> str:
    bound = case.answers.budget
    if bound is None or case.answers.when == "batch":
        return ""
    if case.scaled is None or case.scaled.per_month is None:
        return f"{unknown(case)}, so nothing shows what it costs"
    if case.scaled.per_month > bound:
        return f"{cost(case.scaled, case.answers)}, and {bound:,.12g} are allowed"
    return ""


def unknown(case: Case) -> str:
    """Why its figures are not known, or not those that a bill is made of."""
    if case.arm is None:
        return UNMEASURED
    if case.arm.void:
        return f"its row is void ({', '.join(case.arm.findings)})"
    return "its capacity or its CPU time is not known"


def cost(scaled: Scaled, answers: Answers) -> str:
    """A month's bill, with its sum; "" without a price."""
    if answers.price is None or scaled.per_month is None:
        return ""
    cores = f"{scaled.cores:,} core{'s' * (scaled.cores > 1)}"
    return f"{cores} x {HOURS_PER_MONTH} h x {answers.price:g} = {scaled.per_month:,.12g} a month"


def _time(case: Case) -> str:
    least = 2 if on_a_cluster(case) else 1 if of_parts(case) else 0
    if TIME.index(case.answers.time) >= least:
        return ""
    what = "what runs on a cluster" if least == 2 else "a graph or a pipeline"
    return f"rule of thumb: {what} takes {TIME[least]}, not {case.answers.time}"


def _people(case: Case) -> str:
    if not on_a_cluster(case) or case.answers.people >= PEOPLE_FOR_A_CLUSTER:
        return ""
    return f"rule of thumb: a cluster wants {PEOPLE_FOR_A_CLUSTER} people at least, so that one may be away"


def _know(case: Case) -> str:
    least = 2 if on_a_cluster(case) else 1 if of_parts(case) else 0
    if KNOW.index(case.answers.know) >= least:
        return ""
    if least == 2:
        return "rule of thumb: it wants somebody who runs a cluster"
    return "rule of thumb: parts of a graph or a pipeline talk HTTP, which wants somebody who has run a web server"


def _cluster(case: Case) -> str:
    return "it needs a cluster, and there is none" if on_a_cluster(case) and case.answers.cluster == "none" else ""


def on_a_cluster(case: Case) -> bool:
    """Whether it runs on Kubernetes alone."""
    return case.strategy.tier >= CLUSTER


def of_parts(case: Case) -> bool:
    """Whether it is a program, or several, made to fit with others."""
    return case.strategy.family in ("graph", "pipeline")


def stands_in(case: Case) -> bool:
    """Whether this repository's graph runner runs it, in the place of Seldon Core on a cluster."""
    return case.strategy.command[1:3] == ("graph", "run")


RULES: Mapping[str, Rule] = {
    "when": _when, "model": _model, "need": _need, "latency": _latency, "budget": _budget,
    "cluster": _cluster, "time": _time, "people": _people, "know": _know,
}  # fmt: skip
"""By the name of the answer that rules out."""

LOOSEST: Mapping[str, Any] = {
    "need": (), "latency": None, "budget": None, "cluster": "there", "time": TIME[-1],
    "people": PEOPLE_FOR_A_CLUSTER, "know": KNOW[-1],
}  # fmt: skip
"""The answer that rules nobody out. None for `when` and `model`: a case is not changed for a tool's sake."""


def ruled_out(case: Case) -> dict[str, str]:
    """The answers that rule the strategy out, each with its reason; nothing when it remains."""
    return {answer: why for answer, rule in RULES.items() if (why := rule(case))}


def nobody_has(strategies: Sequence[Strategy], answers: Answers) -> list[str]:
    """What is needed and no strategy has, for this kind of model."""
    return [need for need in NEEDS if need in answers.need
            and not any(has(strategy, need, answers.model) for strategy in strategies)]  # fmt: skip
