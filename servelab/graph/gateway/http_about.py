"""What a deployment says of itself over HTTP: whether it is ready, its metadata, its page, the figures of all."""

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import web

from servelab.graph.gateway import doc_page, http_reply, http_routes
from servelab.graph.gateway.http_caller import HttpCaller
from servelab.graph.gateway.http_routes import Asked, Handler
from servelab.graph.gateway.live import Live
from servelab.graph.gateway.metrics import CONTENT_TYPE
from servelab.graph.gateway.registry import Registry
from servelab.graph.manifest import Predictor, Unit
from servelab.graph.walk import Message

CONNECT = 1.0  # seconds for a component to take a connection


class About:
    """Answers the GET routes; ``caller`` asks components on behalf of a request."""

    def __init__(
        self,
        registry: Registry,
        random: Callable[[], float],
        caller: Callable[[Asked, Predictor], HttpCaller],
    ) -> None:
        self._registry, self._random, self._caller = registry, random, caller
        self.routes: Mapping[str, tuple[str, Handler]] = {
            **{f"api/v1.0/{path}": ("GET", self._status) for path in ("health/status", "status", "status/*")},
            "api/v0.1/status/*": ("GET", self._status),
            "api/v1.0/metadata": ("GET", self._graph_metadata),
            **{f"api/{v}/metadata/*": ("GET", self._metadata) for v in ("v0.1", "v1.0")},
            "api/v1.0/doc": ("GET", self._to_doc),
            **{f"api/v1.0/doc/{page}": ("GET", self._doc) for page in ("", "seldon.json")},
            "ready": ("GET", self._ready),
            "live": ("GET", self._alive),
            "prometheus": ("GET", self._prometheus),
        }

    async def _status(self, asked: Asked) -> web.Response:
        return await self._ask_unit(asked, "/health/status")

    async def _metadata(self, asked: Asked) -> web.Response:
        return await self._ask_unit(asked, "/metadata")

    async def _ask_unit(self, asked: Asked, path: str) -> web.Response:
        """GET of one unit: the named one, else the first that has a component."""
        predictor = asked.deployment.choose(self._random)
        units = _with_component(predictor, asked.deployment)
        unit = next((unit for unit in units if asked.argument in ("", unit.name)), None)
        if unit is None:
            there = ", ".join(unit.name for unit in units)
            return http_routes.not_found(f"expected the name of a component: {there}; found {asked.argument}")
        with asked.deployment:
            return await http_reply.answered(self._caller(asked, predictor).ask(unit, path, None), asked.puid)

    async def _graph_metadata(self, asked: Asked) -> web.Response:
        predictor = asked.deployment.choose(self._random)
        units = _with_component(predictor, asked.deployment)
        caller = self._caller(asked, predictor)

        async def ask_all() -> Message:
            answers = await asyncio.gather(*(caller.ask(unit, "/metadata", None) for unit in units))
            return doc_page.graph_metadata(predictor, {u.name: a for u, a in zip(units, answers, strict=True)})

        with asked.deployment:
            return await http_reply.answered(ask_all(), asked.puid)

    async def _doc(self, asked: Asked) -> web.Response:
        deployment = asked.deployment.deployment
        if asked.request.path.endswith(".json"):
            return http_reply.json(doc_page.openapi(deployment))
        return http_reply.page(deployment.name, doc_page.body(deployment))

    async def _to_doc(self, asked: Asked) -> web.Response:
        return web.Response(status=301, headers={"Location": asked.request.path + "/"})

    async def _ready(self, asked: Asked) -> web.Response:
        lives = [asked.live] if asked.live else self._registry.all()
        problems = [p for live in lives for p in await _not_listening(live)] or ([] if lives else ["no deployment"])
        if problems:
            return http_reply.failure(503, f"not ready: {'; '.join(problems)}", asked.puid)
        return http_reply.text("")

    async def _alive(self, _: Asked) -> web.Response:
        return http_reply.text("")

    async def _prometheus(self, _: Asked) -> web.Response:
        return http_reply.text(self._registry.metrics.text(), CONTENT_TYPE)


def _with_component(predictor: Predictor, live: Live) -> list[Unit]:
    return [unit for unit in predictor.units() if (predictor.name, unit.name) in live.endpoints]


async def _not_listening(live: Live) -> list[str]:
    """The components of a deployment that accept no connection, as the executor's readiness probe asks."""
    problems = []
    for (predictor, unit), endpoint in live.endpoints.items():
        try:
            async with asyncio.timeout(CONNECT):
                _, writer = await asyncio.open_connection(*endpoint.http)
            writer.close()
        except OSError:  # TimeoutError too
            host, port = endpoint.http
            problems.append(f"{predictor}/{unit} does not listen on {host}:{port}")
    return problems
