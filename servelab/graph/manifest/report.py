"""What `servelab graph check` says: each file's graph as a tree, what a laptop ignores of it, or every problem."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from servelab.graph.manifest import Deployment, Predictor, Unit, read
from servelab.graph.manifest.problem import ManifestError


def check(files: Iterable[Path]) -> tuple[str, int]:
    """The report on the files, and how many of them are wrong."""
    parts: list[str] = []
    wrong = 0
    for file in files:
        try:
            parts += [f"{file}: {describe(deployment)}" for deployment in read(file)]
        except ManifestError as error:
            parts.append(str(error))
            wrong += 1
    return "\n".join(parts), wrong


def describe(deployment: Deployment) -> str:
    """A deployment in a few lines: its graphs, one unit a line, and its notes."""
    lines = [f"SeldonDeployment {deployment.name} in the namespace {deployment.namespace}"]
    for predictor in deployment.predictors:
        lines += _predictor(predictor)
    return "\n  ".join(lines + [f"note: {note}" for note in deployment.notes])


def _predictor(predictor: Predictor) -> Iterator[str]:
    share = "a copy of " if predictor.shadow else ""
    yield f"{predictor.name}: {share}{predictor.traffic} % of the requests"
    yield from (f"  {line}" for line in _unit(predictor.graph))


def _unit(unit: Unit) -> Iterator[str]:
    what = unit.implementation if unit.implementation != "UNKNOWN_IMPLEMENTATION" else unit.type
    arguments = ", ".join(f"{parameter.name}={parameter.value}" for parameter in unit.parameters)
    yield " ".join(filter(None, (unit.name, what, unit.image or unit.model_uri, f"({arguments})" if arguments else "")))
    for child in unit.children:
        yield from (f"  {line}" for line in _unit(child))
