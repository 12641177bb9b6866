"""A deployment that serves: where its components listen, and how many requests are on their way through it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from servelab.graph.manifest import Deployment, Predictor

TIMEOUT_ANNOTATION = "seldon.io/rest-timeout"  # milliseconds for one answer of a component
TIMEOUT = 30.0  # seconds, without it; the executor would wait for ever
GRPC_TIMEOUT_ANNOTATION = "seldon.io/grpc-timeout"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a component listens: host and port of its REST API, and of its gRPC API when it has one."""

    http: tuple[str, int]
    grpc: tuple[str, int] | None = None


class Live:
    """``endpoints`` by the names of predictor and unit. ``with live:`` around a request counts it as on its way."""

    def __init__(self, deployment: Deployment, endpoints: Mapping[tuple[str, str], Endpoint]) -> None:
        self.deployment = deployment
        self.endpoints = endpoints
        self.shadow = next((predictor for predictor in deployment.predictors if predictor.shadow), None)
        self._serving = [predictor for predictor in deployment.predictors if not predictor.shadow]
        self.timeout = _seconds(deployment, TIMEOUT_ANNOTATION)
        self.grpc_timeout = _seconds(deployment, GRPC_TIMEOUT_ANNOTATION)
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def choose(self, random: Callable[[], float]) -> Predictor:
        """One of the predictors that answer, by their traffic; ``random`` draws from [0, 1)."""
        if len(self._serving) == 1:
            return self._serving[0]
        drawn = random() * sum(predictor.traffic for predictor in self._serving)
        for predictor in self._serving:
            drawn -= predictor.traffic
            if drawn < 0:
                break
        return predictor

    def mirrors(self, random: Callable[[], float]) -> bool:
        """Whether the shadow gets this request too: of all, the percentage that its traffic says."""
        return self.shadow is not None and random() * 100 < self.shadow.traffic

    def __enter__(self) -> None:
        self._requests += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._requests -= 1
        if not self._requests:
            self._idle.set()

    @property
    def requests(self) -> int:
        """How many requests are on their way."""
        return self._requests

    async def drained(self) -> None:
        """Wait until no request is on its way."""
        await self._idle.wait()


def _seconds(deployment: Deployment, annotation: str) -> float:
    """The annotation's milliseconds; the default where it is missing, no number, or not above 0."""
    text = deployment.annotations.get(annotation, "")
    return int(text) / 1000 if text.isdecimal() and int(text) else TIMEOUT
