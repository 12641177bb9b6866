"""What a manifest asks of a cluster and a laptop does not do, in words; none of it changes an answer."""

from collections.abc import Iterator, Mapping
from typing import Any

from servelab.graph.manifest import rules

Raw = Mapping[str, Any]
# Fields that say how Kubernetes is to run a pod, and what Seldon is to do beside it.
OF_A_POD = ("volumes", "affinity", "nodeSelector", "tolerations", "initContainers", "serviceAccountName", "hpaSpec",
            "kedaSpec", "pdbSpec", "securityContext")  # fmt: skip
OF_A_CONTAINER = ("imagePullPolicy", "command", "args", "volumeMounts", "envFrom", "livenessProbe", "readinessProbe",
                  "startupProbe", "lifecycle", "securityContext", "ports")  # fmt: skip
OF_A_UNIT = ("logger", "serviceAccountName", "envSecretRefName", "storageInitializerImage")
OF_A_PREDICTOR = ("explainer", "ssl", "engineResources")
# What a unit with several children is for; any other sends the request to all of them.
CHOOSES = {"ROUTER", "COMBINER", "RANDOM_ABTEST", "ROUTE", "AGGREGATE"}


def ignored(document: Raw) -> Iterator[str]:
    """One sentence for each thing that is ignored, with the names of all that asked for it."""
    spec = document["spec"]
    if spec["protocol"] != "seldon":
        yield f"protocol {spec['protocol']}: the local runner speaks seldon only"
    if spec.get("serverType") == "kafka":
        yield "serverType kafka: the local runner serves HTTP and gRPC"
    asked: dict[str, dict[str, None]] = {}
    for predictor in spec["predictors"]:
        for what, who in _predictor(predictor):
            asked.setdefault(what, {})[who] = None
    yield from (f"{what} ({', '.join(who)})" for what, who in asked.items())


def _predictor(predictor: Raw) -> Iterator[tuple[str, str]]:
    """Pairs of what is ignored and of whom."""
    if predictor["replicas"] != 1:
        yield f"replicas {predictor['replicas']}: one of each component is started here", predictor["name"]
    yield from _fields(predictor, OF_A_PREDICTOR, predictor["name"])
    yield from _env(predictor.get("svcOrchSpec", {}), predictor["name"])
    units = {unit["name"]: unit for _, unit, _ in rules.units(predictor["graph"], "")}
    for name, unit in units.items():
        yield from _fields(unit, OF_A_UNIT, name)
        chooses = {unit["type"], unit["implementation"], *unit.get("methods", ())} & CHOOSES
        if len(unit.get("children", ())) > 1 and not chooses:
            yield "several children, no router: each gets every request, the first one's answer is taken", name
    for component in predictor.get("componentSpecs", ()):
        pod = component.get("spec", {})
        yield from _fields({**component, **pod}, OF_A_POD, predictor["name"])
        for container in pod.get("containers", ()):
            yield from _container(container, container["name"] in units)


def _container(container: Raw, is_unit: bool) -> Iterator[tuple[str, str]]:
    name = container["name"]
    if not is_unit:
        yield "a container that is no unit of the graph is not started", name
        return
    if container.get("resources"):
        yield "requests and limits of cpu and memory are ignored: a component takes what it gets", name
    yield from _fields(container, OF_A_CONTAINER, name)
    yield from _env(container, name)


def _fields(raw: Raw, fields: tuple[str, ...], name: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{field} is ignored", name) for field in fields if field in raw)


def _env(raw: Raw, name: str) -> Iterator[tuple[str, str]]:
    for item in raw.get("env", ()):
        if "valueFrom" in item:
            yield f"{item['name']} comes from the cluster (valueFrom): it is unset here", name
