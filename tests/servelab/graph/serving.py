"""A gateway and components, in one event loop in a thread of its own, over real sockets: tests ask from outside."""

import asyncio
import contextlib
import http.client
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from servelab.graph import manifest
from servelab.graph.gateway.gateway import Gateway
from servelab.graph.gateway.live import Endpoint, Live
from servelab.graph.runner.ports import Port

T = TypeVar("T")
Answering = Callable[[web.Request, bytes], web.StreamResponse | Awaitable[web.StreamResponse]]
JSON = {"Content-Type": "application/json"}
PREDICTIONS = "/api/v1.0/predictions"
ROW = b'{"data": {"ndarray": [[1, 2, 3, 4]]}}'


@dataclass(frozen=True, slots=True)
class Call:
    """A request that reached a component."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the gateway; headers by lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def echo(_: web.Request, body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def saying(body: bytes, status: int = 200, content_type: str = "application/json") -> Answering:
    return lambda *_: web.Response(body=body, status=status, content_type=content_type)


@dataclass
class Component:
    """A real HTTP server that answers as told and keeps its port while it is down."""

    answer: Answering = echo
    calls: list[Call] = field(default_factory=list)
    hold: Port = field(default_factory=Port)
    runner: web.ServerRunner | None = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(("127.0.0.1", self.hold.number))

    async def start(self) -> None:
        self.runner = web.ServerRunner(web.Server(self._handle, auto_decompress=False), shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, *self.endpoint.http).start()

    async def stop(self) -> None:
        if self.runner:
            await self.runner.cleanup()
        self.hold.release()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()  # however large
        self.calls.append(Call(request.method, request.path, dict(request.headers), body))
        answer = self.answer(request, body)  # type: ignore[arg-type]
        return await answer if isinstance(answer, Awaitable) else answer


class Serving:
    """The gateway, with what a test puts before it; ``drawn`` is what its random source answers."""

    def __init__(self) -> None:
        self.drawn = 0.0
        self.loop = asyncio.new_event_loop()  # as `servelab graph run` has it
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._components: list[Component] = []
        self.gateway = self.run(self._made())

    async def _made(self) -> Gateway:
        gateway = Gateway(lambda: self.drawn)
        await gateway.start("127.0.0.1", 0, 0)
        return gateway

    def run(self, job: Coroutine[Any, Any, T], seconds: float = 20.0) -> T:
        """Do that in the event loop."""
        return asyncio.run_coroutine_threadsafe(job, self.loop).result(seconds)

    def component(self, answer: Answering = echo, up: bool = True) -> Component:
        component = Component(answer)
        self._components.append(component)
        if up:
            self.run(component.start())
        return component

    def put(
        self, document: Mapping[str, Any], endpoints: Mapping[str, Endpoint | Component], predictor: str = "default"
    ) -> Live | None:
        """Let a deployment serve; ``endpoints`` by unit, or predictor/unit. The one that did before."""
        at = {
            tuple(name.split("/")) if "/" in name else (predictor, name): e.endpoint if isinstance(e, Component) else e
            for name, e in endpoints.items()
        }

        async def put() -> Live | None:
            return self.gateway.put(Live(manifest.parse(document), at))  # type: ignore[arg-type]

        return self.run(put())

    def stop(self) -> None:
        """End everything."""
        self.run(self.gateway.stop())
        for component in self._components:
            self.run(component.stop())
        self.run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end(self) -> None:
        """What still waits for a client that has left, or a component that hangs."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ask(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] = JSON, method: str = "POST"
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())

    def get(self, path: str) -> Reply:
        return self.ask(path, None, {}, "GET")


@contextlib.contextmanager
def serving() -> Iterator[Serving]:
    found = Serving()
    try:
        yield found
    finally:
        found.stop()


def node(name: str, kind: str = "MODEL", *children: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "children": list(children), **more}


def predictor(graph: Mapping[str, Any], name: str = "default", **more: Any) -> dict[str, Any]:
    def names(of: Mapping[str, Any]) -> Iterator[str]:
        yield of["name"]
        for child in of.get("children", ()):
            yield from names(child)

    containers = [{"name": each, "image": f"servelab/{each}:1"} for each in names(graph)]
    return {"name": name, "graph": graph, "componentSpecs": [{"spec": {"containers": containers}}], **more}


def deployment(
    *predictors: Mapping[str, Any],
    name: str = "ab",
    namespace: str = "test",
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"predictors": list(predictors), "annotations": dict(annotations or {})},
    }


INJECTING: dict[str, Any] = {"svcOrchSpec": {"env": [{"name": "SELDON_ENABLE_ROUTING_INJECTION", "value": "true"}]}}
