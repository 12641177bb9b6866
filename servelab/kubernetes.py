"""SeldonDeployments by the Kubernetes API: of a cluster, or of the graph runner, whose control API has the same paths.

In a pod the service account's own token is used. From elsewhere an API server is reached through `kubectl proxy`, which
knows every way of logging in; this module need know none. Paths and forms: Kubernetes API concepts, custom resources.
"""

import contextlib
import http.client
import json
import os
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from servelab.client import parse_url
from servelab.errors import AddressError, ServelabError

Object = Mapping[str, Any]
GROUP: Final = "machinelearning.seldon.io"
KIND: Final = "SeldonDeployment"
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
MANAGER: Final = "servelab"  # the field manager of server-side apply
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NOT_FOUND: Final = 404
DRAIN: Final = 180.0  # seconds that a delete may take: a graph runner answers once what was in flight is finished
SETTLE: Final = 5.0  # seconds in which a controller will have seen a change
# What the server writes into metadata, and refuses or ignores when it comes back; the rest is the manifest's.
SERVER_SIDE: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")


class KubernetesError(ServelabError):
    """The API refused, nobody answered, or time ran out; ``code`` is the HTTP status, 0 where none came."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Reference(NamedTuple):
    """Which SeldonDeployment; ``version`` is the apiVersion that it is asked for in."""

    namespace: str
    name: str
    version: str = f"{GROUP}/v1"

    @classmethod
    def of(cls, document: Object) -> "Reference":
        """That of a manifest; KubernetesError when it is none of a SeldonDeployment."""
        metadata = document.get("metadata") or {}
        version, kind, name = document.get("apiVersion"), document.get("kind"), metadata.get("name")
        if kind != KIND or not str(version).startswith(f"{GROUP}/") or not name:
            raise KubernetesError(
                f"expected a SeldonDeployment of {GROUP}/v1 with a name; found kind {kind!r}, apiVersion {version!r}, "
                f"name {name!r}"
            )
        return cls(metadata.get("namespace") or "default", str(name), str(version))

    @property
    def path(self) -> str:
        """Of the object in the API."""
        group, _, version = self.version.partition("/")
        parts = (group, version, "namespaces", self.namespace, "seldondeployments", self.name)
        return "/apis/" + "/".join(urllib.parse.quote(part, safe="") for part in parts)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Api:
    """One API server. Methods raise KubernetesError.

    ``token`` is a file because a service account's token is renewed in place; ``timeout`` is for one answer, seconds.
    """

    url: str
    token: Path | None = None
    authority: Path | None = None
    timeout: float = 60.0

    def __post_init__(self) -> None:
        try:
            parse_url(self.url)
        except AddressError:
            raise AddressError(f"expected a URL such as http://127.0.0.1:8010; found {self.url!r}") from None

    @classmethod
    def of_pod(cls) -> "Api":
        """The cluster that this pod runs in, by its service account."""
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise KubernetesError(
                "expected --api URL outside of a cluster: http://127.0.0.1:8010 of `.venv/bin/servelab graph run`, "
                "or http://127.0.0.1:8001 of `kubectl proxy`"
            )
        host = f"[{host}]" if ":" in host else host
        return cls(f"https://{host}:{port}", ACCOUNT / "token", ACCOUNT / "ca.crt")

    def get(self, what: Reference) -> Object:
        """The object as it is; code 404 when there is none."""
        return self._send("GET", what.path)

    def find(self, what: Reference) -> Object | None:
        """The object as it is, or None when there is none."""
        try:
            return self.get(what)
        except KubernetesError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def list(self) -> list[Object]:
        """Every object of every namespace."""
        return list(self._send("GET", f"/apis/{GROUP}/v1/seldondeployments").get("items") or ())

    def apply(self, document: Object) -> Object:
        """Server-side apply: made or changed to what the document says; the object that is there now."""
        path = f"{Reference.of(document).path}?fieldManager={MANAGER}&force=true"
        return self._send("PATCH", path, document, APPLY)

    def delete(self, what: Reference) -> bool:
        """Take it away; False when there was none."""
        try:
            self._send("DELETE", what.path, timeout=DRAIN)
        except KubernetesError as error:
            if error.code == NOT_FOUND:
                return False
            raise
        return True

    def rollback(self, what: Reference) -> Object:
        """Back to the version that served before; a graph runner's own, not Kubernetes'."""
        return self._send("POST", f"{what.path}/rollback")

    def settled(self, changed: Object, seconds: float) -> Object:
        """The object that `apply` or `rollback` gave, once it is Available or Failed, ``seconds`` at most."""
        what, before = Reference.of(changed), state(changed)
        began = time.monotonic()
        while True:
            found = self.get(what)
            spent = time.monotonic() - began
            if state(found) in ("Available", "Failed") and (_seen(found) or state(found) != before or spent > SETTLE):
                return found
            if spent > max(seconds, SETTLE):
                why = (found.get("status") or {}).get("description")
                raise KubernetesError(
                    f"{what}: expected Available within {seconds:g} s; its state is {state(found) or 'not known'}"
                    + (f": {why}" if why else "; does a Seldon controller, or the graph runner, look after it?")
                )
            time.sleep(0.2)

    def _send(
        self, method: str, path: str, body: Object | None = None, kind: str = "application/json", timeout: float = 0.0
    ) -> Object:
        headers = {"Accept": "application/json", "Content-Type": kind} | self._login()
        data = None if body is None else json.dumps(body).encode()  # JSON is YAML
        status, content = self._exchange(method, path, data, headers, timeout or self.timeout)
        try:
            document = json.loads(content)
        except ValueError:
            document = None
        if status >= 300:  # a redirect, too, is none of this API
            said = document.get("message") if isinstance(document, dict) else None
            why = said or content[:200].decode("utf-8", "replace").strip() or http.client.responses.get(status, "")
            raise KubernetesError(f"{self.url} refused {method} {path}: {status} {why}", status)
        if not isinstance(document, dict):
            raise KubernetesError(
                f"{self.url} is neither a graph runner nor a Kubernetes API: "
                f"expected an object in JSON from {method} {path}; found {content[:80]!r}"
            )
        return document

    def _login(self) -> dict[str, str]:
        try:
            return {"Authorization": f"Bearer {self.token.read_text().strip()}"} if self.token else {}
        except OSError as error:
            raise KubernetesError(
                f"expected the service account's token in {self.token}; cannot read it: {error.strerror}. "
                "Let the pod mount one (automountServiceAccountToken), or name an --api URL"
            ) from None

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float
    ) -> tuple[int, bytes]:
        try:
            with contextlib.closing(self._connection(timeout)) as connection:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise KubernetesError(
                f"{self.url} gave no answer to {method} {path} ({error or type(error).__name__}); is it running? "
                "Start a graph runner by `.venv/bin/servelab graph run`, the door to a cluster by `kubectl proxy`"
            ) from None

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        address = parse_url(self.url)
        host = address.hostname or ""
        if address.scheme == "http":
            return http.client.HTTPConnection(host, address.port, timeout=timeout)
        trusted = ssl.create_default_context(cafile=self.authority)
        return http.client.HTTPSConnection(host, address.port, timeout=timeout, context=trusted)


def state(document: Object) -> str:
    """status.state: Creating, Available or Failed; empty where none is known yet."""
    return str((document.get("status") or {}).get("state") or "")


def _seen(document: Object) -> bool:
    """Whether the status is said to be of this generation.

    A controller that has not looked yet leaves the status of the version before. One that says nothing of generations
    is believed once the state is another than at first, or after SETTLE seconds.
    """
    observed = (document.get("status") or {}).get("observedGeneration")
    return bool(observed) and observed == document["metadata"].get("generation")


def plain(document: Object) -> dict[str, Any]:
    """The object without what the server wrote into it: ready to be applied again."""
    metadata = {key: value for key, value in document["metadata"].items() if key not in SERVER_SIDE}
    return {key: value for key, value in document.items() if key != "status"} | {"metadata": metadata}
