"""Resources by HTTP, on the paths of the Kubernetes API: a graph runner, or ``kubectl proxy`` before a cluster."""

import asyncio
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pipelines.argo import jsonpath
from pipelines.argo.errors import ArgoError, StepFailed
from pipelines.argo.resource import Object, Unreachable

TIMEOUT = 60.0  # seconds for one answer
# kubectl's three ways of a patch, by the content type that asks for them.
PATCHES = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}
SERVER_SIDE = "application/apply-patch+yaml"
MISSING = 404
# Whatever http_proxy says: a runner and kubectl proxy are on this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Api:
    """An API server without a login, such as http://127.0.0.1:8010."""

    url: str
    namespace: str = "default"

    async def do(self, action: str, manifest: str, flags: Sequence[str], merge: str) -> Object | None:
        """The verb as a request; apply is server-side apply."""
        if flags:
            raise ArgoError(f"resource.flags are kubectl's own ({' '.join(flags)}); say --kubectl instead of --runner")
        document = yaml.safe_load(manifest)
        path = self._path(document)
        if action == "delete":
            await self._send("DELETE", path, missing=True)
            return None
        if action == "create":
            return await self._send("POST", path.rpartition("/")[0], document)
        if action == "apply":
            return await self._send("PATCH", f"{path}?fieldManager=argo&force=true", document, SERVER_SIDE)
        if action == "patch":
            return await self._send("PATCH", path, document, PATCHES[merge])
        if action == "replace":
            return await self._send("PUT", path, document)
        return await self._send("GET", path)

    async def get(self, resource: Object) -> Object:
        """The object as it is."""
        return await self._send("GET", self._path(resource))

    async def output(self, resource: Object, json_path: str) -> str:
        """A value of the object as it is."""
        return jsonpath.read(json_path, await self.get(resource))

    def _path(self, document: object) -> str:
        try:
            version, kind = str(document["apiVersion"]), str(document["kind"])  # type: ignore[index]
            metadata: dict[str, Any] = document["metadata"]  # type: ignore[index]
            name = urllib.parse.quote(str(metadata["name"]), safe="")
        except (KeyError, TypeError) as error:
            raise ArgoError(
                f"expected a manifest with apiVersion, kind and metadata.name; found none of {error}"
            ) from None
        space = urllib.parse.quote(str(metadata.get("namespace") or self.namespace), safe="")
        return f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/{space}/{_plural(kind)}/{name}"

    async def _send(
        self, method: str, path: str, body: object = None, kind: str = "application/json", *, missing: bool = False
    ) -> Object:
        return await asyncio.to_thread(self._request, method, path, body, kind, missing)

    def _request(self, method: str, path: str, body: object, kind: str, missing: bool) -> Object:
        data = None if body is None else json.dumps(body).encode()  # JSON is YAML
        headers = {"Accept": "application/json", "Content-Type": kind}
        request = urllib.request.Request(self.url.rstrip("/") + path, data, headers, method=method)  # noqa: S310
        try:
            with DIRECT.open(request, timeout=TIMEOUT) as answer:
                found = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == MISSING and missing:
                return {}
            raise StepFailed(f"{self.url} refused {method} {path}: {error.code} {_reason(error)}") from None
        except ValueError as error:
            raise ArgoError(f"{self.url} answered {method} {path} with no JSON ({error})") from None
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(
                f"{self.url} gives no answer ({getattr(error, 'reason', error)}); is it running?"
            ) from None
        if not isinstance(found, dict):
            raise ArgoError(f"{self.url} answered {method} {path} with no object")
        return found


def _plural(kind: str) -> str:
    """As Argo and kubectl guess it: the rules of English."""
    word = kind.lower()
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _reason(error: urllib.error.HTTPError) -> str:
    """What a Kubernetes Status says, or the start of what came instead."""
    body = error.read()
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace").strip() or str(error.reason)
