"""docs/strategies/<name>.md: what a strategy's contract says of it, and what was measured."""

from collections.abc import Iterable
from pathlib import Path

import shared_models
from bench.report import forms
from bench.table import number
from servelab import protocols
from servelab.choose.figures import Arm, Figures, Measured
from servelab.paths import ROOT
from servelab.strategy import Strategy

TIERS = {
    0: "0: Python, in an environment of its own",
    1: "1: a container or another runtime",
    2: "2: a Kubernetes cluster ([how to get one](../../k8s/README.md))",
}
TITLES = ("model", "CPU µs", "of the plain call's", "p50 ms", "p99 ms", "capacity/s", "RSS MB", "ready s", "processes",
          "errors")  # fmt: skip


def page(strategy: Strategy, figures: Figures) -> str:
    """The whole page."""
    return "\n".join(
        [
            f"# {strategy.title}",
            "",
            "<!-- made by `make docs` from strategy.toml and docs/measured: do not edit -->",
            "",
            f"{strategy.summary[0].upper()}{strategy.summary[1:]}.",
            "",
            *_facts(strategy),
            "",
            "## Routes",
            "",
            *_routes(strategy),
            "",
            "## Serve it, check it, compare it",
            "",
            *_commands(strategy),
            "",
            "## What deviates",
            "",
            *_deviations(strategy),
            "",
            "## What was measured",
            "",
            *_measured(strategy, figures),
            "",
        ]
    )


def _facts(strategy: Strategy) -> Iterable[str]:
    folder = f"../../strategies/{strategy.name}"
    facts = {
        "family": strategy.family,
        "models": ", ".join(strategy.models),
        "versions of one model at once": ", ".join(strategy.versions),
        "capabilities": ", ".join(strategy.capabilities) or "none beyond answering",
        "status": strategy.status,
        "runs on": f"tier {TIERS[strategy.tier]}",
        "Python": ", ".join(strategy.python),
        "licence of the framework": strategy.licence,
        "folder": f"[README]({folder}/README.md), [strategy.toml]({folder}/strategy.toml)",
        "lesson": _lesson(strategy.lesson),
    }
    return ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in facts.items() if value)]


def _lesson(number: str) -> str:
    """A link to the lesson, where it is written already."""
    found = next(iter(sorted(ROOT.glob(f"notebooks/{number}-*/lesson.toml"))), None) if number else None
    if found is None:
        return f"{number}, not written yet" if number else ""
    name = found.parent.name
    return f"[{name}](../../notebooks/{name}/{name}.ipynb)"


def _routes(strategy: Strategy) -> Iterable[str]:
    yield "| dialect | route | models |"
    yield "| --- | --- | --- |"
    by_path: dict[str, list[str]] = {}
    for model in strategy.models:
        by_path.setdefault(_path(strategy.protocol, model), []).append(model)
    for path, models in by_path.items():
        yield f"| {strategy.protocol}, the one that is timed | `POST {path}` | {', '.join(models)} |"
    for route in strategy.also:
        yield f"| {route.protocol} | `POST {route.route}` | {', '.join(route.models)} |"
    for what, path in {"health": strategy.health, "documentation": strategy.docs, "metrics": strategy.metrics}.items():
        if path:
            yield f"| {what} | `GET {path}` | |"


def _path(protocol: str, name: str) -> str:
    model = shared_models.load(name)
    return protocols.get(protocol).encode(model.golden().inputs[:1], model).path


def _commands(strategy: Strategy) -> Iterable[str]:
    name, model = strategy.name, strategy.models[0]
    other = "fastapi" if name == "flask" else "flask"
    lines = [
        (f"make serve-{name}", f"{model} on http://127.0.0.1:{strategy.port}; MODEL, VERSION, PORT, HOST, WORKERS"),
        (f"make test-{name}", "every promise of a strategy, by real requests"),
        (f".venv/bin/bench run {other} {name} --model {model}", "the two beside each other, on your machine"),
    ]
    width = max(len(command) for command, _ in lines)
    return ["```bash", *(f"{command:{width}}  # {words}" for command, words in lines), "```"]


def _deviations(strategy: Strategy) -> Iterable[str]:
    if not strategy.deviations:
        return ["Nothing: it keeps [every promise](../strategies.md#what-every-strategy-promises)."]
    return [f"- `{each.check}`: {each.why}" for each in strategy.deviations]


def _measured(strategy: Strategy, figures: Figures) -> Iterable[str]:
    found = [(run, arm) for run in figures.runs if (arm := run.arm(strategy.name))]
    if not found:
        yield "Nothing yet: it took no part in the runs below `docs/measured/`."
        return
    yield from forms.grid(TITLES, (_cells(run, arm) for run, arm in found))
    yield ""
    for run, arm in found:
        yield from (f"- {line}" for line in _below(run, arm))
    yield ""
    yield (
        "Response times count from the moment a request was meant to leave, at that rate, which every strategy of the "
        "run was given. One machine, with the client on it and no network between: the ratios to "
        "[the others](../choosing.md#what-was-measured) say more than the milliseconds, and "
        "[the bench](../measuring.md) measures both on yours. The models are small, so a server's own cost is most of "
        "what is seen here."
    )


def _cells(run: Measured, arm: Arm) -> list[str]:
    link = f"[{run.model}](../measured/{Path(run.folder).name}/run.json)"
    times = None if arm.cpu_us is None else arm.cpu_us / run.floor_cpu_us
    values = (arm.cpu_us, times, arm.p50_ms, arm.p99_ms, arm.capacity_per_s, arm.rss_mb, arm.ready_s, arm.processes,
              arm.errors)  # fmt: skip
    return [link + " (VOID)" * arm.void, *map(number, values)]


def _below(run: Measured, arm: Arm) -> Iterable[str]:
    machine = run.machine
    yield (
        f"{run.model} version {run.version}: {run.scenario}, {run.boots} boots x {run.rounds} "
        f"round{'s' * (run.rounds > 1)} of {run.seconds:g} s, on {machine.cpu} with {machine.cores} cores, "
        f"Python {machine.python}" + (", a screening" if run.screening else "")
    )
    yield f"{run.model}, given: {arm.budget}"
    if arm.findings:
        codes = ", ".join(f"[{code}](../../bench/explain/{code}.md)" for code in arm.findings)
        yield f"{run.model}, findings: {codes}" + ("; its figures are withheld" if arm.void else "")
