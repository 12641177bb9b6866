"""Reads the learner's graph as Seldon would, runs it for real, and sends it 3,000 requests."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path
from typing import Any, TypeAlias

import numpy as np

import shared_models
from notebooks.course import program
from notebooks.course.check import Failure, Unfinished, Work
from servelab.graph import manifest
from servelab.graph.manifest import Deployment, ManifestError, Unit

Answer: TypeAlias = dict[str, Any]
ask = run_path(str(Path(__file__).parent / "asking.py"))["ask"]

FILE = "abc-test.yaml"
WANTED = {"model-a": "1", "model-b": "2", "model-c": "1"}  # the children of the router, and their versions of animals
REQUESTS, PORTION = 3000, 300
SECONDS = 30.0  # after which no more are sent: the test of the split holds for any number, on a busy machine too
# A fair split exceeds this once in a thousand million checks: chi-square, two degrees of freedom, -2 ln(1e-9).
BOUND = 41.4
ROW = ["dog", 0, 4, 0.2, 0.79]  # the first of the golden rows


def check_manifest(work: Work) -> Iterator[Failure]:
    """Seldon would take the file."""
    try:
        _deployment(work)
    except ManifestError as error:
        for problem in error.problems:
            yield Failure(str(problem), f"{FILE}, at that path")


def check_graph(work: Work) -> Iterator[Failure]:
    """The router has three children, each a model of its own container, and knows that it has three."""
    router = _router(work)
    children = {child.name: child for child in router.children}
    if list(children) != list(WANTED):
        yield Failure(f"expected the children {', '.join(WANTED)}, in this order; found {', '.join(children)}",
                      "the children of the router, in graph")  # fmt: skip
    for name, version in WANTED.items():
        if child := children.get(name):
            found = {parameter.name: parameter.value for parameter in child.parameters}
            wanted = {"container_name": "animals", "run_name": version}
            if found != wanted:
                yield Failure(f"{name}: expected the parameters {wanted}; found {found}", f"parameters of {name}")
    branches = [parameter.value for parameter in router.parameters if parameter.name == "n_branches"]
    if branches != ["3"]:
        yield Failure(f"expected n_branches to be 3, one for each child; found {', '.join(branches) or 'none'}",
                      "the parameters of the router")  # fmt: skip


def check_split(work: Work) -> Iterator[Failure]:
    """Of 3,000 requests to the running graph each model answers its third, with its own version."""
    _router(work)
    with program.start(["servelab", "graph", "run", "--port", "{port}", "--no-grpc"], port=0) as runner:
        command = ["servelab", "graph", "apply", FILE, "--runner", runner.url, "--wait", "40"]
        applied = program.run(command, cwd=work.folder, timeout=45)
        if applied.returncode:
            raise Unfinished(f"the graph did not start: {(applied.stdout + applied.stderr).strip()}", FILE)
        answers: list[tuple[int, Answer]] = []
        end = time.monotonic() + SECONDS
        while len(answers) < REQUESTS and time.monotonic() < end:
            answers += ask(f"{runner.url}/api/v1.0/predictions", [{"data": {"ndarray": [ROW]}}] * PORTION)
    errors = Counter(str(answer.get("status", answer)) for status, answer in answers if status != 200)
    for error, times in errors.items():
        yield Failure(f"expected {len(answers)} answers; {times} of them were the error {error}",
                      "n_branches, and the children of the router")  # fmt: skip
    good = [answer for status, answer in answers if status == 200]
    yield from _split(good, len(answers))
    yield from _versions(good)


def _split(answers: list[Answer], asked: int) -> Iterator[Failure]:
    found = Counter(_model(answer) for answer in answers)
    fair = asked / len(WANTED)
    if sum((found[name] - fair) ** 2 / fair for name in WANTED) > BOUND:
        told = ", ".join(f"{name} {found[name]}" for name in WANTED)
        yield Failure(f"expected about {fair:.0f} answers of each model; found {told}",
                      "n_branches (who is drawn), and the children (who can be)")  # fmt: skip


def _versions(answers: list[Answer]) -> Iterator[Failure]:
    for name, version in WANTED.items():
        wanted = shared_models.load("animals", version).golden().outputs[:1]
        given = [answer["data"]["ndarray"] for answer in answers if _model(answer) == name]
        if given and not np.allclose(given, wanted, atol=1e-5):
            yield Failure(f"expected {name} to answer as version {version} of animals; found other probabilities",
                          f"container_name and run_name of {name}")  # fmt: skip


def _model(answer: Answer) -> str:
    """The name of the model that answered, as requestPath has it."""
    return next((unit for unit in answer["meta"].get("requestPath", {}) if unit != "input-transformer"), "nobody")


def _deployment(work: Work) -> Deployment:
    (found,) = manifest.read(work.folder / FILE)
    return found


def _router(work: Work) -> Unit:
    """The router of a valid file."""
    try:
        units = _deployment(work).predictors[0].units()
    except ManifestError as error:
        raise Unfinished(f"expected a file that Seldon takes; found {len(error.problems)} problem(s)",
                         "the first check") from None  # fmt: skip
    for unit in units:
        if unit.type == "ROUTER":
            return unit
    raise Unfinished("expected a unit of type ROUTER; found none", f"graph in {FILE}")
