"""Engines that do wrong what the gates must notice: `python -m bench.selftest.saboteurs late FOLDER`.

Each is the real engine with one part exchanged before it starts; the engine itself knows nothing of them.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final
from unittest.mock import patch

from bench.load import engine
from bench.load.job import Assignment
from bench.load.pacer import Fire, Pacer, pace
from bench.load.tape import Tape

LATE_NS: Final = 20_000_000
CLUMP: Final = 10
LOST_EVERY: Final = 3


def pace_late(loop: asyncio.AbstractEventLoop, times: Sequence[int], fire: Fire) -> Pacer:
    """Every request is taken up 20 ms after it was meant to be; the gaps between them are right."""
    return pace(loop, [when + LATE_NS for when in times], lambda index, when: fire(index, when - LATE_NS))


class Bursty(Assignment):
    """Ten requests at the time of the first of them, on time: what a pool of waiting users sends at the same rate."""

    @classmethod
    def load(cls, folder: Path) -> Assignment:
        assignment = super().load(folder)
        if assignment.schedule is None:
            return assignment
        schedule = assignment.schedule.copy()
        for first in range(0, len(schedule), CLUMP):
            schedule[first : first + CLUMP] = schedule[first]
        return replace(assignment, schedule=schedule)


class Forgetful(Tape):
    """The end of every third request is written down as its beginning: its time is lost."""

    def __init__(self, raw: int, zero: int, start: float) -> None:
        super().__init__(raw, zero, start)
        self._written = 0

    def write(self, intended: int, taken: int, sent: int, done: int, status: int, outcome: int) -> None:
        self._written += 1
        lost = self._written % LOST_EVERY == 0
        super().write(intended, taken, sent, sent if lost else done, status, outcome)


SABOTEURS: Mapping[str, Callable[[], AbstractContextManager[object]]] = {
    "late": lambda: patch.object(engine, "pace", pace_late),
    "bursty": lambda: patch.object(engine, "Assignment", Bursty),
    "lost": lambda: patch.object(engine, "Tape", Forgetful),
}


def command(name: str) -> tuple[str, ...]:
    """What to give `launch` for this engine."""
    return (sys.executable, "-m", "bench.selftest.saboteurs", name)


def main() -> None:
    name = sys.argv.pop(1)
    with SABOTEURS[name]():
        engine.main()


if __name__ == "__main__":
    main()
