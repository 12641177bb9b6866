"""The other end of the control API: asks a graph runner, or anything that speaks Kubernetes, about deployments."""

import http.client
import json
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

import orjson

from servelab.client import parse_url
from servelab.errors import ServelabError
from servelab.graph.api import APPLY, GROUP

Object = Mapping[str, Any]


class RemoteError(ServelabError):
    """The control API refused, or nobody answered; ``code`` is its HTTP status, 0 for no answer."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Remote:
    """The deployments of one namespace behind ``url``, such as http://127.0.0.1:8010. Methods raise RemoteError."""

    def __init__(self, url: str, namespace: str = "default", timeout: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.namespace = namespace
        self._address = parse_url(self.url)
        self._timeout = timeout

    def apply(self, document: Object) -> Object:
        """Server-side apply of a whole manifest; the object as it is now, usually Creating."""
        version = str(document.get("apiVersion", "")).rpartition("/")[2] or "v1"
        name = str((document.get("metadata") or {}).get("name", ""))
        path = f"{self._path(name, version)}?fieldManager=servelab&force=true"
        return self._ask("PATCH", path, orjson.dumps(document), APPLY)

    def get(self, name: str) -> Object:
        """The object of that name."""
        return self._ask("GET", self._path(name))

    def list(self) -> list[Object]:
        """Every object of every namespace."""
        return list(self._ask("GET", f"/apis/{GROUP}/v1/seldondeployments")["items"])

    def delete(self, name: str) -> None:
        """Delete it; returns when the answer comes, which a runner gives once all its components are stopped."""
        self._ask("DELETE", self._path(name))

    def rollback(self, name: str) -> Object:
        """Back to the previous version; a runner's own, not Kubernetes'."""
        return self._ask("POST", f"{self._path(name)}/rollback")

    def settled(self, name: str, seconds: float) -> Object:
        """The object once it is Available or Failed; RemoteError when it is still Creating after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(name)
            if found.get("status", {}).get("state") in ("Available", "Failed"):
                return found
            if time.monotonic() > deadline:
                raise RemoteError(f"{name} is still Creating after {seconds:.0f} s; see: servelab graph status {name}")
            time.sleep(0.2)

    def _path(self, name: str, version: str = "v1") -> str:
        parts = (GROUP, version, "namespaces", self.namespace, "seldondeployments", name)
        return "/apis/" + "/".join(urllib.parse.quote(part, safe="") for part in parts)

    def _ask(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> dict[str, Any]:
        secure = self._address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._address.hostname or "", self._address.port, timeout=self._timeout)
        try:
            headers = {"Content-Type": content_type} if content_type else {}
            connection.request(method, self._address.path + path, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RemoteError(
                f"no graph runner answers at {self.url} ({error or type(error).__name__}); "
                "start one with: servelab graph run, or say where it is: --runner URL"
            ) from None
        finally:
            connection.close()
        return _answer(self.url, response.status, content)


def _answer(url: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RemoteError(
            f"{url} is no graph runner: expected JSON, found {content[:80]!r} with status {status}", status
        )
    if status >= 300:
        raise RemoteError(str(value.get("message") or value), status)
    return value
