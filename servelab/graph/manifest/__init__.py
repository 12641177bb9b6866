"""A SeldonDeployment as values: the graph that a manifest describes, with the defaults that Seldon's webhook sets.

The rules are those of Seldon Core 1.17.1 (operator/apis/machinelearning.seldon.io/v1, defaults and webhook).
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from servelab.graph.manifest import admission, document, fields, notes
from servelab.graph.manifest.problem import ManifestError, Problem

__all__ = ["Deployment", "ManifestError", "Parameter", "Predictor", "Problem", "Unit", "parse", "read"]

Raw: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a component's constructor: the text of its value, and the type that it is converted to."""

    name: str
    value: str
    type: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A node of the graph; ``image`` and ``env`` are those of the container of the same name, "" and {} without one."""

    name: str
    type: str
    implementation: str
    methods: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    model_uri: str
    children: tuple["Unit", ...]
    image: str
    env: Mapping[str, str]

    def units(self) -> Iterator["Unit"]:
        """This unit and everything below it, a parent before its children."""
        yield self
        for child in self.children:
            yield from child.units()


@dataclass(frozen=True, slots=True)
class Predictor:
    """One graph of a deployment; ``traffic`` in percent, ``env`` of the executor (svcOrchSpec.env)."""

    name: str
    graph: Unit
    replicas: int
    traffic: int
    shadow: bool
    env: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def units(self) -> Iterator[Unit]:
        """Every unit of its graph, a parent before its children."""
        return self.graph.units()


@dataclass(frozen=True, slots=True)
class Deployment:
    """A SeldonDeployment: its predictors, the document it was read from, and what a laptop ignores of it, in words."""

    name: str
    namespace: str
    predictors: tuple[Predictor, ...]
    annotations: Mapping[str, str]
    protocol: str
    document: Raw
    notes: tuple[str, ...]


def read(path: Path) -> tuple[Deployment, ...]:
    """The deployments of a YAML file with one or more documents.

    Raises ManifestError with every problem of every document; an unreadable file and broken YAML too.
    """
    found: list[Deployment] = []
    problems: list[Problem] = []
    documents = document.load(path)
    for number, content in enumerate(documents, 1):
        try:
            found.append(parse(content, str(path)))
        except ManifestError as error:
            prefix = f"document {number}: " if len(documents) > 1 else ""
            problems += [Problem(prefix + problem.path, problem.message) for problem in error.problems]
    problems += _twice(found)
    if problems:
        raise ManifestError(str(path), problems)
    return tuple(found)


def parse(content: Raw, where: str = "") -> Deployment:
    """The deployment that a document describes; ``where`` (a file, a request) starts the message of an error.

    Raises ManifestError with every problem that an API server or Seldon's webhook would find, and with those that
    only the executor would stumble over.
    """
    meant, problems = fields.check(content)
    admission.set_defaults(meant)
    problems += admission.check(meant)
    if problems:
        raise ManifestError(where, problems)
    metadata, spec = meant["metadata"], meant["spec"]
    return Deployment(
        name=metadata["name"],
        namespace=metadata["namespace"],
        predictors=tuple(map(_predictor, spec["predictors"])),
        annotations=_frozen({**metadata.get("annotations", {}), **spec.get("annotations", {})}),
        protocol=spec["protocol"],
        document=content,
        notes=tuple(notes.ignored(meant)),
    )


def _twice(deployments: list[Deployment]) -> list[Problem]:
    names = [(deployment.namespace, deployment.name) for deployment in deployments]
    return [
        Problem(
            "metadata.name", f"expected one document for each deployment; found {name!r} of namespace {space!r} twice"
        )
        for space, name in sorted({pair for pair in names if names.count(pair) > 1})
    ]


def _predictor(raw: Raw) -> Predictor:
    containers = {container["name"]: container for container in admission.containers(raw)}
    return Predictor(
        name=raw["name"],
        graph=_unit(raw["graph"], containers),
        replicas=raw["replicas"],
        traffic=raw["traffic"],
        shadow=raw["shadow"],
        env=_env(raw.get("svcOrchSpec", {})),
        labels=_frozen(raw["labels"]),
        annotations=_frozen(raw.get("annotations", {})),
    )


def _unit(raw: Raw, containers: Mapping[str, Raw]) -> Unit:
    container = containers.get(raw["name"], {})
    return Unit(
        name=raw["name"],
        type=raw["type"],
        implementation=raw["implementation"],
        methods=tuple(raw.get("methods", ())),
        parameters=tuple(Parameter(p["name"], p["value"], p["type"]) for p in raw.get("parameters", ())),
        model_uri=raw.get("modelUri", ""),
        children=tuple(_unit(child, containers) for child in raw.get("children", ())),
        image=container.get("image", ""),
        env=_env(container),
    )


def _env(raw: Raw) -> Mapping[str, str]:
    # A value taken from elsewhere in the cluster (valueFrom) cannot be had here; the notes say so.
    return _frozen({item["name"]: item.get("value", "") for item in raw.get("env", ()) if "valueFrom" not in item})


def _frozen(raw: Mapping[str, str]) -> Mapping[str, str]:
    return types.MappingProxyType(dict(raw))
