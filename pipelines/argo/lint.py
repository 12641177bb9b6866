"""What ``argo lint`` refuses, in a workflow of the templates that KFP compiles.

The rules are those of workflow/validate/validate.go of Argo Workflows v3.4 (Apache-2.0), written anew. One is stricter:
the conditions of a resource must parse, which Argo finds out when the step runs. Fields of the wrong type are found by
Argo's JSON Schema, which the tests use; here they only must not break the reading.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from pipelines.argo import lint_dag, scope, selector
from pipelines.argo.errors import ArgoError

BODIES = ("container", "containerSet", "script", "resource", "dag", "steps", "suspend", "http", "data", "plugin")
ACTIONS = ("get", "create", "apply", "delete", "replace", "patch")
# Tags that every template may use, beside those of its own inputs and of the workflow's parameters.
ALWAYS = re.compile(r"workflow\.(name|namespace|mainEntrypoint|serviceAccountName|uid|priority|duration|scheduledTime"
                    r"|parameters|(creationTimestamp|annotations|labels)(\..+)?)|pod\.name|node\.name|retries"
                    r"|lastRetry\.\w+|tasks\.name")  # fmt: skip
AT_EXIT = re.compile(r"workflow\.(status|failures)")
GLOBAL = re.compile(r"workflow\.outputs\..+")


def check(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Everything that Argo would refuse, each as ``path: what``; empty for a good workflow."""
    try:
        return tuple(_workflow(document))
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        return (f"spec: a field has another type than Argo's schema says ({error})",)


def _workflow(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("kind") != "Workflow" or not isinstance(document.get("spec"), Mapping):
        yield f"kind: expected Workflow with a spec; found {document.get('kind')!r}"
        return
    spec = document["spec"]
    templates = spec.get("templates") or []
    names = [each.get("name", "") for each in templates]
    yield from _unique("spec.templates", names)
    if not spec.get("entrypoint"):
        yield "spec.entrypoint: is required"
    for key in ("entrypoint", "onExit"):
        if spec.get(key) and spec[key] not in names:
            yield f"spec.{key}: template name {spec[key]!r} undefined"
    given = [each["name"] for each in spec.get("arguments", {}).get("parameters", [])]
    yield from _unique("spec.arguments.parameters", given)
    known = {each.get("name"): each for each in templates}
    for name in (spec.get("entrypoint"), spec.get("onExit")):
        for port in _ports(known.get(name, {}), "inputs", "parameters"):
            if port["name"] not in given and not {"value", "default"} & set(port):
                yield f"templates.{name}.inputs.parameters.{port['name']}: was not supplied"
    at_exit = _reached(spec.get("onExit"), known)
    for template in templates:
        yield from _template(template, known, given, exits=template.get("name") in at_exit)


def _template(
    template: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], given: Sequence[str], exits: bool
) -> Iterator[str]:
    where = f"templates.{template.get('name', '?')}"
    if not template.get("name"):
        yield "templates: a template has no name"
    bodies = [body for body in BODIES if body in template]
    if len(bodies) != 1:
        yield f"{where}: expected exactly one of {', '.join(BODIES)}; found {', '.join(bodies) or 'none'}"
        return
    for side in ("inputs", "outputs"):
        for kind in ("parameters", "artifacts"):
            yield from _unique(
                f"{where}.{side}.{kind}", [each.get("name", "") for each in _ports(template, side, kind)]
            )
    if bodies[0] == "container" and not template["container"].get("image"):
        yield f"{where}.container.image: may not be empty"
    if bodies[0] == "resource":
        yield from _resource(f"{where}.resource", template["resource"])
    yield from _outputs(where, template, bodies[0])
    own = {*_own_tags(template), *(f"workflow.parameters.{name}" for name in given)}
    if bodies[0] == "dag":
        yield from lint_dag.check(where, template, known, lambda tag: _resolves(tag, own, exits))
    else:
        parts = {key: value for key, value in template.items() if key not in {"metadata", "outputs"}}
        for tag in dict.fromkeys(scope.tags(parts)):
            if not _resolves(tag, own, exits):
                yield f"{where}: failed to resolve {{{{{tag}}}}}"


def _resource(where: str, resource: Mapping[str, Any]) -> Iterator[str]:
    if resource.get("action") not in ACTIONS:
        yield f"{where}.action: expected one of {', '.join(ACTIONS)}; found {resource.get('action')!r}"
    if not any(resource.get(key) for key in ("manifest", "manifestFrom", "flags")):
        yield f"{where}.manifest: expected manifest or manifestFrom; found neither"
    try:
        yaml.safe_load(scope.TAG.sub("placeholder", resource.get("manifest", "")))
    except yaml.YAMLError as error:
        yield f"{where}.manifest: must be a valid yaml ({' '.join(str(error).split())})"
    for key in ("successCondition", "failureCondition"):
        try:
            selector.parse(scope.TAG.sub("placeholder", resource.get(key, "")))
        except ArgoError as error:
            yield f"{where}.{key}: {error}"


def _outputs(where: str, template: Mapping[str, Any], body: str) -> Iterator[str]:
    needed = {"resource": ("jsonPath", "jqFilter"), "container": ("path",), "script": ("path",),
              "dag": ("parameter", "expression"), "steps": ("parameter", "expression")}.get(body, ())  # fmt: skip
    for output in _ports(template, "outputs", "parameters"):
        source = output.get("valueFrom")
        if not source:
            yield f"{where}.outputs.parameters.{output['name']}.valueFrom: is required"
        elif needed and not {*needed, "supplied", "default"} & set(source):
            yield (f"{where}.outputs.parameters.{output['name']}.valueFrom: "
                   f"{' or '.join(needed)} must be specified for a template of type {body}")  # fmt: skip


def _resolves(tag: str, own: set[str], exits: bool) -> bool:
    if tag in own or ALWAYS.fullmatch(tag) or GLOBAL.fullmatch(tag):
        return True
    return exits and AT_EXIT.fullmatch(tag) is not None


def _own_tags(template: Mapping[str, Any]) -> Iterator[str]:
    """The tags of a template's own inputs and of the paths of its outputs."""
    for side, kind in (
        ("inputs", "parameters"),
        ("inputs", "artifacts"),
        ("outputs", "parameters"),
        ("outputs", "artifacts"),
    ):
        for port in _ports(template, side, kind):
            yield f"{side}.{kind}.{port['name']}.path"
            if side == "inputs":
                yield f"{side}.{kind}.{port['name']}"
    yield "inputs.parameters"


def _reached(name: str | None, known: Mapping[str, Mapping[str, Any]], seen: frozenset[str] = frozenset()) -> set[str]:
    """The templates that run when this one does."""
    if not name or name not in known or name in seen:
        return set()
    found = {name}
    for task in known[name].get("dag", {}).get("tasks", []):
        found |= _reached(task.get("template"), known, seen | found)
    return found


def _ports(template: Mapping[str, Any], side: str, kind: str) -> list[Mapping[str, Any]]:
    ports: list[Mapping[str, Any]] = (template.get(side) or {}).get(kind) or []
    return ports


def _unique(where: str, names: Sequence[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{where}: name {name!r} is not unique"
