"""The versions of every deployment: apply, roll back, delete. A version serves until the next one is ready."""

import asyncio
import datetime
import itertools
import logging
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from servelab.errors import ServelabError
from servelab.graph.gateway.gateway import Gateway
from servelab.graph.gateway.live import Live
from servelab.graph.manifest import Deployment
from servelab.graph.runner import program
from servelab.graph.runner.deployment import Running, Size
from servelab.graph.runner.program import Program, Sources

State = Literal["Creating", "Available", "Failed"]
Key = tuple[str, str]
_log = logging.getLogger(__name__)


class NothingToRollBack(ServelabError):
    """A deployment has served in one version only."""


@dataclass(frozen=True, slots=True)
class Version:
    """What was applied, and the processes and the door of what serves of it."""

    running: Running
    live: Live


@dataclass(slots=True)
class Entry:
    """A deployment: what is wanted, how far it is, what serves, and what served before."""

    wanted: Deployment
    state: State = "Creating"
    description: str = ""
    generation: int = 1
    resource_version: int = 0
    serving: Version | None = None
    previous: Deployment | None = None
    notices: tuple[str, ...] = ()
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    change: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Give up a change that is under way, for another takes its place."""
        self.generation += 1
        if self.change:
            self.change.cancel()
            self.change = None  # once: a second would break off its cleaning up


class Runner:
    """Holds everything in memory: when it ends, all that it started ends. Lives within one event loop."""

    def __init__(self, gateway: Gateway, sources: Sources | None = None, size: Size | None = None) -> None:
        self.gateway = gateway
        self.entries: dict[Key, Entry] = {}
        self._sources = sources or Sources()
        self._size = size or Size()
        self._revision = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def apply(self, wanted: Deployment) -> Entry:
        """Bring it up beside what serves, which it then replaces; returns at once, its state tells the rest.

        Raises ProgramError, and changes nothing, when a unit has no program here.
        """
        programs = program.of_deployment(wanted, self._sources)
        key = wanted.namespace, wanted.name
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = Entry(wanted)
        elif _graphs(entry.wanted) == _graphs(wanted) and entry.state != "Failed":
            entry.wanted = wanted  # perhaps with another label; to start the same anew would help nobody
            return entry
        else:
            entry.cancel()
        entry.wanted, entry.notices = wanted, tuple(p.notice for p in programs.values() if p.notice)
        self._say(entry, "Creating", "")
        entry.change = self._spawn(self._bring_up(entry, programs))
        return entry

    def rollback(self, key: Key) -> Entry:
        """Back to what served before; to what serves, from a version that is not up. KeyError, NothingToRollBack."""
        entry = self.entries[key]
        if entry.state != "Available" and entry.serving:
            entry.cancel()
            entry.wanted = entry.serving.live.deployment
            self._say(entry, "Available", "")
            return entry
        if entry.previous is None:
            raise NothingToRollBack(
                f"{key[1]} has served in one version only; apply another with: .venv/bin/servelab graph apply FILE"
            )
        return self.apply(entry.previous)

    async def delete(self, key: Key) -> None:
        """Take it from the door, let it finish what is in flight, stop it. KeyError when there is none."""
        entry = self.entries.pop(key)
        # No await until it serves no more: an apply of the same name may follow at once.
        entry.cancel()
        if entry.serving:
            self.gateway.remove(*key)
            await self._retire(entry.serving)
        async with entry.lock:  # a change that was under way has stopped what it started
            pass

    async def settled(self, key: Key) -> Entry:
        """The entry, once no change of it is under way. KeyError when it is gone."""
        while (change := self.entries[key].change) and not change.done():
            await asyncio.wait([change])
        return self.entries[key]

    async def stop(self) -> None:
        """Close the door, finish what is in flight, stop every component."""
        for entry in self.entries.values():
            entry.cancel()
        await self.gateway.stop()
        serving = [entry.serving for entry in self.entries.values() if entry.serving]
        await asyncio.gather(*(version.running.stop() for version in serving))
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.entries.clear()

    async def _bring_up(self, entry: Entry, programs: dict[Key, Program]) -> None:
        async with entry.lock:  # the one before this has stopped what it started
            wanted = entry.wanted
            try:
                running = Running(wanted, programs, self._size)
                await running.start()
            except (ServelabError, OSError) as error:  # OSError: no port to be had
                self._say(entry, "Failed", str(error))
                return
            old, entry.serving = entry.serving, Version(running, Live(wanted, running.endpoints))
            self.gateway.put(entry.serving.live)
            self._say(entry, "Available", "")
            if old:
                entry.previous = old.live.deployment
                self._spawn(self._retire(old))

    async def _retire(self, version: Version) -> None:
        """Stop a version that serves no more, once no request is on its way through it."""
        deployment = version.live.deployment
        longest = version.live.timeout * max(1, len(version.running.components))
        try:
            await asyncio.wait_for(version.live.drained(), longest)
        except TimeoutError:
            _log.warning("%s: %d requests did not end within %.0f s", deployment.name, version.live.requests, longest)
        await version.running.stop()

    def _say(self, entry: Entry, state: State, description: str) -> None:
        entry.state, entry.description = state, description
        entry.resource_version = next(self._revision)
        log = _log.warning if state == "Failed" else _log.info
        log("%s/%s generation %d: %s%s", entry.wanted.namespace, entry.wanted.name, entry.generation, state,
            f"\n{description}" if description else "")  # fmt: skip

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _graphs(deployment: Deployment) -> tuple[Any, ...]:
    """What serves of a deployment."""
    return deployment.predictors, deployment.annotations, deployment.protocol
