"""A recording stand-in of the Kubernetes API: it takes SeldonDeployments, notes every request, and deploys nothing.

The first word of a path says how it behaves: ``/available/apis/...`` is a cluster on which everything goes well.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What status.state says at each look; the last word stays. An empty one: no controller has looked at the object yet.
STATES = {
    "available": ("", "Creating", "Creating", "Available"),
    "other": ("Creating", "Available"),
    "failed": ("Creating", "Failed"),
    "never": ("Creating",),
    "taken": (),
}
# What is deployed to the cluster "other": nothing of it is as in seldon_deployment.yaml.
OTHER: dict[str, Any] = {
    "apiVersion": "machinelearning.seldon.io/v1alpha2",
    "kind": "SeldonDeployment",
    "metadata": {"name": "digits", "namespace": "shop"},
    "spec": {"predictors": [{"name": "main", "graph": {"name": "digits", "type": "MODEL"}}]},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    cluster: str  # a key of STATES
    path: str
    body: Any


class Api(ThreadingHTTPServer):
    """The server; ``asked`` holds every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Asked] = []
        self.objects: dict[str, Any] = {}  # by their paths, cluster included

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.server_port}"

    def of(self, cluster: str, method: str) -> list[Asked]:
        """The requests of one method to one cluster."""
        return [each for each in self.asked if (each.cluster, each.method) == (cluster, method)]


@contextmanager
def serving() -> Iterator[Api]:
    """The stand-in, listening until the block ends."""
    with Api() as api:
        threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield api
        api.shutdown()


class Handler(BaseHTTPRequestHandler):
    """Answers as the API does: the object, or a Status with a message."""

    server: Api

    def answer(self) -> None:
        """One request."""
        cluster, _, path = self.path.partition("?")[0].lstrip("/").partition("/")
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(sent) if sent else None
        except ValueError:
            body = sent.decode("utf-8", "replace")
        self.server.asked.append(Asked(self.command, cluster, f"/{path}", body))
        status, document = self._reply(cluster, path, body)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the requests are noted."""

    def _reply(self, cluster: str, path: str, body: Any) -> tuple[int, Any]:
        if self.command == "POST":
            return self._create(cluster, path, body)
        if self.command != "GET":
            return _refusal(405, f"expected POST and GET, as `create` needs them; found {self.command}")
        found = self.server.objects.get(f"{cluster}/{path}")
        if found is None:
            return _refusal(404, f"nothing at /{path}")
        looks = len([each for each in self.server.of(cluster, "GET") if each.path == f"/{path}"])
        states = STATES[cluster]
        state = states[min(looks, len(states)) - 1]
        return 200, found | ({"status": {"state": state}} if state else {})

    def _create(self, cluster: str, path: str, body: Any) -> tuple[int, Any]:
        name = (body.get("metadata") or {}).get("name") if isinstance(body, dict) else None
        if not name:
            return _refusal(400, "expected a JSON object with metadata.name")
        if cluster == "taken":
            return _refusal(409, f'seldondeployments "{name}" already exists')
        self.server.objects[f"{cluster}/{path}/{name}"] = body
        return 201, body


def _refusal(code: int, message: str) -> tuple[int, Any]:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
