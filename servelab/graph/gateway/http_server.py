"""The gateway over HTTP: whose request it is, which route, and the executor's answer to it."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from servelab.graph import codec_json
from servelab.graph.gateway import http_body, http_reply, http_routes
from servelab.graph.gateway.http_about import About
from servelab.graph.gateway.http_caller import PUID, HttpCaller, Pool
from servelab.graph.gateway.http_routes import Asked, Handler
from servelab.graph.gateway.registry import Registry
from servelab.graph.gateway.traffic import Traffic
from servelab.graph.manifest import Predictor
from servelab.graph.walk import Message, Walk

Way = Callable[[Walk, Message], Awaitable[Message]]
_log = logging.getLogger(__name__)


class HttpServer:
    """Serves the deployments of a registry; ``random`` draws from [0, 1)."""

    def __init__(self, registry: Registry, random: Callable[[], float]) -> None:
        self._registry = registry
        self._random = random
        self._pool: Pool
        self._traffic = Traffic(registry.metrics, random)
        self._routes: Mapping[str, tuple[str, Handler]] = {
            **{f"api/{v}/predictions": ("POST", self._predictions) for v in ("v0.1", "v1.0")},
            **{f"api/{v}/feedback": ("POST", self._feedback) for v in ("v0.1", "v1.0")},
            **About(registry, random, self._caller).routes,
        }

    async def start(self) -> None:
        """Open the pool of connections to the components; within the running event loop."""
        self._pool = Pool(self._registry.metrics)

    async def stop(self) -> None:
        """End the shadows' requests and close the pool."""
        await self._traffic.stop()
        await self._pool.close()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer any request; never raises but for a client that has left."""
        try:
            return await http_reply.finish(await self._dispatch(request), request)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:  # a fault of ours must neither show a traceback nor end the connection without an answer
            _log.exception("%s %s", request.method, request.path)
            return http_reply.failure(500, "the gateway failed; its log says where")

    async def _dispatch(self, request: web.Request) -> web.Response:
        namespace, name, path = http_routes.parts(request.path)
        pattern, argument = http_routes.pattern_of(path, self._routes)
        body = b""
        if pattern in self._routes:
            method, handler = self._routes[pattern]
            if request.method == "OPTIONS":
                return http_reply.preflight()
            if request.method != method:
                return http_routes.wrong_method(request, method)
            try:
                body = await http_body.read(request)
            except http_body.Unreadable as error:
                return error.answer()
        # From here on nothing waits until the request is counted: a replaced deployment ends when none is on its way.
        live = self._registry.find(namespace, name)
        puid = request.headers.get(PUID) or str(uuid.uuid4())
        if live is None and (name or path not in http_routes.WITHOUT_DEPLOYMENT):
            return http_routes.not_found(self._registry.missing(namespace, name))
        if pattern not in self._routes:
            return http_routes.not_found(http_routes.unknown(request, path, self._routes))
        return await handler(Asked(request, body, live, argument, puid))

    async def _predictions(self, asked: Asked) -> web.Response:
        return await self._walk(asked, "predictions", Walk.predict)

    async def _feedback(self, asked: Asked) -> web.Response:
        return await self._walk(asked, "feedback", Walk.feedback)

    async def _walk(self, asked: Asked, service: str, way: Way) -> web.Response:
        headers = asked.request.headers
        message = Message(asked.body, headers.get("Content-Type", ""), headers.get("Content-Encoding", ""))

        def walk(through: Predictor) -> Awaitable[web.Response]:
            graph = Walk(through, self._caller(asked, through), codec_json, self._random)
            return http_reply.answered(way(graph, message), asked.puid)

        return await self._traffic.through(asked.deployment, walk, lambda answer: (service, "post", str(answer.status)))

    def _caller(self, asked: Asked, predictor: Predictor) -> HttpCaller:
        return HttpCaller(self._pool, asked.deployment, predictor, asked.request.headers, asked.puid)
