"""The component processes of one version of a deployment: up together, or not at all."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from servelab.graph.gateway.live import Endpoint
from servelab.graph.manifest import Deployment
from servelab.graph.runner.component import Component
from servelab.graph.runner.health import Health
from servelab.graph.runner.job import Place
from servelab.graph.runner.program import Program


@dataclass(frozen=True, slots=True)
class Size:
    """How each component runs: gunicorn workers, gRPC beside REST, and how it is asked whether it lives."""

    workers: int = 1
    grpc: bool = False
    health: Health = field(default_factory=Health)


class Running:
    """The components by predictor and unit; a unit without a program has none."""

    def __init__(self, deployment: Deployment, programs: Mapping[tuple[str, str], Program], size: Size) -> None:
        self.deployment = deployment
        self.components = {
            (predictor.name, unit.name): Component(
                Place(deployment.name, predictor.name, unit), programs[predictor.name, unit.name],
                size.workers, size.grpc, size.health,
            )
            for predictor in deployment.predictors
            for unit in predictor.units()
            if (predictor.name, unit.name) in programs
        }  # fmt: skip

    @property
    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        """Where its components listen, also while one is started again."""
        return {key: component.endpoint for key, component in self.components.items()}

    async def start(self) -> None:
        """Return once every component is ready; StartFailed of the first that fails, and none is left then."""
        starting = [asyncio.create_task(component.start()) for component in self.components.values()]
        try:
            for first in asyncio.as_completed(starting):
                await first
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let all finish what is in flight; afterwards nothing that they started lives."""
        await asyncio.gather(*(component.stop() for component in self.components.values()))
