"""What no schema says: the defaults and the rules of Seldon's webhook, and the rules that keep its executor upright.

The webhook is that of Seldon Core 1.17.1 (operator/apis/machinelearning.seldon.io/v1: defaults.go and
seldondeployment_webhook.go). It lets pass what the executor then passes through without a word, answers with a panic
or never reaches: an unknown type, a router without children, a RANDOM_ABTEST with three. Here these are errors.
All functions take the document as `fields.check` hands it on: known keys and right types, any of them missing.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from servelab.contract import nearest
from servelab.graph.manifest import rules
from servelab.graph.manifest.fields import PREPACKAGED
from servelab.graph.manifest.problem import SHOWN, Problem

Raw: TypeAlias = Mapping[str, Any]
# Names become labels of DNS names: of a Service (RFC 1035, a letter first), of a container (RFC 1123).
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
KAFKA = ("KAFKA_BROKER", "KAFKA_INPUT_TOPIC", "KAFKA_OUTPUT_TOPIC")


def set_defaults(document: dict[str, Any]) -> None:
    """Fill in, in place, what the webhook and the operator would: types, implementations, traffic, replicas, labels."""
    metadata, spec = document.setdefault("metadata", {}), document.setdefault("spec", {})
    metadata.setdefault("namespace", "default")
    spec.setdefault("protocol", "seldon")
    predictors = spec.setdefault("predictors", [])
    main = [predictor for predictor in predictors if not predictor.get("shadow")]
    for predictor in predictors:
        predictor.setdefault("name", "")
        predictor.setdefault("shadow", False)
        predictor.setdefault("traffic", 0)
        predictor.setdefault("replicas", spec.get("replicas", 1))
        predictor.setdefault("labels", {}).setdefault("version", predictor["name"])
        # Alone, a predictor gets everything; a shadow without a share gets a copy of everything.
        if not predictor["traffic"] and (predictor["shadow"] or len(main) == 1):
            predictor["traffic"] = 100
        for _, unit, _ in rules.units(predictor.setdefault("graph", {}), ""):
            _set_unit_defaults(unit)


def _set_unit_defaults(unit: dict[str, Any]) -> None:
    untold = not {"type", "methods", "implementation"} & set(unit)
    unit.setdefault("name", "")
    unit.setdefault("implementation", "UNKNOWN_IMPLEMENTATION")
    unit.setdefault("type", "MODEL" if untold else "UNKNOWN_TYPE")
    if unit["implementation"] in PREPACKAGED:
        unit["type"] = "MODEL"


def containers(predictor: Raw) -> Iterator[Raw]:
    """Every container of a predictor, over all its pods."""
    for _, container in _containers(predictor, ""):
        yield container


def _containers(predictor: Raw, where: str) -> Iterator[tuple[str, Raw]]:
    for i, component in enumerate(predictor.get("componentSpecs", ())):
        for k, container in enumerate(component.get("spec", {}).get("containers", ())):
            yield f"{where}.componentSpecs[{i}].spec.containers[{k}]", container


def check(document: Raw) -> list[Problem]:
    """What breaks a rule, in the order of the document."""
    return list(_check(document))


def _check(document: Raw) -> Iterator[Problem]:
    metadata, spec = document["metadata"], document["spec"]
    yield from _label("metadata.name", metadata.get("name"))
    yield from _label("metadata.namespace", metadata["namespace"])
    yield from _endpoints(spec)
    yield from _traffic(spec["predictors"])
    seen: set[str] = set()
    for i, predictor in enumerate(spec["predictors"]):
        where, name = f"spec.predictors[{i}]", predictor["name"]
        if name and name in seen:
            yield Problem(f"{where}.name", f"expected a name of its own for each predictor; found {name!r} again")
        seen.add(name)
        yield from _predictor(predictor, spec, where)


def _label(path: str, name: str | None) -> Iterator[Problem]:
    if name and not LABEL.fullmatch(name):
        lower = re.sub("[^a-z0-9]+", "-", name.lower())[:63].strip("-")
        meant = f" (did you mean {lower!r}?)" if lower else ""
        yield Problem(path, f"expected at most 63 of a-z, 0-9 and, inside, -; found {name[:80]!r}{meant}")
    elif name and path == "metadata.name" and name[0].isdigit():
        yield Problem(path, f"expected a letter first, as its Service is called so; found {name!r}")


def _endpoints(spec: Raw) -> Iterator[Problem]:
    types: dict[str, str] = {}
    for i, predictor in enumerate(spec["predictors"]):
        for where, unit, _ in rules.units(predictor["graph"], f"spec.predictors[{i}].graph"):
            if kind := unit.get("endpoint", {}).get("type"):
                types.setdefault(kind, f"{where}.endpoint.type")
    if len(types) > 1:
        path = list(types.values())[1]
        yield Problem(
            path, "expected one endpoint type in a deployment; found REST and GRPC. Say it once: spec.transport"
        )
    elif types and spec.get("transport", next(iter(types)).lower()) != next(iter(types)).lower():
        kind, path = next(iter(types.items()))
        yield Problem(path, f"expected what spec.transport says, {spec['transport']!r}; found {kind!r}. Leave one out")


def _traffic(predictors: list[Raw]) -> Iterator[Problem]:
    shadows = [i for i, predictor in enumerate(predictors) if predictor["shadow"]]
    main = [predictor["traffic"] for predictor in predictors if not predictor["shadow"]]
    if len(shadows) > 1:
        yield Problem(f"spec.predictors[{shadows[1]}].shadow", f"expected at most one shadow; found {len(shadows)}")
    if predictors and not main:
        yield Problem("spec.predictors[0].shadow", "expected a predictor that answers beside the shadow; found none")
    if main and sum(main) != 100:
        told = " + ".join(map(str, main))
        told = f"{told} = {sum(main)}" if len(main) > 1 else told
        yield Problem(
            "spec.predictors", f"expected the traffic of the predictors (shadows apart) to sum to 100; found {told}"
        )


def _predictor(predictor: Raw, spec: Raw, where: str) -> Iterator[Problem]:
    yield from _label(f"{where}.name", predictor["name"])
    env = {item.get("name") for item in predictor.get("svcOrchSpec", {}).get("env", ())}
    if spec.get("serverType") == "kafka" and not env.issuperset(KAFKA):
        yield Problem(f"{where}.svcOrchSpec.env", f"expected {', '.join(KAFKA)}, as serverType kafka needs them")
    images: dict[str, str] = {}
    for path, container in _containers(predictor, where):
        name = container.get("name", "")
        yield from _label(f"{path}.name", name)
        if name and name in images:
            yield Problem(f"{path}.name", f"expected a name of its own for each container; found {name!r} again")
        images.setdefault(name, container.get("image", ""))
    if "seldon.io/no-engine" in predictor.get("annotations", {}) and predictor["graph"].get("children"):
        yield Problem(
            f"{where}.annotations['seldon.io/no-engine']",
            "expected a graph of a single unit, as nothing walks the graph without the engine; found children",
        )
    yield from _units(predictor["graph"], images, f"{where}.graph")


def _units(graph: Raw, images: Mapping[str, str], where: str) -> Iterator[Problem]:
    paths: dict[str, str] = {}
    for path, unit, above in rules.units(graph, where):
        name = unit["name"]
        if name not in images:
            yield from _label(f"{path}.name", name)
        if name and name in above:
            cycle = " -> ".join([*above[above.index(name) :], name])
            yield Problem(f"{path}.name", f"expected a tree; found a cycle: {cycle}")
        elif name and name in paths:
            yield Problem(f"{path}.name", f"expected a name of its own for each unit; found {name!r}, as {paths[name]}")
        paths.setdefault(name, path)
        if name:
            yield from _container(unit, images, path)
        yield from rules.check(unit, path)


def _container(unit: Raw, images: Mapping[str, str], path: str) -> Iterator[Problem]:
    name = unit["name"]
    if unit["implementation"] in PREPACKAGED or not rules.called(unit):
        return
    # A container without a name was reported; it may be the one.
    if name not in images and "" not in images:
        few = list(images)[:SHOWN]
        yield Problem(
            f"{path}.name",
            f"expected a container of the same name, {name!r}, in componentSpecs; "
            f"found {', '.join(few) or 'no containers'}{nearest(name, few)}",
        )
    elif not images.get(name, "no container"):
        yield Problem(f"{path}.name", f"expected an image in the container {name!r}; found none")
