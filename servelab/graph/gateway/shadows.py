"""Requests to shadow predictors: asked in the background, they never change or delay an answer."""

import asyncio
from collections.abc import Awaitable, Callable

from servelab.graph.gateway.live import Live
from servelab.graph.manifest import Predictor

AT_ONCE = 64  # on their way; more are dropped, so that a slow shadow does not gather requests without end


class Shadows:
    """The requests on their way to shadows."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, live: Live, walk: Callable[[Predictor], Awaitable[object]]) -> None:
        """Walk the shadow of this deployment, if it has one, without waiting; ``walk`` must not raise."""
        if live.shadow is not None and len(self._tasks) < AT_ONCE:
            task = asyncio.create_task(_counted(live, walk(live.shadow)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _counted(live: Live, walk: Awaitable[object]) -> None:
    with live:
        await walk
