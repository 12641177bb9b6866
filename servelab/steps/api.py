"""SeldonDeployments by the Kubernetes API: of a cluster, or of the graph runner, whose control API has the same paths.

In a pod the service account's own token is used. From elsewhere an API server is reached through `kubectl proxy`, which
knows every way of logging in; this module need know none. Paths and forms: Kubernetes API concepts, custom resources.
"""

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from servelab.steps.files import StepFailed

Object = dict[str, Any]
GROUP: Final = "machinelearning.seldon.io"
MANAGER: Final = "servelab"  # the field manager of server-side apply
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT: Final = 60.0  # seconds without an answer
SETTLE: Final = 5.0  # seconds in which a controller will have seen a change
NOT_FOUND: Final = 404
# What the server writes into an object, and refuses or ignores when it comes back.
SERVERS_OWN: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")


class Refused(StepFailed):
    """The API answered with a failure; ``code`` is its HTTP status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Api:
    """One API server; ``token`` is a file because a service account's token is renewed in place."""

    url: str
    token: Path | None = None
    authority: Path | None = None

    @classmethod
    def find(cls, url: str | None) -> "Api":
        """The one at that URL, else the cluster that this pod runs in. StepFailed when there is neither."""
        if url:
            if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
                raise StepFailed(f"expected --api as a URL such as http://127.0.0.1:8010; found {url!r}")
            return cls(url.rstrip("/"))
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise StepFailed(
                "expected --api URL outside of a cluster: http://127.0.0.1:8010 of `servelab graph run`, "
                "or http://127.0.0.1:8001 of `kubectl proxy`"
            )
        host = f"[{host}]" if ":" in host else host
        return cls(f"https://{host}:{port}", ACCOUNT / "token", ACCOUNT / "ca.crt")

    def get(self, version: str, namespace: str, name: str) -> Object | None:
        """The object as it is, or None when there is none."""
        try:
            return self._send("GET", _path(version, namespace, name))
        except Refused as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def apply(self, document: Object) -> Object:
        """Server-side apply: made or changed to what the document says; the object that is there now."""
        path = _path(*identity(document)) + f"?fieldManager={MANAGER}&force=true"
        return self._send("PATCH", path, document, "application/apply-patch+yaml")

    def delete(self, version: str, namespace: str, name: str) -> bool:
        """Take it away; False when there was none."""
        try:
            self._send("DELETE", _path(version, namespace, name))
        except Refused as error:
            if error.code == NOT_FOUND:
                return False
            raise
        return True

    def wait_available(self, applied: Object, seconds: float) -> Object:
        """The object, as `apply` gave it, once its status.state is Available; StepFailed when it Failed, or time is up.

        A controller that has not looked yet leaves the status of the version before: a state is believed when it is
        another than at first, or after SETTLE seconds.
        """
        version, namespace, name = identity(applied)
        began = time.monotonic()
        first, _ = _state(applied)
        while True:
            time.sleep(0.2)
            found = self.get(version, namespace, name) or {}
            state, why = _state(found)
            spent = time.monotonic() - began
            if state in ("Available", "Failed") and (state != first or spent > SETTLE):
                if state == "Available":
                    return found
                raise StepFailed(f"{namespace}/{name} failed: {why or 'its status gives no description'}")
            if spent > max(seconds, SETTLE):
                raise StepFailed(
                    f"{namespace}/{name}: expected Available within {seconds:g} s; its state is {state or 'not known'}"
                    + (f": {why}" if why else "; does a Seldon controller, or the graph runner, look after it?")
                )

    def _send(self, method: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        headers = {"Accept": "application/json", "Content-Type": kind}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token.read_text().strip()}"
        data = None if body is None else json.dumps(body).encode()  # JSON is YAML
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - http(s) by find
        trusted = ssl.create_default_context(cafile=self.authority) if self.authority else None
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT, context=trusted) as answer:  # noqa: S310
                document = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise Refused(f"{self.url} refused {method} {path}: {error.code} {_reason(error)}", error.code) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "reason", error)
            raise StepFailed(f"{self.url} gave no answer to {method} {path}: {why}; is it running?") from None
        return document if isinstance(document, dict) else {}


def _state(document: Object) -> tuple[str, str]:
    """status.state and status.description, empty where there is none."""
    status = document.get("status") or {}
    return status.get("state") or "", status.get("description") or ""


def _reason(error: urllib.error.HTTPError) -> str:
    """What a Kubernetes Status object says, or the start of what came instead."""
    body = error.read()
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace").strip() or str(error.reason)


def _path(version: str, namespace: str, name: str) -> str:
    return f"/apis/{version}/namespaces/{namespace}/seldondeployments/{urllib.parse.quote(name, safe='')}"


def identity(document: Object) -> tuple[str, str, str]:
    """apiVersion, namespace and name of a SeldonDeployment; StepFailed when it is none."""
    metadata = document.get("metadata") or {}
    version, kind, name = document.get("apiVersion", ""), document.get("kind"), metadata.get("name")
    if kind != "SeldonDeployment" or not str(version).startswith(f"{GROUP}/") or not name:
        raise StepFailed(
            f"expected a SeldonDeployment of {GROUP}/v1 with a name; found kind {kind!r}, apiVersion {version!r}, "
            f"name {name!r}"
        )
    return version, metadata.get("namespace", "default"), name


def plain(document: Object) -> Object:
    """The object without what the server wrote into it: ready to be applied again."""
    metadata = {key: value for key, value in document["metadata"].items() if key not in SERVERS_OWN}
    return {key: value for key, value in document.items() if key != "status"} | {"metadata": metadata}
