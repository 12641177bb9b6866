"""Whether a component answers: asked over HTTP, and judged with patience for one that is only busy."""

import asyncio
from dataclasses import dataclass

PATH = "/health/status"  # of Seldon's wrapper; calls the component's own health_status where it has one


@dataclass(frozen=True, slots=True)
class Health:
    """How a component is asked whether it lives, in Kubernetes' terms, seconds; ``start`` to become ready.

    One that answers ``failures`` probes in a row not at all has hung; one that works meanwhile, by its CPU time, is
    given ``BUSY`` times as many: a batch that takes a minute is no fault.
    """

    period: float = 2.0
    timeout: float = 3.0
    failures: int = 3
    start: float = 120.0


BUSY = 10


class Verdict:
    """Counts the probes of one component that were not answered."""

    def __init__(self, health: Health) -> None:
        self._limit = health.failures * BUSY
        self._score = 0

    def answered(self) -> None:
        """It lives."""
        self._score = 0

    def silent(self, busy: bool) -> bool:
        """Whether it has hung, after one more probe without an answer."""
        self._score += 1 if busy else BUSY
        return self._score >= self._limit


async def status(address: tuple[str, int], timeout: float) -> int:
    """The HTTP status that the component answers GET /health/status with; 0 when none comes within ``timeout`` s."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(f"GET {PATH} HTTP/1.1\r\nHost: component\r\nConnection: close\r\n\r\n".encode())
                words = (await reader.readline()).split(maxsplit=2)
            finally:
                writer.close()
    except (OSError, ValueError):  # TimeoutError is an OSError; a line without an end is a ValueError
        return 0
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


async def accepts(address: tuple[str, int], timeout: float) -> bool:
    """Whether somebody listens there."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    writer.close()
    return True
