"""A deployment of the runner as Kubernetes shows one: metadata, status, lists, and errors as Status objects."""

from typing import Any

from servelab.graph.runner.runner import Entry
from servelab.kubernetes import GROUP, KIND


class Refusal(Exception):
    """An answer of the control API that is an error: HTTP status, reason in one word, message."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def as_status(self) -> dict[str, Any]:
        """The Status object (k8s.io/apimachinery, meta/v1)."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


def as_object(entry: Entry, version: str, base: str) -> dict[str, Any]:
    """The manifest with the server's metadata and ``status``; ``base`` is the runner's own URL."""
    wanted = entry.wanted
    metadata = dict(wanted.document.get("metadata", {}))
    metadata |= {
        "name": wanted.name,
        "namespace": wanted.namespace,
        "uid": entry.uid,
        "resourceVersion": str(entry.resource_version),
        "generation": entry.generation,
        "creationTimestamp": entry.created,
    }
    return {
        **wanted.document,
        "apiVersion": f"{GROUP}/{version}",
        "kind": KIND,
        "metadata": metadata,
        "status": _status(entry, base),
    }


def as_list(objects: list[dict[str, Any]], version: str) -> dict[str, Any]:
    """A list of objects."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "SeldonDeploymentList",
        "metadata": {"resourceVersion": ""},
        "items": objects,
    }


def _status(entry: Entry, base: str) -> dict[str, Any]:
    """Seldon's own fields (operator/apis/machinelearning.seldon.io/v1, SeldonDeploymentStatus; 1.17.1)."""
    serving = entry.serving
    predictors: dict[str, dict[str, Any]] = {}
    components: dict[str, dict[str, Any]] = {}
    for (predictor, unit), component in serving.running.components.items() if serving else ():
        found = predictors.setdefault(f"{entry.wanted.name}-{predictor}", {"replicas": 1, "availableReplicas": 1})
        found["availableReplicas"] = int(found["availableReplicas"] and component.ready)
        components[f"{predictor}/{unit}"] = {
            "ready": component.ready,
            "restarts": component.restarts,
            "port": component.endpoint.http[1],
        }
    path = f"/seldon/{entry.wanted.namespace}/{entry.wanted.name}/api/v1.0/predictions"
    return {
        "state": entry.state,
        "description": entry.description,
        "observedGeneration": entry.generation,  # what is said here is of this generation, always
        "replicas": 1,
        "address": {"url": base + path},
        "deploymentStatus": predictors,
        # Not Seldon's: what this runner alone knows.
        "components": components,
        "notes": [*entry.wanted.notes, *entry.notices],
        "rollback": entry.previous is not None or bool(serving and entry.state != "Available"),
    }
