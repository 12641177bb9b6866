"""The door to the live deployments: HTTP and gRPC on one machine's ports, as Seldon's ingress and executor answer."""

import logging
import random as randomness
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from servelab.graph.gateway.grpc_server import GrpcServer
from servelab.graph.gateway.http_body import MAX_BODY
from servelab.graph.gateway.http_server import HttpServer
from servelab.graph.gateway.live import Live
from servelab.graph.gateway.registry import Registry

GRACE = 30.0  # seconds for the requests on their way when it stops
IDLE = 65.0  # seconds for which an idle connection of a client is kept, the executor's
_log = logging.getLogger(__name__)


def _is_ours(record: logging.LogRecord) -> bool:
    """A client that speaks no HTTP gets a 400; aiohttp would log a traceback for each."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_log.addFilter(_is_ours)


class Gateway:
    """``app`` takes further routes until ``start``; ``random`` draws from [0, 1) for traffic weights and A/B tests."""

    def __init__(self, random: Callable[[], float] = randomness.random) -> None:
        self._registry = Registry()
        self._http = HttpServer(self._registry, random)
        self._grpc = GrpcServer(self._registry, random)
        self.app = web.Application(client_max_size=MAX_BODY)
        # Bodies stay as they are encoded; nobody reads a log of every request.
        self._runner = web.AppRunner(
            self.app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE,
            logger=_log,
            shutdown_timeout=GRACE,
        )
        self.port = 0
        self.grpc_port: int | None = None

    def put(self, live: Live) -> Live | None:
        """Let a deployment serve from the next request on; the one that did until now, whose requests may go on."""
        return self._registry.put(live)

    def remove(self, namespace: str, name: str) -> Live | None:
        """Let a deployment serve no more; it, if there was one, whose requests may go on."""
        return self._registry.remove(namespace, name)

    def get(self, namespace: str, name: str) -> Live | None:
        """The live deployment of that name."""
        return self._registry.find(namespace, name)

    def all(self) -> list[Live]:
        """Every live deployment."""
        return self._registry.all()

    async def start(self, host: str, port: int, grpc_port: int | None = None) -> None:
        """Listen; port 0 takes a free one. ``grpc_port`` None: no gRPC. OSError or RuntimeError when one is taken.

        ``stop`` is due afterwards, whatever happened.
        """
        await self._http.start()
        self.app.router.add_route("*", "/{path:.*}", self._http.serve)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = int(self._runner.addresses[0][1])
        if grpc_port is not None:
            self.grpc_port = await self._grpc.start(host, grpc_port)

    async def stop(self) -> None:
        """Take no more requests and let those on their way end."""
        await self._runner.cleanup()
        if self.grpc_port is not None:
            await self._grpc.stop()
        await self._http.stop()
