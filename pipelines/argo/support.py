"""What this runner refuses of a workflow, by name, and what it leaves out without harm."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.argo import jsonpath
from pipelines.argo.errors import ArgoError

WORKFLOW = {"entrypoint", "templates", "arguments", "onExit", "activeDeadlineSeconds", "volumes"}
TEMPLATE = {
    "name",
    "inputs",
    "outputs",
    "dag",
    "container",
    "resource",
    "retryStrategy",
    "activeDeadlineSeconds",
    "volumes",
}
CONTAINER = {"image", "command", "args", "env", "volumeMounts", "workingDir", "name"}
RESOURCE = {"action", "manifest", "successCondition", "failureCondition", "flags", "mergeStrategy"}
TASK = {"name", "template", "dependencies", "when", "arguments"}
RETRY = {"limit", "retryPolicy", "backoff"}
# What a laptop has no use for. Each is said once before the run.
IGNORED = {
    "serviceAccountName": "the service account: steps have the rights of whoever started this",
    "resources": "CPU and memory limits of steps",
    "imagePullPolicy": "pull policies: no image is pulled",
    "imagePullSecrets": "pull secrets: no image is pulled",
    "metadata": "",  # labels and annotations of pods that do not exist
    "ttlStrategy": "the time after which a finished workflow is removed",
    "podGC": "the time after which finished pods are removed",
    "nodeSelector": "node selectors: there is one machine",
    "tolerations": "tolerations: there is one machine",
    "affinity": "affinity: there is one machine",
    "podMetadata": "",
}


def refusals(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What the workflow asks for and this runner does not do, each by its path."""
    spec = document["spec"]
    found = [*_beyond("spec", spec, WORKFLOW), *_expressions("spec", spec), *_volumes("spec", spec)]
    for template in spec["templates"]:
        found += _of_template(f"templates.{template['name']}", template)
    return tuple(found)


def notes(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What is left out, in words."""
    spec = document["spec"]
    places = [spec, *spec["templates"], *(each.get("container", {}) for each in spec["templates"])]
    return tuple(words for key, words in IGNORED.items() if words and any(key in place for place in places))


def _of_template(where: str, template: Mapping[str, Any]) -> Iterator[str]:
    yield from _beyond(where, template, TEMPLATE)
    yield from _beyond(f"{where}.container", template.get("container", {}), CONTAINER)
    yield from _beyond(f"{where}.resource", template.get("resource", {}), RESOURCE)
    yield from _beyond(f"{where}.retryStrategy", template.get("retryStrategy", {}), RETRY)
    yield from _volumes(where, template)
    for task in template.get("dag", {}).get("tasks", []):
        yield from _beyond(f"{where}.{task['name']}", task, TASK)
        for artifact in task.get("arguments", {}).get("artifacts", []):
            if "from" not in artifact:
                yield f"{where}.{task['name']}.arguments.{artifact['name']}: an artifact that is not from another task"
    if "target" in template.get("dag", {}):
        yield f"{where}.dag.target"
    for artifact in template.get("inputs", {}).get("artifacts", []):
        if set(artifact) - {"name", "path", "raw", "optional"}:
            yield f"{where}.inputs.{artifact['name']}: artifacts of a store ({', '.join(sorted(artifact))})"
    for variable in template.get("container", {}).get("env", []):
        if "valueFrom" in variable:
            yield f"{where}.container.env.{variable['name']}.valueFrom: nothing here to take it from"
    for output in template.get("outputs", {}).get("parameters", []):
        yield from _output(f"{where}.outputs.{output['name']}", output.get("valueFrom", {}))


def _output(where: str, source: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(set(source) - {"path", "jsonPath", "parameter", "default"}):
        yield f"{where}.valueFrom.{key}"
    try:
        jsonpath.parse(source.get("jsonPath", ""))
    except ArgoError as error:
        yield f"{where}: {error}"


def _beyond(where: str, given: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for key in given:
        if key not in known and key not in IGNORED:
            yield f"{where}.{key}"


def _volumes(where: str, given: Mapping[str, Any]) -> Iterator[str]:
    for volume in given.get("volumes", []):
        if not {"persistentVolumeClaim", "emptyDir"} & set(volume):
            yield f"{where}.volumes.{volume['name']}: a volume that is neither a claim nor an empty folder"


def _expressions(where: str, given: object) -> Iterator[str]:
    """Expression tags, anywhere."""
    if isinstance(given, str):
        yield from (f"{where}: the expression {each}" for each in re.findall(r"\{\{=.*?\}\}", given, re.DOTALL))
    elif isinstance(given, Mapping):
        for key, value in given.items():
            yield from _expressions(f"{where}.{key}", value)
    elif isinstance(given, list):
        for number, value in enumerate(given):
            name = value.get("name", number) if isinstance(value, Mapping) else number
            yield from _expressions(f"{where}.{name}", value)
