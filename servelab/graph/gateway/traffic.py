"""Which predictor answers a request, which shadow hears it too, and the count of both: the same over REST and gRPC."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from servelab.graph.gateway.live import Live
from servelab.graph.gateway.metrics import Metrics
from servelab.graph.gateway.shadows import Shadows
from servelab.graph.manifest import Predictor

T = TypeVar("T")


class Traffic:
    """``random`` draws from [0, 1)."""

    def __init__(self, metrics: Metrics, random: Callable[[], float]) -> None:
        self._metrics = metrics
        self._random = random
        self._shadows = Shadows()

    async def through(
        self, live: Live, walk: Callable[[Predictor], Awaitable[T]], labels: Callable[[T], tuple[str, str, str]]
    ) -> T:
        """The answer of the deployment's predictor whose turn it is; ``walk`` must not raise.

        ``labels`` of an answer: service, method and code, under which it is counted. The request is on its way before
        the first await, so that a replaced deployment does not end before it.
        """
        began = time.perf_counter()
        predictor = live.choose(self._random)
        if live.mirrors(self._random):
            self._shadows.ask(live, walk)
        with live:
            answer = await walk(predictor)
        self._metrics.answered(live.deployment, predictor, *labels(answer), time.perf_counter() - began)
        return answer

    async def stop(self) -> None:
        """End the shadows' requests."""
        await self._shadows.stop()
