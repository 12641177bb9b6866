"""Requests to shadow predictors: asked in the background, they never change or delay an answer."""

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from servelab.graph.gateway.live import Live
from servelab.graph.manifest import Predictor

AT_ONCE = 64  # on their way to one shadow; more are dropped, so that a slow one does not gather them without end


class Shadows:
    """The requests on their way to shadows."""

    def __init__(self) -> None:
        # By deployment, so that a shadow that hangs silences no other.
        self._tasks: WeakKeyDictionary[Live, set[asyncio.Task[None]]] = WeakKeyDictionary()

    def ask(self, live: Live, walk: Callable[[Predictor], Awaitable[object]]) -> None:
        """Walk the shadow of this deployment, if it has one, without waiting; ``walk`` must not raise."""
        tasks = self._tasks.setdefault(live, set())
        if live.shadow is not None and len(tasks) < AT_ONCE:
            task = asyncio.create_task(_counted(live, walk(live.shadow)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def stop(self) -> None:
        """End them all."""
        tasks = [task for tasks in self._tasks.values() for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _counted(live: Live, walk: Awaitable[object]) -> None:
    with live:
        await walk
