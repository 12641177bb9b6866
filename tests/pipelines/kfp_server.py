"""The upload and run calls of a KFP API server, both generations: keeps what is uploaded, records every request.

The real server is a Go program behind a database in a cluster. Replies have the fields that its published Swagger
definitions give (backend/api/v1beta1 and v2beta1 of kubeflow/pipelines); the real clients check them as they read.
"""

import email.message
import email.parser
import email.policy
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TIME = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``query`` holds each name once, ``body`` is JSON or the one part of a form."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    part: email.message.Message | None = field(default=None, compare=False)


@dataclass
class Pipeline:
    """What the server keeps of one."""

    name: str
    description: str
    versions: list[str]


class Kfp(ThreadingHTTPServer):
    """A server that knows ``apis``; a look for the pipeline ``refuse-403`` is answered with that status."""

    daemon_threads = True

    def __init__(self, *apis: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.apis = apis
        self.token = ""
        self.pipelines: dict[str, Pipeline] = {}
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def sent(self, method: str, end: str) -> list[Request]:
        """The recorded requests of that method whose path ends so."""
        return [each for each in self.requests if each.method == method and each.path.endswith(end)]


@contextmanager
def serving(*apis: str) -> Iterator[Kfp]:
    with Kfp(*apis) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


class Handler(BaseHTTPRequestHandler):
    server: Kfp

    def answer(self) -> None:
        request = self._read()
        self.server.requests.append(request)
        status, reply = self._reply(request)
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""

    def _read(self) -> Request:
        url = urllib.parse.urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        query = {
            name: value for name, (value,) in urllib.parse.parse_qs(url.query, strict_parsing=bool(url.query)).items()
        }
        body, part = None, None
        if kind.startswith("multipart/form-data"):
            parser = email.parser.BytesParser(policy=email.policy.HTTP)
            form = parser.parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
            (part,) = form.iter_parts()
            body = part.get_content()
            body = body.decode() if isinstance(body, bytes) else body
        elif data:
            body = json.loads(data)
        return Request(
            self.command, url.path, query, {name.title(): value for name, value in self.headers.items()}, body, part
        )

    def _reply(self, request: Request) -> tuple[int, Any]:
        api = next((each for each in self.server.apis if request.path.startswith(f"/apis/{each}/")), None)
        if self.server.token and request.headers.get("Authorization") != f"Bearer {self.server.token}":
            return 401, {"error": "unauthorised"}
        if api is None:
            return 404, {"error": "Not Found"}
        end = request.path.removeprefix(f"/apis/{api}/")
        if end == "healthz":
            return 200, {"multi_user": False}
        second = api == "v2beta1"
        if end == "pipelines/upload":
            return self._upload(request, second)
        if end == "pipelines/upload_version":
            self.server.pipelines[request.query["pipelineid"]].versions.append(request.query["name"])
            return 200, _version(request.query["name"], request.query["pipelineid"], second)
        if end.startswith(("experiments", "runs")):
            return 200, _run(request.method, end, second)
        return self._read_pipelines(request, end, second)

    def _upload(self, request: Request, second: bool) -> tuple[int, Any]:
        name = request.query["name"]
        if any(each.name == name for each in self.server.pipelines.values()):
            return 409, {"error": f"pipeline {name} already exists"}
        key = f"id-{len(self.server.pipelines)}"
        # As the server does: the first version has the name of the pipeline.
        self.server.pipelines[key] = Pipeline(name, request.query.get("description", ""), [name])
        return 200, _pipeline(key, self.server.pipelines[key], second)

    def _read_pipelines(self, request: Request, end: str, second: bool) -> tuple[int, Any]:
        key = request.query.get("resource_key.id") or end.removeprefix("pipelines/").partition("/")[0]
        if end == "pipelines":
            (predicate,) = json.loads(request.query["filter"])["predicates"]
            if predicate["stringValue"].startswith("refuse-"):
                return int(predicate["stringValue"].removeprefix("refuse-")), {"error": "refused"}
            found = [_pipeline(key, each, second) for key, each in self.server.pipelines.items()
                     if each.name == predicate["stringValue"]]  # fmt: skip
            return 200, {"pipelines": found, "total_size": len(found)}
        versions = [_version(each, key, second) for each in self.server.pipelines[key].versions]
        if end in {"pipeline_versions", f"pipelines/{key}/versions"}:
            # Two at a time, so that a client must turn pages.
            start = int(request.query.get("page_token") or 0)
            more = {"next_page_token": str(start + 2)} if start + 2 < len(versions) else {}
            kept = versions[start : start + 2]
            return 200, {"pipeline_versions" if second else "versions": kept, "total_size": len(versions), **more}
        return 200, _pipeline(key, self.server.pipelines[key], second)


def _pipeline(key: str, pipeline: Pipeline, second: bool) -> dict[str, Any]:
    if second:
        return {
            "pipeline_id": key,
            "display_name": pipeline.name,
            "description": pipeline.description,
            "created_at": TIME,
        }
    first = _version(pipeline.versions[0], key, second=False)
    return {"id": key, "name": pipeline.name, "description": pipeline.description, "created_at": TIME,
            "default_version": first}  # fmt: skip


def _version(name: str, pipeline: str, second: bool) -> dict[str, Any]:
    if second:
        return {"pipeline_id": pipeline, "pipeline_version_id": f"v-{name}", "display_name": name, "created_at": TIME}
    return {"id": f"v-{name}", "name": name, "created_at": TIME, "parameters": []}


def _run(method: str, end: str, second: bool) -> dict[str, Any]:
    if end.startswith("experiments"):
        one = {"experiment_id": "e-1", "display_name": "Default"} if second else {"id": "e-1", "name": "Default"}
        return one if method == "POST" or "/" in end else {"experiments": [one], "total_size": 1}
    if second:
        return {"run_id": "r-1", "display_name": "run", "state": "SUCCEEDED"}
    run = {"id": "r-1", "name": "run", "status": "Succeeded"}
    return {"run": run}
