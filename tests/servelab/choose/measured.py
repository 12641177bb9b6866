"""Figures and answers for tests: by hand, and drawn by hypothesis."""

from dataclasses import replace

from hypothesis import settings, strategies as st

from servelab.choose import Answers, Figures
from servelab.choose.figures import Arm, Machine, Measured
from servelab.choose.questions import NEEDS, PERCENTILES
from servelab.strategy import discover

FEWER = settings(deadline=None, max_examples=50)  # whole advices are slow to draw
STRATEGIES = tuple(discover().values())
NAMES = tuple(each.name for each in STRATEGIES)
ARM = Arm(
    name="flask", void=False, findings=(), budget="1 worker", processes=1, cores=1, errors=0, requests=1000,
    cpu_us=300.0, p50_ms=1.0, p90_ms=2.0, p95_ms=3.0, p99_ms=5.0, capacity_per_s=3000.0, rss_mb=100.0, ready_s=0.5,
)  # fmt: skip
RUN = Measured(
    folder="docs/measured/mnist", model="mnist", version="1", rate=150.0, scenario="Poisson arrivals at 150.0/s",
    workers=1, boots=6, rounds=2, seconds=5.0, screening=False, complete=True, revision="abc",
    machine=Machine("A Processor", 2, 8000, "An OS", "3.11.0"), floor_cpu_us=10.0, floor_p50_ms=0.01, arms=(ARM,),
)  # fmt: skip


def figures(*arms: Arm, **changes: object) -> Figures:
    """A run of mnist with these arms."""
    return Figures(1, (replace(RUN, arms=arms, **changes),))  # type: ignore[arg-type]


SOME = st.floats(1e-3, 1e6)
MAYBE = st.none() | SOME


@st.composite
def arms(draw: st.DrawFn, name: str) -> Arm:
    """An arm with any figures, or void without."""
    void = draw(st.booleans())
    values = {
        each: None if void else draw(MAYBE)
        for each in ("cpu_us", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "capacity_per_s", "rss_mb", "ready_s")
    }
    if not void and draw(st.booleans()):
        values["p99_ms"] = float("inf")
    cores = draw(st.integers(1, 4))
    found = ("WRONG_ANSWER",) if void else ()
    return replace(ARM, name=name, void=void, findings=found, cores=cores, processes=cores, **values)  # type: ignore[arg-type]


@st.composite
def any_figures(draw: st.DrawFn) -> Figures:
    """Runs of some models with some strategies."""
    runs = []
    for model in draw(st.sets(st.sampled_from(["mnist", "iris", "animals"]))):
        names = draw(st.sets(st.sampled_from(NAMES)))
        found = tuple(draw(arms(name)) for name in sorted(names))
        runs.append(replace(RUN, model=model, rate=draw(SOME), screening=draw(st.booleans()), arms=found))
    return Figures(1, tuple(runs))


@st.composite
def any_answers(draw: st.DrawFn) -> Answers:
    """Answers of every kind."""
    price = draw(st.none() | st.floats(1e-6, 1e3))
    return Answers(
        when=draw(st.sampled_from(["online", "batch"])),
        model=draw(st.sampled_from(["image", "table"])),
        need=tuple(draw(st.sets(st.sampled_from(list(NEEDS)), max_size=3))),
        latency=draw(MAYBE),
        percentile=draw(st.sampled_from(PERCENTILES)),
        rate=draw(SOME),
        time=draw(st.sampled_from(["days", "weeks", "months"])),
        people=draw(st.integers(1, 20)),
        know=draw(st.sampled_from(["python", "web", "platform"])),
        cluster=draw(st.sampled_from(["none", "there"])),
        cloud=draw(st.sampled_from(["no", "yes"])),
        price=price,
        budget=None if price is None else draw(MAYBE),
    )
