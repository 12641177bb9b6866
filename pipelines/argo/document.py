"""Reads a workflow of YAML into values.

``read`` takes only what ``lint`` and ``support`` found nothing against, so nothing here looks for faults.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.argo import lint, support
from pipelines.argo.errors import ArgoError
from pipelines.argo.workflow import Container, Dag, Input, Output, Ports, Resource, Retry, Task, Template, Workflow

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "ms": 0.001}


def load(path: Path) -> dict[str, Any]:
    """The one mapping in a YAML file. ArgoError when it is none."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ArgoError(
            f"expected a workflow; cannot read {path}: {error.strerror}. make pipeline writes one"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgoError(f"expected a workflow in YAML; {path}: {error}") from None
    if not isinstance(document, dict):
        raise ArgoError(f"expected a Workflow of argoproj.io; {path} holds {type(document).__name__}")
    return document


def read(document: dict[str, Any]) -> Workflow:
    """The workflow. ArgoError with every finding of ``lint``, then with all that ``support`` refuses."""
    if findings := lint.check(document):
        raise ArgoError("Argo would refuse this workflow:\n" + "\n".join(f"  {each}" for each in findings))
    if refused := support.refusals(document):
        raise ArgoError("this runner is no Argo; it does not do:\n" + "\n".join(f"  {each}" for each in refused))
    spec, metadata = document["spec"], document.get("metadata", {})
    claims = {each["name"]: _claim(each) for each in spec.get("volumes", [])}
    return Workflow(
        name=metadata.get("name") or metadata.get("generateName", "workflow").rstrip("-"),
        namespace=metadata.get("namespace", "default"),
        entrypoint=spec["entrypoint"],
        on_exit=spec.get("onExit", ""),
        parameters={each["name"]: _text(each.get("value")) for each in spec.get("arguments", {}).get("parameters", [])},
        templates={each["name"]: _template(each, claims) for each in spec["templates"]},
        seconds=seconds(spec.get("activeDeadlineSeconds")),
        notes=support.notes(document),
    )


def seconds(value: object) -> float | None:
    """A duration: a number of seconds, or text such as ``5s``, ``2m``, ``1h``; None when there is none."""
    if value in {None, ""}:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", str(value))
    if match is None:
        raise ArgoError(f"expected a duration such as 30s or 5m; found {value!r}")
    return float(match[1]) * SECONDS[match[2] or ""]


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _template(given: Mapping[str, Any], claims: Mapping[str, str]) -> Template:
    own = {**claims, **{each["name"]: _claim(each) for each in given.get("volumes", [])}}
    body: Dag | Container | Resource
    if "dag" in given:
        body = Dag(tuple(_task(each) for each in given["dag"]["tasks"]))
    elif "resource" in given:
        body = _resource(given["resource"])
    else:
        body = _container(given["container"], own)
    inputs, outputs = given.get("inputs", {}), given.get("outputs", {})
    return Template(
        name=given["name"],
        body=body,
        inputs=Ports(
            tuple(
                Input(each["name"], default=_text(each.get("value", each.get("default"))))
                for each in inputs.get("parameters", [])
            ),
            tuple(
                Input(each["name"], each.get("path", ""), each.get("raw", {}).get("data"), each.get("optional", False))
                for each in inputs.get("artifacts", [])
            ),
        ),
        outputs=Ports(
            tuple(_output(each, each.get("valueFrom", {})) for each in outputs.get("parameters", [])),
            tuple(_output(each, each) for each in outputs.get("artifacts", [])),
        ),
        retry=_retry(given.get("retryStrategy")),
        seconds=seconds(given.get("activeDeadlineSeconds")),
    )


def _output(given: Mapping[str, Any], source: Mapping[str, Any]) -> Output:
    return Output(
        given["name"],
        path=source.get("path", ""),
        json_path=source.get("jsonPath", ""),
        source=source.get("parameter", source.get("from", "")),
        default=_text(source.get("default")),
        optional=given.get("optional", False),
    )


def _task(given: Mapping[str, Any]) -> Task:
    arguments = given.get("arguments", {})
    return Task(
        given["name"],
        given["template"],
        tuple(given.get("dependencies", ())),
        given.get("when", ""),
        {each["name"]: _text(each.get("value")) or "" for each in arguments.get("parameters", [])},
        {each["name"]: each["from"] for each in arguments.get("artifacts", [])},
    )


def _container(given: Mapping[str, Any], claims: Mapping[str, str]) -> Container:
    return Container(
        image=given["image"],
        words=(*given.get("command", ()), *given.get("args", ())),
        env={each["name"]: _text(each.get("value")) or "" for each in given.get("env", [])},
        mounts={each["mountPath"]: claims[each["name"]] for each in given.get("volumeMounts", [])},
        folder=given.get("workingDir", ""),
    )


def _resource(given: Mapping[str, Any]) -> Resource:
    return Resource(
        given["action"],
        given.get("manifest", ""),
        given.get("successCondition", ""),
        given.get("failureCondition", ""),
        tuple(given.get("flags", ())),
        given.get("mergeStrategy", "strategic"),
    )


def _retry(given: Mapping[str, Any] | None) -> Retry:
    if given is None:
        return Retry()
    backoff = given.get("backoff", {})
    limit = given.get("limit")
    return Retry(
        None if limit is None else int(limit),
        given.get("retryPolicy", "OnFailure"),
        seconds(backoff.get("duration")) or 0.0,
        float(backoff.get("factor", 1)),
        seconds(backoff.get("maxDuration")),
    )


def _claim(volume: Mapping[str, Any]) -> str:
    return str(volume.get("persistentVolumeClaim", {}).get("claimName", ""))
